import { encodedSize, readUvarint, writeUvarint } from '../../common/varint.js'
import { type BoundedOutput, copyLiterals, copyMatch } from './bounded-output.js'
import { damaged } from './failure.js'

/**
 * The snappy format, all integers little-endian:
 *
 *     block := contentSize: uvarint, element*       the low two bits of an element's first byte, its tag, say what it is:
 *     00 literal: upper six bits = length - 1, or 60 to 63 for a length - 1 that follows in 1 to 4 bytes; then the bytes
 *     01 copy: three bits length - 4, three high bits of the distance, one byte more of it
 *     10 copy: six bits length - 1, distance in two bytes       11 copy: the same with four bytes
 */
const tag = { literal: 0, near: 1, far: 2 } as const

const longestCopy = 64
const hashBits = 14
/**
 * The position at which a hash of four bytes was last seen, relative to the start of the content.
 * Shared: compressing is synchronous.
 */
const table = new Uint16Array(1 << hashBits)
/** The bytes at the end that are not searched: a match reads four at once. */
const margin = 15

/** Bytes that `size` bytes of content can take at most. */
export function mostCompressed(size: number): number {
  return 32 + size + Math.floor(size / 6)
}

/**
 * Compresses the content in [start, end), at most 64 KiB, to a block at `position` in `target`.
 * Returns where the block ends.
 */
export function compressSnappy(bytes: Uint8Array, start: number, end: number, target: Uint8Array, position: number): number {
  position = writeUvarint(target, position, end - start)
  const bits = Math.min(hashBits, Math.max(8, 32 - Math.clz32(end - start)))
  const shift = 32 - bits
  table.fill(0, 0, 1 << bits)
  let literals = start
  let i = start + 1
  let misses = 32
  while (i < end - margin) {
    const word = wordAt(bytes, i)
    const slot = Math.imul(word, 0x1e35a7bd) >>> shift
    const candidate = start + table[slot]
    table[slot] = i - start
    if (wordAt(bytes, candidate) !== word) {
      i += misses++ >> 5
      continue
    }
    misses = 32
    if (i > literals) position = writeLiterals(bytes, literals, i, target, position)
    let matched = i + 4
    for (let from = candidate + 4; matched < end && bytes[matched] === bytes[from]; from++) matched++
    position = writeCopies(target, position, i - candidate, matched - i)
    literals = i = matched
  }
  return literals < end ? writeLiterals(bytes, literals, end, target, position) : position
}

function writeLiterals(bytes: Uint8Array, start: number, end: number, target: Uint8Array, position: number): number {
  const count = end - start
  const most = count - 1
  if (most < 60) target[position++] = (most << 2) | tag.literal
  else if (most < 0x100) {
    target[position++] = (60 << 2) | tag.literal
    target[position++] = most
  } else {
    target[position++] = (61 << 2) | tag.literal
    target[position++] = most
    target[position++] = most >> 8
  }
  copyLiterals(target, position, bytes, start, count)
  return position + count
}

function writeCopies(target: Uint8Array, position: number, distance: number, count: number): number {
  for (; count >= longestCopy + 4; count -= longestCopy) position = writeFarCopy(target, position, distance, longestCopy)
  if (count > longestCopy) {
    position = writeFarCopy(target, position, distance, longestCopy - 4)
    count -= longestCopy - 4
  }
  if (count >= 12 || distance >= 2048) return writeFarCopy(target, position, distance, count)
  target[position++] = ((distance >> 8) << 5) | ((count - 4) << 2) | tag.near
  target[position++] = distance
  return position
}

function writeFarCopy(target: Uint8Array, position: number, distance: number, count: number): number {
  target[position++] = ((count - 1) << 2) | tag.far
  target[position++] = distance
  target[position++] = distance >> 8
  return position
}

/** Three bytes of a block stand for at most 64 of its content. */
const mostExpansion = 64 / 3

/** Decodes the block in [start, end) to the end of `output`. */
export function decompressSnappy(bytes: Uint8Array, start: number, end: number, output: BoundedOutput): void {
  if (start >= end) throw damaged('snappy', 'a block is empty')
  const size = readUvarint(bytes, start)
  let from = start + encodedSize(bytes, start)
  if (!(size <= (end - start) * mostExpansion) || from > end) throw damaged('snappy', 'a block cannot hold what it says')
  if (output.lacks(size)) throw output.tooLarge()
  const limit = output.reserve(size)
  const target = output.bytes
  const blockStart = output.length
  let to = blockStart
  while (from < end) {
    const first = bytes[from++]
    const kind = first & 3
    if (kind === tag.literal) {
      let count = (first >> 2) + 1
      if (count > 60) {
        const extra = count - 60
        if (extra > end - from) throw damaged('snappy', 'a block ends within a length')
        count = numberAt(bytes, from, extra) + 1
        from += extra
      }
      if (count > end - from || count > limit - to) throw damaged('snappy', 'literals run past the end of a block')
      copyLiterals(target, to, bytes, from, count)
      from += count
      to += count
      continue
    }
    let count = (first >> 2) + 1
    let distance: number
    if (kind === tag.far) {
      distance = bytes[from] | (bytes[from + 1] << 8)
      from += 2
    } else if (kind === tag.near) {
      count = ((first >> 2) & 7) + 4
      distance = ((first >> 5) << 8) | bytes[from]
      from++
    } else {
      distance = numberAt(bytes, from, 4)
      from += 4
    }
    if (from > end) throw damaged('snappy', 'a block ends within a copy')
    if (distance === 0 || distance > to - blockStart) throw damaged('snappy', 'a copy starts before its block')
    if (count > limit - to) throw damaged('snappy', 'a copy runs past the end of a block')
    copyMatch(target, to, distance, count)
    to += count
  }
  if (to !== limit) throw damaged('snappy', 'a block ends too early')
  output.length = to
}

/** A little-endian number of `width` bytes. */
function numberAt(bytes: Uint8Array, position: number, width: number): number {
  let value = 0
  for (let i = width - 1; i >= 0; i--) value = value * 256 + bytes[position + i]
  return value
}

function wordAt(bytes: Uint8Array, position: number): number {
  return bytes[position] | (bytes[position + 1] << 8) | (bytes[position + 2] << 16) | (bytes[position + 3] << 24)
}
