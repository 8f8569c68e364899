import { type FileHandle, open } from 'node:fs/promises'
import { KafkaError } from '../../errors.js'
import { batchSizeAt, headerBytes, lengthPrefixBytes } from '../../record/batch-header.js'

const blockBytes = 1024 * 1024
const zeros = Buffer.alloc(blockBytes)

/**
 * Reads the batches of one `.log` file, block by block, without a lock: another process may be
 * appending to it. Looks at sizes only; whether the batches are sound is for others to say.
 */
export class LogFileReader implements AsyncDisposable {
  /** The position in the file at which the next block begins. */
  position: number
  readonly #file: FileHandle
  readonly #signal: AbortSignal | undefined
  #buffer = new Uint8Array(blockBytes)

  private constructor(file: FileHandle, position: number, signal: AbortSignal | undefined) {
    this.#file = file
    this.position = position
    this.#signal = signal
  }

  /** Once the signal has aborted, every read rejects with its reason. */
  static async open(path: string, position = 0, signal?: AbortSignal): Promise<LogFileReader> {
    return new LogFileReader(await open(path, 'r'), position, signal)
  }

  /**
   * The whole batches that come next, at least one; empty when there is none (yet). They are a view
   * that holds until the next call. Throws CORRUPT_MESSAGE where no batch can begin.
   */
  async next(): Promise<Uint8Array> {
    let bytes = await this.#read(blockBytes)
    if (!isStartOfBatch(bytes)) {
      // A writer may have made room ahead of its end, and filled it meanwhile.
      if (await this.onlyZerosRemain()) return this.#take(bytes, 0)
      bytes = await this.#read(blockBytes)
    }
    if (!isStartOfBatch(bytes)) {
      throw new KafkaError('CORRUPT_MESSAGE', `No batch begins here: its size would be ${batchSizeAt(bytes, 0)}`)
    }
    let end = wholeBatchesIn(bytes)
    if (end > 0 || bytes.length < lengthPrefixBytes) return this.#take(bytes, end)
    const size = batchSizeAt(bytes, 0)
    if (size > (await this.remaining())) return this.#take(bytes, 0)
    if (size > this.#buffer.length) this.#buffer = new Uint8Array(size)
    bytes = await this.#read(size)
    end = wholeBatchesIn(bytes)
    return this.#take(bytes, end)
  }

  /** Bytes from `position` to where the file ends now. */
  async remaining(): Promise<number> {
    return Math.max(0, (await this.#file.stat()).size - this.position)
  }

  /** True if only zeros are left, as in a file whose room was taken in advance. */
  async onlyZerosRemain(): Promise<boolean> {
    for (let at = this.position; ; ) {
      this.#signal?.throwIfAborted()
      const { bytesRead } = await this.#file.read(this.#buffer, 0, blockBytes, at)
      if (bytesRead === 0) return true
      if (zeros.compare(this.#buffer, 0, bytesRead, 0, bytesRead) !== 0) return false
      at += bytesRead
    }
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #read(size: number): Promise<Uint8Array> {
    let filled = 0
    while (filled < size) {
      this.#signal?.throwIfAborted()
      const { bytesRead } = await this.#file.read(this.#buffer, filled, size - filled, this.position + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return this.#buffer.subarray(0, filled)
  }

  #take(bytes: Uint8Array, end: number): Uint8Array {
    this.position += end
    return bytes.subarray(0, end)
  }
}

/** Not so where a size is impossible. */
function isStartOfBatch(bytes: Uint8Array): boolean {
  return bytes.length < lengthPrefixBytes || batchSizeAt(bytes, 0) >= headerBytes
}

/** The number of bytes of whole batches, by their sizes. */
function wholeBatchesIn(bytes: Uint8Array): number {
  let end = 0
  while (end + lengthPrefixBytes <= bytes.length) {
    const size = batchSizeAt(bytes, end)
    if (size < headerBytes || end + size > bytes.length) break
    end += size
  }
  return end
}
