import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/common/random.js'
import { historyOf, type Log } from '../../../src/log/log.js'
import type { LogOpenOptions } from '../../../src/log/log-types.js'
import { readSmallFile, writeSmallFile } from '../../../src/log/segment/small-file.js'
import { RecordBatch } from '../../../src/record/record-batch.js'
import { SimulatedDisk } from '../../../src/testing/simulated-disk.js'
import { DelayedStorage } from '../../storage/delayed-storage.js'
import { batch, codeOf, openLog, readValues } from '../helpers.js'

const size = batch('a').length
const name = (offset: number, suffix: string) => `orders-0/${String(offset).padStart(20, '0')}.${suffix}`

/** The producer's nth batch of one record. */
function produced(sequence: number, value = 'p'): Uint8Array {
  return RecordBatch.of([{ value, timestamp: 1 }], { producerId: 7, producerEpoch: 0, baseSequence: sequence }).bytes
}

/** A log of six batches in segments of two, by two leaders and one producer, closed in order. */
async function written(options: LogOpenOptions = {}): Promise<DelayedStorage> {
  const storage = new DelayedStorage({ durable: true })
  const log = await openLog({ storage, segmentBytes: 2 * size, indexIntervalBytes: 0, ...options })
  for (let i = 0; i < 6; i++) await log.append(produced(i, 'abcdef'[i]), { leaderEpoch: i < 3 ? 1 : 2 })
  await log.close()
  return storage
}

const sixValues = ['0:a', '1:b', '2:c', '3:d', '4:e', '5:f']

async function change(storage: DelayedStorage, file: string, edit: (bytes: Uint8Array) => Uint8Array | undefined): Promise<void> {
  const bytes = await readSmallFile(storage, file)
  await writeSmallFile(storage, file, edit(bytes) ?? bytes)
}

describe('a durable log that was closed', () => {
  it('has the files that Kafka has', async () => {
    const storage = await written()
    expect(storage.inner.list('orders-0').sort()).toEqual(
      [
        ...[0, 2, 4].flatMap(offset => ['index', 'log', 'timeindex'].map(suffix => name(offset, suffix).slice(9))),
        ...[4, 6].map(offset => name(offset, 'snapshot').slice(9)),
        'leader-epoch-checkpoint'
      ].sort()
    )
    expect(Buffer.from(await readSmallFile(storage, 'orders-0/leader-epoch-checkpoint')).toString()).toBe('0\n2\n1 0\n2 3\n')
    expect(Buffer.from(await readSmallFile(storage, name(0, 'index'))).toString('hex')).toBe(
      `00000001${size.toString(16).padStart(8, '0')}`
    )
    expect((await readSmallFile(storage, name(6, 'snapshot'))).length).toBe(10 + 5 * 46)
  })

  it('is opened without a look at its batches, and knows all that it knew', async () => {
    const storage = await written()
    let reads = 0
    storage.beforeRead = async () => void reads++
    const log = await openLog({ storage, segmentBytes: 2 * size, isClean: true, recoveryPoint: 6 })
    expect(log.recovery).toEqual({ segments: 3, batches: 0 })
    // The epochs, the producers, two indexes and the end of the last segment; of each other one the first batch, the last entry of the index, and what follows.
    expect(reads).toBeLessThan(15)
    expect([log.logEndOffset, log.recoveryPoint, log.leaderEpochs.entries.length]).toEqual([6, 6, 2])
    expect(await log.append(produced(5))).toMatchObject({ baseOffset: 5 })
    expect(await codeOf(() => log.append(produced(9)))).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER')
    expect(await log.append(produced(6, 'g'))).toMatchObject({ baseOffset: 6 })
    expect(await readValues(log)).toEqual([...sixValues, '6:g'])
    expect(await log.offsetForTimestamp(1)).toMatchObject({ offset: 0 })
    await log.close()
  })

  it('is left as it is when nothing was written to it', async () => {
    const storage = await written()
    const log = await openLog({ storage, segmentBytes: 2 * size, isClean: true })
    storage.failure = new Error('nothing is to be written')
    await log.close()
    expect(log.failure).toBeUndefined()
  })

  const losses: [what: string, lose: (storage: DelayedStorage) => Promise<void>][] = [
    ['all indexes', storage => removeAll(storage, 'index')],
    ['all time indexes', storage => removeAll(storage, 'timeindex')],
    ['the snapshots', storage => removeAll(storage, 'snapshot')],
    ['the leader epochs', storage => storage.remove('orders-0/leader-epoch-checkpoint')],
    [
      'nothing but the log',
      async storage => {
        for (const suffix of ['index', 'timeindex', 'snapshot', 'leader-epoch-checkpoint']) await removeAll(storage, suffix)
      }
    ]
  ]
  for (const [what, lose] of losses) {
    it(`knows everything although ${what} ${what.startsWith('nothing') ? 'is left' : 'are gone'}, or damaged at any byte`, async () => {
      const lost = await written()
      await lose(lost)
      await expectWhole(await openLog({ storage: lost, segmentBytes: 2 * size, indexIntervalBytes: 0, isClean: true }), lost)
    })
  }

  it('tells no lies whatever byte of an index, a snapshot or a checkpoint is wrong', async () => {
    const files = (await written()).inner.list('orders-0').filter(file => !file.endsWith('.log'))
    for (const file of files) {
      const { length } = await readSmallFile(await written(), `orders-0/${file}`)
      for (let position = 0; position < length; position++) {
        const storage = await written()
        await change(storage, `orders-0/${file}`, bytes => void (bytes[position] ^= 0x11))
        const log = await openLog({ storage, segmentBytes: 2 * size, indexIntervalBytes: 0, isClean: true })
        expect([file, position, await readValues(log, 0, size)]).toEqual([file, position, sixValues])
        for (let offset = 0; offset < 6; offset++) expect((await readValues(log, offset))[0]).toBe(sixValues[offset])
        expect([file, position, await log.offsetForTimestamp(1)]).toMatchObject([file, position, { offset: 0 }])
        expect(await log.offsetForTimestamp(2)).toBeUndefined()
        await log.close()
      }
    }
  })

  async function removeAll(storage: DelayedStorage, suffix: string): Promise<void> {
    for (const file of storage.inner.list('orders-0')) if (file.endsWith(suffix)) await storage.remove(`orders-0/${file}`)
  }

  async function expectWhole(log: Log, storage: DelayedStorage): Promise<void> {
    expect(await readValues(log)).toEqual(sixValues)
    expect(log.leaderEpochs.entries).toEqual([
      { epoch: 1, startOffset: 0 },
      { epoch: 2, startOffset: 3 }
    ])
    expect(historyOf(log).producers.get(7)?.batches.at(-1)).toMatchObject({ lastSequence: 5, lastOffset: 5 })
    expect(await log.offsetForTimestamp(1)).toMatchObject({ offset: 0 })
    await log.append(produced(6, 'g'))
    await log.close()
    expect(Buffer.from(await readSmallFile(storage, name(0, 'index'))).toString('hex')).toBe(
      `00000001${size.toString(16).padStart(8, '0')}`
    )
  }
})

describe('after a crash', () => {
  it('only what lies from the recovery point on is read', async () => {
    const log = await openLog({ storage: await written(), segmentBytes: 2 * size, recoveryPoint: 5 })
    expect(log.recovery).toEqual({ segments: 3, batches: 2 })
    expect(await readValues(log)).toEqual(sixValues)
    await log.close()
  })

  it('the first damage from the recovery point on ends the log, with all that comes after it', async () => {
    const storage = await written()
    await change(storage, name(2, 'log'), bytes => void (bytes[size + 66] ^= 1))
    const log = await openLog({ storage, segmentBytes: 2 * size, recoveryPoint: 2 })
    expect(log.recovery.tornTail).toEqual({
      file: name(2, 'log'),
      position: size,
      bytes: 3 * size,
      reason: 'the checksum of a batch does not fit its bytes'
    })
    expect(await readValues(log)).toEqual(sixValues.slice(0, 3))
    expect(historyOf(log).producers.get(7)?.batches.at(-1)).toMatchObject({ lastOffset: 2 })
    expect(log.leaderEpochs.entries).toEqual([{ epoch: 1, startOffset: 0 }])
    expect(await log.append(produced(3, 'z'))).toMatchObject({ baseOffset: 3 })
    await log.close()
    expect(storage.inner.list('orders-0').filter(file => file.endsWith('.deleted'))).toEqual([])
  })

  it('damage before the recovery point stops the opening and keeps the bytes', async () => {
    const storage = await written()
    await change(storage, name(4, 'log'), bytes => void (bytes[66] ^= 1))
    const before = await readSmallFile(storage, name(4, 'log'))
    await expect(openLog({ storage, segmentBytes: 2 * size, recoveryPoint: 5 })).rejects.toThrow(
      `\`${name(4, 'log')}\` is damaged at position 0`
    )
    expect(await readSmallFile(storage, name(4, 'log'))).toEqual(before)
  })

  it('so does an end that lies before the recovery point', async () => {
    const storage = await written()
    await change(storage, name(4, 'log'), bytes => bytes.slice(0, size))
    for (const isClean of [true, false]) {
      const opening = openLog({ storage, segmentBytes: 2 * size, isClean, recoveryPoint: 6 })
      await expect(opening).rejects.toThrow('ends at offset 5')
    }
  })

  it('a gap between segments ends the log before it', async () => {
    const storage = await written()
    await storage.remove(name(2, 'log'))
    const log = await openLog({ storage, segmentBytes: 2 * size, recoveryPoint: 0 })
    expect(log.recovery.tornTail).toMatchObject({ file: name(4, 'log'), position: 0, reason: 'the offsets 2 to 3 before it are missing' })
    expect(await readValues(log)).toEqual(sixValues.slice(0, 2))
    await log.close()
  })

  it('what was half removed or half made is finished or undone', async () => {
    const storage = await written()
    for (const file of [
      `${name(0, 'log')}.deleted`,
      `${name(2, 'log')}.cleaned`,
      name(99, 'index'),
      'orders-0/leader-epoch-checkpoint.tmp'
    ]) {
      await writeSmallFile(storage, file, new Uint8Array(5))
    }
    const log = await openLog({ storage, segmentBytes: 2 * size, recoveryPoint: 0 })
    expect(await readValues(log)).toEqual(sixValues)
    await log.close()
    expect(storage.inner.list('orders-0').filter(file => /deleted|cleaned|99|tmp/.test(file))).toEqual([])
  })
})

describe('a disk that is full', () => {
  it('fails the append, keeps the log whole, and lets it go on once there is room', async () => {
    const disk = new SimulatedDisk({ random: seededRandom(3) })
    const log = await openLog({ storage: disk.mount(), segmentBytes: 3 * size })
    for (let i = 0; i < 4; i++) await log.append(produced(i))
    disk.fail({ operation: 'append', name: /\.log$/, code: 'ENOSPC' })
    const failed = [4, 5, 6].map(sequence => codeOf(() => log.append(produced(sequence))))
    expect(await failed[0]).toBe('KAFKA_STORAGE_ERROR')
    await Promise.all(failed)
    expect(log.failure).toBeUndefined()
    const next = log.logEndOffset
    for (let sequence = next; sequence < 9; sequence++) await log.append(produced(sequence, 'again'))
    expect((await readValues(log)).map(value => Number(value.split(':')[0]))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    await log.close()
    const again = await openLog({ storage: disk.mount(), segmentBytes: 3 * size, isClean: true, recoveryPoint: 9 })
    expect((await readValues(again)).length).toBe(9)
  })
})

describe('a sync that fails', () => {
  it('ends the writing for good, and says why; what was acknowledged can be read', async () => {
    const disk = new SimulatedDisk({ random: seededRandom(3) })
    const log = await openLog({ storage: disk.mount({ syncEachAppend: true }) })
    await log.append(batch('a'))
    disk.fail({ operation: 'sync', name: /\.log$/ })
    expect(await codeOf(() => log.append(batch('b')))).toBe('KAFKA_STORAGE_ERROR')
    expect(await codeOf(() => log.append(batch('c')))).toBe('KAFKA_STORAGE_ERROR')
    expect(log.failure?.message).toContain('EIO')
    expect(await readValues(log)).toEqual(['0:a'])
    await log.close()
  })
})

describe('appends that are synced', () => {
  it('survive a power cut, whatever else is lost', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const disk = new SimulatedDisk({ random: seededRandom(seed) })
      const log = await openLog({ storage: disk.mount({ syncEachAppend: true }), segmentBytes: 3 * size })
      const acknowledged: string[] = []
      const appends = Array.from({ length: 12 }, (_, i) =>
        Promise.resolve(log.append(batch(`${i % 10}`))).then(({ baseOffset }) => acknowledged.push(`${baseOffset}:${i % 10}`))
      )
      for (const append of appends) append.catch(() => {})
      await appends[seed % 12]
      disk.crash('power')
      const kept = [...acknowledged]
      const again = await openLog({ storage: disk.mount({ syncEachAppend: true }), segmentBytes: 3 * size, recoveryPoint: 0 })
      expect([seed, (await readValues(again)).slice(0, kept.length)]).toEqual([seed, kept])
    }
  })
})
