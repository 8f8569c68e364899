import { BoundedOutput } from './bounded-output.js'
import type { Codec } from './codec.js'
import { damaged } from './failure.js'
import { compressLz4, decompressLz4, mostCompressed } from './lz4-block.js'
import { xxh32 } from './xxh32.js'

/**
 * LZ4 frames, as Kafka's clients write them, all integers little-endian:
 *
 *     frame := magic: 04 22 4d 18, FLG: 60, BD: 40, headerChecksum: uint8, block*, endMark: 00 00 00 00
 *     block := size: uint32 (high bit: stored as it is), bytes          at most 64 KiB of content, independent of its neighbours
 *
 * Read are also larger blocks (BD), the content size, the checksums of blocks and content, frames
 * back to back and skippable frames. Blocks that depend on the one before, which Kafka refuses too,
 * and dictionaries are refused.
 */
export const lz4: Codec = { type: 'lz4', compress, decompress }

const magic = 0x184d2204
const skippableMagic = 0x184d2a50
const flag = {
  version: 0xc0,
  independent: 0x20,
  blockChecksum: 0x10,
  contentSize: 0x08,
  contentChecksum: 0x04,
  reserved: 0x02,
  dictionary: 0x01
}
const currentVersion = 0x40
const frameHeader = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]
const blockBytes = 64 * 1024
const stored = 0x80000000
const sizeBytes = 4
/**
 * A block, until it is known whether it is smaller than its content. Shared: compressing is
 * synchronous.
 */
const scratch = new Uint8Array(mostCompressed(blockBytes))

function compress(bytes: Uint8Array, into: Uint8Array = noBytes): Uint8Array {
  const blocks = Math.ceil(bytes.length / blockBytes)
  const most = frameHeader.length + bytes.length + (blocks + 1) * sizeBytes
  const frame = into.length >= most ? into : new Uint8Array(most)
  frame.set(frameHeader)
  let position = frameHeader.length
  for (let start = 0; start < bytes.length; start += blockBytes) {
    const block = bytes.subarray(start, start + blockBytes)
    const size = compressLz4(block, scratch)
    if (size > 0) {
      writeWord(frame, position, size)
      frame.set(scratch.subarray(0, size), position + sizeBytes)
      position += sizeBytes + size
    } else {
      writeWord(frame, position, stored | block.length)
      frame.set(block, position + sizeBytes)
      position += sizeBytes + block.length
    }
  }
  writeWord(frame, position, 0)
  return frame.subarray(0, position + sizeBytes)
}

const noBytes = new Uint8Array(0)

function decompress(bytes: Uint8Array, maxBytes: number, into?: Uint8Array): Uint8Array {
  const output = new BoundedOutput('lz4', maxBytes, into)
  if (bytes.length === 0) throw damaged('lz4', 'there is no frame')
  for (let position = 0; position < bytes.length; ) {
    const start = wordAt(bytes, position)
    if ((start & ~0xf) >>> 0 === skippableMagic) position += 8 + wordAt(bytes, position + 4)
    else if (start === magic) position = decompressFrame(bytes, position + 4, output)
    else throw damaged('lz4', 'a frame does not start with the magic number')
    if (position > bytes.length) throw damaged('lz4', 'it ends too early')
  }
  return output.finish()
}

/** Decodes the frame whose header follows the magic number at `start`. Returns where it ends. */
function decompressFrame(bytes: Uint8Array, start: number, output: BoundedOutput): number {
  const flags = bytes[start]
  const sizeId = bytes[start + 1]
  if ((flags & flag.version) !== currentVersion || flags & flag.reserved || (sizeId & 0x8f) !== 0 || sizeId < 0x40) {
    throw damaged('lz4', 'its header has an unknown version or reserved bits')
  }
  if (!(flags & flag.independent)) throw damaged('lz4', 'its blocks depend on each other, which Kafka does not allow')
  if (flags & flag.dictionary) throw damaged('lz4', 'it needs a dictionary')
  const maxBlock = 1 << (2 * (sizeId >> 4) + 8)
  let position = start + (flags & flag.contentSize ? 10 : 2)
  if (bytes[position] !== ((xxh32(bytes, start, Math.min(position, bytes.length)) >>> 8) & 0xff))
    throw damaged('lz4', 'its header checksum is wrong')
  position++
  const outputStart = output.length
  for (;;) {
    const word = wordAt(bytes, position)
    position += sizeBytes
    if (word === 0) break
    const size = word & ~stored
    const end = position + size
    if (size > maxBlock || end > bytes.length) throw damaged('lz4', 'a block is too long')
    if (word >= stored) output.append(bytes, position, end)
    else decompressLz4(bytes, position, end, output, maxBlock)
    if (flags & flag.blockChecksum) {
      if (wordAt(bytes, end) !== xxh32(bytes, position, end)) throw damaged('lz4', 'the checksum of a block is wrong')
      position = end + sizeBytes
    } else position = end
  }
  if (flags & flag.contentSize) {
    const claimed = wordAt(bytes, start + 2) + wordAt(bytes, start + 6) * 2 ** 32
    if (claimed !== output.length - outputStart) throw damaged('lz4', `its content is not of the ${claimed} bytes it says`)
  }
  if (flags & flag.contentChecksum) {
    if (wordAt(bytes, position) !== xxh32(output.bytes, outputStart, output.length)) throw damaged('lz4', 'its content checksum is wrong')
    position += sizeBytes
  }
  return position
}

/** A little-endian uint32. */
function wordAt(bytes: Uint8Array, position: number): number {
  if (position + 4 > bytes.length) throw damaged('lz4', 'it ends too early')
  return (bytes[position] | (bytes[position + 1] << 8) | (bytes[position + 2] << 16) | (bytes[position + 3] << 24)) >>> 0
}

function writeWord(bytes: Uint8Array, position: number, word: number): void {
  bytes[position] = word
  bytes[position + 1] = word >>> 8
  bytes[position + 2] = word >>> 16
  bytes[position + 3] = word >>> 24
}
