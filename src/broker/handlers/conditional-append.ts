import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { zeroUuid } from '../../common/uuid.js'
import { type ConflictError, errorNumber } from '../../errors.js'
import type { AppendCondition } from '../../log/log-types.js'
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
  const { topic: name, partition: index, records, timeoutMs } = request
  const partition = node.findTopic(name, zeroUuid)?.partitions[index]
  if (!partition) return { errorCode: errorNumber('UNKNOWN_TOPIC_OR_PARTITION') }
  if (isTransactional(records))
    return { errorCode: errorNumber('INVALID_TXN_STATE'), errorMessage: 'A batch of a transaction cannot be appended on a condition' }
  const conditional: ConditionalBatch = { condition: conditionOf(request) }
  const answered = appendTo(node, partition, records, noError, timeoutMs, context, signal, conditional)
  const response = isPromise(answered) ? answered.then(answer => responseFor(answer, conditional)) : responseFor(answered, conditional)
  return context.writes ? context.writes.answer(response, records.length, () => [name]) : response
}

const noError = 0

/** The condition of a request. */
export function conditionOf({ keys, endOffset = -1 }: Pick<Request, 'keys' | 'endOffset'>): AppendCondition {
  const ofKeys = keys.map(({ key, lastOffset }) => ({ key, lastOffset: lastOffset < 0 ? ('none' as const) : lastOffset }))
  return { keys: ofKeys, ...(endOffset >= 0 && { endOffset }) }
}

type Answer = Awaited<ReturnType<typeof appendTo>>

function responseFor(
  { errorCode, errorMessage, baseOffset, logAppendTimeMs }: Answer,
  { condition, conflict }: ConditionalBatch
): Response {
  if (conflict) return conflictAnswer(condition, conflict)
  return { errorCode, errorMessage: errorMessage ?? null, baseOffset, logAppendTimeMs }
}

/** The answer where a condition does not hold; keys that conflict go by their places in it. */
export function conflictAnswer({ keys = [] }: AppendCondition, { message, endOffset, keys: found }: ConflictError) {
  const places = new Map(keys.map(({ key }, index) => [key, index]))
  const conflicts = found.map(({ key, lastOffset }) => {
    return { index: places.get(key) ?? -1, lastOffset: lastOffset === 'none' ? -1 : lastOffset }
  })
  return { errorCode: 0, errorMessage: message, isConflict: true, endOffset, conflicts }
}
