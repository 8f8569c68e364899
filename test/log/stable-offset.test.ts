import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/common/random.js'
import type { Log } from '../../src/log/log.js'
import { transactionMarkerBatch } from '../../src/record/control-record.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { DelayedStorage } from '../storage/delayed-storage.js'
import { batch, batchOf, codeOf, noon, openLog } from './helpers.js'

const byCoordinator = { origin: 'coordinator' } as const
const small = { segmentBytes: 400, indexIntervalBytes: 0 }

function transactional(producerId: number): Uint8Array {
  const options = { producerId, producerEpoch: 0, baseSequence: 0, transactional: true }
  return batchOf([{ value: 'a', timestamp: noon }], options)
}

function marker(producerId: number, type: 'COMMIT' | 'ABORT'): Uint8Array {
  return transactionMarkerBatch({ type, producerId, producerEpoch: 0, coordinatorEpoch: 3, timestamp: noon })
}

const write = async (log: Log, producerId: number) => void (await log.append(transactional(producerId), byCoordinator))
const end = async (log: Log, producerId: number, type: 'COMMIT' | 'ABORT' = 'COMMIT') =>
  void (await log.append(marker(producerId, type), byCoordinator))

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
    await write(log, 5)
    await write(log, 6)
    await write(log, 5)
    await log.append(batch('b'))
    expect(log.lastStableOffset).toBe(1)
    await end(log, 6)
    expect(log.lastStableOffset).toBe(1)
    await write(log, 6)
    await end(log, 5, 'ABORT')
    expect(log.lastStableOffset).toBe(6)
    await end(log, 6)
    expect([log.lastStableOffset, log.highWatermark]).toEqual([9, 9])
    await log.close()
  })

  it('does not pass what is above the high watermark', async () => {
    const log = await openLog({ autoHighWatermark: false })
    await write(log, 5)
    await log.append(batch('b'))
    await end(log, 5)
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
    await write(log, 5)
    const ending = end(log, 5)
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
    await write(log, 5)
    disk.fail({ operation: 'append', name: /0\.log$/, code: 'ENOSPC' })
    expect(await codeOf(() => end(log, 5))).toBe('KAFKA_STORAGE_ERROR')
    expect(log.lastStableOffset).toBe(1)
    const seen = new Set<number>()
    const appending = log.append(batch('b'))
    for (let turn = 0; turn < 50; turn++) {
      seen.add(log.lastStableOffset)
      await Promise.resolve()
    }
    await appending
    expect([...seen, log.lastStableOffset]).toEqual([1, 1])
    await end(log, 5, 'ABORT')
    expect(log.lastStableOffset).toBe(4)
    await log.close()
  })

  for (const isClean of [true, false]) {
    it(`is found again when the log is opened${isClean ? '' : ' after a crash'}`, async () => {
      const storage = new DelayedStorage({ durable: true })
      const log = await openLog({ storage, ...small })
      for (const producerId of [9, 4, 6, 9]) await write(log, producerId)
      await end(log, 9)
      await write(log, 9)
      await log.close()
      const again = await openLog({ storage, ...small, ...(isClean && { isClean, recoveryPoint: 6 }) })
      expect(again.lastStableOffset).toBe(1)
      await end(again, 4)
      expect(again.lastStableOffset).toBe(2)
      await end(again, 6, 'ABORT')
      expect(again.lastStableOffset).toBe(5)
      await again.close()
    })
  }

  it('goes back with a marker that is cut off', async () => {
    const log = await openLog(small)
    for (const producerId of [5, 6]) await write(log, producerId)
    await end(log, 5)
    await end(log, 6)
    await log.truncateTo(3)
    expect(log.lastStableOffset).toBe(1)
    await log.truncateFullyAndStartAt(7)
    expect(log.lastStableOffset).toBe(7)
    await log.close()
  })

  it('is no lower than the start of the log', async () => {
    const log = await openLog()
    await write(log, 5)
    await log.append(batch('b'))
    await log.deleteRecordsBefore(2)
    expect(log.lastStableOffset).toBe(2)
    await end(log, 5)
    expect(log.lastStableOffset).toBe(3)
    await log.close()
  })

  it('bounds compaction', async () => {
    const log = await openLog({ cleanupPolicy: 'compact', ...small })
    const put = async (value: string) => void (await log.append(batchOf([{ key: 'k', value, timestamp: noon }])))
    await put('a')
    await put('b')
    await log.append(
      batchOf([{ key: 'k', value: 'c', timestamp: noon }], { producerId: 5, producerEpoch: 0, baseSequence: 0, transactional: true }),
      byCoordinator
    )
    for (const value of 'defghijklmn') await put(value)
    expect(log.segmentCount).toBeGreaterThan(2)
    expect((await log.compact({ force: true }))?.firstDirtyOffset ?? 0).toBeLessThanOrEqual(2)
    await log.close()
  })
})
