import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Cluster } from '../../src/index.js'
import { ApiVersions } from '../../src/protocol/messages/api-versions.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { BatchBuilder } from '../../src/record/batch-builder.js'
import { fileStorage } from '../../src/storage/file/index.js'
import { VirtualClock } from '../../src/testing/index.js'
import { type Exchange, listen } from '../../src/wire/index.js'
import { RawClient, requestFrame } from './raw-client.js'

const mebibyte = 1024 * 1024
const valueBytes = 1000
const recordsPerRequest = 60

function produceFrame(): Uint8Array {
  const builder = new BatchBuilder()
  for (let number = 0; number < recordsPerRequest; number++) builder.append(1_700_000_000_000, null, new Uint8Array(valueBytes))
  const records = builder.build()
  return requestFrame(Produce, 9, {
    transactionalId: null,
    acks: 1,
    timeoutMs: 30_000,
    topicData: [{ name: 't', partitionData: [{ index: 0, records }] }]
  })
}

/** The most that a record loop of this process is behind a client that sends batches without waiting for answers, in bytes. */
async function farthestBehind(cluster: Cluster): Promise<number> {
  await cluster.admin().createTopic({ name: 't', partitions: 1 })
  await using listener = await listen(cluster, { port: 0 })
  using client = await RawClient.connect(listener.port)
  const requests = 400
  const log = cluster.topic('t')!.partitions[0]
  const consumer = cluster.consumer({ topics: ['t'], autoOffsetReset: 'earliest' })
  await consumer.start()
  const frame = produceFrame()
  for (let request = 0; request < requests; request++) client.send(frame)
  let seen = 0
  let farthest = 0
  for await (const _ of consumer) {
    farthest = Math.max(farthest, log.logEndOffset - seen)
    if (++seen === requests * recordsPerRequest) break
  }
  return farthest * valueBytes
}

describe('a client that produces without waiting for answers', () => {
  it('does not get ahead of a reader of this process, in memory', async () => {
    await using cluster = await Cluster.open()
    expect(await farthestBehind(cluster)).toBeLessThan(8 * mebibyte)
  })

  it('does not get ahead of a reader of this process, on a disk', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-'))
    try {
      await using cluster = await Cluster.open({ storage: fileStorage(directory) })
      expect(await farthestBehind(cluster)).toBeLessThan(8 * mebibyte)
    } finally {
      await rm(directory, { recursive: true })
    }
  })
})

describe('clients that send thousands of small requests at once', () => {
  it('are answered over many rounds of the event loop, one like the other', async () => {
    // Time that grows with each look: rounds are counted in looks.
    const clock = new VirtualClock()
    await using cluster = await Cluster.open({ clock })
    let served = 0
    const count = (_: Exchange, answer: () => Promise<object>) => {
      served++
      return answer()
    }
    await using listener = await listen(cluster, { port: 0, clock, intercept: count })
    const clients = await Promise.all(Array.from({ length: 4 }, () => RawClient.connect(listener.port)))
    const requests = 1000
    const frames = Array.from({ length: requests }, (_, id) => requestFrame(ApiVersions, 0, {}, id))
    let mostAtOnce = 0
    let before = 0
    for (const client of clients) client.send(...frames)
    while (served < requests * clients.length) {
      await new Promise(resolve => setImmediate(resolve))
      mostAtOnce = Math.max(mostAtOnce, served - before)
      before = served
    }
    expect(mostAtOnce).toBeLessThan(400)
    for (const client of clients) client[Symbol.dispose]()
  })
})
