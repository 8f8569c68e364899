import { describe, expect, it } from 'vitest'
import { deferred } from '../../../src/common/deferred.js'
import { release } from '../../../src/common/lease.js'
import type { Log } from '../../../src/log/log.js'
import { batchesIn, RecordBatch } from '../../../src/record/record-batch.js'
import { DelayedStorage } from '../../storage/delayed-storage.js'
import { noon } from '../helpers.js'
import { contents, openCompacted, write } from './helpers.js'

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await undefined
}

/** Lets the compaction of `log` go on turn by turn, and does something after so many. */
async function afterTurns(count: number, log: Log, change: () => unknown): Promise<void> {
  const compaction = log.compact({ force: true })
  await turns(count)
  await change()
  await compaction
}

async function filled(options: { storage?: DelayedStorage } = {}) {
  const { storage = new DelayedStorage() } = options
  const opened = await openCompacted({ storage, segmentBytes: 160 })
  await write(opened.log, 'a=1', 'b=1', 'a=2', 'c=1', 'b=2', 'd=1', 'a=3', 'c=2', 'x=1', 'x=2')
  return { ...opened, storage }
}

const compacted = ['4:b=2', '5:d=1', '6:a=3', '7:c=2', '8:x=1', '9:x=2']

describe('while a log is compacted', () => {
  it('a reader that stands in an old segment finishes there', async () => {
    const { log, storage } = await filled()
    const held = deferred()
    storage.beforeRead = () => held.promise
    const reading = log.read(1, 50)
    storage.beforeRead = undefined
    await log.compact()
    expect(await contents(log)).toEqual(compacted)
    held.resolve()
    const [batch] = batchesIn(await reading)
    expect([...batch.records()].map(({ offset }) => offset)).toEqual([1])
  })

  it('bytes that were read from an old segment stay as they are until they are released', async () => {
    const { log } = await openCompacted({ segmentBytes: 160 })
    await write(log, 'a=1', 'b=1', 'a=2', 'c=1', 'x=1', 'x=2')
    const bytes = await log.read(0, 1000)
    const copy = bytes.slice()
    await log.compact()
    for (let i = 0; i < 200; i++) await write(log, `y=${i}`)
    expect(bytes).toEqual(copy)
    release(bytes)
  })

  it('a reader that comes to the end of a segment that was merged away misses nothing', async () => {
    const storage = new DelayedStorage()
    const { log } = await openCompacted({ storage, segmentBytes: 160 })
    await write(log, 'a=1', 'b=1', 'c=1', 'd=1', 'b=2', 'e=1', 'x=1')
    await log.compact()
    expect(await contents(log)).toEqual(['0:a=1', '2:c=1', '3:d=1', '4:b=2', '5:e=1', '6:x=1'])
    await write(log, 'x=2', 'x=3')
    log.configure({ segmentBytes: 1000 })
    const gate = deferred()
    storage.beforeRead = () => gate.promise
    const reading = log.read(1, 100)
    storage.beforeRead = undefined
    const before = log.segmentCount
    await log.compact()
    expect(log.segmentCount).toBeLessThan(before)
    gate.resolve()
    const [batch] = batchesIn(await reading)
    expect(batch.baseOffset).toBe(2)
  })

  it('appends go on', async () => {
    for (let count = 0; count < 1600; count += 31) {
      const { log } = await filled()
      await afterTurns(count, log, () => write(log, 'a=4', 'e=1'))
      expect((await contents(log)).filter(record => record !== '6:a=3')).toEqual(
        [...compacted, '10:a=4', '11:e=1'].filter(record => record !== '6:a=3')
      )
    }
  })

  it('retention may take the segments away', async () => {
    for (let count = 0; count < 1600; count += 31) {
      const { log } = await filled()
      await afterTurns(count, log, () => log.deleteRecordsBefore(6))
      expect(log.logStartOffset).toBe(6)
      expect(await contents(log)).toEqual(compacted.slice(2))
      await log.compact({ force: true })
      expect(await contents(log)).toEqual(compacted.slice(2))
    }
  })

  it('the log may be cut, and written again', async () => {
    for (let count = 0; count < 1600; count += 31) {
      const { log } = await filled()
      await afterTurns(count, log, async () => {
        await log.truncateTo(5)
        await write(log, 'a=7', 'e=1')
      })
      const found = await contents(log)
      expect(found.slice(-3)).toEqual(['4:b=2', '5:a=7', '6:e=1'])
      // What was compacted before the cut may have taken with it what the cut then took away.
      expect(found.every(record => ['0:a=1', '1:b=1', '2:a=2', '3:c=1', '4:b=2', '5:a=7', '6:e=1'].includes(record))).toBe(true)
      await write(log, 'x=1', 'x=2', 'x=3')
      await log.compact({ force: true })
      expect((await contents(log)).filter(record => /[ab]=/.test(record))).toEqual(['4:b=2', '5:a=7'])
    }
  })

  it('the log may be emptied', async () => {
    for (let count = 0; count < 1600; count += 31) {
      const { log } = await filled()
      await afterTurns(count, log, () => log.truncateFullyAndStartAt(20))
      await write(log, 'a=1')
      expect(await contents(log)).toEqual(['20:a=1'])
    }
  })

  it('the log may be closed', async () => {
    for (let count = 0; count < 1600; count += 31) {
      const { log, storage } = await filled()
      const compaction = log.compact().catch(() => undefined)
      await turns(count)
      await log.close()
      await compaction
      const { log: again } = await openCompacted({ storage })
      await again.compact({ force: true })
      expect((await contents(again)).slice(-6)).toEqual(compacted)
    }
  })

  it('records are found by their timestamps', async () => {
    for (let count = 0; count < 1600; count += 31) {
      const { log } = await filled()
      const compaction = log.compact()
      await turns(count)
      const found = await log.offsetForTimestamp(noon)
      expect([0, 1, 2, 3, 4]).toContain(found?.offset)
      expect(await log.maxTimestamp()).toMatchObject({ timestamp: noon })
      await compaction
      expect(await log.offsetForTimestamp(noon)).toMatchObject({ offset: 4 })
    }
  })

  it('the event loop goes round', async () => {
    const { log } = await openCompacted({ segmentBytes: 8_000_000, maxMessageBytes: 10_000_000 })
    const record = (key: number) => ({ key: `key-${key}`, value: 'some value that is repeated '.repeat(20), timestamp: noon })
    for (let batch = 0; batch < 60; batch++) {
      const records = Array.from({ length: 200 }, (_, i) => record((batch * 7 + i) % 500))
      await log.append(RecordBatch.of(records, { compression: 'gzip' }).bytes)
    }
    log.configure({ segmentBytes: 100_000 })
    await log.append(RecordBatch.of([record(1)]).bytes)
    let rounds = 0
    let isOver = false
    const count = () => {
      rounds++
      if (!isOver) setImmediate(count)
    }
    setImmediate(count)
    const report = await log.compact()
    isOver = true
    expect(report?.recordsKept).toBeLessThan(1000)
    expect(rounds).toBeGreaterThan(20)
  })

  it('it can be stopped', async () => {
    const { log } = await filled()
    const controller = new AbortController()
    const compaction = log.compact({ signal: controller.signal })
    controller.abort(new Error('no more'))
    await expect(compaction).rejects.toThrowError('no more')
    expect(await contents(log)).toHaveLength(10)
    await log.compact()
    expect(await contents(log)).toEqual(compacted)
  })
})
