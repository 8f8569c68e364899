import type { Socket } from 'node:net'
import { afterPromises } from '../common/host.js'

/** Bytes that may wait in the socket before the next answer is made. */
const highWaterMark = 1024 * 1024

/** Writes answers to a socket, and waits for readers that are slower than the writing. */
export class SocketWriter {
  readonly #socket: Socket
  readonly #onProgress: () => void
  #corked = false
  #unwritten = 0
  #ended = false
  #whenDrained: (() => void) | undefined

  constructor(socket: Socket, onProgress: () => void) {
    this.#socket = socket
    this.#onProgress = onProgress
  }

  /** True if bytes wait for the client to take them. */
  get isWaiting(): boolean {
    return this.#unwritten > 0
  }

  /**
   * Writes the pieces of one answer. `written` is called when nothing will read them any more.
   * Resolves at once while little is waiting in the socket, otherwise when the client has taken
   * enough, or is gone.
   */
  write(pieces: readonly Uint8Array[], length: number, written: () => void): Promise<void> | undefined {
    if (this.#ended) {
      written()
      return undefined
    }
    this.#cork()
    this.#unwritten += length
    let left = pieces.reduce((count, piece) => count + Math.ceil(piece.length / largestWrite), 0)
    for (const piece of pieces) {
      for (let start = 0; start < piece.length; start += largestWrite) {
        const part = piece.subarray(start, start + largestWrite)
        this.#socket.write(part, () => {
          this.#unwritten -= part.length
          if (!this.#ended) this.#onProgress()
          if (--left === 0) written()
          if (this.#unwritten <= highWaterMark) this.#drained()
        })
      }
    }
    if (left === 0) written()
    return this.#unwritten <= highWaterMark ? undefined : new Promise(resolve => (this.#whenDrained = resolve))
  }

  /** Lets what was written go out, as far as it can at once, and closes the socket. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    if (this.#corked) this.#socket.uncork()
    this.#socket.destroySoon()
    this.#drained()
  }

  /** Answers that are made in one turn leave in one write. */
  #cork(): void {
    if (this.#corked) return
    this.#corked = true
    this.#socket.cork()
    afterPromises(() => {
      this.#corked = false
      this.#socket.uncork()
    })
  }

  #drained(): void {
    this.#whenDrained?.()
    this.#whenDrained = undefined
  }
}

/**
 * The most that is handed to the socket as one piece: a slow reader shows that it is alive each
 * time it has taken one.
 */
const largestWrite = 256 * 1024
