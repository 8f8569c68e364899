/**
 * Whether memory stays flat while many records pass through a bounded topic.
 *
 *     npm run bench:memory [-- --records 10000000]
 */
import { parseArgs } from 'node:util'
import { Cluster, string, topic } from 'millrace'

const { values: args } = parseArgs({ options: { records: { type: 'string', default: '10000000' } } })
const recordCount = Number(args.records)
const windowSize = 1000
const window = Array.from({ length: windowSize }, (_, i) => ({ key: `user-${i % 97}`, value: 'x'.repeat(100) }))
const bounded = topic('bounded', { key: string, value: string, partitions: 1, configs: { 'retention.bytes': '16777216', 'segment.bytes': '4194304' } })

await using cluster = await Cluster.open()
await cluster.admin().createTopics([bounded])
await using producer = cluster.producer()
await using consumer = cluster.consumer({ groupId: 'memory', topics: [bounded], autoOffsetReset: 'earliest' })

const consumed = (async () => {
  let seen = 0
  for await (const batch of consumer.batches()) {
    for (const record of batch) if (record.value !== null) seen++
    if (seen >= recordCount) return seen
  }
  return seen
})()

const mebibytes = (bytes: number) => (bytes / 1048576).toFixed(0).padStart(5)
for (let sent = 0; sent < recordCount; sent += windowSize) {
  await producer.sendBatch(bounded, window)
  if (sent % (recordCount / 10) === 0) {
    const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
    console.log(`${String(sent).padStart(10)} records  rss ${mebibytes(rss)} MiB  heap ${mebibytes(heapUsed)} MiB  buffers ${mebibytes(arrayBuffers)} MiB`)
  }
}
console.log(`${await consumed} records read; rss at the end ${mebibytes(process.memoryUsage().rss)} MiB`)
