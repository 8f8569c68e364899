import { expectInteger, shown } from '../common/options.js'

/** Checks a partition that a user names. */
export function expectPartition(given: unknown): void {
  const { topic, partition } = (given ?? {}) as { readonly topic?: unknown; readonly partition?: unknown }
  if (typeof topic !== 'string') throw new TypeError(`Expected partitions as { topic, partition }, got ${shown(given)}`)
  expectInteger('partition', partition, 0, 2 ** 31 - 1)
}
