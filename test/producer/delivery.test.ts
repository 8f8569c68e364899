import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Clock } from '../../src/common/clock.js'
import { seededRandom } from '../../src/common/random.js'
import { errorNumber, KafkaError, type ProtocolErrorCode } from '../../src/errors.js'
import { Producer } from '../../src/producer/producer.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { untilSettled } from '../until-settled.js'
import { refusedInPart, stateOf, workbench } from './workbench.js'

const some = (count: number) => Array.from({ length: count }, (_, i) => ({ value: `${i}` }))

describe('a failure that may pass', () => {
  it.each(['NETWORK_EXCEPTION', 'REQUEST_TIMED_OUT', 'COORDINATOR_NOT_AVAILABLE'] as const)('%s: the request is sent again', async code => {
    const { producer, broker, clock, values } = await workbench()
    broker.on(Produce).times(3).fail(code)
    const sent = producer().sendBatch('orders', some(3))
    await clock.advance(5000)
    expect(await sent).toMatchObject({ count: 3 })
    expect(values()).toEqual(['0', '1', '2'])
    expect(broker.seen(Produce)).toHaveLength(4)
  })

  it.each([
    'NOT_LEADER_OR_FOLLOWER',
    'NOT_ENOUGH_REPLICAS',
    'CORRUPT_MESSAGE',
    'UNKNOWN_TOPIC_OR_PARTITION',
    'KAFKA_STORAGE_ERROR'
  ] as const)('%s in a response: the batch is sent again', async code => {
    const { producer, broker, clock, values } = await workbench()
    broker.on(Produce).times(3).answer(code)
    const sent = producer().sendBatch('orders', some(3))
    await clock.advance(5000)
    expect(await sent).toMatchObject({ count: 3 })
    expect(values()).toEqual(['0', '1', '2'])
  })

  it('is waited out longer each time, up to a limit', async () => {
    const { producer, broker, clock } = await workbench()
    broker.on(Produce).times(6).answer('NOT_ENOUGH_REPLICAS')
    const sender = producer({ retryBackoffMs: 100, retryBackoffMaxMs: 1000 })
    const delays: number[] = []
    sender.on('retry', ({ delayMs }) => delays.push(delayMs))
    const sent = sender.send('orders', { value: 'v' })
    await clock.advance(10_000)
    await sent
    const bounds = [100, 200, 400, 800, 1000, 1000]
    expect(delays).toHaveLength(6)
    for (const [i, bound] of bounds.entries()) {
      expect(delays[i]).toBeGreaterThanOrEqual(0.8 * bound)
      expect(delays[i]).toBeLessThanOrEqual(Math.min(1000, 1.2 * bound + 1))
    }
  })

  it('is not what comes late: an answer counts, however long the process stood still before it could be looked at', async () => {
    const { broker, clock } = await workbench()
    const alarms: { readonly at: number; readonly ring: () => void }[] = []
    let standstill = 0
    const jumping: Clock = {
      now: () => clock.now() + standstill,
      monotonic: () => clock.monotonic() + standstill,
      setTimer(delayMs, ring) {
        alarms.push({ at: jumping.monotonic() + delayMs, ring })
        return { cancel() {} }
      }
    }
    const producer = new Producer({ brokers: broker, clock: jumping, random: seededRandom(1) })
    await producer.send('orders', { value: 'first' })
    const hold = broker.on(Produce).hold()
    const sent = producer.send('orders', { value: 'second' })
    await hold.held()
    standstill = 31_000
    hold.release()
    for (let i = 0; i < 100; i++) await Promise.resolve()
    for (const { at, ring } of alarms) if (at <= jumping.monotonic()) ring()
    expect(await sent).toMatchObject({ offset: 1 })
    expect(broker.seen(Produce)).toHaveLength(2)
  })

  it('holds up its own partition only', async () => {
    const { producer, broker, clock, values } = await workbench({ partitions: 2 })
    broker
      .on(Produce)
      .when(({ topicData }) => topicData[0].partitionData[0].index === 0)
      .times(3)
      .answer('NOT_ENOUGH_REPLICAS')
    const sender = producer()
    const slow = sender.send('orders', { value: 'a', partition: 0 })
    await clock.advance(1)
    for (let i = 0; i < 3; i++) await sender.send('orders', { value: 'b', partition: 1 })
    expect([values('orders', 0).length, values('orders', 1).length]).toEqual([0, 3])
    await clock.advance(5000)
    await slow
  })

  it('lets nothing overtake: what is sent meanwhile follows', async () => {
    const { producer, broker, clock, values } = await workbench()
    broker.on(Produce).times(2).answer('NOT_ENOUGH_REPLICAS')
    const sender = producer()
    const sent = [sender.send('orders', { value: 'a' })]
    await clock.advance(1)
    sent.push(sender.send('orders', { value: 'b' }))
    await clock.advance(1)
    sent.push(sender.send('orders', { value: 'c' }))
    await clock.advance(5000)
    await Promise.all(sent)
    expect(values()).toEqual(['a', 'b', 'c'])
  })

  it('that says the leader has moved makes the producer look up the topic', async () => {
    const { producer, broker, clock } = await workbench()
    const sender = producer()
    await sender.send('orders', { value: 'a' })
    broker.on(Produce).once().answer('NOT_LEADER_OR_FOLLOWER')
    const sent = sender.send('orders', { value: 'b' })
    await clock.advance(1000)
    await sent
    expect(broker.seen(Metadata)).toHaveLength(2)
  })

  it('is tried again at once when another leader is found', async () => {
    const { producer, broker, clock } = await workbench()
    const sender = producer()
    await sender.send('orders', { value: 'a' })
    broker.on(Metadata).rewriteResponse(response => ({
      ...response,
      topics: response.topics.map(topic => ({
        ...topic,
        partitions: topic.partitions.map(partition => ({ ...partition, leaderId: 7 }))
      }))
    }))
    broker.on(Produce).once().answer('NOT_LEADER_OR_FOLLOWER')
    await sender.send('orders', { value: 'b' })
    expect(broker.seen(Produce).map(({ nodeId }) => nodeId)).toEqual([0, 0, 7])
    expect(clock.now()).toBe(Date.UTC(2024, 0, 1))
  })

  it('of a partition without a leader ends when it gets one', async () => {
    const { producer, broker, clock, values } = await workbench()
    const sender = producer()
    await sender.send('orders', { value: 'a' })
    const leaderless = broker.on(Metadata).rewriteResponse(response => ({
      ...response,
      topics: response.topics.map(topic => ({ ...topic, partitions: topic.partitions.map(partition => ({ ...partition, leaderId: -1 })) }))
    }))
    broker.on(Produce).once().answer('NOT_LEADER_OR_FOLLOWER')
    const sent = sender.send('orders', { value: 'b' })
    await clock.advance(3000)
    expect(await stateOf(sent)).toBe('pending')
    leaderless.remove()
    await clock.advance(3000)
    await sent
    expect(values()).toEqual(['a', 'b'])
  })
})

describe('a failure for good', () => {
  it('rejects with what the broker said, and those after it go on', async () => {
    const { producer, broker, values } = await workbench()
    const sender = producer()
    broker.on(Produce).once().answer('TOPIC_AUTHORIZATION_FAILED')
    await expect(sender.send('orders', { value: 'a' })).rejects.toMatchObject({
      name: 'KafkaError',
      code: 'TOPIC_AUTHORIZATION_FAILED',
      topic: 'orders',
      partition: 0
    })
    await sender.send('orders', { value: 'b' })
    expect(values()).toEqual(['b'])
  })

  it('of one partition leaves the others of the request alone', async () => {
    const { producer, broker, values } = await workbench({ partitions: 2 })
    broker.on(Produce).rewriteResponse(response => ({
      ...response,
      responses: response.responses.map(topic => ({
        ...topic,
        partitionResponses: topic.partitionResponses
          .map(each => (each.index === 1 ? { ...each, errorCode: 87, errorMessage: 'no' } : each))
          .reverse()
      }))
    }))
    const records = [0, 1, 0, 1, 0].map((partition, i) => ({ value: `${i}`, partition }))
    const error = await producer()
      .sendBatch('orders', records)
      .catch(reason => reason)
    expect(error).toMatchObject({
      name: 'KafkaError',
      code: 'DELIVERY_FAILED',
      message: '2 of 5 records for `orders` were not delivered: no',
      delivered: { topic: 'orders', count: 3, ranges: [{ partition: 0, baseOffset: 0, count: 3 }] },
      failures: [{ partition: 1, indexes: [1, 3], error: { code: 'INVALID_RECORD', message: 'no' } }],
      cause: { code: 'INVALID_RECORD' }
    })
    expect(values('orders', 0)).toEqual(['0', '2', '4'])
  })

  it('of single records names those, and tells the others why they were not written', async () => {
    const { producer, clock } = await workbench()
    const sender = producer()
    const sent = await Promise.allSettled([
      sender.send('orders', { value: '0' }),
      sender.send('orders', { value: 'from next year', timestamp: clock.now() + 365 * 86_400_000 }),
      sender.send('orders', { value: '2' })
    ])
    const messages = sent.map(each => (each.status === 'rejected' ? each.reason.message : 'delivered'))
    expect(messages[1]).toMatch(/timestamp/i)
    expect(messages[0]).toBe('It was in one batch with a record that the broker refused')
    expect(messages[2]).toBe(messages[0])
    for (const each of sent) expect(each).toMatchObject({ status: 'rejected', reason: { code: 'INVALID_TIMESTAMP' } })
  })

  it('that nobody foresaw is wrapped, with its cause', async () => {
    const { producer, broker } = await workbench()
    const cause = new RangeError('a bug')
    broker.on(Produce).once().fail(cause)
    await expect(producer().send('orders', { value: 'a' })).rejects.toMatchObject({
      code: 'UNKNOWN_SERVER_ERROR',
      message: 'The request failed: a bug',
      cause
    })
  })

  it('a response that leaves out a partition is one', async () => {
    const { producer, broker } = await workbench()
    broker
      .on(Produce)
      .once()
      .rewriteResponse(response => ({ ...response, responses: [] }))
    await expect(producer().send('orders', { value: 'a' })).rejects.toThrow('The response leaves out the partition')
  })
})

describe('time limits', () => {
  it('a batch that cannot be delivered is given up after deliveryTimeoutMs, with the last error as the cause', async () => {
    const { producer, broker, clock } = await workbench()
    broker.on(Produce).answer('NOT_ENOUGH_REPLICAS')
    const sent = producer({ deliveryTimeoutMs: 5000 }).send('orders', { value: 'a' })
    await clock.advance(4999)
    expect(await stateOf(sent)).toBe('pending')
    await clock.advance(1)
    await expect(sent).rejects.toMatchObject({
      code: 'REQUEST_TIMED_OUT',
      topic: 'orders',
      partition: 0,
      message: expect.stringMatching(/^Not delivered within 5000 ms, in \d+ tries; the last error was: Fewer replicas/),
      cause: { code: 'NOT_ENOUGH_REPLICAS' }
    })
  })

  it('those queued behind it have a time of their own', async () => {
    const { producer, broker, clock, values } = await workbench()
    const failing = broker.on(Produce).answer('NOT_ENOUGH_REPLICAS')
    const sender = producer({ deliveryTimeoutMs: 5000 })
    const first = sender.send('orders', { value: 'a' })
    await clock.advance(4000)
    const second = sender.send('orders', { value: 'b' })
    first.catch(() => {})
    await clock.advance(1500)
    await expect(first).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' })
    failing.remove()
    await clock.advance(1000)
    await second
    expect(values()).toEqual(['b'])
  })

  it('a request without a response is tried again after requestTimeoutMs', async () => {
    const { producer, broker, clock, values } = await workbench()
    broker.on(Produce).once().loseRequest()
    const sent = producer({ requestTimeoutMs: 1000 }).send('orders', { value: 'a' })
    await clock.advance(999)
    expect(broker.seen(Produce)).toHaveLength(1)
    await clock.advance(500)
    await sent
    expect(values()).toEqual(['a'])
    await expect(broker.seen(Produce)[0].response).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' })
  })

  it('a lost response doubles nothing', async () => {
    const { producer, broker, clock, values } = await workbench()
    broker.on(Produce).once().loseResponse()
    const sender = producer({ requestTimeoutMs: 1000 })
    const sent = sender.send('orders', { value: 'a' })
    await clock.advance(1500)
    expect(await sent).toMatchObject({ offset: 0 })
    expect(await sender.send('orders', { value: 'b' })).toMatchObject({ offset: 1 })
    expect(values()).toEqual(['a', 'b'])
  })

  it('a lost response doubles the record where the producer is not idempotent: delivery is at least once', async () => {
    const { producer, broker, clock, values } = await workbench()
    broker.on(Produce).once().loseResponse()
    const sent = producer({ requestTimeoutMs: 1000, enableIdempotence: false }).send('orders', { value: 'a' })
    await clock.advance(1500)
    expect(await sent).toMatchObject({ offset: 1 })
    expect(values()).toEqual(['a', 'a'])
  })

  it('a batch under way is given up in time although no response came, and its late response does no harm', async () => {
    const { producer, broker, clock, values } = await workbench()
    const hold = broker.on(Produce).once().hold()
    const sender = producer({ deliveryTimeoutMs: 1000 })
    const first = sender.send('orders', { value: 'a' })
    first.catch(() => {})
    await clock.advance(500)
    const second = sender.send('orders', { value: 'b' })
    await clock.advance(500)
    await expect(first).rejects.toMatchObject({ message: 'Not delivered within 1000 ms, in one try' })
    hold.release()
    await second
    expect(values()).toEqual(['a', 'b'])
    await sender.send('orders', { value: 'c' })
    expect(values()).toEqual(['a', 'b', 'c'])
  })

  it('a batch whose request timed out is not changed while the broker may still read it', async () => {
    const { producer, broker, clock, values, node } = await workbench()
    // A broker that ignores the signal: it writes the first request much later.
    broker
      .on(Produce)
      .once()
      .do(async request => {
        await new Promise<void>(resolve => clock.setTimer(5000, resolve))
        return node.connect({ clientId: 'late' }).request(Produce, request)
      })
    const sender = producer({ requestTimeoutMs: 1000, enableIdempotence: false })
    const sent = sender.send('orders', { value: 'first' })
    await clock.advance(2000)
    await sent
    for (let i = 0; i < 10; i++) await sender.send('orders', { value: `next ${i}` })
    await clock.advance(5000)
    expect(values()).toHaveLength(12)
    expect(values().filter(value => value === 'first')).toHaveLength(2)
  })
})

describe('a batch that is too large for the broker', () => {
  it('is split until it fits, in order', async () => {
    const { producer, values, batches } = await workbench({ configs: { 'max.message.bytes': '1000' } })
    const records = Array.from({ length: 100 }, (_, i) => ({ value: `${i}`.padEnd(100, '.') }))
    expect(await producer().sendBatch('orders', records)).toMatchObject({ count: 100, ranges: [{ baseOffset: 0, count: 100 }] })
    expect(values()).toEqual(records.map(({ value }) => value))
    for (const { sizeInBytes } of batches()) expect(sizeInBytes).toBeLessThanOrEqual(1000)
  })

  it('is split also when it is compressed, with keys, headers and timestamps intact', async () => {
    const { producer, records } = await workbench({ configs: { 'max.message.bytes': '2000' } })
    const random = seededRandom(4)
    const noise = () => Array.from({ length: 100 }, () => Math.floor(random.next() * 36).toString(36)).join('')
    const given = Array.from({ length: 100 }, (_, i) => ({
      key: `k${i}`,
      value: noise(),
      headers: { n: `${i}`, none: null },
      timestamp: 1000 + i
    }))
    await producer({ compression: 'gzip' }).sendBatch('orders', given)
    const utf8 = new TextEncoder()
    expect(records()).toEqual(
      given.map(({ key, value, timestamp }, i) => ({
        offset: i,
        timestamp,
        key: utf8.encode(key),
        value: utf8.encode(value),
        headers: [
          { key: 'n', value: utf8.encode(`${i}`) },
          { key: 'none', value: null }
        ]
      }))
    )
  })

  it('tells every sender its own offset after the split', async () => {
    const { producer } = await workbench({ configs: { 'max.message.bytes': '500' } })
    const sender = producer()
    const sent = await Promise.all(Array.from({ length: 30 }, (_, i) => sender.send('orders', { value: 'x'.repeat(100), timestamp: i })))
    expect(sent.map(({ offset, timestamp }) => [offset, timestamp])).toEqual(sent.map((_, i) => [i, i]))
  })

  it('fails those records that are too large by themselves, and delivers the others', async () => {
    const { producer, values } = await workbench({ configs: { 'max.message.bytes': '500' } })
    const records = ['a', 'b'.repeat(600), 'c', 'd', 'e'.repeat(700), 'f'].map(value => ({ value }))
    const error = await producer()
      .sendBatch('orders', records)
      .catch(reason => reason)
    expect(error).toMatchObject({ code: 'DELIVERY_FAILED', delivered: { count: 4 }, cause: { code: 'MESSAGE_TOO_LARGE' } })
    expect(error.failures.flatMap(({ indexes }: { indexes: number[] }) => indexes)).toEqual([1, 4])
    expect(values()).toEqual(['a', 'c', 'd', 'f'])
  })
})

describe('acks', () => {
  it.each([
    ['all', -1],
    [-1, -1],
    [1, 1],
    [0, 0]
  ] as const)('%j is asked of the broker as %i', async (acks, expected) => {
    const { producer, broker } = await workbench()
    await producer({ acks }).send('orders', { value: 'v' })
    expect(broker.seen(Produce)[0].request.acks).toBe(expected)
  })

  it('0 tells no offsets, and is content with an empty response', async () => {
    const { producer, broker, values } = await workbench()
    const sender = producer({ acks: 0 })
    expect(await sender.send('orders', { value: 'v' })).toMatchObject({ offset: -1 })
    broker.on(Produce).rewriteResponse(response => ({ ...response, responses: [] }))
    expect(await sender.sendBatch('orders', some(3))).toMatchObject({ count: 3, ranges: [{ partition: 0, baseOffset: -1, count: 3 }] })
    expect(values()).toEqual(['v', '0', '1', '2'])
  })
})

describe('whatever fails', () => {
  const passing: ProtocolErrorCode[] = [
    'NOT_LEADER_OR_FOLLOWER',
    'NOT_ENOUGH_REPLICAS',
    'REQUEST_TIMED_OUT',
    'LEADER_NOT_AVAILABLE',
    'CORRUPT_MESSAGE'
  ]

  it('no record is lost, and each partition keeps the order of sending', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 4 }), async (seed, partitions) => {
        const random = seededRandom(seed)
        const { producer, broker, clock, values } = await workbench({ partitions, seed })
        broker.on(Produce).do(async (request, forward) => {
          const dice = random.next()
          if (dice < 0.5) return forward(request)
          const code = passing[Math.floor(random.next() * passing.length)]
          const isTaken = () => random.next() < 0.5
          return refusedInPart(request, isTaken, errorNumber(code), async taken => {
            const response = await forward(taken)
            const isEmpty = response.responses.every(topic => topic.partitionResponses.length === 0)
            if (dice < 0.6 && isEmpty) throw new KafkaError('NETWORK_EXCEPTION')
            return response
          })
        })
        const sender = producer({ batchSize: 200, bufferMemory: 1500, deliveryTimeoutMs: 10 * 60_000, maxBlockMs: 60 * 60_000 })
        const expected: string[][] = Array.from({ length: partitions }, () => [])
        const sent: Promise<unknown>[] = []
        for (let i = 0; i < 120; i++) {
          const partition = Math.floor(random.next() * partitions)
          const value = `${i}`
          expected[partition].push(value)
          const record = { value, partition }
          sent.push(random.next() < 0.5 ? sender.send('orders', record) : sender.sendBatch('orders', [record]))
          if (random.next() < 0.1) await clock.advance(Math.floor(random.next() * 300))
        }
        await untilSettled(Promise.all(sent), () => clock.advance(5000))
        expect(expected.map((_, partition) => values('orders', partition))).toEqual(expected)
      }),
      { numRuns: 20 }
    )
  })
})
