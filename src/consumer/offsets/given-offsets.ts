import { expectPartition } from '../../client/topic-partition.js'
import type { OffsetToCommit } from '../../client/transactional-offsets.js'
import { expectInteger, shown } from '../../common/options.js'

/** Checks partitions that a user names. */
export function expectPartitions(partitions: unknown): void {
  if (!Array.isArray(partitions)) throw new TypeError(`Expected a list of partitions, got ${shown(partitions)}`)
  for (const entry of partitions) expectPartition(entry)
}

/** Checks an offset that a user commits. */
export function expectOffsetToCommit({ offset, leaderEpoch, metadata }: OffsetToCommit): void {
  expectInteger('offset', offset, 0)
  if (leaderEpoch !== undefined) expectInteger('leaderEpoch', leaderEpoch, -1, 2 ** 31 - 1)
  if (metadata !== undefined && typeof metadata !== 'string')
    throw new TypeError(`Expected \`metadata\` to be a string, got ${shown(metadata)}`)
}
