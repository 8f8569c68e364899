import { describe, expect, it } from 'vitest'
import { Log } from '../../../src/log/log.js'
import { type MemoryStorage, memoryStorage } from '../../../src/storage/memory/memory.js'
import { DelayedStorage } from '../../storage/delayed-storage.js'
import { batch, codeOf, openLog, readValues } from '../helpers.js'

const size = batch('a').length
const first = 'orders-0/00000000000000000000.log'

/** A log of six batches in segments of two, closed; its storage. */
async function written(): Promise<MemoryStorage> {
  const storage = memoryStorage()
  const log = await openLog({ storage, segmentBytes: 2 * size })
  for (const value of ['a', 'b', 'c', 'd', 'e', 'f']) log.append(batch(value), { leaderEpoch: value < 'd' ? 1 : 2 })
  await log.close()
  return storage
}

function contentOf(storage: MemoryStorage, name: string): Uint8Array {
  const file = storage.open(name)
  return new Uint8Array(file.read(0, 1_000_000) as Uint8Array)
}

function rewrite(storage: MemoryStorage, name: string, change: (bytes: Uint8Array) => Uint8Array | undefined): void {
  const bytes = contentOf(storage, name)
  const changed = change(bytes) ?? bytes
  const file = storage.open(name)
  file.truncate(0)
  file.append(changed)
  file.close()
}

describe('a log that is opened again', () => {
  it('has all that it had', async () => {
    const storage = await written()
    const log = await openLog({ storage, segmentBytes: 2 * size })
    expect(log.recovery).toEqual({ segments: 3, batches: 6 })
    expect([log.logStartOffset, log.logEndOffset, log.highWatermark, log.segmentCount]).toEqual([0, 6, 6, 3])
    expect(log.leaderEpochs.entries).toEqual([
      { epoch: 1, startOffset: 0 },
      { epoch: 2, startOffset: 3 }
    ])
    expect(await readValues(log)).toEqual(['0:a', '1:b', '2:c', '3:d', '4:e', '5:f'])
    expect(log.append(batch('g'))).toMatchObject({ baseOffset: 6 })
    expect(log.segmentCount).toBe(4)
  })

  it('starts where it was told that records were deleted', async () => {
    const storage = await written()
    const log = await openLog({ storage, logStartOffset: 3 })
    expect([log.logStartOffset, log.logEndOffset]).toEqual([3, 6])
    await log.close()
    const beyond = await openLog({ storage, logStartOffset: 50 })
    expect([beyond.logStartOffset, beyond.logEndOffset, beyond.sizeInBytes]).toEqual([50, 50, 0])
    expect(storage.list('orders-0')).toEqual(['00000000000000000050.log'])
  })

  it('begins at any offset when it is new', async () => {
    const log = await openLog({ logStartOffset: 7 })
    expect(log.append(batch('a'))).toMatchObject({ baseOffset: 7, logStartOffset: 7 })
  })

  it('does not mind other files in its folder', async () => {
    const storage = await written()
    storage.open('orders-0/partition.metadata').append(new Uint8Array(5))
    storage.open('orders-0/00000000000000000000.log.deleted').append(new Uint8Array(5))
    expect((await openLog({ storage })).logEndOffset).toBe(6)
  })

  it('is the same whether the storage answers at once or later', async () => {
    const storage = new DelayedStorage({ durable: true })
    const log = await openLog({ storage, segmentBytes: 200 })
    for (let i = 0; i < 10; i++) await log.append(batch(`v${i}`))
    await log.close()
    const again = await openLog({ storage, segmentBytes: 200 })
    expect(again.logEndOffset).toBe(10)
    expect((await readValues(again)).length).toBe(10)
    await again.close()
  })
})

describe('a last append that was torn', () => {
  const last = 'orders-0/00000000000000000004.log'
  const tears: [name: string, tear: (bytes: Uint8Array) => Uint8Array | undefined, kept: number][] = [
    ['in its header', bytes => bytes.slice(0, size + 30), 5],
    ['after its offset', bytes => bytes.slice(0, size + 8), 5],
    ['in its records', bytes => bytes.slice(0, -2), 5],
    ['before it was begun', bytes => bytes.slice(0, size), 5],
    ['so that its end was never written', bytes => bytes.fill(0, bytes.length - 4), 5]
  ]
  for (const [name, tear, kept] of tears) {
    it(`${name}, is cut and reported`, async () => {
      const storage = await written()
      rewrite(storage, last, tear)
      const length = contentOf(storage, last).length
      const log = await openLog({ storage })
      const end = (kept - 4) * size
      if (length > end) expect(log.recovery.tornTail).toMatchObject({ file: last, position: end, bytes: length - end })
      else expect(log.recovery.tornTail).toBeUndefined()
      expect(log.logEndOffset).toBe(kept)
      log.append(batch('new'))
      expect((await readValues(log)).at(-1)).toBe(`${kept}:new`)
      await log.close()
      const again = await openLog({ storage })
      expect([again.logEndOffset, again.recovery.tornTail]).toEqual([kept + 1, undefined])
    })
  }

  it('is none where only zeros follow, which is room that was made ahead: they are cut', async () => {
    const storage = await written()
    rewrite(storage, last, bytes => Uint8Array.from([...bytes, ...new Uint8Array(500)]))
    const log = await openLog({ storage })
    expect([log.logEndOffset, log.recovery.tornTail]).toEqual([6, undefined])
    expect(contentOf(storage, last).length).toBe(2 * size)
    await log.close()
  })

  it('is cut also where an empty segment follows', async () => {
    const storage = await written()
    storage.open('orders-0/00000000000000000006.log')
    rewrite(storage, last, bytes => bytes.slice(0, -2))
    const log = await openLog({ storage })
    expect(log.recovery.tornTail?.position).toBe(size)
    expect([log.logEndOffset, log.segmentCount]).toEqual([5, 3])
  })
})

describe('whatever happens to the file of the last segment', () => {
  const last = 'orders-0/00000000000000000004.log'

  it('a cut anywhere leaves the whole batches before it', async () => {
    const whole = contentOf(await written(), last)
    for (let length = 0; length <= whole.length; length++) {
      const storage = await written()
      rewrite(storage, last, bytes => bytes.slice(0, length))
      const log = await openLog({ storage })
      expect([length, log.logEndOffset]).toEqual([length, 4 + Math.floor(length / size)])
    }
  })

  it('a wrong byte anywhere never changes what is read', async () => {
    const whole = contentOf(await written(), last)
    for (let position = 0; position < whole.length; position++) {
      for (const mask of [0x01, 0x80]) {
        const storage = await written()
        rewrite(storage, last, bytes => {
          bytes[position] ^= mask
          return undefined
        })
        const code = await codeOf(async () => {
          const log = await openLog({ storage })
          const values = (await readValues(log, 0)).map(value => value.split(':')[1])
          expect(['a', 'b', 'c', 'd', 'e', 'f']).toEqual(expect.arrayContaining(values))
          expect(values.slice(0, 4)).toEqual(['a', 'b', 'c', 'd'])
        })
        expect([undefined, 'CORRUPT_MESSAGE']).toContain(code)
      }
    }
  })
})

describe('damage elsewhere', () => {
  const damages: [name: string, file: string, damage: (bytes: Uint8Array) => Uint8Array | undefined, position: number][] = [
    ['a flipped bit before a whole batch', 'orders-0/00000000000000000004.log', bytes => flip(bytes, 66), 0],
    ['an impossible length before a whole batch', 'orders-0/00000000000000000004.log', bytes => flip(bytes, 8), 0],
    ['a flipped bit in an earlier segment', first, bytes => flip(bytes, size + 66), size],
    ['an earlier segment that was cut', first, bytes => bytes.slice(0, -1), size],
    ['offsets that go back', first, bytes => Uint8Array.from([...bytes, ...bytes.slice(0, size)]), 2 * size]
  ]
  for (const [name, file, damage, position] of damages) {
    it(`${name} stops the opening, names the place and keeps the bytes`, async () => {
      const storage = await written()
      rewrite(storage, file, damage)
      const before = contentOf(storage, file)
      await expect(openLog({ storage })).rejects.toThrow(`\`${file}\` is damaged at position ${position}`)
      expect(await codeOf(() => openLog({ storage }))).toBe('CORRUPT_MESSAGE')
      expect(contentOf(storage, file)).toEqual(before)
    })
  }

  function flip(bytes: Uint8Array, position: number): undefined {
    bytes[position] ^= 0x10
  }
})

describe('a storage that answers later', () => {
  it('gets the appends in the order of the calls, through rolls', async () => {
    const log = await openLog({ storage: new DelayedStorage(), segmentBytes: 4 * size })
    const appends = Array.from({ length: 30 }, (_, i) => log.append(batch(`${i % 10}`)))
    const infos = await Promise.all(appends)
    expect(infos.map(({ baseOffset }) => baseOffset)).toEqual(Array.from({ length: 30 }, (_, i) => i))
    expect(await readValues(log)).toEqual(Array.from({ length: 30 }, (_, i) => `${i}:${i % 10}`))
    await log.close()
  })

  it('finishes what was begun before the log is closed', async () => {
    const storage = new DelayedStorage()
    const log = await openLog({ storage, segmentBytes: 2 * size })
    const appends = Array.from({ length: 9 }, () => log.append(batch('a')))
    const closing = log.close()
    await Promise.all(appends)
    await closing
    expect((await openLog({ storage })).logEndOffset).toBe(9)
  })

  it('gets truncations and retention in their place between appends', async () => {
    const log = await openLog({ storage: new DelayedStorage(), segmentBytes: 2 * size, retentionBytes: 3 * size })
    const steps: unknown[] = []
    for (const value of ['a', 'b', 'c']) steps.push(log.append(batch(value)))
    steps.push(log.truncateTo(2))
    for (const value of ['d', 'e']) steps.push(log.append(batch(value)))
    steps.push(log.applyRetention())
    for (const value of ['f', 'g', 'h', 'i']) steps.push(log.append(batch(value)))
    await Promise.all(steps)
    expect(await readValues(log)).toEqual(['4:f', '5:g', '6:h', '7:i'].slice(-(log.logEndOffset - log.logStartOffset)))
    expect(log.logEndOffset).toBe(8)
    await log.close()
  })

  it('leaves the bytes of a caller as they were once the promise has settled', async () => {
    const log = await openLog({ storage: new DelayedStorage() })
    await log.append(batch('z'))
    const bytes = batch('a')
    const before = bytes.slice()
    await log.append(bytes, { leaderEpoch: 9 })
    expect(bytes).toEqual(before)
  })
})

describe('a write that fails', () => {
  it('poisons the log: nothing more is written, what there was can be read', async () => {
    const storage = new DelayedStorage()
    const log = await openLog({ storage })
    await log.append(batch('a'))
    storage.failure = new Error('the disk is full')
    const doomed = [log.append(batch('b')), log.append(batch('c'))]
    for (const append of doomed) expect(await codeOf(() => append)).toBe('KAFKA_STORAGE_ERROR')
    storage.failure = undefined
    expect(await codeOf(() => log.append(batch('d')))).toBe('KAFKA_STORAGE_ERROR')
    expect(await codeOf(() => log.truncateTo(0))).toBe('KAFKA_STORAGE_ERROR')
    expect(await codeOf(() => log.applyRetention())).toBe('KAFKA_STORAGE_ERROR')
    expect(log.failure?.message).toContain('the disk is full')
    expect(log.failure?.cause).toBeInstanceOf(Error)
    expect(log.logEndOffset).toBe(1)
    expect(await readValues(log)).toEqual(['0:a'])
    await log.close()
  })

  it('does so at once where the storage answers at once', async () => {
    const storage = memoryStorage()
    const log = await openLog({ storage })
    log.append(batch('a'))
    const broken = await openLog({ storage: failing(storage), logStartOffset: 0 })
    const bytes = batch('b')
    const before = bytes.slice()
    expect(() => broken.append(bytes)).toThrow('takes no more writes since one failed: no room')
    expect(bytes).toEqual(before)
    expect(() => broken.append(batch('b'))).toThrow('no room')
    expect(await readValues(broken)).toEqual(['0:a'])
  })

  function failing(storage: MemoryStorage) {
    return Object.assign(Object.create(storage), {
      durable: false,
      list: (folder: string) => storage.list(folder),
      open: (name: string) => {
        const file = storage.open(name)
        return {
          get length() {
            return file.length
          },
          append() {
            throw new Error('no room')
          },
          read: (position: number, maxBytes: number) => file.read(position, maxBytes),
          close: () => file.close()
        }
      }
    })
  }
})

describe('a log alone', () => {
  it('is a write-ahead log', async () => {
    const { batchesIn, RecordBatch } = await import('../../../src/record/record-batch.js')
    await using log = await Log.open(memoryStorage(), 'journal')
    const { baseOffset } = await log.append(RecordBatch.of([{ key: 'u-42', value: 'moved' }]).bytes)
    const values: string[] = []
    for (const found of batchesIn(await log.read(baseOffset, 65536))) {
      for (const record of found.records()) values.push(new TextDecoder().decode(record.value as Uint8Array))
    }
    expect(values).toEqual(['moved'])
  })
})
