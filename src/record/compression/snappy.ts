import { readInt32, writeInt32 } from '../../common/bytes.js'
import { BoundedOutput } from './bounded-output.js'
import type { Codec } from './codec.js'
import { damaged } from './failure.js'
import { compressSnappy, decompressSnappy, mostCompressed } from './snappy-block.js'

/**
 * Snappy in the two framings that Kafka's clients use. Written is that of the Java clients
 * (xerial's), all integers big-endian:
 *
 *     82 53 4e 41 50 50 59 00, version: int32 = 1, compatible: int32 = 1, (size: int32, snappy block of 32 KiB of content)*
 *
 * Read is also the bare snappy block, which librdkafka and franz-go write. The two cannot be
 * confused: no block starts with a copy.
 */
export const snappy: Codec = { type: 'snappy', compress, decompress }

const magic = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]
const headerBytes = magic.length + 8
const chunkBytes = 32 * 1024

function compress(bytes: Uint8Array, into: Uint8Array = noBytes): Uint8Array {
  const chunks = Math.ceil(bytes.length / chunkBytes)
  const most = headerBytes + chunks * (4 + mostCompressed(Math.min(bytes.length, chunkBytes)))
  const framed = into.length >= most ? into : new Uint8Array(most)
  framed.set(magic)
  writeInt32(framed, magic.length, 1)
  writeInt32(framed, magic.length + 4, 1)
  let position = headerBytes
  for (let start = 0; start < bytes.length; start += chunkBytes) {
    const end = compressSnappy(bytes, start, Math.min(start + chunkBytes, bytes.length), framed, position + 4)
    writeInt32(framed, position, end - position - 4)
    position = end
  }
  return framed.subarray(0, position)
}

const noBytes = new Uint8Array(0)

function decompress(bytes: Uint8Array, maxBytes: number, into?: Uint8Array): Uint8Array {
  const output = new BoundedOutput('snappy', maxBytes, into)
  if (!magic.every((byte, i) => bytes[i] === byte)) {
    decompressSnappy(bytes, 0, bytes.length, output)
    return output.finish()
  }
  if (bytes.length < headerBytes) throw damaged('snappy', 'its header ends too early')
  for (let position = headerBytes; position < bytes.length; ) {
    const start = position + 4
    if (start > bytes.length) throw damaged('snappy', 'it ends too early')
    const end = start + readInt32(bytes, position)
    if (end < start || end > bytes.length) throw damaged('snappy', 'a block is too long')
    decompressSnappy(bytes, start, end, output)
    position = end
  }
  return output.finish()
}
