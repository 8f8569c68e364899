/// <reference path="./lz4js.d.ts" />
import lz4js from 'lz4js'
import { type BoundedOutput, copyLiterals, copyMatch } from './bounded-output.js'
import { damaged } from './failure.js'

/**
 * The LZ4 block format:
 *
 *     block    := sequence*                            the last sequence stops after its literals
 *     sequence := token: uint8, more*, literals, distance: uint16 (little-endian), more*
 *
 * The token's upper four bits count the literals, its lower four the length of the match less 4; 15
 * says that bytes follow to be added, up to and with the first below 255. A match starts at least
 * 12 bytes before the end of the content, and the last 5 are literals.
 */

/**
 * lz4js ends its last match two bytes closer to the end than LZ4 allows, so it gets to see all but
 * the last two bytes.
 */
const withheld = 2
/** Positions within a block fit 16 bits. Shared by all calls: compressing is synchronous. */
const table = new Uint16Array(65536)

/**
 * Bytes that `size` bytes of content can take while they are compressed; a block that ends up
 * larger than its content is given up.
 */
export function mostCompressed(size: number): number {
  return 16 + size + Math.floor(size / 255)
}

/**
 * Compresses content of at most 64 KiB into a block at the start of `packed`. Returns its size, or
 * 0 when that is not smaller.
 */
export function compressLz4(content: Uint8Array, packed: Uint8Array): number {
  table.fill(0)
  const seen = content.length - withheld
  const size = lz4js.compressBlock(content, packed, 0, seen, table)
  // Growing may take one byte more, for the count.
  if (size <= 0 || size + withheld + 1 >= content.length) return 0
  return growLastRun(packed, size, content)
}

/** Appends what was withheld to the last run of literals. */
function growLastRun(packed: Uint8Array, size: number, content: Uint8Array): number {
  const start = lastTokenOf(packed, size)
  const count = literalCountAt(packed, start)
  const oldHeader = runHeaderSize(count)
  const newHeader = runHeaderSize(count + withheld)
  if (newHeader !== oldHeader) packed.copyWithin(start + newHeader, start + oldHeader, size)
  writeRunHeader(packed, start, count + withheld)
  let end = start + newHeader + count
  for (let i = content.length - withheld; i < content.length; i++) packed[end++] = content[i]
  return end
}

/** The start of the last sequence of a block. */
function lastTokenOf(packed: Uint8Array, size: number): number {
  let position = 0
  for (;;) {
    const start = position
    const token = packed[position++]
    let literals = token >> 4
    if (literals === 15) {
      let more = 255
      while (more === 255) literals += more = packed[position++]
    }
    position += literals
    if (position >= size) return start
    position += 2
    if ((token & 15) === 15) while (packed[position++] === 255);
  }
}

function literalCountAt(packed: Uint8Array, position: number): number {
  let count = packed[position++] >> 4
  if (count < 15) return count
  for (let more = 255; more === 255; ) count += more = packed[position++]
  return count
}

function runHeaderSize(literals: number): number {
  return literals < 15 ? 1 : 2 + Math.floor((literals - 15) / 255)
}

function writeRunHeader(packed: Uint8Array, position: number, literals: number): void {
  packed[position++] = Math.min(literals, 15) << 4
  if (literals < 15) return
  let rest = literals - 15
  for (; rest >= 255; rest -= 255) packed[position++] = 255
  packed[position] = rest
}

/** One byte of a block can stand for at most this many of its content. */
const mostExpansion = 255

/**
 * Decodes the block in [start, end), whose content may be `maxBlock` bytes long, to the end of
 * `output`.
 */
export function decompressLz4(bytes: Uint8Array, start: number, end: number, output: BoundedOutput, maxBlock: number): void {
  const blockStart = output.length
  const limit = output.reserve(Math.min(maxBlock, (end - start) * mostExpansion))
  const target = output.bytes
  let from = start
  let to = blockStart
  for (;;) {
    const token = bytes[from++]
    let literals = token >> 4
    if (literals === 15) {
      let more = 255
      while (more === 255 && from < end) literals += more = bytes[from++]
    }
    if (literals > end - from) throw damaged('lz4', 'literals run past the end of a block')
    if (literals > limit - to) throw overflow(output, blockStart, to + literals, maxBlock)
    if (literals > 0) copyLiterals(target, to, bytes, from, literals)
    from += literals
    to += literals
    if (from === end) break
    if (end - from < 2) throw damaged('lz4', 'a block ends within a match')
    const distance = bytes[from] | (bytes[from + 1] << 8)
    from += 2
    let count = (token & 15) + 4
    if (count === 19) {
      let more = 255
      while (more === 255 && from < end) count += more = bytes[from++]
    }
    if (from >= end) throw damaged('lz4', 'a block ends with a match')
    if (distance === 0 || distance > to - blockStart) throw damaged('lz4', 'a match starts before its block')
    if (count > limit - to) throw overflow(output, blockStart, to + count, maxBlock)
    copyMatch(target, to, distance, count)
    to += count
  }
  output.length = to
}

/** The error for the limit, of the two, that was passed. */
function overflow(output: BoundedOutput, blockStart: number, reached: number, maxBlock: number): Error {
  return reached - blockStart > maxBlock ? damaged('lz4', `a block holds more than ${maxBlock} bytes`) : output.tooLarge()
}
