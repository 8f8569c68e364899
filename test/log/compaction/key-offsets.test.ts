import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { textBytes } from '../../../src/common/bytes.js'
import { KeyOffsets } from '../../../src/log/compaction/key-offsets.js'

const mebibyte = 1024 * 1024

describe('the offsets of keys', () => {
  it('are those that a map would hold', () => {
    const key = fc.oneof(fc.constantFrom('', 'a', 'b', 'aa', 'ab'), fc.string({ maxLength: 300 }))
    fc.assert(
      fc.property(fc.array(key, { maxLength: 400 }), fc.array(key), fc.integer({ min: 1, max: 500 }), (keys, others, expected) => {
        const offsets = new KeyOffsets(mebibyte, expected)
        const model = new Map<string, number>()
        keys.forEach((text, offset) => {
          const bytes = textBytes(`..${text}.`)
          offsets.reserve(1)
          offsets.set(bytes, 2, bytes.length - 3, offset)
          model.set(text, offset)
        })
        for (const text of [...keys, ...others]) {
          const bytes = textBytes(text)
          expect(offsets.get(bytes, 0, bytes.length)).toBe(model.get(text) ?? -1)
        }
        expect(offsets.count).toBe(model.size)
      })
    )
  })

  it('take no more than the memory they are given, but for one batch', () => {
    const offsets = new KeyOffsets(mebibyte, 1_000_000)
    let count = 0
    while (offsets.hasRoomFor(100)) {
      offsets.reserve(100)
      for (let i = 0; i < 100; i++) {
        const bytes = textBytes(`a key of some length ${count++}`)
        offsets.set(bytes, 0, bytes.length, count)
      }
    }
    expect(count).toBeGreaterThan(10_000)
    expect(count * (32 + 24)).toBeLessThan(mebibyte * 1.1)
  })

  it('always have room for a first batch', () => {
    const offsets = new KeyOffsets(1, 0)
    expect(offsets.hasRoomFor(10_000)).toBe(true)
    offsets.reserve(10_000)
    offsets.set(textBytes('a'), 0, 1, 5)
    expect(offsets.hasRoomFor(1)).toBe(false)
  })
})
