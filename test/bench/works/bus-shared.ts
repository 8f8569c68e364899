import { million, type Work } from '../contest.js'
import { KeyedInbox, messagesOf } from '../messages.js'
import { Cluster, string, topic } from '../peers/millrace.js'
import type { Setting } from '../setting.js'

const shared = topic('shared', { key: string, value: string, partitions: 6 })

async function run(setting: Setting, consumerCount: number) {
  const count = setting.count(2_000_000)
  const messages = messagesOf(100)
  const cluster = await Cluster.open()
  await cluster.admin().createTopics([shared])
  const producer = cluster.producer()
  const inbox = new KeyedInbox(count)
  const end = new AbortController()
  const options = { groupId: 'workers', topics: [shared], autoOffsetReset: 'earliest' } as const
  const consumers = Array.from({ length: consumerCount }, () => cluster.consumer(options))
  await Promise.all(consumers.map(consumer => consumer.start()))
  const started = performance.now()
  const reading = consumers.map(async consumer => {
    for await (const batch of consumer.batches({ signal: end.signal })) {
      for (const { key, value } of batch) inbox.see(key, value)
    }
  })
  const read = Promise.allSettled(reading)
  for (let sent = 0; sent < count; sent += messages.length) await producer.sendBatch(shared, messages)
  await Promise.race([inbox.done, Promise.all(reading)])
  const elapsed = performance.now() - started
  end.abort()
  await read
  await cluster.close()
  return { rate: count / elapsed / 1000 }
}

export const busShared: Work = {
  name: 'bus-shared',
  title: 'Work shared by a group',
  about:
    'Keyed messages of 100 bytes to a topic of 6 partitions, read as batches of records by the members of one group, in memory. The order of each key is checked.',
  metrics: [million],
  contestants: [1, 3, 6].map(members => ({
    name: `millrace: 6 partitions, ${members === 1 ? 'one consumer' : `${members} consumers`}`,
    role: 'us',
    run: setting => run(setting, members)
  }))
}
