import { describe, expect, it } from 'vitest'
import { Cluster } from '../../src/index.js'
import { ConditionalAppend } from '../../src/protocol/messages/conditional-append.js'
import { CreatePartitions } from '../../src/protocol/messages/create-partitions.js'
import { InitProducerId } from '../../src/protocol/messages/init-producer-id.js'
import { InterceptedBroker } from '../../src/testing/index.js'
import { stateOf, workbench } from './workbench.js'

const kilobyte = 'x'.repeat(1000)
const keyIndex = { 'millrace.key.index': 'true' }

/** A producer whose buffer of 3500 bytes holds three records of a kilobyte, and a broker that does not answer before it is told to. */
async function fullBuffer(options: { maxBlockMs?: number } = {}) {
  const bench = await workbench({ configs: keyIndex })
  const sender = bench.producer({ bufferMemory: 3500, ...options })
  await sender.send('orders', { key: 'first', value: 'f' }, { ifKeyAt: 'none' })
  const hold = bench.broker.on(ConditionalAppend).hold()
  const send = (i: number) => sender.send('orders', { key: `k${i}`, value: `${i}${kilobyte}` }, { ifKeyAt: 'none' })
  const buffered = [0, 1, 2].map(send)
  return { ...bench, sender, hold, buffered, send }
}

describe('conditional sends into a full buffer', () => {
  it('wait for room, as other sends do, and in one line with them', async () => {
    const { sender, hold, buffered, send, values } = await fullBuffer()
    const waiting = [send(3), sender.send('orders', { value: `4${kilobyte}` }), send(5)]
    expect(await stateOf(waiting[0])).toBe('pending')
    expect(await stateOf(waiting[1])).toBe('pending')
    hold.release()
    await Promise.all([...buffered, ...waiting])
    expect(
      values()
        .map(value => value?.[0])
        .sort()
    ).toEqual(['0', '1', '2', '3', '4', '5', 'f'])
  })

  it('are rejected after maxBlockMs', async () => {
    const { hold, buffered, send, clock } = await fullBuffer({ maxBlockMs: 1000 })
    const waiting = send(3)
    await clock.advance(999)
    expect(await stateOf(waiting)).toBe('pending')
    await clock.advance(1)
    await expect(waiting).rejects.toMatchObject({
      code: 'REQUEST_TIMED_OUT',
      topic: 'orders',
      message: 'Within 1000 ms, the buffer had no room for the records for `orders` (`bufferMemory` is 3500 bytes)'
    })
    hold.release()
    await Promise.all(buffered)
    await send(4)
  })

  it('end their wait by their signal, and make room for the next where they had been taken in', async () => {
    const { sender, hold, buffered, values } = await fullBuffer()
    const [inLine, taken] = [new AbortController(), new AbortController()]
    expect(await stateOf(buffered[0])).toBe('pending')
    const small = sender.send('orders', { key: 'small', value: '' }, { ifKeyAt: 'none', signal: taken.signal })
    const waiting = sender.send('orders', { key: 'a', value: kilobyte }, { ifKeyAt: 'none', signal: inLine.signal })
    inLine.abort(new Error('changed my mind'))
    await expect(waiting).rejects.toThrow('changed my mind')
    taken.abort(new Error('no more'))
    await expect(small).rejects.toThrow('no more')
    hold.release()
    await Promise.all(buffered)
    expect(values()).toHaveLength(4)
  })

  it('say why what fills the buffer is not delivered', async () => {
    const { broker, clock, producer } = await workbench({ configs: keyIndex })
    const sender = producer({ bufferMemory: 1500, maxBlockMs: 1000 })
    await sender.send('orders', { key: 'first', value: 'f' }, { ifKeyAt: 'none' })
    broker.on(ConditionalAppend).fail('NOT_ENOUGH_REPLICAS')
    const stuck = sender.send('orders', { key: 'a', value: kilobyte }, { ifKeyAt: 'none' })
    stuck.catch(() => {})
    await stateOf(stuck)
    const waiting = sender.send('orders', { key: 'b', value: kilobyte }, { ifKeyAt: 'none' })
    const [, error] = await Promise.all([clock.advance(1000), waiting.catch(error => error)])
    expect(error).toMatchObject({ code: 'REQUEST_TIMED_OUT', cause: { code: 'NOT_ENOUGH_REPLICAS' } })
    expect(error.message).toMatch(/since what is in it is not delivered/)
    const closing = sender.close({ timeoutMs: 0 })
    await clock.advance(10_000)
    await closing
  })

  it('count their text to the byte where that decides', async () => {
    const { producer, values } = await workbench({ configs: keyIndex })
    const sender = producer({ maxRequestSize: 1200 })
    await sender.send('orders', { key: 'a', value: kilobyte }, { ifKeyAt: 'none' })
    const tooLarge = sender.send('orders', { key: 'b', value: 'ü'.repeat(1000) }, { ifKeyAt: 'none' })
    await expect(tooLarge).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
    expect(values()).toHaveLength(1)
  })

  it('keep to what all producers of a cluster hold together', async () => {
    const waists: InterceptedBroker[] = []
    const cluster = await Cluster.open({
      maxMemoryBytes: 8 * 1024 * 1024,
      intercept: brokers => {
        const waist = new InterceptedBroker(brokers)
        waists.push(waist)
        return waist
      }
    })
    const admin = cluster.admin()
    await admin.createTopics([{ name: 'orders', partitions: 1, configs: { 'millrace.key.index': true } }])
    const producers = [cluster.producer(), cluster.producer()]
    for (const producer of producers) await producer.send('orders', { key: 'a', value: 'x' })
    const holds = waists.map(waist => waist.on(ConditionalAppend).hold())
    const value = new Uint8Array(100_000)
    const sent = producers.flatMap((producer, p) =>
      Array.from({ length: 10 }, (_, i) => producer.send('orders', { key: `${p}${i}`, value }, { ifKeyAt: 'none' }))
    )
    const states = await Promise.all(sent.map(stateOf))
    expect(states.every(state => state === 'pending')).toBe(true)
    // A mebibyte is their share: what is beyond it is not even under way when the first batches are answered.
    const seen = waists.flatMap(waist => waist.seen(ConditionalAppend))
    const underWay = seen.reduce((sum, { request }) => sum + (request.records?.length ?? 0), 0)
    expect(underWay).toBeLessThan(1024 * 1024)
    for (const hold of holds) hold.release()
    await Promise.all(sent)
    await admin.close()
    await cluster.close()
  })
})

describe('a conditional send', () => {
  it('looks again for a partition beyond those that it knows', async () => {
    const { producer, node } = await workbench()
    const sender = producer()
    await sender.send('orders', { value: 'a', partition: 0 }, { ifEndAt: 0 })
    const direct = node.connect({ clientId: 'test' })
    await direct.request(CreatePartitions, {
      topics: [{ name: 'orders', count: 3, assignments: null }],
      timeoutMs: 1000,
      validateOnly: false
    })
    expect(await sender.send('orders', { value: 'b', partition: 2 }, { ifEndAt: 0 })).toMatchObject({ partition: 2, offset: 0 })
    await expect(sender.send('orders', { value: 'b', partition: 3 }, { ifEndAt: 0 })).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION'
    })
  })

  it('does not go without a producer id where the cluster gives none', async () => {
    const { producer, broker, records } = await workbench()
    broker.on(InitProducerId).rewriteResponse(response => ({ ...response, producerId: -1 }))
    const sent = producer({ enableIdempotence: false }).send('orders', { value: 'a' }, { ifEndAt: 0 })
    await expect(sent).rejects.toMatchObject({ code: 'UNKNOWN_SERVER_ERROR', message: expect.stringContaining('a producer id') })
    expect(records()).toEqual([])
  })

  it('is waited for by a flush that began after it, and not by one that began before', async () => {
    const { producer, broker } = await workbench()
    const sender = producer()
    await sender.send('orders', { value: 'a' }, { ifEndAt: 0 })
    const first = broker.on(ConditionalAppend).hold()
    const sent = sender.send('orders', { value: 'b' }, { ifEndAt: 1 })
    await stateOf(sent)
    const flush = sender.flush()
    expect(await stateOf(flush)).toBe('pending')
    const later = sender.send('orders', { value: 'c' }, { ifEndAt: 2 })
    const second = broker.on(ConditionalAppend).hold()
    first.release()
    await sent
    expect(await stateOf(flush)).toBe('resolved')
    second.release()
    await later
  })
})
