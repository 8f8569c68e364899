/** An event bus inside one service: parts that do not know each other, joined by topics, each with its own pace and its own place. */
import { Cluster, json, string, topic } from 'millrace'

const orders = topic('orders', { key: string, value: json<{ item: string; total: number }>(), partitions: 3 })

await using cluster = await Cluster.open()
await using producer = cluster.producer()

// A part of the service is a group. Each sees every event, whatever the others do, and in order per key.
await using billing = cluster.consumer({ groupId: 'billing', topics: [orders], autoOffsetReset: 'earliest' })
await using shipping = cluster.consumer({ groupId: 'shipping', topics: [orders], autoOffsetReset: 'earliest' })

await producer.sendBatch(orders, [
  { key: 'ann', value: { item: 'lamp', total: 40 } },
  { key: 'bob', value: { item: 'rug', total: 120 } },
  { key: 'ann', value: { item: 'bulb', total: 5 } }
])

let [invoiced, parcels] = [0, 0]
await Promise.all([
  billing.run({
    eachRecord({ value }) {
      invoiced += value.total
      if (invoiced === 165) void billing.close() // which waits for this handler, so the handler must not wait for it
    }
  }),
  shipping.run({
    eachRecord({ key, value }) {
      console.log(`parcel for ${key}: ${value.item}`)
      if (++parcels === 3) void shipping.close()
    }
  })
])
console.log(`invoiced: ${invoiced}`)
