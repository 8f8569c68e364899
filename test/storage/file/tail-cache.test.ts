import { describe, expect, it } from 'vitest'
import { release } from '../../../src/common/lease.js'
import { TailCache } from '../../../src/storage/file/tail-cache.js'

const piece = (value: number) => new Uint8Array(256 * 1024).fill(value)

describe('the tail of a file', () => {
  it('is kept as long as somebody reads it, and again from then on', () => {
    const tail = new TailCache(32 * 1024 * 1024).tail()
    let position = 0
    const append = () => {
      tail.append(position, piece(position / piece(0).length))
      position += piece(0).length
    }
    const last = () => {
      const view = tail.read(position - piece(0).length, 10)
      const value = view?.[0]
      if (view) release(view)
      return value
    }
    for (let i = 0; i < 10; i++) {
      append()
      expect(last()).toBe(i)
    }
    for (let i = 0; i < 5; i++) append()
    expect([tail.start, last()]).toEqual([Number.POSITIVE_INFINITY, undefined])
    append()
    expect(last()).toBe(15)
  })
})
