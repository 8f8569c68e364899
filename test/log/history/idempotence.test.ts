import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/common/random.js'
import type { Log } from '../../../src/log/log.js'
import { RecordBatch } from '../../../src/record/record-batch.js'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.js'
import { VirtualClock } from '../../../src/testing/virtual-clock.js'
import { codeOf, noon, openLog, readValues } from '../helpers.js'

const newDisk = () => new SimulatedDisk({ random: seededRandom(1) })

/** The batch of one record of producer 7 that has this sequence number; its value is the number. */
function produced(sequence: number, epoch = 0): Uint8Array {
  const records = [{ value: `${sequence}`, timestamp: noon }]
  return RecordBatch.of(records, { producerId: 7, producerEpoch: epoch, baseSequence: sequence }).bytes
}

const size = produced(0).length

async function write(log: Log, from: number, to: number): Promise<void> {
  for (let sequence = from; sequence < to; sequence++) await log.append(produced(sequence))
}

/** The last five batches are told from new ones, a gap is refused, and the next one is taken. */
async function expectKnown(log: Log, next: number, firstKnown = Math.max(0, next - 5)): Promise<void> {
  const end = log.logEndOffset
  for (let sequence = firstKnown; sequence < next; sequence++)
    expect(await log.append(produced(sequence)), `sequence ${sequence}`).toMatchObject({ baseOffset: sequence, lastOffset: sequence })
  expect(log.logEndOffset).toBe(end)
  expect(await codeOf(() => log.append(produced(next + 1)))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
  if (firstKnown > 0) expect(await codeOf(() => log.append(produced(firstKnown - 1)))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
  expect(await log.append(produced(next))).toMatchObject({ baseOffset: end })
}

describe('a log knows the last five batches of a producer', () => {
  it('after it was closed and opened again, wherever its segments end', async () => {
    for (const perSegment of [1, 2, 3, 100]) {
      const disk = newDisk()
      const options = { segmentBytes: perSegment * size }
      const log = await openLog({ ...options, storage: disk.mount() })
      await write(log, 0, 8)
      await log.close()
      await expectKnown(await openLog({ ...options, storage: disk.mount(), isClean: true, recoveryPoint: 8 }), 8)
    }
  })

  it('after a crash, wherever its segments end, with and without its snapshots', async () => {
    for (const perSegment of [1, 2, 3, 100]) {
      for (const keepsSnapshots of [true, false]) {
        const disk = newDisk()
        const options = { segmentBytes: perSegment * size }
        await write(await openLog({ ...options, storage: disk.mount() }), 0, 8)
        disk.crash('process')
        const storage = disk.mount()
        if (!keepsSnapshots)
          for (const name of await storage.list('orders-0')) if (name.endsWith('.snapshot')) await storage.remove(`orders-0/${name}`)
        await expectKnown(await openLog({ ...options, storage }), 8)
      }
    }
  })

  it('after its end was cut off, as it was there', async () => {
    for (const perSegment of [1, 3, 100]) {
      const log = await openLog({ storage: newDisk().mount(), segmentBytes: perSegment * size })
      await write(log, 0, 9)
      await log.truncateTo(7)
      await expectKnown(log, 7)
    }
  })

  it('after records were deleted, and retention has removed all of them', async () => {
    const clock = new VirtualClock(noon)
    const disk = newDisk()
    const options = { clock, segmentBytes: 2 * size, retentionMs: 1000 }
    const log = await openLog({ ...options, storage: disk.mount() })
    await write(log, 0, 6)
    await log.deleteRecordsBefore(5)
    await clock.advance(5000)
    await log.applyRetention()
    expect(await readValues(log)).toEqual([])
    await log.close()
    await expectKnown(await openLog({ ...options, storage: disk.mount(), isClean: true, recoveryPoint: 6, logStartOffset: 6 }), 6)
  })

  it('until it wrote nothing for the time after which producers expire', async () => {
    const clock = new VirtualClock(noon)
    const log = await openLog({ clock, retentionMs: -1 })
    await write(log, 0, 3)
    await clock.advance(86_400_000 - 1)
    await log.applyRetention()
    expect(await codeOf(() => log.append(produced(7)))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    await clock.advance(1)
    await log.applyRetention()
    expect(await log.append(produced(7))).toMatchObject({ baseOffset: 3 })
  })
})

describe('a batch that is sent again', () => {
  it('is answered with the first offsets while the first is still being written, and not before it is', async () => {
    const log = await openLog()
    await write(log, 0, 2)
    expect(await log.append(produced(1), { origin: 'producer' })).toMatchObject({ baseOffset: 1 })
    expect(await readValues(log)).toEqual(['0:0', '1:1'])
  })

  it('is refused in an epoch that is over, also after the log was opened again', async () => {
    const disk = newDisk()
    const log = await openLog({ storage: disk.mount() })
    await write(log, 0, 2)
    await log.append(produced(0, 1))
    await log.close()
    const again = await openLog({ storage: disk.mount(), isClean: true, recoveryPoint: 3 })
    expect(await codeOf(() => again.append(produced(1)))).toBe('INVALID_PRODUCER_EPOCH')
    expect(await again.append(produced(0, 1))).toMatchObject({ baseOffset: 2 })
    expect(await codeOf(() => again.append(produced(1, 2)))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
  })
})
