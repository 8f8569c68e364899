import { describe, expectTypeOf, it } from 'vitest'
import type { Producer } from '../../src/producer/producer.js'
import type { ProducerEvents } from '../../src/producer/producer-events.js'
import type { RecordMetadata, SendBatchResult } from '../../src/producer/receipt.js'
import { bytes, int32, json, nullable, string } from '../../src/record/serde.js'
import { topic } from '../../src/record/topic.js'

declare const producer: Producer
const pageViews = topic('page-views', { key: string, value: json<{ url: string }>() })
const counts = topic('counts', { key: int32, value: int32 })

describe('send', () => {
  it('takes the keys and values of a typed topic', () => {
    expectTypeOf(producer.send(pageViews, { key: 'u-42', value: { url: '/' } })).resolves.toEqualTypeOf<RecordMetadata>()
    producer.send(counts, { key: 1, value: 2 })
    // @ts-expect-error: the value has another type
    producer.send(pageViews, { key: 'u-42', value: { path: '/' } })
    // @ts-expect-error: the key has another type
    producer.send(counts, { key: '1', value: 1 })
  })

  it('takes text and bytes for a plain name, and for a topic of bytes', () => {
    producer.send('orders', { key: 'k', value: Uint8Array.of(1), headers: { a: ['1', null] } })
    producer.send(topic('orders'), { key: 'k', value: 'v' })
    // @ts-expect-error: a number needs a serde
    producer.send('orders', { value: 5 })
    // @ts-expect-error: a record has a value, if only null
    producer.send('orders', { key: 'k' })
  })
})

describe('a tombstone', () => {
  it('is taken by a topic whose serde is nullable', () => {
    producer.send(topic('users', { key: string, value: nullable(json<{ name: string }>()) }), { key: 'u-42', value: null })
    producer.sendBatch(topic('raw', { value: nullable(bytes) }), [{ value: null }, { value: 'text' }])
  })

  it('is taken by a topic that is given by its name', () => {
    producer.send('orders', { key: 'k', value: null })
  })

  it('is refused by any other topic', () => {
    // @ts-expect-error: the topic has no tombstones
    producer.send(counts, { key: 1, value: null })
    // @ts-expect-error: the topic has no tombstones
    producer.sendBatch(pageViews, [{ key: 'u-42', value: null }])
  })
})

describe('sendBatch', () => {
  it('takes any iterable of records', () => {
    expectTypeOf(producer.sendBatch(counts, [{ key: 1, value: 2 }])).resolves.toEqualTypeOf<SendBatchResult>()
    producer.sendBatch('orders', new Set([{ value: 'v' }]))
    // @ts-expect-error: the value has another type
    producer.sendBatch(counts, [{ value: 'v' }])
  })
})

describe('events', () => {
  it('are typed', () => {
    producer.on('delivered', event => expectTypeOf(event.baseOffset).toEqualTypeOf<number>())
    expectTypeOf<keyof ProducerEvents>().toEqualTypeOf<'delivered' | 'failed' | 'retry' | 'error' | 'closed'>()
    // @ts-expect-error: there is no such event
    producer.on('sent', () => {})
  })
})
