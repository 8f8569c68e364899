const prime1 = 0x9e3779b1 | 0
const prime2 = 0x85ebca77 | 0
const prime3 = 0xc2b2ae3d | 0
const prime4 = 0x27d4eb2f
const prime5 = 0x165667b1

/**
 * xxHash of 32 bits with the seed 0, the checksum of LZ4 frames, of the bytes in [start, end);
 * unsigned.
 */
export function xxh32(bytes: Uint8Array, start: number, end: number): number {
  let position = start
  let hash: number
  if (end - start >= 16) {
    let a = (prime1 + prime2) | 0
    let b = prime2
    let c = 0
    let d = -prime1 | 0
    for (; position <= end - 16; position += 16) {
      a = round(a, wordAt(bytes, position))
      b = round(b, wordAt(bytes, position + 4))
      c = round(c, wordAt(bytes, position + 8))
      d = round(d, wordAt(bytes, position + 12))
    }
    hash = rotated(a, 1) + rotated(b, 7) + rotated(c, 12) + rotated(d, 18)
  } else {
    hash = prime5
  }
  hash = (hash + (end - start)) | 0
  for (; position <= end - 4; position += 4) {
    hash = Math.imul(rotated(hash + Math.imul(wordAt(bytes, position), prime3), 17), prime4)
  }
  for (; position < end; position++) {
    hash = Math.imul(rotated(hash + Math.imul(bytes[position], prime5), 11), prime1)
  }
  hash = Math.imul(hash ^ (hash >>> 15), prime2)
  hash = Math.imul(hash ^ (hash >>> 13), prime3)
  return (hash ^ (hash >>> 16)) >>> 0
}

function round(lane: number, word: number): number {
  return Math.imul(rotated(lane + Math.imul(word, prime2), 13), prime1)
}

function rotated(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits))
}

function wordAt(bytes: Uint8Array, position: number): number {
  return bytes[position] | (bytes[position + 1] << 8) | (bytes[position + 2] << 16) | (bytes[position + 3] << 24)
}
