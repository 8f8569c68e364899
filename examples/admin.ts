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
for await (const _ of consumer) if (++count === 100) break
await consumer.close()

for (const group of await admin.listGroups()) console.log(`${group.groupId}: ${group.state}`)
console.log(await admin.groupOffsets('counters'))

// The group is to read everything again: only possible while it has no members.
await admin.resetOffsets('counters', 'visits', 'earliest')
console.log(await admin.groupOffsets('counters'))

// What lies before offset 10 of partition 0 is not needed any more.
await admin.deleteRecords('visits', { 0: 10 })
await admin.deleteGroups(['counters'])
await admin.deleteTopics(['visits'])
console.log(await admin.listTopics())
