import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { KafkaError } from '../../src/errors.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { fileStorage } from '../../src/storage/file/index.js'
import { readRecords } from '../log/helpers.js'
import { mount, unmount } from './mount.js'

const text = (bytes: Uint8Array | null) => new TextDecoder().decode(bytes ?? undefined)
let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-directory-'))
})
afterEach(() => {
  chmodSync(directory, 0o700)
  rmSync(directory, { recursive: true })
}, 60_000)

async function failureOf(open: Promise<Cluster>): Promise<KafkaError> {
  try {
    await (await open).close()
  } catch (error) {
    expect(error).toBeInstanceOf(KafkaError)
    return error as KafkaError
  }
  throw new Error('It opened')
}

/** How many files of a directory this process has open. */
function openFiles(path: string): number {
  return readdirSync('/proc/self/fd').filter(fd => targetOf(fd).startsWith(path)).length
}

function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return '' // Closed meanwhile.
  }
}

describe('thousands of partitions', () => {
  it('are written, closed in order, opened again and read, with few files open', { timeout: 120_000 }, async () => {
    const partitions = 500
    const storage = () => fileStorage(directory, { maxOpenFiles: 100 })
    const cluster = await Cluster.open({ storage: storage() })
    const admin = cluster.admin()
    for (const name of ['orders', 'clicks']) await admin.createTopic({ name, partitions })
    const producer = cluster.producer()
    const sends: Promise<unknown>[] = []
    for (const name of ['orders', 'clicks'])
      for (let partition = 0; partition < partitions; partition++)
        sends.push(producer.send(name, { partition, value: `${name} ${partition}` }))
    await Promise.all(sends)
    expect(openFiles(directory)).toBeLessThanOrEqual(101)
    await cluster.close()

    const again = await Cluster.open({ storage: storage() })
    for (const name of ['orders', 'clicks']) {
      const topic = again.topic(name)
      expect(topic.partitions.length).toBe(partitions)
      for (const { log, partition } of topic.partitions) {
        const records = await readRecords(log)
        expect(records.map(({ value }) => text(value))).toEqual([`${name} ${partition}`])
      }
    }
    expect(openFiles(directory)).toBeLessThanOrEqual(101)
    await again.close()
    expect(openFiles(directory)).toBe(0)
  })
})

describe('a topic that is deleted', () => {
  it('while it is read tells its readers, and its files go', async () => {
    const cluster = await Cluster.open({ storage: fileStorage(directory) })
    const admin = cluster.admin()
    await admin.createTopic({ name: 'orders', partitions: 1, configs: { 'segment.bytes': 20_000 } })
    const producer = cluster.producer()
    await producer.sendBatch(
      'orders',
      Array.from({ length: 500 }, (_, i) => ({ value: `${i}`.padEnd(500) }))
    )
    const { log } = cluster.topic('orders').partitions[0]
    const client = (cluster.node as NonNullable<Cluster['node']>).connect({ clientId: 'reader' })
    const fetch = (fetchOffset: number, maxWaitMs: number) =>
      client.request(Fetch, {
        maxWaitMs,
        minBytes: 1,
        maxBytes: 5000,
        topics: [
          { topic: 'orders', topicId: cluster.topic('orders').id, partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 5000 }] }
        ]
      })
    const waiting = fetch(500, 60_000)
    const reading = readRecords(log, 0, 3000).then(
      records => records.length,
      error => error
    )
    await admin.deleteTopics(['orders'])
    const outcome = await reading
    if (outcome !== 500) expect(outcome).toBeInstanceOf(KafkaError)
    const { responses } = await waiting
    expect(responses[0].partitions[0].errorCode).not.toBe(0)
    await cluster.close()
    expect(readdirSync(directory).filter(name => name.startsWith('orders'))).toEqual([])
    const again = await Cluster.open({ storage: fileStorage(directory) })
    expect(again.topics.has('orders')).toBe(false)
    await again.close()
  })
})

describe('a directory that cannot be opened', () => {
  it('for it may not be written to, is refused with its name', async context => {
    // To root, permissions are nothing: only a file system that is mounted read-only will do.
    if (process.getuid?.() !== 0) chmodSync(directory, 0o500)
    else if (!mount(directory, 'ro,size=1m')) return context.skip('No file system may be mounted here')
    try {
      const error = await failureOf(Cluster.open({ storage: fileStorage(directory) }))
      expect([error.code, error.message]).toEqual(['STORAGE_FAILED', expect.stringContaining(directory)])
    } finally {
      if (process.getuid?.() === 0) unmount(directory)
    }
  })

  it('for it is a file, is refused with its name', async () => {
    const file = join(directory, 'data')
    writeFileSync(file, 'something else')
    const error = await failureOf(Cluster.open({ storage: fileStorage(file) }))
    expect([error.code, error.message]).toEqual(['STORAGE_FAILED', expect.stringContaining(file)])
    expect(readFileSync(file, 'utf8')).toBe('something else')
  })

  it('for something in it is a folder where a file should be, is refused with its name', async () => {
    mkdirSync(join(directory, 'meta.properties'))
    const error = await failureOf(Cluster.open({ storage: fileStorage(directory) }))
    expect(error.message).toContain('meta.properties')
  })

  it('for a newer version wrote it, is refused and left as it is', async () => {
    const properties = 'version=2\ncluster.id=abcdefghijklmnopqrstuv\nnode.id=0\n'
    writeFileSync(join(directory, 'meta.properties'), properties)
    const error = await failureOf(Cluster.open({ storage: fileStorage(directory) }))
    expect(error.message).toMatch(/meta\.properties.*version|version.*meta\.properties/)
    expect(error.message).toContain('2')
    expect(readFileSync(join(directory, 'meta.properties'), 'utf8')).toBe(properties)
    expect(readdirSync(directory)).toEqual(['meta.properties'])
  })

  it('can be opened once the reason is gone: a failed opening holds no lock', async () => {
    writeFileSync(join(directory, 'meta.properties'), 'version=9\n')
    await failureOf(Cluster.open({ storage: fileStorage(directory) }))
    rmSync(join(directory, 'meta.properties'))
    await (await Cluster.open({ storage: fileStorage(directory) })).close()
  })
})
