import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/common/random.js'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.js'
import { batchOf, openLog } from '../helpers.js'

describe('the index of keys beside the log', () => {
  it('is written with the next segment when the disk was full at the end of one', async () => {
    const disk = new SimulatedDisk({ random: seededRandom(1) })
    const storage = disk.mount()
    const log = await openLog({ storage, segmentBytes: 100_000, keyIndex: true })
    const value = 'v'.repeat(20_000)
    const append = async (from: number, to: number) => {
      for (let i = from; i < to; i++) await log.append(batchOf([{ key: `k${i}`, value }]))
      await log.sync()
    }
    disk.fail({ operation: 'append', name: /\.snapshot/, code: 'ENOSPC' })
    await append(0, 5)
    expect(disk.faultsMet).toBe(1)
    await append(5, 9)
    expect((await storage.list('orders-0')).filter(name => name.endsWith('.keys'))).toEqual(['00000000000000000008.keys'])
    await log.close()
  })
})
