/** A record that cannot be decoded does not stop the others: it goes to a topic of its own, as it came, with the reason. */
import { Cluster, json, type RejectedRecord, string, topic } from 'millrace'

const orders = topic('orders', { key: string, value: json<{ total: number }>() })

await using cluster = await Cluster.open()
await using producer = cluster.producer()
await producer.send(orders, { key: 'o-1', value: { total: 3 } })
await producer.send('orders', { key: 'o-2', value: 'total: four' })
await producer.send(orders, { key: 'o-3', value: { total: 5 } })

await using consumer = cluster.consumer({
  groupId: 'sums',
  topics: [orders],
  autoOffsetReset: 'earliest',
  // By default, 'fail', the loop ends with an error; 'skip' leaves the record out.
  rejection: setAside
})

let sum = 0
for await (const { key, value } of consumer) {
  sum += value.total
  if (key === 'o-3') break
}
console.log(`sum: ${sum}`)

await using rejections = cluster.consumer({ groupId: 'repair', topics: ['orders.rejected'], autoOffsetReset: 'earliest' })
for await (const { value, headers } of rejections) {
  const why = headers.map(header => `${header.key}: ${string.deserialize(header.value!)}`)
  console.log(`${string.deserialize(value!)} (${why.join(', ')})`)
  break
}

async function setAside({ topic, partition, offset, key, value, error }: RejectedRecord) {
  const headers = { from: `${topic}/${partition}@${offset}`, error: (error as Error).message }
  await producer.send(`${topic}.rejected`, { key, value, headers })
}
