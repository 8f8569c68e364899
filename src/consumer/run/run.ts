import { isPromise, type MaybePromise } from '../../common/deferred.js'
import type { AssignedPartition } from '../assigned-partition.js'
import type { ConsumerBatch } from '../consumer-batch.js'
import type { ConsumerRecord } from '../consumer-record.js'
import type { Consumption } from '../consumption.js'
import type { FetchedRecords } from '../fetch/fetched-records.js'
import { decodeRecord } from '../fetch/record-decoder.js'
import { batchAt } from '../loop/batch-loop.js'
import { type DeadLetterSink, deadLetterSink } from './dead-letter.js'
import { Handling, type HandlingOptions } from './handling.js'
import { KeyRunner } from './key-runner.js'
import { type ItemHandling, PartitionRunner } from './partition-runner.js'
import type { RunOptions } from './run-options.js'

type AnyRecord = ConsumerRecord<unknown, unknown>
type AnyBatch = ConsumerBatch<unknown, unknown>

/** Runs handlers until the consumer is closed, the signal aborts, or something fails for good. */
export async function run<K, V, R, B>(consumption: Consumption, options: RunOptions<K, V, R, B>): Promise<void> {
  const { concurrency = 1, orderBy = 'partition', retry, signal } = options
  const { clock, random } = consumption
  const handlers = new AbortController()
  const common = { retry, clock, random, signal: handlers.signal }
  const toDeadLetters = options.deadLetter && deadLetterSink(options.deadLetter, topic => consumption.selection.serdesOf(topic))
  const runner =
    orderBy === 'key'
      ? new KeyRunner(consumption, recordHandling(options, common, toDeadLetters), concurrency, handlers, signal)
      : new PartitionRunner(consumption, items(consumption, options, common, toDeadLetters), concurrency, handlers, signal)
  if (toDeadLetters) consumption.fallbackRejection = rejected => toDeadLetters(rejected, rejected.error)
  try {
    await runner.run()
  } finally {
    consumption.fallbackRejection = 'fail'
  }
}

type Common = Pick<HandlingOptions<unknown>, 'retry' | 'clock' | 'random' | 'signal'>

function recordHandling<K, V, R, B>(
  options: RunOptions<K, V, R, B>,
  common: Common,
  giveUp: DeadLetterSink | undefined
): Handling<AnyRecord> {
  const handler = options.eachRecord as HandlingOptions<AnyRecord>['handler']
  return new Handling<AnyRecord>({ ...common, handler, giveUp })
}

function items<K, V, R, B>(
  consumption: Consumption,
  options: RunOptions<K, V, R, B>,
  common: Common,
  toDeadLetters: DeadLetterSink | undefined
): ItemHandling {
  if (options.eachRecord) return new EachRecord(consumption, recordHandling(options, common, toDeadLetters))
  const handler = options.eachBatch as HandlingOptions<AnyBatch>['handler']
  const giveUp = toDeadLetters && ((batch: AnyBatch, error: unknown) => eachToDeadLetters(batch, error, toDeadLetters))
  return new EachBatch(consumption, new Handling<AnyBatch>({ ...common, handler, giveUp }))
}

async function eachToDeadLetters(batch: AnyBatch, error: unknown, toDeadLetters: DeadLetterSink): Promise<void> {
  for (const record of batch) await toDeadLetters(record, error)
}

class EachRecord implements ItemHandling {
  readonly #consumption: Consumption
  readonly #handling: Handling<AnyRecord>

  constructor(consumption: Consumption, handling: Handling<AnyRecord>) {
    this.#consumption = consumption
    this.#handling = handling
  }

  handle(partition: AssignedPartition, fetched: FetchedRecords): MaybePromise<void> {
    const { jumps } = partition
    const { offset } = fetched.cursor
    let record: AnyRecord
    try {
      record = decodeRecord(partition, fetched)
    } catch (error) {
      partition.handedOut(offset + 1, fetched.leaderEpoch, jumps)
      return this.#consumption.reject(partition, fetched, error)
    }
    partition.handedOut(offset + 1, fetched.leaderEpoch, jumps)
    return this.#handling.handle(record)
  }
}

class EachBatch implements ItemHandling {
  readonly #consumption: Consumption
  readonly #handling: Handling<AnyBatch>

  constructor(consumption: Consumption, handling: Handling<AnyBatch>) {
    this.#consumption = consumption
    this.#handling = handling
  }

  handle(partition: AssignedPartition, fetched: FetchedRecords): MaybePromise<void> {
    const batch = batchAt<unknown, unknown>(this.#consumption, partition, fetched)
    const handled = this.#handling.handle(batch)
    return isPromise(handled) ? handled.then(() => batch.finish()) : batch.finish()
  }
}
