import type { TransactionCoordinator } from '../coordinator/transaction/transaction-coordinator.js'
import { epochBumpVersion, hasPartition, isPrepared } from '../coordinator/transaction/transaction-state.js'
import type { ProducerEntry } from '../log/history/producer-state.js'
import { historyOf } from '../log/log.js'
import { transactionStateTopic } from '../metadata/topic-name.js'
import type { GroupNode } from './group-node.js'
import { usedPartitions } from './internal-topic.js'
import type { Partition } from './partition.js'
import type { Topic } from './topic.js'
import { writeMarker } from './transaction-markers.js'

interface UndecidedNode extends GroupNode {
  readonly topics: ReadonlyMap<string, Topic>
  readonly clock: { now(): number }
  readonly transactions: TransactionCoordinator
}

/**
 * Finishes what coordinators had decided, after a crash or by a Kafka that had the directory
 * before, and ends what is open in partitions of which no coordinator knows: nobody would ever, and
 * readers of what is committed wait for it.
 */
export async function finishTransactions(node: UndecidedNode): Promise<void> {
  const areAllKnown = await node.transactions.load(usedPartitions(node.topics, transactionStateTopic))
  // Of those whose state cannot be read nobody knows how they end.
  if (!areAllKnown || node.topics.get(transactionStateTopic)?.partitions.some(({ log }) => log.isStopped)) return
  for (const partition of partitionsOf(node.topics)) {
    const { producers } = historyOf(partition.log)
    if (!producers.hasOpenTransactions || partition.log.failure) continue
    for (const entry of [...producers.entries]) if (entry.transactionStart >= 0) await endUnknown(node, partition, entry)
  }
}

async function endUnknown(node: UndecidedNode, partition: Partition, entry: ProducerEntry): Promise<void> {
  const { producerId, epoch, coordinatorEpoch } = entry
  const state = node.transactions.ofProducer(producerId)
  const isUnderWay = state !== undefined && (state.status === 'Ongoing' || isPrepared(state))
  if (isUnderWay && hasPartition(state, partition.topic, partition.partition)) return
  // The marker may be what a power cut has taken, after the transaction was complete.
  const wasCommitted = state?.status === 'CompleteCommit' && state.clientVersion >= epochBumpVersion && state.producerEpoch === epoch + 1
  const end = {
    type: wasCommitted ? 'COMMIT' : 'ABORT',
    producerId,
    producerEpoch: epoch,
    coordinatorEpoch: Math.max(0, coordinatorEpoch)
  } as const
  await writeMarker(node, partition, end, 1)
}

function* partitionsOf(topics: ReadonlyMap<string, Topic>): Generator<Partition, void, undefined> {
  for (const { name, partitions } of topics.values()) if (name !== transactionStateTopic) yield* partitions
}
