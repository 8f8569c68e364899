import type { TransactionCoordinator } from '../coordinator/transaction/transaction-coordinator.js'
import { reservingProducers } from '../log/log.js'
import type { Topic } from './topic.js'

interface ReservingNode {
  readonly topics: ReadonlyMap<string, Topic>
  readonly transactions: TransactionCoordinator
}

/**
 * Aborts the transactions that rely on conditions, before the node ends: what they have reserved
 * ends with it.
 */
export async function abortReserving({ topics, transactions }: ReservingNode): Promise<void> {
  const producerIds = new Set<number>()
  for (const { partitions } of topics.values())
    for (const { log } of partitions) for (const id of reservingProducers(log)) producerIds.add(id)
  await transactions.endReserving(producerIds)
}
