import type { MetadataCache } from '../../client/metadata-cache.js'
import { type Backoff, isRetriable } from '../../client/retry.js'
import { firstToAbort } from '../../common/abort.js'
import type { Clock } from '../../common/clock.js'
import { isPromise } from '../../common/deferred.js'
import type { Turns } from '../../common/turns.js'
import { KafkaError } from '../../errors.js'
import type { AssignedPartition } from '../assigned-partition.js'
import type { OffsetReset, RecordsMissed } from '../consumer-events.js'
import type { ConsumerSettings } from '../consumer-options.js'
import type { FirstSight } from '../source/first-sight.js'
import type { SubscribedTopics } from '../source/subscribed-topics.js'
import type { Committer } from './committer.js'
import { earliest, type FoundOffset, latest, type OffsetLookup } from './offset-lookup.js'
import { resetDurationMs } from './offset-reset.js'

export interface StartOffsetsOwner {
  isAssigned(partition: AssignedPartition): boolean
  /** It is known where to read some of the partitions. */
  onPositioned(): void
  onReset(reset: OffsetReset): void
  onMissed(missed: RecordsMissed): void
  onFailed(partition: AssignedPartition, error: unknown): void
  onTrouble(error: unknown): void
}

export interface StartOffsetsContext {
  /** Without a group nothing is committed. */
  readonly committer: Committer | undefined
  readonly lookup: OffsetLookup
  readonly metadata: MetadataCache
  readonly backoff: Backoff
  readonly turns: Turns
  readonly clock: Clock
  readonly settings: ConsumerSettings
  readonly firstSight: FirstSight
  readonly topics: Pick<SubscribedTopics, 'mayCreate' | 'saw'>
}

/** A place that a partition was read at and that is void. */
interface LostPlace {
  readonly offset: number
  /** The start offset of the log; -1 where that is not known. */
  readonly logStartOffset: number
  /** The number of unread records of a deleted topic, as far as it is known. */
  readonly count: number
}

/** A partition that an answer is waited for, and what was so when it was asked for. */
interface Asked {
  readonly partition: AssignedPartition
  readonly jumps: number
}

/**
 * Finds out where to start reading: at the offset that the group committed, else where
 * `autoOffsetReset` says.
 */
export class StartOffsets {
  readonly #context: StartOffsetsContext
  readonly #owner: StartOffsetsOwner
  readonly #restarts = new Map<AssignedPartition, { readonly abort: (reason: unknown) => void; readonly tell: () => void }>()

  constructor(context: StartOffsetsContext, owner: StartOffsetsOwner) {
    this.#context = context
    this.#owner = owner
  }

  /**
   * Gives a position to those partitions that have none. Tries until it succeeds, fails for good,
   * or the signal aborts.
   */
  async find(partitions: readonly AssignedPartition[], signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      const open = this.#withoutPosition(partitions)
      if (open.length === 0) return
      try {
        await this.#attempt(open, signal)
        failures = 0
      } catch (error) {
        if (signal.aborted) return
        if (!isRetriable(error)) {
          for (const partition of this.#withoutPosition(open)) this.#owner.onFailed(partition, error)
          return
        }
        for (const { topic } of open) this.#context.metadata.forget(topic)
        if (failures === 0) this.#owner.onTrouble(error)
        await this.#context.backoff.wait(++failures, signal).catch(() => {})
      }
    }
  }

  async #attempt(partitions: readonly AssignedPartition[], signal: AbortSignal): Promise<void> {
    const { committer, metadata } = this.#context
    await this.#ensureTopics([...new Set(partitions.map(({ topic }) => topic))], signal)
    // The leader of the group may have seen partitions that were added since our last metadata.
    const unseen = partitions.filter(({ topic, partition }) => !metadata.partition(topic, partition)).map(({ topic }) => topic)
    if (unseen.length > 0) await metadata.refresh([...new Set(unseen)], { allowAutoTopicCreation: false, signal })
    const existing = partitions.filter(partition => this.#exists(partition))
    for (const partition of existing) partition.belongTo(metadata.topic(partition.topic)?.id)
    const asked = askedFor(existing)
    const committed = await committer?.committed(existing, { signal })
    for (const partition of this.#stillAsked(asked)) {
      const offset = committed?.get(partition.name)
      if (offset !== undefined) partition.startAtCommitted(offset.offset)
    }
    await this.#reset(this.#withoutPosition(existing), 'noCommittedOffset', signal)
  }

  /** Topics that may be created are asked for apart from those that may not. */
  async #ensureTopics(topics: readonly string[], signal: AbortSignal): Promise<void> {
    const { metadata, topics: known } = this.#context
    for (const allowAutoTopicCreation of [true, false]) {
      const some = topics.filter(topic => known.mayCreate(topic) === allowAutoTopicCreation)
      const ensured = metadata.ensure(some, { allowAutoTopicCreation, signal })
      if (isPromise(ensured)) await ensured
      for (const topic of some) known.saw(topic)
    }
  }

  /**
   * Starts again where `autoOffsetReset` says, because the offset is not in the log, or the log is
   * another.
   */
  async restart(
    partition: AssignedPartition,
    reason: 'outOfRange' | 'topicRecreated',
    lost: LostPlace,
    closing: AbortSignal
  ): Promise<void> {
    const limit = firstToAbort(closing)
    const restart = { abort: limit.abort, tell: () => this.#tellOfDeleted(partition, reason, lost) }
    this.#restarts.set(partition, restart)
    try {
      await this.#restart(partition, reason, lost, limit.signal)
    } finally {
      if (this.#restarts.get(partition) === restart) this.#restarts.delete(partition)
      limit.end()
    }
  }

  /**
   * A partition was given up; what it restarts from is no longer looked for: the topic that was
   * created anew may not have it.
   */
  givenUp(partition: AssignedPartition): void {
    const restart = this.#restarts.get(partition)
    if (!restart) return
    this.#restarts.delete(partition)
    restart.abort(new KafkaError('CLOSED', 'The partition was given up'))
    restart.tell()
  }

  async #restart(
    partition: AssignedPartition,
    reason: 'outOfRange' | 'topicRecreated',
    lost: LostPlace,
    signal: AbortSignal
  ): Promise<void> {
    const { backoff } = this.#context
    const { jumps } = partition
    for (let failures = 0; !signal.aborted && jumps === partition.jumps; ) {
      try {
        return await this.#reset([partition], reason, signal, lost)
      } catch (error) {
        if (signal.aborted) return
        if (!isRetriable(error)) return this.#owner.onFailed(partition, error)
        if (failures === 0) this.#owner.onTrouble(error)
        await backoff.wait(++failures, signal).catch(() => {})
        if (jumps !== partition.jumps) this.#tellOfDeleted(partition, reason, lost)
      }
    }
  }

  /**
   * The user has said where to go on before it was looked up; records that went with their topic
   * are told of all the same.
   */
  #tellOfDeleted(partition: AssignedPartition, reason: OffsetReset['reason'], lost: LostPlace | undefined): void {
    if (lost && reason === 'topicRecreated') this.#tellOfMissed(partition, reason, lost, partition.position)
  }

  async #reset(
    partitions: readonly AssignedPartition[],
    reason: OffsetReset['reason'],
    signal: AbortSignal,
    lost?: LostPlace
  ): Promise<void> {
    if (partitions.length === 0) return this.#owner.onPositioned()
    if (this.#context.settings.autoOffsetReset === 'none') {
      for (const partition of partitions) this.#owner.onFailed(partition, withoutOffset(partition, reason))
      return
    }
    const asked = askedFor(partitions)
    const offsets = await this.#firstOffsets(partitions, reason, signal)
    await this.#context.turns.yieldWhenOver()
    signal.throwIfAborted()
    const current = new Set(this.#stillAsked(asked))
    partitions.forEach((assigned, index) => {
      if (!current.has(assigned)) {
        this.#tellOfDeleted(assigned, reason, lost)
        return
      }
      const offset = offsets[index]
      const { topic, partition } = assigned
      assigned.jumpTo(offset)
      if (lost) this.#tellOfMissed(assigned, reason, lost, offset)
      this.#owner.onReset({ topic, partition, offset, reason })
    })
    this.#owner.onPositioned()
  }

  async #firstOffsets(partitions: readonly AssignedPartition[], reason: OffsetReset['reason'], signal: AbortSignal): Promise<number[]> {
    const { lookup } = this.#context
    const places = partitions.map(partition => this.#placeOf(partition, reason))
    const queries = partitions.flatMap(({ topic, partition }, index) => {
      const place = places[index]
      return typeof place === 'number' ? [] : [{ topic, partition, timestamp: place.timestamp }]
    })
    const found = await lookup.find(queries, { signal })
    const missing = found.filter(({ offset }) => offset < 0).map(({ topic, partition }) => ({ topic, partition, timestamp: latest }))
    const ends = (await lookup.find(missing, { signal })).values()
    const answers = found.values()
    return places.map(place => {
      if (typeof place === 'number') return place
      const { offset } = answers.next().value as FoundOffset
      // No record is as late as the time that was asked for.
      return offset >= 0 ? offset : (ends.next().value as FoundOffset).offset
    })
  }

  /** An offset, or the time by which to look it up. */
  #placeOf(partition: AssignedPartition, reason: OffsetReset['reason']): number | { readonly timestamp: number } {
    const { settings, firstSight, clock } = this.#context
    const { autoOffsetReset } = settings
    const first = reason === 'noCommittedOffset' ? firstSight.firstOffsetOf(partition) : 'asConfigured'
    if (autoOffsetReset === 'earliest' || reason === 'topicRecreated' || first === 'beginning') return { timestamp: earliest }
    if (autoOffsetReset === 'latest') return typeof first === 'number' ? first : { timestamp: latest }
    return { timestamp: Math.max(0, clock.now() - (resetDurationMs(autoOffsetReset) ?? 0)) }
  }

  #tellOfMissed(assigned: AssignedPartition, reason: OffsetReset['reason'], lost: LostPlace, to: number): void {
    const { topic, partition } = assigned
    const { offset: from, logStartOffset, count } = lost
    if (from < 0) return
    if (reason === 'topicRecreated') {
      if (count > 0) this.#owner.onMissed({ topic, partition, from, to, count, reason: 'topicDeleted' })
    } else if (to > from && from < logStartOffset) {
      this.#owner.onMissed({ topic, partition, from, to, count: to - from, reason: 'removed' })
    }
  }

  #stillAsked(asked: readonly Asked[]): AssignedPartition[] {
    return asked
      .filter(({ partition, jumps }) => partition.jumps === jumps && this.#owner.isAssigned(partition))
      .map(({ partition }) => partition)
  }

  #exists(partition: AssignedPartition): boolean {
    const { topic, partition: number } = partition
    const count = this.#context.metadata.topic(topic)?.partitions.length ?? 0
    if (number < count) return true
    const message = `${topic} has ${count} partitions, so there is no partition ${number}`
    this.#owner.onFailed(partition, new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', message, { topic, partition: number }))
    return false
  }

  /**
   * The partitions that still need one: a seek may have been quicker, and failed ones wait for the
   * next round.
   */
  #withoutPosition(partitions: readonly AssignedPartition[]): AssignedPartition[] {
    return partitions.filter(partition => partition.position < 0 && !partition.rest.isStopped && this.#owner.isAssigned(partition))
  }
}

function askedFor(partitions: readonly AssignedPartition[]): Asked[] {
  return partitions.map(partition => ({ partition, jumps: partition.jumps }))
}

function withoutOffset({ topic, partition, fetchOffset }: AssignedPartition, reason: OffsetReset['reason']): KafkaError {
  if (reason === 'outOfRange') {
    const message = `Offset ${fetchOffset} is not in the log of ${topic}-${partition}, and autoOffsetReset is 'none'`
    return new KafkaError('OFFSET_OUT_OF_RANGE', message, { topic, partition })
  }
  const why = reason === 'topicRecreated' ? `${topic} was deleted and created anew` : `No offset is committed for ${topic}-${partition}`
  return new KafkaError('NO_OFFSET_FOR_PARTITION', `${why}, and autoOffsetReset is 'none'`, { topic, partition })
}
