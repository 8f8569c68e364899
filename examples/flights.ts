/**
 * The main job, from end to end: real records are produced to a topic while two consumer groups work on them, one counting, one
 * copying them to a file; then a third group replays the topic from its start and must come to the same result.
 *
 *     npm start
 *     npm start -- FILE.ndjson [--key FIELD] [--topic NAME]
 *     npm start -- --dir DIR                  keeps everything in DIR, where the next run finds it
 *     npm start -- --brokers HOST:PORT        the same on a Kafka elsewhere
 */
import { createWriteStream } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster, type ConsumerBatch, json, string, topic } from 'millrace'
import { fileStorage } from 'millrace/file'
import { connect } from 'millrace/wire'
import { type Job, readArguments } from './lib/arguments.js'
import type { Row } from './lib/input.js'
import { Progress } from './lib/progress.js'
import { printReport } from './lib/report.js'
import { Tally } from './lib/tally.js'

async function main({ input, topicName, dir, brokers }: Job, progress: Progress): Promise<void> {
  // In memory a topic keeps its newest 64 MiB per partition, unless told otherwise; the replay wants all of it.
  const records = topic(topicName, { key: string, value: json<Row>(), partitions: 6, configs: { 'retention.bytes': -1 } })
  await using cluster = await (brokers ? connect({ brokers }) : Cluster.open({ storage: dir ? fileStorage(dir) : undefined }))
  const admin = cluster.admin()
  const topics = await admin.listTopics()
  if (!topics.some(({ name }) => name === topicName)) await admin.createTopics([records])

  // Records before these offsets were there before this run.
  const begin = await admin.listOffsets([topicName], 'latest')
  const bytesBefore = bytesInLog()
  let sent = 0
  const produced = produce()
  const [statistics, copy, { ms }] = await Promise.all([count('statistics'), copyToFile('copy'), produced])
  progress.end()
  if (sent === 0) throw new Error(`${input.title}: not one record to work with`)

  // A group that is new to the cluster starts where the log starts.
  const replay = await count(`replay ${new Date().toISOString()}`)
  progress.end()

  const end = await admin.listOffsets([topicName], 'latest')
  const spread = end.map(({ partition, offset }) => offset - beginOf(partition))
  const bytesStored = bytesInLog() - bytesBefore
  printReport({ input, topicName, spread, bytesStored, produced: { records: sent, ms }, statistics, copy, replay })
  if (!replay.tally.equals(statistics.tally)) throw new Error('The replay came to other totals than the first reading')

  async function produce() {
    const start = performance.now()
    await using producer = cluster.producer({ compression: 'lz4' })
    for await (const portion of input.portions()) {
      await producer.sendBatch(records, portion)
      sent += portion.length
      progress.report('produce', sent, input.share)
    }
    return { ms: performance.now() - start }
  }

  /** Hands a group everything that is produced, batch by batch, and leaves once it has seen it all. */
  async function read(groupId: string, handle: (batch: ConsumerBatch<string, Row>) => void | Promise<void>) {
    const start = performance.now()
    await using consumer = cluster.consumer({ groupId, topics: [records], autoOffsetReset: 'earliest' })
    await consumer.start()
    const first = sum(consumer.assignment().map(partition => consumer.position(partition) ?? 0))
    let seen = 0
    let expected = Number.POSITIVE_INFINITY
    const noMoreToCome = produced.then(async () => {
      expected = sum((await consumer.endOffsets()).map(({ offset }) => offset)) - first
      if (seen >= expected) await consumer.close()
    })
    noMoreToCome.catch(() => {})
    for await (const batch of consumer.batches()) {
      await handle(batch)
      seen += batch.recordCount
      progress.report(groupId.split(' ')[0], seen, (seen / Math.max(seen, Math.min(expected, sent))) * input.share)
      if (seen < expected) continue
      await consumer.commit()
      break
    }
    return { records: seen, ms: performance.now() - start }
  }

  async function count(groupId: string) {
    const tally = new Tally()
    let earlier = 0
    const result = await read(groupId, batch => {
      for (const { partition, offset, key, value } of batch) {
        if (offset < beginOf(partition)) earlier++
        else tally.add(key, input.meanField ? Number(value[input.meanField]) : 0)
      }
    })
    return { ...result, tally, earlier }
  }

  async function copyToFile(groupId: string) {
    const path = join(await mkdtemp(join(tmpdir(), 'millrace-')), `${topicName}.ndjson`)
    const file = createWriteStream(path)
    const result = await read(groupId, async batch => {
      const lines = Array.from(batch, record => `${JSON.stringify(record.value)}\n`)
      if (!file.write(lines.join(''))) await new Promise<void>(resolve => file.once('drain', () => resolve()))
    })
    await new Promise<void>(resolve => file.end(() => resolve()))
    return { ...result, path, bytes: file.bytesWritten }
  }

  function beginOf(partition: number): number {
    return begin.find(found => found.partition === partition)?.offset ?? 0
  }

  /** Only known where the log is in this process. */
  function bytesInLog(): number {
    if (!(cluster instanceof Cluster)) return 0
    return sum((cluster.topics.get(topicName)?.partitions ?? []).map(({ log }) => log.sizeInBytes))
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

const progress = new Progress()
try {
  await main(await readArguments(process.argv.slice(2), progress), progress)
} catch (error) {
  progress.note(`${(error as Error).message}`)
  process.exitCode = 1
}
