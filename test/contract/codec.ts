import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../src/common/bytes.js'
import { randomInteger, seededRandom } from '../../src/common/random.js'
import { KafkaError } from '../../src/errors.js'
import type { Codec } from '../../src/record/compression/codec.js'
import { contents, samples } from '../record/samples.js'

const noLimit = 64 * 1024 * 1024
const mebibyte = 1024 * 1024

/** What every codec must do. Call it in a test file of your own with a codec of your own. */
export function codecContract(name: string, codec: Codec): void {
  describe(`the ${name} codec`, () => {
    it('gives back what was compressed, from nothing to 1 MiB, compressible and not (seed 1)', () => {
      expect(codec.decompress(codec.compress(new Uint8Array(0)), noLimit)).toHaveLength(0)
      for (const original of samples(600, mebibyte / 4, seededRandom(1))) roundTrip(original)
      for (const content of Object.values(contents)) roundTrip(content(mebibyte, seededRandom(2)))
    })

    it('gives back every size around those where a format changes its mind', () => {
      const random = seededRandom(3)
      const sizes = [
        ...Array(80).keys(),
        ...[255, 270, 32768, 65536, 131072].flatMap(size => [size - 2, size - 1, size, size + 1, size + 2, size + 13])
      ]
      for (const size of sizes) for (const content of Object.values(contents)) roundTrip(content(size, random))
    })

    it('reads an input that is a view of something larger', () => {
      const original = contents.text(5000, seededRandom(4))
      const packed = codec.compress(original)
      const larger = concatBytes([contents.noise(7, seededRandom(5)), packed, contents.noise(9, seededRandom(6))])
      expectSame(codec.decompress(larger.subarray(7, 7 + packed.length), noLimit), original)
    })

    it('does the same with memory to write to as without', () => {
      const into = new Uint8Array(100_000).fill(7)
      for (const original of samples(60, 150_000, seededRandom(7))) {
        const packed = codec.compress(original)
        expectSame(codec.compress(original, into), packed)
        expectSame(codec.decompress(packed, noLimit, into), original)
      }
    })

    it('leaves the input as it was, and never returns a view of it', () => {
      const original = contents.noise(3000, seededRandom(8))
      const before = original.slice()
      const packed = codec.compress(original)
      const packedBefore = packed.slice()
      const unpacked = codec.decompress(packed, noLimit)
      unpacked.fill(0)
      expectSame(original, before)
      expectSame(packed, packedBefore)
    })

    it('refuses to put out more than the limit, and takes an output of exactly the limit', () => {
      for (const content of [contents.zeros, contents.text, contents.noise]) {
        for (const size of [2, 100, 40_000, mebibyte]) {
          const packed = codec.compress(content(size, seededRandom(9)))
          expect(codec.decompress(packed, size)).toHaveLength(size)
          expectRefusal(() => codec.decompress(packed, size - 1), 'INVALID_RECORD')
        }
      }
    })

    it('never takes an input that was cut for the whole', () => {
      const original = contents.text(3000, seededRandom(10))
      const packed = codec.compress(original).slice()
      for (let size = 0; size < packed.length; size++) {
        expectRefusalOr(
          () => codec.decompress(packed.subarray(0, size), noLimit),
          unpacked => original.length > unpacked.length
        )
      }
    })

    it('survives every changed byte, and noise, with an error or some output within the limit (seed 11)', () => {
      const random = seededRandom(11)
      const limit = 300_000
      for (const original of samples(12, 600, random)) {
        const packed = codec.compress(original)
        for (let i = 0; i < packed.length; i++) {
          const changed = packed.slice()
          changed[i] ^= 1 + randomInteger(random, 255)
          expectRefusalOr(
            () => codec.decompress(changed, limit),
            unpacked => unpacked.length <= limit
          )
        }
      }
      for (const noise of samples(2000, 3000, random)) {
        expectRefusalOr(
          () => codec.decompress(noise, limit),
          unpacked => unpacked.length <= limit
        )
      }
    })
  })

  function roundTrip(original: Uint8Array): void {
    expectSame(codec.decompress(codec.compress(original), noLimit), original)
  }
}

/** Much faster than `toEqual` for large arrays. */
function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) !== 0) expect(actual).toEqual(expected)
}

function expectRefusal(attempt: () => unknown, code: KafkaError['code']): void {
  expect(attempt).toThrow(expect.objectContaining({ name: 'KafkaError', code }))
}

function expectRefusalOr(attempt: () => Uint8Array, accept: (output: Uint8Array) => boolean): void {
  try {
    if (!accept(attempt())) expect.fail('The output is not what the input can mean')
  } catch (error) {
    if (!(error instanceof KafkaError) || (error.code !== 'CORRUPT_MESSAGE' && error.code !== 'INVALID_RECORD')) throw error
  }
}
