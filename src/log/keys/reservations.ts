import { KafkaError } from '../../errors.js'
import { attribute, attributesAt } from '../../record/batch-header.js'
import type { RecordCursor } from '../../record/record-cursor.js'
import { hashKey, newSecret } from './key-hash.js'
import { entryOf, KeyTable, none, offsetOf } from './key-table.js'
import { recordsIn } from './records-in.js'

const hash = new Int32Array(4)

/**
 * A key, or the end of a log, that a transaction of another producer has reserved or written, and
 * that is not decided.
 */
export class ReservedError extends KafkaError {
  /** The producer of that transaction. */
  readonly holder: number

  constructor(holder: number, what: string) {
    super('CONCURRENT_TRANSACTIONS', `${what}: a transaction of producer ${holder} is not decided yet`)
    this.holder = holder
  }
}

/**
 * Keys of a log, and its end, that transactions rely on until they end. Others may neither write
 * there nor rely on it meanwhile. It is lost with the process: transactions that are open then are
 * aborted.
 */
export class Reservations {
  readonly #secret = newSecret()
  /** The producer of each reserved key, as an offset is entered. */
  #holders = new KeyTable()
  /** The keys that the transaction of each producer has reserved. */
  readonly #byProducer = new Map<number, KeyTable>()
  #endHolder = -1

  get isEmpty(): boolean {
    return this.#byProducer.size === 0
  }

  /** The producers whose transactions have reserved something. */
  get producers(): Iterable<number> {
    return this.#byProducer.keys()
  }

  get sizeInBytes(): number {
    let bytes = this.#holders.sizeInBytes
    for (const keys of this.#byProducer.values()) bytes += keys.sizeInBytes
    return bytes
  }

  /**
   * Reserves keys, and the end of the log, for the transaction of a producer. Nobody else may have
   * reserved them.
   */
  add(producerId: number, keys: readonly { readonly key: Uint8Array }[], withEnd: boolean): void {
    let reserved = this.#byProducer.get(producerId)
    if (!reserved) this.#byProducer.set(producerId, (reserved = new KeyTable()))
    const entry = entryOf(producerId, false)
    for (const { key } of keys) {
      hashKey(this.#secret, key, 0, key.length, hash)
      reserved.set(hash, entry)
      this.#holders.set(hash, entry)
    }
    if (withEnd) this.#endHolder = producerId
  }

  /** The transaction of a producer has ended. */
  release(producerId: number): void {
    const reserved = this.#byProducer.get(producerId)
    if (!reserved) return
    this.#byProducer.delete(producerId)
    if (this.#endHolder === producerId) this.#endHolder = -1
    if (this.#byProducer.size === 0) this.#holders = new KeyTable()
    else for (const { hash } of reserved.all()) this.#holders.delete(hash)
  }

  /**
   * Raises `ReservedError` where a transaction of another producer has reserved one of the keys.
   */
  expectFreeKeys(keys: readonly { readonly key: Uint8Array }[], producerId: number): void {
    for (const { key } of keys) {
      hashKey(this.#secret, key, 0, key.length, hash)
      this.#expectFree(producerId)
    }
  }

  expectFreeEnd(producerId: number): void {
    if (this.#endHolder >= 0 && this.#endHolder !== producerId)
      throw new ReservedError(this.#endHolder, 'Expected the end of the partition to be free')
  }

  /**
   * Raises `ReservedError` where a batch may not be written now. `unpacked` has its records, where
   * somebody has decompressed them already.
   */
  expectFreeFor(bytes: Uint8Array, producerId: number, unpacked?: RecordCursor): void {
    if (attributesAt(bytes, 0) & attribute.control) return
    this.expectFreeEnd(producerId)
    if (this.#holders.count === 0) return
    const records = recordsIn(bytes, 0, unpacked)
    while (records.next()) {
      if (records.keyLength < 0) continue
      hashKey(this.#secret, records.bytes, records.keyStart, records.keyLength, hash)
      this.#expectFree(producerId)
    }
  }

  #expectFree(producerId: number): void {
    const entry = this.#holders.get(hash)
    if (entry !== none && offsetOf(entry) !== producerId) throw new ReservedError(offsetOf(entry), 'Expected the key to be free')
  }
}
