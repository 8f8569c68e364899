import { describe, expect, it } from 'vitest'
import type { RemovedSegments } from '../../../src/log/log-types.js'
import { memoryStorage } from '../../../src/storage/memory/memory.js'
import { VirtualClock } from '../../../src/testing/virtual-clock.js'
import { DelayedStorage } from '../../storage/delayed-storage.js'
import { batch, batchAt, batchOf, codeOf, noon, openLog, readValues } from '../helpers.js'

const hour = 3_600_000

/** Callbacks of a user are called after the code that they are about has run to its end. */
const toldLater = () => new Promise(resolve => setImmediate(resolve))
const size = batch('a').length

describe('a segment ends', () => {
  it('when the next batch would make it too large, and is named after its first offset', async () => {
    const storage = memoryStorage()
    const rolls: number[] = []
    const log = await openLog({ storage, segmentBytes: 3 * size, onRoll: baseOffset => rolls.push(baseOffset) })
    for (let i = 0; i < 7; i++) log.append(batch('a'))
    expect(storage.list('orders-0').sort()).toEqual(['00000000000000000000.log', '00000000000000000003.log', '00000000000000000006.log'])
    expect((await readValues(log)).length).toBe(7)
    await toldLater()
    expect(rolls).toEqual([3, 6])
  })

  it('when its first batch is too old for the next one, by the timestamps of the records', async () => {
    const clock = new VirtualClock(noon)
    const log = await openLog({ clock, segmentMs: hour })
    log.append(batchAt(noon - 5 * hour, 'a'))
    log.append(batchAt(noon - 4 * hour, 'b'))
    await clock.advance(10 * hour)
    log.append(batchAt(noon - 4 * hour, 'c'))
    expect(log.segmentCount).toBe(1)
    log.append(batchAt(noon - 4 * hour + 1, 'd'))
    expect(log.segmentCount).toBe(2)
  })

  it('by the clock where its first batch has no timestamp', async () => {
    const clock = new VirtualClock(noon)
    const log = await openLog({ clock, segmentMs: hour })
    log.append(batchAt(-1, 'a'))
    await clock.advance(hour)
    log.append(batchAt(-1, 'b'))
    expect(log.segmentCount).toBe(1)
    await clock.advance(1)
    log.append(batchAt(-1, 'c'))
    expect(log.segmentCount).toBe(2)
  })

  it('when an index is full', async () => {
    const byOffsets = await openLog({ segmentIndexBytes: 40, indexIntervalBytes: 0 })
    for (let i = 0; i < 20; i++) byOffsets.append(batchAt(-1, 'a'))
    // The first batch is not indexed, five more fill the index.
    expect(byOffsets.segmentCount).toBe(4)

    const byTimes = await openLog({ segmentIndexBytes: 40, indexIntervalBytes: 0 })
    for (let i = 0; i < 9; i++) byTimes.append(batchAt(noon + i, 'a'))
    // Room for three times, one of which is kept for the end.
    expect(byTimes.segmentCount).toBe(3)
  })
})

describe('retention', () => {
  it('removes whole segments while no less than the bytes to keep remain', async () => {
    const removed: RemovedSegments[] = []
    const storage = memoryStorage()
    const log = await openLog({
      storage,
      segmentBytes: 2 * size,
      retentionBytes: 5 * size,
      onSegmentsRemoved: event => removed.push(event)
    })
    for (let i = 0; i < 6; i++) log.append(batch('a'))
    expect(log.logStartOffset).toBe(0)
    for (let i = 6; i < 10; i++) log.append(batch('a'))
    expect([log.logStartOffset, log.sizeInBytes]).toEqual([4, 6 * size])
    await toldLater()
    expect(removed).toEqual([
      { segments: 1, bytes: 2 * size, reason: 'size', from: 0, logStartOffset: 2 },
      { segments: 1, bytes: 2 * size, reason: 'size', from: 2, logStartOffset: 4 }
    ])
    expect(storage.list('orders-0').length).toBe(log.segmentCount)
    expect(await codeOf(() => log.read(3, 100))).toBe('OFFSET_OUT_OF_RANGE')
    expect((await readValues(log))[0]).toBe('4:a')
    log.configure({ retentionBytes: 2 * size })
    expect(log.applyRetention()).toBe(2)
    expect([log.logStartOffset, log.sizeInBytes, log.segmentCount]).toEqual([8, 2 * size, 1])
  })

  it('keeps what its owner keeps, however large the log becomes', async () => {
    let keepFrom = 3
    const log = await openLog({ segmentBytes: 2 * size, retentionBytes: 2 * size, keepFrom: () => keepFrom })
    for (let i = 0; i < 10; i++) log.append(batch('a'))
    expect(log.logStartOffset).toBe(2)
    expect(log.applyRetention()).toBe(0)
    keepFrom = 7
    log.append(batch('a'))
    expect(log.logStartOffset).toBe(6)
    keepFrom = Number.POSITIVE_INFINITY
    expect(log.applyRetention()).toBe(1)
  })

  it('makes room on demand, of whole segments before an offset, the active one included', async () => {
    const log = await openLog({ segmentBytes: 2 * size, retentionBytes: -1 })
    for (let i = 0; i < 6; i++) log.append(batch('a'))
    expect(log.bytesFrom(6)).toBe(0)
    expect(log.removeBefore(3, 10 * size)).toBe(2 * size)
    expect(log.removeBefore(6, size)).toBe(2 * size)
    expect([log.logStartOffset, log.sizeInBytes]).toEqual([4, 2 * size])
    expect(log.removeBefore(6, 10 * size)).toBe(2 * size)
    expect([log.logStartOffset, log.logEndOffset, log.sizeInBytes]).toEqual([6, 6, 0])
    expect((await readValues(log)).length).toBe(0)
    log.append(batch('b'))
    expect(await readValues(log)).toEqual(['6:b'])
  })

  it('tells how many bytes come from an offset on', async () => {
    const log = await openLog({ segmentBytes: 100 * size, indexIntervalBytes: 0 })
    for (let i = 0; i < 10; i++) log.append(batch('a'))
    expect([0, 5, 9, 10].map(offset => log.bytesFrom(offset))).toEqual([10 * size, 5 * size, size, 0])
  })

  it('bounds a log in memory by default', async () => {
    const log = await openLog()
    const large = batch('x'.repeat(1_000_000))
    for (let i = 0; i < 200; i++) {
      log.append(large)
      expect(log.sizeInBytes).toBeLessThanOrEqual(72 * 1024 * 1024)
    }
    expect(log.sizeInBytes).toBeGreaterThanOrEqual(64 * 1024 * 1024)
  })

  it('removes what is older than it keeps, and rolls when that is everything', async () => {
    const clock = new VirtualClock(noon)
    const log = await openLog({ clock, segmentBytes: 2 * size, retentionMs: 10 * hour })
    for (let i = 0; i < 6; i++) log.append(batchAt(noon - 6 * hour + i * hour, 'a'))
    expect(log.applyRetention()).toBe(0)
    await clock.advance(6 * hour)
    expect(log.applyRetention()).toBe(1)
    expect([log.logStartOffset, log.logEndOffset]).toEqual([2, 6])
    await clock.advance(100 * hour)
    expect(log.applyRetention()).toBe(2)
    expect([log.logStartOffset, log.logEndOffset, log.segmentCount, log.sizeInBytes]).toEqual([6, 6, 1, 0])
    expect(log.applyRetention()).toBe(0)
    expect(log.append(batch('b'))).toMatchObject({ baseOffset: 6, logStartOffset: 6 })
  })

  it('is held up by a timestamp in the future', async () => {
    const clock = new VirtualClock(noon)
    const log = await openLog({ clock, segmentBytes: size, retentionMs: hour })
    for (const time of [noon, noon + 0.5 * hour, noon]) log.append(batchAt(time, 'a'))
    await clock.advance(1.2 * hour)
    expect(log.applyRetention()).toBe(1)
    await clock.advance(hour)
    expect(log.applyRetention()).toBe(2)
  })

  it('goes by the time of the last append where records have no timestamp', async () => {
    const clock = new VirtualClock(noon)
    const log = await openLog({ clock, retentionMs: hour })
    log.append(batchAt(-1, 'a'))
    await clock.advance(hour)
    expect(log.applyRetention()).toBe(0)
    await clock.advance(1)
    expect(log.applyRetention()).toBe(1)
  })

  it('never removes what lies above the high watermark', async () => {
    const log = await openLog({ segmentBytes: size, retentionBytes: 0, retentionMs: 0, autoHighWatermark: false })
    for (let i = 0; i < 5; i++) log.append(batchAt(0, 'a'))
    expect(log.applyRetention()).toBe(0)
    log.advanceHighWatermark(2)
    expect(log.applyRetention()).toBe(2)
    expect(log.logStartOffset).toBe(2)
  })

  it('leaves a compacted log alone, but for what was deleted from its start', async () => {
    const log = await openLog({ segmentBytes: 100, retentionBytes: 0, retentionMs: 1, cleanupPolicy: 'compact' })
    for (let i = 0; i < 5; i++) log.append(batchOf([{ key: 'k', value: 'v', timestamp: 5 }]))
    expect(log.applyRetention()).toBe(0)
    log.configure({ cleanupPolicy: 'compact,delete' })
    expect(log.applyRetention()).toBe(5)
  })
})

describe('deleting records', () => {
  it('moves the start of the log, which need not be where a batch starts, and removes whole segments', async () => {
    const log = await openLog({ segmentBytes: 2 * batch('a', 'b').length })
    for (let i = 0; i < 5; i++) log.append(batch('a', 'b'))
    log.deleteRecordsBefore(5)
    expect([log.logStartOffset, log.segmentCount]).toEqual([5, 2])
    expect(await readValues(log)).toEqual(['5:b', '6:a', '7:b', '8:a', '9:b'])
    expect(await codeOf(() => log.read(4, 100))).toBe('OFFSET_OUT_OF_RANGE')
    log.deleteRecordsBefore(3)
    expect(log.logStartOffset).toBe(5)
    log.deleteRecordsBefore(10)
    expect([log.logStartOffset, log.segmentCount]).toEqual([10, 1])
    expect(log.append(batch('c'))).toMatchObject({ baseOffset: 10, logStartOffset: 10 })
  })

  it('is refused above the high watermark', async () => {
    const log = await openLog({ autoHighWatermark: false })
    log.append(batch('a', 'b'))
    log.advanceHighWatermark(1)
    for (const offset of [2, -1, Number.NaN]) expect(await codeOf(() => log.deleteRecordsBefore(offset))).toBe('OFFSET_OUT_OF_RANGE')
    log.deleteRecordsBefore(1)
    expect(log.logStartOffset).toBe(1)
  })
})

describe('truncating', () => {
  it('removes the batches that reach the offset, and those after them', async () => {
    const log = await openLog({ segmentBytes: 3 * batch('a', 'b').length })
    for (let i = 0; i < 10; i++) log.append(batch('a', 'b'))
    await log.truncateTo(99)
    expect(log.logEndOffset).toBe(20)
    await log.truncateTo(14)
    expect([log.logEndOffset, log.highWatermark, log.segmentCount]).toEqual([14, 14, 3])
    await log.truncateTo(5)
    expect([log.logEndOffset, log.segmentCount]).toEqual([4, 1])
    log.append(batch('c'))
    expect(await readValues(log)).toEqual(['0:a', '1:b', '2:a', '3:b', '4:c'])
  })

  it('rolls again at an offset where it rolled before', async () => {
    for (const storage of [memoryStorage(), new DelayedStorage()]) {
      const log = await openLog({ storage, segmentBytes: 2 * batch('r0').length })
      for (let round = 0; round < 3; round++) {
        while (log.logEndOffset < 7) await log.append(batch(`r${round}`))
        await log.truncateTo(1)
        expect(log.segmentCount).toBe(1)
      }
      for (let i = 0; i < 4; i++) await log.append(batch('z'))
      await log.close()
      const again = await openLog({ storage })
      expect(await readValues(again)).toEqual(['0:r0', '1:z', '2:z', '3:z', '4:z'])
    }
  })

  it('forgets timestamps that are gone', async () => {
    const log = await openLog({ indexIntervalBytes: 100 })
    for (const time of [1, 5, 3, 9, 4, 20]) log.append(batchAt(time, 'a'.repeat(60)))
    await log.truncateTo(3)
    expect(await log.maxTimestamp()).toMatchObject({ timestamp: 5, offset: 1 })
    expect(await log.offsetForTimestamp(6)).toBeUndefined()
  })

  it('to before the start begins a new log there', async () => {
    const log = await openLog({ segmentBytes: size, retentionBytes: 0 })
    for (let i = 0; i < 5; i++) log.append(batch('a'))
    log.applyRetention()
    expect(log.logStartOffset).toBe(5)
    await log.truncateTo(2)
    expect([log.logStartOffset, log.logEndOffset]).toEqual([2, 2])
    log.append(batch('b'))
    expect(await readValues(log)).toEqual(['2:b'])
  })

  it('fully begins a new log at any offset', async () => {
    const storage = memoryStorage()
    const log = await openLog({ storage })
    log.append(batch('a'))
    await log.truncateFullyAndStartAt(100)
    expect([log.logStartOffset, log.logEndOffset, log.highWatermark, log.sizeInBytes]).toEqual([100, 100, 100, 0])
    expect(storage.list('orders-0')).toEqual(['00000000000000000100.log'])
    log.append(batch('b'))
    expect(await readValues(log)).toEqual(['100:b'])
  })
})

describe('looking up a time', () => {
  it('finds the first record at or after it, in offset order', async () => {
    for (const indexIntervalBytes of [0, 100, 4096]) {
      const log = await openLog({ indexIntervalBytes, segmentBytes: 400, retentionBytes: -1 })
      const times = Array.from({ length: 60 }, (_, i) => 1000 + i * 10 + ((i * 7) % 5) * 13)
      for (let i = 0; i < times.length; i += 3) log.append(batchOf(times.slice(i, i + 3).map(timestamp => ({ timestamp, value: 'v' }))))
      expect(log.segmentCount).toBeGreaterThan(4)
      for (let time = 990; time < 1700; time += 9) {
        const offset = times.findIndex(timestamp => timestamp >= time)
        const expected = offset < 0 ? undefined : { timestamp: times[offset], offset, leaderEpoch: 0 }
        expect(await log.offsetForTimestamp(time)).toEqual(expected)
      }
    }
  })

  it('leaves out records that were deleted', async () => {
    const log = await openLog()
    log.append(batchAt(100, 'a', 'b', 'c'))
    log.append(batchAt(200, 'd'))
    log.deleteRecordsBefore(2)
    expect(await log.offsetForTimestamp(0)).toMatchObject({ offset: 2, timestamp: 100 })
  })

  it('finds the largest timestamp, where it came first', async () => {
    const log = await openLog({ segmentBytes: 200 })
    expect(await log.maxTimestamp()).toBeUndefined()
    log.append(batchAt(-1, 'a'))
    expect(await log.maxTimestamp()).toBeUndefined()
    for (const time of [5, 9, 2, 9, 1]) log.append(batchOf([{ timestamp: 1 }, { timestamp: time }], { compression: 'gzip' }))
    expect(log.segmentCount).toBeGreaterThan(1)
    expect(await log.maxTimestamp()).toEqual({ timestamp: 9, offset: 4, leaderEpoch: 0 })
  })
})

describe('options', () => {
  it('are checked, and take effect when they change', async () => {
    await expect(openLog({ segmentBytes: 0 })).rejects.toThrow('Expected `segmentBytes` to be an integer from 1 to 2147483647, got `0`')
    await expect(openLog({ cleanupPolicy: 'nothing' as 'delete' })).rejects.toThrow('Expected `cleanupPolicy` to be one of')
    await expect(openLog({ retentionByte: 1 } as object)).rejects.toThrow('Unknown option `retentionByte` of a log')
    const log = await openLog()
    expect(log.options).toMatchObject({ segmentBytes: 8 * 1024 * 1024, retentionBytes: 64 * 1024 * 1024 })
    log.configure({ maxMessageBytes: 60, retentionMs: undefined })
    expect(log.options).toMatchObject({ maxMessageBytes: 60, retentionMs: 7 * 24 * hour, segmentBytes: 8 * 1024 * 1024 })
    expect(await codeOf(() => log.append(batch('a')))).toBe('MESSAGE_TOO_LARGE')
    expect(() => log.configure({ maxMessageBytes: -1 })).toThrow('maxMessageBytes')
  })
})
