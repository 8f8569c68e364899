import type { TopicPartition } from '../assignor/assignor.js'
import type { RequestOf } from '../protocol/message.js'
import type { Fetch } from '../protocol/messages/fetch.js'
import { RecordCursor } from '../record/record-cursor.js'
import type { FetchedRecords } from './fetched-records.js'
import type { TopicSerdes } from './subscription.js'

/** What stands for a partition in maps. */
export function partitionKey(topic: string, partition: number): string {
  return `${topic}-${partition}`
}

/** What a fetch asks of one partition. */
type FetchEntry = RequestOf<typeof Fetch>['topics'][number]['partitions'][number]

/**
 * A partition that a consumer reads, and how far it has come:
 *
 *     committed ≤ handled ≤ position ≤ fetchOffset
 *
 * Each is the offset of the next record that is not yet committed, handled, handed out, or fetched; -1 while unknown.
 */
export class AssignedPartition implements TopicPartition {
  readonly topic: string
  readonly partition: number
  readonly name: string
  readonly serdes: TopicSerdes
  /** Walks what was fetched; one fetch at a time. */
  readonly cursor = new RecordCursor()

  committed = -1
  handled = -1
  position = -1
  fetchOffset = -1

  /** Held back by the user. */
  paused = false
  /** Held back because it is about to go to another member. */
  revoking = false
  /** Counts the jumps (a seek, a revocation): what was fetched or handed out before one no longer counts. */
  jumps = 0
  /** What is fetched and not yet being read; at most one, so that a slow reader is not buried. */
  fetched: FetchedRecords | undefined
  /** What is being read. */
  reading: FetchedRecords | undefined
  /** `jumps` when the fetch under way was sent; -1 when none is. */
  fetchingJumps = -1
  /** Until when fetching rests after an error, on the cluster's clock. */
  restUntil = 0
  failures = 0
  /** Why reading it cannot go on, until the next loop tries again. */
  error: unknown

  /** As the last fetch told; -1 while unknown. */
  highWatermark = -1
  lastStableOffset = -1
  logStartOffset = -1
  /** Of the last record handed out; -1 while unknown. */
  leaderEpoch = -1
  #entry: FetchEntry | undefined

  constructor(topic: string, partition: number, serdes: TopicSerdes) {
    this.topic = topic
    this.partition = partition
    this.name = partitionKey(topic, partition)
    this.serdes = serdes
  }

  /** Whether its records may go to the user. */
  get isFlowing(): boolean {
    return !this.paused && !this.revoking
  }

  /** Whether there is something to read. */
  get isReady(): boolean {
    return this.reading !== undefined || this.fetched !== undefined
  }

  /** What to ask the leader for. The same object as long as nothing has changed: most partitions are asked for in vain most of the time. */
  fetchEntry(currentLeaderEpoch: number, partitionMaxBytes: number): FetchEntry {
    const { partition, fetchOffset } = this
    const entry = this.#entry
    if (entry?.fetchOffset === fetchOffset && entry.currentLeaderEpoch === currentLeaderEpoch) return entry
    this.#entry = { partition, currentLeaderEpoch, fetchOffset, partitionMaxBytes }
    return this.#entry
  }

  /** Goes on at `offset`, from which on nothing counts as handled. */
  jumpTo(offset: number): void {
    this.discard()
    this.position = this.handled = this.fetchOffset = offset
  }

  /** Goes back to the first record that has not been handled. */
  rewind(): void {
    this.jumpTo(this.handled)
  }

  /** Forgets what was fetched. What is being read may still be in the user's hands, so its memory is left to the garbage collector. */
  discard(): void {
    this.jumps++
    this.fetched?.release()
    this.reading = this.fetched = undefined
  }

  /** What to read next: what is being read, else what has been fetched. */
  take(): FetchedRecords | undefined {
    if (this.reading === undefined && this.fetched !== undefined) {
      this.reading = this.fetched
      this.fetched = undefined
    }
    return this.reading
  }

  /** Says that all of what is being read has been handed out. */
  finishReading(): void {
    const { reading } = this
    if (reading === undefined) return
    this.position = reading.endOffset
    this.reading = undefined
  }
}
