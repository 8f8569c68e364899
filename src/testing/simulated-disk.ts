import { concatBytes } from '../common/bytes.js'
import { type Random, randomInteger } from '../common/random.js'
import { KafkaError } from '../errors.js'
import type { Storage, StorageFile } from '../storage/storage.js'

/** What a disk can be asked to do, and to fail at. */
export type DiskOperation = 'open' | 'append' | 'read' | 'truncate' | 'sync' | 'list' | 'remove' | 'rename' | 'syncFolder'

/** One failure to come. */
export interface DiskFault {
  readonly operation: DiskOperation
  /** Which files or folders it concerns. Default: any. */
  readonly name?: RegExp
  /** What the operating system would say. Default: `'EIO'`. */
  readonly code?: 'EIO' | 'ENOSPC'
  /** How many such operations succeed before. Default: 0. */
  readonly after?: number
}

export interface SimulatedDiskOptions {
  /** Decides what a crash leaves. */
  readonly random: Random
  /** How many bytes fit; appends beyond it fail with ENOSPC. Default: no limit. Can be changed at any time. */
  readonly capacityBytes?: number
}

export interface MountOptions {
  /** Whether an append settles only when it is synced, as with durability `'always'`. Default: `false`. */
  readonly syncEachAppend?: boolean
}

/**
 * A disk that remembers what was synced. `mount` gives a `Storage` on it; `crash` ends that storage at once and leaves on the disk what a real one
 * might: all that was synced, and of the rest whichever sectors and names happened to get there. Then it can be mounted again.
 *
 * ```ts
 * const disk = new SimulatedDisk({ random: seededRandom(seed) })
 * const log = await Log.open(disk.mount({ syncEachAppend: true }), 'orders-0')
 * await log.append(batch)
 * disk.crash('power')
 * const again = await Log.open(disk.mount(), 'orders-0')      // the batch is there
 * ```
 */
export class SimulatedDisk {
  capacityBytes: number
  /** Operations since the disk was made: a crash can be planned for one of them. */
  operationCount = 0
  readonly #random: Random
  readonly #faults: { fault: DiskFault; left: number }[] = []
  #names = new Map<string, Inode>()
  #nameLog: NameChange[] = []
  #durableNames = new Map<string, Inode>()
  #mount = 0
  #crashAt = Number.POSITIVE_INFINITY

  constructor(options: SimulatedDiskOptions) {
    this.#random = options.random
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY
  }

  /** A storage on this disk. One at a time: the one before stops working. */
  mount(options: MountOptions = {}): Storage {
    this.#mount++
    this.#crashAt = Number.POSITIVE_INFINITY
    return new MountedDisk(this, this.#mount, options.syncEachAppend ?? false)
  }

  /** Makes the next operation that fits fail. Faults are used up one by one. */
  fail(fault: DiskFault): void {
    this.#faults.push({ fault, left: fault.after ?? 0 })
  }

  /** Lets the disk stop by itself after so many more operations: from then on every call rejects, until `crash` and `mount`. */
  stopAfter(operations: number): void {
    this.#crashAt = this.operationCount + operations
  }

  /** Whether the disk has stopped. */
  get hasStopped(): boolean {
    return this.operationCount >= this.#crashAt
  }

  /**
   * Ends the mounted storage. After `'process'` the disk holds all that was written, but for a part of the appends that had not settled; after
   * `'power'` what was not synced is there or not, sector by sector, and names changed since their folder was synced are as they were or as they are.
   */
  crash(kind: 'process' | 'power'): void {
    this.#mount++
    this.#crashAt = Number.POSITIVE_INFINITY
    const inodes = new Set([...this.#names.values(), ...this.#durableNames.values()])
    if (kind === 'power') {
      const survivors = this.#survivingNames()
      this.#names = survivors
      for (const inode of inodes) inode.losePower(this.#random)
    }
    this.#durableNames = new Map(this.#names)
    this.#nameLog = []
    for (const inode of inodes) inode.settle()
  }

  /** Flips one bit of a file, chosen by chance, as a failing disk may; returns where, or undefined when no file fits. */
  flipBit(name: RegExp): { readonly name: string; readonly position: number } | undefined {
    const candidates = [...this.#names].filter(([path, inode]) => name.test(path) && inode.length > 0)
    if (candidates.length === 0) return undefined
    const [path, inode] = candidates[randomInteger(this.#random, candidates.length)]
    const position = randomInteger(this.#random, inode.length)
    inode.bytes[position] ^= 1 << randomInteger(this.#random, 8)
    inode.settle()
    return { name: path, position }
  }

  /** The names and sizes of all files, for the message of a failing test. */
  files(): Record<string, number> {
    return Object.fromEntries([...this.#names].map(([name, inode]) => [name, inode.length]))
  }

  /** The content of a file. */
  content(name: string): Uint8Array | undefined {
    return this.#names.get(name)?.bytes.slice(0, this.#names.get(name)?.length)
  }

  begin(mount: number, operation: DiskOperation, name: string): void {
    if (mount !== this.#mount || this.hasStopped) throw new KafkaError('STORAGE_FAILED', 'The disk has stopped')
    this.operationCount++
    const planned = this.#faults.find(({ fault }) => fault.operation === operation && (fault.name?.test(name) ?? true))
    if (!planned) return
    if (planned.left-- > 0) return
    this.#faults.splice(this.#faults.indexOf(planned), 1)
    const code = planned.fault.code ?? 'EIO'
    throw new KafkaError('STORAGE_FAILED', `${operation} \`${name}\` failed: ${code}`, { cause: Object.assign(new Error(code), { code }) })
  }

  expectRoomFor(byteCount: number, name: string): void {
    let used = byteCount
    for (const inode of this.#names.values()) used += inode.length
    if (used <= this.capacityBytes) return
    throw new KafkaError('STORAGE_FAILED', `append \`${name}\` failed: ENOSPC`, {
      cause: Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
    })
  }

  inode(name: string, create: boolean): Inode | undefined {
    let inode = this.#names.get(name)
    if (!inode && create) {
      inode = new Inode()
      this.#change({ folder: folderOf(name), name, inode })
    }
    return inode
  }

  namesIn(folder: string): string[] {
    const prefix = folder === '' ? '' : `${folder}/`
    const found = new Set<string>()
    for (const name of this.#names.keys()) if (name.startsWith(prefix)) found.add(name.slice(prefix.length).split('/')[0])
    return [...found]
  }

  remove(name: string): void {
    for (const path of [...this.#names.keys()]) {
      if (path === name || path.startsWith(`${name}/`)) this.#change({ folder: folderOf(path), name: path, inode: undefined })
    }
  }

  rename(from: string, to: string): void {
    for (const [path, inode] of [...this.#names]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue
      const target = to + path.slice(from.length)
      this.#change({ folder: folderOf(target), name: target, inode, from: path })
    }
  }

  syncNames(folder: string): void {
    const synced = this.#nameLog.filter(change => change.folder === folder || change.folder.startsWith(`${folder}/`) || folder === '')
    for (const change of synced) apply(this.#durableNames, change)
    this.#nameLog = this.#nameLog.filter(change => !synced.includes(change))
  }

  #change(change: NameChange): void {
    apply(this.#names, change)
    this.#nameLog.push(change)
  }

  /** Of each folder's unsynced changes the first few have reached the disk: a journal keeps their order. */
  #survivingNames(): Map<string, Inode> {
    const names = new Map(this.#durableNames)
    const left = new Map<string, number>()
    for (const { folder } of this.#nameLog) left.set(folder, (left.get(folder) ?? 0) + 1)
    for (const [folder, count] of left) left.set(folder, randomInteger(this.#random, count + 1))
    for (const change of this.#nameLog) {
      const remaining = left.get(change.folder) as number
      if (remaining === 0) continue
      left.set(change.folder, remaining - 1)
      apply(names, change)
    }
    return names
  }
}

/** A name that came, went (no inode) or moved (`from`). */
interface NameChange {
  readonly folder: string
  readonly name: string
  readonly inode: Inode | undefined
  readonly from?: string
}

function apply(names: Map<string, Inode>, change: NameChange): void {
  if (change.from !== undefined) names.delete(change.from)
  if (change.inode) names.set(change.name, change.inode)
  else names.delete(change.name)
}

function folderOf(name: string): string {
  return name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : ''
}

const sectorBytes = 512

/** The content of a file: as the process sees it, and as it is known to be on the disk. */
class Inode {
  bytes: Uint8Array = new Uint8Array(0)
  length = 0
  #durable: Uint8Array = new Uint8Array(0)

  append(more: Uint8Array): void {
    if (this.length + more.length > this.bytes.length) {
      this.bytes = concatBytes([this.bytes.subarray(0, this.length), new Uint8Array(Math.max(more.length, this.length))])
    }
    this.bytes.set(more, this.length)
    this.length += more.length
  }

  truncate(length: number): void {
    this.bytes = this.bytes.slice(0, length)
    this.length = Math.min(this.length, length)
  }

  /** What a sync that begins now will have made durable when it ends. */
  snapshot(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }

  synced(snapshot: Uint8Array): void {
    this.#durable = snapshot
  }

  settle(): void {
    this.#durable = this.snapshot()
  }

  losePower(random: Random): void {
    const { length } = this
    const durable = this.#durable
    if (length === durable.length && random.next() < 0.5) return
    const shorter = Math.min(length, durable.length)
    const kept = shorter + randomInteger(random, Math.max(length, durable.length) - shorter + 1)
    const after = new Uint8Array(kept)
    for (let start = 0; start < kept; start += sectorBytes) {
      const end = Math.min(start + sectorBytes, kept)
      const source = random.next() < 0.7 ? this.bytes.subarray(0, length) : durable
      after.set(source.subarray(start, Math.max(start, Math.min(end, source.length))), start)
      // What was synced and not touched since is safe whatever happens to the rest of its sector.
      if (start < durable.length && length >= durable.length) after.set(durable.subarray(start, Math.min(end, durable.length)), start)
    }
    this.bytes = after
    this.length = kept
  }
}

class MountedDisk implements Storage {
  readonly durable = true
  readonly #disk: SimulatedDisk
  readonly #mount: number
  readonly #syncEachAppend: boolean

  constructor(disk: SimulatedDisk, mount: number, syncEachAppend: boolean) {
    this.#disk = disk
    this.#mount = mount
    this.#syncEachAppend = syncEachAppend
  }

  async open(name: string): Promise<StorageFile> {
    this.#disk.begin(this.#mount, 'open', name)
    const inode = this.#disk.inode(name, true) as Inode
    return new MountedFile(this.#disk, this.#mount, name, inode, this.#syncEachAppend)
  }

  async list(folder: string): Promise<string[]> {
    this.#disk.begin(this.#mount, 'list', folder)
    return this.#disk.namesIn(folder)
  }

  async remove(name: string): Promise<void> {
    this.#disk.begin(this.#mount, 'remove', name)
    this.#disk.remove(name)
  }

  async rename(from: string, to: string): Promise<void> {
    this.#disk.begin(this.#mount, 'rename', from)
    this.#disk.rename(from, to)
  }

  async syncFolder(folder: string): Promise<void> {
    this.#disk.begin(this.#mount, 'syncFolder', folder)
    this.#disk.syncNames(folder)
  }

  close(): void {}
}

class MountedFile implements StorageFile {
  readonly #disk: SimulatedDisk
  readonly #mount: number
  readonly #name: string
  readonly #inode: Inode
  readonly #syncEachAppend: boolean
  #failure: unknown

  constructor(disk: SimulatedDisk, mount: number, name: string, inode: Inode, syncEachAppend: boolean) {
    this.#disk = disk
    this.#mount = mount
    this.#name = name
    this.#inode = inode
    this.#syncEachAppend = syncEachAppend
  }

  get length(): number {
    return this.#inode.length
  }

  append(bytes: Uint8Array): undefined | Promise<void> {
    if (this.#failure) throw this.#failure
    this.#disk.begin(this.#mount, 'append', this.#name)
    this.#disk.expectRoomFor(bytes.length, this.#name)
    this.#inode.append(bytes)
    return this.#syncEachAppend ? this.sync() : undefined
  }

  async read(position: number, maxBytes: number): Promise<Uint8Array> {
    this.#disk.begin(this.#mount, 'read', this.#name)
    return this.#inode.bytes.slice(position, Math.min(position + maxBytes, this.#inode.length))
  }

  async truncate(length: number): Promise<void> {
    this.#disk.begin(this.#mount, 'truncate', this.#name)
    this.#inode.truncate(length)
  }

  async sync(): Promise<void> {
    if (this.#failure) throw this.#failure
    const snapshot = this.#inode.snapshot()
    await Promise.resolve()
    try {
      this.#disk.begin(this.#mount, 'sync', this.#name)
    } catch (error) {
      this.#failure = error
      throw error
    }
    this.#inode.synced(snapshot)
  }

  close(): void {}
}
