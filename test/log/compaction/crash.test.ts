import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/common/random.js'
import type { Log } from '../../../src/log/log.js'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.js'
import { VirtualClock } from '../../../src/testing/virtual-clock.js'
import { noon } from '../helpers.js'
import { contents, hour, openCompacted, write } from './helpers.js'

const options = { segmentBytes: 600, deleteRetentionMs: hour, indexIntervalBytes: 60 }
const history = ['a=1 b=1', 'c=1', 'a=2', 'd=1 e=1', 'b=', 'c=2', 'f=1', 'a=3', 'd=', 'g=1', 'e=2', 'x=1', 'x=2', 'x=3']
const compacted = ['6:b=', '7:c=2', '8:f=1', '9:a=3', '10:d=', '11:g=1', '12:e=2', '13:x=1', '14:x=2', '15:x=3']

/** A log that has been written, cleaned in part, written again and synced; on a disk that can crash. */
async function writtenDisk(seed: number) {
  const disk = new SimulatedDisk({ random: seededRandom(seed) })
  const storage = disk.mount()
  const { log, clock } = await openCompacted({ storage, ...options, segmentBytes: 200 })
  await storage.syncFolder('')
  await write(log, ...history.slice(0, 5))
  await log.compact()
  await write(log, ...history.slice(5))
  await log.sync()
  log.configure({ segmentBytes: options.segmentBytes })
  return { disk, log, clock }
}

/** All that was ever written, as `contents` would tell it. */
const everything = history.flatMap(text => text.split(' ')).map((record, offset) => `${offset}:${record}`)

/** What a reader builds from the log: the last value of each key. */
function latest(records: readonly string[]): Map<string, string> {
  const values = new Map<string, string>()
  for (const record of records) {
    const [key, value] = record.slice(record.indexOf(':') + 1).split('=')
    values.set(key, value)
  }
  return values
}

async function expectSound(log: Log, message: string): Promise<void> {
  const found = await contents(log)
  expect(everything, message).toEqual(expect.arrayContaining(found))
  expect(latest(found), message).toEqual(latest(everything))
  expect(found, message).toEqual(everything.filter(record => found.includes(record)))
}

describe.each(['process', 'power'] as const)('a crash (%s) in the middle of a compaction', kind => {
  it('does no harm at any operation of the disk', async () => {
    let operations = 0
    for (let isDone = false; !isDone; operations++) {
      const { disk, log, clock } = await writtenDisk(operations)
      disk.stopAfter(operations)
      const report = await log.compact().catch(() => undefined)
      isDone = report !== undefined && !disk.hasStopped
      disk.crash(kind)
      const message = `stopped after ${operations} operations: ${JSON.stringify(disk.files())}`
      const { log: again } = await openCompacted({ storage: disk.mount(), clock, ...options })
      await expectSound(again, message)
      expect(
        Object.keys(disk.files()).filter(name => /cleaned|swap|deleted/.test(name)),
        message
      ).toEqual([])
      await again.compact({ force: true })
      expect(await contents(again), message).toEqual(compacted)
      await write(again, 'a=4', 'x=4')
      expect((await contents(again)).slice(-2)).toEqual(['16:a=4', '17:x=4'])
      await again.close()
      const { log: third } = await openCompacted({ storage: disk.mount(), clock, ...options })
      expect((await contents(third)).slice(0, compacted.length), message).toEqual(compacted)
    }
    expect(operations).toBeGreaterThan(30)
  })

  it('does no harm while recovery from another crash is under way', async () => {
    for (let first = 15; first < 60; first += 7) {
      for (let second = 0; second < 25; second += 3) {
        const { disk, log, clock } = await writtenDisk(first * 100 + second)
        disk.stopAfter(first)
        await log.compact().catch(() => {})
        disk.crash(kind)
        const half = disk.mount()
        disk.stopAfter(second)
        await openCompacted({ storage: half, clock, ...options }).catch(() => {})
        disk.crash(kind)
        const { log: again } = await openCompacted({ storage: disk.mount(), clock, ...options })
        await expectSound(again, `stopped after ${first} and ${second} operations`)
      }
    }
  })
})

describe('a disk that fails during a compaction', () => {
  it('leaves the log as it was where it fails before the new segment is whole', async () => {
    for (const operation of ['open', 'append', 'sync', 'read'] as const) {
      const { disk, log } = await writtenDisk(1)
      disk.fail({ operation, name: operation === 'read' ? /log$/ : /cleaned$/ })
      await expect(log.compact(), operation).rejects.toThrowError()
      expect(log.failure).toBeUndefined()
      await expectSound(log, operation)
      await log.compact()
      expect((await contents(log)).slice(0, compacted.length)).toEqual(compacted)
      expect(Object.keys(disk.files()).filter(name => /cleaned|swap/.test(name))).toEqual([])
    }
  })

  it('that is full gives way again later', async () => {
    const { disk, log } = await writtenDisk(2)
    disk.capacityBytes = Object.values(disk.files()).reduce((sum, bytes) => sum + bytes, 0) + 50
    await expect(log.compact()).rejects.toThrowError(/ENOSPC/)
    disk.capacityBytes = Number.POSITIVE_INFINITY
    await log.compact()
    expect(await contents(log)).toEqual(compacted)
  })

  it('ends the writing, but not the reading, where the names are changed; opening the log again mends it', async () => {
    for (const operation of ['rename', 'syncFolder', 'remove'] as const) {
      for (let after = 0; after < 3; after++) {
        const { disk, log, clock } = await writtenDisk(3)
        const fault = operation === 'syncFolder' ? {} : { name: operation === 'rename' ? /cleaned$|swap$/ : /index$|\.log$/ }
        disk.fail({ operation, after, ...fault })
        await expect(log.compact(), operation).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
        await expect((async () => write(log, 'a=4'))(), operation).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
        await expectSound(log, operation)
        await log.close()
        const { log: again } = await openCompacted({ storage: disk.mount(), clock, ...options })
        await expectSound(again, operation)
        await again.compact()
        expect(await contents(again)).toEqual(compacted)
      }
    }
  })

  it('does not make damaged batches look sound', async () => {
    const { disk, log } = await writtenDisk(4)
    disk.flipBit(/0{20}\.log$/)
    await expect(log.compact()).rejects.toMatchObject({ code: 'CORRUPT_MESSAGE' })
    expect(log.failure).toBeUndefined()
  })
})

describe("Kafka's own leftovers", () => {
  it('are removed or finished when the log is opened', async () => {
    const { disk, log } = await writtenDisk(5)
    const clock = new VirtualClock(noon)
    await log.close()
    const storage = disk.mount()
    for (const name of ['00000000000000000004.log.deleted', '00000000000000000002.index.swap', '00000000000000000002.timeindex.cleaned']) {
      await (await storage.open(`orders-0/${name}`)).close()
    }
    const { log: again } = await openCompacted({ storage, clock, ...options })
    await expectSound(again, 'leftovers')
    expect((await storage.list('orders-0')).filter(name => /cleaned|swap|deleted/.test(name))).toEqual([])
  })
})
