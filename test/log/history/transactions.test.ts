import { describe, expect, it } from 'vitest'
import { KafkaError } from '../../../src/errors.js'
import { abortedTransactionsIn } from '../../../src/log/history/transaction-index.js'
import type { Log } from '../../../src/log/log.js'
import type { LogOpenOptions } from '../../../src/log/log-types.js'
import { readSmallFile, writeSmallFile } from '../../../src/log/segment/small-file.js'
import { controlTypeOf } from '../../../src/record/control-record.js'
import { batchesIn } from '../../../src/record/record-batch.js'
import { DelayedStorage } from '../../storage/delayed-storage.js'
import { batch, endTransaction, openLog, writeTransactional } from '../helpers.js'

const small = { segmentBytes: 400, indexIntervalBytes: 0 }

/** Two producers whose transactions overlap, over some segments; values in capitals are taken back. */
async function writeAll(log: Log): Promise<void> {
  await writeTransactional(log, 5, 'A')
  await writeTransactional(log, 6, 'b')
  await log.append(batch('c'))
  await endTransaction(log, 5, 'ABORT')
  await writeTransactional(log, 5, 'd')
  await endTransaction(log, 6, 'COMMIT')
  await writeTransactional(log, 6, 'E')
  await endTransaction(log, 5, 'COMMIT')
  await writeTransactional(log, 6, 'F')
  await writeTransactional(log, 5, 'G')
  await endTransaction(log, 6, 'ABORT')
  await endTransaction(log, 5, 'ABORT')
  await log.append(batch('h'))
}

const expected = [
  { producerId: 5, firstOffset: 0, lastOffset: 3, lastStableOffset: 1 },
  { producerId: 6, firstOffset: 6, lastOffset: 10, lastStableOffset: 9 },
  { producerId: 5, firstOffset: 9, lastOffset: 11, lastStableOffset: 12 }
]

/** Reads as a consumer with `read_committed` does, beginning at `offset`. */
async function readCommitted(log: Log, offset = 0, maxBytes = 1): Promise<string> {
  let text = ''
  while (offset < log.logEndOffset) {
    const bytes = await log.read(offset, maxBytes)
    const aborted = [...(await log.abortedTransactions(offset, bytes))]
    const active = new Set<number>()
    for (const each of batchesIn(bytes)) {
      if (each.nextOffset <= offset) throw new KafkaError('CORRUPT_MESSAGE')
      while (aborted.length > 0 && aborted[0].firstOffset <= each.lastOffset)
        active.add((aborted.shift() as { producerId: number }).producerId)
      if (each.isControl) {
        const [marker] = each.records()
        if (controlTypeOf(marker.key) === 'ABORT') active.delete(each.producerId)
      } else if (!(each.isTransactional && active.has(each.producerId)))
        for (const { value } of each.records()) text += Buffer.from(value ?? [])
      offset = each.nextOffset
    }
  }
  return text
}

const name = (file: string) => `orders-0/${file}`

async function written(options: LogOpenOptions = {}) {
  const storage = new DelayedStorage({ durable: true })
  const log = await openLog({ storage, ...small, ...options })
  await writeAll(log)
  await log.close()
  return storage
}

function indexesIn(storage: DelayedStorage): string[] {
  return storage.inner
    .list('orders-0')
    .filter(file => file.endsWith('.txnindex'))
    .sort()
}

/** What the files list, all in one. */
async function listed(storage: DelayedStorage): Promise<object[]> {
  const files = await Promise.all(indexesIn(storage).map(file => readSmallFile(storage, name(file))))
  return files.flatMap(bytes => [...abortedTransactionsIn(bytes)])
}

const reopened = { ...small, isClean: true, recoveryPoint: 13 }

describe('transactions that were aborted', () => {
  it('are passed over by readers of what is committed, in memory and on disk', async () => {
    for (const storage of [undefined, new DelayedStorage({ durable: true })]) {
      const log = await openLog({ storage, ...small })
      await writeAll(log)
      expect(await readCommitted(log)).toBe('bcdh')
      expect(await readCommitted(log, 4, 100_000)).toBe('dh')
      await log.close()
    }
  })

  it('are told as far as they concern what was read', async () => {
    const log = await openLog({ storage: await written(), ...reopened })
    const toldFor = async (offset: number) =>
      (await log.abortedTransactions(offset, await log.read(offset, 1))).map(({ lastOffset }) => lastOffset)
    expect([await toldFor(0), await toldFor(4), await toldFor(7), await toldFor(9), await toldFor(12)]).toEqual([
      [3],
      [],
      [10],
      [10, 11],
      []
    ])
    expect(await log.abortedTransactions(0, new Uint8Array(0))).toEqual([])
    await log.close()
  })

  it('stand in the index of the segment that has their marker', async () => {
    const storage = await written()
    expect(indexesIn(storage).length).toBeGreaterThan(1)
    expect(await listed(storage)).toEqual(expected)
    const log = await openLog({ storage, ...reopened })
    expect(log.recovery.batches).toBe(0)
    expect(await readCommitted(log)).toBe('bcdh')
    await log.close()
  })

  for (const recoveryPoint of [0, 4, 8, 12, undefined]) {
    it(`are found again after a crash, recovery point ${recoveryPoint}`, async () => {
      const storage = await written()
      const before = indexesIn(storage)
      for (const file of before) await writeSmallFile(storage, name(file), new Uint8Array(34))
      const log = await openLog({ storage, ...small, recoveryPoint })
      expect(await readCommitted(log)).toBe('bcdh')
      await log.append(batch('i'))
      await log.close()
      expect(await listed(storage)).toEqual(expected)
      expect(indexesIn(storage)).toEqual(before)
    })
  }

  it('are forgotten with the end of a log that is cut', async () => {
    const storage = await written()
    const log = await openLog({ storage, ...reopened })
    await log.truncateTo(11)
    expect(await readCommitted(log)).toBe('bcdG')
    await endTransaction(log, 5, 'COMMIT')
    await log.close()
    expect(await listed(storage)).toEqual(expected.slice(0, 2))
    const again = await openLog({ storage, ...small, isClean: true, recoveryPoint: 12 })
    expect(await readCommitted(again)).toBe('bcdG')
    await again.truncateTo(0)
    expect(await listed(storage)).toEqual([])
    await again.close()
  })

  it('are known although their beginning lies before the snapshot of the producers', async () => {
    const storage = new DelayedStorage({ durable: true })
    const log = await openLog({ storage, ...small })
    await writeTransactional(log, 5, 'A')
    for (const value of 'bcdefghijk') await log.append(batch(value))
    await log.close()
    const again = await openLog({ storage, ...small, isClean: true, recoveryPoint: 11 })
    await endTransaction(again, 5, 'ABORT')
    expect(await readCommitted(again)).toBe('bcdefghijk')
    await again.close()
    expect(await listed(storage)).toEqual([{ producerId: 5, firstOffset: 0, lastOffset: 11, lastStableOffset: 12 }])
  })
})

describe('an index of transactions', () => {
  const lose = async (storage: DelayedStorage) => {
    for (const file of indexesIn(storage)) await storage.remove(name(file))
  }

  it('is made anew when it is missed, and only then', async () => {
    const storage = await written()
    await lose(storage)
    const log = await openLog({ storage, ...reopened })
    expect(await readCommitted(log)).toBe('bcdh')
    await log.close()
    expect(await listed(storage)).toEqual(expected)
    const fresh = await written()
    const again = await openLog({ storage: fresh, ...reopened })
    fresh.failure = new Error('nothing is to be written')
    expect(await readCommitted(again)).toBe('bcdh')
    await again.close()
  })

  it('is not needed where only what is uncommitted is read', async () => {
    const storage = await written()
    await lose(storage)
    const log = await openLog({ storage, ...reopened })
    for (let offset = 0; offset < log.logEndOffset; offset++) await log.read(offset, 1)
    await log.close()
    expect(await listed(storage)).toEqual([])
  })

  it('is held against a damaged log without going round in circles', async () => {
    const file = '00000000000000000000.log'
    const { length } = await readSmallFile(await written(), name(file))
    const outcomes = new Set<string>()
    for (let position = 0; position < length; position++) {
      const storage = await written()
      await lose(storage)
      const bytes = await readSmallFile(storage, name(file))
      bytes[position] ^= 0x80
      await writeSmallFile(storage, name(file), bytes)
      for (const maxBytes of [1, 100_000]) {
        const log = await openLog({ storage, ...reopened })
        outcomes.add(await readCommitted(log, 0, maxBytes).catch(error => error.code))
        await log.close()
      }
    }
    expect(outcomes).toContain('bcdh')
    expect(outcomes).toContain('CORRUPT_MESSAGE')
  })

  it('does no harm to a reader wherever it is damaged', async () => {
    const files = indexesIn(await written())
    for (const file of files) {
      const { length } = await readSmallFile(await written(), name(file))
      for (let position = 0; position < 2 * length; position++) {
        const storage = await written()
        const bytes = await readSmallFile(storage, name(file))
        if (position < length) bytes[position] ^= 1 << (position % 8)
        await writeSmallFile(storage, name(file), position < length ? bytes : bytes.slice(0, position - length))
        for (const maxBytes of [1, 100_000]) {
          const log = await openLog({ storage, ...reopened })
          expect([file, position, await readCommitted(log, 0, maxBytes)]).toEqual([file, position, 'bcdh'])
          await log.close()
        }
      }
    }
  })
})
