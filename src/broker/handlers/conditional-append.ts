import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { zeroUuid } from '../../common/uuid.js'
import { type ConflictError, errorNumber } from '../../errors.js'
import type { KeyCondition } from '../../log/keys/key-index.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { ConditionalAppend } from '../../protocol/messages/conditional-append.js'
import { isTransactional } from '../../record/batch-header.js'
import type { ProduceNode } from '../node.js'
import type { RequestContext } from '../request-context.js'
import { appendTo, type ConditionalBatch } from './produce.js'

type Request = RequestOf<typeof ConditionalAppend>
type Response = ResponseOf<typeof ConditionalAppend>

/**
 * Appends a batch where its conditions hold, which the log decides as it gives the batch its
 * offsets.
 */
export function conditionalAppend(
  node: ProduceNode,
  request: Request,
  context: RequestContext,
  signal?: AbortSignal
): MaybePromise<Response> {
  const { topic: name, partition: index, records, timeoutMs, endOffset = -1, keys } = request
  const partition = node.findTopic(name, zeroUuid)?.partitions[index]
  if (!partition) return { errorCode: errorNumber('UNKNOWN_TOPIC_OR_PARTITION') }
  if (isTransactional(records))
    return { errorCode: errorNumber('INVALID_TXN_STATE'), errorMessage: 'A batch of a transaction cannot be appended on a condition' }
  const condition = { keys: keys.map(conditionOf), ...(endOffset >= 0 && { endOffset }) }
  const conditional: ConditionalBatch = { condition }
  const answered = appendTo(node, partition, records, noError, timeoutMs, context, signal, conditional)
  const response = isPromise(answered) ? answered.then(answer => responseFor(answer, conditional)) : responseFor(answered, conditional)
  return context.writes ? context.writes.answer(response, records.length, () => [name]) : response
}

const noError = 0

/** A condition on a key, as it is in a request. */
export function conditionOf({ key, lastOffset }: Request['keys'][number]): KeyCondition {
  return { key, lastOffset: lastOffset < 0 ? 'none' : lastOffset }
}

type Answer = Awaited<ReturnType<typeof appendTo>>

function responseFor(
  { errorCode, errorMessage, baseOffset, logAppendTimeMs }: Answer,
  { condition, conflict }: ConditionalBatch
): Response {
  if (!conflict) return { errorCode, errorMessage: errorMessage ?? null, baseOffset, logAppendTimeMs }
  const conflicts = conflictsOf(condition.keys ?? [], conflict)
  return { errorCode: 0, errorMessage: conflict.message, isConflict: true, endOffset: conflict.endOffset, conflicts }
}

/** The keys that conflict, by the places of their conditions. */
export function conflictsOf(conditions: readonly KeyCondition[], conflict: ConflictError): NonNullable<Response['conflicts']> {
  const places = new Map(conditions.map(({ key }, index) => [key, index]))
  return conflict.keys.map(({ key, lastOffset }) => {
    return { index: places.get(key) ?? -1, lastOffset: lastOffset === 'none' ? -1 : lastOffset }
  })
}
