import { readInt32 } from '../../common/bytes.js'
import { KafkaError } from '../../errors.js'
import {
  attribute,
  attributesAt,
  baseOffsetAt,
  field,
  lastOffsetAt,
  maxTimestampAt,
  noProducerId,
  noSequence,
  noTimestamp,
  producerEpochAt,
  producerIdAt,
  recordCountAt,
  sequenceAfter
} from '../../record/batch-header.js'
import { controlTypeOf, coordinatorEpochOf } from '../../record/control-record.js'
import { RecordCursor } from '../../record/record-cursor.js'
import { ProducerRoom } from './producer-room.js'
import type { AbortedTransaction } from './transaction-index.js'

/** A batch that an idempotent producer wrote, as far as it is remembered. */
export interface ProducedBatch {
  /** -1, as the last sequence, where a coordinator wrote it. */
  readonly baseSequence: number
  readonly lastSequence: number
  readonly baseOffset: number
  readonly lastOffset: number
  readonly timestamp: number
}

/** The state of one producer in a partition. */
export interface ProducerEntry {
  readonly producerId: number
  readonly epoch: number
  /**
   * The last batches, oldest first; none when only a marker of a transaction was written. They
   * change with the next append.
   */
  readonly batches: readonly ProducedBatch[]
  readonly lastTimestamp: number
  /** The epoch of the coordinator that wrote its last marker; -1 where there was none. */
  readonly coordinatorEpoch: number
  /** The first offset of the open transaction; -1 when there is none. */
  readonly transactionStart: number
}

type MutableBatch = { -readonly [field in keyof ProducedBatch]: ProducedBatch[field] }

interface MutableEntry extends ProducerEntry {
  epoch: number
  batches: MutableBatch[]
  lastTimestamp: number
  coordinatorEpoch: number
  transactionStart: number
  /**
   * The date of its last append, or the timestamp where that is later: records may be older than
   * their append.
   */
  lastUsed: number
}

/** Nothing waits between a `reset` and what is read then, so one cursor serves all. */
const cursor = new RecordCursor()
/**
 * The number of batches of a producer that are remembered: as many as a client may have in flight.
 */
export const rememberedBatches = 5
const noEpoch = -1

/**
 * The idempotent producers of a partition (KIP-98): the epoch and the last batches of each, by
 * which a batch that is sent again is told from one that is new, and a gap from what follows.
 * `check` a client's batch before it is written, `note` every batch that is.
 */
export class ProducerState {
  readonly #entries = new Map<number, MutableEntry>()
  /** The producers with an open transaction, in the order in which the transactions began. */
  readonly #open = new Set<MutableEntry>()
  #room: ProducerRoom

  constructor(room = new ProducerRoom()) {
    this.#room = room
  }

  get size(): number {
    return this.#entries.size
  }

  /** All producers that are known. */
  get entries(): Iterable<ProducerEntry> {
    return this.#entries.values()
  }

  /** True if a transaction is under way. */
  get hasOpenTransactions(): boolean {
    return this.#open.size > 0
  }

  /** The first offset of the earliest open transaction; infinite when there is none. */
  get firstOpenOffset(): number {
    for (const { transactionStart } of this.#open) return transactionStart
    return Number.POSITIVE_INFINITY
  }

  /** A producer with an open transaction that is not this one. */
  openBesides(producerId: number): number | undefined {
    for (const entry of this.#open) if (entry.producerId !== producerId) return entry.producerId
    return undefined
  }

  get(producerId: number): ProducerEntry | undefined {
    return this.#entries.get(producerId)
  }

  /**
   * Decides about the batch of a client that stands in `bytes`. Returns the batch as it was written
   * before when it is sent again: it must not be written a second time, and is answered with its
   * first offsets. Throws INVALID_PRODUCER_EPOCH for a producer that another has replaced, and
   * OUT_OF_ORDER_SEQUENCE_NUMBER where batches are missing in between. Batches without a producer
   * id pass.
   */
  check(bytes: Uint8Array, position = 0): ProducedBatch | undefined {
    const producerId = producerIdAt(bytes, position)
    if (producerId === noProducerId) return undefined
    const entry = this.#entries.get(producerId)
    if (!entry) return undefined
    const epoch = producerEpochAt(bytes, position)
    const baseSequence = readInt32(bytes, position + field.baseSequence)
    if (epoch < entry.epoch) {
      throw new KafkaError(
        'INVALID_PRODUCER_EPOCH',
        `Producer ${producerId} has gone on to epoch ${entry.epoch}; this batch is of ${epoch}`
      )
    }
    if (entry.epoch === noEpoch) return undefined
    if (epoch > entry.epoch) {
      if (baseSequence !== 0) throw outOfOrder(producerId, `a new epoch begins with sequence 0, not ${baseSequence}`)
      return undefined
    }
    const { batches } = entry
    // A marker alone tells the epoch: its first batch begins with 0.
    const expected = batches.length > 0 ? sequenceAfter(batches[batches.length - 1].lastSequence, 1) : 0
    if (baseSequence === expected) {
      if (entry.transactionStart >= 0 && !(attributesAt(bytes, position) & attribute.transactional)) throw outsideOf(producerId)
      return undefined
    }
    const lastSequence = sequenceAfter(baseSequence, readInt32(bytes, position + field.lastOffsetDelta))
    for (const batch of batches) if (batch.baseSequence === baseSequence && batch.lastSequence === lastSequence) return batch
    throw outOfOrder(producerId, `sequence ${baseSequence} comes where ${expected} is next`)
  }

  /**
   * Takes in a batch that was written, with its offsets in it: by a client, by a replica, or long
   * ago when a log is opened. Returns the transaction that it aborts, if it does. `now` is the date
   * of its append, where that is known.
   */
  note(bytes: Uint8Array, position = 0, now = noTimestamp): AbortedTransaction | undefined {
    const producerId = producerIdAt(bytes, position)
    if (producerId === noProducerId) return undefined
    const epoch = producerEpochAt(bytes, position)
    const timestamp = maxTimestampAt(bytes, position)
    let entry = this.#entries.get(producerId)
    if (!entry) {
      this.#room.take(this)
      entry = { producerId, epoch, batches: [], lastTimestamp: timestamp, coordinatorEpoch: -1, transactionStart: -1, lastUsed: now }
      this.#entries.set(producerId, entry)
    }
    if (epoch !== entry.epoch) entry.batches = []
    entry.epoch = epoch
    entry.lastTimestamp = timestamp
    entry.lastUsed = timestamp > now ? timestamp : now
    const attributes = attributesAt(bytes, position)
    if (attributes & attribute.control) return this.#noteMarker(entry, bytes, position)
    const baseSequence = readInt32(bytes, position + field.baseSequence)
    const offsetDelta = readInt32(bytes, position + field.lastOffsetDelta)
    const lastSequence = baseSequence === noSequence ? noSequence : sequenceAfter(baseSequence, offsetDelta)
    const baseOffset = baseOffsetAt(bytes, position)
    const lastOffset = baseOffset + offsetDelta
    remember(entry.batches, baseSequence, lastSequence, baseOffset, lastOffset, timestamp)
    if (attributes & attribute.transactional && entry.transactionStart < 0) {
      entry.transactionStart = baseOffset
      this.#open.add(entry)
    }
    return undefined
  }

  #noteMarker(entry: MutableEntry, bytes: Uint8Array, position: number): AbortedTransaction | undefined {
    // A marker that compaction has emptied tells no more than that there was one.
    if (recordCountAt(bytes, position) === 0) return undefined
    cursor.reset(bytes, position)
    if (!cursor.next()) return undefined
    const type = controlTypeOf(cursor.key())
    if (type !== 'ABORT' && type !== 'COMMIT') return undefined
    const { producerId, transactionStart: firstOffset } = entry
    entry.coordinatorEpoch = coordinatorEpochOf(cursor.value())
    entry.transactionStart = -1
    this.#open.delete(entry)
    if (type === 'COMMIT' || firstOffset < 0) return undefined
    const lastOffset = lastOffsetAt(bytes, position)
    return { producerId, firstOffset, lastOffset, lastStableOffset: Math.min(lastOffset + 1, this.firstOpenOffset) }
  }

  /** Takes in what a snapshot knows of a producer. */
  restore(entry: ProducerEntry): void {
    const known = this.#entries.get(entry.producerId)
    if (known) this.#open.delete(known)
    else this.#room.take(this)
    const restored = { ...entry, batches: entry.batches.map(batch => ({ ...batch })), lastUsed: entry.lastTimestamp }
    this.#entries.set(entry.producerId, restored)
    if (restored.transactionStart >= 0) this.#open.add(restored)
  }

  /** Takes in a whole snapshot, in whatever order its producers come. */
  restoreAll(entries: Iterable<ProducerEntry>): void {
    for (const entry of [...entries].sort((a, b) => a.transactionStart - b.transactionStart)) this.restore(entry)
  }

  /**
   * Forgets producers that wrote nothing for as long as the room says, but for those with a
   * transaction under way.
   */
  expire(now: number): void {
    const { expirationMs } = this.#room
    for (const { producerId, lastUsed, transactionStart } of this.#entries.values()) {
      if (now - lastUsed >= expirationMs && transactionStart < 0) this.#forget(producerId)
    }
  }

  /**
   * Forgets the producers whose last batches are furthest back in the log, but for those with a
   * transaction under way.
   */
  forgetOldest(count: number): void {
    const idle = [...this.#entries.values()].filter(({ transactionStart }) => transactionStart < 0)
    idle.sort((a, b) => lastOffsetOf(a) - lastOffsetOf(b))
    for (const { producerId } of idle.slice(0, count)) this.#forget(producerId)
  }

  #forget(producerId: number): void {
    this.#entries.delete(producerId)
    this.#room.give(this, 1)
  }

  /** Counts no longer among those that share the room: the log is closed. */
  leaveRoom(): void {
    this.#room.leave(this)
    this.#room = new ProducerRoom()
  }

  /** Forgets everything, before it is built anew from what is left of a log. */
  clear(): void {
    const { size } = this
    this.#entries.clear()
    this.#room.give(this, size)
    this.#open.clear()
  }
}

/**
 * Adds a batch; where there are enough, the oldest becomes it, so that an append leaves nothing
 * behind.
 */
function remember(
  batches: MutableBatch[],
  baseSequence: number,
  lastSequence: number,
  baseOffset: number,
  lastOffset: number,
  timestamp: number
): void {
  if (batches.length < rememberedBatches) {
    batches.push({ baseSequence, lastSequence, baseOffset, lastOffset, timestamp })
    return
  }
  const batch = batches[0]
  for (let i = 1; i < rememberedBatches; i++) batches[i - 1] = batches[i]
  batches[rememberedBatches - 1] = batch
  batch.baseSequence = baseSequence
  batch.lastSequence = lastSequence
  batch.baseOffset = baseOffset
  batch.lastOffset = lastOffset
  batch.timestamp = timestamp
}

function lastOffsetOf({ batches }: ProducerEntry): number {
  return batches.at(-1)?.lastOffset ?? -1
}

function outsideOf(producerId: number): KafkaError {
  return new KafkaError('INVALID_TXN_STATE', `Producer ${producerId} has a transaction under way, to which this batch does not belong`)
}

function outOfOrder(producerId: number, what: string): KafkaError {
  return new KafkaError('OUT_OF_ORDER_SEQUENCE_NUMBER', `Batches of producer ${producerId} are missing: ${what}`)
}
