import { expectTypeOf, test } from 'vitest'
import type { Cluster } from '../../src/cluster.js'
import { json, string } from '../../src/record/serde.js'
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

test('handlers get typed records', () => {
  const consumer = cluster.consumer({ topics: [visits] })
  void consumer.run({ eachRecord: record => expectTypeOf(record.value.url).toEqualTypeOf<string>() })
  void consumer.run({ eachBatch: batch => expectTypeOf(batch.recordCount).toEqualTypeOf<number>() })
})
