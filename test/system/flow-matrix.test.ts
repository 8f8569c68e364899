import { expect, it } from 'vitest'
import type { BacklogPolicy, Consumer, KafkaError, Producer, RecordsMissed } from '../../src/index.js'
import { Cluster, memoryStorage, type SendBatchError, string } from '../../src/index.js'
import { VirtualClock } from '../../src/testing/index.js'
import { DelayedStorage } from '../storage/delayed-storage.js'
import { untilSettled } from '../until-settled.js'

/*
 * Every kind of reader, in every state, behind every backlog policy, in memory and on disk, beside every way to send. Whatever happens, each record is
 * read once, or told as missed with the right number, or was refused with an error that names the reader and how far it is behind.
 */

const policies = ['producer_request_hold', 'producer_exception', 'consumer_backlog_eviction'] as const satisfies BacklogPolicy[]
const storages = ['in memory', 'on disk'] as const
const kinds = ['records', 'batches', 'run by partition', 'run by key', 'run with batches', 'records without a group'] as const
const states = ['that keeps up', 'that is slow', 'that is paused', 'that has died'] as const
const ways = ['each send awaited', 'no send awaited', 'sendBatch'] as const

type Kind = (typeof kinds)[number]
type State = (typeof states)[number]
type Way = (typeof ways)[number]
type Text = Consumer<string, string | null, string>

const count = 40
const value = 'x'.repeat(100)
/** Some fifteen records. */
const limitBytes = 2000

interface Outcome {
  readonly delivered: number[]
  readonly failures: KafkaError[]
}

async function read(consumer: Text, kind: Kind, handle: (value: string) => Promise<void>): Promise<void> {
  if (kind === 'batches') for await (const batch of consumer.batches()) for (const record of batch) await handle(record.value)
  else if (kind === 'run with batches')
    await consumer.run({
      async eachBatch(batch) {
        for (const record of batch) await handle(record.value)
      }
    })
  else if (kind.startsWith('run'))
    await consumer.run({ eachRecord: record => handle(record.value), orderBy: kind === 'run by key' ? 'key' : 'partition' })
  else for await (const record of consumer) await handle(record.value)
}

async function sendAll(producer: Producer, way: Way): Promise<Outcome> {
  const outcome: Outcome = { delivered: [], failures: [] }
  const records = Array.from({ length: count }, (_, i) => ({ key: `k${i % 5}`, value: `${i} ${value}` }))
  const one = (i: number) =>
    producer.send('bus', records[i]).then(
      () => void outcome.delivered.push(i),
      error => void outcome.failures.push(error)
    )
  if (way === 'each send awaited') {
    for (let i = 0; i < count && outcome.failures.length < 3; i++) {
      await one(i)
      // Readers get their turn in between.
      await new Promise(resolve => setImmediate(resolve))
    }
  } else if (way === 'no send awaited') await Promise.all(records.map((_, i) => one(i)))
  else {
    let failed: readonly number[] = []
    await producer.sendBatch('bus', records).catch((error: SendBatchError) => {
      failed = error.failures.flatMap(({ indexes }) => indexes)
      for (const failure of error.failures) outcome.failures.push(failure.error as KafkaError)
    })
    outcome.delivered.push(...[...records.keys()].filter(i => !failed.includes(i)))
  }
  outcome.delivered.sort((a, b) => a - b)
  return outcome
}

class Case {
  readonly clock = new VirtualClock()
  readonly seen: number[] = []
  readonly missed: RecordsMissed[] = []
  readonly lost: number[] = []
  #cluster!: Cluster

  async play(policy: BacklogPolicy, storage: (typeof storages)[number], kind: Kind, state: State, way: Way): Promise<void> {
    this.#cluster = await Cluster.open({
      storage: storage === 'in memory' ? memoryStorage() : new DelayedStorage({ durable: true }),
      clock: this.clock,
      configs: { 'group.initial.rebalance.delay.ms': 0 }
    })
    const cluster = this.#cluster
    cluster.on('recordsLost', ({ records }) => this.lost.push(records))
    const configs = { 'segment.bytes': 600, 'retention.bytes': 1000 }
    await this.#drive(cluster.admin().createTopic({ name: 'bus', partitions: 1, configs, backlog: { policy, limitBytes } }))
    const reader = this.#consumer(kind)
    await this.#drive(reader.start())
    if (state === 'that is paused') reader.pause()
    const reading = read(reader, kind, async value => {
      if (state === 'that is slow') await new Promise<void>(resolve => this.clock.setTimer(20, resolve))
      this.seen.push(Number.parseInt(value, 10))
    })
    if (state === 'that has died') await this.#drive(reader.close())
    const producer = cluster.producer({ batchSize: 500, deliveryTimeoutMs: 10_000, requestTimeoutMs: 2000, maxBlockMs: 10_000 })
    const outcome = await this.#drive(sendAll(producer, way))
    this.#expectErrors(outcome, policy, state)
    // What is handled and not yet committed holds nobody up.
    if (state === 'that keeps up' && way === 'each send awaited') expect(outcome.failures).toEqual([])
    // Whoever comes after one that has died finds what it has left.
    const last = state === 'that has died' ? this.#consumer(kind) : reader
    const rest = last === reader ? reading : read(last, kind, async value => void this.seen.push(Number.parseInt(value, 10)))
    if (state === 'that is paused') last.resume()
    const total = () => this.seen.length + this.missed.reduce((sum, { count }) => sum + count, 0) + this.#before
    for (let seconds = 0; seconds < 60 && total() < outcome.delivered.length; seconds++) await this.clock.advance(1000)
    await this.clock.advance(1000)
    this.#expectAll(outcome, policy, state, kind)
    await this.#drive(cluster.close())
    await this.#drive(Promise.all([reading, rest]))
  }

  /** What was gone before anybody of this audience came is told by the cluster. */
  #before = 0

  #consumer(kind: Kind): Text {
    const consumer = this.#cluster.consumer({
      topics: ['bus'],
      key: string as never,
      value: string,
      autoOffsetReset: 'earliest',
      maxPartitionFetchBytes: 1000,
      maxPollRecords: 5,
      ...(kind !== 'records without a group' && { groupId: 'g' })
    }) as unknown as Text
    consumer.on('recordsMissed', missed => this.missed.push(missed))
    consumer.on('offsetReset', ({ offset, reason }) => {
      if (reason === 'noCommittedOffset') this.#before = offset
    })
    return consumer
  }

  #expectErrors({ failures, delivered }: Outcome, policy: BacklogPolicy, state: State): void {
    for (const error of failures) {
      expect(error.message).toMatch(/the (group `g`|consumer `\w+`) is \d+ records, \d+ bytes, behind in bus-0/)
      expect(error.code).toBe(policy === 'producer_exception' ? 'POLICY_VIOLATION' : 'REQUEST_TIMED_OUT')
    }
    const isHeld = state === 'that is paused' && policy !== 'consumer_backlog_eviction'
    if (isHeld) expect(failures.length, 'failures').toBeGreaterThan(0)
    else if (policy !== 'producer_exception') expect(failures).toEqual([])
    if (failures.length === 0) expect(delivered).toHaveLength(count)
  }

  #expectAll({ delivered }: Outcome, policy: BacklogPolicy, state: State, kind: Kind): void {
    const missed = this.missed.reduce((sum, { count }) => sum + count, 0) + this.#before
    expect(new Set(this.seen).size, 'read twice').toBe(this.seen.length)
    expect(this.seen.length + missed, 'read and missed').toBe(delivered.length)
    const mayLose = policy === 'consumer_backlog_eviction' || state === 'that has died'
    if (!mayLose) expect([...this.seen].sort((a, b) => a - b)).toEqual(delivered)
    // Without a group nobody knows that somebody will come back.
    else if (missed > 0 && !(state === 'that has died' && kind === 'records without a group'))
      expect(this.lost.length, 'events of lost records').toBeGreaterThan(0)
    for (const value of this.seen) expect(delivered).toContain(value)
  }

  #drive<T>(promise: Promise<T>): Promise<T> {
    return untilSettled(promise, rounds => {
      if (rounds === 3000) throw new Error('Not done after five minutes')
      return this.clock.advance(100)
    })
  }
}

for (const [s, state] of states.entries()) {
  for (const storage of storages) {
    for (const policy of policies) {
      it(`a reader of any kind ${state}, ${storage}, with ${policy}`, async () => {
        for (const [k, kind] of kinds.entries()) {
          // Each state meets each way to send, with a third of the kinds each.
          for (const [w, way] of ways.entries()) {
            if ((k + w + s) % 3 > 0) continue
            try {
              await new Case().play(policy, storage, kind, state, way)
            } catch (error) {
              throw new Error(`${kind}, ${way}: ${(error as Error).message}`, { cause: error })
            }
          }
        }
      })
    }
  }
}
