import { describe, expect, it } from 'vitest'
import { deferred } from '../../../src/common/deferred.js'
import { release } from '../../../src/common/lease.js'
import { memoryStorage } from '../../../src/storage/memory/memory.js'
import { DelayedStorage } from '../../storage/delayed-storage.js'
import { baseOffsets, batch, batchOf, codeOf, openLog, readValues } from '../helpers.js'

describe('a read', () => {
  it('starts at the batch that contains the offset', async () => {
    const log = await openLog()
    for (let i = 0; i < 5; i++) log.append(batch('a', 'b', 'c'))
    expect(baseOffsets(await log.read(7, 1_000_000))).toEqual([6, 9, 12])
    expect(await readValues(log, 13)).toEqual(['13:b', '14:c'])
  })

  it('returns as many whole batches as fit', async () => {
    const log = await openLog()
    for (let i = 0; i < 10; i++) log.append(batch('a'))
    const size = batch('a').length
    expect(baseOffsets(await log.read(0, 3 * size))).toEqual([0, 1, 2])
    expect(baseOffsets(await log.read(4, 4 * size - 1))).toEqual([4, 5, 6])
    expect(baseOffsets(await log.read(8, 100 * size))).toEqual([8, 9])
  })

  it('returns at least one batch, unless that is not wanted', async () => {
    const log = await openLog()
    log.append(batch('a'))
    log.append(batch('b'.repeat(20_000)))
    expect(baseOffsets(await log.read(0, 1))).toEqual([0])
    expect(baseOffsets(await log.read(1, 1))).toEqual([1])
    expect(baseOffsets(await log.read(1, 0))).toEqual([1])
    expect((await log.read(1, 100, { minOneBatch: false })).length).toBe(0)
    expect((await log.read(0, 1, { minOneBatch: false })).length).toBe(0)
    expect(baseOffsets(await log.read(0, 1000, { minOneBatch: false }))).toEqual([0])
  })

  it('is empty at the end, and out of range beyond', async () => {
    const log = await openLog()
    expect((await log.read(0, 100)).length).toBe(0)
    log.append(batch('a', 'b'))
    expect((await log.read(2, 100)).length).toBe(0)
    for (const offset of [3, -1, Number.NaN]) expect(await codeOf(() => log.read(offset, 100))).toBe('OFFSET_OUT_OF_RANGE')
  })

  it('is told how much to read', async () => {
    const log = await openLog()
    log.append(batch('a'))
    for (const maxBytes of [undefined, Number.NaN, '100'])
      expect(() => log.read(0, maxBytes as number)).toThrow(/^Expected `maxBytes` to be a number, got `/)
  })

  it('never returns a batch that reaches the given offset', async () => {
    for (const values of [['a'], ['a', 'b']]) {
      const log = await openLog({ indexIntervalBytes: 0 })
      for (let i = 0; i < 50; i++) log.append(batch(...values))
      for (const upTo of [0, 1, 2, 40, 41, 99, 100, 500]) {
        const found: number[] = []
        let offset = 0
        for (;;) {
          const bytes = await log.read(offset, 500, { upTo })
          if (bytes.length === 0) break
          found.push(...baseOffsets(bytes))
          offset = (found.at(-1) as number) + values.length
        }
        const whole = Math.floor(Math.min(upTo, log.logEndOffset) / values.length)
        expect(found).toEqual(Array.from({ length: whole }, (_, i) => i * values.length))
      }
    }
  })

  it('goes on in the next segment, also where offsets are missing in between', async () => {
    const log = await openLog()
    const replicated = (baseOffset: number) => batchOf([{ value: 'x' }], { baseOffset })
    await log.append(replicated(3), { origin: 'replica' })
    log.configure({ segmentBytes: 100 })
    await log.append(replicated(10), { origin: 'replica' })
    await log.append(replicated(20), { origin: 'replica' })
    expect(log.segmentCount).toBe(3)
    expect(baseOffsets(await log.read(0, 1))).toEqual([3])
    expect(baseOffsets(await log.read(4, 1))).toEqual([10])
    expect(baseOffsets(await log.read(15, 1))).toEqual([20])
  })

  it('finds every offset among many batches of different sizes', async () => {
    const log = await openLog({ segmentBytes: 60_000, indexIntervalBytes: 500, retentionBytes: -1 })
    for (let i = 0; i < 600; i++) log.append(batch(...Array.from({ length: 1 + (i % 5) }, (_, k) => 'v'.repeat((i * 37 + k * 11) % 700))))
    for (let offset = 0; offset < log.logEndOffset; offset += 7) {
      for (const maxBytes of [1, 3000]) {
        const bytes = await log.read(offset, maxBytes)
        const [first, second] = baseOffsets(bytes)
        expect(first).toBeLessThanOrEqual(offset)
        if (second !== undefined) expect(second).toBeGreaterThan(offset)
        release(bytes)
      }
    }
    expect((await readValues(log, 0, 2000)).length).toBe(log.logEndOffset)
  })

  it('serves readers at different places, and at the end, side by side', async () => {
    const log = await openLog({ indexIntervalBytes: 200 })
    const seen: number[][] = [[], [], []]
    const next = [0, 0, 0]
    for (let i = 0; i < 100; i++) {
      log.append(batch(`v${i}`))
      for (const [reader, every] of [1, 3, 10].entries()) {
        if (i % every) continue
        while (next[reader] < log.logEndOffset) {
          const offsets = baseOffsets(await log.read(next[reader], 150))
          seen[reader].push(...offsets)
          next[reader] = (offsets.at(-1) as number) + 1
        }
      }
    }
    expect(seen.map(offsets => offsets.length)).toEqual([100, 100, 91])
    for (const offsets of seen) expect(offsets).toEqual(offsets.map((_, i) => i))
  })

  it('lends bytes that stay as they are while their segment is removed', async () => {
    const storage = memoryStorage()
    const log = await openLog({ storage, segmentBytes: 1000, retentionBytes: 2000 })
    log.append(batch('first'))
    const lent = await log.read(0, 1000)
    const copy = lent.slice()
    for (let i = 0; i < 500; i++) log.append(batch('x'.repeat(500)))
    expect(log.logStartOffset).toBeGreaterThan(400)
    expect(lent).toEqual(copy)
    release(lent)
  })
})

describe('a read from a storage that answers later', () => {
  it('ends well when its segment is removed meanwhile', async () => {
    const storage = new DelayedStorage()
    const log = await openLog({ storage, segmentBytes: 100 })
    for (let i = 0; i < 5; i++) await log.append(batch(`v${i}`))
    const gate = deferred()
    storage.beforeRead = () => gate.promise
    const reading = log.read(1, 1000)
    log.deleteRecordsBefore(4)
    while (storage.inner.list('orders-0').length > 1) await undefined
    for (let i = 0; i < 50; i++) await undefined
    gate.resolve()
    expect(baseOffsets(await reading)).toEqual([1])
    expect(await codeOf(() => log.read(1, 1000))).toBe('OFFSET_OUT_OF_RANGE')
    await log.close()
  })

  it('fails with the storage, and does not take the log down with it', async () => {
    const storage = new DelayedStorage()
    const log = await openLog({ storage })
    await log.append(batch('a'))
    storage.beforeRead = () => Promise.reject(new Error('the cable is out'))
    expect(await codeOf(() => log.read(0, 100))).toBe('KAFKA_STORAGE_ERROR')
    storage.beforeRead = undefined
    expect(baseOffsets(await log.read(0, 100))).toEqual([0])
    await log.append(batch('b'))
  })

  it('sees nothing of a batch that is not written yet', async () => {
    const storage = new DelayedStorage()
    const log = await openLog({ storage })
    await log.append(batch('a'))
    const appending = log.append(batch('b'))
    expect(log.logEndOffset).toBe(1)
    expect(baseOffsets(await log.read(0, 1000))).toEqual([0])
    expect(await appending).toMatchObject({ baseOffset: 1 })
    expect(baseOffsets(await log.read(0, 1000))).toEqual([0, 1])
  })
})
