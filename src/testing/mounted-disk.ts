import { concatBytes } from '../common/bytes.js'
import { type Random, randomInteger } from '../common/random.js'
import type { Storage, StorageFile } from '../storage/storage.js'
import type { DiskContent } from './disk-content.js'
import { DiskFailure, type DiskOperation } from './disk-failure.js'

export interface MountOptions {
  /**
   * True if an append settles only when it is synced, as with durability `'always'`. Default:
   * `false`.
   */
  readonly syncEachAppend?: boolean
  /**
   * Appends up to this many bytes are with the operating system when the call returns, unless
   * others wait; longer ones take their time. Default: 1024.
   */
  readonly maxSyncWriteBytes?: number
  /**
   * By up to so many zeros a file may be longer than what was written to it, when a process ends
   * before it closes it. Default: 4096.
   */
  readonly extendAheadBytes?: number
}

/** The disk behind a storage. */
export interface Disk {
  readonly random: Random
  readonly freeBytes: number
  /** Throws when the disk refuses the operation. */
  begin(mount: number, operation: DiskOperation, name: string): void
  create(name: string): DiskContent
  opened(file: MountedFile): void
  closed(file: MountedFile): void
  list(folder: string): string[]
  remove(name: string): void
  rename(from: string, to: string): void
  syncFolder(folder: string): void
}

/**
 * The storage that `SimulatedDisk.mount` gives: every call takes some turns, and fails when the
 * disk says so.
 */
export class MountedDisk implements Storage {
  readonly durable = true
  readonly disk: Disk
  readonly mount: number
  readonly options: Required<MountOptions>

  constructor(disk: Disk, mount: number, options: Required<MountOptions>) {
    this.disk = disk
    this.mount = mount
    this.options = options
  }

  get syncsAppends(): boolean {
    return this.options.syncEachAppend
  }

  async open(name: string): Promise<StorageFile> {
    await this.turns()
    this.disk.begin(this.mount, 'open', name)
    const file = new MountedFile(this, name, this.disk.create(name))
    this.disk.opened(file)
    return file
  }

  async list(folder: string): Promise<string[]> {
    await this.turns()
    this.disk.begin(this.mount, 'list', folder)
    return this.disk.list(folder)
  }

  async remove(name: string): Promise<void> {
    await this.turns()
    this.disk.begin(this.mount, 'remove', name)
    this.disk.remove(name)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.turns()
    this.disk.begin(this.mount, 'rename', from)
    this.disk.rename(from, to)
  }

  async syncFolder(folder: string): Promise<void> {
    await this.turns()
    this.disk.begin(this.mount, 'syncFolder', folder)
    this.disk.syncFolder(folder)
  }

  close(): void {}

  /**
   * The delay of an answer: a random number of turns of promises, so that calls overtake one
   * another.
   */
  async turns(): Promise<void> {
    for (let i = randomInteger(this.disk.random, 4); i > 0; i--) await undefined
  }
}

/** An open file of a simulated disk. */
export class MountedFile implements StorageFile {
  readonly #storage: MountedDisk
  readonly #name: string
  readonly #content: DiskContent
  /** With what is on its way. */
  #length: number
  /** Appends on their way to the operating system, in order. */
  #waiting: Uint8Array[] = []
  #writing: Promise<void> | undefined
  #failure: unknown
  #isExtended = false
  #closed = false

  constructor(storage: MountedDisk, name: string, content: DiskContent) {
    this.#storage = storage
    this.#name = name
    this.#content = content
    this.#length = content.length
  }

  get length(): number {
    return this.#length
  }

  append(bytes: Uint8Array): undefined | Promise<void> {
    if (this.#failure) throw this.#failure
    this.#expectOpen()
    const { syncEachAppend, maxSyncWriteBytes } = this.#storage.options
    this.#length += bytes.length
    this.#isExtended = true
    let writing: Promise<void> | undefined
    if (this.#writing || bytes.length > maxSyncWriteBytes) {
      // As with a real disk, the bytes are read when they are written: whoever changes them before
      // changes what is written.
      this.#waiting.push(bytes)
      writing = this.#writeNext(this.#writing)
      this.#writing = writing
      const settled = () => {
        if (this.#writing === writing) this.#writing = undefined
      }
      writing.then(settled, settled)
    } else this.#write(bytes)
    if (!syncEachAppend) return writing
    return writing ? writing.then(() => this.sync()) : this.sync()
  }

  async #writeNext(before: Promise<void> | undefined): Promise<void> {
    try {
      await before
    } catch (error) {
      // After a failed write those behind it have nowhere to go.
      this.#waiting = []
      throw error
    }
    await this.#storage.turns()
    this.#write(this.#waiting.shift() as Uint8Array)
  }

  #write(bytes: Uint8Array): void {
    const { disk, mount } = this.#storage
    try {
      disk.begin(mount, 'append', this.#name)
      if (bytes.length > disk.freeBytes) throw new DiskFailure(`append \`${this.#name}\` failed: ENOSPC`, 'ENOSPC', true)
    } catch (error) {
      if (error instanceof DiskFailure && error.isPartial) {
        const room = Math.max(0, Math.min(bytes.length - 1, disk.freeBytes))
        this.#content.append(bytes.subarray(0, randomInteger(disk.random, room + 1)))
      }
      this.#length = this.#content.length
      this.#waiting = []
      throw error
    }
    this.#content.append(bytes)
  }

  async read(position: number, maxBytes: number): Promise<Uint8Array> {
    this.#expectOpen()
    if (position + maxBytes > this.#content.length) await this.#writing
    await this.#storage.turns()
    this.#storage.disk.begin(this.#storage.mount, 'read', this.#name)
    return this.#content.read(position, position + maxBytes)
  }

  async truncate(length: number): Promise<void> {
    this.#expectOpen()
    await this.#writing?.catch(() => {})
    await this.#storage.turns()
    this.#storage.disk.begin(this.#storage.mount, 'truncate', this.#name)
    this.#content.truncate(length)
    this.#length = this.#content.length
    this.#isExtended = false
  }

  async sync(): Promise<void> {
    if (this.#failure) throw this.#failure
    await this.#writing
    const snapshot = this.#content.beginSync()
    await this.#storage.turns()
    try {
      this.#storage.disk.begin(this.#storage.mount, 'sync', this.#name)
    } catch (error) {
      this.#failure = error
      if (error instanceof DiskFailure && error.isPartial) this.#content.failSync(snapshot)
      throw error
    }
    this.#content.endSync(snapshot)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#writing?.catch(() => {})
    this.#storage.disk.closed(this)
  }

  #expectOpen(): void {
    if (this.#closed) throw new DiskFailure(`\`${this.#name}\` is closed`, 'EBADF', false)
  }

  /**
   * The process is gone. Of the appends that were on their way some bytes may have got through, in
   * order; and the file may have been made longer ahead of its end, so that zeros follow.
   */
  abandon(random: Random): void {
    const onTheirWay = concatBytes(this.#waiting)
    if (onTheirWay.length > 0) this.#content.append(onTheirWay.subarray(0, randomInteger(random, onTheirWay.length + 1)))
    else if (this.#isExtended && random.next() < 0.5) {
      this.#content.extend(randomInteger(random, this.#storage.options.extendAheadBytes + 1))
    }
  }
}
