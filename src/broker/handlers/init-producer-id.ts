import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { errorNumber, type ProtocolErrorCode } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { InitProducerId } from '../../protocol/messages/init-producer-id.js'
import type { ProduceNode } from '../node.js'
import type { RequestContext } from '../request-context.js'
import { fencedFor } from '../transaction-errors.js'

type Request = RequestOf<typeof InitProducerId>
type Response = ResponseOf<typeof InitProducerId>

/** From this version on clients know PRODUCER_FENCED. */
const fencedVersion = 4

/**
 * Gives an idempotent producer its id, and a transactional one the id of its transactional id with
 * a new epoch.
 */
export function initProducerId(node: ProduceNode, request: Request, { apiVersion }: RequestContext): MaybePromise<Response> {
  const { transactionalId, transactionTimeoutMs, producerId = -1, producerEpoch = -1 } = request
  // A producer that has an id has an epoch, too (KIP-360).
  if (transactionalId === '' || (producerId === -1) !== (producerEpoch === -1)) return refused('INVALID_REQUEST')
  if (transactionalId !== null)
    return node.transactions
      .initProducerId({ transactionalId, producerId, producerEpoch }, transactionTimeoutMs)
      .then(({ error, ...producer }) => ({ errorCode: errorNumber(fencedFor(error, apiVersion >= fencedVersion)), ...producer }))
  const id = node.producerIds.next()
  return isPromise(id) ? id.then(given) : given(id)
}

function given(producerId: number): Response {
  return { errorCode: 0, producerId, producerEpoch: 0 }
}

function refused(code: ProtocolErrorCode): Response {
  return { errorCode: errorNumber(code), producerId: -1, producerEpoch: -1 }
}
