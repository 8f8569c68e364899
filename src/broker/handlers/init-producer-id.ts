import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { errorNumber, type ProtocolErrorCode } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { InitProducerId } from '../../protocol/messages/init-producer-id.js'
import type { LocalBroker } from '../local-broker.js'

type Request = RequestOf<typeof InitProducerId>
type Response = ResponseOf<typeof InitProducerId>

/** Gives an idempotent producer its id. Producers of transactions are refused for good: there are no transactions yet. */
export function initProducerId(node: LocalBroker, { transactionalId }: Request): MaybePromise<Response> {
  if (transactionalId !== null) return refused(transactionalId === '' ? 'INVALID_REQUEST' : 'UNSUPPORTED_VERSION')
  const id = node.producerIds.next()
  return isPromise(id) ? id.then(given) : given(id)
}

function given(producerId: number): Response {
  return { errorCode: 0, producerId, producerEpoch: 0 }
}

function refused(code: ProtocolErrorCode): Response {
  return { errorCode: errorNumber(code), producerId: -1, producerEpoch: -1 }
}
