import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Cluster, type Consumer, type Producer } from '../../../src/index.js'
import { fileStorage } from '../../../src/storage/file/index.js'

const valueBytes = 500
const mebibyte = 1024 * 1024
/** More than a producer may be ahead, several times over. */
const totalBytes = 24 * mebibyte
const mostBehind = 8 * mebibyte

type Read = (consumer: Consumer, seen: () => void) => Promise<void>
type Send = (producer: Producer, count: number, sent: (records: number) => void) => Promise<void>

const readers: { readonly [name: string]: Read } = {
  'for await over records': async (consumer, seen) => {
    for await (const _ of consumer) seen()
  },
  'for await over batches': async (consumer, seen) => {
    for await (const batch of consumer.batches()) for (const _ of batch) seen()
  },
  'a cursor': async (consumer, seen) => {
    for await (const batch of consumer.batches()) for (const cursor = batch.cursor(); cursor.next(); ) seen()
  },
  'run, eachRecord that returns at once': (consumer, seen) => consumer.run({ eachRecord: seen }),
  'run, eachRecord with a promise': (consumer, seen) => consumer.run({ eachRecord: async () => seen() }),
  'run, eachBatch': (consumer, seen) =>
    consumer.run({
      eachBatch: async batch => {
        for (const _ of batch) seen()
      }
    }),
  'run, by key': (consumer, seen) => consumer.run({ orderBy: 'key', concurrency: 4, eachRecord: async () => seen() }),
  'run, by key, at once': (consumer, seen) => consumer.run({ orderBy: 'key', concurrency: 4, eachRecord: seen }),
  'dead letters': (consumer, seen) =>
    consumer.run({
      eachRecord: () => {
        throw new Error('No')
      },
      deadLetter: async () => seen()
    })
}

const record = (number: number) => ({ key: `k${number % 7}`, value: Buffer.alloc(valueBytes) })
const records = (count: number) => Array.from({ length: count }, (_, number) => record(number))

const batchesOf =
  (size: number): Send =>
  async (producer, count, sent) => {
    const batch = records(size)
    for (let number = 0; number < count; number += size) {
      sent(size)
      await producer.sendBatch('t', batch)
    }
  }

const senders: { readonly [name: string]: Send } = {
  'sendBatch of 100': batchesOf(100),
  'sendBatch of 1000': batchesOf(1000),
  'send without waiting, and flush': async (producer, count, sent) => {
    for (let number = 0; number < count; number++) {
      sent(1)
      producer.send('t', record(number)).catch(() => {})
      if (number % 100 === 0) await null
      if (number % 2000 === 0) await producer.flush()
    }
  },
  'await send': async (producer, count, sent) => {
    for (let number = 0; number < count; number++) {
      sent(1)
      await producer.send('t', record(number))
    }
  }
}

interface Setting {
  readonly partitions?: number
  /** A directory, instead of memory. */
  readonly directory?: string
  readonly configs?: { readonly [name: string]: number }
}

/**
 * The most that a reader was behind the producer at any time, in bytes. All of them read
 * everything.
 */
async function farthestBehind(send: Send, reads: readonly Read[], setting: Setting = {}): Promise<number> {
  const { partitions = 1, directory, configs = {} } = setting
  await using cluster = await Cluster.open({ ...(directory !== undefined && { storage: fileStorage(directory) }) })
  await cluster.admin().createTopic({ name: 't', partitions, configs })
  const count = Math.ceil(totalBytes / valueBytes / 1000) * 1000
  const seen = reads.map(() => 0)
  let sent = 0
  let farthest = 0
  const consumers = reads.map((_, index) => cluster.consumer({ groupId: `g${index}`, topics: ['t'], autoOffsetReset: 'earliest' }))
  for (const consumer of consumers) await consumer.start()
  const done = consumers.map(async (consumer, index) => {
    await new Promise<void>((resolve, reject) => {
      reads[index](consumer, () => {
        if (++seen[index] === count) resolve()
      }).then(() => reject(new Error('The reader ended')), reject)
    })
  })
  await send(cluster.producer(), count, more => {
    sent += more
    farthest = Math.max(farthest, sent - Math.min(...seen))
  })
  await Promise.all(done)
  return farthest * valueBytes
}

describe('a reader beside a producer at full speed', () => {
  for (const [name, read] of Object.entries(readers)) {
    it(`keeps up: ${name}`, async () => {
      expect(await farthestBehind(senders['sendBatch of 1000'], [read])).toBeLessThan(mostBehind)
    })
  }

  for (const [name, send] of Object.entries(senders)) {
    it(`keeps up with ${name}, whatever the other readers are, with four partitions`, { timeout: 60_000 }, async () => {
      expect(await farthestBehind(send, Object.values(readers), { partitions: 4 })).toBeLessThan(mostBehind)
    })
  }
})

describe('a reader beside a producer at full speed, on a disk', () => {
  const onDisk = async (send: Send, reads: readonly Read[], setting: Setting) => {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-'))
    try {
      return await farthestBehind(send, reads, { ...setting, directory })
    } finally {
      await rm(directory, { recursive: true })
    }
  }

  for (const name of ['for await over records', 'a cursor', 'run, eachRecord with a promise', 'run, by key', 'dead letters']) {
    const read = readers[name]
    it(`keeps up: ${name}`, async () => {
      expect(await onDisk(senders['sendBatch of 100'], [read], {})).toBeLessThan(mostBehind)
    })
  }

  for (const name of ['sendBatch of 1000', 'send without waiting, and flush']) {
    const send = senders[name]
    it(`keeps up with ${name}, beside another, with four partitions and small segments`, { timeout: 60_000 }, async () => {
      const reads = [readers['for await over records'], readers['run, by key']]
      expect(await onDisk(send, reads, { partitions: 4, configs: { 'segment.bytes': mebibyte } })).toBeLessThan(mostBehind)
    })
  }
})
