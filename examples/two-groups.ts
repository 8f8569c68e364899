/** Members of one group share the work; a second group sees everything once more. */
import { Cluster } from 'millrace'

await using cluster = await Cluster.open()
await cluster.admin().createTopics([{ name: 'jobs', partitions: 4 }])

const seen: { [reader: string]: number } = {}
const work = (groupId: string, name: string) => {
  const consumer = cluster.consumer({ groupId, topics: ['jobs'], autoOffsetReset: 'earliest' })
  seen[name] = 0
  const done = consumer.run({
    eachBatch(batch) {
      seen[name] += batch.recordCount
    }
  })
  return { consumer, done }
}
const readers = [work('workers', 'worker 1'), work('workers', 'worker 2'), work('audit', 'auditor')]

await using producer = cluster.producer()
await producer.sendBatch(
  'jobs',
  Array.from({ length: 1000 }, (_, n) => ({ key: `job-${n}`, value: `do ${n}` }))
)

while (Object.values(seen).reduce((sum, count) => sum + count, 0) < 2000) await new Promise(setImmediate)
await Promise.all(readers.map(({ consumer }) => consumer.close()))
await Promise.all(readers.map(({ done }) => done))

console.log(`worker 1 and 2 together: ${seen['worker 1'] + seen['worker 2']}, auditor: ${seen.auditor}`)
