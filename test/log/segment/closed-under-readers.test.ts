import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { deferred } from '../../../src/common/deferred.js'
import { Log } from '../../../src/log/log.js'
import type { LogOpenOptions } from '../../../src/log/log-types.js'
import { batchesIn } from '../../../src/record/record-batch.js'
import { type FileStorage, fileStorage } from '../../../src/storage/file/index.js'
import { DelayedStorage } from '../../storage/delayed-storage.js'
import { batch, batchAt, batchOf, codeOf, noon, openLog, readValues } from '../helpers.js'

const home = mkdtempSync(join(tmpdir(), 'millrace-closed-'))
const storages: FileStorage[] = []
let made = 0

function onDisk(): FileStorage {
  const storage = fileStorage(join(home, `${made++}`))
  storages.push(storage)
  return storage
}

afterEach(async () => {
  for (const storage of storages.splice(0)) await storage.close()
  rmSync(home, { recursive: true, force: true })
})

/** Batches that only a read in the thread pool gets at, marked with the log's name. */
function largeBatch(name: string): Uint8Array {
  return batch(name.repeat(100_000 / name.length))
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await undefined
}

function marks(bytes: Uint8Array): Set<string> {
  const values = [...batchesIn(bytes)].flatMap(found => {
    found.verify()
    return [...found.records()].map(({ value }) => new TextDecoder().decode(value?.subarray(0, 4)))
  })
  return new Set(values)
}

/** Opens a log whose reads can be held up one by one. */
async function heldUp({ storage = new DelayedStorage({ durable: true }), ...options }: LogOpenOptions & { storage?: DelayedStorage } = {}) {
  const log = await openLog({ storage, ...options })
  const hold = () => {
    const opened = deferred()
    const begun = deferred()
    storage.beforeRead = () => {
      begun.resolve()
      return opened.promise
    }
    return { begun: begun.promise, release: () => opened.resolve() }
  }
  return { storage, log, hold }
}

describe('a log that is closed while it is read', () => {
  it('gives its readers its own records, whatever file is opened next', async () => {
    const storage = onDisk()
    for (const name of ['old!', 'new!']) {
      const log = await Log.open(storage, `${name}-0`)
      for (let i = 0; i < 10; i++) await log.append(largeBatch(name))
      await log.close()
    }
    const old = await Log.open(storage, 'old!-0', { isClean: true })
    const reads = Array.from({ length: 40 }, async (_, i) => old.read(i % 10, 900_000))
    const closing = old.close()
    const next = await Log.open(storage, 'new!-0', { isClean: true })
    const others = Array.from({ length: 10 }, async (_, i) => next.read(i, 900_000))
    await closing
    for (const bytes of await Promise.all(reads)) expect(marks(bytes)).toEqual(new Set(['old!']))
    for (const bytes of await Promise.all(others)) expect(marks(bytes)).toEqual(new Set(['new!']))
    await next.close()
  })

  it('waits for reads under way, and refuses later ones with CLOSED', async () => {
    const { storage, log, hold } = await heldUp()
    await log.append(batch('a'))
    const { begun, release } = hold()
    const reading = readValues(log)
    await begun
    let isClosed = false
    const closing = log.close().then(() => {
      isClosed = true
    })
    await turns(100)
    expect([isClosed, await codeOf(() => log.read(0, 100))]).toEqual([false, 'CLOSED'])
    storage.beforeRead = undefined
    release()
    expect(await reading).toEqual(['0:a'])
    await closing
  })

  it('does not wait for a walk through all of it', async () => {
    const { storage, log, hold } = await heldUp({ indexIntervalBytes: 10_000_000 })
    for (let i = 0; i < 40; i++) await log.append(batchAt(noon + i, 'x'.repeat(100_000)))
    const { begun, release } = hold()
    const lookingUp = log.offsetForTimestamp(noon + 39)
    await begun
    const closing = log.close()
    storage.beforeRead = undefined
    await turns(2000)
    release()
    expect(await codeOf(() => lookingUp)).toBe('CLOSED')
    await closing
  })

  it('waits for those who read segments that are gone', async () => {
    const { storage, log, hold } = await heldUp({ segmentBytes: batch('a').length })
    for (const value of 'abc') await log.append(batch(value))
    const { begun, release } = hold()
    const reading = log.read(0, 1000) as Promise<Uint8Array>
    await begun
    await log.deleteRecordsBefore(2)
    const closing = log.close()
    storage.beforeRead = undefined
    await turns(1000)
    release()
    expect([...batchesIn(await reading)].map(({ baseOffset }) => baseOffset)).toEqual([0])
    await closing
  })
})

describe('a log that is cut while it is read', () => {
  it('gives its readers what it has after the cut', async () => {
    const { storage, log, hold } = await heldUp()
    for (const value of ['a', 'b', 'c', 'd']) await log.append(batch(value))
    const { begun, release } = hold()
    const reading = log.read(1, 1000) as Promise<Uint8Array>
    await begun
    storage.beforeRead = undefined
    await log.truncateTo(2)
    // Other sizes, so that the old places of batches are in the middle of new ones.
    for (const value of ['long'.repeat(10), 'longer'.repeat(10)]) await log.append(batch(value))
    release()
    const found = [...batchesIn(await reading)]
    for (const each of found) each.verify()
    expect(found.map(({ baseOffset }) => baseOffset)).toEqual([1, 2, 3])
    await log.close()
  })

  it('tells a reader of what is gone so', async () => {
    const { storage, log, hold } = await heldUp()
    for (const value of ['a', 'b', 'c']) await log.append(batch(value))
    const { begun, release } = hold()
    const reading = log.read(2, 1000) as Promise<Uint8Array>
    await begun
    storage.beforeRead = undefined
    await log.truncateTo(1)
    release()
    expect(await codeOf(() => reading)).toBe('OFFSET_OUT_OF_RANGE')
    await log.close()
  })
})

describe('an old segment that is being read for the first time', () => {
  it('leaves no index behind when it is removed meanwhile', async () => {
    const options = { segmentBytes: 3 * batch('a').length, indexIntervalBytes: 0 }
    const first = await heldUp(options)
    for (const value of 'abcdefg') await first.log.append(batch(value))
    await first.log.close()
    const { storage, log, hold } = await heldUp({ ...options, storage: first.storage, isClean: true })
    const { begun, release } = hold()
    const reading = log.read(0, 1000) as Promise<Uint8Array>
    await begun
    storage.beforeRead = undefined
    await log.deleteRecordsBefore(3)
    await turns(2000)
    release()
    expect([...batchesIn(await reading)].map(({ baseOffset }) => baseOffset)).toEqual([0, 1, 2])
    await log.close()
    const left = (await storage.list('orders-0')).filter(name => name.startsWith('00000000000000000000.'))
    expect(left).toEqual([])
  })

  it('ends well when compaction puts another in its place', async () => {
    const { storage, log, hold } = await heldUp({ segmentBytes: 300, cleanupPolicy: 'compact', indexIntervalBytes: 0 })
    for (let i = 0; i < 8; i++) await log.append(batchOf([{ key: `k${i % 2}`, value: `v${i}`, timestamp: noon }]))
    await log.sync()
    const { begun, release } = hold()
    const reading = log.read(0, 1000) as Promise<Uint8Array>
    await begun
    storage.beforeRead = undefined
    const compacting = log.compact({ force: true })
    await turns(1000)
    release()
    const found = [...batchesIn(await reading)]
    for (const each of found) each.verify()
    expect(found[0].baseOffset).toBe(0)
    await compacting
    await log.close()
  })

  it('is measured for compaction while retention removes it', async () => {
    const { storage, log, hold } = await heldUp({ segmentBytes: 100, cleanupPolicy: 'compact', maxCompactionLagMs: 1 })
    for (const value of 'abcd') await log.append(batchOf([{ key: 'k', value, timestamp: noon }]))
    await log.sync()
    const { begun, release } = hold()
    const measuring = log.dirtiness()
    await begun
    storage.beforeRead = undefined
    await log.deleteRecordsBefore(3)
    await turns(1000)
    release()
    expect(await measuring).toMatchObject({ firstDirtyOffset: 0 })
    await log.close()
  })
})
