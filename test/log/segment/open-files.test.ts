import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/common/random.js'
import type { LogOpenOptions } from '../../../src/log/log-types.js'
import type { Storage, StorageFile } from '../../../src/storage/storage.js'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.js'
import { VirtualClock } from '../../../src/testing/virtual-clock.js'
import { batch, batchAt, batchOf, codeOf, noon, openLog } from '../helpers.js'

const segmentBytes = 2 * batch('a').length

/** The storage, with the names of the files that are open. Closing those that fit fails when it is done. */
function watched(storage: Storage, cannotClose = /^$/): { storage: Storage; openFiles: Set<string> } {
  const openFiles = new Set<string>()
  const open = async (name: string): Promise<StorageFile> => {
    const file = await storage.open(name)
    const close = file.close.bind(file)
    openFiles.add(name)
    for (const method of ['append', 'read', 'truncate', 'sync'] as const) {
      const call = file[method].bind(file) as (...args: unknown[]) => never
      file[method] = (...args: unknown[]) => {
        if (!openFiles.has(name)) throw new Error(`${method} of ${name} comes after its end`)
        return call(...args)
      }
    }
    file.close = async () => {
      openFiles.delete(name)
      await close()
      if (cannotClose.test(name)) throw new Error('it could not be closed')
    }
    return file
  }
  return { storage: new Proxy(storage, { get: (target, name) => (name === 'open' ? open : Reflect.get(target, name, target)) }), openFiles }
}

/** A disk with a log of several segments, closed in order or torn by a power cut. */
async function written(isClosed: boolean, seed: number): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk({ random: seededRandom(seed) })
  const log = await openLog({ storage: disk.mount(), segmentBytes })
  for (const value of 'abcde') await log.append(batch(value))
  await log.sync()
  for (const value of 'fg') await log.append(batch(value))
  if (isClosed) await log.close()
  disk.crash('power')
  return disk
}

describe('a log', () => {
  it('can be trimmed while what a crash has left is made safe', async () => {
    const clock = new VirtualClock(noon + 3_600_000)
    const disk = new SimulatedDisk({ random: seededRandom(1) })
    const log = await openLog({ storage: disk.mount(), segmentBytes })
    for (let i = 0; i < 300; i++) await log.append(batch('a'))
    await log.sync()
    disk.crash('power')
    const { storage, openFiles } = watched(disk.mount())
    const again = await openLog({ storage, segmentBytes, clock, retentionMs: 1000 })
    expect(again.segmentCount).toBe(150)
    await again.applyRetention()
    await again.append(batchAt(clock.now(), 'b'))
    await again.sync()
    await again.close()
    expect([again.failure, again.segmentCount, ...openFiles]).toEqual([undefined, 1])
  })
})

describe('a log leaves no file open', () => {
  const openings: Record<string, LogOpenOptions> = {
    'closed in order': { isClean: true, recoveryPoint: 7 },
    'after a power cut': { recoveryPoint: 0 },
    'whose start lies beyond its end': { recoveryPoint: 0, logStartOffset: 9 }
  }
  for (const [name, options] of Object.entries(openings)) {
    for (const syncEachAppend of [false, true]) {
      it(`when opening one ${name} fails${syncEachAppend ? ', each append synced' : ''}`, async () => {
        for (let after = 0, hasFailed = true; hasFailed; after++) {
          const disk = await written(options.isClean ?? false, after)
          const { storage, openFiles } = watched(disk.mount({ syncEachAppend }))
          disk.fail({ after })
          hasFailed = await openLog({ storage, segmentBytes, ...options }).then(
            async log => {
              await log.close()
              return disk.faultsMet > 0
            },
            () => true
          )
          expect([after, ...openFiles]).toEqual([after])
          expect(after, 'every opening fails').toBeLessThan(1000)
        }
      })
    }
  }

  it('when one of them cannot be closed', async () => {
    const { storage, openFiles } = watched(new SimulatedDisk({ random: seededRandom(1) }).mount(), /0{20}.log$/)
    const log = await openLog({ storage, segmentBytes })
    for (const value of 'abcdefg') await log.append(batch(value))
    await expect(log.close()).rejects.toThrow('it could not be closed')
    expect([...openFiles]).toEqual([])
  })

  it('when it is only read, and torn', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const disk = await written(false, seed)
      const { storage, openFiles } = watched(disk.mount())
      const onlooking = new Proxy(storage, { get: (target, name) => name === 'readOnly' || Reflect.get(target, name) })
      const log = await openLog({ storage: onlooking, segmentBytes, recoveryPoint: 0 })
      await log.close()
      expect([seed, ...openFiles]).toEqual([seed])
    }
  })

  it('when writing, compacting or closing fails', async () => {
    for (let after = 0, hasFailed = true; hasFailed; after++) {
      const disk = new SimulatedDisk({ random: seededRandom(1) })
      const { storage, openFiles } = watched(disk.mount())
      disk.fail({ after })
      const log = await openLog({ storage, segmentBytes: 200, cleanupPolicy: 'compact' }).catch(() => undefined)
      if (log) {
        for (let i = 0; i < 6; i++) {
          await codeOf(() => log.append(batchOf([{ key: `k${i % 2}`, value: `v${i}`, timestamp: noon }])))
        }
        await log.compact({ force: true }).catch(() => {})
        await log.truncateTo(4).catch(() => {})
        await log.close()
      }
      hasFailed = disk.faultsMet > 0
      expect([after, ...openFiles]).toEqual([after])
    }
  })
})
