import { readInt16, readInt32, readInt64, readUint32, writeInt32, writeInt64 } from '../common/bytes.js'

/**
 * The 61 bytes before the records of a Kafka v2 record batch (magic 2), all integers big-endian:
 *
 *     0 baseOffset: int64            offset of the first record; stamped by the log
 *     8 batchLength: int32           bytes after this field
 *    12 partitionLeaderEpoch: int32  stamped by the log
 *    16 magic: int8                  2
 *    17 crc: uint32                  CRC-32C of all that follows it
 *    21 attributes: int16            bits 0-2 codec, 3 log append time, 4 transactional, 5 control, 6 delete horizon
 *    23 lastOffsetDelta: int32
 *    27 baseTimestamp: int64
 *    35 maxTimestamp: int64
 *    43 producerId: int64, 51 producerEpoch: int16, 53 baseSequence: int32
 *    57 recordCount: int32
 *    61 records, plain or as one compressed stream
 *
 * The functions read and stamp a header in place, at `position` in `bytes`, without allocating.
 */
export const field = {
  baseOffset: 0,
  batchLength: 8,
  leaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57
} as const

export const headerBytes = 61
/** Bytes before those that `batchLength` counts. */
export const lengthPrefixBytes = 12
export const currentMagic = 2

export const attribute = {
  codecMask: 0x07,
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  deleteHorizon: 0x40
} as const

export const noTimestamp = -1
export const noProducerId = -1
export const noSequence = -1

/** Size of the whole batch in bytes. Only its first 12 bytes need to be there. */
export function batchSizeAt(bytes: Uint8Array, position: number): number {
  return lengthPrefixBytes + readInt32(bytes, position + field.batchLength)
}

export function baseOffsetAt(bytes: Uint8Array, position: number): number {
  return readInt64(bytes, position + field.baseOffset)
}

export function lastOffsetAt(bytes: Uint8Array, position: number): number {
  return baseOffsetAt(bytes, position) + readInt32(bytes, position + field.lastOffsetDelta)
}

export function leaderEpochAt(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + field.leaderEpoch)
}

export function crcAt(bytes: Uint8Array, position: number): number {
  return readUint32(bytes, position + field.crc)
}

export function attributesAt(bytes: Uint8Array, position: number): number {
  return readInt16(bytes, position + field.attributes)
}

export function baseTimestampAt(bytes: Uint8Array, position: number): number {
  return readInt64(bytes, position + field.baseTimestamp)
}

export function maxTimestampAt(bytes: Uint8Array, position: number): number {
  return readInt64(bytes, position + field.maxTimestamp)
}

export function producerIdAt(bytes: Uint8Array, position: number): number {
  return readInt64(bytes, position + field.producerId)
}

export function producerEpochAt(bytes: Uint8Array, position: number): number {
  return readInt16(bytes, position + field.producerEpoch)
}

export function recordCountAt(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + field.recordCount)
}

/** After this epoch a producer needs another id. */
export const lastProducerEpoch = 2 ** 15 - 1

/** Sequence numbers go on at 0 after this one. */
const lastSequenceNumber = 0x7fffffff

/** The sequence number that comes `count` after another. */
export function sequenceAfter(sequence: number, count: number): number {
  const next = sequence + count
  return next > lastSequenceNumber ? next - lastSequenceNumber - 1 : next
}

/** The fields that the log changes in a batch that it takes in; the CRC covers neither field. */
export function stampBatch(bytes: Uint8Array, position: number, baseOffset: number, leaderEpoch: number): void {
  writeInt64(bytes, position + field.baseOffset, baseOffset)
  writeInt32(bytes, position + field.leaderEpoch, leaderEpoch)
}

/** True if the bytes begin with a whole header that has the transactional bit. */
export function isTransactional(bytes: Uint8Array): boolean {
  return bytes.length >= headerBytes && (attributesAt(bytes, 0) & attribute.transactional) !== 0
}
