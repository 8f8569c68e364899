/**
 * The main job, from end to end: real records are produced to a topic while two consumer groups work on them, one counting, one
 * copying them to a file; then a third group replays the topic from its start and must come to the same result.
 *
 *     npm start
 *     npm start -- FILE.ndjson [--key FIELD] [--topic NAME]
 */
import { createWriteStream } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster, type ConsumedBatch, json, string, topic } from 'millrace'
import { readArguments } from './lib/arguments.js'
import type { Input, Row } from './lib/input.js'
import { Progress } from './lib/progress.js'
import { printReport } from './lib/report.js'
import { Tally } from './lib/tally.js'

async function main(input: Input, topicName: string, progress: Progress): Promise<void> {
  // In memory a topic keeps its newest 64 MiB per partition, unless told otherwise; the replay wants all of it.
  const records = topic(topicName, { key: string, value: json<Row>(), partitions: 6, configs: { 'retention.bytes': -1 } })
  await using cluster = await Cluster.open()
  await cluster.admin().createTopics([records])

  let sent = 0
  const produced = produce()
  const [statistics, copy, { ms }] = await Promise.all([count('statistics'), copyToFile('copy'), produced])
  progress.end()
  if (sent === 0) throw new Error(`${input.title}: not one record to work with`)

  // A group that is new to the cluster starts where the log starts.
  const replay = await count('replay')
  progress.end()

  const logs = cluster.topic(topicName).partitions.map(partition => partition.log)
  printReport({ input, topicName, logs, produced: { records: sent, ms }, statistics, copy, replay })
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
  async function read(groupId: string, handle: (batch: ConsumedBatch<string, Row>) => void | Promise<void>) {
    const start = performance.now()
    let seen = 0
    let complete = false
    await using consumer = cluster.consumer({ groupId, topics: [records], autoOffsetReset: 'earliest' })
    const stop = () => {
      complete = true
      if (seen >= sent) return consumer.close()
    }
    void produced.then(stop, stop)
    for await (const batch of consumer.batches()) {
      await handle(batch)
      seen += batch.records.length
      progress.report(groupId, seen, (seen / Math.max(seen, sent)) * input.share)
      if (complete && seen >= sent) break
    }
    return { records: seen, ms: performance.now() - start }
  }

  async function count(groupId: string) {
    const tally = new Tally()
    const result = await read(groupId, batch => {
      for (const { key, value } of batch.records) tally.add(key, input.meanField ? Number(value[input.meanField]) : 0)
    })
    return { ...result, tally }
  }

  async function copyToFile(groupId: string) {
    const path = join(await mkdtemp(join(tmpdir(), 'millrace-')), `${topicName}.ndjson`)
    const file = createWriteStream(path)
    const result = await read(groupId, async batch => {
      const lines = batch.records.map(record => `${JSON.stringify(record.value)}\n`)
      if (!file.write(lines.join(''))) await new Promise(resolve => file.once('drain', resolve))
    })
    await new Promise<void>(resolve => file.end(resolve))
    return { ...result, path, bytes: file.bytesWritten }
  }
}

const progress = new Progress()
try {
  const { input, topicName } = await readArguments(process.argv.slice(2), progress)
  await main(input, topicName, progress)
} catch (error) {
  progress.note(`${(error as Error).message}`)
  process.exitCode = 1
}
