import { closeSync, constants, openSync } from 'node:fs'
import { descriptorClosed } from '../../common/poison.js'

export interface HandlePoolOptions {
  readonly maxOpenFiles: number
  readonly fileMode: number
  readonly readOnly: boolean
}

/** Whose descriptor it is; the path may change while it is open. */
export interface HandleOwner {
  readonly path: string
}

/**
 * A descriptor that its borrower may use until `unpin`: the number is not given to another file
 * before.
 */
export interface Handle {
  readonly fd: number
}

interface PooledHandle extends Handle {
  /** Asynchronous calls that use the descriptor. */
  pins: number
  /** The file has lost its name, so it could not be opened again. */
  isKept: boolean
  /** Its owner has ended; the last `unpin` closes it. */
  isReleased: boolean
}

/**
 * The open file descriptors of a storage. At most `maxOpenFiles` are open at once, however many
 * files are in use: the one used longest ago is closed and opened again when it is needed. The pool
 * alone closes descriptors, and none that is pinned: a call in the thread pool would go on with the
 * number, which by then may belong to another file.
 */
export class HandlePool {
  readonly #options: HandlePoolOptions
  /** In order of use, the oldest first. */
  readonly #open = new Map<HandleOwner, PooledHandle>()
  /** Handles whose owners have ended, with calls that still use them. */
  readonly #released = new Set<PooledHandle>()

  constructor(options: HandlePoolOptions) {
    this.#options = options
  }

  get openCount(): number {
    return this.#open.size + this.#released.size
  }

  /** Opens a file for the first time, creating it when it is not there. */
  create(owner: HandleOwner): number {
    return this.#handle(owner, constants.O_CREAT).fd
  }

  /** A descriptor for a call that ends before anything else runs. */
  use(owner: HandleOwner): number {
    return this.#handle(owner).fd
  }

  /** A descriptor that stays open until `unpin`, whatever becomes of its owner. */
  pin(owner: HandleOwner): Handle {
    const handle = this.#handle(owner)
    handle.pins++
    return handle
  }

  unpin(borrowed: Handle): void {
    const handle = borrowed as PooledHandle
    handle.pins--
    if (handle.pins > 0 || !handle.isReleased) return
    this.#released.delete(handle)
    close(handle)
  }

  /** Opens a file that is about to lose its name, and keeps it open until `release`. */
  keep(owner: HandleOwner): void {
    this.#handle(owner).isKept = true
  }

  /** Ends the use of a file by its owner. The descriptor is closed with its last pin. */
  release(owner: HandleOwner): void {
    const handle = this.#open.get(owner)
    if (!handle) return
    this.#open.delete(owner)
    if (handle.pins === 0) return close(handle)
    handle.isReleased = true
    this.#released.add(handle)
  }

  closeAll(): void {
    for (const owner of [...this.#open.keys()]) this.release(owner)
  }

  #handle(owner: HandleOwner, creation = 0): PooledHandle {
    const open = this.#open.get(owner)
    if (open) {
      this.#open.delete(owner)
      this.#open.set(owner, open)
      return open
    }
    this.#closeOldest()
    const { readOnly, fileMode } = this.#options
    const fd = openSync(owner.path, readOnly ? constants.O_RDONLY : constants.O_RDWR | creation, fileMode)
    const handle: PooledHandle = { fd, pins: 0, isKept: false, isReleased: false }
    this.#open.set(owner, handle)
    return handle
  }

  #closeOldest(): void {
    if (this.#open.size < this.#options.maxOpenFiles) return
    for (const [owner, handle] of this.#open) {
      if (handle.pins > 0 || handle.isKept) continue
      this.release(owner)
      if (this.#open.size < this.#options.maxOpenFiles) return
    }
  }
}

/** From here on the number may belong to another file. */
function close({ fd }: Handle): void {
  closeSync(fd)
  descriptorClosed()
}
