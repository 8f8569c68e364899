import { keyPartition } from '../../client/key-partition.js'
import type { MetadataCache } from '../../client/metadata-cache.js'
import { Backoff, limitedBy } from '../../client/retry.js'
import { firstToAbort } from '../../common/abort.js'
import type { Clock } from '../../common/clock.js'
import { abortable, deferred } from '../../common/deferred.js'
import { grouped } from '../../common/grouped.js'
import type { Random } from '../../common/random.js'
import { ConflictError, KafkaError } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import { AddConditionsToTxn } from '../../protocol/messages/add-conditions-to-txn.js'
import type { AnyTopic } from '../../record/topic.js'
import type { Accumulator } from '../accumulator.js'
import type { ProducerSettings } from '../options.js'
import { chosenPartition, type Partitioner } from '../partitioner.js'
import type { PendingAppend } from '../pending-append.js'
import { type AnyRecord, type EncodedRecord, nameOf, type ProducerRecord } from '../producer-record.js'
import type { Transactions } from '../transactions.js'
import {
  byKey,
  conflictError,
  type EncodedCondition,
  elsewhere,
  encodedRecords,
  idOf,
  keyConditions,
  noPartition,
  requestError,
  type SendConditions
} from './conditions.js'
import { PendingConditional } from './pending-conditional.js'

export interface TransactionConditionsParts {
  readonly settings: ProducerSettings
  readonly clock: Clock
  readonly random: Random
  readonly metadata: MetadataCache
  readonly accumulator: Accumulator
  readonly transactions: Transactions
  /** Memory has become free. */
  readonly onReleased: () => void
}

/** The outcome of a send, and the first offset that its records got. */
export interface SentAt<R> {
  readonly result: R
  readonly baseOffset: number
}

/** The conditions of one partition. */
interface PartitionConditions {
  readonly partition: number
  /** -1 where the end does not matter. */
  readonly endOffset: number
  readonly keys: readonly EncodedCondition[]
}

/** A send whose conditions are reserved once there is room for it. */
class ReservedSend extends PendingConditional {
  readonly #handOver: (partitionCount: number, isFresh: boolean, free: () => void) => boolean
  readonly #refused: (error: unknown) => void

  constructor(
    parts: TransactionConditionsParts,
    topic: AnyTopic | string,
    records: readonly EncodedRecord[],
    keys: readonly EncodedCondition[],
    signal: AbortSignal | undefined,
    handOver: (partitionCount: number, isFresh: boolean, free: () => void) => boolean,
    refused: (error: unknown) => void
  ) {
    super(parts, topic, records, keys, signal)
    this.#handOver = handOver
    this.#refused = refused
  }

  protected override handOver(partitionCount: number): boolean {
    return this.#handOver(partitionCount, this.isFresh, () => this.free())
  }

  override refuse(error: unknown): void {
    this.#refused(error)
  }
}

/** Another transaction is asked about so soon again. */
const quickRetryMs = 10
const longestQuickRetryMs = 50
/** No time limit beside that of the signal. */
const untilAborted = Number.POSITIVE_INFINITY

/**
 * The conditional sends of a producer's transactions. The partitions are asked first, each about
 * its conditions: they reserve what these rely on until the transaction ends. Then the records go
 * as others of the transaction do.
 */
export class TransactionConditions {
  readonly #parts: TransactionConditionsParts
  readonly #backoff: Backoff
  /** While another transaction is not decided. */
  readonly #quick: Backoff
  readonly #ending = new AbortController()
  readonly #open = new Set<Promise<void>>()

  constructor(parts: TransactionConditionsParts) {
    const { clock, random, settings } = parts
    this.#parts = parts
    this.#backoff = new Backoff(clock, random, settings)
    const retryBackoffMs = Math.min(quickRetryMs, settings.retryBackoffMs)
    this.#quick = new Backoff(clock, random, { retryBackoffMs, retryBackoffMaxMs: longestQuickRetryMs })
  }

  /**
   * Records that `send` is to send, with their partitions, where all conditions hold. Throws what
   * is wrong with the call.
   */
  prepare<R>(
    number: number,
    topic: AnyTopic | string,
    given: Iterable<AnyRecord>,
    conditions: SendConditions & { readonly signal?: AbortSignal },
    send: (topic: string, records: ProducerRecord[]) => Promise<SentAt<R>>,
    resolve: (result: R) => void,
    reject: (error: unknown) => void
  ): PendingAppend {
    const { settings, onReleased } = this.#parts
    const records = encodedRecords(topic, given)
    const name = nameOf(topic)
    const keys = keyConditions(topic, records, conditions)
    const { signal, ifEndAt = -1 } = conditions
    const done = deferred()
    const over = () => {
      this.#open.delete(done.promise)
      done.resolve()
    }
    const refused = (error: unknown) => {
      reject(error)
      over()
    }
    const handOver = (partitionCount: number, isFresh: boolean, free: () => void) => {
      const partitions = partitionsOf(name, records, partitionCount, settings.partitioner)
      const conditions = conditionsByPartition(name, records, partitions, keys, ifEndAt, partitionCount)
      const beyond = conditions.find(({ partition }) => partition >= partitionCount)
      if (beyond && !isFresh) return false
      if (beyond) throw noPartition(name, beyond.partition, partitionCount)
      const held = records.map(({ record, key, value, headers }, i) => {
        const { timestamp } = record
        const { partition } = partitions[i]
        return { key, value: value as Uint8Array | string, headers, partition, ...(timestamp !== undefined && { timestamp }) }
      })
      this.#reserve(number, name, conditions, signal)
        .finally(() => {
          free()
          onReleased()
        })
        .then(() => {
          this.#ending.signal.throwIfAborted()
          return send(name, held)
        })
        .then(sent => expectOffset(name, conditions, sent))
        .then(resolve, reject)
        .then(over)
      return true
    }
    const pending = new ReservedSend(this.#parts, topic, records, keys, signal, handOver, refused)
    this.#open.add(done.promise)
    return pending
  }

  /** Resolves when all that was sent up to now is answered. */
  async drained(): Promise<void> {
    await Promise.all(this.#open)
  }

  /** Stops for good: what has not been reserved is given up with this error. */
  stop(error: KafkaError): void {
    this.#ending.abort(error)
  }

  async #reserve(
    number: number,
    topic: string,
    conditions: readonly PartitionConditions[],
    signal: AbortSignal | undefined
  ): Promise<void> {
    const { transactions } = this.#parts
    const limit = firstToAbort(signal, this.#ending.signal)
    try {
      await Promise.all(conditions.map(each => this.#reserveIn(topic, each, limit.signal)))
    } catch (error) {
      transactions.failed(error)
      throw transactions.lastError ?? error
    } finally {
      limit.end()
    }
    transactions.expectUnderWay(number)
  }

  async #reserveIn(topic: string, conditions: PartitionConditions, signal: AbortSignal): Promise<void> {
    const { transactions, settings } = this.#parts
    const { transactionalId, producerId, epoch: producerEpoch } = transactions
    const { partition, endOffset, keys } = conditions
    const request = { transactionalId, producerId, producerEpoch, topic, partition, endOffset, keys: [...keys] }
    // From now on the coordinator may know of the transaction.
    transactions.delivered()
    const ask = (ending: AbortSignal) => this.#askOnce(request, ending)
    const whileUndecided = (ending: AbortSignal) => this.#quick.retry(ask, { timeoutMs: untilAborted, signal: ending }, isUndecided)
    const response = await this.#backoff.retry(whileUndecided, { timeoutMs: settings.deliveryTimeoutMs, signal })
    if (!response.isConflict) return
    const conflicts = (response.conflicts ?? []).map(({ index, lastOffset }) => ({ condition: keys[index], lastOffset }))
    throw conflictError(conflicts, response, { topic, partition })
  }

  async #askOnce(request: RequestOf<typeof AddConditionsToTxn>, signal: AbortSignal): Promise<ResponseOf<typeof AddConditionsToTxn>> {
    const { clock, metadata, settings } = this.#parts
    const { topic, partition } = request
    const limit = limitedBy(clock, settings.requestTimeoutMs, signal)
    try {
      const looking = { allowAutoTopicCreation: false, timeoutMs: settings.requestTimeoutMs, signal: limit.signal }
      await metadata.ensure([topic], looking)
      const leader = metadata.leaderOf(topic, partition)
      if (!leader) throw new KafkaError('LEADER_NOT_AVAILABLE', undefined, { topic, partition })
      const response = await abortable(Promise.resolve(leader.request(AddConditionsToTxn, request, limit.signal)), limit.signal)
      if (response.errorCode === 0) return response
      throw KafkaError.fromNumber(response.errorCode, response.errorMessage, { topic, partition })
    } catch (error) {
      if (!isUndecided(error)) metadata.forget(topic)
      throw requestError(error, { topic, partition })
    } finally {
      limit.end()
    }
  }
}

function isUndecided(error: unknown): boolean {
  return error instanceof KafkaError && error.code === 'CONCURRENT_TRANSACTIONS'
}

/** The partition of each record, and whether it was chosen or follows from the key. */
function partitionsOf(topic: string, records: readonly EncodedRecord[], partitionCount: number, partitioner: Partitioner | undefined) {
  return records.map(({ record, key }) => {
    const chosen = chosenPartition(topic, record, key, partitionCount, partitioner)
    return { partition: chosen ?? byKey(topic, key, partitionCount), isChosen: chosen !== undefined }
  })
}

/**
 * Each condition belongs to the partition of the records of its key, and to that of the key where
 * it has none.
 */
function conditionsByPartition(
  topic: string,
  records: readonly EncodedRecord[],
  places: ReturnType<typeof partitionsOf>,
  keys: readonly EncodedCondition[],
  endOffset: number,
  partitionCount: number
): PartitionConditions[] {
  const ofKey = new Map<string, number>()
  const [first] = places
  const isByKey = places.every(({ isChosen }) => !isChosen)
  const other = places.find(({ partition }) => partition !== first.partition)
  if (endOffset >= 0 && other) throw elsewhere(topic, 'the records of a send with `ifEndAt` go', first.partition, other.partition)
  if (keys.length > 0)
    for (let i = 0; i < records.length; i++) {
      const { key } = records[i]
      if (key === null) continue
      const id = idOf(key)
      const before = ofKey.get(id) ?? places[i].partition
      if (before !== places[i].partition && keys.some(condition => condition.id === id))
        throw elsewhere(topic, 'the records of a key with a condition go', before, places[i].partition)
      ofKey.set(id, before)
    }
  const byPartition = grouped(keys, ({ id, key }) => {
    const partition = ofKey.get(id)
    if (partition !== undefined) return partition
    if (isByKey) return keyPartition(key, partitionCount)
    if (other)
      throw elsewhere(topic, 'the records go, since a key of the conditions has no record among them', first.partition, other.partition)
    return first.partition
  })
  if (endOffset >= 0 && !byPartition.has(first.partition)) byPartition.set(first.partition, [])
  return Array.from(byPartition, ([partition, ofPartition]) => ({ partition, endOffset, keys: ofPartition }))
}

/** Other records of the same transaction may have been under way when the end was reserved. */
function expectOffset<R>(topic: string, conditions: readonly PartitionConditions[], { result, baseOffset }: SentAt<R>): R {
  const [{ partition, endOffset }] = conditions
  if (endOffset < 0 || endOffset === baseOffset) return result
  throw new ConflictError(`Expected the partition to end at ${endOffset}, the first record got ${baseOffset}: it cannot be committed`, {
    topic,
    partition,
    endOffset: baseOffset
  })
}
