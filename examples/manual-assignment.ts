/** Reading without a group: partitions chosen by hand, from any offset, nothing committed anywhere. */
import { Cluster, string, topic } from 'millrace'

const log = topic('log', { key: string, value: string, partitions: 2 })

await using cluster = await Cluster.open()
await using producer = cluster.producer()
await producer.sendBatch(
  log,
  Array.from({ length: 10 }, (_, n) => ({ partition: n % 2, value: `line ${n}` }))
)

await using consumer = cluster.consumer()
consumer.assign([{ topic: log, partition: 1 }])
await consumer.seek({ topic: log, partition: 1, offset: 3 })

// To the end and no further: the lag is what is still to come.
for await (const { partition, offset, value } of consumer) {
  console.log(`partition ${partition}, offset ${offset}: ${value}`)
  if ((await consumer.lag()) === 0) break
}
