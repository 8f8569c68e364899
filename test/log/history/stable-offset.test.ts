import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/common/random.js'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.js'
import { DelayedStorage } from '../../storage/delayed-storage.js'
import { batch, batchOf, codeOf, endTransaction, noon, openLog, writeTransactional } from '../helpers.js'

const small = { segmentBytes: 400, indexIntervalBytes: 0 }

describe('the last stable offset of a log', () => {
  it('is the high watermark where no transaction is open', async () => {
    const log = await openLog()
    await log.append(batch('a'))
    expect([log.lastStableOffset, log.highWatermark]).toEqual([1, 1])
    await log.close()
  })

  it('stays where the earliest open transaction begins, whichever ends first', async () => {
    const log = await openLog()
    await log.append(batch('a'))
    await writeTransactional(log, 5)
    await writeTransactional(log, 6)
    await writeTransactional(log, 5)
    await log.append(batch('b'))
    expect(log.lastStableOffset).toBe(1)
    await endTransaction(log, 6)
    expect(log.lastStableOffset).toBe(1)
    await writeTransactional(log, 6)
    await endTransaction(log, 5, 'ABORT')
    expect(log.lastStableOffset).toBe(6)
    await endTransaction(log, 6)
    expect([log.lastStableOffset, log.highWatermark]).toEqual([9, 9])
    await log.close()
  })

  it('does not pass what is above the high watermark', async () => {
    const log = await openLog({ autoHighWatermark: false })
    await writeTransactional(log, 5)
    await log.append(batch('b'))
    await endTransaction(log, 5)
    expect(log.lastStableOffset).toBe(0)
    log.advanceHighWatermark(2)
    expect(log.lastStableOffset).toBe(0)
    log.advanceHighWatermark(3)
    expect(log.lastStableOffset).toBe(3)
    await log.close()
  })

  it('waits until the marker is written', async () => {
    const storage = new DelayedStorage({ durable: true })
    const log = await openLog({ storage })
    await writeTransactional(log, 5)
    const ending = endTransaction(log, 5)
    await Promise.resolve()
    expect([log.lastStableOffset, log.highWatermark]).toEqual([0, 1])
    await ending
    expect([log.lastStableOffset, log.highWatermark]).toEqual([2, 2])
    await log.close()
  })

  it('stays where a marker found no room, until another one is written', async () => {
    const disk = new SimulatedDisk({ random: seededRandom(1) })
    const log = await openLog({ storage: disk.mount({ maxSyncWriteBytes: 0 }) })
    await log.append(batch('a'))
    await writeTransactional(log, 5)
    disk.fail({ operation: 'append', name: /0\.log$/, code: 'ENOSPC' })
    expect(await codeOf(() => endTransaction(log, 5))).toBe('KAFKA_STORAGE_ERROR')
    expect(log.lastStableOffset).toBe(1)
    const seen = new Set<number>()
    const appending = log.append(batch('b'))
    for (let turn = 0; turn < 50; turn++) {
      seen.add(log.lastStableOffset)
      await Promise.resolve()
    }
    await appending
    expect([...seen, log.lastStableOffset]).toEqual([1, 1])
    await endTransaction(log, 5, 'ABORT')
    expect(log.lastStableOffset).toBe(4)
    await log.close()
  })

  for (const isClean of [true, false]) {
    it(`is found again when the log is opened${isClean ? '' : ' after a crash'}`, async () => {
      const storage = new DelayedStorage({ durable: true })
      const log = await openLog({ storage, ...small })
      for (const producerId of [9, 4, 6, 9]) await writeTransactional(log, producerId)
      await endTransaction(log, 9)
      await writeTransactional(log, 9)
      await log.close()
      const again = await openLog({ storage, ...small, ...(isClean && { isClean, recoveryPoint: 6 }) })
      expect(again.lastStableOffset).toBe(1)
      await endTransaction(again, 4)
      expect(again.lastStableOffset).toBe(2)
      await endTransaction(again, 6, 'ABORT')
      expect(again.lastStableOffset).toBe(5)
      await again.close()
    })
  }

  it('goes back with a marker that is cut off', async () => {
    const log = await openLog(small)
    for (const producerId of [5, 6]) await writeTransactional(log, producerId)
    await endTransaction(log, 5)
    await endTransaction(log, 6)
    await log.truncateTo(3)
    expect(log.lastStableOffset).toBe(1)
    await log.truncateFullyAndStartAt(7)
    expect(log.lastStableOffset).toBe(7)
    await log.close()
  })

  it('is no lower than the start of the log', async () => {
    const log = await openLog()
    await writeTransactional(log, 5)
    await log.append(batch('b'))
    await log.deleteRecordsBefore(2)
    expect(log.lastStableOffset).toBe(2)
    await endTransaction(log, 5)
    expect(log.lastStableOffset).toBe(3)
    await log.close()
  })

  it('bounds compaction', async () => {
    const log = await openLog({ cleanupPolicy: 'compact', ...small })
    const put = async (value: string) => void (await log.append(batchOf([{ key: 'k', value, timestamp: noon }])))
    await put('a')
    await put('b')
    await writeTransactional(log, 5, 'c', 'k')
    for (const value of 'defghijklmn') await put(value)
    expect(log.segmentCount).toBeGreaterThan(2)
    expect((await log.compact({ force: true }))?.firstDirtyOffset ?? 0).toBeLessThanOrEqual(2)
    await log.close()
  })
})
