import { closeSync, fstatSync, futimesSync, statSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { sleep, type Timer } from '../../../common/clock.js'
import { monotonic } from '../../../common/host.js'
import { systemClock } from '../../../common/system-clock.js'
import type { KafkaError } from '../../../errors.js'
import { isMissing, storageError } from '../storage-error.js'
import { Acquisition, type AcquisitionSetting, type Doubt, HeldElsewhere, lockName } from './acquisition.js'
import { findLock } from './found-lock.js'
import { KernelLocks } from './kernel-locks.js'
import { kernelMs } from './kernel-time.js'
import type { LockDraft } from './lock-draft.js'
import { heldElsewhere, lockLost } from './lock-errors.js'
import { encodeLockRecord, type LockRecord } from './lock-record.js'

export interface DirectoryLockOptions {
  /** Permissions of the lock file. */
  readonly fileMode: number
  /** The interval of the holder's heartbeat, in ms. */
  readonly heartbeatIntervalMs: number
  /** The longest silence of a holder, where nothing else tells whether it lives, in ms. */
  readonly sessionTimeoutMs: number
  /** True to take a lock in the kernel as well, where that can be had. */
  readonly kernelLock: boolean
  /** Is told once when the lock is lost. */
  readonly onLost: (error: KafkaError) => void
  /** Is told when no sign of life can be given. */
  readonly onError: (error: unknown) => void
}

/**
 * Keeps a directory to one owner, among the threads, processes, containers and hosts that reach it.
 *
 * The owner's file is `.lock`. It names the owner, holds a lock in the kernel for as long as the
 * owner lives (where the package for that is installed), and is written anew at every heartbeat.
 * A process that wants the directory asks, in this order: does the kernel have a lock on the file?
 * Does the thread that it names live, where that can be seen? Has the heartbeat stopped for long
 * enough?
 *
 * A takeover always puts another file in the place of `.lock`. The owner looks whether its own is
 * still there, before it writes and again before it acknowledges, and stops for good when it is
 * not.
 */
export class DirectoryLock {
  /** `'kernel'` where the kernel ends the lock with its holder, else `'heartbeat'`. */
  readonly kind: 'kernel' | 'heartbeat'
  readonly #directory: string
  readonly #path: string
  readonly #fd: number
  readonly #options: DirectoryLockOptions
  readonly #dev: number
  readonly #ino: number
  #record: LockRecord
  #timer: Timer
  /** The time at which the file was seen in its place. */
  #seenAt: number
  #beatAt: number
  #isSilent = false
  #lost: KafkaError | undefined
  #isReleased = false

  private constructor(directory: string, draft: LockDraft, options: DirectoryLockOptions) {
    this.#directory = directory
    this.#path = join(directory, lockName)
    this.#fd = draft.fd
    this.#record = draft.record
    this.#options = options
    this.kind = draft.record.isKernelLocked ? 'kernel' : 'heartbeat'
    const { dev, ino } = fstatSync(this.#fd)
    this.#dev = dev
    this.#ino = ino
    this.#seenAt = this.#beatAt = monotonic()
    this.#timer = this.#setTimer()
  }

  /**
   * Takes the lock, or throws a `KafkaError` STORAGE_FAILED that names the holder. Waits for
   * nothing.
   */
  static tryAcquire(directory: string, options: DirectoryLockOptions): DirectoryLock {
    const acquisition = new Acquisition(settingOf(directory, options))
    for (;;) {
      const found = acquisition.attempt()
      if (found instanceof HeldElsewhere) throw heldElsewhere(directory, found.lock)
      if (!isDoubt(found)) return new DirectoryLock(directory, found, options)
      if (found.isEnding) throw heldElsewhere(directory, found.lock)
      // A file that says nothing names no holder.
      if (found.lock.record && found.silentMs < found.honouredMs) throw heldElsewhere(directory, found.lock, found)
      acquisition.giveUpOn(found.lock)
    }
  }

  /**
   * As `tryAcquire`, but waits, where only silence tells that a holder is dead, until it has lasted
   * long enough.
   */
  static async acquire(directory: string, options: DirectoryLockOptions, signal: AbortSignal): Promise<DirectoryLock> {
    const acquisition = new Acquisition(settingOf(directory, options))
    let watched: Doubt | undefined
    let watchedMs = 0
    let changes = 0
    for (;;) {
      signal.throwIfAborted()
      const found = acquisition.attempt()
      if (found instanceof HeldElsewhere) throw heldElsewhere(directory, found.lock)
      if (!isDoubt(found)) return new DirectoryLock(directory, found, options)
      if (watched?.lock.state !== found.lock.state) {
        const isSignOfLife = watched?.lock.id === found.lock.id && found.lock.record !== undefined
        if (isSignOfLife || changes++ > mostChanges) throw heldElsewhere(directory, found.lock)
        watched = found
        watchedMs = 0
      }
      if (Math.max(watchedMs, found.silentMs) >= found.honouredMs) {
        if (found.isEnding) throw heldElsewhere(directory, found.lock)
        acquisition.giveUpOn(found.lock)
        continue
      }
      const before = monotonic()
      await sleep(systemClock, watchIntervalMs, signal, { keepAlive: true })
      // While this process stands still, nothing is seen of the other.
      watchedMs += Math.min(monotonic() - before, 2 * watchIntervalMs)
    }
  }

  /**
   * Throws a `KafkaError` STORAGE_FAILED when the lock is lost. Called before each write, and after
   * it before anything is acknowledged. Looks at the file unless it has done so in the last
   * millisecond.
   */
  expectHeld(): void {
    if (this.#lost) throw this.#lost
    const now = monotonic()
    if (now - this.#seenAt > seenForMs) this.#look(now)
  }

  /** True if the lock is held; false also once it was released. */
  get isHeld(): boolean {
    try {
      this.expectHeld()
    } catch {
      return false
    }
    return !this.#isReleased
  }

  /** Gives the directory up. Idempotent. */
  release(): void {
    if (this.#isReleased) return
    // A fresh look: only the owner's own file may be removed.
    this.#seenAt = Number.NEGATIVE_INFINITY
    const isHeld = this.isHeld
    this.#isReleased = true
    this.#timer.cancel()
    try {
      if (isHeld) this.#remove()
    } finally {
      closeSync(this.#fd)
    }
  }

  #remove(): void {
    // Windows keeps the name of a removed file until it is closed, and then another may have it.
    const canRemove = process.platform !== 'win32'
    try {
      if (canRemove) return unlinkSync(this.#path)
    } catch {
      // It says that nobody has the directory, if it cannot go.
    }
    this.#write({ ...this.#record, isReleased: true })
  }

  #setTimer(): Timer {
    return systemClock.setTimer(this.#options.heartbeatIntervalMs, () => this.#onTimer())
  }

  #onTimer(): void {
    this.#timer = this.#setTimer()
    try {
      this.expectHeld()
      this.#beat(monotonic())
    } catch (error) {
      if (error !== this.#lost) this.#options.onError(error)
    }
  }

  #look(now: number): void {
    const found = this.#stat()
    if (found?.ino !== this.#ino || found.dev !== this.#dev) throw this.#lose()
    this.#seenAt = now
    // Also where timers are late, or somebody has put others in their place.
    if (now - this.#beatAt >= this.#options.heartbeatIntervalMs) this.#beat(now)
  }

  #stat() {
    try {
      return statSync(this.#path, { throwIfNoEntry: false })
    } catch (error) {
      if (isMissing(error) || (error as NodeJS.ErrnoException).code === 'ESTALE') return undefined
      throw storageError('Looking at the lock', this.#path, error)
    }
  }

  #lose(): KafkaError {
    this.#timer.cancel()
    this.#lost = lockLost(this.#directory, this.#successor())
    this.#options.onLost(this.#lost)
    return this.#lost
  }

  #successor() {
    try {
      return findLock(this.#path, undefined)
    } catch {
      // It is only for the message.
      return undefined
    }
  }

  /**
   * A sign of life that fails is told once; the lock is held all the same, until another takes it.
   */
  #beat(now: number): void {
    this.#beatAt = now
    this.#record = { ...this.#record, beat: this.#record.beat + 1, beatAt: kernelMs() }
    try {
      this.#write(this.#record)
      this.#isSilent = false
    } catch (error) {
      if (!this.#isSilent) this.#options.onError(storageError('Writing', this.#path, error))
      this.#isSilent = true
    }
  }

  #write(record: LockRecord): void {
    const bytes = encodeLockRecord(record)
    writeSync(this.#fd, bytes, 0, bytes.length, 0)
    // A network file system sends what was written before it changes a time.
    const now = new Date()
    futimesSync(this.#fd, now, now)
  }
}

/**
 * For so long a holder relies on having seen its lock. Who takes over waits for longer before it
 * reads.
 */
const seenForMs = 1
const watchIntervalMs = 50
/** Others take the directory as well: after so many changes one of them is left with it. */
const mostChanges = 20

function settingOf(directory: string, options: DirectoryLockOptions): AcquisitionSetting {
  return { ...options, directory, kernelLocks: options.kernelLock ? KernelLocks.load() : undefined }
}

function isDoubt(found: LockDraft | Doubt): found is Doubt {
  return 'silentMs' in found
}
