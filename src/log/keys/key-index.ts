import { KafkaError } from '../../errors.js'
import {
  attribute,
  attributesAt,
  baseOffsetAt,
  batchSizeAt,
  crcAt,
  lastOffsetAt,
  producerIdAt,
  recordCountAt
} from '../../record/batch-header.js'
import { controlTypeOf } from '../../record/control-record.js'
import type { RecordCursor } from '../../record/record-cursor.js'
import { hashKey, newSecret } from './key-hash.js'
import { entryOf, type KeyCapture, KeyTable, none, offsetOf } from './key-table.js'
import { recordsIn } from './records-in.js'
import { ReservedError } from './reservations.js'

/** The expectation of a writer on a key: its last offset, or that it has none. */
export interface KeyCondition {
  readonly key: Uint8Array
  /** `'none'` where the key has no record, or where its last record is a tombstone. */
  readonly lastOffset: number | 'none'
}

/** A key whose last offset is another one than a writer expected. */
export interface FoundKey {
  /** The place of the condition among those that were asked, from 0. */
  readonly index: number
  readonly lastOffset: number | 'none'
}

/** A snapshot of an index, to be written beside the log. */
export interface KeySnapshot {
  readonly secret: Int32Array
  /** The entries hold up to here. */
  readonly offset: number
  /** Keys whose records are all below this offset may be missing. */
  readonly startOffset: number
  /** From here on the batches are noted again: a transaction that began there was open. */
  readonly replayFrom: number
  /** The batch that ends at `offset`, by which the log is recognized. */
  readonly lastBatch: BatchMark
  readonly entries: KeyCapture
}

export interface BatchMark {
  readonly baseOffset: number
  readonly crc: number
}

/** The keys of a transaction that is not decided. */
interface OpenTransaction {
  readonly firstOffset: number
  readonly keys: KeyTable
}

/** The changes of a batch that is being written. */
interface Change {
  readonly nextOffset: number
  readonly lastBatch: BatchMark | undefined
  /** Four words for each entry. */
  readonly words: number[]
  readonly before: number[]
  /** True if it belongs to a transaction: taking that back takes a look at the log. */
  readonly isTransactional: boolean
}

/** A log of less than this is read when it is opened. */
const leastCheckpointBytes = 64 * 1024
const entryBytes = 24

const hash = new Int32Array(4)

/**
 * The offset of the last record of each key, for conditional appends. Takes in every batch as it is
 * written. A record of a transaction counts from its commit on; until then its key is undecided.
 * Records below the start of the log do not count.
 */
export class KeyIndex {
  /** The reason why it cannot be asked, if that is so. */
  failure: KafkaError | undefined
  readonly #chain: { readonly startOffset: number }
  /** The most memory that it takes, in bytes. */
  maxBytes: number
  readonly #folder: string
  #table = new KeyTable()
  #secret = newSecret()
  readonly #open = new Map<number, OpenTransaction>()
  /** Of the batches that are being written, oldest first. */
  #changes: Change[] = []
  #nextOffset = 0
  #lastBatch: BatchMark | undefined
  /** Bytes of the batches that would have to be read again. */
  #bytesSince = 0
  #isCaptured = false

  constructor(folder: string, chain: { readonly startOffset: number }, maxBytes: number) {
    this.#folder = folder
    this.#chain = chain
    this.maxBytes = maxBytes
  }

  /** The number of its keys, with some whose records were removed. */
  get count(): number {
    return this.#table.count
  }

  get sizeInBytes(): number {
    let bytes = this.#table.sizeInBytes
    for (const { keys } of this.#open.values()) bytes += keys.sizeInBytes
    return bytes
  }

  /** True if it was given up because it took too much. */
  get isGivenUp(): boolean {
    return this.failure?.code === 'POLICY_VIOLATION'
  }

  /** The end of the last batch that was noted. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  /** Forgets everything, before it is built anew. */
  clear(): void {
    this.failure = undefined
    this.#table = new KeyTable()
    this.#open.clear()
    this.#changes = []
    this.#nextOffset = 0
    this.#lastBatch = undefined
    this.#bytesSince = 0
    this.#isCaptured = false
  }

  /**
   * Takes in a batch, with its offsets in it. `isUnwritten` is whether it may still turn out not to
   * be written. `unpacked` has its records, where somebody has decompressed them already and their
   * offsets follow each other.
   */
  note(bytes: Uint8Array, position: number, isUnwritten = false, unpacked?: RecordCursor): void {
    if (this.failure) return
    const attributes = attributesAt(bytes, position)
    const isTransactional = (attributes & (attribute.transactional | attribute.control)) !== 0
    const nextOffset = lastOffsetAt(bytes, position) + 1
    const change = isUnwritten ? { nextOffset, lastBatch: this.#lastBatch, words: [], before: [], isTransactional } : undefined
    if (change) this.#changes.push(change)
    this.#nextOffset = nextOffset
    this.#lastBatch = { baseOffset: baseOffsetAt(bytes, position), crc: crcAt(bytes, position) }
    this.#bytesSince += batchSizeAt(bytes, position)
    this.#table.floor = this.#chain.startOffset
    if (recordCountAt(bytes, position) === 0) return
    if (attributes & attribute.control) this.#decide(bytes, position)
    else if (attributes & attribute.transactional)
      this.#noteRecords(bytes, position, this.#undecidedOf(bytes, position), undefined, unpacked)
    else this.#noteRecords(bytes, position, this.#table, change, unpacked)
    if (this.sizeInBytes > this.maxBytes) this.#giveUp()
  }

  /** Everything before `offset` is written. */
  published(offset: number): void {
    const changes = this.#changes
    let done = 0
    while (done < changes.length && changes[done].nextOffset <= offset) done++
    if (done > 0) this.#changes = changes.slice(done)
  }

  /**
   * Takes back what was noted from `end` on and has not been written. Returns false where it
   * cannot: it has to be built anew.
   */
  rollBackTo(end: number): boolean {
    while (this.#changes.length > 0 && (this.#changes.at(-1)?.nextOffset ?? 0) > end) {
      const change = this.#changes.pop() as Change
      if (change.isTransactional) return false
      for (let i = change.before.length - 1; i >= 0; i--) {
        for (let word = 0; word < 4; word++) hash[word] = change.words[4 * i + word]
        if (change.before[i] === none) this.#table.delete(hash)
        else this.#table.set(hash, change.before[i])
      }
      this.#lastBatch = change.lastBatch
      this.#nextOffset = Math.min(this.#nextOffset, end)
    }
    return this.failure !== undefined || this.#nextOffset <= end
  }

  /**
   * The conditions that do not hold; `producerId` is who asks. Throws CONCURRENT_TRANSACTIONS where
   * a transaction of another producer has written to a key and is not decided.
   */
  conflictsWith(conditions: readonly KeyCondition[], producerId: number): FoundKey[] {
    if (this.failure) throw this.failure
    const found: FoundKey[] = []
    for (let index = 0; index < conditions.length; index++) {
      const { key, lastOffset } = conditions[index]
      hashKey(this.#secret, key, 0, key.length, hash)
      const entry = this.#lastEntry(producerId)
      const isThere = entry !== none
      const holds = lastOffset === 'none' ? !isThere || entry < 0 : isThere && offsetOf(entry) === lastOffset
      if (!holds) found.push({ index, lastOffset: isThere ? offsetOf(entry) : 'none' })
    }
    return found
  }

  /** The offset of the last record of a key, of all that are decided. */
  lastOffset(key: Uint8Array): number | 'none' {
    if (this.failure) throw this.failure
    hashKey(this.#secret, key, 0, key.length, hash)
    const entry = this.#decidedEntry()
    return entry === none ? 'none' : offsetOf(entry)
  }

  /**
   * All keys that have a record, as the hash of each with its offset; negative, less one, for a
   * tombstone. For tests and checks.
   */
  *entries(): Generator<{ readonly hash: Int32Array; readonly entry: number }> {
    for (const { hash, entry } of this.#table.all()) if (offsetOf(entry) >= this.#chain.startOffset) yield { hash: hash.slice(), entry }
  }

  /** Collects tombstones that compaction takes away. */
  collect(gone: KeyTable, bytes: Uint8Array, start: number, length: number, offset: number): void {
    hashKey(this.#secret, bytes, start, length, hash)
    gone.set(hash, entryOf(offset, true))
  }

  /**
   * Compaction has taken these tombstones away: their keys have no record any more, unless a later
   * one came.
   */
  forget(gone: KeyTable): void {
    for (const { hash, entry } of gone.all()) if (this.#table.get(hash) === entry) this.#table.delete(hash)
    // The snapshot beside the log still has them.
    this.#bytesSince = Number.POSITIVE_INFINITY
  }

  /**
   * The snapshot to write beside the log, where that is worth it by now; `share` is how much of the
   * index must have come since the last time.
   */
  snapshot(share: number): KeySnapshot | undefined {
    const isDue = this.#bytesSince >= Math.max(leastCheckpointBytes, share * entryBytes * this.#table.count)
    if (!isDue || this.#isCaptured || this.failure || this.#lastBatch === undefined) return undefined
    this.#isCaptured = true
    this.#bytesSince = 0
    let replayFrom = this.#nextOffset
    for (const { firstOffset } of this.#open.values()) replayFrom = Math.min(replayFrom, firstOffset)
    return {
      secret: this.#secret,
      offset: this.#nextOffset,
      startOffset: Math.max(this.#table.floor, this.#chain.startOffset),
      replayFrom,
      lastBatch: this.#lastBatch,
      entries: this.#table.capture()
    }
  }

  /** A snapshot was written, or could not be. */
  captured(snapshot: KeySnapshot, isWritten: boolean): void {
    snapshot.entries.end()
    this.#isCaptured = false
    if (!isWritten) this.#bytesSince = Number.POSITIVE_INFINITY
  }

  /** Begins with what was written beside the log; `put` then adds the entries. */
  restore({ secret, offset, lastBatch }: Omit<KeySnapshot, 'entries'>): void {
    this.clear()
    this.#secret = secret
    this.#nextOffset = offset
    this.#lastBatch = lastBatch
  }

  put(hash: Int32Array, entry: number): void {
    this.#table.set(hash, entry)
  }

  /**
   * The entry of the key that was hashed last, for a producer that may have records of its own
   * which are not decided.
   */
  #lastEntry(producerId: number): number {
    let entry = this.#decidedEntry()
    for (const [id, { keys }] of this.#open) {
      const undecided = keys.get(hash)
      if (undecided === none) continue
      if (id !== producerId) throw new ReservedError(id, `The key was written at offset ${offsetOf(undecided)}`)
      entry = undecided
    }
    return entry
  }

  #decidedEntry(): number {
    const entry = this.#table.get(hash)
    return entry === none || offsetOf(entry) < this.#chain.startOffset ? none : entry
  }

  #noteRecords(bytes: Uint8Array, position: number, table: KeyTable, change: Change | undefined, unpacked: RecordCursor | undefined): void {
    const records = recordsIn(bytes, position, unpacked)
    const baseOffset = baseOffsetAt(bytes, position)
    for (let i = 0; records.next(); i++) {
      if (records.keyLength < 0) continue
      hashKey(this.#secret, records.bytes, records.keyStart, records.keyLength, hash)
      const offset = unpacked ? baseOffset + i : records.offset
      const before = table.set(hash, entryOf(offset, records.valueLength < 0))
      if (!change) continue
      change.words.push(hash[0], hash[1], hash[2], hash[3])
      change.before.push(before)
    }
  }

  /** The keys of the transaction that a batch belongs to. */
  #undecidedOf(bytes: Uint8Array, position: number): KeyTable {
    const producerId = producerIdAt(bytes, position)
    let transaction = this.#open.get(producerId)
    if (!transaction) {
      transaction = { firstOffset: baseOffsetAt(bytes, position), keys: new KeyTable() }
      this.#open.set(producerId, transaction)
    }
    return transaction.keys
  }

  /** A marker: what the transaction wrote counts from now on, or never. */
  #decide(bytes: Uint8Array, position: number): void {
    const records = recordsIn(bytes, position)
    if (!records.next()) return
    const type = controlTypeOf(records.key())
    if (type !== 'COMMIT' && type !== 'ABORT') return
    const producerId = producerIdAt(bytes, position)
    const transaction = this.#open.get(producerId)
    this.#open.delete(producerId)
    if (type === 'ABORT' || !transaction) return
    for (const { hash, entry } of transaction.keys.all()) {
      const before = this.#table.get(hash)
      if (before === none || offsetOf(before) < offsetOf(entry)) this.#table.set(hash, entry)
    }
  }

  #giveUp(): void {
    const bytes = this.sizeInBytes
    this.clear()
    this.failure = new KafkaError(
      'POLICY_VIOLATION',
      `The index of the keys of \`${this.#folder}\` takes ${bytes} bytes, more than the ${this.maxBytes} that \`millrace.key.index.max.bytes\` allows; raise it`
    )
  }
}
