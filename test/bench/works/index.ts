import type { Work } from '../contest.js'

/** Every work by its name, in the order of the table; loaded when it is wanted. */
export const works: Readonly<Record<string, () => Promise<Work>>> = {
  bus: async () => (await import('./bus.js')).bus,
  'bus-1k': async () => (await import('./bus.js')).bus1k,
  'bus-shared': async () => (await import('./bus-shared.js')).busShared,
  'fan-out': async () => (await import('./fan-out.js')).fanOut
}
