import { closeSync, fstatSync, linkSync, openSync, rmSync, statSync, writeSync } from 'node:fs'
import type { KernelLocks } from './kernel-locks.js'
import { encodeLockRecord, type LockPlace, type LockRecord } from './lock-record.js'

/** All of a record but what follows from the file that it is written to. */
export type Claimant = Omit<LockRecord, 'place' | 'isKernelLocked'>

export interface DraftSetting {
  /** Permissions of the file. */
  readonly mode: number
  readonly kernelLocks: KernelLocks | undefined
}

/**
 * A lock file that is whole, and locked in the kernel where that can be had, before others can see
 * it under the name for which they compete.
 */
export class LockDraft {
  readonly #path: string
  readonly #claimant: Claimant
  readonly #setting: DraftSetting
  #file: { readonly fd: number; readonly record: LockRecord }

  constructor(path: string, claimant: Claimant, setting: DraftSetting) {
    this.#path = path
    this.#claimant = claimant
    this.#setting = setting
    this.#file = this.#create(path)
  }

  get fd(): number {
    return this.#file.fd
  }

  get record(): LockRecord {
    return this.#file.record
  }

  get modifiedMs(): number {
    return fstatSync(this.fd).mtimeMs
  }

  /**
   * Gives the file this name; false when there is one of this name, or another has removed the
   * draft.
   */
  publish(path: string): boolean {
    try {
      linkSync(this.#path, path)
      rmSync(this.#path, { force: true })
      return true
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      // A network file system may have carried it out and lost the answer.
      if (code === 'EEXIST') return this.isAt(path)
      if (code === 'ENOENT') return false
      if (!noHardLinks.has(code as string)) throw error
      return this.#createAt(path)
    }
  }

  /**
   * Others may see the file before it is whole, on a file system without hard links: they wait
   * until it is.
   */
  #createAt(path: string): boolean {
    try {
      const file = this.#create(path)
      this.discard()
      this.#file = file
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    }
  }

  #create(path: string) {
    const { mode, kernelLocks } = this.#setting
    const fd = openSync(path, 'wx+', mode)
    try {
      const { dev, ino } = fstatSync(fd, { bigint: true })
      const isKernelLocked = kernelLocks?.lock(fd) ?? false
      const record = { ...this.#claimant, isKernelLocked, place: { dev: String(dev), ino: String(ino) } }
      writeSync(fd, encodeLockRecord(record), 0, undefined, 0)
      return { fd, record }
    } catch (error) {
      closeSync(fd)
      rmSync(path, { force: true })
      throw error
    }
  }

  /** True if this file is the one at `path`. */
  isAt(path: string): boolean {
    return isFileAt(path, this.record.place as LockPlace)
  }

  discard(): void {
    closeSync(this.fd)
    rmSync(this.#path, { force: true })
  }
}

/** As FAT and some network file systems say it. */
const noHardLinks: ReadonlySet<string> = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'])

export function isFileAt(path: string, place: LockPlace): boolean {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false })
  return found !== undefined && String(found.ino) === place.ino && String(found.dev) === place.dev
}
