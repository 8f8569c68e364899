import { describe, expect, it } from 'vitest'
import { readInt32, readInt64, writeInt64 } from '../../../src/common/bytes.js'
import { seededRandom } from '../../../src/common/random.js'
import type { KafkaError } from '../../../src/errors.js'
import { Log } from '../../../src/log/log.js'
import type { LogOpenOptions } from '../../../src/log/log-types.js'
import { batchesIn } from '../../../src/record/record-batch.js'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.js'
import { VirtualClock } from '../../../src/testing/virtual-clock.js'
import { batch, batchOf, codeOf, noon, openLog, readValues } from '../helpers.js'

const textAt = (offset: number) => `v${String(offset).padStart(2, '0')}`
const keyed = (offset: number) => batchOf([{ key: textAt(offset), value: textAt(offset), timestamp: noon + offset }])
const size = keyed(0).length
const perSegment = 4
const count = 14
const segmentBytes = perSegment * size
const file = (offset: number, suffix = 'log') => `orders-0/${String(offset).padStart(20, '0')}.${suffix}`
const values = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `${from + i}:${textAt(from + i)}`)

/** A log of one record per batch and four batches per segment, closed in order. */
async function written(options: LogOpenOptions = {}): Promise<SimulatedDisk> {
  const disk = new SimulatedDisk({ random: seededRandom(1) })
  const log = await openLog({ storage: disk.mount(), segmentBytes, indexIntervalBytes: size, ...options })
  for (let offset = 0; offset < count; offset++) await log.append(keyed(offset))
  await log.close()
  return disk
}

interface Opened {
  readonly log: Log
  /** What was told of damage. */
  readonly told: KafkaError[]
}

async function reopened(disk: SimulatedDisk, options: LogOpenOptions = {}): Promise<Opened> {
  const told: KafkaError[] = []
  const onDamage = (damage: KafkaError) => void told.push(damage)
  const open = {
    clock: new VirtualClock(noon),
    segmentBytes,
    indexIntervalBytes: size,
    isClean: true,
    recoveryPoint: count,
    onDamage,
    ...options
  }
  const storage = disk.mount()
  try {
    return { log: await Log.open(storage, 'orders-0', open), told }
  } catch (error) {
    told.push(error as KafkaError)
    return { log: await Log.damaged(storage, 'orders-0', error as KafkaError, open), told }
  }
}

function change(disk: SimulatedDisk, name: string, edit: (bytes: Uint8Array) => Uint8Array | void): void {
  const bytes = disk.content(name) as Uint8Array
  disk.put(name, edit(bytes) ?? bytes)
}

/** Reads from `offset` on; what was read before it failed, and how it did. */
async function readOn(
  log: Log,
  offset = log.logStartOffset
): Promise<{ readonly found: string[]; readonly error: KafkaError | undefined }> {
  const found: string[] = []
  try {
    for (let next = offset; next < log.logEndOffset; ) {
      const [first] = batchesIn(await log.read(next, 1))
      first.verify()
      for (const record of first.records()) found.push(`${record.offset}:${new TextDecoder().decode(record.value ?? undefined)}`)
      next = first.nextOffset
    }
    return { found, error: undefined }
  } catch (error) {
    return { found, error: error as KafkaError }
  }
}

const fields = { baseOffset: [0, 8], batchLength: [8, 12], leaderEpoch: [12, 16], magic: [16, 17], crc: [17, 21] } as const

describe('one flipped bit outside of the checksum of a batch', () => {
  for (const [field, [from, to]] of Object.entries(fields)) {
    it.each([
      ['the first batch of the log', 0],
      ['a batch in the middle of a segment', 5],
      ['the last batch of a segment', 7],
      ['the first batch of a segment', 8],
      ['the last batch of the log', 13]
    ])(`of ${field}, of %s, is told with its place, and no record is handed out under a wrong offset`, async (_, offset) => {
      const name = file(offset - (offset % perSegment))
      const position = (offset % perSegment) * size
      for (let bit = from * 8; bit < to * 8; bit++) {
        const disk = await written()
        change(disk, name, bytes => {
          bytes[position + (bit >> 3)] ^= 1 << (bit & 7)
        })
        const { log, told } = await reopened(disk)
        if (log.failure && log.segmentCount === 0) {
          expect(offset).toBe(0)
          expect(told).toMatchObject([{ code: 'CORRUPT_MESSAGE', file: name, position }])
          continue
        }
        const { found, error } = await readOn(log)
        expect([bit, ...found]).toEqual([bit, ...values(0, offset)])
        // Checksums are compared by whoever decodes, where nobody asks for it before.
        if ((field === 'crc' || field === 'batchLength') && error?.file === undefined) {
          expect(error?.code).toBe('CORRUPT_MESSAGE')
          await expect(Promise.resolve(log.read(offset, 1, { checkCrcs: true }))).rejects.toMatchObject({ file: name, position })
        } else expect(error).toMatchObject({ code: 'CORRUPT_MESSAGE', file: name, position })
        expect(told).toContainEqual(expect.objectContaining({ file: name, position }))
        // Who knows of the damage can read on behind it, where its length tells where that is.
        if (field !== 'batchLength' && offset < count - 1) expect((await readOn(log, offset + 1)).found).toEqual(values(offset + 1, count))
        await log.close()
      }
    })
  }
})

describe('a segment between others', () => {
  const middle = file(4)
  it.each([
    ['that has become empty', (disk: SimulatedDisk) => disk.put(middle, new Uint8Array(0)), 4, middle, 0],
    ['that has lost its last batch', (disk: SimulatedDisk) => change(disk, middle, bytes => bytes.slice(0, 3 * size)), 7, middle, 3 * size],
    [
      'that ends within a batch',
      (disk: SimulatedDisk) => change(disk, middle, bytes => bytes.slice(0, 2 * size + 20)),
      6,
      middle,
      2 * size
    ],
    ['that ends in zeros', (disk: SimulatedDisk) => change(disk, middle, bytes => bytes.fill(0, 2 * size)), 6, middle, 2 * size],
    ['that is gone', (disk: SimulatedDisk) => disk.mount().remove(middle), 4, file(0), 4 * size],
    [
      'that has another name',
      async (disk: SimulatedDisk) => {
        disk.put(file(5), disk.content(middle) as Uint8Array)
        await disk.mount().remove(middle)
      },
      4,
      file(0),
      4 * size
    ],
    ['of which there is a copy', (disk: SimulatedDisk) => disk.put(file(6), disk.content(middle) as Uint8Array), 6, middle, 2 * size]
  ])('%s is told when the log is opened, and not passed over', async (_, damage, offset, name, position) => {
    for (const isClean of [true, false]) {
      const disk = await written()
      await damage(disk)
      const { log, told } = await reopened(disk, { isClean })
      expect(told).toContainEqual(expect.objectContaining({ code: 'CORRUPT_MESSAGE', file: name, position }))
      const { found, error } = await readOn(log)
      expect(found).toEqual(values(0, offset))
      expect(error?.code).toBe('CORRUPT_MESSAGE')
      expect(told.map(({ file, position }) => [file, position])).toContainEqual([error?.file, error?.position])
      expect((await readOn(log, 8)).found).toEqual(values(8, count))
      // The end is as it was, so writing goes on.
      expect(await log.append(batch('more'))).toMatchObject({ baseOffset: count })
      await log.close()
    }
  })

  it('is nobody’s loss when its records were deleted', async () => {
    for (const damage of [
      (disk: SimulatedDisk) => disk.put(middle, new Uint8Array(0)),
      (disk: SimulatedDisk) => disk.mount().remove(middle)
    ]) {
      const disk = await written()
      await damage(disk)
      const { log, told } = await reopened(disk, { logStartOffset: 8 })
      expect((await readOn(log)).found).toEqual(values(8, count))
      expect(told).toEqual([])
      await log.close()
    }
  })

  it('is found when it is read, where it was whole when the log was opened', async () => {
    const disk = await written()
    const { log, told } = await reopened(disk)
    expect(told).toEqual([])
    change(disk, middle, bytes => writeInt64(bytes, size, 77))
    const { found, error } = await readOn(log)
    expect(found).toEqual(values(0, 5))
    expect(error).toMatchObject({ file: middle, position: size })
    await readOn(log)
    expect(told).toHaveLength(1)
  })
})

describe('a file with a name that cannot be', () => {
  const stray = '00009007199254740990'
  it.each([
    ['far beyond the end', `${stray}.log`, new Uint8Array(0)],
    ['far beyond the end, with batches of another log', `${stray}.log`, batch('stranger')],
    ['beyond all offsets', '99999999999999999999.log', new Uint8Array(0)]
  ])('%s stops the writing and is told; what the log has can be read', async (_, name, bytes) => {
    const disk = await written()
    disk.put(`orders-0/${name}`, bytes)
    const { log, told } = await reopened(disk)
    expect(told).toMatchObject([{ code: 'CORRUPT_MESSAGE', file: `orders-0/${name}`, position: 0 }])
    expect([log.logEndOffset, log.failure?.code]).toEqual([count, 'KAFKA_STORAGE_ERROR'])
    expect(await readOn(log)).toEqual({ found: values(0, count), error: undefined })
    expect(await codeOf(() => log.append(batch('x')))).toBe('KAFKA_STORAGE_ERROR')
    await log.close()
    expect(disk.content(`orders-0/${name}`)).toEqual(bytes)
    await disk.mount().remove(`orders-0/${name}`)
    const { log: mended } = await reopened(disk)
    expect(await mended.append(batch('x'))).toMatchObject({ baseOffset: count })
  })
})

describe('what a log may lack', () => {
  const replicated = (baseOffset: number) => batchOf([{ value: textAt(baseOffset) }], { baseOffset })

  it('offsets that compaction has taken, also when the log is compacted no more', async () => {
    const disk = new SimulatedDisk({ random: seededRandom(1) })
    const options = { segmentBytes: 200, cleanupPolicy: 'compact', minCleanableDirtyRatio: 0 } as const
    const log = await openLog({ storage: disk.mount(), ...options })
    for (let i = 0; i < 12; i++) await log.append(batchOf([{ key: `k${i % 3}`, value: textAt(i), timestamp: noon }]))
    await log.compact({ force: true })
    const { firstDirtyOffset } = log
    const found = await readValues(log)
    expect(found.length).toBeLessThan(12)
    await log.close()
    for (const cleanupPolicy of ['compact', 'delete'] as const) {
      const { log: again, told } = await reopened(disk, { ...options, cleanupPolicy, firstDirtyOffset, recoveryPoint: 12 })
      expect(await readValues(again)).toEqual(found)
      expect([again.gapsEndOffset, ...told]).toEqual([firstDirtyOffset])
      await again.close()
    }
  })

  it('offsets that a replica never got', async () => {
    const disk = new SimulatedDisk({ random: seededRandom(1) })
    const log = await openLog({ storage: disk.mount() })
    for (const offset of [3, 10, 20]) await log.append(replicated(offset), { origin: 'replica' })
    const found = ['3:v03', '10:v10', '20:v20']
    expect(await readValues(log)).toEqual(found)
    const { gapsEndOffset } = log
    await log.close()
    const { log: again, told } = await reopened(disk, { firstDirtyOffset: gapsEndOffset, recoveryPoint: 21 })
    expect([await readValues(again), told]).toEqual([found, []])
  })

  it('its beginning', async () => {
    const disk = await written()
    for (const suffix of ['log', 'index', 'timeindex']) await disk.mount().remove(file(0, suffix))
    const { log, told } = await reopened(disk)
    expect([await readOn(log), told]).toEqual([{ found: values(4, count), error: undefined }, []])
  })
})

describe('evidence of damage', () => {
  it('is not removed by retention, until its records are deleted', async () => {
    const disk = await written()
    change(disk, file(0), bytes => writeInt64(bytes, size, 500))
    change(disk, file(4), bytes => bytes.slice(0, 2 * size))
    const { log } = await reopened(disk, { retentionMs: 1, retentionBytes: 1 })
    await readOn(log)
    await log.applyRetention()
    expect(log.logStartOffset).toBe(4)
    expect(disk.content(file(4))).toHaveLength(2 * size)
    await log.deleteRecordsBefore(8)
    await log.applyRetention()
    await log.close()
    expect(disk.content(file(4))).toBeUndefined()
  })

  it('is not carried on by compaction, nor does it take other records with it', async () => {
    const disk = new SimulatedDisk({ random: seededRandom(1) })
    const options = { segmentBytes: 400, cleanupPolicy: 'compact', minCleanableDirtyRatio: 0 } as const
    const log = await openLog({ storage: disk.mount(), ...options })
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l'])
      await log.append(batchOf([{ key, value: key, timestamp: noon }]))
    await log.close()
    const names = Object.keys(disk.files()).filter(name => name.endsWith('.log'))
    // The key `f` becomes `b`, of which an older segment has the last record.
    change(disk, names[1], bytes => {
      const at = Buffer.from(bytes).indexOf('f')
      bytes[at] = 'b'.charCodeAt(0)
    })
    const before = names.map(name => disk.content(name))
    const { log: again, told } = await reopened(disk, { ...options, recoveryPoint: 12 })
    await expect(again.compact({ force: true })).rejects.toMatchObject({ code: 'CORRUPT_MESSAGE', file: names[1] })
    expect(told).toMatchObject([{ file: names[1], message: expect.stringContaining('the checksum') }])
    await again.close()
    expect(names.map(name => disk.content(name))).toEqual(before)
  })
})

describe('a damaged file beside a log', () => {
  it.each(['index', 'timeindex'])('is told and made anew: .%s', async suffix => {
    for (const offset of [4, 12]) {
      const name = file(offset, suffix)
      const whole = (await written()).content(name) as Uint8Array
      for (let at = 0; at < whole.length; at++) {
        const disk = await written()
        change(disk, name, bytes => {
          bytes[at] ^= 0x11
        })
        const { log, told } = await reopened(disk)
        for (let one = 0; one < count; one++) expect((await log.offsetForTimestamp(noon + one))?.offset).toBe(one)
        expect([at, await readOn(log)]).toEqual([at, { found: values(0, count), error: undefined }])
        expect(told).toMatchObject([{ code: 'CORRUPT_MESSAGE', file: name }])
        await log.append(batch('x'))
        await log.close()
        if (offset === 4) expect(disk.content(name)).toEqual(whole)
      }
    }
  })

  it('is told and made anew: the checkpoint of leader epochs', async () => {
    const disk = new SimulatedDisk({ random: seededRandom(1) })
    const log = await openLog({ storage: disk.mount(), segmentBytes, indexIntervalBytes: size })
    for (let offset = 0; offset < count; offset++) await log.append(keyed(offset), { leaderEpoch: offset < 6 ? 1 : 3 })
    await log.close()
    const name = 'orders-0/leader-epoch-checkpoint'
    const { entries } = log.leaderEpochs
    for (const text of [
      '0\n2\n1 0\n2 6\n',
      '0\n2\n1 0\n3 4\n',
      '0\n2\n1 0\n3 9\n',
      '0\n1\n1 0\n',
      '0\n2\n1 0\n3 x\n',
      '0\n2\n0 0\n3 6\n',
      'nonsense'
    ]) {
      disk.put(name, new TextEncoder().encode(text))
      const { log: again, told } = await reopened(disk)
      expect([text, await readOn(again)]).toEqual([text, { found: values(0, count), error: undefined }])
      expect([text, told]).toMatchObject([text, [{ code: 'CORRUPT_MESSAGE', file: name }]])
      expect(again.leaderEpochs.entries).toEqual(entries)
      await again.close()
      expect(new TextDecoder().decode(disk.content(name))).toBe('0\n2\n1 0\n3 6\n')
    }
  })

  it('is told where records are found by the recovery point that is wrong', async () => {
    const disk = await written()
    for (const recoveryPoint of [3, 11, 19]) {
      const { log, told } = await reopened(disk, { recoveryPoint })
      expect(told).toMatchObject([{ file: 'recovery-point-offset-checkpoint' }])
      expect((await readOn(log)).found).toEqual(values(0, count))
      await log.close()
    }
  })
})

describe('damage in the part of a log that a crash may have torn', () => {
  it('does not make a leader epoch of one batch that of the log', async () => {
    const disk = await written()
    change(disk, file(12), bytes => {
      bytes[14] ^= 1
    })
    const { log } = await reopened(disk, { isClean: false, recoveryPoint: 8 })
    expect(log.leaderEpochs.entries).toEqual([{ epoch: 0, startOffset: 0 }])
    const { found, error } = await readOn(log)
    expect(found).toEqual(values(0, 12))
    expect(error).toMatchObject({ file: file(12), position: 0 })
    expect((await readOn(log, 13)).found).toEqual(values(13, count))
  })

  it('ends the log before a batch whose offsets cannot be, not behind it', async () => {
    const disk = await written({ cleanupPolicy: 'compact' })
    change(disk, file(8), bytes => {
      expect([readInt64(bytes, size), readInt32(bytes, 8)]).toEqual([9, size - 12])
      writeInt64(bytes, size, 10)
    })
    const { log } = await reopened(disk, { isClean: false, recoveryPoint: 4, cleanupPolicy: 'compact' })
    expect(log.recovery.tornTail).toMatchObject({ file: file(8), position: size })
    expect((await readOn(log)).found).toEqual(values(0, 9))
  })
})
