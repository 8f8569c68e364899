import { textBytes } from './bytes.js'

const seed = 0x9747b28c | 0
const multiplier = 0x5bd1e995

/**
 * MurmurHash2 as Kafka's partitioner computes it: 32 bits, signed, little-endian words, Kafka's
 * seed.
 */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length
  const wordsEnd = length & ~3
  let hash = seed ^ length
  for (let i = 0; i < wordsEnd; i += 4) {
    hash = mix(hash, bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24))
  }
  const rest = length - wordsEnd
  if (rest === 0) return finish(hash)
  let tail = bytes[wordsEnd]
  if (rest > 1) tail |= bytes[wordsEnd + 1] << 8
  if (rest > 2) tail |= bytes[wordsEnd + 2] << 16
  return finish(Math.imul(hash ^ tail, multiplier))
}

/** `murmur2` of the UTF-8 bytes of a text; an ASCII text is hashed without being encoded. */
export function murmur2Text(text: string): number {
  const length = text.length
  const wordsEnd = length & ~3
  let hash = seed ^ length
  let seen = 0
  for (let i = 0; i < wordsEnd; i += 4) {
    const a = text.charCodeAt(i)
    const b = text.charCodeAt(i + 1)
    const c = text.charCodeAt(i + 2)
    const d = text.charCodeAt(i + 3)
    seen |= a | b | c | d
    hash = mix(hash, a | (b << 8) | (c << 16) | (d << 24))
  }
  let tail = 0
  for (let i = wordsEnd; i < length; i++) {
    const unit = text.charCodeAt(i)
    seen |= unit
    tail |= unit << (8 * (i - wordsEnd))
  }
  if (seen >= 0x80) return murmur2(textBytes(text))
  return finish(wordsEnd === length ? hash : Math.imul(hash ^ tail, multiplier))
}

function mix(hash: number, word: number): number {
  const product = Math.imul(word, multiplier)
  return Math.imul(hash, multiplier) ^ Math.imul(product ^ (product >>> 24), multiplier)
}

function finish(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 13), multiplier)
  return mixed ^ (mixed >>> 15)
}
