import type { TopicPartition } from '../assignor/assignor.js'
import { CoordinatorCache } from '../client/coordinator-cache.js'
import { GroupConnection } from '../client/group-connection.js'
import { MetadataCache } from '../client/metadata-cache.js'
import { Backoff } from '../client/retry.js'
import type { Clock } from '../common/clock.js'
import { abortable, deferred, type MaybePromise } from '../common/deferred.js'
import { afterLoop } from '../common/host.js'
import type { Random } from '../common/random.js'
import { turnsOf } from '../common/turns.js'
import { KafkaError } from '../errors.js'
import type { Brokers } from '../protocol/broker.js'
import type { AssignedPartition } from './assigned-partition.js'
import { ConsumerClosing } from './consumer-closing.js'
import type { ConsumerEvents, OffsetReset } from './consumer-events.js'
import type { ConsumerSettings } from './consumer-options.js'
import type { ConsumerParts, ConsumptionOwner } from './consumer-parts.js'
import { ConsumerTroubles, type Emit } from './consumer-troubles.js'
import type { FetchedRecords } from './fetch/fetched-records.js'
import { Fetcher } from './fetch/fetcher.js'
import { ReaderLag, ReaderTurn } from './fetch/reader-turn.js'
import { rejectedRecord } from './fetch/record-decoder.js'
import type { GroupMember } from './group/group-member.js'
import type { Reader, ReaderOwner } from './loop/reader.js'
import { ReaderSlot } from './loop/reader-slot.js'
import { AutoCommit } from './offsets/auto-commit.js'
import { Committer, nobody } from './offsets/committer.js'
import { ConsumerTransactions } from './offsets/consumer-transactions.js'
import { GroupCommits } from './offsets/group-commits.js'
import { OffsetLookup } from './offsets/offset-lookup.js'
import { ProgressReport } from './offsets/progress-report.js'
import { StartOffsets } from './offsets/start-offsets.js'
import { type RejectedRecord, RejectedRecordError, type Rejection } from './rejection.js'
import { Assignment } from './source/assignment.js'
import { GroupSource } from './source/group-source.js'
import { Handover, unread } from './source/handover.js'
import { ManualSource } from './source/manual-source.js'
import type { PartitionSource, PartitionSourceContext } from './source/partition-source.js'
import { Selection } from './source/selection.js'
import { SourceSlot } from './source/source-slot.js'
import { SubscribedTopics } from './source/subscribed-topics.js'
import type { TopicSelector } from './source/subscription.js'
import { TopicSource } from './source/topic-source.js'
import type { ClusterNews } from './source/topic-watch.js'

/** Milliseconds that the end of a loop waits for its commit. What is not committed by then is with the next one. */
const loopEndCommitMs = 5000

/**
 * The inside of a consumer: a source brings and takes partitions, their offsets are found, their records are fetched and handed to the
 * one reader, and what has been handled is committed. `Consumer` is the part of it that users see.
 *
 * Size: it has one field for each part of a consumer, and puts them together; what it decides
 * itself is when reading starts, goes on and fails.
 */
export class Consumption implements ReaderOwner {
  readonly assignment = new Assignment()
  readonly settings: ConsumerSettings
  readonly consumer: object
  readonly clock: Clock
  readonly random: Random
  readonly turn: ReaderTurn
  readonly metadata: MetadataCache
  readonly lookup: OffsetLookup
  readonly committer: Committer | undefined
  /** The part of this consumer in transactions. */
  readonly transactions: ConsumerTransactions
  readonly commits: GroupCommits
  readonly closing: ConsumerClosing
  readonly selection: Selection
  /** The treatment of rejected records where the options do not say. */
  fallbackRejection: Rejection = 'fail'

  readonly #emit: Emit
  readonly #backoff: Backoff
  readonly #brokers: Brokers
  readonly #news: ClusterNews | undefined
  readonly #report: ProgressReport
  readonly #fetcher: Fetcher
  readonly #startOffsets: StartOffsets
  readonly #coordinator: GroupConnection | undefined
  readonly #slot: ReaderSlot
  readonly #autoCommit: AutoCommit
  readonly #handover: Handover
  readonly #sources = new SourceSlot()
  readonly #troubles: ConsumerTroubles
  #failure: { readonly error: unknown } | undefined
  #ready = deferred()

  constructor(parts: ConsumerParts, settings: ConsumerSettings, { consumer, emit, onUserError }: ConsumptionOwner) {
    const { brokers, clock, random } = parts
    this.settings = settings
    this.#emit = emit
    this.consumer = consumer
    this.clock = clock
    this.random = random
    this.#news = parts.news
    this.#brokers = brokers
    this.closing = new ConsumerClosing(clock, error => this.#troubles.isRetried(error))
    this.#troubles = new ConsumerTroubles(emit, () => this.closing.ended.aborted)
    this.metadata = parts.metadata ?? new MetadataCache(brokers, { ...settings, clock, random })
    const onMissing = (error: KafkaError) => this.#troubles.isMissing(error)
    const topics = new SubscribedTopics({ ...settings, brokers, metadata: this.metadata, onMissing })
    this.selection = new Selection({ settings, metadata: this.metadata, news: parts.news, topics })
    this.#backoff = new Backoff(clock, random, settings)
    // A producer must not wait for a reader that waits for its transaction to end.
    const committedOnly = settings.isolationLevel === 'read_committed'
    const logEndOffset = (topic: string, partition: number) => parts.news?.logEndOffset?.(topic, partition, committedOnly)
    const lag = new ReaderLag()
    this.turn = new ReaderTurn(turnsOf(clock), this.assignment, lag, logEndOffset)
    this.#slot = new ReaderSlot(clock, settings.maxPollIntervalMs)
    this.lookup = new OffsetLookup(this.metadata, this.#backoff, committedOnly ? 1 : 0)
    if (settings.groupId !== undefined) {
      this.#coordinator = new GroupConnection(settings.groupId, new CoordinatorCache(brokers))
      this.committer = new Committer(this.#coordinator, this.metadata, this.#backoff, {
        committing: () => this.member?.committing() ?? nobody,
        onRefused: (error, sent) => this.member?.noteRefusal(error, sent) ?? false,
        nextGeneration: async (sent, signal) => this.member?.nextGeneration(sent, signal),
        isAssigned: partition => this.assignment.has(partition),
        onCommitted: commits => this.commits.committed(commits)
      })
    }
    this.commits = new GroupCommits({
      assignment: this.assignment,
      slot: this.#slot,
      committer: this.committer,
      report: () => this.#report,
      emit,
      ended: this.closing.ended
    })
    const onTrouble = (error: unknown) => this.#troubles.isRetried(error)
    const onFailed = (partition: AssignedPartition, error: unknown) => this.#failPartition(partition, error)
    this.#fetcher = new Fetcher(
      {
        brokers,
        clock,
        settings,
        metadata: this.metadata,
        backoff: this.#backoff,
        assignment: this.assignment,
        lag,
        logEndOffset,
        damageAt: parts.damageAt
      },
      {
        onFetched: partition => {
          this.assignment.ready(partition)
          this.#slot.reader?.wake()
        },
        onOutOfRange: (partition, logStartOffset) => this.#onOutOfRange(partition, logStartOffset),
        onRecreated: (partition, topicId) => this.#onRecreated(partition, topicId),
        onFailed,
        onTrouble
      }
    )
    this.#startOffsets = new StartOffsets(
      {
        settings,
        clock,
        committer: this.committer,
        lookup: this.lookup,
        metadata: this.metadata,
        backoff: this.#backoff,
        turns: turnsOf(clock),
        firstSight: this.selection.firstSight,
        topics
      },
      {
        isAssigned: partition => this.assignment.has(partition),
        onPositioned: () => this.#fetcher.restart(),
        onReset: reset => this.#onReset(reset),
        onMissed: missed => this.#troubles.missed(missed),
        onFailed,
        onTrouble
      }
    )
    this.#autoCommit = new AutoCommit({
      clock,
      settings,
      partitions: this.assignment,
      commit: (commits, options) => this.commits.commit(commits, options),
      onTrouble
    })
    this.#report = new ProgressReport(parts.readers, settings, {
      isMember: () => this.#sources.member !== undefined,
      memberId: () => this.member?.committing().memberId ?? '',
      commitSoon: () => this.#autoCommit.commitSoon()
    })
    this.transactions = new ConsumerTransactions({
      settings,
      coordinator: this.#coordinator,
      committer: this.committer,
      metadata: this.metadata,
      backoff: this.#backoff,
      assignment: this.assignment,
      member: () => this.member,
      reader: () => this.#slot.reader,
      expectCommits: () => this.expectCommits(),
      closing: this.closing.begun,
      ended: this.closing.ended,
      onCommitted: commits => {
        this.commits.committedInTransaction(commits)
        this.#wentBack()
      },
      onWentBack: () => this.#wentBack(),
      background: task => this.closing.background(task)
    })
    this.assignment.onAdded = partition => {
      const onRemoved = this.#report.added(partition)
      return () => {
        onRemoved?.()
        this.transactions.removed(partition)
      }
    }
    this.#handover = new Handover(
      {
        settings,
        assignment: this.assignment,
        autoCommit: this.#autoCommit,
        slot: this.#slot,
        firstSight: this.selection.firstSight,
        startOffsets: this.#startOffsets,
        serdesOf: topic => this.selection.serdesOf(topic),
        isGone: ({ topic, topicId }) => !this.selection.exists(topic, topicId),
        givingUp: this.closing.givingUp,
        clock,
        consumer
      },
      {
        position: partitions => this.#position(partitions),
        background: task => this.closing.background(task),
        onReady: () => this.#ready.resolve(),
        onUserError,
        onMissed: missed => this.#troubles.missed(missed),
        emit
      }
    )
    this.#ready.promise.catch(() => {})
  }

  get isClosed(): boolean {
    return this.closing.begun.aborted
  }

  get isReading(): boolean {
    return this.#slot.reader !== undefined
  }

  get member(): GroupMember | undefined {
    return this.#sources.member
  }

  // ---- what is read

  /** Reads these topics from now on, in the place of what was read before. */
  subscribe(selectors: readonly TopicSelector[]): void {
    this.closing.expectOpen()
    const source = this.#sources.wanted
    if (source instanceof ManualSource)
      throw new TypeError('This consumer has partitions that it was given by `assign`; it cannot subscribe as well')
    this.selection.subscribe(selectors)
    if (source === undefined) return this.#replaceSource(this.#subscribedSource())
    for (const partition of this.assignment) partition.want(this.selection.isSubscribed(partition.topic))
    this.#flowChanged()
    if (this.#sources.isStartWanted) source.subscriptionChanged()
  }

  #subscribedSource(): PartitionSource {
    const { settings, clock, metadata, selection } = this
    const context: PartitionSourceContext = {
      settings,
      clock,
      metadata,
      backoff: this.#backoff,
      news: this.#news,
      handover: this.#handover,
      selection
    }
    const events = {
      onJoined: (generation: Parameters<ConsumerEvents['rebalanced']>[0]) => this.#emit('rebalanced', generation),
      onFatal: (error: unknown) => this.#fail(error),
      onTrouble: (error: unknown) => this.#troubles.isRetried(error)
    }
    return this.#coordinator ? new GroupSource(context, events, this.#coordinator, this.#slot) : new TopicSource(context, events)
  }

  /** Reads just these partitions from now on. */
  assign(partitions: readonly TopicPartition[]): void {
    this.closing.expectOpen()
    const source = this.#sources.wanted ?? new ManualSource(this.#handover)
    if (!(source instanceof ManualSource))
      throw new TypeError('This consumer has subscribed to topics; it cannot be given partitions by `assign` as well')
    this.selection.assign(new Set(partitions.map(({ topic }) => topic)))
    source.assign(partitions)
    if (source !== this.#sources.wanted) this.#replaceSource(source)
  }

  /** A reader that goes on does so with what this source brings. */
  #replaceSource(source: PartitionSource): void {
    this.#sources.set(source)
    if (this.#slot.reader) this.#start()
  }

  /** Gives up all topics and partitions. */
  async unsubscribe(): Promise<void> {
    this.closing.expectOpen()
    this.selection.unsubscribe()
    this.#failure = undefined
    this.#ready.reject(new KafkaError('CLOSED', 'The consumer was unsubscribed before it had started'))
    this.#ready = deferred()
    this.#ready.promise.catch(() => {})
    const stopped = this.#stopSource()
    if (this.#handover.isCalling()) return
    await stopped
    const { reader } = this.#slot
    if (reader) this.isWaiting(reader)
  }

  /** Nothing comes for a reader that waits, unless the user says in this very turn what to read instead. */
  isWaiting(reader: Reader): void {
    if (this.#sources.wanted !== undefined) return
    afterLoop(() => {
      if (this.#sources.wanted === undefined && this.#slot.reader === reader) reader.unsubscribed()
    })
  }

  /** Resolves when partitions are assigned and it is known where to read them. */
  async start(signal?: AbortSignal): Promise<void> {
    this.closing.expectOpen()
    this.#start()
    await this.#slot.whileAlive(abortable(this.#ready.promise, signal))
  }

  pause(partitions: readonly AssignedPartition[]): void {
    for (const partition of partitions) partition.pause()
    this.#slot.reader?.interrupt()
  }

  resume(partitions: readonly AssignedPartition[]): void {
    for (const partition of partitions) partition.resume()
    this.#flowChanged()
  }

  /** Records of other partitions than before may go to the user. */
  #flowChanged(): void {
    for (const partition of this.assignment) if (partition.isReady) this.assignment.ready(partition)
    this.#fetcher.restart()
    const { reader } = this.#slot
    reader?.interrupt()
    reader?.wake()
  }

  seek(partition: AssignedPartition, offset: number, seek = partition.beginSeek()): void {
    if (!partition.seekTo(offset, seek)) return
    partition.rest.restart()
    this.#slot.reader?.interrupt()
    this.#fetcher.restart()
  }

  // ---- the reader

  begin(reader: Reader): void {
    this.closing.expectOpen()
    if (this.#failure) throw this.#failure.error
    if (this.#sources.wanted === undefined)
      throw new TypeError('This consumer has nothing to read; give it `topics`, or call `subscribe` or `assign`')
    this.#slot.begin(reader)
    for (const partition of this.assignment) {
      partition.enter()
      this.#readAgain(partition)
    }
    this.#start()
    this.#fetcher.restart()
  }

  async end(reader: Reader): Promise<void> {
    if (!this.#slot.end(reader) || this.closing.ended.aborted) return
    for (const partition of this.assignment) partition.leave()
    await this.#autoCommit.commit(this.assignment, { timeoutMs: this.closing.commitMs ?? loopEndCommitMs })
  }

  moveOn(): void {
    this.#fetcher.wake()
    this.#report.moved()
  }

  yieldWhenOver(): Promise<void> | undefined {
    this.#slot.polled()
    return this.turn.yieldWhenOver()
  }

  reject(partition: AssignedPartition, fetched: FetchedRecords, error: unknown): MaybePromise<void> {
    return this.rejected(rejectedRecord(partition, fetched.cursor, error))
  }

  rejected(record: RejectedRecord): MaybePromise<void> {
    this.#emit('rejected', record)
    const rejection = this.settings.rejection ?? this.fallbackRejection
    if (rejection === 'fail') throw new RejectedRecordError(record)
    if (typeof rejection === 'function') return rejection(record)
  }

  /** A loop starts, which tries again what the last one failed at. */
  #readAgain(partition: AssignedPartition): void {
    if (partition.isReady) this.assignment.ready(partition)
    if (!partition.rest.isStopped) return
    partition.rest.restart()
    if (partition.position < 0) this.closing.background(this.#position([partition]))
  }

  /** Reading goes on elsewhere in some partitions. */
  #wentBack(): void {
    this.#slot.reader?.interrupt()
    this.#fetcher.restart()
  }

  // ---- how reading starts

  #start(): void {
    if (this.#sources.isStartWanted) return
    this.#autoCommit.start()
    this.#sources.start()
  }

  async #position(partitions: readonly AssignedPartition[]): Promise<void> {
    await this.#startOffsets.find(partitions, this.closing.begun)
    this.#fetcher.restart()
  }

  #onReset(reset: OffsetReset): void {
    this.#emit('offsetReset', reset)
    // Records from here on are for this group, whichever member reads them.
    if (this.settings.autoOffsetReset !== 'earliest') this.#autoCommit.commitSoon()
  }

  #onOutOfRange(partition: AssignedPartition, logStartOffset: number): void {
    const lost = { offset: partition.fetchOffset, logStartOffset, count: 0 }
    // Fetching rests until there is an offset again.
    if (this.settings.autoOffsetReset !== 'none') partition.lostItsPlace()
    this.closing.background(this.#startOffsets.restart(partition, 'outOfRange', lost, this.closing.begun))
  }

  #onRecreated(partition: AssignedPartition, topicId: string): void {
    const { from, count } = unread(partition, this.#slot.reader)
    const lost = { offset: from, logStartOffset: -1, count }
    partition.recreated(topicId)
    this.#slot.reader?.interrupt()
    this.closing.background(this.#startOffsets.restart(partition, 'topicRecreated', lost, this.closing.begun))
  }

  // ---- what goes wrong

  #failPartition(partition: AssignedPartition, error: unknown): void {
    partition.rest.stop()
    this.#troubles.told(error)
    this.#ready.reject(error)
    this.#slot.reader?.fail(error)
  }

  #fail(error: unknown): void {
    if (this.isClosed) return
    this.#failure = { error }
    this.#emit('error', error)
    this.#ready.reject(error)
    this.#slot.reader?.fail(error)
  }

  /** Handlers and listeners that closing waits for may still commit what they have done. */
  expectCommits(): void {
    if (!this.#slot.reader?.isAtWork && !this.#handover.isListening) this.closing.expectOpen()
  }

  // ---- the end

  /** Ends by the time that is given, whatever code of the user's does that is waited for. */
  close(timeoutMs: number): Promise<void> {
    return this.closing.run(timeoutMs, {
      stop: () => {
        this.#ready.reject(this.closing.begun.reason)
        this.#autoCommit.stop()
        this.#fetcher.close()
      },
      finish: async () => {
        await this.#slot.reader?.close(this.closing.givingUp)
        await this.#stopSource()
      },
      closeBrokers: async () => this.#brokers.close?.()
    })
  }

  #stopSource(): Promise<void> {
    return this.#sources.stop(source => source.stop(this.closing.commitMs, this.closing.ended))
  }
}
