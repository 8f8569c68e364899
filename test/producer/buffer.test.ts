import { describe, expect, it } from 'vitest'
import { Produce } from '../../src/protocol/messages/produce.js'
import { stateOf, workbench } from './workbench.js'

const kilobyte = 'x'.repeat(1000)

/** A producer whose buffer of 3500 bytes holds three records of a kilobyte, and a broker that does not answer before it is told to. */
async function fullBuffer(options: { maxBlockMs?: number } = {}) {
  const bench = await workbench({ partitions: 2 })
  const sender = bench.producer({ bufferMemory: 3500, ...options })
  await sender.send('orders', { value: 'first', partition: 0 })
  const hold = bench.broker.on(Produce).hold()
  const buffered = [0, 1, 2].map(i => sender.send('orders', { value: `${i}${kilobyte}`, partition: 0 }))
  return { ...bench, sender, hold, buffered }
}

describe('a full buffer', () => {
  it('makes senders wait, and lets them in in their order', async () => {
    const { sender, hold, buffered, values } = await fullBuffer()
    const waiting = [3, 4, 5, 6, 7, 8].map(i => sender.send('orders', { value: `${i}${kilobyte}`, partition: i % 2 }))
    expect(await stateOf(waiting[0])).toBe('pending')
    hold.release()
    await Promise.all([...buffered, ...waiting])
    const firstLetters = (partition: number) => values('orders', partition).map(value => value?.[0])
    expect([firstLetters(0), firstLetters(1)]).toEqual([
      ['f', '0', '1', '2', '4', '6', '8'],
      ['3', '5', '7']
    ])
  })

  it('lets nobody overtake those who wait, not even a smaller record', async () => {
    const { sender, hold, buffered, values } = await fullBuffer()
    const waiting = [
      sender.send('orders', { value: `3${kilobyte}`, partition: 0 }),
      sender.send('orders', { value: 'small', partition: 0 })
    ]
    hold.release()
    await Promise.all([...buffered, ...waiting])
    expect(values('orders', 0).at(-1)).toBe('small')
  })

  it('lets topics take turns', async () => {
    const { sender, hold, buffered, values, create } = await fullBuffer()
    await create('other', 1)
    const waiting = ['orders', 'other', 'orders', 'other'].map(topic => sender.send(topic, { value: kilobyte, partition: 0 }))
    hold.release()
    await Promise.all([...buffered, ...waiting])
    expect([values('orders').length, values('other').length]).toEqual([6, 2])
  })

  it('rejects those who have waited for maxBlockMs', async () => {
    const { sender, hold, buffered, clock } = await fullBuffer({ maxBlockMs: 1000 })
    const waiting = sender.send('orders', { value: kilobyte, partition: 0 })
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
    await sender.send('orders', { value: kilobyte, partition: 0 })
  })

  it('lets go of a sender whose signal aborts, and takes the next', async () => {
    const { sender, hold, buffered, values } = await fullBuffer()
    const controller = new AbortController()
    const aborted = sender.send('orders', { value: `3${kilobyte}`, partition: 0 }, { signal: controller.signal })
    const next = sender.send('orders', { value: `4${kilobyte}`, partition: 0 })
    controller.abort(new Error('changed my mind'))
    await expect(aborted).rejects.toThrow('changed my mind')
    hold.release()
    await Promise.all([...buffered, next])
    expect(values().map(value => value?.[0])).toEqual(['f', '0', '1', '2', '4'])
  })

  it('lets in a small record at once when the large one before it gives up', async () => {
    const { sender, hold, buffered, requests } = await fullBuffer()
    const controller = new AbortController()
    const aborted = sender.send('orders', { value: kilobyte, partition: 1 }, { signal: controller.signal })
    const small = sender.send('orders', { value: 'small', partition: 1 })
    controller.abort()
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' })
    await hold.held(2)
    expect(requests().at(-1)).toEqual({ 1: 1 })
    hold.release()
    await Promise.all([...buffered, small])
  })

  it('does not wait for a linger to end', async () => {
    const { producer, clock, values } = await workbench()
    const sender = producer({ bufferMemory: 3500, lingerMs: 60_000 })
    const sent = [0, 1, 2, 3].map(i => sender.send('orders', { value: `${i}${kilobyte}` }))
    await clock.advance(0)
    expect(values()).toHaveLength(3)
    await clock.advance(60_000)
    await Promise.all(sent)
  })

  it('takes a sendBatch that is larger than itself, bit by bit', async () => {
    const { producer, values, requests } = await workbench()
    const sender = producer({ bufferMemory: 5000, batchSize: 1500 })
    const records = Array.from({ length: 100 }, (_, i) => ({ value: `${i}`.padEnd(400, '.') }))
    expect(await sender.sendBatch('orders', records)).toMatchObject({ count: 100, ranges: [{ baseOffset: 0, count: 100 }] })
    expect(values()).toEqual(records.map(({ value }) => value))
    expect(requests().length).toBeGreaterThan(20)
  })

  it('draws records from an iterable only as there is room', async () => {
    const { producer, broker } = await workbench()
    const sender = producer({ bufferMemory: 5000 })
    const hold = broker.on(Produce).hold()
    let drawn = 0
    function* endless() {
      for (; drawn < 50; drawn++) yield { value: kilobyte }
    }
    const sent = sender.sendBatch('orders', endless())
    await hold.held()
    expect(drawn).toBeLessThan(6)
    hold.release()
    expect(await sent).toMatchObject({ count: 50 })
  })

  it('keeps the order of a sendBatch that waits and the sends after it', async () => {
    const { producer, values } = await workbench()
    const sender = producer({ bufferMemory: 2500 })
    const sent = [
      sender.sendBatch(
        'orders',
        Array.from({ length: 20 }, (_, i) => ({ value: `a${i}`.padEnd(500) }))
      ),
      sender.send('orders', { value: 'b' }),
      sender.sendBatch(
        'orders',
        Array.from({ length: 20 }, (_, i) => ({ value: `c${i}`.padEnd(500) }))
      )
    ]
    await Promise.all(sent)
    expect(values().map(value => value?.trim())).toEqual([
      ...Array.from({ length: 20 }, (_, i) => `a${i}`),
      'b',
      ...Array.from({ length: 20 }, (_, i) => `c${i}`)
    ])
  })

  it('tells what was sent of a sendBatch that was aborted half way', async () => {
    const { producer, broker, values } = await workbench()
    const sender = producer({ bufferMemory: 3500 })
    const hold = broker.on(Produce).hold()
    const controller = new AbortController()
    const records = Array.from({ length: 10 }, (_, i) => ({ value: `${i}${kilobyte}` }))
    const sent = sender.sendBatch('orders', records, { signal: controller.signal })
    await hold.held()
    controller.abort(new Error('changed my mind'))
    expect(await stateOf(sent)).toBe('pending')
    hold.release()
    await expect(sent).rejects.toMatchObject({
      code: 'DELIVERY_FAILED',
      message: '7 of 10 records for `orders` were not delivered: changed my mind',
      delivered: { count: 3, ranges: [{ partition: 0, baseOffset: 0, count: 3 }] },
      failures: [{ partition: undefined, indexes: [3, 4, 5, 6, 7, 8, 9], error: new Error('changed my mind') }]
    })
    expect(values()).toHaveLength(3)
  })

  it('does not time out a sendBatch that makes progress', async () => {
    const { producer, broker, clock } = await workbench()
    const sender = producer({ bufferMemory: 3500, maxBlockMs: 1000 })
    broker.on(Produce).delay(900)
    const sent = sender.sendBatch(
      'orders',
      Array.from({ length: 15 }, () => ({ value: kilobyte }))
    )
    await clock.advance(10_000)
    expect(await sent).toMatchObject({ count: 15 })
  })
})
