/** A `Log` alone, without topics or brokers, as the write-ahead log of a small key-value store. */
import { batchesIn, Log, memoryStorage, RecordBatch } from 'millrace'

const storage = memoryStorage()
const text = new TextDecoder()

class Store {
  readonly #log: Log
  readonly #values = new Map<string, string>()

  constructor(log: Log) {
    this.#log = log
  }

  /** Opens the store as its log says it was. */
  static async open(): Promise<Store> {
    const log = await Log.open(storage, 'store', { retentionBytes: -1 })
    const store = new Store(log)
    for (let offset = log.logStartOffset; offset < log.logEndOffset; ) {
      for (const batch of batchesIn(await log.read(offset, 1 << 20))) {
        for (const record of batch.records()) store.#apply(text.decode(record.key!), record.value && text.decode(record.value))
        offset = batch.nextOffset
      }
    }
    return store
  }

  /** First into the log, then into the map: what is in the map can always be had again. */
  async change(changes: { [key: string]: string | null }): Promise<number> {
    const batch = RecordBatch.of(Object.entries(changes).map(([key, value]) => ({ key, value, timestamp: Date.now() })))
    const { baseOffset } = await this.#log.append(batch.bytes)
    for (const [key, value] of Object.entries(changes)) this.#apply(key, value)
    return baseOffset
  }

  get(key: string): string | undefined {
    return this.#values.get(key)
  }

  close(): Promise<void> {
    return Promise.resolve(this.#log.close())
  }

  #apply(key: string, value: string | null): void {
    if (value === null) this.#values.delete(key)
    else this.#values.set(key, value)
  }
}

const before = await Store.open()
await before.change({ colour: 'red', shape: 'round' })
await before.change({ colour: 'blue', shape: null })
await before.close()

const after = await Store.open()
console.log(after.get('colour'), after.get('shape'))
