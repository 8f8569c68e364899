import type { TopicPartition } from '../assignor/assignor.js'
import { CoordinatorCache } from '../client/coordinator-cache.js'
import { GroupCoordinator } from '../client/group-coordinator.js'
import { MetadataCache } from '../client/metadata-cache.js'
import { Backoff, isRetriable } from '../client/retry.js'
import type { Clock, Timer } from '../common/clock.js'
import { abortable, type Deferred, deferred, type MaybePromise } from '../common/deferred.js'
import type { Random } from '../common/random.js'
import { type Turn, turnOf } from '../common/turn.js'
import { KafkaError } from '../errors.js'
import type { Brokers } from '../protocol/broker.js'
import { AssignedPartition } from './assigned-partition.js'
import { Assignment, named } from './assignment.js'
import { Committer, type Committing, type OffsetToCommit } from './committer.js'
import type { ConsumerEvents } from './consumer-events.js'
import type { ConsumerSettings } from './consumer-options.js'
import type { FetchedRecords } from './fetched-records.js'
import { Fetcher } from './fetcher.js'
import { GroupMember } from './group-member.js'
import { KeepAlive } from './keep-alive.js'
import { OffsetLookup } from './offset-lookup.js'
import type { Reader, ReaderOwner } from './reader.js'
import { rejectedRecord } from './record-decoder.js'
import { type RejectedRecord, RejectedRecordError, type Rejection } from './rejection.js'
import { StartOffsets } from './start-offsets.js'
import { StuckWatch } from './stuck-watch.js'
import { SubscribedTopics } from './subscribed-topics.js'
import { Subscription, type TopicSelector, type TopicSerdes } from './subscription.js'
import { type ClusterNews, TopicWatch } from './topic-watch.js'

/** What a consumer stands on; `cluster.consumer()` brings it along. */
export interface ConsumerParts {
  readonly brokers: Brokers
  readonly clock: Clock
  readonly random: Random
  /** Shared knowledge of topics. Default: the consumer's own. */
  readonly metadata?: MetadataCache
  /** News from a node in this process. Default: none. */
  readonly news?: ClusterNews
}

export type Emit = <E extends keyof ConsumerEvents>(event: E, ...details: Parameters<ConsumerEvents[E]>) => void

/** How partitions come to a consumer: from its group, all that its topics have, or by the user's own hand. */
type Mode = 'idle' | 'group' | 'alone' | 'manual'

const nobody: Committing = { memberId: '', generationId: -1, groupInstanceId: null }
const lookAgainMs = 1000

/**
 * What goes on inside of a consumer: partitions come and go, get their offsets, are fetched, and handed to the one reader; what has been
 * handled is committed. `Consumer` is the part of it that users see.
 */
export class Consumption implements ReaderOwner {
  readonly assignment = new Assignment()
  readonly settings: ConsumerSettings
  readonly clock: Clock
  readonly random: Random
  readonly metadata: MetadataCache
  readonly lookup: OffsetLookup
  readonly committer: Committer | undefined
  subscription = new Subscription([])
  /** What happens to rejected records when the user has not said. */
  fallbackRejection: Rejection = 'fail'

  readonly #emit: Emit
  readonly #subscribedTopics: SubscribedTopics
  readonly #backoff: Backoff
  readonly #brokers: Brokers
  readonly #news: ClusterNews | undefined
  readonly #fetcher: Fetcher
  readonly #startOffsets: StartOffsets
  readonly #coordinator: GroupCoordinator | undefined
  readonly #turn: Turn
  readonly #keepAlive: KeepAlive
  readonly #stuckWatch: StuckWatch
  readonly #closing = new AbortController()
  readonly #tasks = new Set<Promise<unknown>>()
  #mode: Mode = 'idle'
  #isStarted = false
  /** `close` commits by itself, and not for longer than it is given. */
  /** How long the last commit may take, once it is clear that it is the last. */
  #closeTimeoutMs: number | undefined
  #member: GroupMember | undefined
  #watch: TopicWatch | undefined
  #unlisten: (() => void) | undefined
  #commitTimer: Timer | undefined
  #committing: Promise<void> | undefined
  #reader: Reader | undefined
  #failure: { readonly error: unknown } | undefined
  #hasFollowed = false
  #ready = deferred()
  #polled: Deferred<void> | undefined

  constructor(parts: ConsumerParts, settings: ConsumerSettings, emit: Emit) {
    const { brokers, clock, random } = parts
    this.settings = settings
    this.#emit = emit
    this.clock = clock
    this.random = random
    this.#news = parts.news
    this.#brokers = brokers
    this.metadata = parts.metadata ?? new MetadataCache(brokers, { ...settings, clock, random })
    this.#subscribedTopics = new SubscribedTopics({
      ...settings,
      brokers,
      metadata: this.metadata,
      onMissing: error => this.#trouble(error)
    })
    this.#backoff = new Backoff(clock, random, settings)
    this.#turn = turnOf(clock)
    this.#keepAlive = new KeepAlive(clock)
    this.#stuckWatch = new StuckWatch(settings.maxPollIntervalMs)
    this.lookup = new OffsetLookup(this.metadata, this.#backoff, settings.isolationLevel === 'read_committed' ? 1 : 0)
    if (settings.groupId !== undefined) {
      this.#coordinator = new GroupCoordinator(settings.groupId, new CoordinatorCache(brokers))
      this.committer = new Committer(this.#coordinator, this.metadata, this.#backoff, {
        committing: () => this.#member?.committing() ?? nobody,
        onRefused: (error, sent) => this.#member?.heed(error, sent),
        onCommitted: offsets => this.#onCommitted(offsets)
      })
    }
    const onTrouble = (error: unknown) => this.#trouble(error)
    const onFailed = (partition: AssignedPartition, error: unknown) => this.#failPartition(partition, error)
    this.#fetcher = new Fetcher(
      { brokers, clock, settings, metadata: this.metadata, backoff: this.#backoff, assignment: this.assignment },
      {
        onFetched: partition => {
          this.assignment.ready(partition)
          this.#reader?.wake()
        },
        onOutOfRange: partition => this.#onOutOfRange(partition),
        onFailed,
        onTrouble
      }
    )
    this.#startOffsets = new StartOffsets(
      { settings, committer: this.committer, lookup: this.lookup, metadata: this.metadata, backoff: this.#backoff, turn: this.#turn },
      {
        isAssigned: partition => this.assignment.has(partition),
        onPositioned: () => this.#fetcher.restart(),
        onReset: reset => this.#emit('offsetReset', reset),
        onFailed,
        onTrouble
      }
    )
    this.#ready.promise.catch(() => {})
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted
  }

  get isReading(): boolean {
    return this.#reader !== undefined
  }

  get member(): GroupMember | undefined {
    return this.#member
  }

  // ---- what is read

  /** Reads these topics from now on, in the place of what was read before. */
  subscribe(selectors: readonly TopicSelector[]): void {
    this.expectOpen()
    if (this.#mode === 'manual')
      throw new TypeError('This consumer has partitions that it was given by `assign`; it cannot subscribe as well')
    this.subscription = new Subscription(selectors)
    this.#mode = this.settings.groupId === undefined ? 'alone' : 'group'
    if (!this.#isStarted) return
    this.#member?.rejoin()
    this.#watch?.look()
  }

  /** Reads just these partitions from now on. */
  assign(partitions: readonly TopicPartition[]): void {
    this.expectOpen()
    if (this.#mode === 'group' || this.#mode === 'alone') {
      throw new TypeError('This consumer has subscribed to topics; it cannot be given partitions by `assign` as well')
    }
    this.#mode = 'manual'
    const kept = new Set(partitions.map(({ topic, partition }) => this.assignment.get(topic, partition)))
    this.#reader?.interrupt()
    for (const partition of [...this.assignment]) if (!kept.has(partition)) this.assignment.remove(partition)
    for (const { topic, partition } of partitions) if (!this.assignment.get(topic, partition)) this.#add(topic, partition)
    if (this.#isStarted) this.#task(this.#position([...this.assignment]))
  }

  /** Gives up all topics and partitions. */
  async unsubscribe(): Promise<void> {
    this.expectOpen()
    await this.#letGo()
    this.subscription = new Subscription([])
    this.#mode = 'idle'
    this.#isStarted = false
    this.#hasFollowed = false
    this.#failure = undefined
    this.#ready = deferred()
    this.#ready.promise.catch(() => {})
  }

  /** Resolves when partitions are assigned and it is known where to read them. */
  async start(signal?: AbortSignal): Promise<void> {
    this.expectOpen()
    this.#start()
    this.#keepAlive.hold()
    try {
      await abortable(this.#ready.promise, signal)
    } finally {
      this.#keepAlive.letGo()
    }
  }

  pause(partitions: readonly AssignedPartition[]): void {
    for (const partition of partitions) partition.pause()
    this.#reader?.interrupt()
  }

  resume(partitions: readonly AssignedPartition[]): void {
    for (const partition of partitions) {
      partition.resume()
      if (partition.isReady) this.assignment.ready(partition)
    }
    this.#fetcher.restart()
    this.#reader?.wake()
  }

  jump(partition: AssignedPartition, offset: number): void {
    partition.rest.restart()
    partition.jumpTo(offset)
    this.#reader?.interrupt()
    this.#fetcher.restart()
  }

  // ---- the reader

  begin(reader: Reader): void {
    this.expectOpen()
    if (this.#failure) throw this.#failure.error
    if (this.#reader) throw new TypeError('This consumer is being read already; end that loop, or `run`, before another')
    if (this.#mode === 'idle') throw new TypeError('This consumer has nothing to read; give it `topics`, or call `subscribe` or `assign`')
    this.#reader = reader
    this.#keepAlive.hold()
    for (const partition of this.assignment) this.#readAgain(partition)
    this.#start()
    this.#fetcher.restart()
  }

  async end(reader: Reader): Promise<void> {
    if (this.#reader !== reader) return
    this.#reader = undefined
    this.#keepAlive.letGo()
    if (this.settings.autoCommit && !this.isClosed) await this.commitHandled(this.assignment, this.#closeTimeoutMs)
  }

  moveOn(): void {
    this.#fetcher.wake()
  }

  breath(): Promise<void> | undefined {
    this.#polled?.resolve()
    return this.#turn.breath()
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

  /** A loop starts: what the last one left unhandled comes again, if handling is what commits it. */
  #readAgain(partition: AssignedPartition): void {
    if (this.settings.autoCommit && partition.handled >= 0 && partition.handled < partition.position) partition.rewind()
    else partition.handledAll()
    if (partition.isReady) this.assignment.ready(partition)
    if (!partition.rest.isStopped) return
    partition.rest.restart()
    if (partition.position < 0) this.#task(this.#position([partition]))
  }

  // ---- commits

  /** Takes all that was handed out for handled. */
  acknowledge(): void {
    if (this.#reader) this.#reader.acknowledge()
    else for (const partition of this.assignment) partition.handledAll()
  }

  /** Commits what has been handled since the last commit; what goes wrong is told as an `error` event. */
  async commitHandled(partitions: Iterable<AssignedPartition> = this.assignment, timeoutMs?: number): Promise<void> {
    try {
      await this.commit(handledOffsets(partitions), { timeoutMs })
    } catch (error) {
      this.#trouble(error)
    }
  }

  /** Commits what the user says, which has the last word: the next automatic commit does not take it back. */
  commitGiven(offsets: readonly OffsetToCommit[], options: { signal?: AbortSignal }): Promise<void> {
    for (const { topic, partition, offset } of offsets) {
      this.assignment.get(topic, partition)?.handledByUser(offset)
    }
    return this.commit(offsets, options)
  }

  async commit(offsets: readonly OffsetToCommit[], options: { signal?: AbortSignal; timeoutMs?: number } = {}): Promise<void> {
    if (offsets.length === 0) return
    await this.committer?.commit(offsets, options)
  }

  /** Everything that has been handled and not yet been committed. */
  handledOffsets(): OffsetToCommit[] {
    return handledOffsets(this.assignment)
  }

  #onCommitted(offsets: readonly OffsetToCommit[]): void {
    for (const { topic, partition, offset } of offsets) {
      this.assignment.get(topic, partition)?.committedUpTo(offset)
    }
    this.#emit('committed', { offsets })
  }

  #commitLater(): void {
    const { autoCommit, autoCommitIntervalMs } = this.settings
    if (!autoCommit || this.isClosed) return
    this.#commitTimer?.cancel()
    this.#commitTimer = this.clock.setTimer(autoCommitIntervalMs, () => {
      this.#committing ??= this.commitHandled().finally(() => {
        this.#committing = undefined
      })
      this.#commitLater()
    })
  }

  // ---- how partitions come and go

  #start(): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#commitLater()
    if (this.#mode === 'manual') this.#task(this.#position([...this.assignment]).then(() => this.#ready.resolve()))
    else {
      if (this.#mode === 'group') this.#join()
      const { metadataMaxAgeMs } = this.settings
      this.#watch = new TopicWatch(this.clock, this.#news, {
        look: signal => this.#look(signal),
        intervalMs: () => (this.#subscribedTopics.areMissing ? Math.min(lookAgainMs, metadataMaxAgeMs) : metadataMaxAgeMs)
      })
      if (this.#mode === 'alone') this.#watch.look()
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    try {
      if (this.#member) await this.#member.checkTopics(signal)
      else if (this.#mode === 'alone') await this.#follow(signal)
    } catch (error) {
      if (signal.aborted) return
      if (isRetriable(error) || this.#hasFollowed) this.#trouble(error)
      else this.#fail(error)
    }
  }

  /** Without a group: reads every partition of the topics there are. */
  async #follow(signal: AbortSignal): Promise<void> {
    for (const name of this.subscription.names) this.metadata.forget(name)
    const topics = await this.#topics(signal)
    if (this.#mode !== 'alone' || signal.aborted) return
    const gone = [...this.assignment].filter(({ topic, partition }) => !topics.includes(topic) || !this.#exists(topic, partition))
    if (gone.length > 0) {
      this.#reader?.interrupt()
      for (const partition of gone) this.assignment.remove(partition)
      this.#emit('revoked', { partitions: named(gone) })
    }
    const added = topics
      .flatMap(topic => this.metadata.topic(topic)?.partitions.map(({ partition }) => ({ topic, partition })) ?? [])
      .filter(({ topic, partition }) => !this.assignment.get(topic, partition))
    // What appears later is new from its first record on, wherever reading started.
    const { autoOffsetReset } = this.settings
    const reset = this.#hasFollowed && autoOffsetReset === 'latest' ? 'earliest' : autoOffsetReset
    if (added.length > 0 || !this.#hasFollowed) await this.#take(added, signal, reset)
    this.#hasFollowed = true
  }

  #exists(topic: string, partition: number): boolean {
    return this.metadata.partition(topic, partition) !== undefined
  }

  #join(): void {
    const { settings, metadata } = this
    const coordinator = this.#coordinator as GroupCoordinator
    const member = new GroupMember(
      { coordinator, metadata, settings, clock: this.clock, backoff: this.#backoff },
      {
        topics: signal => this.#topics(signal),
        isSubscribed: topic => this.subscription.includes(topic),
        owned: () => this.assignment.toArray(),
        revoke: (partitions, signal) => this.#revoke(partitions, signal),
        lose: partitions => this.#lose(partitions),
        assign: (partitions, signal) => this.#take(partitions, signal, settings.autoOffsetReset),
        onJoined: generation => this.#emit('rebalanced', generation),
        onFatal: error => this.#fail(error),
        onTrouble: error => this.#trouble(error),
        isStuck: () => this.#stuckWatch.isStuck(this.#reader?.inHand() ?? [], this.clock.monotonic()),
        nextPoll: signal => this.#nextPoll(signal)
      }
    )
    this.#member = member
    this.#unlisten = this.#news?.onGroupRebalancing(groupId => {
      if (groupId === settings.groupId) member.hurry()
    })
    member.start()
  }

  #topics(signal: AbortSignal): Promise<string[]> {
    return this.#subscribedTopics.find(this.subscription, signal)
  }

  /** How records of a topic are read, and written again. */
  serdesOf(topic: string): TopicSerdes {
    const { key, value } = this.settings
    return this.subscription.serdesOf(topic, { key, value })
  }

  #add(topic: string, partition: number): AssignedPartition {
    const added = new AssignedPartition(topic, partition, this.serdesOf(topic))
    this.assignment.add(added)
    return added
  }

  /** Takes partitions on: the user hears of them, then their offsets are found, then they are fetched. */
  async #take(partitions: readonly TopicPartition[], signal: AbortSignal, reset: ConsumerSettings['autoOffsetReset']): Promise<void> {
    const added = partitions.map(({ topic, partition }) => this.#add(topic, partition))
    await this.#call(this.settings.onAssigned, added, this.#closing.signal)
    const positioned = this.#position(added, reset)
    this.#task(positioned)
    await abortable(positioned, signal).catch(() => {})
    this.#emit('assigned', { partitions: named(added) })
    this.#ready.resolve()
  }

  async #position(partitions: readonly AssignedPartition[], reset = this.settings.autoOffsetReset): Promise<void> {
    await this.#startOffsets.find(partitions, reset, this.#closing.signal)
    this.#fetcher.restart()
  }

  async #revoke(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
    const revoked = this.assignment.select(partitions)
    for (const partition of revoked) partition.revoke()
    this.#reader?.interrupt()
    const finished = this.#reader?.finish(new Set(revoked))
    if (finished) await abortable(finished, signal)
    if (this.settings.autoCommit) await this.commitHandled(revoked)
    await this.#call(this.settings.onRevoked, revoked, signal)
    for (const partition of revoked) this.assignment.remove(partition)
    this.#emit('revoked', { partitions: named(revoked) })
  }

  async #lose(partitions: readonly TopicPartition[]): Promise<void> {
    if (partitions.length === 0) return
    const lost = this.assignment.select(partitions)
    this.#reader?.interrupt()
    for (const partition of lost) partition.revoke()
    await this.#call(this.settings.onLost ?? this.settings.onRevoked, lost, this.#closing.signal)
    for (const partition of lost) this.assignment.remove(partition)
    this.#emit('lost', { partitions: named(lost) })
  }

  async #call(listener: ConsumerSettings['onAssigned'], partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
    if (listener === undefined || partitions.length === 0) return
    const called = listener(named(partitions))
    if (called) await abortable(called, signal)
  }

  #onOutOfRange(partition: AssignedPartition): void {
    // Fetching rests until there is an offset again.
    if (this.settings.autoOffsetReset !== 'none') partition.lostItsPlace()
    this.#task(this.#startOffsets.reset(partition, this.#closing.signal))
  }

  #nextPoll(signal: AbortSignal): Promise<void> {
    this.#polled = deferred()
    return abortable(this.#polled.promise, signal)
  }

  // ---- what goes wrong

  #trouble(error: unknown): void {
    if (!this.isClosed) this.#emit('error', error)
  }

  #failPartition(partition: AssignedPartition, error: unknown): void {
    partition.rest.stop()
    this.#trouble(error)
    this.#ready.reject(error)
    this.#reader?.fail(error)
  }

  #fail(error: unknown): void {
    if (this.isClosed) return
    this.#failure = { error }
    this.#emit('error', error)
    this.#ready.reject(error)
    this.#reader?.fail(error)
  }

  expectOpen(): void {
    if (this.isClosed) throw new KafkaError('CLOSED', 'The consumer is closed')
  }

  // ---- the end

  async close(timeoutMs: number): Promise<void> {
    this.#closeTimeoutMs = timeoutMs
    const reader = this.#reader
    this.#commitTimer?.cancel()
    await reader?.close(timeoutMs)
    await this.#letGo(timeoutMs)
    this.#closing.abort(new KafkaError('CLOSED', 'The consumer is closed'))
    this.#ready.reject(this.#closing.signal.reason)
    this.#fetcher.close()
    await Promise.all(this.#tasks)
    await this.#brokers.close?.()
  }

  async #letGo(timeoutMs?: number): Promise<void> {
    const member = this.#member
    this.#unlisten?.()
    await this.#watch?.stop()
    for (const partition of this.assignment) partition.revoke()
    this.#reader?.interrupt()
    // Before the member stops: in the middle of a rebalance nothing can be committed until it is through.
    if (this.settings.autoCommit) await this.commitHandled(this.assignment, timeoutMs)
    await member?.halt()
    const owned = [...this.assignment]
    if (member && owned.length > 0) {
      await this.#call(this.settings.onRevoked, owned, this.#closing.signal).catch(error => this.#trouble(error))
      this.#emit('revoked', { partitions: named(owned) })
    }
    for (const partition of owned) this.assignment.remove(partition)
    await member?.leave(this.#closing.signal).catch(error => this.#trouble(error))
    this.#watch = this.#member = undefined
  }

  /** Something that goes on in the background, until `close` at the latest. Deals with its own failures. */
  #task(task: Promise<unknown>): void {
    const settled = task.catch(error => this.#trouble(error)).finally(() => this.#tasks.delete(settled))
    this.#tasks.add(settled)
  }
}

function handledOffsets(partitions: Iterable<AssignedPartition>): OffsetToCommit[] {
  const offsets: OffsetToCommit[] = []
  for (const assigned of partitions) {
    const { topic, partition } = assigned
    const toCommit = assigned.offsetToCommit()
    if (toCommit !== undefined) offsets.push({ topic, partition, ...toCommit })
  }
  return offsets
}
