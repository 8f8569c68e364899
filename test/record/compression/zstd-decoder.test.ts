import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../src/common/bytes.js'
import { seededRandom } from '../../../src/common/random.js'
import { KafkaError } from '../../../src/errors.js'
import { xxh64Low } from '../../../src/record/compression/xxh64.js'
import { zstdDecoder } from '../../../src/record/compression/zstd-decoder.js'
import { contents, samples } from '../samples.js'

const noLimit = 64 * 1024 * 1024
const hasCommand = spawnSync('zstd', ['--version']).error === undefined
const decompress = zstdDecoder()!

function zstd(input: Uint8Array, ...options: string[]): Uint8Array {
  const { status, stdout } = spawnSync('zstd', [...options, '-c'], { input, maxBuffer: noLimit })
  expect(status).toBe(0)
  return new Uint8Array(stdout)
}

function codeOf(action: () => unknown): unknown {
  try {
    action()
    return 'nothing was thrown'
  } catch (error) {
    return error instanceof KafkaError ? error.code : error
  }
}

it('the checksum of known texts is the low half of the published xxHash64', () => {
  const hash = (text: string) => xxh64Low(new TextEncoder().encode(text)).toString(16)
  expect(hash('')).toBe('51d8e999')
  expect(hash('a')).toBe('a98c6e5b')
  expect(hash('abc')).toBe('ad770999')
  expect(hash('Nobody inspects the spammish repetition')).toBe('8a378bf1')
})

describe.skipIf(!hasCommand)('the decoder of zstd for platforms that have none, and the command zstd', () => {
  it('reads what the command compresses, at low and high levels, with and without checksum (seed 31)', () => {
    const originals = [
      new Uint8Array(0),
      ...samples(16, 200_000, seededRandom(31)),
      ...Object.values(contents).map(content => content(300_000, seededRandom(32)))
    ]
    for (const [index, original] of originals.entries()) {
      const options = [['-3'], ['-1', '--no-check'], ['-19'], ['--fast=5']][index % 4]
      expect(Buffer.compare(decompress(zstd(original, ...options), noLimit), original)).toBe(0)
    }
  })

  it('reads frames one after the other, and skips those that carry no data', () => {
    const [first, second] = [contents.text(5000, seededRandom(33)), contents.noise(300, seededRandom(34))]
    const skippable = Uint8Array.of(0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3)
    expect(decompress(concatBytes([zstd(first), skippable, zstd(second)]), noLimit)).toEqual(concatBytes([first, second]))
  })

  it('refuses more than the limit, whether the frame tells its size or not', () => {
    const original = contents.zeros(1_000_000, seededRandom(35))
    for (const options of [[], ['--no-content-size'], ['--stream-size=1000000']]) {
      const packed = zstd(original, ...options)
      expect(decompress(packed, original.length)).toHaveLength(original.length)
      expect(codeOf(() => decompress(packed, original.length - 1))).toBe('INVALID_RECORD')
    }
  })

  it('refuses a frame whose content does not fit its checksum', () => {
    const packed = zstd(contents.noise(1000, seededRandom(36)))
    packed[packed.length - 10] ^= 1
    expect(codeOf(() => decompress(packed, noLimit))).toBe('CORRUPT_MESSAGE')
  })

  it('refuses every cut and every noise with an error of its own (seed 37)', () => {
    const packed = zstd(contents.text(3000, seededRandom(37)))
    for (let size = 0; size < packed.length; size++)
      expect(codeOf(() => decompress(packed.subarray(0, size), noLimit))).toBe('CORRUPT_MESSAGE')
    const random = seededRandom(38)
    for (let round = 0; round < 300; round++) {
      const changed = packed.slice()
      for (let i = 0; i < 3; i++) changed[Math.floor(random.next() * changed.length)] = Math.floor(random.next() * 256)
      const outcome = codeOf(() => decompress(changed, 100_000))
      expect(['CORRUPT_MESSAGE', 'INVALID_RECORD', 'nothing was thrown']).toContain(outcome)
    }
  })

  it('refuses a window that is larger than any client of Kafka asks for, before it takes the memory', () => {
    const frame = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0xa0, 1, 0, 0)
    expect(codeOf(() => decompress(frame, noLimit))).toBe('CORRUPT_MESSAGE')
  })
})
