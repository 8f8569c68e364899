/** Work that belongs to a partition, such as a running total, moves with it: written down before it goes, read again where it arrives. */
import { Cluster, json, string, topic } from 'millrace'

const payments = topic('payments', { key: string, value: json<{ amount: number }>(), partitions: 4 })
const totals = new Map<number, number>() // what a database would hold

await using cluster = await Cluster.open()
await cluster.admin().createTopics([payments])

async function member(name: string) {
  const mine = new Map<number, number>()
  const consumer = cluster.consumer({
    groupId: 'totals',
    topics: [payments],
    autoOffsetReset: 'earliest',
    onAssigned(partitions) {
      for (const { partition } of partitions) mine.set(partition, totals.get(partition) ?? 0)
      console.log(`${name} gets ${partitions.map(({ partition }) => partition)}`)
    },
    // Called once the records in hand are done with; the partitions move when it has returned.
    onRevoked(partitions) {
      for (const { partition } of partitions) totals.set(partition, mine.get(partition)!)
      console.log(`${name} gives up ${partitions.map(({ partition }) => partition)}`)
    }
  })
  await consumer.start()
  const done = consumer.run({
    eachRecord({ partition, value }) {
      mine.set(partition, mine.get(partition)! + value.amount)
    }
  })
  return { consumer, done }
}

await using producer = cluster.producer()
const pay = (count: number) =>
  producer.sendBatch(
    payments,
    Array.from({ length: count }, (_, n) => ({ key: `customer-${n}`, value: { amount: 1 } }))
  )

const first = await member('first')
await pay(100)
const second = await member('second') // takes over some of the partitions
await pay(100)
await first.consumer.close() // and then the rest
await pay(100)
const isBehind = (lags: { lag: number }[]) => lags.length < 4 || lags.some(({ lag }) => lag > 0)
while (isBehind(await second.consumer.lag())) await new Promise(setImmediate)
await second.consumer.close()
await Promise.all([first.done, second.done])

console.log(`all payments: ${[...totals.values()].reduce((sum, total) => sum + total, 0)}`)
