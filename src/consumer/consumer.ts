import type { TopicPartition } from '../assignor/assignor.js'
import { expectPartition } from '../client/topic-partition.js'
import { type OffsetToCommit, takesPartInTransactions } from '../client/transactional-offsets.js'
import { CallMark } from '../common/call-mark.js'
import { closeTimeoutMs } from '../common/closing.js'
import { Emitter } from '../common/emitter.js'
import { guardedClock } from '../common/guarded-clock.js'
import { expectFunctions, expectInteger, expectOptions, expectSignal } from '../common/options.js'
import { guardedRandom } from '../common/random.js'
import { expectTopicName } from '../record/topic.js'
import { isSameTopic } from './assigned-partition.js'
import type { BatchOf } from './consumer-batch.js'
import { type ConsumerEvents, consumerEvents } from './consumer-events.js'
import { type ConsumerOptions, consumerSettings, type KeysOf, type RecordOf, type ValuesOf } from './consumer-options.js'
import type { ConsumerParts } from './consumer-parts.js'
import { Consumption } from './consumption.js'
import { BatchLoop } from './loop/batch-loop.js'
import type { LoopOptions, RecordIterator } from './loop/loop-reader.js'
import { RecordLoop } from './loop/record-loop.js'
import type { CommittedOffset } from './offsets/committer.js'
import { expectOffsetToCommit, expectPartitions } from './offsets/given-offsets.js'
import { earliest, type FoundOffset, latest } from './offsets/offset-lookup.js'
import { run } from './run/run.js'
import { expectRunOptions, type RunOptions } from './run/run-options.js'
import { expectSelectors, type TopicSelector } from './source/subscription.js'

export interface ConsumerCloseOptions {
  /**
   * Milliseconds to wait for handlers, listeners and the last commit, all together. Default: 30000.
   */
  readonly timeoutMs?: number
}

/** An offset of a partition. */
export interface PartitionOffset extends TopicPartition {
  readonly offset: number
}

/** The lag of a consumer in one partition. */
export interface PartitionLag extends TopicPartition {
  /** Records, or rather offsets, between its position and the end. */
  readonly lag: number
}

/**
 * Reads records from topics: alone, or sharing them with the other members of a group, which also
 * remembers how far it came.
 *
 * ```ts
 * await using consumer = cluster.consumer({ groupId: 'billing', topics: ['orders'] })
 * for await (const record of consumer) await bill(record.value)
 * ```
 *
 * Delivery is at least once: a consumer moves on only past records that have been handled. Asking a
 * loop for the next record, or batch, says that the one before has been handled. `break`, `return`
 * and a throw look the same from here, so the record, or batch, at which a loop is left counts as
 * unhandled, with a group and without: it is not committed, and the next loop, here or in another
 * member, begins with it. To count it as handled, say `await consumer.commit()` or, without a
 * group, `consumer.seek` to the offset after it.
 *
 * A consumer joins its group, or looks up its topics, when it is first read, or when `start` says
 * so. It has one reader at a time: a loop, or `run`. What cannot go on is never silent: the loop,
 * or `run`, rejects, and an `error` event is emitted.
 *
 * Size: one method for each call of its users; they check arguments, and `Consumption` does the
 * work.
 */
export class Consumer<T extends TopicSelector = string, K = Uint8Array, V = Uint8Array>
  extends Emitter<ConsumerEvents>
  implements AsyncDisposable, AsyncIterable<RecordOf<T, K, V>>
{
  readonly #consumption: Consumption
  #closing: Promise<void> | undefined

  /** Use `cluster.consumer(options)`. */
  constructor(parts: ConsumerParts, options: ConsumerOptions<T, K, V> = {}) {
    super(consumerEvents)
    expectFunctions('parts.brokers', parts?.brokers, ['any', 'byId'], 'brokers (`cluster.consumer()` brings them along)')
    const guarded = { ...parts, clock: guardedClock(parts.clock), random: guardedRandom(parts.random) }
    const settings = consumerSettings(options)
    this.#consumption = new Consumption(guarded, settings, {
      consumer: this,
      emit: (event, ...details) => this.emit(event, ...(details as never)),
      onUserError: (error, who) => this.tellFailure(error, who)
    })
    takesPartInTransactions(this, takesBack => this.#consumption.transactions.begin(takesBack))
    if (settings.topics) this.#consumption.subscribe(settings.topics)
  }

  // ---- reading

  /** Every record, in the order of each partition. Shorthand for `records()`. */
  [Symbol.asyncIterator](): RecordIterator<RecordOf<T, K, V>> {
    return this.records()
  }

  /**
   * Every record, in the order of each partition; waits for more when there are none. Ends when the
   * consumer is closed.
   */
  records(options?: LoopOptions): RecordIterator<RecordOf<T, K, V>> {
    return new RecordLoop(this.#consumption, loopOptions(options))
  }

  /**
   * The same in batches of up to `maxPollRecords` records of one partition: the quick way. A batch
   * is handled as a whole.
   */
  batches(options?: LoopOptions): RecordIterator<BatchOf<T, K, V>> {
    return new BatchLoop<KeysOf<T, K>, ValuesOf<T, V>>(this.#consumption, loopOptions(options)) as RecordIterator<BatchOf<T, K, V>>
  }

  /**
   * Has handlers called with records, or batches, as they come; resolves when the consumer is
   * closed. What it takes care of, in order: decode and validate (`rejection`), handle, retry in
   * place (`retry`), dead letter (`deadLetter`), and only then commit.
   *
   * ```ts
   * await consumer.run({ eachRecord: record => ship(record.value), concurrency: 8, orderBy: 'key', retry: { attempts: 5 } })
   * ```
   *
   * Rejects with what a handler threw, when neither retries nor a dead letter mend it: other
   * handlers are waited for, what was handled is committed, and the next `run` or loop begins with
   * what was not.
   */
  async run(options: RunOptions<KeysOf<T, K>, ValuesOf<T, V>, RecordOf<T, K, V>, BatchOf<T, K, V>>): Promise<void> {
    expectRunOptions(options)
    await run(this.#consumption, options)
  }

  /**
   * Joins the group, or takes the partitions, now rather than with the first record; resolves once
   * it is known where to read. What is sent after that is read, even where reading starts at the
   * latest offset.
   */
  async start(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    expectOptions('start', options, signalOnly)
    return this.#consumption.start(options.signal)
  }

  // ---- what to read

  /** Reads these topics instead of those before. Throws a `TypeError` after `assign`. */
  subscribe(topics: TopicSelector | readonly TopicSelector[]): void {
    const selectors = Array.isArray(topics) ? topics : [topics]
    expectSelectors('topics', selectors)
    this.#consumption.subscribe(selectors)
  }

  /**
   * Gives up all topics and partitions, and leaves the group. Loops that wait and `run` end, unless
   * `subscribe` or `assign` follows at once, in the same turn of the event loop: then they go on
   * with that.
   */
  unsubscribe(): Promise<void> {
    return this.#consumption.unsubscribe()
  }

  /**
   * Reads just these partitions, without sharing them; offsets can still be committed to `groupId`.
   * Throws a `TypeError` after `subscribe`.
   */
  assign(partitions: readonly TopicPartition[]): void {
    expectPartitions(partitions)
    for (const { topic } of partitions) expectTopicName(topic)
    this.#consumption.assign(partitions)
  }

  /** The partitions that this consumer reads at present. */
  assignment(): TopicPartition[] {
    return this.#consumption.assignment.toArray()
  }

  /** The id of this member in its group at present; undefined outside of a group. */
  get memberId(): string | undefined {
    return this.#consumption.member?.committing().memberId || undefined
  }

  /** Hands out nothing more of these partitions until `resume`. Default: all that are assigned. */
  pause(partitions?: readonly TopicPartition[]): void {
    this.#consumption.pause(this.#select(partitions))
  }

  resume(partitions?: readonly TopicPartition[]): void {
    this.#consumption.resume(this.#select(partitions))
  }

  paused(): TopicPartition[] {
    return [...this.#consumption.assignment].filter(({ isPaused }) => isPaused).map(({ topic, partition }) => ({ topic, partition }))
  }

  // ---- positions

  /** Goes on reading at this offset of a partition. */
  seek(to: PartitionOffset): void {
    expectPartition(to)
    expectInteger('offset', to.offset, 0)
    const [assigned] = this.#select([to])
    this.#consumption.seek(assigned, to.offset)
  }

  /** Goes on at the first record that there is. Default: in all partitions that are assigned. */
  async seekToBeginning(partitions?: readonly TopicPartition[]): Promise<void> {
    await this.#seekTo(earliest, partitions)
  }

  /** Goes on with what comes after the last record that there is now. */
  async seekToEnd(partitions?: readonly TopicPartition[]): Promise<void> {
    await this.#seekTo(latest, partitions)
  }

  /**
   * Goes on at the first record that is no older than `timestamp` (milliseconds since 1970), or at
   * the end where there is none.
   */
  async seekToTimestamp(timestamp: number, partitions?: readonly TopicPartition[]): Promise<void> {
    expectInteger('timestamp', timestamp, 0)
    await this.#seekTo(timestamp, partitions)
  }

  /** The offset of the next record to be handed out; undefined while it is not known. */
  position(of: TopicPartition): number | undefined {
    expectPartition(of)
    const [{ position }] = this.#select([of])
    return position < 0 ? undefined : position
  }

  /** The first offsets of these partitions. Default: those that are assigned. */
  async beginningOffsets(partitions: readonly TopicPartition[] = this.assignment()): Promise<PartitionOffset[]> {
    return (await this.#find(earliest, partitions)).map(partitionOffset)
  }

  /**
   * The end offsets of these partitions: the offset that the next record will get. Default: those
   * that are assigned.
   */
  async endOffsets(partitions: readonly TopicPartition[] = this.assignment()): Promise<PartitionOffset[]> {
    return (await this.#find(latest, partitions)).map(partitionOffset)
  }

  /**
   * The first offset at or after a time; -1 where no record is as late. Default: for the partitions
   * that are assigned.
   */
  async offsetsForTimestamp(timestamp: number, partitions: readonly TopicPartition[] = this.assignment()): Promise<FoundOffset[]> {
    expectInteger('timestamp', timestamp, 0)
    return this.#find(timestamp, partitions)
  }

  /** The lag of this consumer in each of its partitions. */
  async lag(): Promise<PartitionLag[]> {
    const ends = await this.endOffsets()
    return ends.flatMap(({ topic, partition, offset }) => {
      const position = this.#consumption.assignment.get(topic, partition)?.position ?? -1
      return position < 0 ? [] : [{ topic, partition, lag: Math.max(0, offset - position) }]
    })
  }

  // ---- commits

  /**
   * Commits offsets to the group, each that of the next record to read. Without `offsets`: all that
   * was handed out by a loop, with the record or batch that it has in hand or was left at; of what
   * `run` handed out, only what its handlers have finished, up to the first record that is not.
   *
   * With `offsets`: just those, also of partitions that this consumer does not read. They may lie
   * anywhere, as in Kafka. The records before them count as handled, as far as they were handed
   * out, and reading goes on where it is; automatic commits neither take a later offset back nor go
   * beyond an earlier one until more has been handled.
   *
   * Waits for commits under way, and for a rebalance under way, after which partitions that have
   * stayed here are committed. Rejects with a `KafkaError`: ILLEGAL_GENERATION or UNKNOWN_MEMBER_ID
   * when partitions have gone to others, UNKNOWN_TOPIC_OR_PARTITION or UNKNOWN_TOPIC_ID for one
   * that does not exist; other partitions are committed all the same. While the consumer closes,
   * the handlers and listeners that it waits for may still commit.
   */
  async commit(offsets?: readonly OffsetToCommit[], options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    expectOptions('commit', options, signalOnly)
    this.#consumption.expectCommits()
    this.#expectGroup('commit')
    if (offsets !== undefined) {
      expectPartitions(offsets)
      for (const offset of offsets) expectOffsetToCommit(offset)
      return this.#consumption.commits.commitGiven(offsets, options)
    }
    await this.#consumption.commits.commitAll(options)
  }

  /**
   * The committed offsets of the group; partitions without a committed offset are left out.
   * Default: of the partitions that are assigned.
   */
  async committed(partitions: readonly TopicPartition[] = this.assignment()): Promise<CommittedOffset[]> {
    this.#consumption.closing.expectOpen()
    this.#expectGroup('look up committed offsets')
    expectPartitions(partitions)
    const committed = await this.#consumption.committer?.committed(partitions, { signal: this.#consumption.closing.begun })
    return [...(committed?.values() ?? [])]
  }

  // ---- the end

  /**
   * Aborts the signal that handlers were given, waits for what they have in hand, commits what was
   * handled and leaves the group. Loops and `run` end; whatever is asked of the consumer from the
   * call on rejects with CLOSED. Idempotent; calling it again may bring the end forward.
   *
   * Ends by `timeoutMs` whatever handlers and listeners do: what one still has in hand then counts
   * as not handled. Awaited inside of a handler or a listener of this consumer, which it waits for,
   * it resolves at once, and closing goes on when the handler has ended.
   */
  close(options: ConsumerCloseOptions = {}): Promise<void> {
    let timeoutMs: number
    try {
      timeoutMs = closeTimeoutMs(options)
    } catch (error) {
      return Promise.reject(error)
    }
    if (this.#closing) this.#consumption.closing.hurry(timeoutMs)
    this.#closing ??= this.#close(timeoutMs)
    if (!CallMark.isInside(owner => owner === this)) return this.#closing
    this.#closing.catch(error => this.tellFailure(error, '`close`'))
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  protected override errorArgs(error: unknown): Parameters<ConsumerEvents['error']> {
    return [error]
  }

  async #close(timeoutMs: number): Promise<void> {
    try {
      await this.#consumption.close(timeoutMs)
    } finally {
      this.emit('closed')
    }
  }

  async #seekTo(timestamp: number, partitions?: readonly TopicPartition[]): Promise<void> {
    let open = this.#select(partitions).map(partition => ({ partition, seek: partition.beginSeek() }))
    while (open.length > 0) {
      const asked = open.map(({ partition }) => partition)
      const topicIds = asked.map(({ topicId }) => topicId)
      const found = await this.#find(timestamp, asked)
      const ends = timestamp >= 0 ? await this.#find(latest, asked) : found
      open = open.filter(({ partition, seek }, index) => {
        if (!this.#consumption.assignment.has(partition)) return false
        // The offset is of a topic that has been deleted since.
        if (!isSameTopic(partition.topicId, topicIds[index])) return true
        const { offset } = found[index]
        this.#consumption.seek(partition, offset >= 0 ? offset : ends[index].offset, seek)
        return false
      })
    }
  }

  async #find(timestamp: number, partitions: readonly TopicPartition[]): Promise<FoundOffset[]> {
    this.#consumption.closing.expectOpen()
    expectPartitions(partitions)
    return this.#consumption.lookup.find(
      partitions.map(({ topic, partition }) => ({ topic, partition, timestamp })),
      { signal: this.#consumption.closing.begun }
    )
  }

  #select(partitions?: readonly TopicPartition[]) {
    this.#consumption.closing.expectOpen()
    if (partitions !== undefined) expectPartitions(partitions)
    return this.#consumption.assignment.select(partitions)
  }

  #expectGroup(what: string): void {
    if (!this.#consumption.committer) throw new TypeError(`Expected a consumer with a \`groupId\`, to ${what}`)
  }
}

function loopOptions(options: LoopOptions = {}): LoopOptions {
  expectOptions('a loop', options, signalOnly)
  return options
}

const signalOnly = { signal: expectSignal }

function partitionOffset({ topic, partition, offset }: FoundOffset): PartitionOffset {
  return { topic, partition, offset }
}
