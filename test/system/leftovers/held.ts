import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster, type ClusterOptions, type Consumer } from '../../../src/index.js'
import { fileStorage } from '../../../src/storage/file/index.js'
import { connect, listen } from '../../../src/wire/index.js'

const value = new Uint8Array(50_000)
const recordCount = 80
export const sentBytes = value.length * recordCount

/** Each reads something, leaves more that was fetched, and returns what a user may hold on to. */
const readings: Record<string, (consumer: Consumer) => Promise<unknown>> = {
  async 'a loop that was left'(consumer) {
    for await (const _ of consumer) break
  },
  async 'a loop by hand'(consumer) {
    const records = consumer.records()
    await records.next()
    return records
  },
  async 'a batch loop by hand'(consumer) {
    const batches = consumer.batches()
    await batches.next()
    return batches
  },
  run: consumer => new Promise<void>(resolve => void consumer.run({ eachRecord: () => resolve() })),
  'run by key': consumer => new Promise<void>(resolve => void consumer.run({ eachRecord: () => resolve(), orderBy: 'key' })),
  async 'nothing, while it is paused'(consumer) {
    await consumer.start()
    consumer.pause()
  }
}

/** Writes and reads a few mebibytes, closes all, and returns all that was closed. */
export const holdings: Record<string, () => Promise<unknown[]>> = {
  'in memory': () => hold({}, false),
  'on disk': async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-held-'))
    const storage = fileStorage(folder)
    const held = await hold({ storage }, false)
    rmSync(folder, { recursive: true })
    return [...held, storage]
  },
  'over the wire': () => hold({}, true)
}

async function hold(options: ClusterOptions, isRemote: boolean): Promise<unknown[]> {
  const here = await Cluster.open({ ...options, configs: { 'offsets.topic.num.partitions': 1 } })
  const listener = await listen(here)
  const cluster = isRemote ? await connect({ brokers: [listener.address] }) : here
  const held: unknown[] = [here, here.node, cluster, listener]
  const producer = cluster.producer({ compression: 'none' })
  held.push(producer)
  for (let i = 0; i < recordCount; i += 20)
    await producer.sendBatch(
      'orders',
      Array.from({ length: 20 }, () => ({ value }))
    )
  held.push(here.topic('orders'), here.topic('orders').partitions[0].log)
  for (const [name, read] of Object.entries(readings)) {
    const consumer = cluster.consumer({ groupId: name, topics: ['orders'], autoOffsetReset: 'earliest' })
    held.push(consumer, await read(consumer))
    await consumer.close()
  }
  await cluster.close()
  await listener.close()
  await here.close()
  return held
}
