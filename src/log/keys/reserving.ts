import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { ConflictError, KafkaError } from '../../errors.js'
import { conflictWith } from '../append/append-condition.js'
import type { LogState } from '../log-state.js'
import type { AppendCondition } from '../log-types.js'
import { cutUnwritten } from '../recovery/log-truncation.js'
import { ReservedError } from './reservations.js'

/** The keys and the end that the transaction of a producer relies on in a log. */
export interface ReservationRequest extends AppendCondition {
  readonly producerId: number
  /**
   * True while the transaction is open and the log takes part in it, so that the marker that ends
   * it will come.
   */
  isOpen(): boolean
}

/** The memory that a reserved key takes at most. */
const bytesOfKey = 120

/**
 * Makes sure that conditions hold, and go on to hold until the transaction ends: the keys, and the
 * end of the log, are reserved for it. Raises CONFLICT where one does not hold. Where another
 * transaction that is not decided has them, the one with the lower producer id waits
 * (CONCURRENT_TRANSACTIONS, to be tried again) and the other gives up (CONFLICT), so that no two
 * wait for each other.
 */
export function reserve(log: LogState, request: ReservationRequest): MaybePromise<void> {
  const reserved = log.changes.run(() => submit(log, request))
  return isPromise(reserved) ? reserved.then(({ written }) => settled(log, written)) : settled(log, reserved.written)
}

/** Holds a promise for a change, so that nobody who waits for the change waits for the promise. */
interface Reserved {
  /** Resolves when all that the conditions rely on is written; absent when that is so already. */
  readonly written: Promise<boolean> | undefined
}

function submit(log: LogState, request: ReservationRequest): MaybePromise<Reserved> {
  const { producerId, endOffset, keys = [] } = request
  log.expectWritable()
  if (log.failures.lackOfRoom) return cutUnwritten(log).then(() => submit(log, request))
  if (!request.isOpen()) throw new KafkaError('INVALID_TXN_STATE', `No transaction of producer ${producerId} is open in \`${log.folder}\``)
  const conflict = conflictOf(log, request)
  // A conflicting batch under way may fail.
  if (conflict && !log.writes.areOver) return log.writes.settled().then(() => submit(log, request))
  if (conflict) throw conflict
  const reservations = log.history.reservations
  const { keyIndexMaxBytes } = log.options
  if (reservations.sizeInBytes + keys.length * bytesOfKey > keyIndexMaxBytes)
    throw new KafkaError(
      'POLICY_VIOLATION',
      `What transactions have reserved in \`${log.folder}\` would take more than the ${keyIndexMaxBytes} bytes that \`millrace.key.index.max.bytes\` allows; raise it`
    )
  reservations.add(producerId, keys, endOffset !== undefined)
  return { written: log.writes.outcome }
}

function conflictOf(log: LogState, request: ReservationRequest): KafkaError | undefined {
  const { producerId, endOffset } = request
  try {
    if (endOffset !== undefined) expectNoMarkers(log, producerId)
    return conflictWith(log, request, producerId)
  } catch (error) {
    if (!(error instanceof ReservedError) || producerId < error.holder) throw error
    return new ConflictError(`${error.message}; nothing was written`, { endOffset: log.nextOffset })
  }
}

/** The markers of other transactions move the end of a log. */
function expectNoMarkers(log: LogState, producerId: number): void {
  const other = log.history.producers.openBesides(producerId)
  if (other !== undefined) throw new ReservedError(other, 'Expected no other transaction in the partition, whose end is relied on')
}

function settled(log: LogState, written: Promise<boolean> | undefined): MaybePromise<void> {
  return written?.then(ok => {
    if (!ok) throw log.failures.last
  })
}
