import { expectTypeOf, test } from 'vitest'
import type { Cluster } from '../../src/cluster.js'
import { int32, json, nullable, string } from '../../src/record/serde.js'
import { topic } from '../../src/record/topic.js'

declare const cluster: Cluster
const visits = topic('visits', { key: string, value: json<{ url: string }>() })

test('records are typed by the topics that a consumer is given', async () => {
  for await (const record of cluster.consumer({ topics: [visits] })) {
    expectTypeOf(record.key).toEqualTypeOf<string>()
    expectTypeOf(record.value).toEqualTypeOf<{ url: string }>()
  }
})

test('records of topics given by name are bytes, or what the serdes of the consumer say', async () => {
  for await (const record of cluster.consumer({ topics: ['orders'] })) expectTypeOf(record.value).toEqualTypeOf<Uint8Array>()
  for await (const record of cluster.consumer({ topics: [/orders/], value: string })) expectTypeOf(record.value).toEqualTypeOf<string>()
})

test('several topics give a choice of types', async () => {
  const consumer = cluster.consumer({ topics: [visits, 'orders'] })
  for await (const batch of consumer.batches()) {
    for (const record of batch) expectTypeOf(record.value).toEqualTypeOf<{ url: string } | Uint8Array>()
    expectTypeOf(batch.cursor().key()).toEqualTypeOf<string | Uint8Array>()
  }
})

test('a comparison of the topic narrows the record', async () => {
  const counts = topic('counts', { key: string, value: int32 })
  const consumer = cluster.consumer({ topics: [visits, counts, 'orders'] })
  for await (const record of consumer) {
    if (record.topic === 'visits') expectTypeOf(record.value).toEqualTypeOf<{ url: string }>()
    else if (record.topic === 'counts') expectTypeOf(record.value).toEqualTypeOf<number>()
    else expectTypeOf(record.value).toEqualTypeOf<Uint8Array>()
    // @ts-expect-error: the consumer does not read this topic
    if (record.topic === 'refunds') break
  }
  for await (const batch of consumer.batches()) {
    if (batch.topic === 'counts') for (const record of batch) expectTypeOf(record.value).toEqualTypeOf<number>()
  }
  void consumer.run({
    eachRecord: record => {
      if (record.topic === 'counts') expectTypeOf(record.value).toEqualTypeOf<number>()
    }
  })
})

test('readers of a topic with tombstones see null', async () => {
  const users = topic('users', { key: string, value: nullable(json<{ name: string }>()) })
  for await (const { value } of cluster.consumer({ topics: [users] })) expectTypeOf(value).toEqualTypeOf<{ name: string } | null>()
})

test('handlers get typed records', () => {
  const consumer = cluster.consumer({ topics: [visits] })
  void consumer.run({ eachRecord: record => expectTypeOf(record.value.url).toEqualTypeOf<string>() })
  void consumer.run({ eachBatch: batch => expectTypeOf(batch.recordCount).toEqualTypeOf<number>() })
})
