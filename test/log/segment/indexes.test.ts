import { describe, expect, it } from 'vitest'
import type { Log } from '../../../src/log/log.js'
import { OffsetIndex } from '../../../src/log/segment/offset-index.js'
import { readSmallFile, writeSmallFile } from '../../../src/log/segment/small-file.js'
import { TimeIndex } from '../../../src/log/segment/time-index.js'
import { batchesIn } from '../../../src/record/record-batch.js'
import { memoryStorage } from '../../../src/storage/memory/memory.js'
import { VirtualClock } from '../../../src/testing/virtual-clock.js'
import { DelayedStorage } from '../../storage/delayed-storage.js'
import { batch, batchAt, noon, openLog } from '../helpers.js'

describe('the offset index', () => {
  it('finds the last entry at or below an offset', () => {
    const index = new OffsetIndex(100)
    for (let i = 1; i <= 50; i++) index.append(100 + i * 10, i * 5000)
    expect(index.lookup(100)).toBe(0)
    expect(index.lookup(109)).toBe(0)
    expect(index.lookup(110)).toBe(5000)
    expect(index.lookup(119)).toBe(5000)
    expect(index.lookup(600)).toBe(250_000)
    expect(index.lookup(9999)).toBe(250_000)
    expect(index.floorPosition(4999)).toBe(0)
    expect(index.floorPosition(5000)).toBe(5000)
    expect(index.floorPosition(14_999)).toBe(10_000)
  })

  it('holds the bytes that Kafka writes: relative offset and position', () => {
    const index = new OffsetIndex(1000)
    index.append(1041, 4200)
    index.append(1300, 70_000)
    expect(Buffer.from(index.bytes).toString('hex')).toBe('0000002900001068' + '0000012c00011170')
  })

  it('forgets the batches from a position on', () => {
    const index = new OffsetIndex(0)
    for (let i = 1; i <= 4; i++) index.append(i * 10, i * 100)
    index.truncateToPosition(300)
    expect(index.count).toBe(2)
    expect(index.lastPosition).toBe(200)
    index.truncateToPosition(50)
    expect(index.count).toBe(0)
  })

  it('holds offsets up to 2^31 - 1 above its base', () => {
    const index = new OffsetIndex(10)
    expect(index.canHold(10 + 2 ** 31 - 1)).toBe(true)
    expect(index.canHold(10 + 2 ** 31)).toBe(false)
    expect(index.canHold(9)).toBe(false)
  })
})

describe('the time index', () => {
  it('takes an entry only when the timestamp has grown', () => {
    const index = new TimeIndex(100)
    index.maybeAppend(5000, 110)
    index.maybeAppend(5000, 120)
    index.maybeAppend(4000, 130)
    index.maybeAppend(6000, 140)
    expect(index.count).toBe(2)
    expect(Buffer.from(index.bytes).toString('hex')).toBe('00000000000013880000000a' + '000000000000177000000028')
  })

  it('finds the offset of the last entry at or before a time', () => {
    const index = new TimeIndex(100)
    for (let i = 1; i <= 20; i++) index.maybeAppend(i * 1000, 100 + i)
    expect(index.lookup(999)).toBe(100)
    expect(index.lookup(1000)).toBe(101)
    expect(index.lookup(1999)).toBe(101)
    expect(index.lookup(99_999)).toBe(120)
  })

  it('keeps a place for the entry that is added when the segment ends', () => {
    const index = new TimeIndex(0)
    index.maybeAppend(1, 1)
    expect(index.isFull(24)).toBe(true)
    expect(index.isFull(36)).toBe(false)
  })
})

describe('the indexes of a segment, as a durable storage gets them', () => {
  /** The files of the first segment after five batches of 3 records, about 100 bytes each, with an entry every 150 bytes. */
  async function indexFiles(): Promise<{ log: Uint8Array; index: Uint8Array; timeIndex: Uint8Array }> {
    const storage = new DelayedStorage({ durable: true })
    const log = await openLog({ storage, indexIntervalBytes: 150 })
    for (const time of [5, 9, 7, 8, 20, 20, 3]) await log.append(batchAt(noon + time, 'a', 'b', 'c'))
    await log.close()
    const content = (suffix: string) => {
      const file = storage.inner.open(`orders-0/00000000000000000000.${suffix}`)
      return new Uint8Array(file.read(0, 1_000_000) as Uint8Array)
    }
    return { log: content('log'), index: content('index'), timeIndex: content('timeindex') }
  }

  it('name the last offset of a batch and where it starts, once more than the interval lies behind the last entry', async () => {
    const { log, index } = await indexFiles()
    const size = log.length / 7
    expect([...batchesIn(log)].map(({ lastOffset }) => lastOffset)).toEqual([2, 5, 8, 11, 14, 17, 20])
    const view = new DataView(index.buffer)
    const entries = Array.from({ length: index.length / 8 }, (_, i) => [view.getInt32(i * 8), view.getInt32(i * 8 + 4)])
    const every = Math.floor(150 / size) + 1
    expect(every).toBe(2)
    expect(entries).toEqual([
      [8, 2 * size],
      [14, 4 * size],
      [20, 6 * size]
    ])
  })

  it('name the largest timestamp so far and the last offset of the batch that has it', async () => {
    const { timeIndex } = await indexFiles()
    const view = new DataView(timeIndex.buffer)
    const entries = Array.from({ length: timeIndex.length / 12 }, (_, i) => [
      Number(view.getBigInt64(i * 12)) - noon,
      view.getInt32(i * 12 + 8)
    ])
    expect(entries).toEqual([
      [9, 5],
      [20, 14]
    ])
  })

  it('are the same when they are built anew from the batches', async () => {
    const storage = new DelayedStorage({ durable: true })
    const content = (suffix: string) => {
      const file = storage.inner.open(`orders-0/00000000000000000000.${suffix}`)
      return Buffer.from(file.read(0, 1_000_000) as Uint8Array).toString('hex')
    }
    const log = await openLog({ storage, indexIntervalBytes: 150 })
    for (let i = 0; i < 30; i++) await log.append(batchAt(noon + ((i * 7) % 11), 'a', 'b'))
    await log.close()
    const written = [content('index'), content('timeindex')]
    expect(written[0].length).toBeGreaterThan(0)
    const again = await openLog({ storage, indexIntervalBytes: 150 })
    await again.close()
    expect([content('index'), content('timeindex')]).toEqual(written)
  })

  it('are not written to memory', async () => {
    const storage = memoryStorage()
    const log = await openLog({ storage, segmentBytes: 200 })
    for (let i = 0; i < 5; i++) log.append(batch('a', 'b'))
    await log.close()
    expect(storage.list('orders-0').every(name => name.endsWith('.log'))).toBe(true)
  })
})

describe('a time index that was cut between two entries', () => {
  /** Later ones come before earlier ones, within a segment and across them. */
  const times = [1, 5, 2, 3, 11, 4, 13, 12, 14, 8, 21, 23, 25, 24]
  const size = batch('a').length
  const small = { segmentBytes: 5 * size, indexIntervalBytes: 0, retentionMs: 10 }

  async function cutTo(base: number, entries: number): Promise<Log> {
    const storage = new DelayedStorage({ durable: true })
    const log = await openLog({ storage, ...small })
    for (const time of times) await log.append(batchAt(noon + time, 'a'))
    await log.close()
    const name = `orders-0/${String(base).padStart(20, '0')}.timeindex`
    const bytes = await readSmallFile(storage, name)
    expect(bytes.length / 12).toBeGreaterThan(entries)
    await writeSmallFile(storage, name, bytes.slice(0, entries * 12))
    return openLog({ storage, ...small, isClean: true, recoveryPoint: times.length, clock: new VirtualClock(noon + 22) })
  }

  for (const base of [0, 5, 10]) {
    for (const left of [0, 1]) {
      it(`is not believed: the one at ${base}, with ${left} of its entries`, async () => {
        const log = await cutTo(base, left)
        for (let time = 0; time <= 26; time++) {
          const found = await log.offsetForTimestamp(noon + time)
          const offset = times.findIndex(each => each >= time)
          expect([time, found?.offset ?? -1]).toEqual([time, offset])
        }
        expect(await log.maxTimestamp()).toMatchObject({ offset: 12, timestamp: noon + 25 })
        await log.close()
      })

      it(`lets nothing expire before its time: the one at ${base}, with ${left} of its entries`, async () => {
        const log = await cutTo(base, left)
        expect(await log.applyRetention()).toBe(1)
        expect(log.logStartOffset).toBe(5)
        await log.close()
      })
    }
  }
})
