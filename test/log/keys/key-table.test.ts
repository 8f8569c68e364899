import { describe, expect, it } from 'vitest'
import { type Random, seededRandom } from '../../../src/common/random.js'
import { hashKey } from '../../../src/log/keys/key-hash.js'
import { entryOf, KeyTable, none, offsetOf } from '../../../src/log/keys/key-table.js'

const word = (random: Random) => (random.next() * 2 ** 32) | 0
const newHash = (random: Random) => Int32Array.from({ length: 4 }, () => word(random))

describe('the hash of a key', () => {
  // From the reference code of SipHash, as OpenSSL gives them too: the key is 00 01 … 0f, the message 00 01 … of so many bytes.
  it.each([
    [0, 'a3817f04ba25a8e66df67214c7550293'],
    [1, 'da87c1d86b99af44347659119b22fc45'],
    [7, 'a1f1ebbed8dbc153c0b84aa61ff08239'],
    [8, '3b62a9ba6258f5610f83e264f31497b4'],
    [63, '5150d1772f50834a503e069a973fbd7c'],
    [300, 'ce005a406d14b36d5386b5f7a7e1b311']
  ])('of %i bytes is SipHash-2-4 with 128 bits', (length, expected) => {
    const secret = new Int32Array(Uint8Array.from({ length: 16 }, (_, i) => i).buffer)
    const hash = new Int32Array(4)
    const padded = Uint8Array.from({ length: length + 3 }, (_, i) => i - 3)
    hashKey(secret, padded, 3, length, hash)
    expect(Buffer.from(hash.buffer).toString('hex')).toBe(expected)
  })
})

describe('a table of keys', () => {
  it('holds what a map holds, whatever is set and taken out', () => {
    const random = seededRandom(7)
    const hashes = Array.from({ length: 5000 }, () => newHash(random))
    const table = new KeyTable()
    const model = new Map<number, number>()
    for (let step = 0; step < 60_000; step++) {
      const i = Math.floor(random.next() * hashes.length)
      if (random.next() < 0.3) {
        table.delete(hashes[i])
        model.delete(i)
      } else {
        const entry = entryOf(step, random.next() < 0.1)
        expect(table.set(hashes[i], entry)).toBe(model.get(i) ?? none)
        model.set(i, entry)
      }
    }
    expect(table.count).toBe(model.size)
    expect(hashes.map(hash => table.get(hash))).toEqual(hashes.map((_, i) => model.get(i) ?? none))
    expect([...table.all()].length).toBe(model.size)
  })

  it('holds keys whose hashes begin alike', () => {
    const random = seededRandom(8)
    const table = new KeyTable()
    const hashes = Array.from({ length: 3000 }, () => Int32Array.of(word(random), word(random), word(random), word(random) & 0xffff))
    for (const [i, hash] of hashes.entries()) table.set(hash, entryOf(i, false))
    expect(hashes.map(hash => offsetOf(table.get(hash)))).toEqual(hashes.map((_, i) => i))
  })

  it('gives a capture as the table was, while the table changes', () => {
    const random = seededRandom(9)
    const table = new KeyTable()
    const hashes = Array.from({ length: 20_000 }, () => newHash(random))
    for (const hash of hashes.slice(0, 10_000)) table.set(hash, entryOf(1, false))
    const capture = table.capture()
    const found: number[] = []
    for (let part = capture.next(); part; part = capture.next()) {
      for (const entry of part.entries) if (entry !== none) found.push(offsetOf(entry))
      for (let i = 0; i < 1000; i++) table.set(hashes[Math.floor(random.next() * hashes.length)], entryOf(2, false))
      table.delete(hashes[Math.floor(random.next() * 10_000)])
    }
    expect(found.length).toBe(10_000)
    expect(found.every(offset => offset === 1)).toBe(true)
  })

  it('takes no more memory for keys that come and go below its floor', () => {
    const random = seededRandom(10)
    const table = new KeyTable()
    for (let offset = 0; offset < 200_000; offset++) {
      table.floor = Math.max(0, offset - 5000)
      table.set(newHash(random), entryOf(offset, false))
    }
    expect(table.sizeInBytes).toBeLessThan(1024 * 1024)
  })

  it('takes less than 64 bytes for each of a million keys', () => {
    const random = seededRandom(11)
    const table = new KeyTable()
    const hash = new Int32Array(4)
    for (let offset = 0; offset < 1_000_000; offset++) {
      for (let i = 0; i < 4; i++) hash[i] = word(random)
      table.set(hash, entryOf(offset, false))
    }
    expect(table.count).toBe(1_000_000)
    expect(table.sizeInBytes / 1_000_000).toBeLessThan(64)
  })
})
