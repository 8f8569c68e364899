import { describe, expectTypeOf, it } from 'vitest'
import { z } from 'zod'
import { int64, json, type Serde, string, validated } from '../../src/record/serde.js'
import { type KeyOf, type SendableOf, type TypedTopic, topic, type ValueOf } from '../../src/record/topic.js'

interface PageView {
  readonly url: string
}

const pageViews = topic('page-views', { key: string, value: json<PageView>(), partitions: 6 })

describe('a typed topic', () => {
  it('has the types of its serdes', () => {
    expectTypeOf(pageViews).toEqualTypeOf<TypedTopic<string, PageView, 'page-views'>>()
    expectTypeOf<KeyOf<typeof pageViews>>().toEqualTypeOf<string>()
    expectTypeOf<ValueOf<typeof pageViews>>().toEqualTypeOf<PageView>()
  })

  it('carries bytes where nothing else is said, as a plain name does', () => {
    expectTypeOf(topic('raw')).toEqualTypeOf<TypedTopic<Uint8Array, Uint8Array, 'raw'>>()
    expectTypeOf(topic('counts', { value: int64 })).toEqualTypeOf<TypedTopic<Uint8Array, number, 'counts'>>()
    expectTypeOf<ValueOf<'raw'>>().toEqualTypeOf<Uint8Array>()
  })

  it('of bytes takes text to send, others take their own type only', () => {
    expectTypeOf<SendableOf<Uint8Array>>().toEqualTypeOf<Uint8Array | string>()
    expectTypeOf<SendableOf<PageView>>().toEqualTypeOf<PageView>()
  })

  it('has a plain string for its name where that is all that the compiler knows', () => {
    const name: string = 'counts'
    expectTypeOf(topic(name, { value: int64 })).toEqualTypeOf<TypedTopic<Uint8Array, number>>()
    expectTypeOf(topic<string, PageView>('page-views', { key: string, value: json() })).toEqualTypeOf<TypedTopic<string, PageView>>()
  })

  it('takes no options that it does not know', () => {
    // @ts-expect-error: it is `partitions`
    topic('page-views', { partitionCount: 6 })
  })

  it('takes no serde that can only write', () => {
    // @ts-expect-error: `deserialize` is missing
    topic('page-views', { value: { serialize: (value: PageView) => value.url } })
  })
})

describe('a validator', () => {
  const schema = z.object({ url: z.string(), ms: z.number().default(0) })

  it('gives its type to the values', () => {
    expectTypeOf(json(schema)).toEqualTypeOf<Serde<{ url: string; ms: number }>>()
    expectTypeOf(validated(string, z.enum(['free', 'pro']))).toEqualTypeOf<Serde<'free' | 'pro'>>()
  })
})
