import type { MaybePromise } from '../common/deferred.js'
import type { KafkaError } from '../errors.js'

/**
 * A namespace of append-only files: all that the log asks of the world below it. Memory is one, a
 * directory on disk another; plug in your own by implementing this and running the contract suite
 * of `millrace/testing` on it.
 *
 * Names are relative paths with `/` between their parts (`orders-0/00000000000000000000.log`);
 * folders come into being with their first file and go with their last. Methods that need not wait
 * may return plainly instead of a promise.
 */
export interface Storage {
  /** True if what is written outlives this process. Decides, for one, the default retention. */
  readonly durable: boolean
  /** True if `append` settles only when the bytes survive a power cut. Default: `false`. */
  readonly syncsAppends?: boolean
  /** True if it can be read and not written. Default: `false`. */
  readonly readOnly?: boolean
  /**
   * Bytes of this process's memory that files take, with what of removed files is still lent out;
   * it counts against the memory that a cluster may use. Default: files are elsewhere.
   */
  readonly memoryBytes?: number
  /** Gives memory back that is kept to be used again. */
  releaseMemory?(): void
  /**
   * Set by who uses the storage: is told what fails while nobody waits for it, and which file it
   * concerns. What it throws must not stop the storage.
   */
  onError?: ((error: unknown, name: string) => void) | undefined
  /**
   * Set by who uses the storage: is told once when another owner has taken it over. It cannot be
   * written any more.
   */
  onLost?: ((error: KafkaError) => void) | undefined
  /**
   * Makes it ready, which may take time: a lock may have to be waited for. Awaited by who uses the
   * storage, first. Idempotent.
   */
  prepare?(): MaybePromise<void>
  /** Opens a file, creating it when it is not there. One opener at a time per name. */
  open(name: string): MaybePromise<StorageFile>
  /**
   * The names of the files and folders directly in `folder` (`''` is the root), in no particular
   * order; empty when there is no such folder.
   */
  list(folder: string): MaybePromise<string[]>
  /**
   * Removes a file, or a folder with all that is in it; nothing happens when it is not there. Open
   * handles stay readable until they are closed.
   */
  remove(name: string): MaybePromise<void>
  /**
   * Renames a file or folder, atomically, replacing a file of the new name. Open handles stay with
   * their file, renamed or replaced, until they are closed.
   */
  rename(from: string, to: string): MaybePromise<void>
  /** Makes what happened to the names in `folder` (new, renamed, removed) survive a power cut. */
  syncFolder(folder: string): MaybePromise<void>
  /** Releases everything; idempotent. Files must have been closed before. */
  close(): MaybePromise<void>
}

/** One append-only file of a `Storage`. */
export interface StorageFile {
  /**
   * Bytes that have been appended and not truncated. Grows when `append` is called, before its
   * promise settles.
   */
  readonly length: number
  /**
   * Adds bytes at the end; calls are applied in order. The bytes may be used again by the caller
   * once the call (or its promise) has returned. After a failed append the file's content beyond
   * its earlier length is undefined until `truncate`.
   */
  append(bytes: Uint8Array): MaybePromise<void>
  /**
   * Up to `maxBytes` bytes from `position` on, in one contiguous piece; shorter at the end of the
   * file, and wherever the storage finds it cheaper to stop, but never empty before the end. What a
   * single `append` added is never split, wherever in it the read begins: a piece ends within it
   * only where `maxBytes` does. The bytes are lent (`common/lease`): the reader must not change
   * them, and may `release` them.
   */
  read(position: number, maxBytes: number): MaybePromise<Uint8Array>
  /** Cuts the file to `length` bytes; does nothing to a file that is no longer than that. */
  truncate(length: number): MaybePromise<void>
  /** Resolves when all bytes appended before the call survive a power cut. */
  sync(): MaybePromise<void>
  /**
   * Ends the use of the file; idempotent. Calls that are under way end well, and the promise
   * settles after them. Later ones are refused: what the file was known by, a descriptor or its
   * name, may belong to another by then. Bytes that were lent stay as they are until they are
   * released.
   */
  close(): MaybePromise<void>
}
