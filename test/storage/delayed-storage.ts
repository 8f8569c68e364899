import { memoryStorage } from '../../src/storage/memory/memory.js'
import type { Storage, StorageFile } from '../../src/storage/storage.js'

/** A storage that answers every call with a promise, some turns later, and can be told to fail: memory with a disk's manners. */
export class DelayedStorage implements Storage {
  readonly durable: boolean
  readonly inner: ReturnType<typeof memoryStorage>
  #hasCrashed = false
  /** When set, appends of bytes fail with it. */
  failure: Error | undefined
  /** Called before each append is applied; it may return a promise to hold it up. */
  beforeAppend: (() => Promise<void>) | undefined
  /** Called before each read. */
  beforeRead: (() => Promise<void>) | undefined

  constructor(options: { durable?: boolean } = {}, inner = memoryStorage()) {
    this.durable = options.durable ?? false
    this.inner = inner
  }

  /** What is under way does not happen any more, and is never answered. Returns the storage as the next owner finds it. */
  crash(): DelayedStorage {
    this.#hasCrashed = true
    return new DelayedStorage({ durable: this.durable }, this.inner)
  }

  async #turns(count: number): Promise<void> {
    await turns(count)
    if (this.#hasCrashed) await new Promise(() => {})
  }

  async open(name: string): Promise<StorageFile> {
    await this.#turns(2)
    const file = this.inner.open(name)
    const storage = this
    let length = file.length
    let last: Promise<unknown> = Promise.resolve()
    return {
      get length() {
        return length
      },
      append(bytes) {
        length += bytes.length
        const append = last.then(async () => {
          await storage.beforeAppend?.()
          await storage.#turns(3)
          if (storage.failure) throw storage.failure
          file.append(bytes)
        })
        last = append.catch(() => {})
        return append
      },
      async read(position, maxBytes) {
        await storage.beforeRead?.()
        await storage.#turns(2)
        return file.read(position, maxBytes)
      },
      async truncate(to) {
        await last
        await storage.#turns(1)
        file.truncate(to)
        length = file.length
      },
      async sync() {
        await last
      },
      async close() {
        await last
        await storage.#turns(1)
        file.close()
      }
    }
  }

  async list(folder: string): Promise<string[]> {
    await this.#turns(1)
    return this.inner.list(folder)
  }

  async remove(name: string): Promise<void> {
    await this.#turns(100)
    this.inner.remove(name)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#turns(1)
    this.inner.rename(from, to)
  }

  async syncFolder(): Promise<void> {
    await this.#turns(1)
  }

  async close(): Promise<void> {
    await this.#turns(1)
  }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await undefined
}
