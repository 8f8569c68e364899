import type { MaybePromise } from '../common/deferred.js'
import type { TransactionEnd } from '../common/state-machine.js'
import type { GroupCoordinator } from '../coordinator/group/group-coordinator.js'
import { groupOffsetsTopic } from '../metadata/topic-name.js'
import { endTransaction, expectEnds } from './end-transaction.js'
import type { Partition } from './partition.js'

interface MarkerNode {
  readonly clock: { now(): number }
  readonly groups: GroupCoordinator
}

/**
 * Ends the transaction of a producer in a partition; in one of `__consumer_offsets`, for the groups
 * that are kept there, too.
 */
export function writeMarker(
  node: MarkerNode,
  partition: Partition,
  end: TransactionEnd,
  transactionVersion: number
): MaybePromise<unknown> {
  if (partition.topic !== groupOffsetsTopic) return endTransaction(partition, { ...end, timestamp: node.clock.now() }, transactionVersion)
  expectEnds(partition, end, transactionVersion)
  return node.groups.endTransaction(partition.partition, end)
}
