import { readInt16, readInt32, readInt64, readUint32, writeInt16, writeInt32, writeInt64 } from '../../common/bytes.js'
import { crc32c } from '../../common/crc32c.js'
import { KafkaError } from '../../errors.js'
import { sequenceAfter } from '../../record/batch-header.js'
import { type ProducedBatch, type ProducerEntry, rememberedBatches } from './producer-state.js'

/**
 * The content of a `.snapshot` file: the producers of a partition as they were at the offset that
 * is the file's name (integers big-endian).
 *     file  := version: int16 (1), crc: uint32 (CRC-32C of all that follows), count: int32, entry*
 *     entry := producerId: int64, epoch: int16, lastSequence: int32, lastOffset: int64, offsetDelta: int32, timestamp: int64,
 *              coordinatorEpoch: int32, transactionFirstOffset: int64 (-1: none is open)
 * Kafka writes one entry for each producer, with its last batch. Here each batch that is remembered
 * has one, the last one last: all five are recognized when they are sent again after a restart.
 * Kafka, where a producer comes twice, believes the later entry.
 */
const version = 1
const headerSize = 10
const entrySize = 46
const none = -1

export function encodeProducerSnapshot(entries: Iterable<ProducerEntry>): Uint8Array {
  const all = [...entries]
  let count = 0
  for (const { batches } of all) count += Math.max(1, batches.length)
  const bytes = new Uint8Array(headerSize + count * entrySize)
  writeInt16(bytes, 0, version)
  writeInt32(bytes, 6, count)
  let position = headerSize
  for (const entry of all) {
    const last = entry.batches.length - 1
    for (let i = 0; i < last; i++) position = writeEntry(bytes, position, entry, entry.batches[i], entry.batches[i].timestamp)
    position = writeEntry(bytes, position, entry, entry.batches[last], entry.lastTimestamp)
  }
  writeInt32(bytes, 2, crc32c(bytes, 6))
  return bytes
}

/** Returns where the next one goes. */
function writeEntry(
  bytes: Uint8Array,
  position: number,
  { producerId, epoch, coordinatorEpoch, transactionStart }: ProducerEntry,
  batch: ProducedBatch | undefined,
  timestamp: number
): number {
  writeInt64(bytes, position, producerId)
  writeInt16(bytes, position + 8, epoch)
  writeInt32(bytes, position + 10, batch?.lastSequence ?? none)
  writeInt64(bytes, position + 14, batch?.lastOffset ?? none)
  writeInt32(bytes, position + 22, batch ? batch.lastOffset - batch.baseOffset : 0)
  writeInt64(bytes, position + 26, timestamp)
  writeInt32(bytes, position + 34, coordinatorEpoch)
  writeInt64(bytes, position + 38, transactionStart)
  return position + entrySize
}

/** An entry as it stands in the file. */
export interface SnapshotEntry {
  readonly producerId: number
  readonly producerEpoch: number
  readonly lastSequence: number
  readonly lastOffset: number
  readonly offsetDelta: number
  readonly timestamp: number
  readonly coordinatorEpoch: number
  readonly currentTransactionFirstOffset: number
}

/** Throws CORRUPT_MESSAGE for bytes that are no snapshot; its owner then reads the log instead. */
export function decodeProducerSnapshot(bytes: Uint8Array): ProducerEntry[] {
  const producers = new Map<number, ProducerEntry>()
  for (const entry of snapshotEntries(bytes)) {
    const found = producerIn(entry)
    const before = producers.get(found.producerId)
    const earlier = before?.epoch === found.epoch ? before.batches : []
    producers.set(found.producerId, { ...found, batches: [...earlier, ...found.batches].slice(-rememberedBatches) })
  }
  return [...producers.values()]
}

/** Throws CORRUPT_MESSAGE, with the reason, for bytes that are no snapshot. */
export function snapshotEntries(bytes: Uint8Array): SnapshotEntry[] {
  if (bytes.length < headerSize) throw damaged(`it has ${bytes.length} bytes, its header alone takes ${headerSize}`)
  if (readInt16(bytes, 0) !== version) throw damaged(`its version is ${readInt16(bytes, 0)}, not ${version}`)
  const actual = crc32c(bytes, 6)
  if (actual !== readUint32(bytes, 2)) throw damaged(`its checksum is ${readUint32(bytes, 2)}, its bytes give ${actual}`)
  const count = readInt32(bytes, 6)
  if (bytes.length !== headerSize + count * entrySize) throw damaged(`${count} entries do not make its ${bytes.length} bytes`)
  return Array.from({ length: count }, (_, i) => entryAt(bytes, headerSize + i * entrySize))
}

function entryAt(bytes: Uint8Array, position: number): SnapshotEntry {
  return {
    producerId: readInt64(bytes, position),
    producerEpoch: readInt16(bytes, position + 8),
    lastSequence: readInt32(bytes, position + 10),
    lastOffset: readInt64(bytes, position + 14),
    offsetDelta: readInt32(bytes, position + 22),
    timestamp: readInt64(bytes, position + 26),
    coordinatorEpoch: readInt32(bytes, position + 34),
    currentTransactionFirstOffset: readInt64(bytes, position + 38)
  }
}

function producerIn(entry: SnapshotEntry): ProducerEntry {
  const { producerId, producerEpoch: epoch, lastSequence, lastOffset, offsetDelta, timestamp, coordinatorEpoch } = entry
  const batch = {
    baseSequence: baseSequenceOf(lastSequence, offsetDelta),
    lastSequence,
    baseOffset: lastOffset - offsetDelta,
    lastOffset,
    timestamp
  }
  return {
    producerId,
    epoch,
    batches: lastOffset === none ? [] : [batch],
    lastTimestamp: timestamp,
    coordinatorEpoch,
    transactionStart: entry.currentTransactionFirstOffset
  }
}

function baseSequenceOf(lastSequence: number, offsetDelta: number): number {
  if (lastSequence === none) return none
  return lastSequence >= offsetDelta ? lastSequence - offsetDelta : sequenceAfter(lastSequence, 2 ** 31 - offsetDelta)
}

function damaged(reason: string): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', reason)
}
