/** A unit test of code that talks to Kafka, on the real thing: a cluster in memory, fresh for each test. Run it with `node --test`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cluster, json, type KafkaError, type Producer, string, topic } from 'millrace'

// The code under test: it would be imported from elsewhere.
const orders = topic('orders', { key: string, value: json<{ item: string }>(), partitions: 3 })

async function placeOrder(producer: Producer, customer: string, item: string): Promise<'placed' | 'try later'> {
  try {
    await producer.send(orders, { key: customer, value: { item } })
    return 'placed'
  } catch (error) {
    if ((error as KafkaError).retriable) return 'try later'
    throw error
  }
}

test('an order is written under the name of its customer', async () => {
  await using cluster = await Cluster.open()
  await using producer = cluster.producer()
  assert.equal(await placeOrder(producer, 'ann', 'lamp'), 'placed')

  await using consumer = cluster.consumer({ groupId: 'test', topics: [orders], autoOffsetReset: 'earliest' })
  for await (const { key, value } of consumer) {
    assert.deepEqual({ key, value }, { key: 'ann', value: { item: 'lamp' } })
    break
  }
})
