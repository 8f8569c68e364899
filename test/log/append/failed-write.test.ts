import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../src/common/bytes.js'
import { seededRandom } from '../../../src/common/random.js'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.js'
import { batch, codeOf, openLog, readValues } from '../helpers.js'

const size = batch('a').length
const segmentBytes = 2 * size

/** Lets all that is under way end. */
async function settle(): Promise<void> {
  await new Promise(setImmediate)
}

describe('a batch that waits for its segment while the one before it fails', () => {
  for (let seed = 1; seed <= 10; seed++) {
    it(`is not written after the gap, seed ${seed}`, async () => {
      const disk = new SimulatedDisk({ random: seededRandom(seed) })
      const log = await openLog({ storage: disk.mount({ syncEachAppend: true }), segmentBytes })
      await log.append(batch('a'))
      disk.fail({ operation: 'sync', name: /0\.log$/ })
      const appends = ['b', 'c', 'd'].map(value => codeOf(() => log.append(batch(value))))
      expect(await Promise.all(appends)).toEqual(Array(3).fill('KAFKA_STORAGE_ERROR'))
      expect([log.logEndOffset, await readValues(log)]).toEqual([1, ['0:a']])
    })

    it(`gets the offset of the one that found no room, seed ${seed}`, async () => {
      const disk = new SimulatedDisk({ random: seededRandom(seed) })
      const log = await openLog({ storage: disk.mount({ maxSyncWriteBytes: 0 }), segmentBytes })
      await log.append(batch('a'))
      disk.fail({ operation: 'append', name: /0\.log$/, code: 'ENOSPC' })
      const failed = codeOf(() => log.append(batch('b')))
      const next = codeOf(() => log.append(batch('c')))
      expect(await failed).toBe('KAFKA_STORAGE_ERROR')
      const values = (await next) === undefined ? ['0:a', '1:c', '2:d'] : ['0:a', '1:d']
      await log.append(batch('d'))
      expect(await readValues(log)).toEqual(values)
    })
  }
})

describe('a segment that could not be made safe', () => {
  for (const operation of ['sync', 'truncate'] as const) {
    for (const syncEachAppend of [false, true]) {
      it(`keeps the recovery point before it: ${operation}${syncEachAppend ? ', each append synced' : ''}`, async () => {
        const disk = new SimulatedDisk({ random: seededRandom(1) })
        const log = await openLog({ storage: disk.mount({ syncEachAppend }), segmentBytes })
        await log.append(batch('a'))
        await log.append(batch('b'))
        disk.fail({ operation, name: /0\.log$/ })
        for (const value of ['c', 'd', 'e', 'f', 'g']) void codeOf(() => log.append(batch(value)))
        await settle()
        expect(log.failure?.message).toContain(operation)
        expect(log.recoveryPoint).toBe(0)
      })
    }
  }
})

describe('the room ahead of the end of a segment', () => {
  for (let seed = 1; seed <= 10; seed++) {
    it(`does not come back after it was taken away on open, seed ${seed}`, async () => {
      const disk = new SimulatedDisk({ random: seededRandom(seed) })
      const log = await openLog({ storage: disk.mount({ syncEachAppend: true }), segmentBytes })
      for (const value of ['a', 'b', 'c']) await log.append(batch(value))
      await log.close()
      const name = 'orders-0/00000000000000000000.log'
      disk.put(name, concatBytes([disk.content(name) as Uint8Array, new Uint8Array(4096)]))
      const again = await openLog({ storage: disk.mount({ syncEachAppend: true }), segmentBytes, recoveryPoint: 2 })
      expect(await readValues(again)).toEqual(['0:a', '1:b', '2:c'])
      disk.crash('power')
      expect(disk.content(name)).toHaveLength(segmentBytes)
    })
  }
})
