import { BoundedOutput } from './bounded-output.js'
import { damaged, tooLarge } from './failure.js'
import { optionalPackage } from './platform.js'
import { xxh64Low } from './xxh64.js'

/**
 * The part of the package `fzstd` that is used: it decodes one frame after the other, and checks no
 * checksum.
 */
interface Fzstd {
  readonly Decompress: new (onData: (bytes: Uint8Array) => void) => { push(bytes: Uint8Array, isLast: boolean): void }
}

const frameMagic = 0xfd2fb528
const skippableMagic = 0x184d2a50
/** Java's and librdkafka's levels up to 19 need no more than 8 MiB. */
const maxWindowBytes = 32 * 1024 * 1024

let fzstd: Fzstd | undefined

/**
 * The decoder of the optional package `fzstd`, for a `node:zlib` without zstd; undefined where that
 * is not installed.
 */
export function zstdDecoder(): ((bytes: Uint8Array, maxBytes: number, into?: Uint8Array) => Uint8Array) | undefined {
  fzstd ??= optionalPackage('fzstd') as Fzstd | undefined
  return fzstd && decompress
}

function decompress(bytes: Uint8Array, maxBytes: number, into?: Uint8Array): Uint8Array {
  if (bytes.length === 0) throw damaged('zstd', 'there is no frame')
  const output = new BoundedOutput('zstd', maxBytes, into)
  for (let position = 0; position < bytes.length; ) {
    const magic = wordAt(bytes, position)
    if ((magic & 0xfffffff0) >>> 0 === skippableMagic) position += 8 + wordAt(bytes, position + 4)
    else if (magic === frameMagic) position = decodeFrame(bytes, position, maxBytes, output)
    else throw damaged('zstd', 'a frame does not begin with the magic number')
    if (position > bytes.length) throw cut()
  }
  return output.finish()
}

/** Returns the position after the frame. */
function decodeFrame(bytes: Uint8Array, start: number, maxBytes: number, output: BoundedOutput): number {
  const { firstBlock, hasChecksum } = frameHeader(bytes, start, maxBytes)
  let end = firstBlock
  for (let isLast = false; !isLast; ) {
    if (end + 3 > bytes.length) throw cut()
    const header = bytes[end] | (bytes[end + 1] << 8) | (bytes[end + 2] << 16)
    const type = (header >> 1) & 3
    isLast = (header & 1) === 1
    end += 3 + (type === rleBlock ? 1 : header >> 3)
  }
  if (end + (hasChecksum ? 4 : 0) > bytes.length) throw cut()
  const frame = bytes.subarray(start, end)
  const from = output.length
  try {
    const decoder = new (fzstd as Fzstd).Decompress(part => {
      if (output.lacks(part.length)) throw output.tooLarge()
      output.append(part, 0, part.length)
    })
    // The flag for a checksum is cleared in a copy of the header: the checksum is verified here.
    const header = bytes.slice(start, firstBlock)
    header[4] &= ~checksumFlag
    decoder.push(header, false)
    decoder.push(frame.subarray(firstBlock - start), true)
  } catch (error) {
    if (output.isTooLarge(error)) throw error
    throw damaged('zstd', error instanceof Error ? error.message : String(error), error)
  }
  if (!hasChecksum) return end
  if (xxh64Low(output.bytes.subarray(from, output.length)) !== wordAt(bytes, end)) throw damaged('zstd', 'the checksum is wrong')
  return end + 4
}

const rleBlock = 1
const checksumFlag = 4

/**
 * Refuses sizes that a frame claims and the limit does not allow, before memory is taken for them.
 */
function frameHeader(bytes: Uint8Array, start: number, maxBytes: number): { firstBlock: number; hasChecksum: boolean } {
  const descriptor = bytes[start + 4]
  const isSingleSegment = (descriptor & 0x20) !== 0
  const sizeFlag = descriptor >> 6
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3]
  const sizeBytes = sizeFlag === 0 ? (isSingleSegment ? 1 : 0) : 1 << sizeFlag
  const sizeAt = start + 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes
  const firstBlock = sizeAt + sizeBytes
  if (firstBlock > bytes.length) throw cut()
  if (dictionaryBytes > 0) throw damaged('zstd', 'it needs a dictionary')
  let size = 0
  for (let i = sizeBytes - 1; i >= 0; i--) size = size * 256 + bytes[sizeAt + i]
  if (sizeFlag === 1) size += 256
  if (size > maxBytes) throw tooLarge('zstd', maxBytes)
  if (!isSingleSegment) {
    const base = 2 ** (10 + (bytes[start + 5] >> 3))
    const windowBytes = base + (base / 8) * (bytes[start + 5] & 7)
    if (windowBytes > maxWindowBytes)
      throw damaged('zstd', `it needs a window of ${windowBytes} bytes, more than the ${maxWindowBytes} that are allowed`)
  }
  return { firstBlock, hasChecksum: (descriptor & checksumFlag) !== 0 }
}

function cut(): Error {
  return damaged('zstd', 'a frame is cut short')
}

/** Unsigned; beyond the end it reads zeros. */
function wordAt(bytes: Uint8Array, position: number): number {
  return (bytes[position] | (bytes[position + 1] << 8) | (bytes[position + 2] << 16) | (bytes[position + 3] << 24)) >>> 0
}
