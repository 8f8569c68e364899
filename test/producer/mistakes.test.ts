import { describe, expect, it } from 'vitest'
import type { ProducerOptions } from '../../src/producer/options.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { int32, json, type Serde, string } from '../../src/record/serde.js'
import { topic } from '../../src/record/topic.js'
import { workbench } from './workbench.js'

describe('a mistake in a record is refused at the call', () => {
  it.each([
    [{}, 'A record for `orders` needs a `value`, got `undefined`; `null` makes it a tombstone'],
    [{ value: 5 }, 'Expected the value of a record for `orders` to be a string, a Uint8Array or null, got `5`'],
    [{ value: { a: 1 } }, 'Expected the value of a record for `orders` to be a string, a Uint8Array or null, got `an object`'],
    [{ value: 'v', key: 7 }, 'Expected the key of a record for `orders` to be a string, a Uint8Array or null, got `7`'],
    [{ value: 'v', partition: -1 }, 'Expected the partition of a record for `orders` to be a non-negative integer, got `-1`'],
    [{ value: 'v', partition: '0' }, "Expected the partition of a record for `orders` to be a non-negative integer, got `'0'`"],
    [
      { value: 'v', timestamp: -5 },
      'Expected the timestamp of a record for `orders` to be milliseconds since 1970, a non-negative integer, got `-5`'
    ],
    [
      { value: 'v', timestamp: new Date() },
      'Expected the timestamp of a record for `orders` to be milliseconds since 1970, a non-negative integer, got `a Date`'
    ],
    [{ value: 'v', headers: 'h' }, "Expected the headers of a record for `orders` to be an object or a list, got `'h'`"],
    [{ value: 'v', headers: { h: 1 } }, 'Expected the header `h` of a record for `orders` to be a string, a Uint8Array or null, got `1`'],
    [
      { value: 'v', headers: [['h']] },
      'Expected the header `h` of a record for `orders` to be a string, a Uint8Array or null, got `undefined`'
    ],
    [{ value: 'v', headers: [{ value: 'x' }] }, 'Expected the name of a header for `orders` to be a string, got `undefined`'],
    [[{ value: 'v' }], 'Expected a record for `orders` to be an object, `{ key, value, … }`, got `an array`; `sendBatch` takes many'],
    [null, 'Expected a record for `orders` to be an object, `{ key, value, … }`, got `null`'],
    ['v', "Expected a record for `orders` to be an object, `{ key, value, … }`, got `'v'`"]
  ])('%j', async (record, message) => {
    const { producer, values } = await workbench()
    const sender = producer()
    for (const _round of ['topic unknown', 'topic known']) {
      await expect(sender.send('orders', record as never)).rejects.toThrow(new TypeError(message))
      await expect(sender.sendBatch('orders', [record as never])).rejects.toThrow(new TypeError(message))
    }
    await sender.send('orders', { value: 'fine' })
    expect(values()).toEqual(['fine'])
  })

  it('of a typed topic with the topic and the field', async () => {
    const { producer } = await workbench()
    const orders = topic('orders', { key: int32, value: string })
    const sender = producer()
    await expect(sender.send(orders, { key: 1.5, value: 'v' })).rejects.toThrow(
      new TypeError('The key of a record for `orders` does not fit: Expected an integer of 32 bits, got `1.5`')
    )
    await expect(sender.send(orders, { key: 1, value: 2 as never })).rejects.toThrow(
      new TypeError('The value of a record for `orders` does not fit: Expected a string, got `2`')
    )
    await expect(sender.send(topic('orders', { value: json() }), { value: () => 1 })).rejects.toThrow(TypeError)
  })

  it('of a serde, as SERIALIZATION with its cause', async () => {
    const { producer } = await workbench()
    const cause = new Error('no')
    const broken: Serde<string> = {
      serialize() {
        throw cause
      },
      deserialize: () => ''
    }
    const odd = { ...broken, serialize: () => 5 as never }
    const sender = producer()
    await expect(sender.send(topic('orders', { value: broken }), { value: 'v' })).rejects.toMatchObject({
      code: 'SERIALIZATION',
      topic: 'orders',
      message: 'The value of a record for `orders` does not fit: no',
      cause
    })
    await expect(sender.send(topic('orders', { value: odd }), { value: 'v' })).rejects.toThrow(
      new TypeError('Expected the value serializer of `orders` to return a Uint8Array, a string or null, got `5`')
    )
  })

  it('of a partitioner', async () => {
    const { producer } = await workbench({ partitions: 3 })
    await expect(producer({ partitioner: () => 3 }).send('orders', { value: 'v' })).rejects.toThrow(
      new TypeError('Expected the partitioner to choose a partition of `orders` from 0 to 2, got `3`')
    )
    await expect(producer({ partitioner: () => null as never }).send('orders', { value: 'v' })).rejects.toThrow(TypeError)
    const failing = () => {
      throw new Error('lost')
    }
    await expect(producer({ partitioner: failing }).send('orders', { value: 'v' })).rejects.toThrow('lost')
  })
})

describe('a record that is too large', () => {
  it('is refused with its size and the limit', async () => {
    const { producer, values } = await workbench()
    const sender = producer({ maxRequestSize: 1000 })
    const value = 'x'.repeat(950)
    await expect(sender.send('orders', { value })).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
      topic: 'orders',
      message: 'A record for `orders` takes up to 1047 bytes, more than the 1000 that `maxRequestSize` allows'
    })
    await sender.send('orders', { value: 'x'.repeat(900) })
    expect(values()).toHaveLength(1)
  })

  it('is measured by its bytes', async () => {
    const { producer } = await workbench()
    const sender = producer({ maxRequestSize: 1000 })
    await sender.send('orders', { key: 'x'.repeat(400), value: 'x'.repeat(400) })
    await expect(sender.send('orders', { value: '値'.repeat(400) })).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
  })

  it('for the buffer is refused likewise', async () => {
    const { producer } = await workbench()
    await expect(producer({ bufferMemory: 1000 }).send('orders', { value: 'x'.repeat(2000) })).rejects.toThrow(
      'more than the 1000 that `bufferMemory` allows'
    )
  })
})

describe('a sendBatch with a mistake in it', () => {
  it('delivers the records before it and says what became of each', async () => {
    const { producer, values } = await workbench()
    const records = [{ value: 'a' }, { value: 'b' }, { value: 5 as never }, { value: 'd' }]
    await expect(producer().sendBatch('orders', records)).rejects.toMatchObject({
      code: 'DELIVERY_FAILED',
      message: expect.stringMatching(/^2 of 4 records for `orders` were not delivered: Expected the value/),
      delivered: { topic: 'orders', count: 2, ranges: [{ partition: 0, baseOffset: 0, count: 2 }] },
      failures: [{ partition: undefined, indexes: [2, 3], error: expect.any(TypeError) }],
      cause: expect.any(TypeError)
    } as never)
    expect(values()).toEqual(['a', 'b'])
  })

  it('closes the iterator that it took records from', async () => {
    const { producer } = await workbench()
    let isClosed = false
    function* records() {
      try {
        yield { value: 'a' }
        yield { value: 5 as unknown as string }
      } finally {
        isClosed = true
      }
    }
    await expect(producer().sendBatch('orders', records())).rejects.toMatchObject({ failures: [{ indexes: [1] }] })
    expect(isClosed).toBe(true)
  })

  it('passes on what the iterator throws', async () => {
    const { producer } = await workbench()
    // biome-ignore lint/correctness/useYield: it fails before it has anything to yield
    function* records(): Iterable<{ value: string }> {
      throw new Error('source failed')
    }
    await expect(producer().sendBatch('orders', records())).rejects.toThrow('source failed')
  })

  it.each([[undefined], [5], ['text'], [{ value: 'v' }]])('that is not a list at all is refused: %j', async records => {
    const { producer } = await workbench()
    await expect(producer().sendBatch('orders', records as never)).rejects.toThrow(
      /^Expected `records` to be an array or another iterable, got/
    )
  })
})

describe('topics and partitions that do not exist', () => {
  it('a partition beyond the last is refused by number, after one look whether it has been added', async () => {
    const { producer, broker } = await workbench({ partitions: 3 })
    const sender = producer()
    await sender.send('orders', { value: 'v' })
    await expect(sender.send('orders', { value: 'v', partition: 3 })).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
      topic: 'orders',
      partition: 3,
      message: 'There is no partition 3 in `orders`, which has partitions 0 to 2'
    })
    expect(broker.seen(Metadata)).toHaveLength(2)
  })

  it.each([[''], ['a b'], ['..'], ['x'.repeat(250)], [undefined], [null], [5], [{}]])(
    'a name that no topic can have is refused: %j',
    async name => {
      const { producer } = await workbench()
      await expect(producer().send(name as string, { value: 'v' })).rejects.toThrow(/^Expected a topic name/)
      await expect(producer().sendBatch(name as string, [{ value: 'v' }])).rejects.toThrow(/^Expected a topic name/)
    }
  )

  it('a topic that does not exist is refused where it may not be created', async () => {
    const { producer, clock, node } = await workbench()
    const sent = producer({ allowAutoTopicCreation: false }).send('payments', { value: 'v' })
    sent.catch(() => {})
    await clock.advance(10_000)
    await expect(sent).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
      topic: 'payments',
      message: 'There is no topic `payments`'
    })
    expect(node.topics.has('payments')).toBe(false)
  })

  it('records wait for a topic that cannot be looked up, up to maxBlockMs', async () => {
    const { producer, broker, clock } = await workbench()
    broker.on(Metadata).loseRequest()
    const sent = producer({ maxBlockMs: 1000 }).send('orders', { value: 'v' })
    sent.catch(() => {})
    await clock.advance(1000)
    await expect(sent).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT', message: 'Within 1000 ms, nothing was learnt about `orders`' })
  })

  it('an internal topic cannot be written', async () => {
    const { producer, clock } = await workbench()
    const sent = producer().send('__consumer_offsets', { value: 'v' })
    sent.catch(() => {})
    await clock.advance(10_000)
    await expect(sent).rejects.toMatchObject({ topic: '__consumer_offsets' })
  })
})

describe('options', () => {
  it.each<[unknown, string]>([
    [{ batchSise: 1 }, 'Unknown option `batchSise` of a producer'],
    [{ acks: 2 }, "Expected `acks` to be one of `'all'`, `1`, `0`, `-1`, got `2`"],
    [{ compression: 'brotli' }, "Expected `compression` to be one of `'none'`, `'gzip'`, `'snappy'`, `'lz4'`, `'zstd'`, got `'brotli'`"],
    [{ batchSize: 0 }, 'Expected `batchSize` to be an integer from 1 to'],
    [{ lingerMs: -1 }, 'Expected `lingerMs` to be a non-negative integer, got `-1`'],
    [{ bufferMemory: 0 }, 'Expected `bufferMemory` to be a positive integer, got `0`'],
    [{ maxRequestSize: 1.5 }, 'Expected `maxRequestSize` to be an integer'],
    [{ deliveryTimeoutMs: 0 }, 'Expected `deliveryTimeoutMs` to be a positive integer, got `0`'],
    [{ requestTimeoutMs: '5' }, 'Expected `requestTimeoutMs` to be an integer'],
    [{ retryBackoffMs: Number.NaN }, 'Expected `retryBackoffMs`'],
    [{ retryBackoffMaxMs: null }, 'Expected `retryBackoffMaxMs`'],
    [{ maxBlockMs: -1 }, 'Expected `maxBlockMs`'],
    [{ partitioner: 'murmur2' }, "Expected `partitioner` to be a function, got `'murmur2'`"],
    [{ clientId: '' }, 'Expected `clientId` to be a non-empty string'],
    [{ allowAutoTopicCreation: 1 }, 'Expected `allowAutoTopicCreation` to be one of `true`, `false`, got `1`'],
    [{ lingerMs: 1000, deliveryTimeoutMs: 1000 }, 'Expected `deliveryTimeoutMs` to be more than `lingerMs`, 1000, got `1000`']
  ])('%j are refused when the producer is made', async (options, message) => {
    const { producer } = await workbench()
    expect(() => producer(options as ProducerOptions)).toThrow(message)
    expect(() => producer(options as ProducerOptions)).toThrow(TypeError)
  })

  it('that are undefined count as left out', async () => {
    const { producer } = await workbench()
    await producer({ acks: undefined, batchSize: undefined }).send('orders', { value: 'v' })
  })
})
