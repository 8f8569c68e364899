import { isPromise, type MaybePromise } from '../common/deferred.js'
import { zeroUuid } from '../common/uuid.js'
import { errorNumber, type ProtocolErrorCode } from '../errors.js'
import { isInternalTopic } from '../metadata/topic-name.js'
import type { RequestOf } from '../protocol/message.js'
import type { Produce } from '../protocol/messages/produce.js'
import { isTransactional, producerEpochAt, producerIdAt } from '../record/batch-header.js'
import type { ProduceNode } from './node.js'
import { goesOn } from './open-transaction.js'
import type { Partition } from './partition.js'
import { abortableFor, fencedFor } from './transaction-errors.js'

type Request = RequestOf<typeof Produce>

/** From this version of Produce on partitions take part with their first batch (KIP-890). */
const implicitVersion = 12
/** From this version on clients know TRANSACTION_ABORTABLE. */
const abortableVersion = 11

/** The errors of partitions that may not take the batches of a transaction. */
export type Unjoined = ReadonlyMap<Partition, number>

const allJoined: Unjoined = new Map()

/**
 * Lets the partitions of a request take part in the transaction of its producer where the client
 * leaves that to us, and otherwise makes sure that they do. Returns those that may not. Partitions
 * in which the transaction is open are not asked about again.
 */
export function joinTransaction(node: ProduceNode, request: Request, apiVersion: number): MaybePromise<Unjoined> {
  const { transactionalId, topicData } = request
  if (transactionalId == null) return allJoined
  const joining: Partition[] = []
  let producer: { producerId: number; producerEpoch: number } | undefined
  let isMixed = false
  for (const { name = '', topicId = zeroUuid, partitionData } of topicData) {
    const topic = node.findTopic(name, topicId)
    for (const { index, records } of partitionData) {
      const partition = topic?.partitions[index]
      if (!partition || isInternalTopic(partition.topic) || records === null || !isTransactional(records)) continue
      const producerId = producerIdAt(records, 0)
      const producerEpoch = producerEpochAt(records, 0)
      producer ??= { producerId, producerEpoch }
      if (producer.producerId !== producerId || producer.producerEpoch !== producerEpoch) isMixed = true
      if (!goesOn(partition.log, records)) joining.push(partition)
    }
  }
  if (!producer || joining.length === 0) return allJoined
  if (isMixed) return refused(joining, 'INVALID_PRODUCER_ID_MAPPING')
  const asker = { transactionalId, ...producer }
  if (apiVersion < implicitVersion) return verified(node, joining, asker, apiVersion)
  const added = node.transactions.addPartitions(asker, partitionsOf(joining), 2)
  const answer = (error: ProtocolErrorCode) =>
    error === 'NONE' ? allJoined : refused(joining, shownToProducer(unknownOr(node, error, asker.producerId), apiVersion))
  return isPromise(added) ? added.then(answer) : answer(added)
}

async function verified(
  node: ProduceNode,
  joining: readonly Partition[],
  asker: { transactionalId: string; producerId: number; producerEpoch: number },
  apiVersion: number
): Promise<Unjoined> {
  const errors = new Map<Partition, number>()
  for (const partition of joining) {
    const error = await node.transactions.verifyPartition(asker, partition.topic, partition.partition)
    if (error !== 'NONE') errors.set(partition, errorNumber(shownToProducer(unknownOr(node, error, asker.producerId), apiVersion)))
  }
  return errors
}

function refused(partitions: readonly Partition[], error: ProtocolErrorCode): Unjoined {
  return new Map(partitions.map(partition => [partition, errorNumber(error)]))
}

/** An unknown id has no transaction; the producer of a known one has another producer id by now. */
export function unknownOr(node: ProduceNode, error: ProtocolErrorCode, producerId: number): ProtocolErrorCode {
  return error === 'INVALID_PRODUCER_ID_MAPPING' && !node.transactions.ofProducer(producerId) ? 'INVALID_TXN_STATE' : error
}

function partitionsOf(partitions: readonly Partition[]): Map<string, Set<number>> {
  const byTopic = new Map<string, Set<number>>()
  for (const { topic, partition } of partitions) byTopic.set(topic, (byTopic.get(topic) ?? new Set()).add(partition))
  return byTopic
}

/** As producers know it: what goes by is shown as an error after which they try again. */
export function shownToProducer(error: ProtocolErrorCode, apiVersion: number): ProtocolErrorCode {
  switch (error) {
    case 'COORDINATOR_LOAD_IN_PROGRESS':
    case 'COORDINATOR_NOT_AVAILABLE':
    case 'NOT_COORDINATOR':
      return 'NOT_ENOUGH_REPLICAS'
    case 'CONCURRENT_TRANSACTIONS':
      return apiVersion < implicitVersion ? 'NOT_ENOUGH_REPLICAS' : error
    default:
      return abortableFor(fencedFor(error, false), apiVersion >= abortableVersion)
  }
}
