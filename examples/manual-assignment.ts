/** Reading without a group: partitions chosen by hand, from any offset, nothing committed anywhere. */
import { Cluster, string, topic } from 'millrace'

const log = topic('log', { key: string, value: string, partitions: 2 })

await using cluster = await Cluster.open()
await using producer = cluster.producer()
await producer.sendBatch(
  log,
  Array.from({ length: 10 }, (_, n) => ({ partition: n % 2, value: `line ${n}` }))
)

await using consumer = cluster.consumer({ value: string })
const lines = { topic: log.name, partition: 1 }
consumer.assign([lines])
consumer.seek({ ...lines, offset: 3 })

// To the end and no further: the lag is what is still to come.
for await (const { partition, offset, value } of consumer) {
  console.log(`partition ${partition}, offset ${offset}: ${value}`)
  const [{ lag }] = await consumer.lag()
  if (lag === 0) break
}
