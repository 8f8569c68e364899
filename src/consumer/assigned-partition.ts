import type { TopicPartition } from '../assignor/assignor.js'
import type { OffsetToCommit } from '../client/transactional-offsets.js'
import { assert } from '../common/assert.js'
import { zeroUuid } from '../common/uuid.js'
import type { RequestOf } from '../protocol/message.js'
import type { Fetch } from '../protocol/messages/fetch.js'
import { RecordCursor } from '../record/record-cursor.js'
import { forLentBytes } from '../record/serde.js'
import type { FetchedRecords } from './fetch/fetched-records.js'
import { Rest } from './fetch/rest.js'
import type { TopicSerdes } from './source/subscription.js'

/** An offset on its way to the group, and what was so when it was taken. */
export interface PendingCommit {
  /** As the user gave it, or as the partition did. */
  readonly given: OffsetToCommit
  /** Of the topic that was read; undefined where brokers know no ids. */
  readonly topicId: string | undefined
  /** Undefined for a partition that this consumer does not read. */
  readonly assigned: AssignedPartition | undefined
  readonly handled: number
  readonly jumps: number
}

/** The part of a fetch request for one partition. */
type FetchEntry = RequestOf<typeof Fetch>['topics'][number]['partitions'][number]

/** The ends of a partition's log as its leader told them; -1 while unknown. */
export interface LogEnds {
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly logStartOffset: number
}

const unknownEnds: LogEnds = Object.freeze({ highWatermark: -1, lastStableOffset: -1, logStartOffset: -1 })

/**
 * A partition that a consumer reads, and the one owner of how far it has come:
 *
 *     handled ≤ position ≤ fetchOffset
 *
 * Each is the offset of the next record that is not yet handled, handed out, or fetched; -1 while unknown. `committed` is what the group
 * was last told: it follows `handled`, and differs from it after a jump or when the user committed by hand.
 *
 * A jump (a seek, a rewind, the loss of the partition) voids all that was fetched or handed out before it. The verbs that report progress
 * therefore take the `jumps` that were current when the record was taken, and do nothing when there was a jump since.
 *
 * Size: it owns all offsets of a partition. Each bounds the next, so that an owner for each could
 * not keep their order.
 */
export class AssignedPartition implements TopicPartition {
  readonly topic: string
  readonly partition: number
  readonly name: string
  readonly serdes: TopicSerdes
  /** Walks what was fetched; one fetch at a time. */
  readonly cursor = new RecordCursor()
  /** Fetching pauses here after an error, and stops after a fatal one. */
  readonly rest = new Rest()

  /** Called whenever what is handled or committed moves; set while somebody waits for that. */
  onProgress: (() => void) | undefined

  /** Of the topic that its offsets belong to; undefined while unknown. */
  #topicId: string | undefined
  #committed = -1
  /** The position up to which records were handled at the last commit. */
  #reported = -1
  /** The user committed beyond what was handed out: automatic commits wait until what is handled gets there. */
  #floor = -1
  #handled = -1
  #position = -1
  /** The position at which the last loop ended, whose last record is not handled; -1 when there was none, or a jump since. */
  #leftAt = -1
  /** The last commit or jump: an aborted transaction takes reading back there. */
  #base = -1
  /** The position from which an aborted transaction took reading back; -1 without one. */
  #takenBackFrom = -1
  #fetchOffset = -1
  /** Of the last record handed out; -1 while unknown. */
  #leaderEpoch = -1
  #jumps = 0
  /** The number of the seek that was asked for last, and of the one that was made last. */
  #seeksAsked = 0
  #seek = 0
  /** Fetched and not yet being read; at most one, so that a slow reader does not gather more. */
  #fetched: FetchedRecords | undefined
  #reading: FetchedRecords | undefined
  /** The number of the fetch that was sent last. */
  #fetch = -1
  /** `jumps` when the fetch under way was sent; -1 when none is. */
  #fetchingJumps = -1
  #isPaused = false
  #isRevoking = false
  #isUnwanted = false
  #ends = unknownEnds
  /** About what a record takes, as the last fetch showed. */
  #bytesPerRecord = 0
  #entry: FetchEntry | undefined

  constructor(topic: string, partition: number, serdes: TopicSerdes) {
    this.topic = topic
    this.partition = partition
    this.name = partitionKey(topic, partition)
    this.serdes = { key: forLentBytes(serdes.key), value: forLentBytes(serdes.value) }
  }

  get topicId(): string | undefined {
    return this.#topicId
  }

  /** Says which topic the offsets belong to, unless that is known. */
  belongTo(topicId: string | undefined): void {
    if (topicId !== zeroUuid) this.#topicId ??= topicId
  }

  get committed(): number {
    return this.#committed
  }

  get handled(): number {
    return this.#handled
  }

  get position(): number {
    return this.#position
  }

  get fetchOffset(): number {
    return this.#fetchOffset
  }

  /** Counts the jumps. */
  get jumps(): number {
    return this.#jumps
  }

  get ends(): LogEnds {
    return this.#ends
  }

  // ---- progress

  /** The records before `offset` were handed out; `leaderEpoch` is that of the last of them. */
  handedOut(offset: number, leaderEpoch: number, jumps: number): void {
    if (jumps !== this.#jumps) return
    assert(offset >= this.#position && offset <= this.#fetchOffset, 'what is handed out to lie between the position and the fetch offset')
    this.#position = offset
    this.#leaderEpoch = leaderEpoch
  }

  /** The records before `offset` have been handled. Never moves back: only a jump does. */
  handledUpTo(offset: number, jumps: number): void {
    if (jumps !== this.#jumps || offset <= this.#handled) return
    assert(offset <= this.#position, 'what was handled to have been handed out')
    this.#handled = offset
    this.#progressed()
  }

  /** Everything that was handed out has been handled. */
  handledAll(): void {
    if (this.#handled === this.#position) return
    this.#handled = this.#position
    this.#progressed()
  }

  /** The user commits `offset`: the records before it count as handled, as far as they were handed out. */
  handledByUser(offset: number): void {
    if (offset > this.#position && offset <= Math.max(this.#leftAt, this.#takenBackFrom)) this.#catchUp(offset)
    else if (offset > this.#handled && offset <= this.#position) {
      this.#handled = offset
      this.#progressed()
    }
  }

  /** The user commits all that was handed out, also by a loop that has ended. */
  handledByUserAll(): void {
    if (this.#leftAt > this.#position) this.#catchUp(this.#leftAt)
    this.handledAll()
  }

  /** Passes over records that were handed out before, which leaves the last commit where it is. */
  #catchUp(offset: number): void {
    const base = this.#base
    this.jumpTo(offset)
    this.#base = base
  }

  /** A commit for this partition: of what was handled, unless the user gives the offset. Undefined when that is nothing new. */
  toCommit(given?: OffsetToCommit): PendingCommit | undefined {
    const offset = this.#handled
    const hasNews = offset >= 0 && offset !== this.#reported && offset >= this.#floor
    if (given === undefined && !hasNews) return undefined
    const { topic, partition } = this
    const leaderEpoch = offset === this.#position ? this.#leaderEpoch : -1
    const own = { topic, partition, offset, leaderEpoch }
    return { given: given ?? own, topicId: this.#topicId, assigned: this, handled: offset, jumps: this.#jumps }
  }

  /** The group has taken this commit. */
  committedUpTo({ given, handled, jumps }: PendingCommit): void {
    this.#committed = given.offset
    const isCurrent = jumps === this.#jumps
    this.#reported = isCurrent ? handled : -1
    if (isCurrent) {
      this.#floor = given.offset > handled ? given.offset : -1
      this.#base = given.offset
    }
    this.#progressed()
  }

  /**
   * A transaction was committed, and this commit with it. Records before it that an aborted
   * transaction would bring again are passed over.
   */
  committedInTransaction(commit: PendingCommit): void {
    const { offset } = commit.given
    const isCurrent = commit.jumps === this.#jumps
    if (isCurrent) this.handledByUser(offset)
    const handled = Math.max(commit.handled, Math.min(offset, this.#handled))
    this.committedUpTo({ ...commit, handled, jumps: isCurrent ? this.#jumps : commit.jumps })
  }

  /** True if records were handed out since the last commit or jump. */
  get isUncommitted(): boolean {
    return this.#base >= 0 && Math.max(this.#position, this.#leftAt) > this.#base
  }

  /** Takes back what was handed out since the last commit. Returns whether that is anything. */
  goBack(): boolean {
    this.#leftAt = -1
    if (!this.isUncommitted) return false
    const from = Math.max(this.#position, this.#takenBackFrom)
    this.#goTo(this.#base)
    this.#takenBackFrom = from
    return true
  }

  /** Hands out nothing until `resolveTo` says where a transaction of unknown end left the group. */
  holdUntilResolved(): void {
    this.#goTo(-1)
  }

  /** Goes on at the offset that the group has; without one, where reading began. */
  resolveTo(committed: number | undefined): void {
    if (committed !== undefined) this.startAtCommitted(committed)
    else this.jumpTo(this.#base)
  }

  /** The group had this offset committed when the partition was assigned: reading starts there. */
  startAtCommitted(offset: number): void {
    this.jumpTo(offset)
    this.#committed = this.#reported = offset
    this.#progressed()
  }

  /** Called by every verb that moves what is handled or committed, so once per record: keep it cheap. */
  #progressed(): void {
    if (this.onProgress !== undefined) this.onProgress()
  }

  /** Goes on at `offset`, from which on nothing counts as handled. */
  jumpTo(offset: number): void {
    // A commit by hand holds only until a seek.
    if (this.#committed !== this.#reported) this.#reported = -1
    this.#floor = -1
    this.#base = offset
    this.#goTo(offset)
  }

  /** The user asks for a seek, whose offset may have to be looked up. Returns its number. */
  beginSeek(): number {
    return ++this.#seeksAsked
  }

  /** Makes a seek, unless one that was asked for later has been made. Returns whether it was. */
  seekTo(offset: number, seek: number): boolean {
    if (seek < this.#seek) return false
    this.#seek = seek
    this.jumpTo(offset)
    return true
  }

  #goTo(offset: number): void {
    this.discard()
    this.#position = this.#handled = this.#fetchOffset = offset
    this.#leftAt = this.#takenBackFrom = -1
    this.#progressed()
  }

  /** The topic was deleted and created anew: nothing that was so of the old one says anything about the new one. */
  recreated(topicId: string): void {
    this.jumpTo(-1)
    this.#topicId = topicId
    this.#committed = this.#reported = this.#leaderEpoch = -1
    this.#ends = unknownEnds
    this.rest.restart()
  }

  /** Goes back to the first record that has not been handled. */
  rewind(): void {
    this.#goTo(this.#handled)
  }

  /** A loop begins: a commit no longer covers the record that an earlier loop was left at. */
  enter(): void {
    this.#leftAt = -1
  }

  /** A loop over its records has ended: the record that it was left at has not been handled, and comes again. */
  leave(): void {
    if (this.#handled < 0 || this.#handled === this.#position) return
    const leftAt = this.#position
    this.rewind()
    this.#leftAt = leftAt
  }

  // ---- what is held back

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** True if it is about to go to another member. */
  get isRevoking(): boolean {
    return this.#isRevoking
  }

  /** True if its records may go to the user. */
  get isFlowing(): boolean {
    return !this.#isPaused && !this.#isRevoking && !this.#isUnwanted
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
  }

  /** Hands out nothing, until it is given up, where its topic is no longer subscribed to. */
  want(isWanted: boolean): void {
    this.#isUnwanted = !isWanted
  }

  /** Hands out nothing more: it goes to another member. */
  revoke(): void {
    this.#isRevoking = true
  }

  // ---- what is fetched

  /** Records that were fetched and are not yet being read. */
  get fetched(): FetchedRecords | undefined {
    return this.#fetched
  }

  /** Records that are being read. */
  get reading(): FetchedRecords | undefined {
    return this.#reading
  }

  /** True if there is something to read. */
  get isReady(): boolean {
    return this.#reading !== undefined || this.#fetched !== undefined
  }

  /** Bytes that were fetched and are kept for the reader. */
  get bufferedBytes(): number {
    return (this.#fetched?.sizeInBytes ?? 0) + (this.#reading?.sizeInBytes ?? 0)
  }

  /** About how many bytes there are to hand out, up to the end of the log; 0 while none may be. */
  unreadBytes(logEndOffset = this.#ends.highWatermark): number {
    if (!this.isFlowing) return 0
    return (this.#reading?.unreadBytes ?? 0) + (this.#fetched?.sizeInBytes ?? 0) + this.unfetchedBytes(logEndOffset)
  }

  /** About how many bytes there are to fetch. */
  unfetchedBytes(logEndOffset: number): number {
    return Math.max(0, logEndOffset - this.#fetchOffset) * this.#bytesPerRecord
  }

  /** True if its next records may be fetched, were there room for them: it is known from where, and the user may have them. */
  get isFetchable(): boolean {
    return this.#fetchOffset >= 0 && this.isFlowing
  }

  /** True if records were handed out that are not yet handled. */
  get isInHand(): boolean {
    return this.#handled < this.#position
  }

  /** True if the fetch under way asks for what comes next. */
  get isBeingFetched(): boolean {
    return this.#fetchingJumps === this.#jumps
  }

  /** A fetch is sent. Returns what it asks for: the same object while nothing has changed, since most partitions have nothing new. */
  startFetch(fetch: number, currentLeaderEpoch: number, partitionMaxBytes: number): FetchEntry {
    this.#fetch = fetch
    this.#fetchingJumps = this.#jumps
    const { partition } = this
    const fetchOffset = this.#fetchOffset
    const entry = this.#entry
    if (entry?.fetchOffset === fetchOffset && entry.currentLeaderEpoch === currentLeaderEpoch) return entry
    this.#entry = { partition, currentLeaderEpoch, fetchOffset, partitionMaxBytes }
    return this.#entry
  }

  /** True if that fetch is under way, and the partition has not jumped since: no other may bring its records. */
  isFetchedBy(fetch: number): boolean {
    return this.isBeingFetched && this.#fetch === fetch
  }

  /** The fetch was answered, or given up. */
  endFetch(fetch: number): void {
    if (this.#fetch === fetch) this.#fetchingJumps = -1
  }

  /** A fetch told where the log starts and ends. */
  sawEnds(ends: LogEnds): void {
    this.#ends = ends
  }

  /** The topic with this id was deleted: there will be no more of it than this. */
  deleted(topicId: string, highWatermark: number): void {
    if (isSameTopic(topicId, this.#topicId)) this.#ends = { ...this.#ends, highWatermark }
  }

  /** A fetch brought records. */
  took(fetched: FetchedRecords): void {
    assert(this.#fetched === undefined && fetched.startOffset === this.#fetchOffset, 'a fetch to bring what was asked for')
    this.#fetched = fetched
    this.#fetchOffset = fetched.endOffset
    this.#bytesPerRecord = fetched.sizeInBytes / (fetched.endOffset - fetched.startOffset)
  }

  /** The offset to fetch from is not in the log: nothing is fetched until a jump. */
  lostItsPlace(): void {
    this.#fetchOffset = -1
  }

  /** Gives back memory: what was fetched and is in nobody's hands will be fetched again. */
  giveUpFetched(): void {
    // A record in hand, or a batch, stands in what is being read.
    if (this.#handled === this.#position) this.discard()
    else this.#fetched?.release()
    this.#fetched = undefined
    this.#fetchOffset = this.#reading?.endOffset ?? this.#position
  }

  /** The records to read next: those being read, else those that were fetched. */
  take(): FetchedRecords | undefined {
    if (this.#reading === undefined && this.#fetched !== undefined) {
      this.#reading = this.#fetched
      this.#fetched = undefined
    }
    return this.#reading
  }

  /** All of what is being read has been handed out. */
  finishReading(): void {
    const reading = this.#reading
    if (reading === undefined) return
    this.#position = reading.endOffset
    this.#reading = undefined
  }

  /** Forgets what was fetched. What is being read may still be in the user's hands, so its memory is left to the garbage collector. */
  discard(): void {
    this.#jumps++
    this.#fetched?.release()
    this.#reading = this.#fetched = undefined
  }
}

/** The key of a partition in maps. */
export function partitionKey(topic: string, partition: number): string {
  return `${topic}-${partition}`
}

/** True if two ids are of one topic, as far as can be told: some brokers know no ids. */
export function isSameTopic(topicId: string | undefined, other: string | undefined): boolean {
  return topicId === other || topicId === undefined || other === undefined || topicId === zeroUuid || other === zeroUuid
}
