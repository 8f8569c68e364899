/**
 * Integers of variable length, seven bits a byte, the lowest first; all bytes but the last have
 * their high bit set. A uvarint is the plain number; a varint (32 bits) or varlong (64 bits) is
 * first folded by zigzag, so that small negative numbers stay short.
 *
 * The readers return `NaN` for a number that is too long or runs past the end of `bytes`: where the
 * bytes come from strangers, a caller checks the range of what it read anyway. `encodedSize` says
 * how far to move on.
 */

const longestVarint = 5
const longestVarlong = 10

export function uvarintSize(value: number): number {
  const unsigned = value >>> 0
  return unsigned < 0x80 ? 1 : unsigned < 0x4000 ? 2 : unsigned < 0x200000 ? 3 : unsigned < 0x10000000 ? 4 : 5
}

export function varintSize(value: number): number {
  return uvarintSize((value << 1) ^ (value >> 31))
}

export function varlongSize(value: number): number {
  if (value >= -0x40000000 && value < 0x40000000) return varintSize(value)
  let size = longestVarint
  for (let rest = Math.floor(magnitudeOf(value) / 2 ** 34); rest >= 1; rest /= 128) size++
  return size
}

/** Writes an unsigned 32-bit number; returns the position after it. */
export function writeUvarint(bytes: Uint8Array, position: number, value: number): number {
  let rest = value >>> 0
  while (rest >= 0x80) {
    bytes[position++] = rest | 0x80
    rest >>>= 7
  }
  bytes[position++] = rest
  return position
}

/** Writes a signed 32-bit number; returns the position after it. */
export function writeVarint(bytes: Uint8Array, position: number, value: number): number {
  return writeUvarint(bytes, position, (value << 1) ^ (value >> 31))
}

/** Writes a signed number of up to 53 bits; returns the position after it. */
export function writeVarlong(bytes: Uint8Array, position: number, value: number): number {
  if (value >= -0x40000000 && value < 0x40000000) return writeUvarint(bytes, position, (value << 1) ^ (value >> 31))
  const magnitude = magnitudeOf(value)
  bytes[position++] = 0x80 | ((magnitude % 64) * 2) | (value < 0 ? 1 : 0)
  let rest = Math.floor(magnitude / 64)
  while (rest >= 0x80) {
    bytes[position++] = 0x80 | (rest % 128)
    rest = Math.floor(rest / 128)
  }
  bytes[position++] = rest
  return position
}

/** The number under the sign bit of its zigzag form. */
function magnitudeOf(value: number): number {
  return value < 0 ? -value - 1 : value
}

/** Bytes that the number at `position` takes: those up to the first without a high bit. */
export function encodedSize(bytes: Uint8Array, position: number): number {
  let end = position
  while (bytes[end] >= 0x80) end++
  return end - position + 1
}

export function readUvarint(bytes: Uint8Array, position: number): number {
  let value = 0
  for (let shift = 0; shift < 7 * longestVarint; shift += 7) {
    if (position >= bytes.length) return Number.NaN
    const byte = bytes[position++]
    value |= (byte & 0x7f) << shift
    if (byte < 0x80) return value >>> 0
  }
  return Number.NaN
}

export function readVarint(bytes: Uint8Array, position: number): number {
  const folded = readUvarint(bytes, position)
  return Number.isNaN(folded) ? folded : (folded >>> 1) ^ -(folded & 1)
}

/** A signed 64-bit number, exact up to 2^53. */
export function readVarlong(bytes: Uint8Array, position: number): number {
  let magnitude = (bytes[position] & 0x7f) >> 1
  let scale = 64
  for (let end = Math.min(bytes.length, position + longestVarlong), i = position; i < end; i++) {
    if (i > position) {
      magnitude += (bytes[i] & 0x7f) * scale
      scale *= 128
    }
    if (bytes[i] < 0x80) return bytes[position] & 1 ? -magnitude - 1 : magnitude
  }
  return Number.NaN
}
