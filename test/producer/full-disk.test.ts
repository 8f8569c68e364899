import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { seededRandom } from '../../src/common/random.js'
import type { KafkaError } from '../../src/errors.js'
import { fileStorage } from '../../src/storage/file/index.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'

const canMount = process.getuid?.() === 0 && spawnSync('unshare', ['-m', 'true']).status === 0
const kilobytes = (count: number) => new Uint8Array(count * 1024).fill(1)

/** The error with which it rejects; undefined when it resolves. */
const failureOf = (sent: Promise<unknown>): Promise<KafkaError | undefined> =>
  sent.then(
    () => undefined,
    error => error
  )

/** Lets time pass until the promise is settled. */
async function passing<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  let isOver = false
  const over = () => {
    isOver = true
  }
  promise.then(over, over)
  while (!isOver) {
    clock.advance(100)
    await new Promise(setImmediate)
  }
  return promise
}

describe('a producer whose broker has a full disk', () => {
  it('is told so when the delivery timeout ends, also for what waited behind, and sends again when there is room', async () => {
    const clock = new VirtualClock()
    const disk = new SimulatedDisk({ random: seededRandom(1) })
    const cluster = await Cluster.open({ storage: disk.mount(), clock, random: seededRandom(2) })
    const events: string[] = []
    cluster.on('error', ({ error }) => events.push((error as Error).message))
    const producer = cluster.producer({ deliveryTimeoutMs: 3000, requestTimeoutMs: 2000, batchSize: 1024 })
    await producer.send('t', { value: 'a' })
    disk.capacityBytes = 0
    const sends = Array.from({ length: 3 }, () => failureOf(producer.send('t', { value: kilobytes(1) })))
    await expect.poll(() => events.length).toBeGreaterThan(0)
    expect(events[0]).toMatch(/^There was no room for a write to the log `t-0`: .*ENOSPC/)
    for (const failure of await passing(clock, Promise.all(sends))) {
      expect(failure).toMatchObject({ code: 'KAFKA_STORAGE_ERROR', topic: 't', partition: 0 })
      expect(failure?.message).toMatch(/^Not delivered within 3000 ms, in .*; the last error was: There was no room .*ENOSPC/)
      expect(failure?.cause).toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
    }
    disk.capacityBytes = Number.POSITIVE_INFINITY
    expect(await passing(clock, producer.send('t', { value: 'b' }))).toMatchObject({ offset: 1 })
    await passing(clock, cluster.close())
  })

  it('tells the node of it once, for all partitions and tries, until there was room again', async () => {
    const disk = new SimulatedDisk({ random: seededRandom(1) })
    const cluster = await Cluster.open({ storage: disk.mount() })
    const events: string[] = []
    cluster.on('error', ({ error }) => events.push((error as Error).message))
    await cluster.admin().createTopic({ name: 't', partitions: 3 })
    const partitions = cluster.topic('t').partitions
    const produce = async (value: string) => {
      for (const { partition } of partitions) await producer.send('t', { partition, value }).catch(() => {})
    }
    const producer = cluster.producer({ deliveryTimeoutMs: 40, requestTimeoutMs: 20, retryBackoffMs: 1, retryBackoffMaxMs: 2 })
    await produce('a')
    for (let round = 1; round <= 2; round++) {
      disk.capacityBytes = 0
      for (let i = 0; i < 3; i++) await produce('b')
      expect(events.filter(message => message.includes('There was no room'))).toHaveLength(round)
      disk.capacityBytes = Number.POSITIVE_INFINITY
      await producer.send('t', { partition: 0, value: 'c' })
    }
    expect(events).toHaveLength(2)
    await cluster.close()
  })

  it('is told so when its own buffer has been full for too long', async () => {
    const disk = new SimulatedDisk({ random: seededRandom(1) })
    const cluster = await Cluster.open({ storage: disk.mount() })
    cluster.on('error', () => {})
    const producer = cluster.producer({ maxBlockMs: 300, bufferMemory: 64 * 1024, batchSize: 16 * 1024 })
    await producer.send('t', { value: 'a' })
    disk.capacityBytes = 0
    const sends = Array.from({ length: 10 }, () => failureOf(producer.send('t', { value: kilobytes(16) })))
    const failure = await sends.at(-1)
    expect(failure).toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
    expect(failure?.message).toMatch(/^Within 300 ms, the buffer had no room .* is not delivered: There was no room .*ENOSPC/)
    disk.capacityBytes = Number.POSITIVE_INFINITY
    await cluster.close()
    await Promise.allSettled(sends)
  })

  it.runIf(canMount).each(['os', 'interval', 'always'] as const)(
    'is told so by a real file system, with durability %s (needs root)',
    async durability => {
      const home = mkdtempSync(join(tmpdir(), 'millrace-full-'))
      const mounted = join(home, 'disk')
      mkdirSync(mounted)
      expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', mounted]).status).toBe(0)
      try {
        const cluster = await Cluster.open({ storage: fileStorage(join(mounted, 'data'), { durability }) })
        const events: string[] = []
        cluster.on('error', ({ error }) => events.push((error as Error).message))
        const producer = cluster.producer({ deliveryTimeoutMs: 500, requestTimeoutMs: 400 })
        let sent = 0
        const fill = async () => {
          for (; ; sent++) await producer.send('t', { value: kilobytes(20) })
        }
        const failure = await failureOf(fill())
        expect(failure).toMatchObject({ code: 'KAFKA_STORAGE_ERROR', cause: { code: 'KAFKA_STORAGE_ERROR' } })
        expect(failure?.message).toContain('ENOSPC: no space left on device')
        expect(events[0]).toContain('ENOSPC: no space left on device')
        expect(spawnSync('mount', ['-o', 'remount,size=4m', mounted]).status).toBe(0)
        expect(await producer.send('t', { value: 'b' })).toMatchObject({ offset: sent })
        await cluster.close()
      } finally {
        spawnSync('umount', ['-l', mounted])
        rmSync(home, { recursive: true })
      }
    }
  )
})
