import { fdatasync, fstatSync, ftruncateSync, read as readFd, readSync, statSync, write as writeFd, writeSync } from 'node:fs'
import { type Deferred, deferred, type MaybePromise } from '../../common/deferred.js'
import { afterLoop } from '../../common/host.js'
import { lend, release } from '../../common/lease.js'
import { type ChunkPool, leastPieceBytes } from '../memory/chunk-pool.js'
import type { StorageFile } from '../storage.js'
import type { HandlePool } from './handle-pool.js'
import { storageError } from './storage-error.js'
import type { Tail } from './tail-cache.js'

/** State that the files of one storage share. */
export interface DiskFileSetting {
  readonly handles: HandlePool
  readonly readBuffers: ChunkPool
  readonly newTail: () => Tail
  /** True if an append settles only once it is synced. */
  readonly syncEachAppend: boolean
  /**
   * Throws when another has the directory: before each change, and again before it is acknowledged.
   */
  readonly expectOwned: () => void
  /** Called when a file has bytes that are not synced. */
  readonly onDirty: (file: DiskFile) => void
  readonly onClosed: (file: DiskFile) => void
}

/** Up to here a write into the page cache is quicker than handing it to the thread pool. */
const maxSyncWriteBytes = 256 * 1024
/** Likewise for reads, which may have to wait for the disk, so the limit is lower. */
const maxSyncReadBytes = 64 * 1024
/**
 * The number of bytes by which a growing file is filled with zeros, ahead of its end: as much again
 * as there is, between these two. A write into pages that are there already, in large pieces, takes
 * half of what one takes that has to ask for them; and a sync that finds all blocks in their places
 * two thirds.
 */
const leastAheadBytes = 4 * 1024
const mostAheadBytes = 256 * 1024
const zeros = new Uint8Array(mostAheadBytes)

/**
 * One file on disk. Appends are applied in order; a failed sync ends all writing, for nobody knows
 * then what the disk holds. Closing waits for the calls that are under way; later ones are refused,
 * since the descriptor, and perhaps the name, belong to another file by then.
 *
 * Size: the length, the room ahead and the writes under way of one file must agree.
 */
export class DiskFile implements StorageFile {
  /** The present path: a rename moves it. */
  path: string
  readonly #setting: DiskFileSetting
  readonly #tail: Tail
  #length: number
  /** Bytes that are with the operating system; the rest is on its way. */
  #writtenLength: number
  /** The size of the file on disk, which may be extended ahead. */
  #extendedLength: number
  #writing: Promise<void> | undefined
  #syncing: Promise<void> | undefined
  #nextSync: Deferred<void> | undefined
  /** True if the sync has not begun yet, so that it will cover what is appended now. */
  #isGathering = false
  #failure: Error | undefined
  /** A write that failed may have left something beyond the end. */
  #mayBeLonger = false
  /** Reads in the thread pool. */
  #reads = 0
  #unread: Deferred<void> | undefined
  #closing: Promise<void> | undefined
  /** True if the descriptor has been given back. */
  #isEnded = false

  constructor(path: string, setting: DiskFileSetting) {
    this.path = path
    this.#setting = setting
    this.#tail = setting.newTail()
    const found = statSync(path, { throwIfNoEntry: false })
    // One that is there is opened when it is used: of thousands of old segments few ever are.
    this.#length = found?.isFile() ? found.size : fstatSync(setting.handles.create(this)).size
    this.#writtenLength = this.#length
    this.#extendedLength = this.#length
  }

  get length(): number {
    return this.#length
  }

  /** From the call of `close` on. */
  get isClosed(): boolean {
    return this.#closing !== undefined
  }

  append(bytes: Uint8Array): MaybePromise<void> {
    if (this.#failure) throw this.#failure
    this.#expectOpen('Writing')
    this.#setting.expectOwned()
    const position = this.#length
    if (this.#writing || bytes.length > maxSyncWriteBytes) return this.#appendLater(bytes, position)
    this.#writeNow(bytes, position)
    this.#length = this.#writtenLength = position + bytes.length
    this.#tail.append(position, bytes)
    this.#setting.onDirty(this)
    if (this.#setting.syncEachAppend) return this.sync()
  }

  #writeNow(bytes: Uint8Array, position: number): void {
    try {
      const fd = this.#setting.handles.use(this)
      this.#extend(fd, position, position + bytes.length)
      for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written, bytes.length - written, position + written)
    } catch (error) {
      this.#mayBeLonger = true
      throw storageError('Writing', this.path, error)
    }
    this.#setting.expectOwned()
  }

  #appendLater(bytes: Uint8Array, position: number): Promise<void> {
    this.#length = position + bytes.length
    const before = this.#writing
    const writing = (async () => {
      await before
      this.#setting.expectOwned()
      try {
        await this.#pinned('Writing', async fd => {
          this.#extend(fd, position, position + bytes.length)
          for (let written = 0; written < bytes.length; ) written += await writeAt(fd, bytes, written, position + written)
        })
      } catch (error) {
        this.#mayBeLonger = true
        throw error
      }
      this.#setting.expectOwned()
      this.#writtenLength = position + bytes.length
      this.#tail.append(position, bytes)
      this.#setting.onDirty(this)
    })()
    this.#writing = writing
    const settled = () => {
      if (this.#writing === writing) this.#writing = undefined
    }
    writing.then(settled, settled)
    return this.#setting.syncEachAppend ? writing.then(() => this.sync()) : writing
  }

  /**
   * Fills the file with zeros up to an even place beyond `end`, about to be written up to there.
   */
  #extend(fd: number, position: number, end: number): void {
    if (end <= this.#extendedLength) return
    const filled = this.#extendedLength
    this.#extendedLength = end
    // A file that is written at once, such as an index, needs no room behind it; a large write
    // brings its own.
    if (position === 0 || end - position >= mostAheadBytes) return
    let unit = leastAheadBytes
    while (unit < mostAheadBytes && 2 * unit <= position) unit *= 2
    this.#extendedLength = Math.ceil(end / unit) * unit
    try {
      for (let at = filled; at < this.#extendedLength; )
        at += writeSync(fd, zeros, 0, Math.min(zeros.length, this.#extendedLength - at), at)
    } catch {
      // It could do without; what stands against writing will show in a moment.
    }
  }

  /** Lends the descriptor to calls in the thread pool. */
  async #pinned<T>(action: string, use: (fd: number) => Promise<T>): Promise<T> {
    const { handles } = this.#setting
    try {
      const handle = handles.pin(this)
      try {
        return await use(handle.fd)
      } finally {
        handles.unpin(handle)
      }
    } catch (error) {
      throw storageError(action, this.path, error)
    }
  }

  #expectOpen(action: string): void {
    if (this.isClosed) throw storageError(action, this.path, 'the file is closed')
  }

  read(position: number, maxBytes: number): MaybePromise<Uint8Array> {
    this.#expectOpen('Reading')
    return this.#read(position, maxBytes)
  }

  #read(position: number, maxBytes: number): MaybePromise<Uint8Array> {
    if (position >= this.#length || maxBytes <= 0) return nothing
    const writtenEnd = Math.min(position + maxBytes, this.#writtenLength)
    const recent = this.#tail.read(position, maxBytes)
    if (recent) {
      if (recent.length >= leastPieceBytes || position + recent.length >= writtenEnd) return recent
      release(recent)
    }
    if (position >= this.#writtenLength) return this.#reading(() => this.#readWhenWritten(position, maxBytes))
    // The tail spares the disk what it holds, unless that would make two reads of a small one.
    const end = this.#tail.start - position >= leastPieceBytes ? Math.min(writtenEnd, this.#tail.start) : writtenEnd
    const byteCount = end - position
    return byteCount <= maxSyncReadBytes ? this.#readNow(position, byteCount) : this.#reading(() => this.#readLater(position, byteCount))
  }

  async #readWhenWritten(position: number, maxBytes: number): Promise<Uint8Array> {
    await this.#writing
    return this.#read(position, maxBytes)
  }

  /** Counts a read that takes time, so that the file is not closed before its end. */
  async #reading(read: () => Promise<Uint8Array>): Promise<Uint8Array> {
    this.#reads++
    try {
      return await read()
    } finally {
      if (--this.#reads === 0) this.#unread?.resolve()
    }
  }

  #readNow(position: number, byteCount: number): Uint8Array {
    const buffer = this.#setting.readBuffers.take(byteCount)
    try {
      const fd = this.#setting.handles.use(this)
      let filled = 0
      while (filled < byteCount) {
        const got = readSync(fd, buffer, filled, byteCount - filled, position + filled)
        if (got === 0) break
        filled += got
      }
      return this.#lent(buffer, filled)
    } catch (error) {
      throw storageError('Reading', this.path, error)
    }
  }

  #readLater(position: number, byteCount: number): Promise<Uint8Array> {
    const buffer = this.#setting.readBuffers.take(byteCount)
    return this.#pinned('Reading', async fd => {
      let filled = 0
      while (filled < byteCount) {
        const got = await readAt(fd, buffer, filled, byteCount - filled, position + filled)
        if (got === 0) break
        filled += got
      }
      return this.#lent(buffer, filled)
    })
  }

  #lent(buffer: Uint8Array, filled: number): Uint8Array {
    return lend(buffer.subarray(0, filled), () => this.#setting.readBuffers.give(buffer))
  }

  async truncate(length: number): Promise<void> {
    this.#expectOpen('Truncating')
    await this.#writing?.catch(() => {})
    this.#expectOpen('Truncating')
    if (this.#failure) throw this.#failure
    const isLonger = this.#mayBeLonger || this.#extendedLength > this.#length
    if (length > this.#length || (length === this.#length && !isLonger)) return
    this.#setting.expectOwned()
    try {
      ftruncateSync(this.#setting.handles.use(this), length)
      this.#mayBeLonger = false
    } catch (error) {
      throw storageError('Truncating', this.path, error)
    }
    if (length < this.#length) this.#tail.forget()
    this.#length = this.#writtenLength = this.#extendedLength = length
    this.#setting.onDirty(this)
  }

  /** Ends all writing. */
  fail(reason: Error): void {
    this.#failure ??= reason
  }

  /** One sync serves all who ask while the one before it runs. */
  sync(): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure)
    if (this.#isEnded) return Promise.reject(storageError('Syncing', this.path, 'the file is closed'))
    if (!this.#syncing) return this.#startSync()
    if (this.#isGathering) return this.#syncing
    this.#nextSync ??= deferred()
    return this.#nextSync.promise
  }

  #startSync(): Promise<void> {
    const syncing = this.#syncNow()
    this.#syncing = syncing
    const settled = () => {
      this.#syncing = undefined
      const next = this.#nextSync
      this.#nextSync = undefined
      if (next) next.resolve(this.#failure ? Promise.reject(this.#failure) : this.#startSync())
    }
    syncing.then(settled, settled)
    return syncing
  }

  async #syncNow(): Promise<void> {
    // Writers that the previous sync woke, and that append again at once, share this one.
    this.#isGathering = true
    await new Promise<void>(afterLoop)
    this.#isGathering = false
    if (this.#writing) await this.#writing
    try {
      await this.#pinned(
        'Syncing',
        fd => new Promise<void>((resolve, reject) => fdatasync(fd, error => (error ? reject(error) : resolve())))
      )
    } catch (error) {
      this.#failure = error as Error
      throw error
    }
    this.#setting.expectOwned()
  }

  #isOwned(): boolean {
    try {
      this.#setting.expectOwned()
      return true
    } catch {
      // Bytes that the next owner has written behind the end must stay.
      return false
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    while (this.#writing || this.#syncing || this.#reads > 0) {
      await this.#writing?.catch(() => {})
      await this.#syncing?.catch(() => {})
      if (this.#reads > 0) await (this.#unread ??= deferred()).promise
    }
    this.#isEnded = true
    const { handles } = this.#setting
    try {
      if (this.#extendedLength > this.#length && !this.#failure && this.#isOwned()) ftruncateSync(handles.use(this), this.#length)
    } finally {
      this.#tail.forget()
      handles.release(this)
      this.#setting.onClosed(this)
    }
  }
}

const nothing = new Uint8Array(0)

function writeAt(fd: number, bytes: Uint8Array, from: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    writeFd(fd, bytes, from, bytes.length - from, position, (error, written) => (error ? reject(error) : resolve(written)))
  })
}

function readAt(fd: number, buffer: Uint8Array, at: number, byteCount: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    readFd(fd, buffer, at, byteCount, position, (error, got) => (error ? reject(error) : resolve(got)))
  })
}
