import type { TopicPartition } from '../assignor/assignor.js'
import { CoordinatorCache } from '../client/coordinator-cache.js'
import { GroupCoordinator } from '../client/group-coordinator.js'
import { MetadataCache } from '../client/metadata-cache.js'
import { Backoff } from '../client/retry.js'
import type { OffsetToCommit } from '../client/transactional-offsets.js'
import { firstToAbort, onAbort } from '../common/abort.js'
import type { Clock } from '../common/clock.js'
import { Deadline, lastStep } from '../common/closing.js'
import { abortable, deferred, type MaybePromise } from '../common/deferred.js'
import { afterLoop } from '../common/host.js'
import type { Random } from '../common/random.js'
import { turnsOf } from '../common/turns.js'
import { reasonOf, Warnings } from '../common/warnings.js'
import { KafkaError } from '../errors.js'
import type { Brokers } from '../protocol/broker.js'
import { type AssignedPartition, isSameTopic, type PendingCommit } from './assigned-partition.js'
import { type ConsumerEvents, missedText, type OffsetReset, type RecordsMissed } from './consumer-events.js'
import type { ConsumerSettings } from './consumer-options.js'
import type { FetchedRecords } from './fetch/fetched-records.js'
import { Fetcher } from './fetch/fetcher.js'
import { ReaderLag, ReaderTurn } from './fetch/reader-turn.js'
import { rejectedRecord } from './fetch/record-decoder.js'
import type { GroupMember } from './group/group-member.js'
import type { Reader, ReaderOwner } from './loop/reader.js'
import { ReaderSlot } from './loop/reader-slot.js'
import { AutoCommit, commitsOf } from './offsets/auto-commit.js'
import { type CommitOptions, Committer, type Committing } from './offsets/committer.js'
import { ConsumerTransactions } from './offsets/consumer-transactions.js'
import { OffsetLookup } from './offsets/offset-lookup.js'
import { ProgressReport } from './offsets/progress-report.js'
import type { ReaderReports } from './offsets/reader-reports.js'
import { StartOffsets } from './offsets/start-offsets.js'
import { type RejectedRecord, RejectedRecordError, type Rejection } from './rejection.js'
import { Assignment } from './source/assignment.js'
import { FirstSight } from './source/first-sight.js'
import { GroupSource } from './source/group-source.js'
import { Handover, unread } from './source/handover.js'
import { ManualSource } from './source/manual-source.js'
import type { PartitionSource, PartitionSourceContext } from './source/partition-source.js'
import { SourceSlot } from './source/source-slot.js'
import { SubscribedTopics } from './source/subscribed-topics.js'
import { Subscription, type TopicSelector, type TopicSerdes } from './source/subscription.js'
import { TopicSource } from './source/topic-source.js'
import type { ClusterNews } from './source/topic-watch.js'

/** The parts that a consumer is made of; `cluster.consumer()` provides them. */
export interface ConsumerParts {
  readonly brokers: Brokers
  readonly clock: Clock
  readonly random: Random
  /** Shared knowledge of topics. Default: the consumer's own. */
  readonly metadata?: MetadataCache
  /** News from a node in this process. Default: none. */
  readonly news?: ClusterNews
  /** Finds damage at an offset in the files of a node in this process. Default: none is found. */
  readonly damageAt?: (topic: string, partition: number, offset: number) => Promise<KafkaError | undefined>
  /** The node in this process that is told how far its readers are. Default: nobody is. */
  readonly readers?: ReaderReports
}

/** The consumer, as users see it. */
export interface ConsumptionOwner {
  readonly consumer: object
  readonly emit: Emit
  /** Code of the user's, which is named, threw or rejected. */
  readonly onUserError: (error: unknown, who: string) => void
}

/** Returns whether anybody listens. */
export type Emit = <E extends keyof ConsumerEvents>(event: E, ...details: Parameters<ConsumerEvents[E]>) => boolean

const nobody: Committing = { memberId: '', generationId: -1, groupInstanceId: null }
const lookAgainMs = 1000
/** Milliseconds that the end of a loop waits for its commit. What is not committed by then is with the next one. */
const loopEndCommitMs = 5000

/** The share of the time to close that code of the user's has: the rest is for the last commit, and for leaving the group. */
function patienceMs(timeoutMs: number): number {
  return Math.floor(timeoutMs - Math.min(1000, timeoutMs / 4))
}

/**
 * The inside of a consumer: a source brings and takes partitions, their offsets are found, their records are fetched and handed to the
 * one reader, and what has been handled is committed. `Consumer` is the part of it that users see.
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
  subscription = new Subscription([])
  /** The treatment of rejected records where the options do not say. */
  fallbackRejection: Rejection = 'fail'

  readonly #emit: Emit
  readonly #subscribedTopics: SubscribedTopics
  readonly #backoff: Backoff
  readonly #brokers: Brokers
  readonly #news: ClusterNews | undefined
  readonly #report: ProgressReport
  readonly #firstSight = new FirstSight()
  readonly #fetcher: Fetcher
  readonly #startOffsets: StartOffsets
  readonly #coordinator: GroupCoordinator | undefined
  readonly #slot: ReaderSlot
  readonly #autoCommit: AutoCommit
  readonly #handover: Handover
  readonly #sources = new SourceSlot()
  /** Aborts when closing begins: from then on nothing is asked, looked up or fetched any more. */
  readonly #closing = new AbortController()
  /** Aborts when closing no longer waits for code of the user's. */
  readonly #givingUp = new AbortController()
  /** Aborts when closing is over. */
  readonly #ended = new AbortController()
  readonly #tasks = new Set<Promise<unknown>>()
  #patience: Deadline | undefined
  #deadline: Deadline | undefined
  /** Topics of which the process was warned that records were missed. */
  readonly #warned = new Set<string>()
  readonly #warnings = new Warnings()
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
    this.metadata = parts.metadata ?? new MetadataCache(brokers, { ...settings, clock, random })
    this.#subscribedTopics = new SubscribedTopics({
      ...settings,
      brokers,
      metadata: this.metadata,
      onMissing: error => this.#missing(error)
    })
    this.#backoff = new Backoff(clock, random, settings)
    const logEndOffset = (topic: string, partition: number) => parts.news?.logEndOffset?.(topic, partition)
    const lag = new ReaderLag()
    this.turn = new ReaderTurn(turnsOf(clock), this.assignment, lag, logEndOffset)
    this.#slot = new ReaderSlot(clock, settings.maxPollIntervalMs)
    this.lookup = new OffsetLookup(this.metadata, this.#backoff, settings.isolationLevel === 'read_committed' ? 1 : 0)
    if (settings.groupId !== undefined) {
      this.#coordinator = new GroupCoordinator(settings.groupId, new CoordinatorCache(brokers))
      this.committer = new Committer(this.#coordinator, this.metadata, this.#backoff, {
        committing: () => this.member?.committing() ?? nobody,
        onRefused: (error, sent) => this.member?.heed(error, sent) ?? false,
        nextGeneration: async (sent, signal) => this.member?.nextGeneration(sent, signal),
        isAssigned: partition => this.assignment.has(partition),
        onCommitted: commits => this.#onCommitted(commits)
      })
    }
    const onTrouble = (error: unknown) => this.#trouble(error)
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
        firstSight: this.#firstSight,
        topics: this.#subscribedTopics
      },
      {
        isAssigned: partition => this.assignment.has(partition),
        onPositioned: () => this.#fetcher.restart(),
        onReset: reset => this.#onReset(reset),
        onMissed: missed => this.#onMissed(missed),
        onFailed,
        onTrouble
      }
    )
    this.#autoCommit = new AutoCommit({
      clock,
      settings,
      partitions: this.assignment,
      commit: (commits, options) => this.#commit(commits, options),
      onTrouble
    })
    this.#report = new ProgressReport(parts.readers, settings, {
      isMember: () => this.#sources.member !== undefined,
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
      closing: this.#closing.signal,
      ended: this.#ended.signal,
      onCommitted: commits => this.#onCommittedInTransaction(commits),
      onWentBack: () => this.#wentBack(),
      background: task => this.#background(task)
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
        firstSight: this.#firstSight,
        startOffsets: this.#startOffsets,
        serdesOf: topic => this.serdesOf(topic),
        isGone: ({ topic, topicId }) => !this.#exists(topic, topicId),
        givingUp: this.#givingUp.signal,
        clock,
        consumer
      },
      {
        position: partitions => this.#position(partitions),
        background: task => this.#background(task),
        onReady: () => this.#ready.resolve(),
        onUserError,
        onMissed: missed => this.#onMissed(missed),
        emit
      }
    )
    this.#ready.promise.catch(() => {})
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted
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
    this.expectOpen()
    const source = this.#sources.wanted
    if (source instanceof ManualSource)
      throw new TypeError('This consumer has partitions that it was given by `assign`; it cannot subscribe as well')
    this.subscription = new Subscription(selectors)
    this.#look(
      topic => this.subscription.includes(topic),
      this.subscription.hasPatterns ? this.#news?.topics?.names() : this.subscription.names
    )
    if (source === undefined) this.#replaceSource(this.#subscribedSource())
    else if (this.#sources.isStartWanted) source.subscriptionChanged()
  }

  #subscribedSource(): PartitionSource {
    const { settings, clock, metadata } = this
    const { metadataMaxAgeMs } = settings
    const context: PartitionSourceContext = {
      settings,
      clock,
      metadata,
      backoff: this.#backoff,
      news: this.#news,
      handover: this.#handover,
      subscription: () => this.subscription,
      topics: signal => this.#findTopics(signal),
      lookIntervalMs: () => (this.#subscribedTopics.areMissing ? Math.min(lookAgainMs, metadataMaxAgeMs) : metadataMaxAgeMs)
    }
    const events = {
      onJoined: (generation: Parameters<ConsumerEvents['rebalanced']>[0]) => this.#emit('rebalanced', generation),
      onFatal: (error: unknown) => this.#fail(error),
      onTrouble: (error: unknown) => this.#trouble(error)
    }
    return this.#coordinator ? new GroupSource(context, events, this.#coordinator, this.#slot) : new TopicSource(context, events)
  }

  async #findTopics(signal: AbortSignal): Promise<string[]> {
    const topics = await this.#subscribedTopics.find(this.subscription, signal)
    if (this.#firstSight.isOver) return topics
    for (const topic of topics) {
      const known = this.metadata.topic(topic)
      if (known) this.#firstSight.see(topic, { topicId: known.id, ends: known.partitions.map(() => undefined) })
    }
    this.#firstSight.end()
    return topics
  }

  /** The subscription changed: a consumer that starts at the latest reads from here on. */
  #look(isRead: (topic: string) => boolean, candidates: Iterable<string> = []): void {
    const topics = this.#news?.topics
    this.#firstSight.begin(isRead)
    if (!topics) return
    for (const topic of candidates) {
      const seen = isRead(topic) ? topics.endsOf(topic, this.settings.isolationLevel === 'read_committed') : undefined
      if (seen === undefined) continue
      this.#firstSight.see(topic, seen)
      this.#subscribedTopics.saw(topic)
    }
    this.#firstSight.end()
  }

  /** Reads just these partitions from now on. */
  assign(partitions: readonly TopicPartition[]): void {
    this.expectOpen()
    const source = this.#sources.wanted ?? new ManualSource(this.#handover)
    if (!(source instanceof ManualSource))
      throw new TypeError('This consumer has subscribed to topics; it cannot be given partitions by `assign` as well')
    const topics = new Set(partitions.map(({ topic }) => topic))
    this.#look(topic => topics.has(topic), topics)
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
    this.expectOpen()
    this.subscription = new Subscription([])
    this.#firstSight.begin(() => false)
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
    this.expectOpen()
    this.#start()
    await this.#slot.whileAlive(abortable(this.#ready.promise, signal))
  }

  pause(partitions: readonly AssignedPartition[]): void {
    for (const partition of partitions) partition.pause()
    this.#slot.reader?.interrupt()
  }

  resume(partitions: readonly AssignedPartition[]): void {
    for (const partition of partitions) {
      partition.resume()
      if (partition.isReady) this.assignment.ready(partition)
    }
    this.#fetcher.restart()
    this.#slot.reader?.wake()
  }

  jump(partition: AssignedPartition, offset: number): void {
    partition.rest.restart()
    partition.jumpTo(offset)
    this.#slot.reader?.interrupt()
    this.#fetcher.restart()
  }

  // ---- the reader

  begin(reader: Reader): void {
    this.expectOpen()
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
    if (!this.#slot.end(reader) || this.#ended.signal.aborted) return
    for (const partition of this.assignment) partition.leave()
    await this.#autoCommit.commit(this.assignment, { timeoutMs: this.#deadline ? this.#commitMs : loopEndCommitMs })
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
    return this.rejected(rejectedRecord(partition, fetched, error))
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
    if (partition.position < 0) this.#background(this.#position([partition]))
  }

  // ---- commits

  /** Commits what has been handled. The user counts what a loop has in hand, or was left at, as handled too. */
  commitAll(options: CommitOptions): Promise<void> {
    const { reader } = this.#slot
    if (reader) reader.acknowledge()
    else for (const partition of this.assignment) partition.handledByUserAll()
    return this.#commit(commitsOf(this.assignment), options)
  }

  /** Commits what the user says, which has the last word: the next automatic commit does not take it back. */
  commitGiven(offsets: readonly OffsetToCommit[], options: CommitOptions): Promise<void> {
    const commits = offsets.map((given): PendingCommit => {
      const assigned = this.assignment.get(given.topic, given.partition)
      assigned?.handledByUser(given.offset)
      return assigned?.toCommit(given) ?? { given, topicId: undefined, assigned, handled: -1, jumps: -1 }
    })
    return this.#commit(commits, options)
  }

  async #commit(commits: readonly PendingCommit[], options: CommitOptions): Promise<void> {
    if (commits.length === 0) return
    const limit = firstToAbort(options.signal, this.#ended.signal)
    try {
      await this.committer?.commit(commits, { ...options, signal: limit.signal })
    } finally {
      limit.end()
    }
  }

  #onCommitted(commits: readonly PendingCommit[]): void {
    for (const commit of commits) commit.assigned?.committedUpTo(commit)
    this.#tellOfCommits(commits)
  }

  #onCommittedInTransaction(commits: readonly PendingCommit[]): void {
    for (const commit of commits) commit.assigned?.committedInTransaction(commit)
    this.#tellOfCommits(commits)
    this.#wentBack()
  }

  #tellOfCommits(commits: readonly PendingCommit[]): void {
    for (const { assigned } of commits) if (assigned) this.#report.commits(assigned)
    this.#report.moved()
    this.#emit('committed', { offsets: commits.map(({ given }) => given) })
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

  /** The serdes of a topic. */
  serdesOf(topic: string): TopicSerdes {
    const { key, value } = this.settings
    return this.subscription.serdesOf(topic, { key, value })
  }

  async #position(partitions: readonly AssignedPartition[]): Promise<void> {
    await this.#startOffsets.find(partitions, this.#closing.signal)
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
    this.#background(this.#startOffsets.restart(partition, 'outOfRange', lost, this.#closing.signal))
  }

  #onRecreated(partition: AssignedPartition, topicId: string): void {
    const { from, count } = unread(partition, this.#slot.reader)
    const lost = { offset: from, logStartOffset: -1, count }
    partition.recreated(topicId)
    this.#slot.reader?.interrupt()
    this.#background(this.#startOffsets.restart(partition, 'topicRecreated', lost, this.#closing.signal))
  }

  /** True if the topic with this id is still there, as far as that is known. */
  #exists(topic: string, topicId: string | undefined): boolean {
    const topics = this.#news?.topics
    if (topics) return topics.idOf(topic) !== undefined && isSameTopic(topicId, topics.idOf(topic))
    const known = this.metadata.topic(topic)
    return known !== undefined && isSameTopic(topicId, known.id)
  }

  #onMissed(missed: RecordsMissed): void {
    if (this.#emit('recordsMissed', missed) || this.#warned.has(missed.topic)) return
    this.#warned.add(missed.topic)
    this.#warnings.warn(missedText(missed), 'recordsMissed')
  }

  // ---- what goes wrong

  /** Tells listeners of an error. Returns false where there is none who should hear it. */
  #isHeard(error: unknown): boolean {
    return this.#ended.signal.aborted || this.#emit('error', error)
  }

  /** Waiting for a topic that does not exist looks like waiting for records. */
  #missing(error: KafkaError): void {
    if (this.#isHeard(error)) return
    const text = `${error.message}; the consumer waits until somebody creates it. It creates topics itself where \`allowAutoTopicCreation\`, and the cluster's \`auto.create.topics.enable\`, are on`
    this.#warnings.warn(text, 'UNKNOWN_TOPIC_OR_PARTITION')
  }

  #trouble(error: unknown): void {
    if (this.#isHeard(error)) return
    this.#warnings.warn(
      `A consumer met an error and tries again: ${reasonOf(error)}`,
      error instanceof KafkaError ? error.code : 'CONSUMER_ERROR',
      error
    )
  }

  #failPartition(partition: AssignedPartition, error: unknown): void {
    partition.rest.stop()
    this.#isHeard(error)
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

  /** Aborts when the consumer begins to close. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** Handlers and listeners that closing waits for may still commit what they have done. */
  expectCommits(): void {
    if (!this.#slot.reader?.isAtWork && !this.#handover.isListening) this.expectOpen()
  }

  expectOpen(): void {
    if (this.isClosed) throw new KafkaError('CLOSED', 'The consumer is closed')
  }

  // ---- the end

  /** Brings the end of closing forward. */
  hurry(timeoutMs: number): void {
    this.#patience?.limitTo(patienceMs(timeoutMs))
    this.#deadline?.limitTo(timeoutMs)
  }

  /** Ends by the time that is given, whatever code of the user's does that is waited for. */
  async close(timeoutMs: number): Promise<void> {
    const { clock } = this
    this.#closing.abort(new KafkaError('CLOSED', 'The consumer is closed'))
    this.#ready.reject(this.#closing.signal.reason)
    const patience = new Deadline(clock, patienceMs(timeoutMs))
    const deadline = new Deadline(clock, timeoutMs)
    this.#patience = patience
    this.#deadline = deadline
    onAbort(patience.signal, () => this.#givingUp.abort(this.#closing.signal.reason))
    this.#autoCommit.stop()
    this.#fetcher.close()
    try {
      await abortable(this.#finish(), deadline.signal).catch(error => {
        if (!deadline.signal.aborted) this.#trouble(error)
      })
      this.#ended.abort(this.#closing.signal.reason)
      await lastStep(this.#closeBrokers(), clock, deadline, 'The consumer')
    } finally {
      patience.end()
      deadline.end()
    }
  }

  async #finish(): Promise<void> {
    await this.#slot.reader?.close(this.#givingUp.signal)
    await this.#stopSource()
    await Promise.all(this.#tasks)
  }

  async #closeBrokers(): Promise<void> {
    await this.#brokers.close?.()
  }

  #stopSource(): Promise<void> {
    return this.#sources.stop(source => source.stop(this.#deadline && this.#commitMs, this.#ended.signal))
  }

  /** Milliseconds that the last commit may take. */
  get #commitMs(): number {
    return Math.ceil(this.#deadline?.leftMs ?? 0)
  }

  /** Something that goes on in the background, until `close` at the latest. Deals with its own failures. */
  #background(task: Promise<unknown>): void {
    const settled = task
      .catch(error => {
        if (error !== this.#closing.signal.reason) this.#trouble(error)
      })
      .finally(() => this.#tasks.delete(settled))
    this.#tasks.add(settled)
  }
}
