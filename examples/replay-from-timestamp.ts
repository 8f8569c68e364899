/** Reading again from a point in time: every partition is asked for its first record of that time or later. */
import { Cluster, json, string, topic } from 'millrace'

const readings = topic('readings', { key: string, value: json<{ celsius: number }>(), partitions: 2 })
const noon = Date.UTC(2026, 0, 1, 12)
const minute = 60_000

await using cluster = await Cluster.open()
await using producer = cluster.producer()
for (let n = 0; n < 120; n++) {
  await producer.send(readings, { key: `sensor-${n % 4}`, value: { celsius: n / 10 }, timestamp: noon + n * minute })
}

await using consumer = cluster.consumer({ topics: [readings] })
await consumer.start()
await consumer.seekToTimestamp(noon + 115 * minute)

let count = 0
for await (const record of consumer) {
  console.log(new Date(record.timestamp).toISOString(), record.key, record.value.celsius)
  if (++count === 5) break
}
