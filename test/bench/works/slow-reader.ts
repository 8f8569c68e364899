import { million, type Work } from '../contest.js'
import { Inbox, messagesOf } from '../messages.js'
import { Cluster, type Consumer, string, topic } from '../peers/millrace.js'
import type { Setting } from '../setting.js'
import { stalls } from '../stalls.js'

/** What the partition keeps for a reader that is behind. */
const mostBytesKept = 16 * 2 ** 20
const bytesPerRecord = 120
const groups = 3

const target = topic('shared', {
  key: string,
  value: string,
  partitions: 1,
  configs: { 'retention.bytes': mostBytesKept, 'segment.bytes': 2 ** 20 }
})
type Reader = Consumer<typeof target>

/** Reads to the end; `pace` may hold it up after each batch. */
async function read(consumer: Reader, inbox: Inbox, pace: (seen: number) => Promise<void> | undefined): Promise<void> {
  for await (const batch of consumer.batches()) {
    for (const { key, value } of batch) inbox.see(key, value)
    if (inbox.isDone) return
    const pause = pace(inbox.seen)
    if (pause) await pause
  }
}

/** One producer, and groups of which the first reads `slowness` times slower than it would beside the others. */
async function pass(count: number, slowRate: number) {
  const messages = messagesOf(100)
  const cluster = await Cluster.open()
  await cluster.admin().createTopics([target])
  const producer = cluster.producer()
  const inboxes = Array.from({ length: groups }, () => new Inbox(count))
  let missed = 0
  const consumers = inboxes.map((_, index) =>
    cluster.consumer({ groupId: `group-${index}`, topics: [target], autoOffsetReset: 'earliest', maxPartitionFetchBytes: 256 * 1024 })
  )
  for (const consumer of consumers) {
    consumer.on('offsetReset', ({ reason }) => {
      if (reason === 'outOfRange') missed++
    })
    await consumer.start()
  }
  const started = performance.now()
  const slowly = (seen: number) => {
    const early = started + seen / slowRate - performance.now()
    return early > 1 ? new Promise<void>(resolve => setTimeout(resolve, early)) : undefined
  }
  const ended: number[] = []
  // While the partition has room, nobody need be held up.
  const free = Math.min(count, Math.floor(mostBytesKept / bytesPerRecord / 2))
  let freeUntil = 0
  const reading = consumers.map(async (consumer, index) => {
    const isSlow = index === 0 && slowRate !== Number.POSITIVE_INFINITY
    const pace = (seen: number) => {
      if (index === 1 && freeUntil === 0 && seen >= free) freeUntil = performance.now()
      return isSlow ? slowly(seen) : undefined
    }
    await read(consumer, inboxes[index], pace)
    ended[index] = performance.now()
  })
  for (let sent = 0; sent < count; sent += messages.length) await producer.sendBatch(target, messages)
  await Promise.all(reading)
  await cluster.close()
  if (missed > 0) throw new Error('Records were removed before they were read')
  const rate = (records: number, until: number) => records / (until - started) / 1000
  return { rate: rate(count, ended[1]), free: rate(free, freeUntil || ended[1]), slow: rate(count, ended[0]) }
}

async function run(setting: Setting, isOneSlow: boolean) {
  const count = setting.count(2_000_000)
  if (!isOneSlow) return pass(count, Number.POSITIVE_INFINITY)
  const { rate } = await stalls.aside(() => pass(Math.max(1000, count / 4), Number.POSITIVE_INFINITY))
  return pass(count, (rate * 1000) / 10)
}

const [together, oneSlow] = ['millrace: three groups', 'millrace: one of three at a tenth of the speed']

export const slowReader: Work = {
  name: 'slow-reader',
  title: 'A slow reader',
  about:
    'Three groups read messages of 100 bytes from one partition in memory, which keeps 16 MiB. One of them reads at a tenth of the speed: the producer is held when the partition is full, and no group misses a record.',
  metrics: [
    { ...million, title: 'each fast group' },
    { name: 'free', title: 'while the partition is half empty', unit: 'M/s', better: 'more' },
    { name: 'slow', title: 'the slow group', unit: 'M/s', better: 'more' }
  ],
  contestants: [
    { name: together, role: 'us', run: setting => run(setting, false) },
    { name: oneSlow, role: 'us', run: setting => run(setting, true) }
  ],
  goals: [{ row: oneSlow, metric: 'free', of: together, atLeast: 0.8 }],
  rounds: 3
}
