import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/common/random.js'
import type { Log } from '../../../src/log/log.js'
import type { LogRecord } from '../../../src/record/record.js'
import { RecordBatch } from '../../../src/record/record-batch.js'
import { memoryStorage } from '../../../src/storage/memory/memory.js'
import type { Storage } from '../../../src/storage/storage.js'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.js'
import { VirtualClock } from '../../../src/testing/virtual-clock.js'
import { DelayedStorage } from '../../storage/delayed-storage.js'
import { noon } from '../helpers.js'
import { batchesOf, openCompacted, recordsOf } from './helpers.js'

type Compression = 'none' | 'gzip' | 'snappy' | 'lz4'

type Step =
  | {
      readonly do: 'append'
      readonly records: readonly (readonly [key: number, isTombstone: boolean])[]
      readonly compression: Compression
    }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'compact'; readonly maxKeyBytes: number; readonly meanwhile: boolean }
  | { readonly do: 'resize'; readonly segmentBytes: number }
  | { readonly do: 'reopen'; readonly knowsDirt: boolean }

const record = fc.tuple(fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 30 })), fc.boolean())
const append = fc.record({
  do: fc.constant('append' as const),
  records: fc.array(record, { minLength: 1, maxLength: 6 }),
  compression: fc.constantFrom<Compression>('none', 'none', 'gzip', 'snappy', 'lz4')
})
const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: append, weight: 10 },
  { arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 1, max: 800 }) }), weight: 2 },
  {
    arbitrary: fc.record({ do: fc.constant('compact' as const), maxKeyBytes: fc.constantFrom(1, 500, 1_000_000), meanwhile: fc.boolean() }),
    weight: 3
  },
  { arbitrary: fc.record({ do: fc.constant('resize' as const), segmentBytes: fc.constantFrom(250, 400, 1500) }), weight: 1 },
  { arbitrary: fc.record({ do: fc.constant('reopen' as const), knowsDirt: fc.boolean() }), weight: 1 }
)

const deleteRetentionMs = 1000
const largest = 1500

interface Written {
  readonly key: string
  readonly value: string | null
  readonly timestamp: number
}

/** Plays the steps on a log and on an array of all that was written, and looks after each compaction whether they agree. */
async function play(storages: { open(): Storage; reopen?(): Storage }, steps: readonly Step[]): Promise<void> {
  const clock = new VirtualClock(noon)
  let storage = storages.open()
  const options = { segmentBytes: 400, maxMessageBytes: 150_000, deleteRetentionMs, indexIntervalBytes: 100 }
  let { log } = await openCompacted({ storage, clock, ...options })
  const written: Written[] = []

  async function appendBatch(records: readonly (readonly [number, boolean])[], compression: Compression): Promise<void> {
    const fields = records.map(([key, isTombstone], i) => ({
      key: `key-${key}`,
      value: isTombstone ? null : `value ${written.length + i}`,
      timestamp: clock.now()
    }))
    await log.append(RecordBatch.of(fields, { compression }).bytes)
    written.push(...fields)
  }

  for (const step of steps) {
    if (step.do === 'append') await appendBatch(step.records, step.compression)
    else if (step.do === 'advance') await clock.advance(step.ms)
    else if (step.do === 'resize') log.configure({ segmentBytes: step.segmentBytes })
    else if (step.do === 'reopen') {
      const { firstDirtyOffset } = log
      await log.close()
      storage = storages.reopen?.() ?? storage
      ;({ log } = await openCompacted({ storage, clock, ...options, ...(step.knowsDirt ? { firstDirtyOffset } : {}) }))
    } else {
      const compaction = log.compact({ force: true, maxKeyBytes: step.maxKeyBytes })
      if (step.meanwhile) {
        await appendBatch([[1, false]], 'none')
        await expectSameView(log, written)
      }
      const report = await compaction
      if (report && !step.meanwhile) expect(log.firstDirtyOffset).toBe(report.firstDirtyOffset)
      await expectSameView(log, written)
    }
  }
  await expectSameView(log, written)
  await expectAllClean(log, written)
  await log.close()
}

/** The log has a part of what was written, in order, at the same offsets, and of each key at least the last value, or its absence. */
async function expectSameView(log: Log, written: readonly Written[]): Promise<void> {
  expect(log.logEndOffset).toBe(written.length)
  const records = await recordsOf(log)
  const view = new Map<string, string | null>()
  const expected = new Map<string, string | null>()
  let last = -1
  for (const found of records) {
    expect(found.offset).toBeGreaterThan(last)
    last = found.offset
    const { key, value, timestamp } = asText(found)
    expect({ key, value, timestamp }).toEqual(written[found.offset])
    if (value === null) view.delete(key)
    else view.set(key, value)
  }
  for (const { key, value } of written) {
    if (value === null) expected.delete(key)
    else expected.set(key, value)
  }
  expect(view).toEqual(expected)
  for (const batch of await batchesOf(log)) expect(batch.sizeInBytes).toBeLessThan(largest)
}

/** After compaction of everything, no key stands twice before the active segment. */
async function expectAllClean(log: Log, written: readonly Written[]): Promise<void> {
  while (await log.compact({ force: true })) await expectSameView(log, written)
  const keys = (await recordsOf(log)).filter(({ offset }) => offset < log.firstDirtyOffset).map(found => asText(found).key)
  expect(new Set(keys).size).toBe(keys.length)
}

function asText({ key, value, timestamp }: LogRecord): Written {
  const decoder = new TextDecoder()
  return { key: decoder.decode(key ?? undefined), value: value && decoder.decode(value), timestamp }
}

const steps = fc.array(step, { minLength: 5, maxLength: 60 })

describe('a reader of a compacted log builds the same table as one that has read all', () => {
  it('in memory', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async list => {
        const storage = memoryStorage()
        await play({ open: () => storage }, list)
      }),
      { numRuns: 150 }
    )
  })

  it('on a storage that takes its time', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async list => {
        const storage = new DelayedStorage()
        await play({ open: () => storage }, list)
      }),
      { numRuns: 60 }
    )
  })

  it('on a disk, also after a crash of the process', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer(), async (list, seed) => {
        const disk = new SimulatedDisk({ random: seededRandom(seed) })
        const reopen = () => {
          disk.crash('process')
          return disk.mount()
        }
        await play({ open: () => disk.mount(), reopen }, list)
      }),
      { numRuns: 60 }
    )
  })
})
