/** Topics, configs, groups and offsets, as an operator sees them. */
import { Cluster } from 'millrace'

await using cluster = await Cluster.open()
const admin = cluster.admin()

await admin.createTopics([{ name: 'visits', partitions: 2, configs: { 'retention.ms': 86_400_000 } }])
await admin.createPartitions('visits', 4)
await admin.alterConfigs('visits', { 'retention.bytes': 1_000_000 })
const [visits] = await admin.describeTopics(['visits'])
console.log(`${visits.name}: ${visits.partitions.length} partitions`)

await using producer = cluster.producer()
await producer.sendBatch(
  'visits',
  Array.from({ length: 100 }, (_, n) => ({ key: `user-${n}`, value: '/' }))
)

const consumer = cluster.consumer({ groupId: 'counters', topics: ['visits'], autoOffsetReset: 'earliest' })
let count = 0
for await (const _ of consumer) {
  if (++count < 100) continue
  await consumer.commit() // the record in hand too: `break` alone does not say that it is done with
  break
}
await consumer.close()

for (const group of await admin.listGroups()) console.log(`${group.groupId}: ${group.state}`)
console.log(await offsets())

// The group is to read everything again: only possible while it has no members.
await admin.resetGroupOffsets('counters', { to: 'earliest' })
console.log(await offsets())

// Records before offset 10 of partition 0 are not needed any more.
await admin.deleteRecords([{ topic: 'visits', partition: 0, before: 10 }])
await admin.deleteGroups(['counters'])
await admin.deleteTopics(['visits'])
console.log(await admin.listTopics())

async function offsets(): Promise<string> {
  const committed = await admin.listGroupOffsets('counters')
  return committed.map(({ topic, partition, offset }) => `${topic}-${partition}: ${offset}`).join(', ')
}
