import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { release } from '../../src/common/lease.js'
import { Log } from '../../src/log/log.js'
import type { LogOptions } from '../../src/log/log-options.js'
import { batchesIn } from '../../src/record/record-batch.js'
import { memoryStorage } from '../../src/storage/memory/memory.js'
import type { Storage } from '../../src/storage/storage.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { DelayedStorage } from '../storage/delayed-storage.js'
import { batchOf, codeOf, noon } from './helpers.js'

interface ModelRecord {
  readonly offset: number
  readonly timestamp: number
  readonly value: string
}

/** A log as it should be: an array. */
interface Model {
  /** All that was appended and not truncated; what lies below `start` may be gone. */
  batches: ModelRecord[][]
  start: number
  end: number
  /** Whether a crash may have cut a removal short, which retention makes up for. */
  mayExceed: boolean
}

interface Real {
  storage: Storage
  readonly clock: VirtualClock
  readonly options: LogOptions
  log: Log
}

type Command = fc.AsyncCommand<Model, Real>

const recordsOf = (model: Model) => model.batches.flat().filter(({ offset }) => offset >= model.start)
const placeIn = (model: Model, fraction: number) => model.start + Math.floor(fraction * (model.end - model.start + 1))

/** Offsets, bounds and the whole content must fit the model. The start may only move up, to where a batch starts. */
async function compare(model: Model, { log }: Real): Promise<void> {
  if (log.logStartOffset !== model.start) {
    expect(log.logStartOffset).toBeGreaterThan(model.start)
    expect([...model.batches.map(([first]) => first.offset), model.end]).toContain(log.logStartOffset)
    model.start = log.logStartOffset
  }
  expect([log.logEndOffset, log.highWatermark]).toEqual([model.end, model.end])
  const { retentionBytes, segmentBytes } = log.options
  if (retentionBytes >= 0 && !model.mayExceed) expect(log.sizeInBytes).toBeLessThanOrEqual(retentionBytes + segmentBytes)
  const found: ModelRecord[] = []
  let next = model.start
  while (next < model.end) {
    const bytes = await log.read(next, 1000)
    expect(bytes.length).toBeGreaterThan(0)
    for (const batch of batchesIn(bytes)) {
      batch.verify()
      for (const { offset, timestamp, value } of batch.records()) {
        if (offset >= model.start) found.push({ offset, timestamp, value: new TextDecoder().decode(value as Uint8Array) })
      }
      next = batch.nextOffset
    }
    release(bytes)
  }
  expect(found).toEqual(recordsOf(model))
}

function command(name: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return {
    check: () => true,
    run: async (model, real) => {
      await run(model, real)
      await compare(model, real)
    },
    toString: () => name
  }
}

const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

const append = fc
  .record({
    sizes: fc.array(fc.integer({ min: 0, max: 120 }), { minLength: 1, maxLength: 4 }),
    minutes: fc.integer({ min: 0, max: 60 }),
    gzip: fc.boolean()
  })
  .map(({ sizes, minutes, gzip }) =>
    command(`append ${sizes} at -${minutes} min${gzip ? ' gzip' : ''}`, async (model, real) => {
      const records = sizes.map((size, i) => ({
        offset: model.end + i,
        timestamp: real.clock.now() - minutes * 60_000 + i,
        value: `${model.end + i}:${'x'.repeat(size)}`
      }))
      const bytes = batchOf(
        records.map(({ timestamp, value }) => ({ timestamp, value })),
        { compression: gzip ? 'gzip' : 'none' }
      )
      expect(await real.log.append(bytes)).toMatchObject({ baseOffset: model.end, lastOffset: model.end + sizes.length - 1 })
      model.batches.push(records)
      model.end += sizes.length
    })
  )

const readSome = fc
  .record({ place: fraction, upTo: fraction, maxBytes: fc.integer({ min: 0, max: 900 }), minOneBatch: fc.boolean() })
  .map(({ place, upTo: upToPlace, maxBytes, minOneBatch }) =>
    command(`read at ${place} up to ${upToPlace}, ${maxBytes} bytes`, async (model, { log }) => {
      const offset = placeIn(model, place)
      const upTo = placeIn(model, upToPlace)
      const bytes = await log.read(offset, maxBytes, { upTo, minOneBatch })
      const expected = model.batches.filter(records => (records.at(-1) as ModelRecord).offset >= offset)
      const found = [...batchesIn(bytes)]
      expect(found.map(({ baseOffset }) => baseOffset)).toEqual(expected.slice(0, found.length).map(([first]) => first.offset))
      expect(found.reduce((size, { sizeInBytes }) => size + sizeInBytes, 0)).toBe(bytes.length)
      expect(found.every(({ lastOffset }) => lastOffset < upTo)).toBe(true)
      if (found.length > 1 || !minOneBatch) expect(bytes.length).toBeLessThanOrEqual(maxBytes)
      if (minOneBatch && expected.length > 0 && (expected[0].at(-1) as ModelRecord).offset < upTo) expect(found.length).toBeGreaterThan(0)
      release(bytes)
    })
  )

const readOutside = fc.constant(
  command('read outside', async (model, { log }) => {
    expect(await codeOf(() => log.read(model.end + 1, 100))).toBe('OFFSET_OUT_OF_RANGE')
    expect(await codeOf(() => log.read(model.start - 1, 100))).toBe('OFFSET_OUT_OF_RANGE')
  })
)

const deleteRecords = fraction.map(place =>
  command(`delete before ${place}`, async (model, { log }) => {
    const offset = placeIn(model, place)
    await log.deleteRecordsBefore(offset)
    model.start = offset
  })
)

const truncate = fraction.map(place =>
  command(`truncate at ${place}`, async (model, { log }) => {
    const offset = placeIn(model, place)
    await log.truncateTo(offset)
    const reaching = model.batches.find(records => (records.at(-1) as ModelRecord).offset >= offset)
    model.batches = model.batches.filter(records => (records.at(-1) as ModelRecord).offset < offset)
    model.end = reaching ? Math.min(offset, reaching[0].offset) : offset
    model.start = Math.min(model.start, model.end)
  })
)

const retain = fc.integer({ min: 0, max: 90 }).map(minutes =>
  command(`retention after ${minutes} min`, async (model, { log, clock }) => {
    await clock.advance(minutes * 60_000)
    await log.applyRetention()
    model.mayExceed = false
    const { retentionMs } = log.options
    const isOld = ({ timestamp }: ModelRecord) => clock.now() - timestamp > retentionMs
    const kept = recordsOf(model).filter(record => !isOld(record))
    if (kept.length > 0 && log.options.retentionBytes < 0) expect(log.logStartOffset).toBeLessThanOrEqual(kept[0].offset)
  })
)

const lookUp = fc.integer({ min: -100, max: 10 }).map(minutes =>
  command(`look up ${minutes} min`, async (model, { log, clock }) => {
    const timestamp = clock.now() + minutes * 60_000
    const expected = recordsOf(model).find(record => record.timestamp >= timestamp)
    const found = await log.offsetForTimestamp(timestamp)
    expect(found && [found.offset, found.timestamp]).toEqual(expected && [expected.offset, expected.timestamp])
  })
)

const reopen = fc.boolean().map(crash =>
  command(crash ? 'crash and open' : 'close and open', async (model, real) => {
    if (!crash) await real.log.close()
    else if (real.storage instanceof DelayedStorage) {
      real.storage = real.storage.crash()
      model.mayExceed = true
    }
    real.log = await openLog(real, model.start)
    expect(real.log.recovery.tornTail).toBeUndefined()
  })
)

function openLog({ storage, clock, options }: Omit<Real, 'log'>, logStartOffset: number): Promise<Log> {
  return Log.open(storage, 'model-0', { ...options, clock, logStartOffset })
}

const commands = fc.commands(
  [append, append, append, append, readSome, readSome, readOutside, deleteRecords, truncate, retain, lookUp, reopen],
  {
    maxCommands: 60
  }
)

const options = fc.record({
  segmentBytes: fc.integer({ min: 800, max: 3000 }),
  segmentMs: fc.integer({ min: 10, max: 120 }).map(minutes => minutes * 60_000),
  segmentIndexBytes: fc.integer({ min: 36, max: 400 }),
  indexIntervalBytes: fc.integer({ min: 0, max: 1000 }),
  retentionBytes: fc.constantFrom(-1, 0, 1000, 5000),
  retentionMs: fc.constantFrom(-1, 60 * 60_000)
})

function behavesLikeAnArray(open: () => Storage): Promise<void> {
  return fc.assert(
    fc.asyncProperty(options, commands, (options, commands) =>
      fc.asyncModelRun(async () => {
        const setting = { storage: open(), clock: new VirtualClock(noon), options }
        const model: Model = { batches: [], start: 0, end: 0, mayExceed: false }
        return { model, real: { ...setting, log: await openLog(setting, 0) } }
      }, commands)
    ),
    { numRuns: 150 }
  )
}

describe('whatever is done to it, a log behaves like an array of records', () => {
  it('in memory', () => behavesLikeAnArray(() => memoryStorage()))
  it('on a storage that answers later', () => behavesLikeAnArray(() => new DelayedStorage()))
  it('on one that is durable, too', () => behavesLikeAnArray(() => new DelayedStorage({ durable: true })))
})
