import { readInt32, readInt64, readUint32, writeInt32, writeInt64 } from '../../common/bytes.js'
import { crc32c } from '../../common/crc32c.js'
import { release } from '../../common/lease.js'
import { KafkaError } from '../../errors.js'
import type { Storage, StorageFile } from '../../storage/storage.js'
import { pathIn } from '../segment/file-names.js'
import type { KeyIndex, KeySnapshot } from './key-index.js'
import { mostSlots, none } from './key-table.js'

/*
 * The index of keys as it was at an offset, in a file beside the log that is named after the offset
 * (integers big-endian).
 *     file   := header, block*
 *     header := version: int32 (1), crc: uint32 (CRC-32C of the rest of the header), secret: int32 × 4, offset: int64, startOffset: int64,
 *               replayFrom: int64, lastBatch: (baseOffset: int64, crc: uint32), count: int64 (of all entries)
 *     block  := count: int32, crc: uint32 (CRC-32C of its entries), entry*
 *     entry  := hash: int32 × 4, offset: int64 (plus one; its negative where the record is a tombstone)
 */
const version = 1
const headerBytes = 68
const blockHeaderBytes = 8
const entryBytes = 24
/** The size of a write, and the largest size of a block. */
const blockBytes = 256 * 1024
const mostBlockEntries = 32 * 1024
const mostBucketBytes = mostSlots * entryBytes

const suffix = 'keys'
const fileName = new RegExp(`^(\\d{20})\\.${suffix}$`)

export function keyFileOf(folder: string, offset: number): string {
  return `${pathIn(folder, offset)}.${suffix}`
}

/** The offsets at which the index was written, the newest first. */
export async function keyFilesIn(storage: Storage, folder: string): Promise<number[]> {
  const offsets: number[] = []
  for (const name of await storage.list(folder)) {
    const match = fileName.exec(name)
    if (match && Number.isSafeInteger(Number(match[1]))) offsets.push(Number(match[1]))
  }
  return offsets.sort((a, b) => b - a)
}

export async function removeKeyFiles(storage: Storage, folder: string, except = -1): Promise<void> {
  for (const offset of await keyFilesIn(storage, folder)) if (offset !== except) await storage.remove(keyFileOf(folder, offset))
}

/** Writes a snapshot whole, or leaves the one before. The folder is left to the caller to sync. */
export async function writeKeyFile(storage: Storage, folder: string, snapshot: KeySnapshot): Promise<void> {
  const name = keyFileOf(folder, snapshot.offset)
  await storage.remove(`${name}.tmp`)
  const file = await storage.open(`${name}.tmp`)
  try {
    await file.append(headerOf(snapshot))
    const block = new Uint8Array(blockBytes)
    let end = blockHeaderBytes
    while (true) {
      if (end + mostBucketBytes > block.length) {
        await file.append(sealed(block, end))
        end = blockHeaderBytes
      }
      const part = snapshot.entries.next()
      if (!part) break
      const { words, entries } = part
      for (let slot = 0; slot < entries.length; slot++) {
        if (entries[slot] === none) continue
        for (let word = 0; word < 4; word++) writeInt32(block, end + 4 * word, words[4 * slot + word])
        writeInt64(block, end + 16, entries[slot])
        end += entryBytes
      }
    }
    if (end > blockHeaderBytes) await file.append(sealed(block, end))
    await file.sync()
  } finally {
    await file.close()
  }
  await storage.rename(`${name}.tmp`, name)
  await removeKeyFiles(storage, folder, snapshot.offset)
}

function headerOf({ secret, offset, startOffset, replayFrom, lastBatch, entries }: KeySnapshot): Uint8Array {
  const header = new Uint8Array(headerBytes)
  writeInt32(header, 0, version)
  for (let word = 0; word < 4; word++) writeInt32(header, 8 + 4 * word, secret[word])
  writeInt64(header, 24, offset)
  writeInt64(header, 32, startOffset)
  writeInt64(header, 40, replayFrom)
  writeInt64(header, 48, lastBatch.baseOffset)
  writeInt32(header, 56, lastBatch.crc | 0)
  writeInt64(header, 60, entries.count)
  writeInt32(header, 4, crc32c(header, 8) | 0)
  return header
}

function sealed(block: Uint8Array, end: number): Uint8Array {
  writeInt32(block, 0, (end - blockHeaderBytes) / entryBytes)
  writeInt32(block, 4, crc32c(block, blockHeaderBytes, end) | 0)
  return block.subarray(0, end)
}

/** The header of a file. */
export type KeyFileHeader = Omit<KeySnapshot, 'entries'> & { readonly count: number }

/**
 * Reads a file: `accept` decides by the header whether its entries are wanted. Throws
 * CORRUPT_MESSAGE, with the reason, for one that is damaged.
 */
export async function readKeyFile(
  storage: Storage,
  folder: string,
  offset: number,
  index: KeyIndex,
  accept: (header: KeyFileHeader) => Promise<boolean>
): Promise<KeyFileHeader | undefined> {
  const file = await storage.open(keyFileOf(folder, offset))
  try {
    const header = headerIn(await readExactly(file, 0, headerBytes), offset)
    if (!(await accept(header))) return undefined
    index.restore(header)
    const hash = new Int32Array(4)
    let position = headerBytes
    let left = header.count
    while (left > 0) {
      const head = await readExactly(file, position, blockHeaderBytes)
      const count = readInt32(head, 0)
      if (!(count > 0 && count <= left && count <= mostBlockEntries)) throw damaged(`a block of ${count} entries is not possible`)
      const entries = await readExactly(file, position + blockHeaderBytes, count * entryBytes)
      if (crc32c(entries) !== readUint32(head, 4)) throw damaged(`the checksum of the block at ${position} does not fit its bytes`)
      for (let at = 0; at < entries.length; at += entryBytes) {
        for (let word = 0; word < 4; word++) hash[word] = readInt32(entries, at + 4 * word)
        index.put(hash, readInt64(entries, at + 16))
      }
      position += blockHeaderBytes + entries.length
      left -= count
    }
    return header
  } finally {
    await file.close()
  }
}

function headerIn(bytes: Uint8Array, name: number): KeyFileHeader {
  if (readInt32(bytes, 0) !== version) throw damaged(`its version is ${readInt32(bytes, 0)}, not ${version}`)
  if (crc32c(bytes, 8) !== readUint32(bytes, 4)) throw damaged('the checksum of its header does not fit its bytes')
  const offset = readInt64(bytes, 24)
  if (offset !== name) throw damaged(`it says that it is of offset ${offset}`)
  return {
    secret: Int32Array.from({ length: 4 }, (_, word) => readInt32(bytes, 8 + 4 * word)),
    offset,
    startOffset: readInt64(bytes, 32),
    replayFrom: readInt64(bytes, 40),
    lastBatch: { baseOffset: readInt64(bytes, 48), crc: readUint32(bytes, 56) },
    count: readInt64(bytes, 60)
  }
}

async function readExactly(file: StorageFile, position: number, length: number): Promise<Uint8Array> {
  if (position + length > file.length) throw damaged(`it ends at ${file.length}, before ${position + length}`)
  const bytes = new Uint8Array(length)
  for (let done = 0; done < length; ) {
    const view = await file.read(position + done, length - done)
    if (view.length === 0) throw damaged(`it ends at ${position + done}`)
    bytes.set(view, done)
    done += view.length
    release(view)
  }
  return bytes
}

function damaged(reason: string): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', reason)
}
