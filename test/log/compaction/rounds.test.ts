import { describe, expect, it } from 'vitest'
import { noon } from '../helpers.js'
import { batchOf, contents, hour, openCompacted, write } from './helpers.js'

describe('a log is due for compaction', () => {
  it('when the new share of its bytes exceeds the ratio', async () => {
    const { log } = await openCompacted({ minCleanableDirtyRatio: 0.5 })
    await write(log, 'a=1', 'b=1', 'c=1', 'x=1')
    expect(await log.dirtiness()).toMatchObject({ firstDirtyOffset: 0, endOffset: 3, ratio: 1, cleanBytes: 0, isDue: true })
    await log.compact()
    expect(await log.dirtiness()).toMatchObject({ firstDirtyOffset: 3, endOffset: 3, ratio: 0, dirtyBytes: 0, isDue: false })
    await write(log, 'b=2', 'c=2', 'x=2')
    expect(await log.dirtiness()).toMatchObject({ ratio: 0.5, isDue: false })
    expect(await log.compact()).toBeUndefined()
    await write(log, 'x=3')
    expect(await log.dirtiness()).toMatchObject({ endOffset: 7, isDue: true })
    expect(await log.compact()).toBeDefined()
  })

  it('when a record has waited longer than it may', async () => {
    const { log, clock } = await openCompacted({ minCleanableDirtyRatio: 1, maxCompactionLagMs: hour })
    await write(log, 'a=1', 'a=2', 'x=1')
    await clock.advance(hour)
    expect(await log.compact()).toBeUndefined()
    await clock.advance(1)
    expect(await log.compact()).toBeDefined()
    expect(await contents(log)).toEqual(['1:a=2', '2:x=1'])
  })

  it('by options that change while it is open', async () => {
    const { log } = await openCompacted({ minCleanableDirtyRatio: 1 })
    await write(log, 'a=1', 'a=2', 'x=1')
    expect(await log.compact()).toBeUndefined()
    log.configure({ minCleanableDirtyRatio: 0.9 })
    expect(await log.compact()).toBeDefined()
  })
})

describe('a round of compaction', () => {
  it('ends before the first segment that is too young', async () => {
    const { log, clock } = await openCompacted({ minCompactionLagMs: hour })
    const at = (timestamp: number, text: string) => log.append(batchOf(text, {}, timestamp))
    await at(noon, 'a=1')
    await at(noon, 'a=2')
    await at(noon + 1, 'a=3')
    await at(noon, 'a=4')
    await at(noon, 'x=1')
    await clock.advance(hour)
    expect(await log.compact()).toMatchObject({ firstDirtyOffset: 2 })
    expect(await contents(log)).toEqual(['1:a=2', '2:a=3', '3:a=4', '4:x=1'])
  })

  it('ends before what is not committed', async () => {
    const { log } = await openCompacted({ autoHighWatermark: false })
    await write(log, 'a=1', 'a=2', 'a=3', 'a=4', 'x=1')
    log.advanceHighWatermark(2)
    expect(await log.compact()).toMatchObject({ firstDirtyOffset: 2 })
    expect((await log.dirtiness()).endOffset).toBe(2)
    log.advanceHighWatermark(5)
    expect(await contents(log)).toEqual(['1:a=2', '2:a=3', '3:a=4', '4:x=1'])
  })

  it('ends where memory for the keys does, and the next one goes on there', async () => {
    const { log } = await openCompacted({ segmentBytes: 4000 })
    for (let round = 0; round < 3; round++) {
      for (let batch = 0; batch < 20; batch++) {
        await write(log, Array.from({ length: 10 }, (_, i) => `key-${batch}-${i}=${round}`).join(' '))
      }
    }
    log.configure({ segmentBytes: 100 })
    await write(log, 'x=1')
    const maxKeyBytes = 64 * 50
    const ends: number[] = []
    for (let report = await log.compact({ maxKeyBytes }); report; report = await log.compact({ maxKeyBytes }))
      ends.push(report.firstDirtyOffset)
    expect(ends.length).toBeGreaterThan(5)
    expect(ends).toEqual([...ends].sort((a, b) => a - b))
    expect(ends.at(-1)).toBe(600)
    expect(await contents(log)).toEqual(Array.from({ length: 201 }, (_, i) => (i === 200 ? '600:x=1' : expect.stringMatching(/=2$/))))
  })

  it('makes way even where the keys of one batch are more than the memory allows', async () => {
    const { log } = await openCompacted({ segmentBytes: 100_000 })
    const text = (value: number) => Array.from({ length: 500 }, (_, i) => `key-${i}=${value}`).join(' ')
    await write(log, text(1), text(2))
    log.configure({ segmentBytes: 100 })
    await write(log, 'x=1')
    expect(await log.compact({ maxKeyBytes: 1 })).toMatchObject({ firstDirtyOffset: 500 })
    expect(await log.compact({ maxKeyBytes: 1 })).toMatchObject({ firstDirtyOffset: 1000 })
    expect(await contents(log)).toHaveLength(501)
  })

  it('merges segments that became small, up to the size of one', async () => {
    const { log } = await openCompacted({ segmentBytes: 300 })
    for (let i = 0; i < 40; i++) await write(log, `a=${i}`, 'b=1', `c-${i}=1`)
    const before = log.segmentCount
    const report = await log.compact()
    expect(report).toMatchObject({ segmentsBefore: before - 1 })
    await log.compact({ force: true })
    await write(log, ...Array.from({ length: 9 }, () => 'a=x'))
    const again = await log.compact()
    expect(log.segmentCount).toBeLessThan(before / 1.5)
    expect(again?.segmentsAfter).toBeLessThan(again?.segmentsBefore ?? 0)
    expect(log.sizeInBytes).toBeLessThan(log.segmentCount * 300)
  })

  it('does not merge segments whose indexes would exceed their limit', async () => {
    const options = { segmentBytes: 1000, indexIntervalBytes: 0, segmentIndexBytes: 48 }
    const { log } = await openCompacted(options)
    for (let i = 0; i < 30; i++) await write(log, `k${i}=1`)
    const before = log.segmentCount
    await log.compact()
    expect(log.segmentCount).toBe(before)
  })

  it('is asked for twice and runs once', async () => {
    const { log } = await openCompacted()
    await write(log, 'a=1', 'a=2', 'x=1')
    const [one, two] = await Promise.all([log.compact(), log.compact()])
    expect(one).toBeDefined()
    expect(two).toBe(one)
  })

  it('starts again from the start of the log when that is not known to be clean', async () => {
    const { log, storage } = await openCompacted()
    await write(log, 'a=1', 'b=1', 'c=1', 'x=1')
    await log.compact()
    await log.close()
    const known = await openCompacted({ storage, firstDirtyOffset: 3 })
    expect(known.log.firstDirtyOffset).toBe(3)
    expect(await known.log.dirtiness()).toMatchObject({ dirtyBytes: 0 })
    await known.log.close()
    const { log: again } = await openCompacted({ storage })
    expect(again.firstDirtyOffset).toBe(0)
    expect(await again.dirtiness()).toMatchObject({ ratio: 1, isDue: true })
  })

  it('takes what is written after a cut for dirty', async () => {
    const { log } = await openCompacted()
    await write(log, 'a=1', 'b=1', 'c=1', 'x=1')
    await log.compact()
    await log.truncateTo(1)
    expect(log.firstDirtyOffset).toBe(1)
    await write(log, 'a=2', 'b=2', 'x=2')
    await log.compact()
    expect(await contents(log)).toEqual(['1:a=2', '2:b=2', '3:x=2'])
  })

  it('keeps what lies before the start of the log from coming back', async () => {
    const { log } = await openCompacted({ segmentBytes: 250 })
    await write(log, 'a=1', 'b=1', 'c=1', 'd=1', 'x=1')
    await log.deleteRecordsBefore(2)
    log.configure({ segmentBytes: 100 })
    await write(log, 'x=2')
    await log.compact()
    expect(log.logStartOffset).toBe(2)
    expect(await contents(log)).toEqual(['2:c=1', '3:d=1', '4:x=1', '5:x=2'])
  })
})

describe('a segment of a compacted log', () => {
  it('is closed in time for its records to be compacted', async () => {
    const { log } = await openCompacted({ segmentBytes: 10_000, maxCompactionLagMs: hour })
    await log.append(batchOf('a=1', {}, noon))
    await log.append(batchOf('a=2', {}, noon + hour))
    expect(log.segmentCount).toBe(1)
    await log.append(batchOf('a=3', {}, noon + hour + 1))
    expect(log.segmentCount).toBe(2)
  })
})

describe('a log that is compacted and deleted from', () => {
  it('loses old segments by age besides', async () => {
    const { log, clock } = await openCompacted({ cleanupPolicy: 'compact,delete', retentionMs: 2 * hour })
    await write(log, 'a=1', 'b=1', 'a=2', 'x=1')
    await log.compact()
    await clock.advance(3 * hour)
    await log.append(batchOf('x=2', {}, clock.now()))
    await log.applyRetention()
    expect(await contents(log)).toEqual(['4:x=2'])
    expect(log.firstDirtyOffset).toBe(4)
  })
})
