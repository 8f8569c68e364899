import { afterEach, describe, expect, it, vi } from 'vitest'
import { textBytes } from '../../src/common/bytes.js'
import { crc32c, crc32cByTables } from '../../src/common/crc32c.js'
import { randomInteger, seededRandom } from '../../src/common/random.js'

/** The definition: one bit at a time. */
function bitByBit(bytes: Uint8Array): number {
  let crc = -1
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

describe('CRC-32C', () => {
  afterEach(() => vi.unstubAllGlobals())

  it.each([
    ['', 0],
    ['123456789', 0xe3069283],
    ['Some String', 608512271]
  ])('of %j is %d', (text, expected) => {
    expect(crc32c(textBytes(text))).toBe(expected)
    expect(crc32cByTables(textBytes(text))).toBe(expected)
  })

  it('by tables is that of the definition (seed 31)', () => {
    const random = seededRandom(31)
    const bytes = Uint8Array.from({ length: 1200 }, () => randomInteger(random, 256))
    for (let size = 0; size < 200; size++) expect(crc32cByTables(bytes, size % 17, size)).toBe(bitByBit(bytes.subarray(size % 17, size)))
    expect(crc32cByTables(bytes)).toBe(bitByBit(bytes))
  })

  it('folded is that by tables, at all sizes and alignments (seed 32)', () => {
    const random = seededRandom(32)
    const bytes = Uint8Array.from({ length: 300_000 }, () => randomInteger(random, 256))
    const check = (start: number, size: number) => {
      const end = Math.min(start + size, bytes.length)
      if (crc32c(bytes, start, end) !== crc32cByTables(bytes, start, end)) expect.fail(`The CRC of [${start}, ${end}) is wrong`)
    }
    for (let size = 700; size < 12_000; size += 1 + randomInteger(random, 7)) check(randomInteger(random, 64), size)
    for (let size = 65_530; size < 65_545; size++) check(randomInteger(random, 64), size)
    for (let i = 0; i < 200; i++) check(randomInteger(random, 64), randomInteger(random, bytes.length))
    check(0, bytes.length)
  })

  it('is the same on a platform without WebAssembly', async () => {
    vi.stubGlobal('WebAssembly', undefined)
    vi.resetModules()
    const plain = await import('../../src/common/crc32c.js')
    const bytes = new Uint8Array(100_000).map((_, i) => i * 7)
    expect(plain.crc32c(bytes)).toBe(crc32cByTables(bytes))
  })

  it('of one input does not depend on the input before it', () => {
    const zeros = new Uint8Array(40_000)
    const ones = new Uint8Array(40_000).fill(255)
    const expected = crc32cByTables(zeros)
    crc32c(ones)
    expect(crc32c(zeros)).toBe(expected)
    crc32c(ones, 0, 9000)
    expect(crc32c(zeros)).toBe(expected)
  })
})
