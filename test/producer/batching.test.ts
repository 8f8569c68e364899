import { describe, expect, it } from 'vitest'
import { Produce } from '../../src/protocol/messages/produce.js'
import { workbench } from './workbench.js'

const some = (count: number, partition?: number) => Array.from({ length: count }, (_, i) => ({ value: `${i}`, partition }))

describe('with no linger', () => {
  it('all that is sent in one synchronous stretch goes together', async () => {
    const { producer, requests, batches } = await workbench()
    const sender = producer()
    await sender.send('orders', { value: 'first' })
    await Promise.all([...some(100).map(record => sender.send('orders', record)), sender.sendBatch('orders', some(50))])
    expect(requests()).toEqual([{ 0: 1 }, { 0: 150 }])
    expect(batches()).toHaveLength(2)
  })

  it('all partitions of a broker go in one request', async () => {
    const { producer, requests } = await workbench({ partitions: 3 })
    const sender = producer()
    await sender.send('orders', { value: 'first', partition: 0 })
    await Promise.all([0, 1, 2, 1].map(partition => sender.send('orders', { value: 'v', partition })))
    expect(requests()).toEqual([{ 0: 1 }, { 0: 1, 1: 2, 2: 1 }])
  })

  it('many loops that each await their sends share batches', async () => {
    const { producer, requests } = await workbench()
    const sender = producer()
    const loop = async () => {
      for (let i = 0; i < 10; i++) await sender.send('orders', { value: 'v' })
    }
    await Promise.all(Array.from({ length: 20 }, loop))
    expect(requests()).toEqual(Array.from({ length: 10 }, () => ({ 0: 20 })))
  })

  it('what comes while a batch is under way forms the next one', async () => {
    const { producer, broker, requests, values } = await workbench()
    const sender = producer()
    const hold = broker.on(Produce).once().hold()
    const sent = [sender.send('orders', { value: 'a' })]
    await hold.held()
    for (const value of ['b', 'c', 'd']) {
      sent.push(sender.send('orders', { value }))
      await Promise.resolve()
    }
    hold.release()
    await Promise.all(sent)
    expect(requests()).toEqual([{ 0: 1 }, { 0: 3 }])
    expect(values()).toEqual(['a', 'b', 'c', 'd'])
  })

  it('a partition that waits for its response does not hold up the others', async () => {
    const { producer, broker, values } = await workbench({ partitions: 2 })
    const sender = producer()
    const hold = broker.on(Produce).once().hold()
    const slow = sender.send('orders', { value: 'a', partition: 0 })
    await hold.held()
    for (let i = 0; i < 5; i++) await sender.send('orders', { value: String(i), partition: 1 })
    expect([values('orders', 0), values('orders', 1).length]).toEqual([[], 5])
    hold.release()
    await slow
  })
})

describe('a batch', () => {
  it('is closed when it is full', async () => {
    const { producer, batches } = await workbench()
    await producer({ batchSize: 1000 }).sendBatch(
      'orders',
      Array.from({ length: 100 }, () => ({ value: 'x'.repeat(100) }))
    )
    for (const { sizeInBytes } of batches()) expect(sizeInBytes).toBeLessThanOrEqual(1000)
    expect(batches().length).toBeLessThan(15)
  })

  it('counts text by its bytes', async () => {
    const { producer, batches } = await workbench()
    await producer({ batchSize: 1000 }).sendBatch(
      'orders',
      Array.from({ length: 30 }, (_, i) => ({ value: (i % 2 ? '値' : 'x').repeat(100) }))
    )
    for (const { sizeInBytes } of batches()) expect(sizeInBytes).toBeLessThanOrEqual(1000)
    expect(batches().length).toBeLessThan(10)
  })

  it('of a record larger than batchSize has that record alone', async () => {
    const { producer, batches } = await workbench()
    await producer({ batchSize: 100 }).sendBatch(
      'orders',
      ['a', 'b'.repeat(500), 'c', 'd'].map(value => ({ value }))
    )
    expect(batches().map(batch => [...batch.records()].length)).toEqual([1, 1, 1, 1])
  })

  it('never makes a request larger than maxRequestSize', async () => {
    const { producer, broker, values } = await workbench({ partitions: 4 })
    const records = Array.from({ length: 40 }, (_, i) => ({ value: 'x'.repeat(300), partition: i % 4 }))
    await producer({ batchSize: 800, maxRequestSize: 2000 }).sendBatch('orders', records)
    for (const { request } of broker.seen(Produce)) {
      const bytes = request.topicData.flatMap(({ partitionData }) => partitionData.map(({ records }) => records?.length ?? 0))
      expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(2000)
    }
    expect([0, 1, 2, 3].map(partition => values('orders', partition).length)).toEqual([10, 10, 10, 10])
  })

  it('uses its memory again without mixing up records', async () => {
    const { producer, values } = await workbench({ partitions: 3 })
    const sender = producer({ batchSize: 300 })
    const expected: string[][] = [[], [], []]
    for (let round = 0; round < 30; round++) {
      const records = Array.from({ length: 20 }, (_, i) => ({ value: `${round}-${i}`.repeat(1 + (i % 7)), partition: (round + i) % 3 }))
      for (const { value, partition } of records) expected[partition].push(value)
      await Promise.all([
        sender.sendBatch('orders', records.slice(0, 10)),
        ...records.slice(10).map(record => sender.send('orders', record))
      ])
    }
    expect([0, 1, 2].map(partition => values('orders', partition))).toEqual(expected)
  })
})

describe('with a linger', () => {
  it('a batch waits that long for more records, from its first on', async () => {
    const { producer, clock, requests } = await workbench()
    const sender = producer({ lingerMs: 50 })
    const first = sender.send('orders', { value: 'a' })
    await clock.advance(30)
    const second = sender.send('orders', { value: 'b' })
    await clock.advance(19)
    expect(requests()).toEqual([])
    await clock.advance(1)
    await Promise.all([first, second])
    expect(requests()).toEqual([{ 0: 2 }])
  })

  it('a full batch does not wait', async () => {
    const { producer, clock, requests } = await workbench()
    const sender = producer({ lingerMs: 50, batchSize: 500 })
    const sent = sender.sendBatch(
      'orders',
      Array.from({ length: 11 }, () => ({ value: 'x'.repeat(100) }))
    )
    await clock.advance(49)
    const before = requests().length
    expect(before).toBeGreaterThanOrEqual(2)
    await clock.advance(1)
    await sent
    expect(requests()).toHaveLength(before + 1)
  })

  it('each partition lingers on its own', async () => {
    const { producer, clock, requests } = await workbench({ partitions: 2 })
    const sender = producer({ lingerMs: 50 })
    const sent = [sender.send('orders', { value: 'a', partition: 0 })]
    await clock.advance(20)
    sent.push(sender.send('orders', { value: 'b', partition: 1 }))
    await clock.advance(30)
    expect(requests()).toEqual([{ 0: 1 }])
    await clock.advance(20)
    expect(requests()).toEqual([{ 0: 1 }, { 1: 1 }])
    await Promise.all(sent)
  })

  it('what gathered while a batch was under way still lingers, counted from its first record', async () => {
    const { producer, broker, clock, requests } = await workbench()
    broker.on(Produce).once().delay(30)
    const sender = producer({ lingerMs: 50 })
    const sent = [sender.send('orders', { value: 'a' })]
    await clock.advance(50)
    sent.push(sender.send('orders', { value: 'b' }))
    await clock.advance(49)
    expect(requests()).toEqual([{ 0: 1 }])
    await clock.advance(1)
    expect(requests()).toEqual([{ 0: 1 }, { 0: 1 }])
    await Promise.all(sent)
  })

  it('flush sends at once', async () => {
    const { producer, requests } = await workbench()
    const sender = producer({ lingerMs: 50 })
    const sent = sender.sendBatch('orders', some(3))
    await sender.flush()
    await sent
    expect(requests()).toEqual([{ 0: 3 }])
  })
})
