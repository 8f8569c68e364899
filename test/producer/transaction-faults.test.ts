import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/common/random.js'
import { Cluster, type Consumer, KafkaError, type Producer } from '../../src/index.js'
import { SimulatedDisk } from '../../src/testing/index.js'
import { committedRecords } from '../broker/committed-records.js'
import { until } from '../consumer/helpers.js'

/*
 * Faults in transactions, each with the error that says so; and never is a part of one to be seen.
 */

const configs = {
  'transaction.state.log.num.partitions': 1,
  'offsets.topic.num.partitions': 1,
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': 5
}
const fenced = ['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH']

let cluster: Cluster
let producer: Producer
let consumer: Consumer

beforeEach(async () => {
  cluster = await Cluster.open({ configs })
  await cluster.admin().createTopics([{ name: 'in' }, { name: 'left' }, { name: 'right' }])
  producer = cluster.producer({ transactionalId: 't', allowAutoTopicCreation: false })
  consumer = cluster.consumer({ groupId: 'g', autoCommit: false })
  consumer.assign([{ topic: 'in', partition: 0 }])
})

afterEach(async () => {
  await cluster.close()
})

const offsets = [{ topic: 'in', partition: 0, offset: 1 }]

const code = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    error => (error instanceof KafkaError ? error.code : error)
  )

/** The records that a reader of committed ones finds, once nothing is open any more. */
async function committed(topic: string, of = cluster): Promise<string[]> {
  const [partition] = of.topic(topic).partitions
  await until(() => partition.lastStableOffset === partition.highWatermark)
  return (await committedRecords(partition)).map(({ value }) => value)
}

/**
 * Calls, one after the other, each with the codes that it may reject with; undefined where it
 * resolves.
 */
type Fault = () => Promise<readonly (readonly [() => Promise<unknown>, readonly (string | undefined)[]])[]>

const faults: Readonly<Record<string, Fault>> = {
  async 'a zombie, whose id another producer has taken'() {
    const zombie = await producer.begin()
    await zombie.send('left', { value: 'zombie' })
    const other = cluster.producer({ transactionalId: 't' })
    await other.transaction(transaction => transaction.send('right', { value: 'other' }))
    return [
      [() => zombie.send('right', { value: 'zombie' }), fenced],
      [() => zombie.commitOffsets(consumer, offsets), fenced],
      [() => zombie.commit(), fenced],
      [() => producer.begin(), fenced],
      [() => other.transaction(transaction => transaction.send('left', { value: 'other' })), [undefined]]
    ]
  },

  async 'a zombie that commits nothing but offsets'() {
    await producer.transaction(transaction => transaction.send('left', { value: 'other' }))
    const zombie = await producer.begin()
    const other = cluster.producer({ transactionalId: 't' })
    await other.transaction(transaction => transaction.send('right', { value: 'other' }))
    return [
      [() => zombie.commitOffsets(consumer, offsets), fenced],
      [() => zombie.commit(), fenced]
    ]
  },

  async 'a transaction that is left open for longer than its time'() {
    const slow = cluster.producer({ transactionalId: 's', transactionTimeoutMs: 20 })
    const transaction = await slow.begin()
    await transaction.send('left', { value: 'slow' })
    await transaction.commitOffsets(consumer, offsets)
    const [{ log }] = cluster.topic('left').partitions
    // The marker of its end.
    await until(() => log.logEndOffset === 2)
    return [
      [() => transaction.send('right', { value: 'slow' }), fenced],
      [() => transaction.commit(), fenced],
      [() => slow.begin(), fenced]
    ]
  },

  async 'two transactions of one id at a time'() {
    const other = cluster.producer({ transactionalId: 't' })
    const [first, second] = await Promise.all([producer.begin(), other.begin()])
    const sent = [first, second].map((transaction, i) => code(transaction.send('left', { value: `${i}` })))
    const codes = await Promise.all(sent)
    expect(codes.filter(each => each === undefined).length).toBe(1)
    const ends = [first, second].map(
      (transaction, i) => [() => transaction.commit(), codes[i] === undefined ? [undefined] : fenced] as const
    )
    return [...ends]
  },

  async 'a transaction within another'() {
    const transaction = await producer.begin()
    const nested = [() => producer.begin(), () => producer.transaction(() => {})]
    return [...nested.map(call => [call, ['INVALID_TXN_STATE']] as const), [() => transaction.abort(), [undefined]]]
  },

  async 'calls of a transaction that has ended, and records outside of any'() {
    const transaction = await producer.begin()
    await transaction.commit()
    const late = [
      () => transaction.send('left', { value: 'late' }),
      () => transaction.sendBatch('left', [{ value: 'late' }]),
      () => transaction.commitOffsets(consumer, offsets),
      () => transaction.commit(),
      () => transaction.abort(),
      () => producer.send('left', { value: 'late' }),
      () => producer.sendBatch('left', [{ value: 'late' }])
    ]
    return late.map(call => [call, ['INVALID_TXN_STATE']] as const)
  },

  async 'a topic that is deleted while a transaction has records in it'() {
    const transaction = await producer.begin()
    await cluster.admin().createTopics([{ name: 'gone' }])
    await transaction.send('left', { value: 'kept' })
    await transaction.send('right', { value: 'kept' })
    await transaction.send('gone', { value: 'kept' })
    await cluster.admin().deleteTopics(['gone'])
    return [
      [() => transaction.commit(), [undefined]],
      [() => producer.transaction(next => next.send('left', { value: 'next' })), [undefined]]
    ]
  },

  async 'offsets of a topic that is deleted while a transaction is open'() {
    const transaction = await producer.begin()
    await transaction.send('left', { value: 'lost' })
    await cluster.admin().deleteTopics(['in'])
    return [
      [() => transaction.commitOffsets(consumer, offsets), ['UNKNOWN_TOPIC_OR_PARTITION']],
      [() => transaction.commit(), ['UNKNOWN_TOPIC_OR_PARTITION']]
    ]
  }
}

describe('a fault in a transaction', () => {
  it.each(Object.entries(faults))('has its error, and leaves nothing by halves: %s', async (_, provoke) => {
    for (const [call, expected] of await provoke()) expect(expected).toContain(await code(call()))
    const left = await committed('left')
    const right = await committed('right')
    for (const half of ['zombie', 'slow', 'late', 'lost']) expect([left.includes(half), right.includes(half)]).toEqual([false, false])
    for (const whole of ['kept', 'other']) expect(left.includes(whole)).toBe(right.includes(whole))
    expect(await cluster.admin().listGroupOffsets('g')).toEqual([])
  })

  it('of the disk, which is full at any step, passes, or has its error', async () => {
    await cluster.close()
    const disk = new SimulatedDisk({ random: seededRandom(1) })
    cluster = await Cluster.open({ storage: disk.mount(), configs })
    cluster.on('error', () => {})
    await cluster.admin().createTopics([{ name: 'in' }, { name: 'left' }, { name: 'right' }])
    const settings = { retryBackoffMs: 1, retryBackoffMaxMs: 2, deliveryTimeoutMs: 150, requestTimeoutMs: 100 }
    const told: (string | undefined)[] = []
    let step = 0
    for (let hasMet = true; hasMet && step < 30; step++) {
      const mover = cluster.producer({ transactionalId: 't', ...settings })
      const reader = cluster.consumer({ groupId: 'g', autoCommit: false })
      reader.assign([{ topic: 'in', partition: 0 }])
      const before = disk.faultsMet
      for (let i = 0; i < 2; i++) disk.fail({ operation: 'append', code: 'ENOSPC', after: step })
      const moving = mover.transaction(async transaction => {
        await transaction.send('left', { value: `${step}` })
        await transaction.send('right', { value: `${step}` })
        await transaction.commitOffsets(reader, [{ topic: 'in', partition: 0, offset: step + 1 }])
      })
      told.push(await code(moving))
      hasMet = disk.faultsMet > before
      disk.mend()
      // Whatever it was, the next one goes through.
      const next = cluster.producer({ transactionalId: 't', ...settings, deliveryTimeoutMs: 10_000 })
      await next.transaction(async transaction => {
        for (const topic of ['left', 'right']) await transaction.send(topic, { value: `after ${step}` })
      })
      const left = await committed('left')
      expect(left).toEqual(await committed('right'))
      expect(left.at(-1)).toBe(`after ${step}`)
      const offset = (await cluster.admin().listGroupOffsets('g'))[0]?.offset ?? 0
      const moved = left.filter(value => !value.startsWith('after'))
      expect(offset).toBe(moved.length === 0 ? 0 : Number(moved.at(-1)) + 1)
      // All that was told to be committed is.
      if (told.at(-1) === undefined) expect(moved.at(-1)).toBe(`${step}`)
      for (const client of [mover, next, reader]) await client.close()
    }
    expect(step).toBeGreaterThan(4)
    for (const each of told) expect([undefined, 'KAFKA_STORAGE_ERROR', 'REQUEST_TIMED_OUT', 'COORDINATOR_NOT_AVAILABLE']).toContain(each)
  })
})
