import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/common/random.js'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.js'
import { batch, codeOf, openLog, readValues } from '../helpers.js'

const first = 'orders-0/00000000000000000000.log'

/** A log closed in order, one byte of whose first segment was changed since. */
async function damaged(position: number, bit: number) {
  const disk = new SimulatedDisk({ random: seededRandom(1) })
  const log = await openLog({ storage: disk.mount(), segmentBytes: 300 })
  for (const value of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) await log.append(batch(value))
  await log.close()
  const bytes = disk.content(first) as Uint8Array
  bytes[position] ^= 1 << bit
  disk.put(first, bytes)
  return openLog({ storage: disk.mount(), segmentBytes: 300, isClean: true, recoveryPoint: 7 })
}

describe('a batch that claims to be longer than its file', () => {
  for (const bit of [7, 0]) {
    it(`is called damaged by who reads it, bit ${bit}`, async () => {
      const size = batch('a').length
      const log = await damaged(size + 8 + 2, bit)
      expect(await codeOf(() => readValues(log))).toBe('CORRUPT_MESSAGE')
      expect((await readValues(log, 5)).length).toBe(2)
    })
  }
})

describe('damage that stands in the way of compaction', () => {
  it('is told with the file and the position', async () => {
    const size = batch('a').length
    const log = await damaged(size + 8 + 2, 7)
    log.configure({ cleanupPolicy: 'compact' })
    await expect(log.compact({ force: true })).rejects.toMatchObject({
      code: 'CORRUPT_MESSAGE',
      message: expect.stringMatching(new RegExp(`^.${first}. is damaged at position ${size}: `))
    })
  })
})

describe('a batch that claims to end before it begins', () => {
  it('is called damaged, not passed over', async () => {
    const log = await damaged(batch('a').length + 23, 7)
    expect(await codeOf(() => readValues(log))).toBe('CORRUPT_MESSAGE')
    expect((await readValues(log, 5)).length).toBe(2)
  })
})

describe('a batch that claims offsets of another segment', () => {
  it('is called damaged, not served', async () => {
    const log = await damaged(2 * batch('a').length + 5, 3)
    expect(await codeOf(() => readValues(log, 2))).toBe('CORRUPT_MESSAGE')
  })
})
