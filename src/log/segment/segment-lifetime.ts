import { type Deferred, deferred, type MaybePromise } from '../../common/deferred.js'
import { KafkaError } from '../../errors.js'
import type { StorageFile } from '../../storage/storage.js'

/**
 * Decides when the file of a segment is closed, and whether the names of its files are still its
 * own.
 */
export class SegmentLifetime {
  readonly #file: StorageFile
  readonly #name: string
  /** The number of readers of the file; it is closed after them. */
  #readers = 0
  #unread: Deferred<void> | undefined
  #isRetired = false
  #hasNames = true
  #isClosing = false

  constructor(file: StorageFile, name: string) {
    this.#file = file
    this.#name = name
  }

  /** True if someone reads the segment, so that its file stays open. */
  get isHeld(): boolean {
    return this.#readers > 0
  }

  get isRetired(): boolean {
    return this.#isRetired
  }

  /** False once the segment is being removed, or another takes its names over. */
  get hasNames(): boolean {
    return this.#hasNames
  }

  /** Keeps the file open, also when the segment is retired meanwhile, until `release`. */
  hold(): void {
    this.#readers++
  }

  release(): MaybePromise<void> {
    if (--this.#readers > 0) return
    this.#unread?.resolve()
    this.#unread = undefined
    if (this.#isRetired) return this.closeUnread()
  }

  /** Says that the segment is about to be removed. */
  retire(): void {
    this.#isRetired = true
    this.#hasNames = false
  }

  loseNames(): void {
    this.#hasNames = false
  }

  /** Closes the file after the reads that are under way. Walks end before their next block. */
  async close(): Promise<void> {
    this.#isClosing = true
    while (this.isHeld) await (this.#unread ??= deferred()).promise
    await this.#file.close()
  }

  /** Closes the file of a retired segment now, or leaves it to the last reader. */
  closeUnread(): MaybePromise<void> {
    if (!this.isHeld) return this.#file.close()
  }

  /** Throws CLOSED once the log is being closed: a walk through gigabytes must not hold that up. */
  expectOpen(): void {
    if (this.#isClosing) throw new KafkaError('CLOSED', `\`${this.#name}\` is closed`)
  }
}
