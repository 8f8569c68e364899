import type { Message } from './messages.js'

/** A way to keep messages on disk in order, and to read them all again from the first. */
export interface Store {
  /** Adds a thousand messages, and has them out of its hands when it resolves. */
  append(messages: readonly Message[]): unknown
  /** Writes what may still be held back, and lets go of the files. */
  close(): unknown
}

export interface StoreReader {
  /** Hands out all that was appended. */
  replay(see: (key: string, value: string) => void): unknown
  close(): unknown
}

/** How to write a store in a folder and then, with nothing left in the memory of this process, read it. */
export interface StoreKind {
  open(folder: string): Promise<Store> | Store
  reopen(folder: string, count: number): Promise<StoreReader> | StoreReader
}
