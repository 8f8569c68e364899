import { createRequire } from 'node:module'

/** The part of the package `fs-native-extensions` that is used here. */
interface FileLocks {
  tryLock(fd: number, offset: number, length: number, options?: { readonly shared?: boolean }): boolean
  unlock(fd: number, offset: number, length: number): void
}

/**
 * Locks that the kernel drops when the process, or the worker, that holds them ends: through the
 * package `fs-native-extensions`, where it is installed and has a build for this machine. On Linux
 * they are open file description locks, which exclude the lock of a running Apache Kafka as well.
 */
export class KernelLocks {
  readonly #locks: FileLocks

  private constructor(locks: FileLocks) {
    this.#locks = locks
  }

  /** Undefined where the package is missing or cannot be loaded. */
  static load(): KernelLocks | undefined {
    loaded ??= { locks: loadPackage() }
    return loaded.locks && new KernelLocks(loaded.locks)
  }

  /**
   * True if the file now belongs to this descriptor; false also where the file system has no locks.
   */
  lock(fd: number): boolean {
    try {
      return this.#locks.tryLock(fd, offset, length)
    } catch {
      return false
    }
  }

  /** True if another descriptor has the lock; undefined where that cannot be told. */
  isLocked(fd: number): boolean | undefined {
    try {
      // Processes that only look do not exclude each other.
      if (!this.#locks.tryLock(fd, offset, length, { shared: true })) return true
      this.#locks.unlock(fd, offset, length)
      return false
    } catch {
      return undefined
    }
  }
}

let loaded: { readonly locks: FileLocks | undefined } | undefined

function loadPackage(): FileLocks | undefined {
  try {
    return createRequire(import.meta.url)('fs-native-extensions')
  } catch {
    return undefined
  }
}

/**
 * Windows keeps others from reading what is locked, so the lock lies beyond the content. macOS
 * locks whole files only.
 */
const [offset, length] = process.platform === 'win32' ? [2 ** 30, 1] : [0, 0]
