import { describe, expect, it } from 'vitest'
import { LocalBroker } from '../../src/broker/local-broker.js'
import type { Clock } from '../../src/common/clock.js'
import { deferred } from '../../src/common/deferred.js'
import { seededRandom } from '../../src/common/random.js'
import { KafkaError } from '../../src/errors.js'
import type { ProducerOptions } from '../../src/producer/options.js'
import { Producer } from '../../src/producer/producer.js'
import type { Broker, Brokers } from '../../src/protocol/broker.js'
import { CreateTopics } from '../../src/protocol/messages/create-topics.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { registerCodec } from '../../src/record/compression/codecs.js'
import { batchesIn } from '../../src/record/record-batch.js'
import { InterceptedBroker } from '../../src/testing/intercepted-broker.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { DelayedStorage } from '../storage/delayed-storage.js'
import { stateOf, text, workbench } from './workbench.js'

/** A node whose disk can be made to hang, and producers that ask it directly, or through a broker that does not tell what became of aborted requests. */
async function hangingDisk(configs: { readonly [name: string]: string } = {}) {
  const clock = new VirtualClock()
  const storage = new DelayedStorage({ durable: true })
  const node = await LocalBroker.open({ storage, clock, random: seededRandom(1) })
  const direct = node.connect({ clientId: 'test', origin: 'producer' })
  const { topics } = await direct.request(CreateTopics, {
    topics: [
      {
        name: 'orders',
        numPartitions: 1,
        replicationFactor: -1,
        configs: Object.entries(configs).map(([name, value]) => ({ name, value }))
      }
    ]
  })
  expect(topics[0].errorMessage).toBeNull()
  const local: Brokers = { any: () => direct, byId: () => direct }
  const elsewhere = new InterceptedBroker(node.connect({ clientId: 'test' }), clock)
  const log = () => node.topics.get('orders')!.partitions[0].log
  return {
    clock,
    node,
    elsewhere,
    producer: (brokers: 'local' | 'elsewhere', options: ProducerOptions) =>
      new Producer({ brokers: brokers === 'local' ? local : elsewhere, clock, random: seededRandom(1) }, options),
    /** From now on no append is applied. Returns what ends that. */
    hang() {
      const gate = deferred()
      storage.beforeAppend = () => gate.promise
      return () => {
        storage.beforeAppend = undefined
        gate.resolve()
      }
    },
    /** The values in the log, by offset. Everything about its batches is right. */
    async values() {
      const found: (string | null)[] = []
      while (found.length < log().logEndOffset) {
        const bytes = await log().read(found.length, 1_000_000)
        for (const batch of batchesIn(bytes)) {
          batch.verify()
          expect([batch.baseOffset, batch.leaderEpoch]).toEqual([found.length, 0])
          for (const record of batch.records()) {
            expect(record.offset).toBe(found.length)
            found.push(text(record.value))
          }
        }
      }
      return found
    }
  }
}

describe('a request that times out while the disk still writes it', () => {
  it('is waited for where the node tells what became of it: it is written once', async () => {
    const { clock, producer, hang, values } = await hangingDisk()
    const sender = producer('local', { requestTimeoutMs: 1000, retryBackoffMs: 10 })
    await sender.send('orders', { value: 'first' })
    const goOn = hang()
    const slow = sender.send('orders', { value: 'slow' })
    await clock.advance(5000)
    const next = sender.send('orders', { value: 'next' })
    expect(await stateOf(slow)).toBe('pending')
    goOn()
    expect([await slow, await next]).toMatchObject([{ offset: 1 }, { offset: 2 }])
    expect(await values()).toEqual(['first', 'slow', 'next'])
  })

  it('is waited for in the same way behind an interceptor that knows nothing of it', async () => {
    const { clock, node, hang, values } = await hangingDisk()
    const direct = node.connect({ clientId: 'test' })
    const wrapped: Broker = { request: async (api, body, signal) => direct.request(api, body, signal) }
    const brokers = { any: () => wrapped, byId: () => wrapped }
    const sender = new Producer({ brokers, clock, random: seededRandom(1) }, { requestTimeoutMs: 1000, retryBackoffMs: 10 })
    await sender.send('orders', { value: 'first' })
    const goOn = hang()
    const slow = sender.send('orders', { value: 'slow' })
    await clock.advance(5000)
    expect(await stateOf(slow)).toBe('pending')
    goOn()
    expect(await slow).toMatchObject({ offset: 1 })
    expect(await values()).toEqual(['first', 'slow'])
  })

  it.each([
    ['records keep their time', {}, 'none'],
    ['records get the time of the append', { 'message.timestamp.type': 'LogAppendTime' }, 'none'],
    ['the batch is compressed', { 'message.timestamp.type': 'LogAppendTime' }, 'lz4']
  ] as const)('is sent again in bytes of its own where a broker does not tell: %s', async (_, configs, compression) => {
    const { clock, producer, elsewhere, hang, values, node } = await hangingDisk(configs)
    elsewhere.on(Produce).do((request, forward) => {
      // A broker that goes on whatever the signal says.
      const late = node.connect({ clientId: 'late' }).request(Produce, request)
      return request === undefined ? forward(request) : Promise.resolve(late)
    })
    const sender = producer('elsewhere', { requestTimeoutMs: 1000, retryBackoffMs: 10, compression, enableIdempotence: false })
    await sender.send('orders', { value: 'first' })
    const goOn = hang()
    const slow = sender.send('orders', { value: 'slow'.repeat(50) })
    await clock.advance(3500)
    expect(elsewhere.seen(Produce).length).toBeGreaterThan(3)
    goOn()
    const { offset } = await slow
    const next = await sender.send('orders', { value: 'next' })
    const found = await values()
    expect([found[0], found[offset], found[next.offset]]).toEqual(['first', 'slow'.repeat(50), 'next'])
    expect(found.slice(1, -1)).toEqual(Array(elsewhere.seen(Produce).length - 2).fill('slow'.repeat(50)))
  })

  it('fails after deliveryTimeoutMs, and the same producer can send again', async () => {
    const { clock, producer, hang, values } = await hangingDisk()
    const sender = producer('local', { requestTimeoutMs: 1000, deliveryTimeoutMs: 2500 })
    await sender.send('orders', { value: 'first' })
    const goOn = hang()
    const slow = sender.send('orders', { value: 'slow' })
    const failed = expect(slow).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' })
    await clock.advance(2500)
    await failed
    const again = sender.send('orders', { value: 'again' })
    goOn()
    const { offset } = await again
    const found = await values()
    expect([found[0], found[offset], found.length]).toEqual(['first', 'again', offset + 1])
    expect(await sender.send('orders', { value: 'last' })).toMatchObject({ offset: offset + 1 })
  })

  it('leaves the memory of its records alone until it has ended', async () => {
    const { clock, producer, hang, values } = await hangingDisk()
    const sender = producer('local', { requestTimeoutMs: 1000, deliveryTimeoutMs: 2500, bufferMemory: 100_000 })
    await sender.send('orders', { value: 'first' })
    const goOn = hang()
    const failed = Array.from({ length: 5 }, (_, i) => sender.send('orders', { value: `slow ${i}` }).catch(() => {}))
    await clock.advance(2500)
    await Promise.all(failed)
    const sent = Promise.all(Array.from({ length: 20 }, (_, i) => sender.send('orders', { value: `next ${i}` })))
    goOn()
    await sent
    const found = await values()
    expect(found.slice(-20)).toEqual(Array.from({ length: 20 }, (_, i) => `next ${i}`))
    expect(found.slice(1, -20)).toEqual(Array.from({ length: 5 }, (_, i) => `slow ${i}`))
  })
})

describe('a response that comes after its request was given up', () => {
  /** A broker that ignores the signal: what it answers, and when, is the test's. */
  async function lateBroker(options: ProducerOptions = {}) {
    const { producer, broker, clock, values, node } = await workbench()
    const answers: ReturnType<typeof deferred<void>>[] = []
    broker.on(Produce).do(async (request, forward) => {
      const written = await node.connect({ clientId: 'late' }).request(Produce, request)
      const answer = deferred()
      answers.push(answer)
      await answer.promise
      return request === undefined ? forward(request) : written
    })
    const sender = producer({ requestTimeoutMs: 1000, retryBackoffMs: 500, retryBackoffMaxMs: 500, ...options })
    return { sender, answers, broker, clock, values }
  }

  it('counts, so that nothing is sent a second time', async () => {
    const { sender, answers, broker, clock, values } = await lateBroker()
    const sent = sender.send('orders', { value: 'a' })
    await clock.advance(1001)
    expect(broker.seen(Produce)).toHaveLength(1)
    answers[0].resolve()
    expect(await sent).toMatchObject({ offset: 0 })
    const next = sender.send('orders', { value: 'b' })
    await stateOf(next)
    answers[1].resolve()
    expect(await next).toMatchObject({ offset: 1 })
    await clock.advance(10_000)
    expect([broker.seen(Produce).length, values()]).toEqual([2, ['a', 'b']])
  })

  it('counts also while the next try is under way, whatever comes of that', async () => {
    const { sender, answers, broker, clock, values } = await lateBroker({ enableIdempotence: false })
    const sent = sender.send('orders', { value: 'a' })
    await clock.advance(1600)
    expect(broker.seen(Produce)).toHaveLength(2)
    answers[0].resolve()
    expect(await sent).toMatchObject({ offset: 0 })
    answers[1].reject(new KafkaError('INVALID_RECORD', 'the second try is refused'))
    await clock.advance(10_000)
    const next = sender.send('orders', { value: 'b' })
    await stateOf(next)
    answers[2].resolve()
    expect(await next).toMatchObject({ offset: 2 })
    expect([broker.seen(Produce).length, values()]).toEqual([3, ['a', 'a', 'b']])
  })

  it('that says no changes nothing about the tries after it', async () => {
    const { sender, answers, clock, values } = await lateBroker({ enableIdempotence: false })
    const sent = sender.send('orders', { value: 'a' })
    await clock.advance(1600)
    answers[0].reject(new KafkaError('INVALID_RECORD', 'the first try is refused'))
    expect(await stateOf(sent)).toBe('pending')
    answers[1].resolve()
    expect(await sent).toMatchObject({ offset: 1 })
    expect(values()).toEqual(['a', 'a'])
  })

  it('changes nothing for a batch that has failed meanwhile, or for the records that came after it', async () => {
    const { producer, broker, clock, values } = await workbench()
    const hold = broker.on(Produce).once().hold()
    const sender = producer({ deliveryTimeoutMs: 1000, requestTimeoutMs: 800 })
    const failed = expect(sender.send('orders', { value: 'a' })).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' })
    broker.on(Produce).once().answer('NOT_ENOUGH_REPLICAS')
    await clock.advance(1000)
    await failed
    hold.release()
    await clock.advance(1000)
    for (let i = 0; i < 5; i++) await sender.send('orders', { value: `${i}` })
    expect(values()).toEqual(['0', '1', '2', '3', '4'])
  })
})

describe('a queue whose first batch fails before it is sent', () => {
  it('goes on with the rest when the batch cannot be compressed', async () => {
    let isBroken = false
    registerCodec({
      type: 'snappy',
      compress(bytes) {
        if (isBroken) throw new Error('out of order')
        return bytes.slice()
      },
      decompress: bytes => bytes.slice()
    })
    const { producer, broker, clock, values } = await workbench()
    const sender = producer({ compression: 'snappy', batchSize: 100 })
    await sender.send('orders', { value: 'a' })
    const hold = broker.on(Produce).once().hold()
    const held = sender.send('orders', { value: 'b' })
    await hold.held()
    const [first, second] = ['c', 'd'].map(value => sender.send('orders', { value: value.repeat(80) }))
    isBroken = true
    first.catch(() => {
      isBroken = false
    })
    hold.release()
    await held
    await expect(first).rejects.toThrow('out of order')
    await clock.advance(1)
    expect(await stateOf(second)).toBe('resolved')
    expect(values().map(value => value?.[0])).toEqual(['a', 'b', 'd'])
  })

  it('goes on with the rest when its time is over before a leader is found', async () => {
    const { broker, clock, values } = await workbench()
    const alarms = new Set<{ readonly at: number; readonly ring: () => void }>()
    let standstill = 0
    const jumping: Clock = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic() + standstill,
      setTimer(delayMs, ring) {
        const alarm = { at: jumping.monotonic() + delayMs, ring }
        alarms.add(alarm)
        return { cancel: () => void alarms.delete(alarm) }
      }
    }
    const passAlarms = async () => {
      for (const alarm of [...alarms].sort((a, b) => a.at - b.at)) {
        if (alarm.at > jumping.monotonic() || !alarms.delete(alarm)) continue
        alarm.ring()
        await new Promise(setImmediate)
      }
    }
    const sender = new Producer({ brokers: broker, clock: jumping, random: seededRandom(1) }, { deliveryTimeoutMs: 5000, batchSize: 100 })
    await sender.send('orders', { value: 'a' })
    const leaderless = broker.on(Metadata).rewriteResponse(response => ({
      ...response,
      topics: response.topics.map(topic => ({ ...topic, partitions: topic.partitions.map(each => ({ ...each, leaderId: -1 })) }))
    }))
    broker.on(Produce).once().answer('NOT_LEADER_OR_FOLLOWER')
    const first = expect(sender.send('orders', { value: 'b'.repeat(80) })).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' })
    await new Promise(setImmediate)
    standstill += 3000
    const second = sender.send('orders', { value: 'c'.repeat(80) })
    standstill = 5010
    await passAlarms()
    await first
    leaderless.remove()
    for (let i = 0; i < 10; i++) {
      standstill += 250
      await passAlarms()
    }
    expect(await stateOf(second)).toBe('resolved')
    expect(values().map(value => value?.[0])).toEqual(['a', 'c'])
  })
})
