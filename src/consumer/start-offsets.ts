import type { MetadataCache } from '../client/metadata-cache.js'
import { type Backoff, isRetriable } from '../client/retry.js'
import { isPromise } from '../common/deferred.js'
import type { Turns } from '../common/turns.js'
import { KafkaError } from '../errors.js'
import type { AssignedPartition } from './assigned-partition.js'
import type { Committer } from './committer.js'
import type { OffsetReset } from './consumer-events.js'
import type { ConsumerSettings } from './consumer-options.js'
import { earliest, latest, type OffsetLookup } from './offset-lookup.js'

export interface StartOffsetsOwner {
  isAssigned(partition: AssignedPartition): boolean
  /** It is known where to read some of the partitions. */
  onPositioned(): void
  onReset(reset: OffsetReset): void
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
  readonly settings: ConsumerSettings
}

/** Finds out where to start reading: at the offset that the group committed, else where `autoOffsetReset` says. */
export class StartOffsets {
  readonly #context: StartOffsetsContext
  readonly #owner: StartOffsetsOwner

  constructor(context: StartOffsetsContext, owner: StartOffsetsOwner) {
    this.#context = context
    this.#owner = owner
  }

  /** Gives a position to those partitions that have none. Tries until it succeeds, fails for good, or the signal aborts. */
  async find(partitions: readonly AssignedPartition[], reset: ConsumerSettings['autoOffsetReset'], signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      const open = this.#withoutPosition(partitions)
      if (open.length === 0) return
      try {
        await this.#attempt(open, reset, signal)
        failures = 0
      } catch (error) {
        if (signal.aborted) return
        if (!isRetriable(error)) {
          for (const partition of this.#withoutPosition(open)) this.#owner.onFailed(partition, error)
          return
        }
        if (failures === 0) this.#owner.onTrouble(error)
        await this.#context.backoff.wait(++failures, signal).catch(() => {})
      }
    }
  }

  async #attempt(partitions: readonly AssignedPartition[], reset: ConsumerSettings['autoOffsetReset'], signal: AbortSignal): Promise<void> {
    const { committer, metadata, settings } = this.#context
    const { allowAutoTopicCreation } = settings
    const known = metadata.ensure([...new Set(partitions.map(({ topic }) => topic))], { allowAutoTopicCreation, signal })
    if (isPromise(known)) await known
    // Whoever shared the partitions out may have seen some that were added since we looked.
    const unseen = partitions.filter(({ topic, partition }) => !metadata.partition(topic, partition)).map(({ topic }) => topic)
    if (unseen.length > 0) await metadata.refresh([...new Set(unseen)], { allowAutoTopicCreation, signal })
    const existing = partitions.filter(partition => this.#exists(partition))
    for (const partition of existing) partition.belongTo(metadata.topic(partition.topic)?.id)
    const committed = await committer?.committed(existing, { signal })
    for (const partition of this.#withoutPosition(existing)) {
      const offset = committed?.get(partition.name)
      if (offset === undefined) continue
      partition.startAtCommitted(offset.offset)
    }
    await this.#reset(this.#withoutPosition(existing), reset, 'noCommittedOffset', signal)
  }

  /** Starts again where `autoOffsetReset` says, because the offset is not in the log. */
  async reset(partition: AssignedPartition, signal: AbortSignal): Promise<void> {
    const { settings, backoff } = this.#context
    const { jumps } = partition
    for (let failures = 0; !signal.aborted && jumps === partition.jumps; ) {
      try {
        return await this.#reset([partition], settings.autoOffsetReset, 'outOfRange', signal)
      } catch (error) {
        if (signal.aborted) return
        if (!isRetriable(error)) return this.#owner.onFailed(partition, error)
        if (failures === 0) this.#owner.onTrouble(error)
        await backoff.wait(++failures, signal).catch(() => {})
      }
    }
  }

  async #reset(
    partitions: readonly AssignedPartition[],
    reset: ConsumerSettings['autoOffsetReset'],
    reason: OffsetReset['reason'],
    signal: AbortSignal
  ): Promise<void> {
    if (partitions.length === 0) return this.#owner.onPositioned()
    if (reset === 'none') {
      for (const partition of partitions) this.#owner.onFailed(partition, withoutOffset(partition, reason))
      return
    }
    const timestamp = reset === 'earliest' ? earliest : latest
    const jumps = partitions.map(partition => partition.jumps)
    const queries = partitions.map(({ topic, partition }) => ({ topic, partition, timestamp }))
    const found = await this.#context.lookup.find(queries, { signal })
    await this.#context.turns.yieldWhenOver()
    partitions.forEach((partition, index) => {
      if (partition.jumps !== jumps[index] || !this.#owner.isAssigned(partition)) return
      const { offset } = found[index]
      partition.jumpTo(offset)
      this.#owner.onReset({ topic: partition.topic, partition: partition.partition, offset, reason })
    })
    this.#owner.onPositioned()
  }

  #exists(partition: AssignedPartition): boolean {
    const { topic, partition: number } = partition
    const count = this.#context.metadata.topic(topic)?.partitions.length ?? 0
    if (number < count) return true
    const message = `${topic} has ${count} partitions, so there is no partition ${number}`
    this.#owner.onFailed(partition, new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', message, { topic, partition: number }))
    return false
  }

  /** Those that still need one: a seek may have been quicker, and what failed waits for the next loop. */
  #withoutPosition(partitions: readonly AssignedPartition[]): AssignedPartition[] {
    return partitions.filter(partition => partition.position < 0 && !partition.rest.isStopped && this.#owner.isAssigned(partition))
  }
}

function withoutOffset({ topic, partition, fetchOffset }: AssignedPartition, reason: OffsetReset['reason']): KafkaError {
  if (reason === 'noCommittedOffset') {
    return new KafkaError('NO_OFFSET_FOR_PARTITION', `No offset is committed for ${topic}-${partition}, and autoOffsetReset is 'none'`, {
      topic,
      partition
    })
  }
  const message = `Offset ${fetchOffset} is not in the log of ${topic}-${partition}, and autoOffsetReset is 'none'`
  return new KafkaError('OFFSET_OUT_OF_RANGE', message, { topic, partition })
}
