import { mkdtempSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deferred } from '../../../src/common/deferred.js'
import { release } from '../../../src/common/lease.js'
import { fileStorage } from '../../../src/storage/file/index.js'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'millrace-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

const filled = (length: number, value: number) => new Uint8Array(length).fill(value)

describe('a storage in files', () => {
  it('keeps few of many files open, and reads all of them', async () => {
    const storage = fileStorage(join(home, 'data'), { maxOpenFiles: 8, tailCacheBytes: 0 })
    const files = Array.from({ length: 100 }, (_, i) => storage.open(`a/${i}.log`))
    for (const [i, file] of files.entries()) await file.append(filled(10, i))
    for (const [i, file] of files.entries()) {
      const bytes = await file.read(0, 100)
      expect([...bytes]).toEqual(Array(10).fill(i))
      release(bytes)
    }
    await storage.close()
  })

  it('has the size of what is in it once it is closed, though it was made longer ahead', async () => {
    const storage = fileStorage(join(home, 'data'))
    const file = storage.open('a.log')
    for (let i = 0; i < 5; i++) await file.append(filled(10, i))
    expect(file.length).toBe(50)
    expect(statSync(join(home, 'data', 'a.log')).size).toBeGreaterThan(50)
    await file.truncate(50)
    expect(statSync(join(home, 'data', 'a.log')).size).toBe(50)
    await file.append(filled(10, 9))
    await file.close()
    expect(statSync(join(home, 'data', 'a.log')).size).toBe(60)
    await storage.close()
  })

  it('is never made longer by more than what is in it, and not for a single write', async () => {
    const storage = fileStorage(join(home, 'data'))
    const file = storage.open('a.log')
    await file.append(filled(10_000, 1))
    expect(statSync(join(home, 'data', 'a.log')).size).toBe(10_000)
    for (let i = 0; i < 100; i++) {
      await file.append(filled(1000, i))
      expect(statSync(join(home, 'data', 'a.log')).size).toBeLessThanOrEqual(2 * file.length + 4096)
    }
    await storage.close()
    const content = readFileSync(join(home, 'data', 'a.log'))
    expect(content.length).toBe(110_000)
    expect(content.subarray(10_000).every((byte, i) => byte === Math.floor(i / 1000))).toBe(true)
  })

  it('shares one sync among those who append while another is under way', async () => {
    const storage = fileStorage(join(home, 'data'), { durability: 'always' })
    const file = storage.open('a.log')
    await Promise.all(Array.from({ length: 100 }, (_, i) => file.append(filled(3, i))))
    expect(readFileSync(join(home, 'data', 'a.log')).subarray(0, 300)).toEqual(
      Buffer.concat(Array.from({ length: 100 }, (_, i) => filled(3, i)))
    )
    await file.close()
    await storage.close()
  })

  it('writes no more to a folder whose names it could not sync', async () => {
    const storage = fileStorage(join(home, 'data'), { durability: 'interval', syncIntervalMs: 5 })
    const other = storage.open('b.log')
    const file = storage.open('a/a.log')
    await file.append(filled(10, 1))
    const failed = deferred<string>()
    storage.onError = (_, name) => failed.resolve(name)
    renameSync(join(home, 'data', 'a'), join(home, 'elsewhere'))
    symlinkSync('/dev/null', join(home, 'data', 'a'))
    expect(await failed.promise).toBe('a')
    expect(() => file.append(filled(10, 1))).toThrow('Syncing')
    await expect(file.sync()).rejects.toThrow('Syncing')
    await other.append(filled(10, 1))
    await storage.close()
  })

  it('can be looked at while another has it, and not written', async () => {
    const storage = fileStorage(join(home, 'data'))
    const file = storage.open('a.log')
    await file.append(filled(10, 1))
    const onlooker = fileStorage(join(home, 'data'), { readOnly: true })
    expect(onlooker.list('')).toEqual(['a.log'])
    expect((await onlooker.open('a.log').read(0, 100)).length).toBe(10)
    expect(() => onlooker.open('b.log')).toThrow('Opening')
    await expect(onlooker.remove('a.log')).rejects.toThrow('read-only')
    await onlooker.close()
    await storage.close()
  })

  it('is the same directory by another path', async () => {
    const storage = fileStorage(join(home, 'data'))
    storage.open('a.log')
    symlinkSync(join(home, 'data'), join(home, 'link'))
    expect(() => fileStorage(join(home, 'link')).list('')).toThrow('is in use by this process')
    await storage.close()
  })

  it('takes over the lock of a process that is dead, not that of one that lives', async () => {
    const storage = fileStorage(join(home, 'data'))
    storage.list('')
    await storage.close()
    writeFileSync(join(home, 'data', '.lock'), JSON.stringify({ pid: process.ppid }))
    expect(() => fileStorage(join(home, 'data')).list('')).toThrow(`is in use by process ${process.ppid}`)
    writeFileSync(join(home, 'data', '.lock'), JSON.stringify({ pid: 2 ** 22 + 1 }))
    const taken = fileStorage(join(home, 'data'))
    expect(taken.list('')).toEqual([])
    await taken.close()
  })
})
