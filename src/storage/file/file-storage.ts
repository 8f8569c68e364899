import { mkdirSync, readdirSync, realpathSync, renameSync, rmdirSync, statSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { systemClock, type Timer } from '../../common/clock.js'
import { type CloseOptions, closeTimeoutMs, endOf } from '../../common/closing.js'
import { harmless } from '../../common/foreign.js'
import { expectInteger, expectKnownKeys, expectOneOf, expectString } from '../../common/options.js'
import { KafkaError } from '../../errors.js'
import { ChunkPool } from '../chunk-pool.js'
import type { Storage, StorageFile } from '../storage.js'
import { DirectoryLock } from './directory-lock.js'
import { DiskFile, type DiskFileSetting } from './disk-file.js'
import { HandlePool } from './handle-pool.js'
import { OpenFiles } from './open-files.js'
import { isMissing, storageError } from './storage-error.js'
import { TailCache } from './tail-cache.js'

export interface FileStorageOptions {
  /**
   * What an acknowledged record survives. Default: `'os'`.
   * - `'os'`: the end of this process, however it comes, but not a power cut: the operating system writes to the disk when it sees fit.
   * - `'interval'`: that, and a power cut but for the last `syncIntervalMs`.
   * - `'always'`: that, and a power cut: a record is acknowledged after `fdatasync`. Producers that wait at the same time share one.
   */
  readonly durability?: 'os' | 'interval' | 'always'
  /** How long bytes may stay unsynced with durability `'interval'`, in ms. Default: 1000. */
  readonly syncIntervalMs?: number
  /** How many files are kept open at once; there may be any number of segments. Default: 512. */
  readonly maxOpenFiles?: number
  /** How much memory holds the ends of the files being written, for those who read right behind, in bytes. Default: 32 MiB. */
  readonly tailCacheBytes?: number
  /** Permissions of new files. Default: `0o600`. */
  readonly fileMode?: number
  /** Permissions of new folders. Default: `0o700`. */
  readonly folderMode?: number
  /** Looks without touching: takes no lock, so that it may look at what another process has open; writes are refused. Default: `false`. */
  readonly readOnly?: boolean
}

const defaults: Required<FileStorageOptions> = Object.freeze({
  durability: 'os',
  syncIntervalMs: 1000,
  maxOpenFiles: 512,
  tailCacheBytes: 32 * 1024 * 1024,
  fileMode: 0o600,
  folderMode: 0o700,
  readOnly: false
})

/**
 * Keeps a cluster in a directory, in Kafka's own files. The directory is made when it is not there; only one process has it at a time. While it is in use,
 * and after a crash, files that grow end in zeros, as with Kafka's `log.preallocate`: at most 256 KiB, and never more than what is before them.
 *
 * ```ts
 * await using cluster = await Cluster.open({ storage: fileStorage('./data', { durability: 'always' }) })
 * ```
 */
export function fileStorage(directory: string, options?: FileStorageOptions): FileStorage {
  return new FileStorage(directory, options)
}

/** The storage behind `fileStorage()`. */
export class FileStorage implements Storage {
  readonly durable = true
  readonly syncsAppends: boolean
  readonly readOnly: boolean
  onError: ((error: unknown, name: string) => void) | undefined
  /** The directory's absolute path. */
  readonly directory: string
  readonly #options: Required<FileStorageOptions>
  readonly #handles: HandlePool
  readonly #setting: DiskFileSetting
  readonly #files: OpenFiles
  readonly #unsynced = new Set<DiskFile>()
  /** Folders in which names have changed since they were synced, with durability `'interval'`. */
  readonly #unsyncedFolders = new Set<string>()
  #lock: DirectoryLock | undefined
  #syncTimer: Timer | undefined
  #ready = false

  constructor(directory: string, options: FileStorageOptions = {}) {
    expectString('directory', directory)
    expectKnownKeys('fileStorage', options, Object.keys(defaults))
    this.#options = { ...defaults, ...options }
    expectOneOf('durability', this.#options.durability, ['os', 'interval', 'always'])
    expectInteger('syncIntervalMs', this.#options.syncIntervalMs, 1)
    expectInteger('maxOpenFiles', this.#options.maxOpenFiles, 8)
    expectInteger('tailCacheBytes', this.#options.tailCacheBytes, 0)
    expectInteger('fileMode', this.#options.fileMode, 0, 0o777)
    expectInteger('folderMode', this.#options.folderMode, 0, 0o777)
    this.directory = resolve(directory)
    this.#files = new OpenFiles(this.directory)
    this.syncsAppends = this.#options.durability === 'always'
    this.readOnly = this.#options.readOnly
    this.#handles = new HandlePool(this.#options)
    const tails = new TailCache(this.#options.tailCacheBytes)
    this.#setting = {
      handles: this.#handles,
      readBuffers: new ChunkPool(maxIdleReadBytes, largestReadBuffer),
      newTail: () => tails.tail(),
      syncEachAppend: this.syncsAppends,
      onDirty: file => this.#noteDirty(file),
      onClosed: file => {
        this.#files.delete(file)
        this.#unsynced.delete(file)
      }
    }
  }

  open(name: string): StorageFile {
    const path = this.#path(name)
    try {
      const file = this.#openFile(path)
      this.#files.add(file)
      return file
    } catch (error) {
      throw storageError('Opening', path, error)
    }
  }

  #openFile(path: string): DiskFile {
    try {
      return new DiskFile(path, this.#setting)
    } catch (error) {
      // The first file of a folder, which is rare: it costs less to be told so than to look each time.
      if (this.readOnly || !isMissing(error)) throw error
      mkdirSync(dirname(path), { recursive: true, mode: this.#options.folderMode })
      this.#noteName(dirname(path))
      return new DiskFile(path, this.#setting)
    } finally {
      this.#noteName(path)
    }
  }

  list(folder: string): string[] {
    const path = this.#path(folder)
    try {
      return readdirSync(path).filter(name => folder !== '' || !name.startsWith('.lock'))
    } catch (error) {
      if (isMissing(error)) return []
      throw storageError('Listing', path, error)
    }
  }

  /** In the thread pool, since a large file takes the file system its time. */
  async remove(name: string): Promise<void> {
    const path = this.#pathToWrite(name)
    try {
      // Who has it open may go on reading, so its descriptor must not be closed and opened again.
      for (const file of this.#files.at(path)) this.#handles.keep(file)
      await rm(path, { recursive: true, force: true })
      this.#removeEmptyFolder(dirname(path))
      this.#noteName(path)
    } catch (error) {
      throw storageError('Removing', path, error)
    }
  }

  /** A folder goes with the last file in it. */
  #removeEmptyFolder(path: string): void {
    if (path === this.directory) return
    try {
      rmdirSync(path)
    } catch (error) {
      if (!isMissing(error) && (error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error
    }
  }

  rename(from: string, to: string): void {
    const path = this.#pathToWrite(from)
    const target = this.#path(to)
    try {
      mkdirSync(dirname(target), { recursive: true, mode: this.#options.folderMode })
      for (const file of this.#files.at(target)) this.#handles.keep(file)
      renameSync(path, target)
      this.#noteName(path)
      this.#noteName(target)
      this.#files.move(path, target)
      this.#removeEmptyFolder(dirname(path))
    } catch (error) {
      throw storageError('Renaming', path, error)
    }
  }

  async syncFolder(folder: string): Promise<void> {
    const path = this.#path(folder)
    try {
      const handle = await open(path, 'r')
      try {
        await handle.sync()
      } finally {
        await handle.close()
      }
    } catch (error) {
      if (!isMissing(error)) throw storageError('Syncing', path, error)
    }
  }

  /** Rejects with REQUEST_TIMED_OUT when the disk takes longer than `timeoutMs`. */
  async close(options: CloseOptions = {}): Promise<void> {
    const timeoutMs = closeTimeoutMs(options)
    await endOf(this.#close(), systemClock, timeoutMs, `The storage in \`${this.directory}\``)
  }

  async #close(): Promise<void> {
    this.#syncTimer?.cancel()
    for (const file of [...this.#files]) await file.close()
    this.#handles.closeAll()
    this.#lock?.release()
    this.#lock = undefined
    this.#ready = false
  }

  #pathToWrite(name: string): string {
    if (this.#options.readOnly) throw new KafkaError('STORAGE_FAILED', `\`${this.directory}\` was opened read-only`)
    return this.#path(name)
  }

  #path(name: string): string {
    if (!this.#ready) this.#prepare()
    return join(this.directory, name)
  }

  /** Makes the directory and takes its lock, on first use. */
  #prepare(): void {
    const { readOnly, folderMode } = this.#options
    try {
      const isThere = statSync(this.directory, { throwIfNoEntry: readOnly })
      if (!isThere) mkdirSync(this.directory, { recursive: true, mode: folderMode })
      else if (!isThere.isDirectory()) throw new Error('it is not a directory')
    } catch (error) {
      throw storageError('Opening the directory', this.directory, error)
    }
    if (!readOnly) {
      try {
        this.#lock = DirectoryLock.acquire(realpathSync(this.directory))
      } catch (error) {
        throw error instanceof KafkaError ? error : storageError('Locking', this.directory, error)
      }
    }
    this.#ready = true
  }

  #noteDirty(file: DiskFile): void {
    if (this.#options.durability !== 'interval') return
    this.#unsynced.add(file)
    this.#syncSoon()
  }

  /** A name came or went. */
  #noteName(path: string): void {
    if (this.#options.durability !== 'interval' || this.readOnly) return
    this.#unsyncedFolders.add(relative(this.directory, dirname(path)))
    this.#syncSoon()
  }

  #syncSoon(): void {
    this.#syncTimer ??= systemClock.setTimer(this.#options.syncIntervalMs, () => this.#syncAll())
  }

  /** A file whose sync fails, or that of its name, is written no more: whoever appends next is told why, and `onError` at once. */
  #syncAll(): void {
    this.#syncTimer = undefined
    const files = [...this.#unsynced]
    const folders = [...this.#unsyncedFolders]
    this.#unsynced.clear()
    this.#unsyncedFolders.clear()
    for (const file of files) {
      // One that is being closed was synced by its owner, or need not be.
      if (!file.isClosed) file.sync().catch(error => this.#tell(error, relative(this.directory, file.path)))
    }
    for (const folder of folders) {
      this.syncFolder(folder).catch(error => {
        for (const file of this.#files.at(join(this.directory, folder))) file.fail(error)
        this.#tell(error, folder)
      })
    }
  }

  #tell(error: unknown, name: string): void {
    if (this.onError) harmless('onError', this.onError)(error, name)
  }
}

/** Readers ask for a megabyte, and a little more because the first batch may begin before what they want. */
const largestReadBuffer = 2 * 1024 * 1024
const maxIdleReadBytes = 16 * 1024 * 1024
