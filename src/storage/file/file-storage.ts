import { mkdirSync, readdirSync, renameSync, rmdirSync, statSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import type { Timer } from '../../common/clock.js'
import { type CloseOptions, closeTimeoutMs, endOf } from '../../common/closing.js'
import { harmless } from '../../common/foreign.js'
import { expectInteger, expectKnownKeys, expectOneOf, expectString, givenOptions } from '../../common/options.js'
import { systemClock } from '../../common/system-clock.js'
import { KafkaError } from '../../errors.js'
import { ChunkPool } from '../memory/chunk-pool.js'
import type { Storage, StorageFile } from '../storage.js'
import { DiskFile, type DiskFileSetting } from './disk-file.js'
import { HandlePool } from './handle-pool.js'
import { lockName } from './lock/acquisition.js'
import { DirectoryLock, type DirectoryLockOptions } from './lock/directory-lock.js'
import { OpenFiles } from './open-files.js'
import { isMissing, storageError } from './storage-error.js'
import { TailCache } from './tail-cache.js'

export interface FileStorageOptions {
  /**
   * The failure that an acknowledged record survives. Default: `'os'`.
   * - `'os'`: the end of this process, however it comes, but not a power cut: the operating system
   *   writes to the disk when it sees fit.
   * - `'interval'`: that, and a power cut but for the last `syncIntervalMs`.
   * - `'always'`: that, and a power cut: a record is acknowledged after `fdatasync`. Producers that
   *   wait at the same time share one.
   */
  readonly durability?: 'os' | 'interval' | 'always'
  /**
   * The longest time that bytes stay unsynced with durability `'interval'`, in ms. Default: 1000.
   */
  readonly syncIntervalMs?: number
  /**
   * The most files that are kept open at once; there may be any number of segments. Default: 512.
   */
  readonly maxOpenFiles?: number
  /**
   * The memory for the ends of files being written, from which readers near the end are served, in
   * bytes. Default: 32 MiB.
   */
  readonly tailCacheBytes?: number
  /** Permissions of new files. Default: `0o600`. */
  readonly fileMode?: number
  /** Permissions of new folders. Default: `0o700`. */
  readonly folderMode?: number
  /**
   * Looks without touching: takes no lock, so that it may look at what another process has open;
   * writes are refused. Default: `false`.
   */
  readonly readOnly?: boolean
  /**
   * The interval at which the owner of the directory writes a heartbeat to the file `.lock`, in ms.
   * Default: 1000.
   */
  readonly lockHeartbeatIntervalMs?: number
  /**
   * The time that an owner without a sign of life keeps the directory, in ms; at least twice the
   * heartbeat's interval. It counts only where nothing else tells whether the owner lives: in
   * another container or on another host, without a lock in the kernel. The next owner honours what
   * this one has set. Default: 10,000.
   */
  readonly lockSessionTimeoutMs?: number
  /**
   * True to hold a lock in the kernel as well, by the package `fs-native-extensions` where it is
   * installed. Set it to false where the locks of the file system do not work. Default: `true`.
   */
  readonly kernelLock?: boolean
}

const defaults: Required<FileStorageOptions> = Object.freeze({
  durability: 'os',
  syncIntervalMs: 1000,
  maxOpenFiles: 512,
  tailCacheBytes: 32 * 1024 * 1024,
  fileMode: 0o600,
  folderMode: 0o700,
  readOnly: false,
  lockHeartbeatIntervalMs: 1000,
  lockSessionTimeoutMs: 10_000,
  kernelLock: true
})

/**
 * Keeps a cluster in a directory, in Kafka's own files. The directory is made when it is not there.
 * While it is in use, and after a crash, files that grow end in zeros, as with Kafka's
 * `log.preallocate`: at most 256 KiB, and never more than what is before them.
 *
 * A directory has one owner at a time among all workers, processes, containers and hosts. The file
 * `.lock` names the owner, and so does the error STORAGE_FAILED for a second one. Storages with
 * `readOnly` need no lock, and neither wait for one nor disturb one.
 *
 * - With the package `fs-native-extensions` installed, the kernel keeps the lock and drops it when
 *   the owner's process or worker ends. The next owner opens at once. An owner that stands still
 *   keeps its directory. Install it for all programs that open the directory.
 * - Without the package, an owner on the same host is looked for by its process and thread, and the
 *   next owner opens at once when they are gone. An owner in another container, or on another host,
 *   is taken for dead after `lockSessionTimeoutMs` without a sign of life; opening waits for that.
 *
 * An owner loses its lock when it stood still for longer than that and another took over, or when
 * somebody removes or replaces the file. It then writes and acknowledges nothing more: every call
 * fails with STORAGE_FAILED, and the event `fenced` of the cluster says who has the directory now.
 *
 * - What an owner acknowledged was in the files before it lost the lock, so the next owner has it.
 *   A machine that is suspended as a whole, with its clocks, may acknowledge the writes of its last
 *   millisecond late.
 * - The owner looks at its lock before each write, at most one millisecond earlier. If it stands
 *   still exactly between the two until another took over, that one write lands in the files of the
 *   next owner, unacknowledged. With the kernel's lock this takes somebody who removes `.lock`.
 *
 * ```ts
 * await using cluster = await Cluster.open({ storage: fileStorage('./data', { durability: 'always' }) })
 * ```
 */
export function fileStorage(directory: string, options?: FileStorageOptions): FileStorage {
  return new FileStorage(directory, options)
}

/**
 * The storage behind `fileStorage()`.
 *
 * Size: it has the options, the lock, the files and the syncs of one directory, which end together.
 */
export class FileStorage implements Storage {
  readonly durable = true
  readonly syncsAppends: boolean
  onError: ((error: unknown, name: string) => void) | undefined
  onLost: ((error: KafkaError) => void) | undefined
  /** The directory's absolute path. */
  readonly directory: string
  readonly #options: Required<FileStorageOptions>
  readonly #handles: HandlePool
  readonly #setting: DiskFileSetting
  readonly #tails: TailCache
  readonly #readBuffers = new ChunkPool(maxIdleReadBytes, largestReadBuffer)
  readonly #files: OpenFiles
  readonly #unsynced = new Set<DiskFile>()
  /** Folders in which names have changed since they were synced, with durability `'interval'`. */
  readonly #unsyncedFolders = new Set<string>()
  #lock: DirectoryLock | undefined
  #syncTimer: Timer | undefined
  #ready = false
  #preparing: Promise<void> | undefined
  #closing = new AbortController()
  /** The reason why nothing can be written any more: another has the directory. */
  #lost: KafkaError | undefined

  constructor(directory: string, options: FileStorageOptions = {}) {
    expectString('directory', directory)
    expectKnownKeys('fileStorage', options, Object.keys(defaults))
    this.#options = { ...defaults, ...givenOptions(options) }
    expectOneOf('durability', this.#options.durability, ['os', 'interval', 'always'])
    expectInteger('syncIntervalMs', this.#options.syncIntervalMs, 1)
    expectInteger('maxOpenFiles', this.#options.maxOpenFiles, 8)
    expectInteger('tailCacheBytes', this.#options.tailCacheBytes, 0)
    expectInteger('fileMode', this.#options.fileMode, 0, 0o777)
    expectInteger('folderMode', this.#options.folderMode, 0, 0o777)
    expectInteger('lockHeartbeatIntervalMs', this.#options.lockHeartbeatIntervalMs, 10, longestSessionMs)
    expectInteger('lockSessionTimeoutMs', this.#options.lockSessionTimeoutMs, 2 * this.#options.lockHeartbeatIntervalMs, longestSessionMs)
    expectOneOf('readOnly', this.#options.readOnly, [true, false])
    expectOneOf('kernelLock', this.#options.kernelLock, [true, false])
    this.directory = resolve(directory)
    this.#files = new OpenFiles(this.directory)
    this.syncsAppends = this.#options.durability === 'always'
    this.#handles = new HandlePool(this.#options)
    this.#tails = new TailCache(this.#options.tailCacheBytes)
    this.#setting = {
      handles: this.#handles,
      readBuffers: this.#readBuffers,
      newTail: () => this.#tails.tail(),
      syncEachAppend: this.syncsAppends,
      expectOwned: () => this.#expectOwned(),
      onDirty: file => this.#noteDirty(file),
      onClosed: file => {
        this.#files.delete(file)
        this.#unsynced.delete(file)
      }
    }
  }

  /** True if it was opened read-only, or has lost its directory to another owner. */
  get readOnly(): boolean {
    return this.#options.readOnly || this.#lost !== undefined
  }

  /**
   * The kind of lock on the directory: a lock in the kernel, or by a heartbeat alone; undefined
   * while it is not held.
   */
  get lockKind(): 'kernel' | 'heartbeat' | undefined {
    return this.#lock?.kind
  }

  /**
   * Acquires the directory. Where only its silence tells that the last owner is dead, this waits
   * until it has lasted for as long as that owner asked for; without this call the first use of the
   * storage throws then. Idempotent.
   */
  async prepare(): Promise<void> {
    while (!this.#ready) {
      this.#preparing ??= this.#acquire().finally(() => {
        this.#preparing = undefined
      })
      await this.#preparing
    }
  }

  open(name: string): StorageFile {
    expectString('name', name)
    const path = this.#path(name)
    if (!this.#options.readOnly) this.#expectOwned()
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
      // The first file of a folder, which is rare: it costs less to be told so than to look each
      // time.
      if (this.readOnly || !isMissing(error)) throw error
      mkdirSync(dirname(path), { recursive: true, mode: this.#options.folderMode })
      this.#noteName(dirname(path))
      return new DiskFile(path, this.#setting)
    } finally {
      this.#noteName(path)
    }
  }

  list(folder: string): string[] {
    if (folder !== '') expectString('folder', folder)
    const path = this.#path(folder)
    try {
      return readdirSync(path).filter(name => folder !== '' || !name.startsWith(lockName))
    } catch (error) {
      if (isMissing(error)) return []
      throw storageError('Listing', path, error)
    }
  }

  /** In the thread pool, since a large file takes the file system its time. */
  async remove(name: string): Promise<void> {
    expectString('name', name)
    const path = this.#pathToWrite(name)
    try {
      // A reader that has it open may go on reading, so its descriptor must not be closed and
      // opened again.
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
    expectString('from', from)
    expectString('to', to)
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
    if (folder !== '') expectString('folder', folder)
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
    this.#closing.abort(new KafkaError('CLOSED', `The storage of \`${this.directory}\` is closed`))
    await this.#preparing?.catch(() => {})
    this.#closing = new AbortController()
    this.#syncTimer?.cancel()
    for (const file of [...this.#files]) await file.close()
    this.#handles.closeAll()
    this.#tails.releaseMemory()
    this.#readBuffers.clear()
    const lock = this.#lock
    this.#lock = undefined
    this.#ready = false
    try {
      lock?.release()
    } catch (error) {
      this.onError?.(storageError('Releasing', join(this.directory, lockName), error), lockName)
    }
  }

  #pathToWrite(name: string): string {
    if (this.#options.readOnly) throw new KafkaError('STORAGE_FAILED', `\`${this.directory}\` was opened read-only`)
    const path = this.#path(name)
    this.#expectOwned()
    return path
  }

  #path(name: string): string {
    if (!this.#ready) this.#prepare()
    return join(this.directory, name)
  }

  /** Takes the directory on first use, unless that has happened in `prepare`. */
  #prepare(): void {
    this.#makeDirectory()
    if (this.#options.readOnly) {
      this.#ready = true
      return
    }
    try {
      this.#hold(DirectoryLock.tryAcquire(this.directory, this.#lockOptions()))
    } catch (error) {
      throw this.#lockingError(error)
    }
  }

  async #acquire(): Promise<void> {
    if (this.#ready) return
    this.#makeDirectory()
    if (this.#options.readOnly) {
      this.#ready = true
      return
    }
    try {
      this.#hold(await DirectoryLock.acquire(this.directory, this.#lockOptions(), this.#closing.signal))
    } catch (error) {
      // A call that could not wait may have taken the directory meanwhile.
      if (this.#ready) return
      throw this.#lockingError(error)
    }
  }

  #makeDirectory(): void {
    const { readOnly, folderMode } = this.#options
    try {
      const isThere = statSync(this.directory, { throwIfNoEntry: readOnly })
      if (!isThere) mkdirSync(this.directory, { recursive: true, mode: folderMode })
      else if (!isThere.isDirectory()) throw new Error('it is not a directory')
    } catch (error) {
      throw storageError('Opening the directory', this.directory, error)
    }
  }

  #hold(lock: DirectoryLock): void {
    this.#lock = lock
    this.#lost = undefined
    this.#ready = true
  }

  #lockOptions(): DirectoryLockOptions {
    const { fileMode, lockHeartbeatIntervalMs, lockSessionTimeoutMs, kernelLock } = this.#options
    return {
      fileMode,
      heartbeatIntervalMs: lockHeartbeatIntervalMs,
      sessionTimeoutMs: lockSessionTimeoutMs,
      kernelLock,
      onLost: error => this.#lose(error),
      onError: error => this.onError?.(error, lockName)
    }
  }

  #lockingError(error: unknown): KafkaError {
    if (error instanceof KafkaError) return error
    const failure = storageError('Locking', this.directory, error)
    const code = (error as NodeJS.ErrnoException | undefined)?.code
    if (code !== 'EROFS' && code !== 'EACCES' && code !== 'EPERM') return failure
    return new KafkaError('STORAGE_FAILED', `${failure.message}; to look at it, open it with \`readOnly: true\``, { cause: error })
  }

  /** Throws when another has the directory. */
  #expectOwned(): void {
    if (this.#lost) throw this.#lost
    this.#lock?.expectHeld()
  }

  #lose(error: KafkaError): void {
    this.#lost = error
    for (const file of this.#files) file.fail(error)
    this.onLost?.(error)
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

  /**
   * A file whose sync fails, or that of its name, is written no more: whoever appends next is told
   * why, and `onError` at once.
   */
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

/**
 * Readers ask for a megabyte, and a little more because the first batch may begin before what they
 * want.
 */
const largestReadBuffer = 2 * 1024 * 1024
const maxIdleReadBytes = 16 * 1024 * 1024
const longestSessionMs = 24 * 60 * 60 * 1000
