import {
  expectBoolean,
  expectBytes,
  expectInteger,
  expectKnownKeys,
  expectOneOf,
  expectOptions,
  expectString,
  givenOptions,
  shown
} from '../common/options.js'
import { expectRandom, type Random, randomInteger } from '../common/random.js'
import type { Storage } from '../storage/storage.js'
import { DiskContent } from './disk-content.js'
import { DiskFailure, type DiskOperation } from './disk-failure.js'
import { DiskFolder } from './disk-folder.js'
import { MountedDisk, type MountedFile, type MountOptions } from './mounted-disk.js'

/** One failure to come. */
export interface DiskFault {
  /** Default: any operation that asks something of the disk. */
  readonly operation?: DiskOperation
  /** The files or folders that it concerns. Default: any. */
  readonly name?: RegExp
  /** The error code of the operating system. Default: `'EIO'`. */
  readonly code?: 'EIO' | 'ENOSPC'
  /** The number of such operations that succeed before. Default: 0. */
  readonly after?: number
}

export interface SimulatedDiskOptions {
  /** Decides what a crash leaves, and how long operations take. */
  readonly random: Random
  /**
   * The number of bytes that fit; appends beyond it fail with ENOSPC. Default: no limit. Can be
   * changed at any time.
   */
  readonly capacityBytes?: number
}

const size = (name: string, value: unknown) => expectInteger(name, value, 0)
const mountChecks = { syncEachAppend: expectBoolean, maxSyncWriteBytes: size, extendAheadBytes: size }
const operations: readonly DiskOperation[] = ['open', 'append', 'read', 'truncate', 'sync', 'list', 'remove', 'rename', 'syncFolder']
const faultChecks = {
  operation: (name: string, value: unknown) => expectOneOf(name, value as DiskOperation, operations),
  name: expectPattern,
  code: (name: string, value: unknown) => expectOneOf(name, value, ['EIO', 'ENOSPC']),
  after: size
}

/**
 * A disk that remembers what was synced. `mount` gives a `Storage` on it; `crash` ends that storage
 * at once and leaves on the disk what a real one might: all that was synced, and of the rest
 * whichever sectors and names happened to get there. Then it can be mounted again.
 *
 * ```ts
 * const disk = new SimulatedDisk({ random: seededRandom(seed) })
 * const log = await Log.open(disk.mount({ syncEachAppend: true }), 'orders-0')
 * await log.append(batch)
 * disk.crash('power')
 * const again = await Log.open(disk.mount(), 'orders-0')      // the batch is there
 * ```
 *
 * It promises no more than POSIX does: a new, renamed or removed name survives a power cut once its
 * folder was synced, that of a new folder once the folder above it was; a failed append may have
 * written a part; what a failed sync was to write never reaches the disk until it is mounted again
 * (a real system may not even write it then; only writing the file anew would help). Sectors of 512
 * bytes are written whole. It asks for no time but turns of promises, so a `VirtualClock` and a
 * seed replay a run.
 */
export class SimulatedDisk {
  capacityBytes: number
  /** Operations since the disk was made: a crash can be planned for one of them. */
  operationCount = 0
  readonly random: Random
  readonly #faults: { fault: DiskFault; left: number }[] = []
  #root = new DiskFolder()
  #mount = 0
  readonly #openFiles = new Set<MountedFile>()
  #stopAt = Number.POSITIVE_INFINITY
  #faultsMet = 0

  constructor(options: SimulatedDiskOptions) {
    expectKnownKeys('a simulated disk', options, ['random', 'capacityBytes'])
    expectRandom(options.random)
    const { capacityBytes } = options
    if (capacityBytes !== undefined && capacityBytes !== Number.POSITIVE_INFINITY) expectInteger('capacityBytes', capacityBytes, 0)
    this.random = options.random
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY
  }

  /** A storage on this disk. One at a time: the one before stops working. */
  mount(options: MountOptions = {}): Storage {
    expectOptions('mount', options, mountChecks)
    this.#openFiles.clear()
    this.#mount++
    this.#stopAt = Number.POSITIVE_INFINITY
    this.#root.loseProcess()
    return new MountedDisk(this, this.#mount, {
      syncEachAppend: false,
      maxSyncWriteBytes: 1024,
      extendAheadBytes: 4096,
      ...givenOptions(options)
    })
  }

  /** Makes the next operation that fits fail. Faults are used up one by one. */
  fail(fault: DiskFault): void {
    expectOptions('a fault', fault, faultChecks)
    this.#faults.push({ fault, left: fault.after ?? 0 })
  }

  /** Forgets the faults that have not struck yet. */
  mend(): void {
    this.#faults.length = 0
  }

  /** The number of faults that have struck. */
  get faultsMet(): number {
    return this.#faultsMet
  }

  /**
   * Lets the disk stop by itself after so many more operations: from then on every call fails,
   * until `crash` and `mount`.
   */
  stopAfter(operations: number): void {
    expectInteger('operations', operations, 0)
    this.#stopAt = this.operationCount + operations
  }

  /** True if the disk has stopped. */
  get hasStopped(): boolean {
    return this.operationCount >= this.#stopAt
  }

  /**
   * Ends the mounted storage. After `'process'` the disk holds all that was written, and of appends
   * that had not settled perhaps a part; after `'power'` what was not synced is there or not,
   * sector by sector, and of the names changed since their folder was synced the first few.
   */
  crash(kind: 'process' | 'power'): void {
    expectOneOf('kind', kind, ['process', 'power'])
    for (const file of this.#openFiles) file.abandon(this.random)
    this.#openFiles.clear()
    this.#mount++
    this.#stopAt = Number.POSITIVE_INFINITY
    if (kind === 'power') this.#root.losePower(this.random)
    else this.#root.loseProcess()
  }

  /**
   * Flips one bit of a file, chosen by chance, as a failing disk may; returns where, or undefined
   * when no file fits.
   */
  flipBit(name: RegExp): { readonly name: string; readonly position: number; readonly bit: number } | undefined {
    expectPattern('name', name)
    const candidates = [...this.#root.files()].filter(([path, content]) => name.test(path) && content.length > 0)
    if (candidates.length === 0) return undefined
    const [path, content] = candidates[randomInteger(this.random, candidates.length)]
    const position = randomInteger(this.random, content.length)
    const bit = randomInteger(this.random, 8)
    content.flipBit(position, bit)
    return { name: path, position, bit }
  }

  /** Puts a file on the disk, as if it had always been there. */
  put(name: string, bytes: Uint8Array): void {
    expectString('name', name)
    expectBytes('bytes', bytes)
    const content = this.create(name)
    content.truncate(0)
    content.append(bytes)
    content.settle()
    for (const folder of this.#foldersTo(name)) folder.sync()
  }

  /** The names and sizes of all files, for the message of a failing test. */
  files(): Record<string, number> {
    return Object.fromEntries([...this.#root.files()].map(([name, content]) => [name, content.length]))
  }

  /** A copy of what is in a file. */
  content(name: string): Uint8Array | undefined {
    expectString('name', name)
    const entry = this.#entry(name)
    return entry instanceof DiskContent ? entry.read(0, entry.length) : undefined
  }

  /**
   * @internal Notes an operation of a mounted storage; throws when the disk has stopped, or a fault
   * strikes.
   */
  begin(mount: number, operation: DiskOperation, name: string): void {
    if (mount !== this.#mount || this.hasStopped) throw new DiskFailure('The disk has stopped', 'EIO', false)
    this.operationCount++
    // The operation at which the disk stops may get half its way.
    if (this.hasStopped) throw new DiskFailure('The disk has stopped', 'EIO', true)
    const planned = this.#faults.find(({ fault }) => (fault.operation ?? operation) === operation && (fault.name?.test(name) ?? true))
    if (!planned || planned.left-- > 0) return
    this.#faults.splice(this.#faults.indexOf(planned), 1)
    this.#faultsMet++
    const code = planned.fault.code ?? 'EIO'
    throw new DiskFailure(`${operation} \`${name}\` failed: ${code}`, code, true)
  }

  /** @internal How many more bytes fit. */
  get freeBytes(): number {
    if (this.capacityBytes === Number.POSITIVE_INFINITY) return this.capacityBytes
    let used = 0
    for (const [, content] of this.#root.files()) used += content.length
    return this.capacityBytes - used
  }

  /** @internal */
  opened(file: MountedFile): void {
    this.#openFiles.add(file)
  }

  /** @internal */
  closed(file: MountedFile): void {
    this.#openFiles.delete(file)
  }

  /** @internal The content of a file, which comes into being with the folders above it. */
  create(name: string): DiskContent {
    const parts = name.split('/')
    let folder = this.#root
    for (const part of parts.slice(0, -1)) {
      const next = folder.folder(part) ?? new DiskFolder()
      if (folder.entry(part) !== next) folder.set(part, next)
      folder = next
    }
    const last = parts.at(-1) as string
    const found = folder.entry(last)
    if (found instanceof DiskContent) return found
    if (found) throw new DiskFailure(`open \`${name}\` failed: it is a folder`, 'EISDIR', false)
    const content = new DiskContent()
    folder.set(last, content)
    return content
  }

  /** @internal */
  list(name: string): string[] {
    return name === '' ? this.#root.names : (this.#folder(name)?.names ?? [])
  }

  /** @internal File by file, as a folder is removed. */
  remove(name: string): void {
    const folder = this.#folder(name)
    if (folder) for (const child of folder.names) this.#removeEntry(`${name}/${child}`)
    this.#removeEntry(name)
    this.#removeEmptyFolder(parentOf(name))
  }

  #removeEntry(name: string): void {
    const folder = this.#folder(name)
    if (folder) for (const child of folder.names) this.#removeEntry(`${name}/${child}`)
    if (this.#entry(name)) this.#folder(parentOf(name))?.delete(nameOf(name))
  }

  /** @internal */
  rename(from: string, to: string): void {
    const entry = this.#entry(from)
    if (!entry) throw new DiskFailure(`rename \`${from}\` failed: ENOENT`, 'ENOENT', false)
    const source = this.#folder(parentOf(from)) as DiskFolder
    if (parentOf(from) === parentOf(to)) return source.rename(nameOf(from), nameOf(to))
    // Between folders a journal does both or neither, at a time of its own.
    this.create(to)
    const target = this.#folder(parentOf(to)) as DiskFolder
    target.set(nameOf(to), entry)
    source.delete(nameOf(from))
    target.sync()
    source.sync()
    this.#removeEmptyFolder(parentOf(from))
  }

  /** @internal */
  syncFolder(name: string): void {
    this.#folder(name)?.sync()
  }

  #removeEmptyFolder(name: string): void {
    if (name === '' || !this.#folder(name)?.isEmpty) return
    this.#folder(parentOf(name))?.delete(nameOf(name))
    this.#removeEmptyFolder(parentOf(name))
  }

  #entry(name: string): DiskContent | DiskFolder | undefined {
    return name === '' ? this.#root : this.#folder(parentOf(name))?.entry(nameOf(name))
  }

  #folder(name: string): DiskFolder | undefined {
    if (name === '') return this.#root
    return this.#folder(parentOf(name))?.folder(nameOf(name))
  }

  #foldersTo(name: string): DiskFolder[] {
    const folders: DiskFolder[] = []
    for (let path = parentOf(name); ; path = parentOf(path)) {
      folders.push(this.#folder(path) as DiskFolder)
      if (path === '') return folders
    }
  }
}

function expectPattern(name: string, value: unknown): void {
  if (!(value instanceof RegExp)) throw new TypeError(`Expected \`${name}\` to be a regular expression, got ${shown(value)}`)
}

function parentOf(name: string): string {
  return name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : ''
}

function nameOf(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1)
}
