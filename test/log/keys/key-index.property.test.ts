import { describe, expect, it } from 'vitest'
import { textBytes } from '../../../src/common/bytes.js'
import { type Random, randomInteger, seededRandom } from '../../../src/common/random.js'
import { ConflictError, KafkaError } from '../../../src/errors.js'
import { Log } from '../../../src/log/log.js'
import { controlTypeOf, transactionMarkerBatch } from '../../../src/record/control-record.js'
import { RecordBatch } from '../../../src/record/record-batch.js'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.js'
import { VirtualClock } from '../../../src/testing/virtual-clock.js'
import { batchesOf, hour } from '../compaction/helpers.js'
import { noon } from '../helpers.js'

const keys = Array.from({ length: 12 }, (_, i) => `key-${i}`)
const bytesOf = keys.map(textBytes)
const value = 'v'.repeat(3000)
const asCoordinator = { origin: 'coordinator' } as const

/** The last offset of each key, as a reader of committed records finds it. */
async function scanned(log: Log): Promise<(number | 'none')[]> {
  const last = new Map<string, number>()
  const open = new Map<number, Map<string, number>>()
  for (const batch of await batchesOf(log)) {
    if (batch.isControl) {
      const [marker] = batch.records()
      const undecided = marker && open.get(batch.producerId)
      if (!marker) continue
      open.delete(batch.producerId)
      if (undecided && controlTypeOf(marker.key) === 'COMMIT')
        for (const [key, offset] of undecided) last.set(key, Math.max(offset, last.get(key) ?? -1))
      continue
    }
    let into = last
    if (batch.isTransactional) {
      into = open.get(batch.producerId) ?? new Map()
      open.set(batch.producerId, into)
    }
    for (const { key, offset } of batch.records()) if (key && offset >= log.logStartOffset) into.set(new TextDecoder().decode(key), offset)
  }
  return keys.map(key => last.get(key) ?? 'none')
}

interface World {
  readonly disk: SimulatedDisk
  readonly random: Random
  readonly clock: VirtualClock
  /** What a node keeps of the log beside it. */
  readonly kept: { recoveryPoint: number; logStartOffset: number; firstDirtyOffset: number }
  log: Log
}

async function open({ disk, random, clock, kept }: Omit<World, 'log'>): Promise<Log> {
  const storage = disk.mount({ syncEachAppend: random.next() < 0.3, maxSyncWriteBytes: random.next() < 0.5 ? 0 : 100_000 })
  const keep = async () => {
    const { recoveryPoint, logStartOffset, firstDirtyOffset } = log
    Object.assign(kept, { recoveryPoint, logStartOffset, firstDirtyOffset })
  }
  const log: Log = await Log.open(storage, 'orders-0', {
    clock,
    ...kept,
    saveRecoveryPoint: keep,
    keyIndex: true,
    cleanupPolicy: 'compact,delete',
    segmentBytes: 30_000,
    retentionMs: -1,
    minCleanableDirtyRatio: 0,
    deleteRetentionMs: hour
  })
  await keep()
  return log
}

function batch(random: Random, options = {}): Uint8Array {
  const records = Array.from({ length: 1 + randomInteger(random, 3) }, () => ({
    key: keys[randomInteger(random, keys.length)],
    value: random.next() < 0.2 ? null : value,
    timestamp: noon
  }))
  return RecordBatch.of(records, options).bytes
}

const harmless = (error: unknown) => {
  if (!(error instanceof KafkaError)) throw error
}

const steps: readonly [weight: number, step: (world: World) => Promise<void>][] = [
  // Several at once, so that some are under way while others are looked at.
  [30, async ({ log, random }) => void (await Promise.all(Array.from({ length: 4 }, () => tried(() => log.append(batch(random))))))],
  [
    20,
    async ({ log, random }) => {
      const expected = await log.lastOffsets(bytesOf)
      const appends = Array.from({ length: 4 }, () => {
        const i = randomInteger(random, keys.length)
        const lastOffset = random.next() < 0.7 ? expected[i] : randomInteger(random, log.logEndOffset + 1)
        const record = { key: keys[i], value, timestamp: noon }
        return tried(() => log.append(RecordBatch.of([record]).bytes, { condition: { keys: [{ key: bytesOf[i], lastOffset }] } }))
      })
      await Promise.all(appends)
    }
  ],
  [
    10,
    async ({ log, random }) => {
      const producerId = 1 + randomInteger(random, 3)
      await tried(() => log.append(batch(random, { producerId, producerEpoch: 0, baseSequence: 0, transactional: true }), asCoordinator))
    }
  ],
  [
    8,
    async ({ log, random }) => {
      await decide(log, random, 1 + randomInteger(random, 3))
    }
  ],
  [
    3,
    async ({ log, random }) =>
      void (await tried(() =>
        log.deleteRecordsBefore(log.logStartOffset + randomInteger(random, log.logEndOffset - log.logStartOffset + 1))
      ))
  ],
  [
    2,
    async ({ log, random }) =>
      void (await tried(() => log.truncateTo(Math.max(log.logStartOffset, log.logEndOffset - randomInteger(random, 8)))))
  ],
  [
    6,
    async ({ log, clock, random }) => {
      for (const producerId of [1, 2, 3]) await decide(log, random, producerId)
      await clock.advance(random.next() < 0.5 ? hour + 1 : 0)
      await log.compact({ force: true }).catch(harmless)
    }
  ],
  [
    3,
    async ({ log, disk, random }) => {
      disk.capacityBytes = Object.values(disk.files()).reduce((sum, bytes) => sum + bytes, 0) + randomInteger(random, 20_000)
      for (let i = 0; i < 8; i++) await Promise.all([tried(() => log.append(batch(random))), tried(() => log.append(batch(random)))])
      disk.capacityBytes = Number.POSITIVE_INFINITY
      await tried(() => log.append(batch(random)))
    }
  ],
  [
    5,
    async world => {
      const { log, kept } = world
      await log.close()
      Object.assign(kept, { recoveryPoint: log.logEndOffset, logStartOffset: log.logStartOffset, firstDirtyOffset: log.firstDirtyOffset })
      if (world.random.next() < 0.2) world.disk.flipBit(/\.keys$/)
      world.log = await open(world)
    }
  ],
  [
    5,
    async world => {
      if (world.random.next() < 0.5) void tried(() => world.log.append(batch(world.random)))
      world.disk.crash(world.random.next() < 0.5 ? 'process' : 'power')
      world.log = await open(world)
    }
  ]
]

async function decide(log: Log, random: Random, producerId: number): Promise<void> {
  const type = random.next() < 0.5 ? 'COMMIT' : 'ABORT'
  const marker = transactionMarkerBatch({ type, producerId, producerEpoch: 0, coordinatorEpoch: 1, timestamp: noon })
  await tried(() => log.append(marker, asCoordinator))
}

async function tried(append: () => unknown): Promise<void> {
  try {
    await append()
  } catch (error) {
    harmless(error)
  }
}

function draw(random: Random) {
  let ticket = randomInteger(
    random,
    steps.reduce((sum, [weight]) => sum + weight, 0)
  )
  return (steps.find(([weight]) => (ticket -= weight) < 0) as (typeof steps)[number])[1]
}

const seeds = Number(process.env.KEY_INDEX_SEEDS ?? 12)
const firstSeed = Number(process.env.KEY_INDEX_SEED ?? 1)

describe('the index of keys', () => {
  it.each(Array.from({ length: seeds }, (_, i) => firstSeed + i))(
    'says what a look at the whole log says, whatever befalls the log (seed %i)',
    async seed => {
      const random = seededRandom(seed)
      const disk = new SimulatedDisk({ random: seededRandom(seed + 1000) })
      const clock = new VirtualClock(noon)
      const parts = { disk, random, clock, kept: { recoveryPoint: 0, logStartOffset: 0, firstDirtyOffset: 0 } }
      const world: World = { ...parts, log: await open(parts) }
      for (let step = 0; step < 60; step++) {
        await draw(random)(world)
        expect(await world.log.lastOffsets(bytesOf), `step ${step}`).toEqual(await scanned(world.log))
      }
      await world.log.close()
    }
  )

  it('lets no update be lost, whatever fails and whoever else writes', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const random = seededRandom(seed)
      const disk = new SimulatedDisk({ random: seededRandom(seed + 1000) })
      const storage = disk.mount({ syncEachAppend: true, maxSyncWriteBytes: 0 })
      const log = await Log.open(storage, 'accounts-0', { clock: new VirtualClock(noon), keyIndex: true, segmentBytes: 4000 })
      const accounts = keys.slice(0, 3)
      const taken = new Map(accounts.map(account => [account, 0]))
      const writer = async () => {
        for (let round = 0; round < 20; round++) {
          const account = accounts[randomInteger(random, accounts.length)]
          const key = textBytes(account)
          try {
            const [lastOffset] = await log.lastOffsets([key])
            const sum = lastOffset === 'none' ? 0 : await sumAt(log, lastOffset)
            const bytes = RecordBatch.of([{ key: account, value: String(sum + 1), timestamp: noon }]).bytes
            await log.append(bytes, { condition: { keys: [{ key, lastOffset }] } })
            taken.set(account, (taken.get(account) as number) + 1)
          } catch (error) {
            if (!(error instanceof ConflictError) && (error as KafkaError).code !== 'KAFKA_STORAGE_ERROR') throw error
          }
          if (random.next() < 0.05) disk.capacityBytes = disk.capacityBytes === 0 ? Number.POSITIVE_INFINITY : 0
        }
      }
      await Promise.all(Array.from({ length: 6 }, writer))
      disk.capacityBytes = Number.POSITIVE_INFINITY
      for (const [account, count] of taken) {
        const [lastOffset] = await log.lastOffsets([textBytes(account)])
        expect(lastOffset === 'none' ? 0 : await sumAt(log, lastOffset), `seed ${seed}`).toBe(count)
      }
      await log.close()
    }
  })
})

async function sumAt(log: Log, offset: number): Promise<number> {
  for (const batch of await batchesOf(log, offset))
    for (const record of batch.records()) if (record.offset === offset) return Number(new TextDecoder().decode(record.value as Uint8Array))
  throw new Error(`There is no record at ${offset}`)
}
