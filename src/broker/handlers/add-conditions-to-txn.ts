import { isPromise, type MaybePromise, whenThere } from '../../common/deferred.js'
import { zeroUuid } from '../../common/uuid.js'
import { ConflictError, errorNumber } from '../../errors.js'
import { reserveAsOwner } from '../../log/log.js'
import type { AppendCondition } from '../../log/log-types.js'
import { isInternalTopic } from '../../metadata/topic-name.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { AddConditionsToTxn } from '../../protocol/messages/add-conditions-to-txn.js'
import type { ProduceNode } from '../node.js'
import type { Partition } from '../partition.js'
import { shownToProducer, unknownOr } from '../transactional-produce.js'
import { conditionOf, conflictAnswer } from './conditional-append.js'

type Request = RequestOf<typeof AddConditionsToTxn>
type Response = ResponseOf<typeof AddConditionsToTxn>

/**
 * Lets a partition take part in the transaction of a producer, so that the marker that ends it
 * comes there too, and then reserves what the conditions rely on until that marker is written.
 */
export function addConditionsToTxn(node: ProduceNode, request: Request): MaybePromise<Response> {
  const { topic: name, partition: index, keys, endOffset = -1, producerId, producerEpoch } = request
  const partition = node.findTopic(name, zeroUuid)?.partitions[index]
  if (!partition) return { errorCode: errorNumber('UNKNOWN_TOPIC_OR_PARTITION') }
  if (isInternalTopic(name)) return { errorCode: errorNumber('INVALID_TOPIC_EXCEPTION') }
  if (keys.length === 0 && endOffset < 0)
    return { errorCode: errorNumber('INVALID_REQUEST'), errorMessage: 'Expected at least one condition' }
  const takesPart = node.transactions.includes(producerId, producerEpoch, name, index)
  const added = takesPart ? 'NONE' : node.transactions.addPartitions(request, new Map([[name, new Set([index])]]), 2)
  return whenThere(added, error => {
    if (error !== 'NONE') return { errorCode: errorNumber(shownToProducer(unknownOr(node, error, producerId), newestProduce)) }
    return reserved(node, partition, request)
  })
}

/** Clients that know this API know the errors of this version of Produce. */
const newestProduce = 12

function reserved(node: ProduceNode, partition: Partition, request: Request): MaybePromise<Response> {
  const { producerId, producerEpoch, topic, partition: index } = request
  const condition = conditionOf(request)
  const onError = (error: unknown) => failed(node, partition, condition, error)
  try {
    const isOpen = () => node.transactions.mayReserve(producerId, producerEpoch, topic, index)
    const done = reserveAsOwner(partition.log, { ...condition, producerId, isOpen })
    return isPromise(done) ? done.then(() => holds, onError) : holds
  } catch (error) {
    return onError(error)
  }
}

const holds: Response = { errorCode: 0 }

function failed(node: ProduceNode, partition: Partition, condition: AppendCondition, error: unknown): Response {
  if (partition.isDeleted) return { errorCode: errorNumber('UNKNOWN_TOPIC_OR_PARTITION') }
  if (error instanceof ConflictError) return conflictAnswer(condition, error)
  const during = `a condition on ${partition.topic}-${partition.partition}`
  return { errorCode: node.errorNumberFor(error, during), errorMessage: error instanceof Error ? error.message : null }
}
