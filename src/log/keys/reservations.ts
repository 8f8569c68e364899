import { KafkaError } from '../../errors.js'
import { attribute, attributesAt } from '../../record/batch-header.js'
import { RecordCursor } from '../../record/record-cursor.js'
import { hashKey, newSecret } from './key-hash.js'
import { entryOf, KeyTable, none, offsetOf } from './key-table.js'

/** The reservations of one transaction. */
interface Reservation {
  readonly keys: KeyTable
  hasEnd: boolean
}

const hash = new Int32Array(4)
const cursor = new RecordCursor()

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
  readonly #byProducer = new Map<number, Reservation>()
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
    for (const { keys } of this.#byProducer.values()) bytes += keys.sizeInBytes
    return bytes
  }

  /**
   * Reserves keys, and the end of the log, for the transaction of a producer. Nobody else may have
   * reserved them.
   */
  add(producerId: number, keys: readonly Uint8Array[], withEnd: boolean): void {
    let reservation = this.#byProducer.get(producerId)
    if (!reservation) this.#byProducer.set(producerId, (reservation = { keys: new KeyTable(), hasEnd: false }))
    for (const key of keys) {
      hashKey(this.#secret, key, 0, key.length, hash)
      reservation.keys.set(hash, entryOf(producerId, false))
      this.#holders.set(hash, entryOf(producerId, false))
    }
    if (!withEnd) return
    reservation.hasEnd = true
    this.#endHolder = producerId
  }

  /** The transaction of a producer has ended. */
  release(producerId: number): void {
    const reservation = this.#byProducer.get(producerId)
    if (!reservation) return
    this.#byProducer.delete(producerId)
    if (reservation.hasEnd) this.#endHolder = -1
    if (this.#byProducer.size === 0) this.#holders = new KeyTable()
    else for (const { hash } of reservation.keys.all()) this.#holders.delete(hash)
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

  /** Raises `ReservedError` where a batch may not be written now. */
  expectFreeFor(bytes: Uint8Array, producerId: number): void {
    if (attributesAt(bytes, 0) & attribute.control) return
    this.expectFreeEnd(producerId)
    if (this.#holders.count === 0) return
    cursor.reset(bytes, 0)
    while (cursor.next()) {
      if (cursor.keyLength < 0) continue
      hashKey(this.#secret, cursor.bytes, cursor.keyStart, cursor.keyLength, hash)
      this.#expectFree(producerId)
    }
  }

  #expectFree(producerId: number): void {
    const entry = this.#holders.get(hash)
    if (entry !== none && offsetOf(entry) !== producerId) throw new ReservedError(offsetOf(entry), 'Expected the key to be free')
  }
}
