import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { Warnings } from '../../common/warnings.js'
import { errorNumber, type ProtocolErrorCode } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { InitProducerId } from '../../protocol/messages/init-producer-id.js'
import type { ProduceNode } from '../node.js'

type Request = RequestOf<typeof InitProducerId>
type Response = ResponseOf<typeof InitProducerId>

const warnings = new Warnings()
/** Nodes that have warned: a client may ask without end. */
const warned = new WeakSet<object>()

/**
 * Gives an idempotent producer its id. A transactional one is refused with a code that every client takes as final: after
 * UNSUPPORTED_VERSION, librdkafka asks again without end.
 */
export function initProducerId(
  node: ProduceNode,
  { transactionalId, producerId = -1, producerEpoch = -1 }: Request
): MaybePromise<Response> {
  // A producer that has an id has an epoch, too (KIP-360).
  if (transactionalId === '' || (producerId === -1) !== (producerEpoch === -1)) return refused('INVALID_REQUEST')
  if (transactionalId !== null) {
    if (!warned.has(node)) {
      warned.add(node)
      warnings.warn(`A client asked for transactions with the id \`${transactionalId}\`; this node has none`, 'NO_TRANSACTIONS')
    }
    return refused('TRANSACTIONAL_ID_AUTHORIZATION_FAILED')
  }
  const id = node.producerIds.next()
  return isPromise(id) ? id.then(given) : given(id)
}

function given(producerId: number): Response {
  return { errorCode: 0, producerId, producerEpoch: 0 }
}

function refused(code: ProtocolErrorCode): Response {
  return { errorCode: errorNumber(code), producerId: -1, producerEpoch: -1 }
}
