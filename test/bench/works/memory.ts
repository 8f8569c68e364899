import type { Work } from '../contest.js'
import { messagesOf } from '../messages.js'
import { Cluster, string, topic } from '../peers/millrace.js'
import type { Setting } from '../setting.js'

const bounded = topic('bounded', {
  key: string,
  value: string,
  partitions: 1,
  configs: { 'retention.bytes': 16 * 2 ** 20, 'segment.bytes': 4 * 2 ** 20 }
})

/** Watches the memory while records pass through a log that is bounded. */
async function run(setting: Setting) {
  const count = setting.count(10_000_000)
  const messages = messagesOf(100)
  const cluster = await Cluster.open()
  await cluster.admin().createTopics([bounded])
  const producer = cluster.producer()
  const consumer = cluster.consumer({ groupId: 'memory', topics: [bounded], autoOffsetReset: 'earliest' })
  await consumer.start()
  const inbox = { seen: 0 }
  const reading = (async () => {
    for await (const batch of consumer.batches()) {
      for (const { value } of batch) if (value.length === 100) inbox.seen++
      if (batch.endOffset >= count) return
    }
  })()
  const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0).padStart(5)
  const resident: number[] = []
  const started = performance.now()
  for (let sent = 0; sent < count; sent += messages.length) {
    await producer.sendBatch(bounded, messages)
    if ((sent / 1000) % Math.ceil(count / 10_000) !== 0) continue
    const { rss, heapUsed, arrayBuffers } = process.memoryUsage()
    resident.push(rss)
    console.log(
      `${String(sent).padStart(11)} records  rss ${mebibytes(rss)} MiB  heap ${mebibytes(heapUsed)} MiB  buffers ${mebibytes(arrayBuffers)} MiB`
    )
  }
  await reading
  const elapsed = performance.now() - started
  const missed = count - inbox.seen
  await cluster.close()
  return {
    rss: Math.max(...resident) / 2 ** 20,
    growth: (resident.at(-1)! - resident[Math.floor(resident.length / 2)]) / 2 ** 20,
    rate: count / elapsed / 1000,
    missed
  }
}

export const memory: Work = {
  name: 'memory',
  title: 'Memory stays flat',
  about:
    '10 million records of 100 bytes (100 million with --scale 10) through a topic that keeps 16 MiB; the consumer reads what it can before it is dropped.',
  metrics: [
    { name: 'rss', title: 'largest RSS', unit: 'MiB', better: 'less' },
    { name: 'growth', title: 'RSS, second half', unit: 'MiB', better: 'less' },
    { name: 'rate', title: 'records', unit: 'M/s', better: 'more' },
    { name: 'missed', title: 'dropped before they were read', unit: 'records', better: 'less' }
  ],
  contestants: [{ name: 'millrace: sendBatch → batches', role: 'us', warmsUp: false, run }],
  goals: [{ row: 'millrace: sendBatch → batches', metric: 'rss', atMost: 120 }],
  chart: null,
  rounds: 1,
  when: 'asked'
}
