import type { MaybePromise } from './deferred.js'

/** A change of state, as it stands in a log. A `null` value deletes what the key names. */
export interface StateRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
}

/** A record on its way back from the log into the state. The bytes may be kept. */
export interface ReplayedRecord extends StateRecord {
  readonly offset: number
  /** The time at which it was written, in milliseconds since 1970. */
  readonly timestamp: number
  /**
   * The producer whose transaction it belongs to, which is undecided; only for machines with
   * `replayEnd`.
   */
  readonly producerId?: number
}

/** The end of a transaction of a producer. */
export interface TransactionEnd {
  readonly type: 'COMMIT' | 'ABORT'
  readonly producerId: number
  readonly producerEpoch: number
  readonly coordinatorEpoch: number
}

/** State that is nothing but the sum of its records, so that the log brings it back. */
export interface StateMachine {
  /**
   * The only thing that changes the state. Must be idempotent: a record may come again after a
   * snapshot that holds its effect.
   */
  replay(record: ReplayedRecord): void
  /**
   * The transaction of a producer has ended. Default: records of transactions are replayed once
   * these are committed.
   */
  replayEnd?(producerId: number, type: TransactionEnd['type']): void
  /**
   * True if there are records of transactions that are undecided, which a snapshot would leave out.
   * Default: there are none.
   */
  readonly hasUndecided?: boolean
  /** The whole state as the fewest records that bring it back. */
  snapshot(): Iterable<StateRecord>
}

/**
 * The decision on a request: records to make permanent, and the step that follows when they are.
 */
export interface Decision<T> {
  readonly records: readonly StateRecord[]
  /** The producer to whose transaction the records belong. Default: none. */
  readonly transactionOf?: { readonly producerId: number; readonly producerEpoch: number }
  /** A transaction that ends here; there are no records then. */
  readonly ends?: TransactionEnd
  /**
   * Called in the same stretch in which the records have been replayed; gives the answer, or a
   * promise of it that holds nobody else up.
   */
  committed(): T
  /**
   * Called instead when the log refused the records, and nothing has changed. Default: the error
   * goes to whoever asked.
   */
  failed?(error: unknown): T
}

/**
 * Carries decisions out one after the other: none is taken before the one before it is in the log
 * and in the state.
 */
export type Run = <T>(decide: () => Decision<MaybePromise<T>>) => MaybePromise<T>

/** A decision that changes nothing. */
export function answer<T>(value: T): Decision<T> {
  return { records: [], committed: () => value }
}
