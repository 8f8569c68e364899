import type { Clock } from '../../common/clock.js'
import type { MaybePromise } from '../../common/deferred.js'
import type { AssignedPartition } from '../assigned-partition.js'
import type { ConsumerSettings } from '../consumer-options.js'
import type { FetchedRecords } from '../fetch/fetched-records.js'
import type { ReaderTurn } from '../fetch/reader-turn.js'
import type { RejectedRecord } from '../rejection.js'
import type { Assignment } from '../source/assignment.js'

/**
 * Hands records to the user: a loop over records or batches, or `run`. A consumer has one at a
 * time.
 */
export interface Reader {
  /** There may be something new to hand out. */
  wake(): void
  /** Assignment, pauses or positions changed: the reader looks again before it hands out more. */
  interrupt(): void
  /** Ends with an error, which the user gets. */
  fail(error: unknown): void
  /**
   * Ends as a matter of course, because the consumer closes; waits for handlers at work, until the
   * signal aborts.
   */
  close(givingUp: AbortSignal): Promise<void>
  /**
   * Nothing is read any more, and nothing else has been subscribed to: ends, unless the user has
   * something in hand and may yet.
   */
  unsubscribed(): void
  /** True if handlers are at work, which close waits for. */
  readonly isAtWork: boolean
  /**
   * Resolves once the user has finished with what he has in hand of these partitions; undefined
   * when that is nothing.
   */
  finish(partitions: ReadonlySet<AssignedPartition>): Promise<void> | undefined
  /** Takes what is in hand for handled, because the user commits it. */
  acknowledge(): void
  /**
   * The records of a partition that it has taken ahead and not handed out: their first offset, and
   * their number.
   */
  taken?(partition: AssignedPartition): { readonly from: number; readonly count: number } | undefined
  /**
   * Numbers of the records or batches in hand, one per unit that can be in hand at once; -1 for
   * nothing.
   */
  inHand(): Iterable<number>
}

/** The parts of a consumer that a reader needs. */
export interface ReaderOwner {
  /** The consumer, as users see it. */
  readonly consumer: object
  readonly assignment: Assignment
  readonly settings: ConsumerSettings
  readonly clock: Clock
  /** The reader starts. Throws when there is another, or the consumer is closed. */
  begin(reader: Reader): void
  /** The reader has ended. */
  end(reader: Reader): Promise<void>
  /** The user waits for something to read. */
  isWaiting(reader: Reader): void
  /** Something was read, so that there is room for more. */
  moveOn(): void
  /**
   * Deals with the current record, which cannot be decoded, as the user chose. Throws when reading
   * is to stop there.
   */
  reject(partition: AssignedPartition, fetched: FetchedRecords, error: unknown): MaybePromise<void>
  /** The same for a record that has been described already. */
  rejected(record: RejectedRecord): MaybePromise<void>
  /** Says when to ask `yieldWhenOver`. */
  readonly turn: ReaderTurn
  /** A promise of the reader's next turn when its slice of time is over. */
  yieldWhenOver(): Promise<void> | undefined
}
