import type { Work } from '../contest.js'

/** Every work by its name, in the order of the table; loaded when it is wanted. */
export const works: Readonly<Record<string, () => Promise<Work>>> = {
  bus: async () => (await import('./bus.js')).bus,
  'bus-1k': async () => (await import('./bus.js')).bus1k,
  'bus-shared': async () => (await import('./bus-shared.js')).busShared,
  idempotence: async () => (await import('./idempotence.js')).idempotence,
  transactions: async () => (await import('./transactions.js')).transactions,
  'fan-out': async () => (await import('./fan-out.js')).fanOut,
  'slow-reader': async () => (await import('./slow-reader.js')).slowReader,
  host: async () => (await import('./host.js')).host,
  disk: async () => (await import('./disk.js')).disk,
  'disk-1k': async () => (await import('./disk.js')).disk1k,
  'fsync-1': async () => (await import('./fsync.js')).fsync1,
  'fsync-100': async () => (await import('./fsync.js')).fsync100,
  conditional: async () => (await import('./conditional.js')).conditional,
  open: async () => (await import('./open.js')).open,
  latency: async () => (await import('./latency.js')).latency,
  codecs: async () => (await import('./codecs.js')).codecs,
  socket: async () => (await import('./socket.js')).socket,
  partitions: async () => (await import('./scale.js')).partitions,
  consumers: async () => (await import('./scale.js')).consumers,
  'record-sizes': async () => (await import('./scale.js')).recordSizes,
  'disk-sizes': async () => (await import('./scale.js')).diskSizes,
  cost: async () => (await import('./cost.js')).cost,
  memory: async () => (await import('./memory.js')).memory
}
