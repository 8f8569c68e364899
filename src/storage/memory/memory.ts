import { lend } from '../../common/lease.js'
import { expectInteger, expectKnownKeys, expectString } from '../../common/options.js'
import type { Storage, StorageFile } from '../storage.js'
import { ChunkPool, leastPieceBytes, maxChunkBytes, minChunkBytes } from './chunk-pool.js'

export interface MemoryStorageOptions {
  /**
   * The memory of removed files that is kept for reuse, in bytes. Default: 32 MiB. Touching fresh
   * memory costs more than copying a record into it; what is beyond this limit goes to the garbage
   * collector.
   */
  readonly maxFreeBytes?: number
}

/**
 * A storage in memory: fast, synchronous, and gone with the process. Files live on in it while they
 * are closed.
 */
export function memoryStorage(options?: MemoryStorageOptions): MemoryStorage {
  return new MemoryStorage(options)
}

type Folder = Map<string, Folder | Content>

/**
 * The storage behind `memoryStorage()`. A file is a list of chunks of 1 MiB. The first starts with
 * 4 KiB and is replaced by one of twice the size as it fills up, so that ten thousand small
 * partitions are cheap. What one `append` adds always lies in one chunk. A read goes on over the
 * end of a chunk where little is left in it.
 */
export class MemoryStorage implements Storage {
  readonly durable = false
  readonly #root: Folder = new Map()
  readonly #chunks: Chunks

  constructor(options: MemoryStorageOptions = {}) {
    expectKnownKeys('memoryStorage', options, ['maxFreeBytes'])
    const { maxFreeBytes = 32 * 1024 * 1024 } = options
    expectInteger('maxFreeBytes', maxFreeBytes, 0)
    this.#chunks = new Chunks(new ChunkPool(maxFreeBytes))
  }

  /**
   * Bytes of all chunks: those of files, those that are lent although their files are gone, and
   * those that wait to be used again.
   */
  get memoryBytes(): number {
    return this.#chunks.takenBytes + this.#chunks.freeBytes
  }

  releaseMemory(): void {
    this.#chunks.clear()
  }

  /** Bytes of removed files that wait to be used again. */
  get freeBytes(): number {
    return this.#chunks.freeBytes
  }

  open(name: string): StorageFile {
    expectString('name', name)
    const { folder, last } = this.#parentOf(name, true)
    let content = folder.get(last)
    if (content instanceof Map) throw new Error(`\`${name}\` is a folder`)
    if (!content) {
      content = new Content(this.#chunks)
      folder.set(last, content)
    }
    return new MemoryFile(content)
  }

  list(folder: string): string[] {
    if (folder !== '') expectString('folder', folder)
    const found = folder === '' ? this.#root : this.#find(folder)
    return found instanceof Map ? [...found.keys()] : []
  }

  remove(name: string): void {
    expectString('name', name)
    const entry = this.#detach(name)
    if (entry) discard(entry)
  }

  rename(from: string, to: string): void {
    expectString('from', from)
    expectString('to', to)
    if (from === to) return
    const entry = this.#detach(from)
    if (!entry) throw new Error(`There is no \`${from}\` to rename`)
    const { folder, last } = this.#parentOf(to, true)
    const replaced = folder.get(last)
    if (replaced) discard(replaced)
    folder.set(last, entry)
  }

  syncFolder(): void {}

  close(): void {}

  #parentOf(name: string, create: boolean): { folder: Folder; last: string } {
    const parts = name.split('/')
    const last = parts.pop() as string
    let folder = this.#root
    for (const part of parts) {
      let next = folder.get(part)
      if (!next && create) {
        next = new Map()
        folder.set(part, next)
      }
      if (!(next instanceof Map)) {
        if (create) throw new Error(`\`${part}\` in \`${name}\` is a file`)
        return { folder: new Map(), last }
      }
      folder = next
    }
    return { folder, last }
  }

  #find(name: string): Folder | Content | undefined {
    const { folder, last } = this.#parentOf(name, false)
    return folder.get(last)
  }

  /** Takes an entry out of its folder, and the folders that are empty then out of theirs. */
  #detach(name: string): Folder | Content | undefined {
    const { folder, last } = this.#parentOf(name, false)
    const entry = folder.get(last)
    folder.delete(last)
    const slash = name.lastIndexOf('/')
    if (entry && folder.size === 0 && slash > 0) this.#detach(name.slice(0, slash))
    return entry
  }
}

function discard(entry: Folder | Content): void {
  if (entry instanceof Content) return entry.remove()
  for (const child of entry.values()) discard(child)
}

/** A handle on a file's content; the content stays when the handle is closed. */
class MemoryFile implements StorageFile {
  readonly #content: Content
  #closed = false

  constructor(content: Content) {
    this.#content = content
    content.handles++
  }

  get length(): number {
    return this.#content.length
  }

  append(bytes: Uint8Array): void {
    this.#expectOpen()
    this.#content.append(bytes)
  }

  read(position: number, maxBytes: number): Uint8Array {
    this.#expectOpen()
    return this.#content.read(position, maxBytes)
  }

  truncate(length: number): void {
    this.#expectOpen()
    this.#content.truncate(length)
  }

  sync(): void {}

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#content.closeHandle()
  }

  #expectOpen(): void {
    if (this.#closed) throw new Error('The file is closed')
  }
}

const mostJoinedBytes = 2 * maxChunkBytes

/**
 * Contiguous bytes of a file from `start` on; `readers` counts the views of it that are lent out.
 */
interface Chunk {
  readonly bytes: Uint8Array
  start: number
  used: number
  readers: number
  discarded: boolean
}

/**
 * The memory that chunks take. What is lent and never given back counts until the garbage collector
 * has it.
 */
class Chunks {
  takenBytes = 0
  readonly #pool: ChunkPool
  /** For what is copied together; twice as large as a chunk. */
  readonly #joins = new ChunkPool(4 * mostJoinedBytes, mostJoinedBytes)
  readonly #abandoned = new FinalizationRegistry<number>(bytes => {
    this.takenBytes -= bytes
  })

  constructor(pool: ChunkPool) {
    this.#pool = pool
  }

  /** Bytes that wait to be used again. */
  get freeBytes(): number {
    return this.#pool.freeBytes + this.#joins.freeBytes
  }

  clear(): void {
    this.#pool.clear()
    this.#joins.clear()
  }

  take(neededBytes: number): Uint8Array {
    return this.#count(this.#pool.take(neededBytes))
  }

  /** Memory for bytes that are copied together to be lent. */
  takeJoined(bytes: number): Uint8Array {
    return this.#count(bytes > maxChunkBytes ? this.#joins.take(bytes) : this.#pool.take(bytes))
  }

  #count(bytes: Uint8Array): Uint8Array {
    this.takenBytes += bytes.length
    return bytes
  }

  give({ bytes }: Chunk): void {
    this.takenBytes -= bytes.length
    if (bytes.length === mostJoinedBytes) this.#joins.give(bytes)
    else this.#pool.give(bytes)
  }

  /** Leaves a chunk of a file that is gone to those who read it. */
  leave(chunk: Chunk): void {
    this.#abandoned.register(chunk.bytes.buffer, chunk.bytes.length, chunk)
  }

  /** Takes a chunk back from the last of them. */
  giveLent(chunk: Chunk): void {
    this.#abandoned.unregister(chunk)
    this.give(chunk)
  }
}

class Content {
  length = 0
  handles = 0
  #removed = false
  #chunks: Chunk[] = []
  readonly #memory: Chunks

  constructor(memory: Chunks) {
    this.#memory = memory
  }

  append(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    let chunk = this.#chunks[this.#chunks.length - 1] as Chunk | undefined
    if (!chunk || chunk.used + bytes.length > chunk.bytes.length) chunk = this.#addChunk(bytes.length)
    chunk.bytes.set(bytes, chunk.used)
    chunk.used += bytes.length
    this.length += bytes.length
  }

  read(position: number, maxBytes: number): Uint8Array {
    if (position >= this.length || maxBytes <= 0) return nothing
    const index = this.#chunkIndexAt(position)
    const chunk = this.#chunks[index]
    const from = position - chunk.start
    const left = chunk.used - from
    if (left < leastPieceBytes && left < maxBytes && index + 1 < this.#chunks.length) {
      const joined = this.#join(index, from, maxBytes)
      if (joined) return joined
    }
    const view = chunk.bytes.subarray(from, Math.min(from + maxBytes, chunk.used))
    if (view.length === 0) throw new Error('The memory of the file was transferred by somebody to whom it was only lent')
    chunk.readers++
    return lend(view, () => {
      if (--chunk.readers === 0 && chunk.discarded) this.#memory.giveLent(chunk)
    })
  }

  /**
   * A copy of the end of a chunk and of what follows, as much of it as is asked for and fits. It
   * ends with a chunk, or where `maxBytes` do.
   */
  #join(index: number, from: number, maxBytes: number): Uint8Array | undefined {
    const chunks = this.#chunks
    let size = chunks[index].used - from
    let end = index + 1
    for (; end < chunks.length && size < maxBytes; end++) {
      const more = Math.min(chunks[end].used, maxBytes - size)
      if (size + more > mostJoinedBytes) break
      size += more
    }
    if (end === index + 1) return undefined
    const bytes = this.#memory.takeJoined(size)
    let filled = 0
    for (let next = index; next < end; next++) {
      const part = chunks[next].bytes.subarray(next === index ? from : 0, chunks[next].used)
      bytes.set(part.length > size - filled ? part.subarray(0, size - filled) : part, filled)
      filled += part.length
    }
    const chunk: Chunk = { bytes, start: 0, used: size, readers: 1, discarded: true }
    this.#memory.leave(chunk)
    return lend(bytes.subarray(0, size), () => this.#memory.giveLent(chunk))
  }

  truncate(length: number): void {
    if (length >= this.length) return
    const chunks = this.#chunks
    while (chunks.length > 0 && chunks[chunks.length - 1].start >= length) this.#discard(chunks.pop() as Chunk)
    this.length = length
    const last = chunks.at(-1)
    if (!last) return
    last.used = length - last.start
    // A reader that still holds a view would see the next append write over it, so the chunk is
    // left to that reader.
    if (last.readers > 0) {
      chunks.pop()
      const kept = last.bytes.subarray(0, last.used)
      this.length = last.start
      this.append(kept)
      this.#discard(last)
    }
  }

  remove(): void {
    this.#removed = true
    if (this.handles === 0) this.#discardAll()
  }

  closeHandle(): void {
    if (--this.handles === 0 && this.#removed) this.#discardAll()
  }

  #discardAll(): void {
    for (const chunk of this.#chunks) this.#discard(chunk)
    this.#chunks = []
    this.length = 0
  }

  #discard(chunk: Chunk): void {
    chunk.discarded = true
    if (chunk.readers === 0) this.#memory.give(chunk)
    else this.#memory.leave(chunk)
  }

  /**
   * A chunk with room for so many more bytes. As long as a file fits in one chunk, that one is
   * replaced by a larger one.
   */
  #addChunk(neededBytes: number): Chunk {
    const last = this.#chunks.at(-1)
    const grows = last !== undefined && last.start === 0 && last.used + neededBytes <= maxChunkBytes
    const size = Math.max(
      last ? Math.min(last.bytes.length * 2, maxChunkBytes) : minChunkBytes,
      grows ? last.used + neededBytes : neededBytes
    )
    const chunk: Chunk = { bytes: this.#memory.take(size), start: this.length, used: 0, readers: 0, discarded: false }
    if (grows) {
      chunk.start = 0
      chunk.bytes.set(last.bytes.subarray(0, last.used))
      chunk.used = last.used
      this.#chunks.pop()
      this.#discard(last)
    }
    this.#chunks.push(chunk)
    return chunk
  }

  #chunkIndexAt(position: number): number {
    const chunks = this.#chunks
    let low = 0
    let high = chunks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (chunks[middle].start <= position) low = middle
      else high = middle - 1
    }
    return low
  }
}

const nothing = new Uint8Array(0)
