import { describe, expect, it } from 'vitest'
import { release } from '../../../src/common/lease.js'
import { memoryStorage } from '../../../src/storage/memory/memory.js'

const kibibyte = 1024

describe('memory storage', () => {
  it('answers without a promise', () => {
    const storage = memoryStorage()
    const file = storage.open('a.log')
    expect(file.append(new Uint8Array(10))).toBeUndefined()
    expect(file.read(0, 10)).toBeInstanceOf(Uint8Array)
    expect(storage.list('')).toEqual(['a.log'])
  })

  it('uses the chunks of a removed file again once nobody reads them', () => {
    const storage = memoryStorage()
    const file = storage.open('a.log')
    file.append(new Uint8Array(3 * kibibyte))
    const view = file.read(0, 100) as Uint8Array
    storage.remove('a.log')
    expect(storage.freeBytes).toBe(0)
    file.close()
    expect(storage.freeBytes).toBe(0)
    release(view)
    expect(storage.freeBytes).toBe(4 * kibibyte)

    storage.open('b.log').append(new Uint8Array(100))
    expect(storage.freeBytes).toBe(0)
  })

  it('leaves a chunk to a reader that never gives its view back', () => {
    const storage = memoryStorage()
    const file = storage.open('a.log')
    file.append(new Uint8Array(100).fill(1))
    const view = file.read(0, 100) as Uint8Array
    storage.remove('a.log')
    file.close()
    storage.open('b.log').append(new Uint8Array(100).fill(2))
    expect(view).toEqual(new Uint8Array(100).fill(1))
  })

  it('keeps no more free memory than it was told', () => {
    const storage = memoryStorage({ maxFreeBytes: 10 * kibibyte })
    for (let i = 0; i < 10; i++) {
      const file = storage.open(`${i}.log`)
      file.append(new Uint8Array(100))
      file.close()
    }
    for (let i = 0; i < 10; i++) storage.remove(`${i}.log`)
    expect(storage.freeBytes).toBe(8 * kibibyte)
  })

  it('goes on where a chunk ends that has little left, and lends a copy', () => {
    const storage = memoryStorage()
    const file = storage.open('a.log')
    const appends = 300
    for (let number = 0; number < appends; number++) file.append(new Uint8Array(100).fill(number))
    const all = Uint8Array.from({ length: 100 * appends }, (_, at) => Math.floor(at / 100))
    const { memoryBytes } = storage
    for (const maxBytes of [100 * appends, 10_000, 4500]) {
      for (let position = 0; position < all.length; position += 700) {
        const view = file.read(position, maxBytes) as Uint8Array
        expect(Buffer.compare(view, all.subarray(position, position + maxBytes))).toBe(0)
        expect(storage.memoryBytes).toBeGreaterThanOrEqual(memoryBytes)
        release(view)
      }
    }
    file.close()
    storage.remove('a.log')
    expect(storage.memoryBytes).toBe(storage.freeBytes)
  })

  it('does not cut what one append added where it goes on', () => {
    const file = memoryStorage().open('a.log')
    for (const size of [100, 5000, 1_048_576, 1_048_000, 1_100_000]) file.append(new Uint8Array(size).fill(size % 251))
    for (let position = 0; position < file.length; ) {
      const view = file.read(position, 100_000_000) as Uint8Array
      position += view.length
      expect([5100, 1_053_676, 2_101_676, 3_201_676]).toContain(position)
    }
  })

  it('takes an append of any size in one piece', () => {
    const file = memoryStorage().open('a.log')
    file.append(new Uint8Array(10))
    file.append(new Uint8Array(5 * 1024 * kibibyte))
    expect((file.read(10, 10_000_000) as Uint8Array).length).toBe(5 * 1024 * kibibyte)
  })

  it('starts small, so that ten thousand files with little in them are cheap', () => {
    const storage = memoryStorage({ maxFreeBytes: 100 * 1024 * kibibyte })
    for (let i = 0; i < 10_000; i++) {
      const file = storage.open(`topic-${i}/0.log`)
      file.append(new Uint8Array(100))
      file.close()
    }
    for (let i = 0; i < 10_000; i++) storage.remove(`topic-${i}`)
    expect(storage.freeBytes).toBe(10_000 * 4 * kibibyte)
  })

  it('refuses a name that goes through a file, and renaming what is not there', () => {
    const storage = memoryStorage()
    storage.open('a.log')
    expect(() => storage.open('a.log/b')).toThrow('is a file')
    expect(() => storage.rename('nothing', 'else')).toThrow('There is no `nothing`')
  })

  it('names a wrong option', () => {
    expect(() => memoryStorage({ maxFreeBytes: -1 })).toThrow('Expected `maxFreeBytes` to be a non-negative integer, got `-1`')
    expect(() => memoryStorage({ maxBytes: 1 } as object)).toThrow('Unknown option `maxBytes` of memoryStorage')
  })
})
