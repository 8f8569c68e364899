import type { ProtocolErrorCode } from '../errors.js'

/** Clients that do not know PRODUCER_FENCED are told INVALID_PRODUCER_EPOCH instead. */
export function fencedFor(error: ProtocolErrorCode, isKnown: boolean): ProtocolErrorCode {
  return error === 'PRODUCER_FENCED' && !isKnown ? 'INVALID_PRODUCER_EPOCH' : error
}

/** Clients that do not know TRANSACTION_ABORTABLE are told INVALID_TXN_STATE instead. */
export function abortableFor(error: ProtocolErrorCode, isKnown: boolean): ProtocolErrorCode {
  return error === 'TRANSACTION_ABORTABLE' && !isKnown ? 'INVALID_TXN_STATE' : error
}
