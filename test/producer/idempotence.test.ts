import { describe, expect, it } from 'vitest'
import { sleep } from '../../src/common/clock.js'
import { deferred } from '../../src/common/deferred.js'
import { errorNumber, KafkaError } from '../../src/errors.js'
import { CreateTopics } from '../../src/protocol/messages/create-topics.js'
import { DeleteTopics } from '../../src/protocol/messages/delete-topics.js'
import { InitProducerId } from '../../src/protocol/messages/init-producer-id.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { batchesIn, RecordBatch } from '../../src/record/record-batch.js'
import type { VirtualClock } from '../../src/testing/virtual-clock.js'
import { stateOf, workbench } from './workbench.js'

/** Small batches of one record each, which wait closed while others are under way. */
const small = { batchSize: 80, retryBackoffMs: 10, retryBackoffMaxMs: 10 }

type Bench = Awaited<ReturnType<typeof workbench>>

/** Moves the clock until a promise has settled. */
async function settled(clock: VirtualClock, promise: Promise<unknown>, stepMs: number): Promise<void> {
  for (let steps = 0; (await stateOf(promise)) === 'pending'; steps++) {
    expect(steps, 'it settles').toBeLessThan(500)
    await clock.advance(stepMs)
  }
}

/** The sequence numbers, with their epochs, that came to the broker, by request. */
function sequences({ broker }: Bench): string[] {
  return broker.seen(Produce).map(({ request }) => {
    const [batch] = batchesIn(request.topicData[0].partitionData[0].records!)
    return `${batch.producerEpoch}/${batch.baseSequence}`
  })
}

/** What is in the log of partition 0: epoch, sequence number and value of each batch of one record. */
function written({ batches }: Bench): string[] {
  return batches().map(batch => {
    const [{ value }] = [...batch.records()]
    return `${batch.producerEpoch}/${batch.baseSequence} ${Buffer.from(value!)}`
  })
}

describe('an idempotent producer', () => {
  it('is what a producer is, unless it does not wait for all replicas', async () => {
    const { producer, broker, batches } = await workbench()
    await producer().send('orders', { value: 'a' })
    expect(batches()[0]).toMatchObject({ producerId: 0, producerEpoch: 0, baseSequence: 0 })
    for (const options of [{ acks: 1 }, { acks: 0 }, { enableIdempotence: false }, { enableIdempotence: false, acks: 'all' }] as const) {
      await producer(options).send('orders', { value: 'b' })
      expect(batches().at(-1)).toMatchObject({ producerId: -1, producerEpoch: -1, baseSequence: -1 })
    }
    expect(broker.seen(InitProducerId)).toHaveLength(1)
  })

  it('cannot be had with other acks', async () => {
    const { producer } = await workbench()
    for (const acks of [0, 1] as const)
      expect(() => producer({ enableIdempotence: true, acks })).toThrow(
        new TypeError(`Expected \`acks\` to be 'all', which \`enableIdempotence\` needs, got \`${acks}\``)
      )
    expect(() => producer({ enableIdempotence: 'yes' as never })).toThrow(TypeError)
    await producer({ enableIdempotence: true, acks: -1 }).send('orders', { value: 'a' })
  })

  it('numbers the records of each partition', async () => {
    const { producer, batches } = await workbench({ partitions: 2 })
    const sender = producer()
    for (const partition of [0, 1, 0]) await sender.sendBatch('orders', Array(3).fill({ value: 'x', partition }))
    expect([batches('orders', 0), batches('orders', 1)].map(all => all.map(({ baseSequence }) => baseSequence))).toEqual([[0, 3], [0]])
  })

  it('has up to five batches of a partition under way once the first is there, and keeps their order', async () => {
    const bench = await workbench()
    const { producer, broker, values } = bench
    const sender = producer(small)
    const first = broker.on(Produce).once().hold()
    const sent = Array.from({ length: 12 }, (_, i) => sender.send('orders', { value: `${i}` }))
    await first.held()
    await stateOf(sent[0])
    expect(broker.seen(Produce)).toHaveLength(1)
    const rest = broker.on(Produce).hold()
    first.release()
    await rest.held(5)
    await stateOf(sent[0])
    expect([broker.seen(Produce).length, values()]).toEqual([6, ['0']])
    rest.release()
    await Promise.all(sent)
    expect(values()).toEqual(sent.map((_, i) => `${i}`))
    expect(sequences(bench)).toEqual(sent.map((_, i) => `0/${i}`))
  })

  it('lets an open batch grow while others are under way', async () => {
    const { producer, broker, requests } = await workbench()
    const sender = producer()
    await sender.send('orders', { value: 'first' })
    const hold = broker.on(Produce).once().hold()
    const sent = [sender.send('orders', { value: 'a' })]
    await hold.held()
    for (let i = 0; i < 3; i++) {
      sent.push(sender.send('orders', { value: `b${i}` }))
      await stateOf(sent[0])
    }
    hold.release()
    await Promise.all(sent)
    expect(requests()).toEqual([{ 0: 1 }, { 0: 1 }, { 0: 3 }])
  })

  it('keeps the number of a batch that is tried again, and those of the batches behind it', async () => {
    const bench = await workbench()
    const { producer, broker, clock } = bench
    const sender = producer(small)
    await sender.send('orders', { value: '0' })
    broker.on(Produce).once().answer('NOT_ENOUGH_REPLICAS')
    const sent = ['1', '2', '3'].map(value => sender.send('orders', { value }))
    await settled(clock, Promise.all(sent), 5)
    expect(written(bench)).toEqual(['0/0 0', '0/1 1', '0/2 2', '0/3 3'])
    expect((await Promise.all(sent)).map(({ offset }) => offset)).toEqual([1, 2, 3])
  })

  it('sends no more behind a batch whose answers get lost than the broker remembers', async () => {
    const bench = await workbench()
    const { producer, broker, clock } = bench
    const sender = producer({ ...small, requestTimeoutMs: 100 })
    await sender.send('orders', { value: '0' })
    const lost = broker
      .on(Produce)
      .when(({ topicData }) => [...batchesIn(topicData[0].partitionData[0].records!)][0].baseSequence === 1)
      .loseResponse()
    const sent = Array.from({ length: 10 }, (_, i) => sender.send('orders', { value: `${i + 1}` }))
    await clock.advance(2000)
    expect(lost.count).toBeGreaterThan(5)
    expect(bench.values()).toEqual(['0', '1', '2', '3', '4', '5'])
    lost.remove()
    await clock.advance(200)
    await Promise.all(sent)
    expect(written(bench)).toEqual(Array.from({ length: 11 }, (_, i) => `0/${i} ${i}`))
  })

  it('goes on in a new epoch where a batch is refused for good, with those behind it in order', async () => {
    const bench = await workbench()
    const { producer, broker, clock } = bench
    const sender = producer(small)
    await sender.send('orders', { value: '0' })
    broker.on(Produce).once().answer('INVALID_RECORD')
    const sent = ['1', '2', '3', '4'].map(value => sender.send('orders', { value }))
    const outcomes = Promise.allSettled(sent)
    await settled(clock, outcomes, 5)
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'fulfilled'])
    expect(written(bench)).toEqual(['0/0 0', '1/0 2', '1/1 3', '1/2 4'])
  })

  it('does not write a batch again that was written when the one before it was given up', async () => {
    const bench = await workbench()
    const { producer, broker, clock } = bench
    const sender = producer({ ...small, requestTimeoutMs: 300, deliveryTimeoutMs: 1000 })
    await sender.send('orders', { value: '0' })
    const lost = broker.on(Produce).loseResponse()
    const first = sender.send('orders', { value: '1' })
    const failed = expect(first).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' })
    await clock.advance(700)
    const behind = ['2', '3'].map(value => sender.send('orders', { value }))
    await clock.advance(350)
    await failed
    expect(bench.values()).toEqual(['0', '1', '2'])
    lost.remove()
    await clock.advance(1000)
    expect((await Promise.all(behind)).map(({ offset }) => offset)).toEqual([2, 3])
    expect(bench.values()).toEqual(['0', '1', '2', '3'])
  })

  it('goes on behind a batch that was given up and never came', async () => {
    const bench = await workbench()
    const { producer, broker, clock } = bench
    const sender = producer({ ...small, requestTimeoutMs: 300, deliveryTimeoutMs: 1000 })
    await sender.send('orders', { value: '0' })
    const lost = broker.on(Produce).loseRequest()
    const failed = expect(sender.send('orders', { value: '1' })).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' })
    await clock.advance(900)
    const behind = sender.send('orders', { value: '2' })
    await clock.advance(110)
    await failed
    lost.remove()
    await clock.advance(500)
    await behind
    await sender.send('orders', { value: '3' })
    expect(bench.values()).toEqual(['0', '2', '3'])
  })

  it('fences what is left on the network of a batch that was given up', async () => {
    const bench = await workbench()
    const { producer, broker, clock, node } = bench
    const late = node.connect({ clientId: 'late' })
    const sender = producer({ ...small, requestTimeoutMs: 300, deliveryTimeoutMs: 1000 })
    await sender.send('orders', { value: '0' })
    const codes: number[] = []
    const slow = broker.on(Produce).do(async request => {
      const copy = structuredClone(request)
      await sleep(clock, 5000)
      const response = await late.request(Produce, copy)
      codes.push(response.responses[0].partitionResponses[0].errorCode)
      return response
    })
    const failed = expect(sender.send('orders', { value: 'late' })).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' })
    await clock.advance(1100)
    await failed
    slow.remove()
    const next = sender.send('orders', { value: '1' })
    await clock.advance(300)
    await next
    await clock.advance(10_000)
    expect(bench.values()).toEqual(['0', '1'])
    expect(new Set(codes)).toEqual(new Set([errorNumber('INVALID_PRODUCER_EPOCH')]))
    expect(await sender.send('orders', { value: '2' })).toMatchObject({ offset: 2 })
  })

  it('keeps order and numbers when a batch is split, and what comes behind it', async () => {
    const bench = await workbench({ configs: { 'max.message.bytes': '300' } })
    const { producer, values, batches } = bench
    const sender = producer({ batchSize: 1000, retryBackoffMs: 1 })
    await sender.send('orders', { value: 'first' })
    const sent = Array.from({ length: 60 }, (_, i) => ({ value: `${i}`.padEnd(40, '.') }))
    const results = Promise.all([sender.sendBatch('orders', sent.slice(0, 40)), sender.sendBatch('orders', sent.slice(40))])
    await settled(bench.clock, results, 1)
    await results
    expect(values()).toEqual(['first', ...sent.map(({ value }) => value)])
    let next = 0
    for (const { baseSequence, lastSequence } of batches()) {
      expect(baseSequence).toBe(next)
      next = lastSequence + 1
    }
  })

  it('takes another id where the leader knows its own in a later epoch', async () => {
    const bench = await workbench()
    const { producer, broker, node, clock } = bench
    const sender = producer(small)
    await sender.send('orders', { value: '0' })
    const records = RecordBatch.of([{ value: 'other' }], { producerId: 0, producerEpoch: 3, baseSequence: 0 }).bytes
    await node.connect({ clientId: 'other' }).request(Produce, {
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: 'orders', partitionData: [{ index: 0, records }] }]
    })
    const sent = ['1', '2'].map(value => sender.send('orders', { value }))
    await settled(clock, Promise.all(sent), 5)
    expect(bench.values()).toEqual(['0', 'other', '1', '2'])
    expect(bench.batches().map(({ producerId }) => producerId)).toEqual([0, 0, 1, 1])
    expect(broker.seen(InitProducerId)).toHaveLength(2)
  })

  it('begins anew where a topic was deleted and created again, and where the leader has forgotten it', async () => {
    const bench = await workbench()
    const { producer, node, clock, broker } = bench
    const admin = node.connect({ clientId: 'admin' })
    const sender = producer(small)
    for (const value of ['0', '1']) await sender.send('orders', { value })
    await admin.request(DeleteTopics, { topics: [{ name: 'orders' }], timeoutMs: 1000 })
    await admin.request(CreateTopics, { topics: [{ name: 'orders', numPartitions: 1, replicationFactor: -1 }] })
    const sent = Promise.all(['2', '3'].map(value => sender.send('orders', { value })))
    await settled(clock, sent, 5)
    expect(written(bench)).toEqual(['1/0 2', '1/1 3'])
    broker.on(Produce).once().answer('UNKNOWN_PRODUCER_ID')
    const forgotten = sender.send('orders', { value: '4' })
    await settled(clock, forgotten, 5)
    expect(written(bench).at(-1)).toBe('2/0 4')
  })

  it('counts a batch as delivered that an older broker calls a duplicate', async () => {
    const { producer, broker, values } = await workbench()
    const sender = producer(small)
    await sender.send('orders', { value: '0' })
    broker
      .on(Produce)
      .once()
      .do(async (request, forward) => {
        const response = await forward(request)
        response.responses[0].partitionResponses[0] = { index: 0, errorCode: errorNumber('DUPLICATE_SEQUENCE_NUMBER'), baseOffset: -1 }
        return response
      })
    expect(await sender.send('orders', { value: '1' })).toMatchObject({ offset: -1 })
    expect(await sender.send('orders', { value: '2' })).toMatchObject({ offset: 2 })
    expect(values()).toEqual(['0', '1', '2'])
  })
})

describe('the id of a producer', () => {
  it('is asked for until it is there, while records wait for it', async () => {
    const { producer, broker, clock, values } = await workbench()
    broker.on(InitProducerId).times(2).answer('COORDINATOR_LOAD_IN_PROGRESS')
    broker.on(InitProducerId).times(2).fail('NETWORK_EXCEPTION')
    const sent = producer({ retryBackoffMs: 10 }).send('orders', { value: 'a' })
    await clock.advance(1000)
    await sent
    expect([broker.seen(InitProducerId).length, values()]).toEqual([5, ['a']])
  })

  it('is asked for again when no answer comes', async () => {
    const { producer, broker, clock } = await workbench()
    broker.on(InitProducerId).once().loseRequest()
    const sent = producer({ requestTimeoutMs: 500 }).send('orders', { value: 'a' })
    await clock.advance(1000)
    expect(await sent).toMatchObject({ offset: 0 })
  })

  it('that does not come lets records expire, and says why', async () => {
    const { producer, broker, clock } = await workbench()
    const failing = broker.on(InitProducerId).answer('COORDINATOR_NOT_AVAILABLE')
    const sender = producer({ deliveryTimeoutMs: 2000 })
    const failed = expect(sender.send('orders', { value: 'a' })).rejects.toMatchObject({
      code: 'REQUEST_TIMED_OUT',
      cause: { code: 'COORDINATOR_NOT_AVAILABLE' }
    })
    await clock.advance(2000)
    await failed
    const { length } = broker.seen(InitProducerId)
    await clock.advance(60_000)
    expect(broker.seen(InitProducerId).length, 'nobody wants it any more').toBeLessThanOrEqual(length + 1)
    failing.remove()
    const sent = sender.send('orders', { value: 'b' })
    await clock.advance(1000)
    expect(await sent).toMatchObject({ offset: 0 })
  })

  it('that does not come lets records expire that were sent after others had, while it is still asked for', async () => {
    const { producer, broker, clock } = await workbench()
    broker.on(InitProducerId).answer('COORDINATOR_NOT_AVAILABLE')
    const sender = producer({ deliveryTimeoutMs: 2000, retryBackoffMs: 60_000, retryBackoffMaxMs: 60_000 })
    for (const value of ['a', 'b', 'c']) {
      const failed = expect(sender.send('orders', { value })).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' })
      await clock.advance(2000)
      await failed
    }
  })

  it.each([
    ['CLUSTER_AUTHORIZATION_FAILED', /it has neither of IdempotentWrite on the cluster, or Write on a topic.*`enableIdempotence: false`/],
    ['UNSUPPORTED_VERSION', /has no InitProducerId.*`enableIdempotence: false`/]
  ] as const)('is refused with %s: records fail with what to do, and later ones ask again', async (code, message) => {
    const { producer, broker, values } = await workbench()
    const refusing =
      code === 'UNSUPPORTED_VERSION' ? broker.on(InitProducerId).fail(new KafkaError(code)) : broker.on(InitProducerId).answer(code)
    const sender = producer()
    const sent = [sender.send('orders', { value: 'a' }), sender.sendBatch('orders', [{ value: 'b' }, { value: 'c' }])]
    for (const each of await Promise.allSettled(sent))
      expect(each).toMatchObject({ status: 'rejected', reason: { cause: expect.anything() } })
    await expect(sent[0]).rejects.toMatchObject({ code, message: expect.stringMatching(message) })
    refusing.remove()
    await sender.send('orders', { value: 'd' })
    await producer({ enableIdempotence: false }).send('orders', { value: 'e' })
    expect(values()).toEqual(['d', 'e'])
  })

  it('is not waited for when the producer is closed', async () => {
    const { producer, broker, clock } = await workbench()
    broker.on(InitProducerId).loseRequest()
    const sender = producer()
    const failed = expect(sender.send('orders', { value: 'a' })).rejects.toMatchObject({ code: 'CLOSED' })
    const closed = sender.close({ timeoutMs: 1000 })
    await clock.advance(1000)
    await closed
    await failed
  })

  it('is not asked for by a producer that sends nothing', async () => {
    const { producer, broker } = await workbench()
    const sender = producer()
    await sender.flush()
    await sender.close()
    expect(broker.seen(InitProducerId)).toHaveLength(0)
  })
})

it('a late answer that a batch was written counts, whatever the try that is under way says', async () => {
  const bench = await workbench()
  const { producer, broker, clock, node } = bench
  const sender = producer({ ...small, requestTimeoutMs: 1000 })
  await sender.send('orders', { value: '0' })
  const answers = [deferred(), deferred()]
  let count = 0
  broker
    .on(Produce)
    .times(2)
    .do(async request => {
      const response = await node.connect({ clientId: 'late' }).request(Produce, structuredClone(request))
      await answers[count++].promise
      return response
    })
  const sent = sender.send('orders', { value: '1' })
  await clock.advance(1100)
  const next = sender.send('orders', { value: '2' })
  answers[0].resolve()
  expect(await sent).toMatchObject({ offset: 1 })
  answers[1].reject(new KafkaError('INVALID_RECORD', 'the second try is refused'))
  await settled(clock, next, 5)
  expect(bench.values()).toEqual(['0', '1', '2'])
})
