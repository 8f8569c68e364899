import { readInt32, writeInt16, writeInt32, writeInt64 } from '../../common/bytes.js'
import { crc32c } from '../../common/crc32c.js'
import { BatchBuilder } from '../../record/batch-builder.js'
import {
  attribute,
  attributesAt,
  baseOffsetAt,
  baseTimestampAt,
  batchSizeAt,
  field,
  headerBytes,
  lastOffsetAt,
  leaderEpochAt,
  lengthPrefixBytes,
  maxTimestampAt,
  noProducerId,
  noTimestamp,
  producerEpochAt,
  producerIdAt,
  recordCountAt
} from '../../record/batch-header.js'
import type { CompressionType } from '../../record/compression/codec.js'
import { compressionTypeOf } from '../../record/compression/codecs.js'
import { RecordCursor } from '../../record/record-cursor.js'
import type { KeyOffsets } from './key-offsets.js'
import type { TransactionRemains } from './transaction-remains.js'

/** The last state of a producer that has not expired. */
export interface LastOfProducer {
  readonly epoch: number
  /** Last offset of its last batch with data; absent when only a marker is known. */
  readonly lastOffset?: number
}

export interface CleaningRules {
  readonly keys: KeyOffsets
  /** The end of the keys: all records from here on stay. */
  readonly keysEnd: number
  /**
   * The end of the cleaning round: the batch before it stays, even if it is empty, so that the
   * offsets go on there after a restart.
   */
  readonly roundEnd: number
  readonly transactions: TransactionRemains
  readonly lastOfProducer: (producerId: number) => LastOfProducer | undefined
  /** Milliseconds since 1970. */
  readonly now: number
  readonly deleteRetentionMs: number
  /** Told of each tombstone that goes. */
  readonly onTombstoneGone?: (bytes: Uint8Array, keyStart: number, keyLength: number, offset: number) => void
}

/**
 * Decides what stays of a batch, and makes it. Offsets and the range of sequence numbers never
 * change; a batch that loses records is compressed anew as it was. A tombstone stays when it is
 * first met: its batch is stamped with the time from which on it may go, which stands in the place
 * of the base timestamp. A transaction's marker likewise, once nothing else is left of the
 * transaction.
 */
export class BatchCleaner {
  readonly #rules: CleaningRules
  readonly #cursor = new RecordCursor()
  readonly #builders = new Map<CompressionType, BatchBuilder>()
  /** Bytes that the last batch took to read and write. */
  work = 0
  recordsRead = 0
  recordsKept = 0

  constructor(rules: CleaningRules) {
    this.#rules = rules
  }

  /**
   * The bytes to keep of the next batch, which is known to be sound; undefined for none. They hold
   * until the next call.
   */
  clean(bytes: Uint8Array, position: number): Uint8Array | undefined {
    const { transactions, now, deleteRetentionMs } = this.#rules
    this.work = batchSizeAt(bytes, position)
    this.recordsRead += recordCountAt(bytes, position)
    const isControl = (attributesAt(bytes, position) & attribute.control) !== 0
    const horizon = deleteHorizonAt(bytes, position)
    const isMoot = isControl ? transactions.endsNothing(bytes, position) : transactions.isAborted(bytes, position)
    const isDiscarded = isMoot && (!isControl || (horizon !== undefined && horizon <= now))
    if (isDiscarded) return this.#mustStay(bytes, position) ? emptied(bytes, position) : undefined

    this.#cursor.reset(bytes, position)
    if (this.#cursor.bytes !== bytes) this.work += this.#cursor.bytes.length
    const { kept, tombstones } = this.#count(horizon, isControl)
    if (kept === 0) return this.#mustStay(bytes, position) ? emptied(bytes, position) : undefined
    this.recordsKept += kept
    const newHorizon = horizon ?? (tombstones > 0 || (isControl && isMoot) ? now + deleteRetentionMs : undefined)
    if (kept === recordCountAt(bytes, position) && newHorizon === horizon) {
      return bytes.subarray(position, position + batchSizeAt(bytes, position))
    }
    return this.#rebuilt(bytes, position, horizon, newHorizon, isControl)
  }

  #mustStay(bytes: Uint8Array, position: number): boolean {
    const { roundEnd, lastOfProducer } = this.#rules
    const lastOffset = lastOffsetAt(bytes, position)
    if (lastOffset + 1 === roundEnd) return true
    const producerId = producerIdAt(bytes, position)
    const last = producerId === noProducerId ? undefined : lastOfProducer(producerId)
    if (!last) return false
    if (last.lastOffset !== undefined) return last.lastOffset === lastOffset
    return (attributesAt(bytes, position) & attribute.control) !== 0 && producerEpochAt(bytes, position) === last.epoch
  }

  #count(horizon: number | undefined, isControl: boolean): { readonly kept: number; readonly tombstones: number } {
    const cursor = this.#cursor
    let kept = 0
    let tombstones = 0
    while (cursor.next()) {
      if (!isControl && !this.#keeps(horizon)) {
        this.#goes()
        continue
      }
      kept++
      if (cursor.valueLength < 0) tombstones++
    }
    return { kept, tombstones }
  }

  /** The record that the cursor stands at does not stay. */
  #goes(): void {
    const { onTombstoneGone } = this.#rules
    const { bytes, keyStart, keyLength, valueLength, offset } = this.#cursor
    if (onTombstoneGone && valueLength < 0 && keyLength >= 0) onTombstoneGone(bytes, keyStart, keyLength, offset)
  }

  /** True if the record that the cursor stands at stays. */
  #keeps(horizon: number | undefined): boolean {
    const { keys, keysEnd, now } = this.#rules
    const cursor = this.#cursor
    if (cursor.offset >= keysEnd) return true
    if (cursor.keyLength < 0) return false
    if (cursor.offset < keys.get(cursor.bytes, cursor.keyStart, cursor.keyLength)) return false
    return cursor.valueLength >= 0 || horizon === undefined || horizon > now
  }

  #rebuilt(
    bytes: Uint8Array,
    position: number,
    horizon: number | undefined,
    newHorizon: number | undefined,
    isControl: boolean
  ): Uint8Array {
    const cursor = this.#cursor
    const baseOffset = baseOffsetAt(bytes, position)
    const attributes = attributesAt(bytes, position)
    const builder = this.#builderFor(compressionTypeOf(attributes & attribute.codecMask))
    builder.reset(newHorizon)
    cursor.rewind()
    while (cursor.next()) {
      if (!isControl && !this.#keeps(horizon)) continue
      builder.appendAt(cursor.offset - baseOffset, cursor.timestamp, cursor.key(), cursor.value(), cursor.headers())
    }
    this.work += 2 * builder.sizeInBytes
    return builder.build({
      baseOffset,
      leaderEpoch: leaderEpochAt(bytes, position),
      producerId: producerIdAt(bytes, position),
      producerEpoch: producerEpochAt(bytes, position),
      baseSequence: readInt32(bytes, position + field.baseSequence),
      transactional: (attributes & attribute.transactional) !== 0,
      control: isControl,
      logAppendTime: attributes & attribute.logAppendTime ? maxTimestampAt(bytes, position) : undefined,
      lastOffsetDelta: readInt32(bytes, position + field.lastOffsetDelta)
    })
  }

  #builderFor(compression: CompressionType): BatchBuilder {
    let builder = this.#builders.get(compression)
    if (!builder) this.#builders.set(compression, (builder = new BatchBuilder({ compression })))
    return builder
  }
}

/**
 * The time at which the tombstones of the batch may go; undefined when compaction has not met them
 * yet.
 */
function deleteHorizonAt(bytes: Uint8Array, position: number): number | undefined {
  return attributesAt(bytes, position) & attribute.deleteHorizon ? baseTimestampAt(bytes, position) : undefined
}

/**
 * The header alone: it keeps the offsets, whose batch it is, its sequence numbers and the largest
 * timestamp.
 */
function emptied(bytes: Uint8Array, position: number): Uint8Array {
  const header = bytes.slice(position, position + headerBytes)
  const { logAppendTime, transactional, control } = attribute
  writeInt32(header, field.batchLength, headerBytes - lengthPrefixBytes)
  writeInt16(header, field.attributes, attributesAt(bytes, position) & (logAppendTime | transactional | control))
  writeInt64(header, field.baseTimestamp, noTimestamp)
  writeInt32(header, field.recordCount, 0)
  writeInt32(header, field.crc, crc32c(header, field.attributes))
  return header
}
