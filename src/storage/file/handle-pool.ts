import { closeSync, constants, openSync } from 'node:fs'

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
 * The open file descriptors of a storage. At most `maxOpenFiles` are open at once, however many files are in use: the one used longest ago is
 * closed and opened again when it is needed. A descriptor that is pinned (an asynchronous call is using it) stays.
 */
export class HandlePool {
  readonly #options: HandlePoolOptions
  /** In order of use, the oldest first. */
  readonly #open = new Map<HandleOwner, { readonly fd: number; pins: number }>()

  constructor(options: HandlePoolOptions) {
    this.#options = options
  }

  get openCount(): number {
    return this.#open.size
  }

  /** Opens a file for the first time, creating it when it is not there. */
  create(owner: HandleOwner): number {
    return this.#handle(owner, constants.O_CREAT).fd
  }

  /** A descriptor for a call that ends before anything else runs. */
  use(owner: HandleOwner): number {
    return this.#handle(owner).fd
  }

  /** A descriptor that stays open until `unpin`. */
  pin(owner: HandleOwner): number {
    const handle = this.#handle(owner)
    handle.pins++
    return handle.fd
  }

  unpin(owner: HandleOwner): void {
    const handle = this.#open.get(owner)
    if (handle) handle.pins--
  }

  /** Closes the descriptor of a file that is no longer in use. */
  release(owner: HandleOwner): void {
    const handle = this.#open.get(owner)
    if (!handle) return
    this.#open.delete(owner)
    closeSync(handle.fd)
  }

  closeAll(): void {
    for (const owner of [...this.#open.keys()]) this.release(owner)
  }

  #handle(owner: HandleOwner, creation = 0) {
    const open = this.#open.get(owner)
    if (open) {
      this.#open.delete(owner)
      this.#open.set(owner, open)
      return open
    }
    this.#closeOldest()
    const { readOnly, fileMode } = this.#options
    const handle = { fd: openSync(owner.path, readOnly ? constants.O_RDONLY : constants.O_RDWR | creation, fileMode), pins: 0 }
    this.#open.set(owner, handle)
    return handle
  }

  #closeOldest(): void {
    if (this.#open.size < this.#options.maxOpenFiles) return
    for (const [owner, handle] of this.#open) {
      if (handle.pins > 0) continue
      this.release(owner)
      if (this.#open.size < this.#options.maxOpenFiles) return
    }
  }
}
