/**
 * Read, transform, write, exactly once: what was read and what was made of it are one transaction, so
 * that nothing is lost or doubled by a crash.
 */
import { Cluster, json, string, topic } from 'millrace'

type Order = { readonly item: string; readonly price: number }
type Invoice = { readonly due: number }

const orders = topic('orders', { key: string, value: json<Order>(), partitions: 4 })
const invoices = topic('invoices', { key: string, value: json<Invoice>(), partitions: 4 })

await using cluster = await Cluster.open() // or fileStorage('./data'), or connect({ brokers }) to a Kafka
await using producer = cluster.producer()
await producer.sendBatch(
  orders,
  Array.from({ length: 1000 }, (_, i) => ({ key: `customer-${i % 50}`, value: { item: `item ${i}`, price: i === 500 ? -1 : i } }))
)

const pipe = cluster.pipe({
  from: orders,
  to: invoices,
  groupId: 'invoicing',
  concurrency: 4,
  retry: { attempts: 2, backoffMs: 1 },
  deadLetter: 'orders-not-invoiced',
  transform({ key, value }) {
    if (value.price < 0) throw new Error('no price')
    return { key, value: { due: value.price * 2 } }
  }
})
const running = pipe.run()

await using consumer = cluster.consumer({ topics: [invoices], autoOffsetReset: 'earliest', isolationLevel: 'read_committed' })
let count = 0
let due = 0
for await (const { value } of consumer) {
  due += value.due
  if (++count === 999) break
}
await pipe.close()
await running
console.log(`${count} invoices, ${due} due`)
