import type { Message } from './messages.js'

/** A way to keep a message so that a power cut cannot take it. */
export interface SyncStore {
  /** Resolves when the message is safe. */
  append(message: Message): unknown
  /** How many there are. */
  count(): number | Promise<number>
  close(): unknown
}
