import { systemRandom } from '../../common/random.js'

/** The four words of a hash. */
export type KeyHash = Int32Array

/** The secret of an index: four words that nobody outside knows. */
export function newSecret(): Int32Array {
  return Int32Array.from({ length: 4 }, () => (systemRandom.next() * 2 ** 32) | 0)
}

/**
 * SipHash-2-4 with 128 bits, of `length` bytes from `start` on, into `hash`. Its words are
 * little-endian, as in the reference code.
 *
 * A hash stands for its key without a look at the key itself. Two of n keys share one with a
 * probability of n² / 2^129: for a million keys less than 10^-26, far below that of a memory error.
 * Kafka's cleaner relies on the same argument with MD5. Here the hash is keyed with a secret as
 * well, so that nobody can choose keys that share one.
 */
export function hashKey(secret: Int32Array, bytes: Uint8Array, start: number, length: number, hash: KeyHash): void {
  let v0l = secret[0] ^ 0x70736575
  let v0h = secret[1] ^ 0x736f6d65
  let v1l = secret[2] ^ 0x6e646f6d ^ 0xee
  let v1h = secret[3] ^ 0x646f7261
  let v2l = secret[0] ^ 0x6e657261
  let v2h = secret[1] ^ 0x6c796765
  let v3l = secret[2] ^ 0x79746573
  let v3h = secret[3] ^ 0x74656462
  const wholeWords = length >> 3
  const messageRounds = 2 * wholeWords + 2
  const secondHalf = messageRounds + 4
  const end = messageRounds + 8
  let position = start
  let low = 0
  let high = 0
  let rotated = 0
  for (let round = 0; round < end; round++) {
    if (round < messageRounds && (round & 1) === 0) {
      if (round < 2 * wholeWords) {
        low = bytes[position] | (bytes[position + 1] << 8) | (bytes[position + 2] << 16) | (bytes[position + 3] << 24)
        high = bytes[position + 4] | (bytes[position + 5] << 8) | (bytes[position + 6] << 16) | (bytes[position + 7] << 24)
        position += 8
      } else {
        // The last word holds what is left, and the length in its top byte.
        low = 0
        high = length << 24
        const left = length & 7
        for (let i = 0; i < left; i++) {
          if (i < 4) low |= bytes[position + i] << (8 * i)
          else high |= bytes[position + i] << (8 * (i - 4))
        }
      }
      v3l ^= low
      v3h ^= high
    } else if (round === messageRounds) v2l ^= 0xee
    else if (round === secondHalf) {
      hash[0] = v0l ^ v1l ^ v2l ^ v3l
      hash[1] = v0h ^ v1h ^ v2h ^ v3h
      v1l ^= 0xdd
    }

    v0l = (v0l + v1l) | 0
    v0h = (v0h + v1h + (v0l >>> 0 < v1l >>> 0 ? 1 : 0)) | 0
    rotated = (v1l << 13) | (v1h >>> 19)
    v1h = ((v1h << 13) | (v1l >>> 19)) ^ v0h
    v1l = rotated ^ v0l
    rotated = v0l
    v0l = v0h
    v0h = rotated

    v2l = (v2l + v3l) | 0
    v2h = (v2h + v3h + (v2l >>> 0 < v3l >>> 0 ? 1 : 0)) | 0
    rotated = (v3l << 16) | (v3h >>> 16)
    v3h = ((v3h << 16) | (v3l >>> 16)) ^ v2h
    v3l = rotated ^ v2l

    v0l = (v0l + v3l) | 0
    v0h = (v0h + v3h + (v0l >>> 0 < v3l >>> 0 ? 1 : 0)) | 0
    rotated = (v3l << 21) | (v3h >>> 11)
    v3h = ((v3h << 21) | (v3l >>> 11)) ^ v0h
    v3l = rotated ^ v0l

    v2l = (v2l + v1l) | 0
    v2h = (v2h + v1h + (v2l >>> 0 < v1l >>> 0 ? 1 : 0)) | 0
    rotated = (v1l << 17) | (v1h >>> 15)
    v1h = ((v1h << 17) | (v1l >>> 15)) ^ v2h
    v1l = rotated ^ v2l
    rotated = v2l
    v2l = v2h
    v2h = rotated

    if (round < messageRounds && (round & 1) === 1) {
      v0l ^= low
      v0h ^= high
    }
  }
  hash[2] = v0l ^ v1l ^ v2l ^ v3l
  hash[3] = v0h ^ v1h ^ v2h ^ v3h
}
