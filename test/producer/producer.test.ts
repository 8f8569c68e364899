import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { nodeOf } from '../../src/broker/local-broker.js'
import { keyPartition } from '../../src/client/key-partition.js'
import { CreatePartitions } from '../../src/protocol/messages/create-partitions.js'
import { DeleteTopics } from '../../src/protocol/messages/delete-topics.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { int32, json, nullable, string, validated } from '../../src/record/serde.js'
import { topic } from '../../src/record/topic.js'
import { text, workbench } from './workbench.js'

const utf8 = new TextEncoder()

describe('send', () => {
  it('resolves with the place that the record has in the log', async () => {
    const { producer, clock, records } = await workbench()
    const sender = producer()
    expect(await sender.send('orders', { key: 'k', value: 'v' })).toEqual({
      topic: 'orders',
      partition: 0,
      offset: 0,
      timestamp: clock.now()
    })
    expect(await sender.send('orders', { value: 'w' })).toMatchObject({ offset: 1 })
    expect(records()).toMatchObject([
      { offset: 0, key: utf8.encode('k'), value: utf8.encode('v'), timestamp: clock.now(), headers: [] },
      { offset: 1, key: null, value: utf8.encode('w') }
    ])
  })

  it('takes text, bytes, empty text, and null', async () => {
    const { producer, records } = await workbench()
    const sender = producer()
    await sender.send('orders', { key: Uint8Array.of(1, 2), value: Uint8Array.of(255) })
    await sender.send('orders', { key: '', value: '' })
    await sender.send('orders', { key: null, value: null })
    await sender.send('orders', { key: 'ключ', value: '値 🎉' })
    expect(records().map(({ key, value }) => [key, value])).toEqual([
      [Uint8Array.of(1, 2), Uint8Array.of(255)],
      [new Uint8Array(0), new Uint8Array(0)],
      [null, null],
      [utf8.encode('ключ'), utf8.encode('値 🎉')]
    ])
  })

  it('has encoded the record when it returns, so that its bytes may be used again', async () => {
    const { producer, records } = await workbench()
    const sender = producer()
    await sender.send('orders', { value: 'first' })
    const value = utf8.encode('second')
    const sent = sender.send('orders', { value })
    value.fill(0)
    await sent
    expect(text(records()[1].value)).toBe('second')
  })

  it.each([
    ['an object', { trace: 'a1', raw: Uint8Array.of(7), none: null, tag: ['x', 'y', null] }],
    [
      'pairs',
      [
        ['trace', 'a1'] as const,
        ['raw', Uint8Array.of(7)] as const,
        ['none', null] as const,
        ['tag', 'x'] as const,
        ['tag', 'y'] as const,
        ['tag', null] as const
      ]
    ],
    [
      'what a consumer hands out',
      [
        { key: 'trace', value: utf8.encode('a1') },
        { key: 'raw', value: Uint8Array.of(7) },
        { key: 'none', value: null },
        { key: 'tag', value: 'x' },
        { key: 'tag', value: 'y' },
        { key: 'tag', value: null }
      ]
    ]
  ])('takes headers as %s, and keeps their order and repeats', async (_what, headers) => {
    const { producer, records } = await workbench()
    await producer().send('orders', { value: 'v', headers })
    expect(records()[0].headers).toEqual([
      { key: 'trace', value: utf8.encode('a1') },
      { key: 'raw', value: Uint8Array.of(7) },
      { key: 'none', value: null },
      { key: 'tag', value: utf8.encode('x') },
      { key: 'tag', value: utf8.encode('y') },
      { key: 'tag', value: null }
    ])
  })

  it('keeps repeated headers that are mixed with others where they stand', async () => {
    const { producer, records } = await workbench()
    await producer().send('orders', {
      value: 'v',
      headers: [
        ['a', '1'],
        ['b', '2'],
        ['a', '3']
      ]
    })
    expect(records()[0].headers.map(({ key, value }) => `${key}${text(value)}`)).toEqual(['a1', 'b2', 'a3'])
  })

  it('takes a timestamp of the record’s own', async () => {
    const { producer, records } = await workbench()
    expect(await producer().send('orders', { value: 'v', timestamp: 1234 })).toMatchObject({ timestamp: 1234 })
    expect(records()[0].timestamp).toBe(1234)
  })

  it('tells the broker’s time where the topic says so', async () => {
    const { producer, clock } = await workbench({ configs: { 'message.timestamp.type': 'LogAppendTime' } })
    const sender = producer()
    expect(await sender.send('orders', { value: 'v', timestamp: 1234 })).toMatchObject({ timestamp: clock.now() })
    expect(await sender.sendBatch('orders', [{ value: 'v', timestamp: 1234 }])).toMatchObject({ ranges: [{ timestamp: clock.now() }] })
  })

  it('serializes keys and values of a typed topic', async () => {
    const { producer, records } = await workbench()
    const orders = topic('orders', { key: int32, value: nullable(json<{ total: number }>()) })
    await producer().send(orders, { key: 7, value: { total: 9.5 } })
    await producer().send(orders, { key: 7, value: null })
    expect(records()[0].key).toEqual(Uint8Array.of(0, 0, 0, 7))
    expect(text(records()[0].value)).toBe('{"total":9.5}')
    expect(records()[1].value).toBeNull()
  })

  it('sends to many topics at once', async () => {
    const { producer, create, values, broker } = await workbench()
    for (const name of ['a', 'b', 'c']) await create(name, 1)
    const sender = producer()
    await sender.sendBatch('a', [{ value: '0' }])
    await Promise.all(['a', 'b', 'c', 'b', 'a'].map((name, i) => sender.send(name, { value: String(i + 1) })))
    expect([values('a'), values('b'), values('c')]).toEqual([['0', '1', '5'], ['2', '4'], ['3']])
    expect(broker.seen(Metadata)).toHaveLength(3)
  })
})

describe('the choice of a partition', () => {
  it('follows the key, for text as for bytes', async () => {
    const { producer } = await workbench({ partitions: 7 })
    const sender = producer()
    for (const key of ['21', 'foobar', '', 'ключ']) {
      const expected = keyPartition(key, 7)
      expect((await sender.send('orders', { key, value: 'v' })).partition).toBe(expected)
      expect((await sender.send('orders', { key: utf8.encode(key), value: 'v' })).partition).toBe(expected)
    }
    expect(keyPartition('21', 7)).toBe(3)
  })

  it('leaves it to the record where it names one', async () => {
    const { producer } = await workbench({ partitions: 7 })
    const sender = producer()
    for (const partition of [0, 6]) expect((await sender.send('orders', { key: '21', value: 'v', partition })).partition).toBe(partition)
  })

  it('asks the user’s partitioner, with the serialized key, and falls back to the default where it has no opinion', async () => {
    const { producer } = await workbench({ partitions: 7 })
    const seen: unknown[] = []
    const sender = producer({
      partitioner: (record, context) => {
        seen.push([record.value, context])
        return record.value === 'mine' ? 5 : undefined
      }
    })
    const orders = topic('orders', { key: int32, value: string })
    expect((await sender.send(orders, { key: 1, value: 'mine' })).partition).toBe(5)
    expect((await sender.send('orders', { key: '21', value: 'default' })).partition).toBe(3)
    expect(seen).toEqual([
      ['mine', { topic: 'orders', key: Uint8Array.of(0, 0, 0, 1), partitionCount: 7 }],
      ['default', { topic: 'orders', key: '21', partitionCount: 7 }]
    ])
  })

  it('keeps records without a key together, and spreads them in the long run', async () => {
    const { producer, batches } = await workbench({ partitions: 4 })
    const sender = producer({ batchSize: 1000 })
    const { partition } = await sender.send('orders', { value: 'x' })
    expect((await sender.send('orders', { value: 'x' })).partition).toBe(partition)
    const { ranges, count } = await sender.sendBatch(
      'orders',
      Array.from({ length: 4000 }, () => ({ value: 'x'.repeat(90) }))
    )
    expect(count).toBe(4000)
    expect(new Set(ranges.map(range => range.partition)).size).toBe(4)
    // Batches of 1000 bytes hold at most nine of them.
    expect([0, 1, 2, 3].flatMap(p => batches('orders', p)).length).toBeLessThan(4000 / 8)
  })

  it('notices that a topic has got more partitions when a record asks for one', async () => {
    const { producer, node, broker } = await workbench()
    const sender = producer()
    await sender.send('orders', { value: 'v' })
    await node
      .connect({ clientId: 'admin' })
      .request(CreatePartitions, { topics: [{ name: 'orders', count: 3, assignments: null }], timeoutMs: 1000, validateOnly: false })
    expect((await sender.send('orders', { value: 'v', partition: 2 })).partition).toBe(2)
    expect(broker.seen(Metadata)).toHaveLength(2)
  })

  it('notices after a while that a topic has got more partitions', async () => {
    const { producer, node, clock } = await workbench()
    const sender = producer({ metadataMaxAgeMs: 1000 })
    await sender.send('orders', { value: 'v' })
    await node
      .connect({ clientId: 'admin' })
      .request(CreatePartitions, { topics: [{ name: 'orders', count: 7, assignments: null }], timeoutMs: 1000, validateOnly: false })
    await sender.send('orders', { key: '21', value: 'v' })
    await clock.advance(1000)
    await sender.send('orders', { key: '21', value: 'v' })
    expect((await sender.send('orders', { key: '21', value: 'v' })).partition).toBe(3)
  })
})

describe('sendBatch', () => {
  it('resolves with the ranges that the records went to', async () => {
    const { producer, clock, values } = await workbench({ partitions: 2 })
    const sender = producer()
    await sender.send('orders', { value: 'before', partition: 1 })
    const records = [0, 1, 1, 0, 1].map((partition, i) => ({ value: String(i), partition, timestamp: 1000 + i }))
    expect(await sender.sendBatch('orders', records)).toEqual({
      topic: 'orders',
      count: 5,
      ranges: [
        { partition: 0, baseOffset: 0, count: 2, timestamp: 1003 },
        { partition: 1, baseOffset: 1, count: 3, timestamp: 1004 }
      ]
    })
    expect(clock.now()).toBeGreaterThan(1004)
    expect([values('orders', 0), values('orders', 1)]).toEqual([
      ['0', '3'],
      ['before', '1', '2', '4']
    ])
  })

  it('joins the ranges of neighbouring batches, and keeps apart those with other records in between', async () => {
    const { producer } = await workbench()
    const sender = producer({ batchSize: 200 })
    const some = (count: number) => Array.from({ length: count }, () => ({ value: 'x'.repeat(50) }))
    const [first, , second] = await Promise.all([
      sender.sendBatch('orders', some(20)),
      sender.send('orders', { value: 'between' }),
      sender.sendBatch('orders', some(20))
    ])
    expect(first.ranges).toMatchObject([{ baseOffset: 0, count: 20 }])
    expect(second.ranges).toMatchObject([{ baseOffset: 21, count: 20 }])
  })

  it('takes no records at all', async () => {
    const { producer, broker } = await workbench()
    expect(await producer().sendBatch('orders', [])).toEqual({ topic: 'orders', count: 0, ranges: [] })
    expect(broker.seen().map(({ api }) => api.name)).toEqual(['Metadata'])
  })

  it('takes records from any iterable, as they come', async () => {
    const { producer, values } = await workbench()
    function* numbers() {
      for (let i = 0; i < 3; i++) yield { value: String(i) }
    }
    expect(await producer().sendBatch('orders', numbers())).toMatchObject({ count: 3 })
    expect(await producer().sendBatch('orders', new Set([{ value: 'set' }]))).toMatchObject({ count: 1 })
    expect(values()).toEqual(['0', '1', '2', 'set'])
  })
})

describe('compression', () => {
  it.each(['none', 'gzip', 'snappy', 'lz4'] as const)('%s can be read back', async compression => {
    const { producer, batches, values } = await workbench()
    const expected = Array.from({ length: 500 }, (_, i) => `value ${i} `.repeat(5))
    await producer({ compression }).sendBatch(
      'orders',
      expected.map(value => ({ value }))
    )
    expect(values()).toEqual(expected)
    const size = batches().reduce((sum, batch) => sum + batch.sizeInBytes, 0)
    if (compression === 'none') expect(size).toBeGreaterThan(25_000)
    else expect(size).toBeLessThan(10_000)
  })
})

describe('topics that do not exist', () => {
  it('come into being by being sent to', async () => {
    const { producer, node } = await workbench()
    await producer().send('payments', { value: 'v' })
    expect(node.topics.get('payments')?.partitions).toHaveLength(1)
  })

  it('get the partitions and configs that a typed topic describes', async () => {
    const { producer, node } = await workbench()
    const payments = topic('payments', { value: string, partitions: 5, configs: { 'retention.ms': 1000 } })
    await producer().send(payments, { value: 'v' })
    expect(node.topics.get('payments')?.partitions).toHaveLength(5)
    expect(nodeOf(node).metadata.topics.get('payments')?.configs.get('retention.ms')).toBe('1000')
  })

  it('stay as they are when they exist already, whatever a typed topic says', async () => {
    const { producer, node } = await workbench({ partitions: 2 })
    await producer().send(topic('orders', { value: string, partitions: 5 }), { value: 'v' })
    expect(node.topics.get('orders')?.partitions).toHaveLength(2)
  })

  it('are created once when several producers are the first', async () => {
    const { producer, node } = await workbench()
    const payments = topic('payments', { value: string, partitions: 5 })
    await Promise.all(Array.from({ length: 5 }, (_, i) => producer().send(payments, { value: String(i), partition: i })))
    expect(node.topics.get('payments')?.partitions).toHaveLength(5)
  })

  it('can be deleted and created anew without the producer losing a record', async () => {
    const { producer, node, values, create } = await workbench()
    const sender = producer()
    await sender.send('orders', { value: 'old' })
    await node.connect({ clientId: 'admin' }).request(DeleteTopics, { topics: [{ name: 'orders' }], timeoutMs: 1000 })
    await create('orders', 1)
    expect(await sender.send('orders', { value: 'new' })).toMatchObject({ offset: 0 })
    expect(values()).toEqual(['new'])
  })
})

describe('events', () => {
  it('tell of every batch that was delivered, tried again or given up', async () => {
    const { producer, broker, clock } = await workbench()
    const told: unknown[] = []
    const sender = producer({ deliveryTimeoutMs: 1000 })
    for (const event of ['delivered', 'retry', 'failed', 'closed'] as const)
      sender.on(event, (detail?: object) => told.push([event, detail]))
    await sender.sendBatch('orders', [{ value: 'a' }, { value: 'b' }])
    broker.on(Produce).once().answer('NOT_ENOUGH_REPLICAS')
    broker.on(Produce).once().answer('INVALID_RECORD')
    const sent = sender.send('orders', { value: 'c' })
    sent.catch(() => {})
    await clock.advance(500)
    await expect(sent).rejects.toMatchObject({ code: 'INVALID_RECORD', topic: 'orders', partition: 0 })
    await sender.close()
    const at = { topic: 'orders', partition: 0 }
    expect(told).toEqual([
      ['delivered', { ...at, baseOffset: 0, recordCount: 2, sizeInBytes: 77 }],
      [
        'retry',
        { ...at, recordCount: 1, attempts: 1, delayMs: expect.any(Number), error: expect.objectContaining({ code: 'NOT_ENOUGH_REPLICAS' }) }
      ],
      ['failed', { ...at, recordCount: 1, error: expect.objectContaining({ code: 'INVALID_RECORD' }) }],
      ['closed', undefined]
    ])
  })
})

describe('a validated topic', () => {
  it('refuses a value that its schema refuses', async () => {
    const { producer } = await workbench()
    const orders = topic('orders', { value: validated(json(), z.object({ total: z.number().positive() })) })
    await expect(producer().send(orders, { value: { total: -1 } })).rejects.toThrow(
      /^The value of a record for `orders` does not fit: Expected a value that the schema accepts/
    )
  })
})
