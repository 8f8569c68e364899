import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { seededRandom } from '../../src/common/random.js'
import { KafkaError } from '../../src/errors.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'
import { fileStorage } from '../../src/storage/file/index.js'
import type { Storage } from '../../src/storage/storage.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { readRecords } from '../log/helpers.js'
import { mount, unmount } from './mount.js'

/** A disk on which there is little room, until some is made. */
interface SmallDisk {
  mount(): Storage
  makeRoom(): void
}

const text = (bytes: Uint8Array | null) => new TextDecoder().decode(bytes ?? undefined)

async function valuesOf(cluster: Cluster, partition: number): Promise<string[]> {
  return (await readRecords(cluster.topic('orders').partitions[partition].log)).map(({ value }) => text(value).trimEnd())
}

/** Writes until the disk is full, and goes on when there is room again. */
async function fill(disk: SmallDisk, segmentBytes: number): Promise<void> {
  const cluster = await Cluster.open({ storage: disk.mount(), configs: { 'offsets.topic.num.partitions': 1 } })
  const told: unknown[] = []
  cluster.on('error', ({ error }) => told.push(error))
  const admin = cluster.admin()
  await admin.createTopic({ name: 'orders', partitions: 2, configs: { 'segment.bytes': segmentBytes, 'retention.ms': -1 } })
  const producer = cluster.producer({ deliveryTimeoutMs: 300, requestTimeoutMs: 200, retryBackoffMs: 5, retryBackoffMaxMs: 20 })
  const acknowledged: string[][] = [[], []]
  let failure: unknown
  const send = async (i: number) => {
    const { partition } = await producer.send('orders', { value: `${i}`.padEnd(2000), partition: i % 2 })
    acknowledged[partition].push(`${i}`)
  }
  let next = 0
  for (; failure === undefined && next < 10_000; next++) {
    try {
      await send(next)
    } catch (error) {
      failure = error
    }
  }

  expect(failure).toBeInstanceOf(KafkaError)
  expect(String(failure)).toMatch(/room|ENOSPC/)
  expect(String(told[0])).toMatch(/room|ENOSPC/)
  expect(acknowledged[0].length).toBeGreaterThan(5)
  // The last try of a record may still be under way when its time is over: whoever gave up on it does not know whether it arrives.
  const givenUp = `${next - 1}`
  const decided = (values: string[]) => values.filter(value => value !== givenUp)
  for (const partition of [0, 1]) expect(decided(await valuesOf(cluster, partition))).toEqual(acknowledged[partition])

  const seen: string[] = []
  const consumer = cluster.consumer({ topics: ['orders'], autoOffsetReset: 'earliest' })
  for await (const { value } of consumer) {
    seen.push(...decided([text(value).trimEnd()]))
    if (seen.length === acknowledged.flat().length) break
  }
  await consumer.close()
  expect(seen.sort()).toEqual(acknowledged.flat().sort())

  disk.makeRoom()
  for (let i = 0; i < 40; i++) await send(next++)
  const client = (cluster.node as NonNullable<Cluster['node']>).connect({ clientId: 'test' })
  const partitions = [{ partitionIndex: 0, committedOffset: 7, committedMetadata: null }]
  const commit = await client.request(OffsetCommit, { groupId: 'analytics', memberId: '', topics: [{ name: 'orders', partitions }] })
  expect(commit.topics[0].partitions[0].errorCode).toBe(0)
  await cluster.close()

  const again = await Cluster.open({ storage: disk.mount(), configs: { 'offsets.topic.num.partitions': 1 } })
  for (const partition of [0, 1]) expect(decided(await valuesOf(again, partition))).toEqual(acknowledged[partition])
  await using reader = again.admin()
  expect(await reader.listGroupOffsets('analytics')).toMatchObject([{ topic: 'orders', partition: 0, offset: 7 }])
  await again.close()
}

describe('a disk that is full', () => {
  for (const syncEachAppend of [false, true]) {
    it(`refuses writers, serves readers, and goes on when there is room; simulated${syncEachAppend ? ', each append synced' : ''}`, async () => {
      for (let seed = 1; seed <= 4; seed++) {
        const disk = new SimulatedDisk({ random: seededRandom(seed), capacityBytes: 60_000 + 777 * seed })
        await fill({ mount: () => disk.mount({ syncEachAppend }), makeRoom: () => (disk.capacityBytes = 10_000_000) }, 8000)
      }
    })
  }

  const directory = mkdtempSync(join(tmpdir(), 'millrace-full-'))
  const isMounted = mount(directory, 'size=8m')
  if (!isMounted) console.log('No file system may be mounted here, so that a real full disk is left out')
  afterAll(() => {
    if (isMounted) unmount(directory)
    rmSync(directory, { recursive: true })
  })

  for (const durability of ['os', 'always'] as const) {
    it.skipIf(!isMounted)(
      `refuses writers, serves readers, and goes on when there is room; a real one, durability ${durability}`,
      async () => {
        const ballast = join(directory, 'ballast')
        writeFileSync(ballast, new Uint8Array(6_000_000))
        const data = join(directory, durability)
        await fill({ mount: () => fileStorage(data, { durability }), makeRoom: () => rmSync(ballast) }, 200_000)
        rmSync(data, { recursive: true })
      }
    )
  }
})
