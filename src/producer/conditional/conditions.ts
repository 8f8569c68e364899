import { keyPartition } from '../../client/key-partition.js'
import { copyBytes, textBytes, writeText } from '../../common/bytes.js'
import { expectInteger, shown } from '../../common/options.js'
import { ConflictError, KafkaError } from '../../errors.js'
import type { Field } from '../../record/record.js'
import type { AnyTopic } from '../../record/topic.js'
import { chosenPartition, type Partitioner } from '../partitioner.js'
import { type AnyRecord, checkTimestamp, type EncodedRecord, encodedRecord, nameOf, serializedKey } from '../producer-record.js'

/** The conditions on the partition of records, for them to be written. */
export interface SendConditions<K = unknown> {
  /**
   * The offset of the last record of the record's key, or `'none'` where the key has no record, or
   * only a tombstone. Needs a topic with `keyIndex`. All records of a `sendBatch` must then have
   * the same key.
   */
  readonly ifKeyAt?: number | 'none'
  /** The same for any keys of the partition, as pairs of key and last offset. */
  readonly ifKeysAt?: Iterable<readonly [key: K, lastOffset: number | 'none']>
  /** The offset at which the partition ends: the one that the first record is to get. */
  readonly ifEndAt?: number
}

export interface EncodedCondition {
  readonly key: Uint8Array
  /** -1 for none. */
  readonly lastOffset: number
  /** See `idOf`. */
  readonly id: string
}

/** The place that the records of a condition go to. */
interface Place {
  readonly topic: string
  readonly partition: number
}

/** A condition that does not hold. */
export interface FoundConflict {
  readonly condition: EncodedCondition
  /** -1 for none. */
  readonly lastOffset: number
}

/** The error for conditions that do not hold: those on keys, or that on the end of the partition. */
export function conflictError(
  conflicts: readonly FoundConflict[],
  { endOffset = -1, errorMessage }: { readonly endOffset?: number; readonly errorMessage?: string | null },
  place: Place
): ConflictError {
  const keys = conflicts.map(({ condition, lastOffset }) => ({ key: copyBytes(condition.key), lastOffset: shownOffset(lastOffset) }))
  const [first] = conflicts
  const message = first
    ? `Expected the last offset of the key to be ${shownOffset(first.condition.lastOffset)}, it is ${shownOffset(first.lastOffset)}; nothing was written`
    : (errorMessage ?? '')
  return new ConflictError(message, { ...place, endOffset, keys })
}

function shownOffset(lastOffset: number): number | 'none' {
  return lastOffset < 0 ? 'none' : lastOffset
}

/** An error of a request with conditions, which says what it takes where a broker knows none. */
export function requestError(error: unknown, place: Place): unknown {
  if (!(error instanceof KafkaError && error.code === 'UNSUPPORTED_VERSION')) return error
  const message = `Sending on a condition takes a cluster of millrace: ${error.message}`
  return new KafkaError('UNSUPPORTED_VERSION', message, { ...place, cause: error })
}

/** The bytes that conditions take in a request, with the numbers that come with each. */
export function conditionBytes(conditions: readonly EncodedCondition[]): number {
  let size = 0
  for (const { key } of conditions) size += key.length + bytesBesideKey
  return size
}

const bytesBesideKey = 12

/** True if there are conditions; what else the options are is looked at later. */
export function isConditional(options: SendConditions): boolean {
  if (typeof options !== 'object' || options === null) return false
  const { ifKeyAt, ifKeysAt, ifEndAt } = options
  return ifKeyAt !== undefined || ifKeysAt !== undefined || ifEndAt !== undefined
}

export function expectLastOffset(name: string, value: unknown): void {
  if (value === 'none' || (Number.isSafeInteger(value) && (value as number) >= 0)) return
  throw new TypeError(`Expected \`${name}\` to be an offset, a non-negative integer, or 'none', got ${shown(value)}`)
}

export function expectEndOffset(name: string, value: unknown): void {
  expectInteger(name, value, 0)
}

export function expectKeysAt(name: string, value: unknown): void {
  const pairs = value as Iterable<unknown> | null
  if (typeof pairs !== 'object' || typeof pairs?.[Symbol.iterator] !== 'function')
    throw new TypeError(`Expected \`${name}\` to be pairs of a key and its last offset, got ${shown(value)}`)
}

/** Records that are to be sent on a condition, as they are at the call. There is at least one. */
export function encodedRecords(topic: AnyTopic | string, given: Iterable<AnyRecord>): EncodedRecord[] {
  const records: EncodedRecord[] = []
  for (const record of given) {
    records.push(encodedRecord(topic, record))
    if (record.timestamp !== undefined) checkTimestamp(topic, record.timestamp)
  }
  if (records.length === 0) throw new TypeError('Expected at least one record to be sent on a condition')
  return records
}

/** The conditions on keys, as they are sent. */
export function keyConditions(topic: AnyTopic | string, records: readonly EncodedRecord[], conditions: SendConditions): EncodedCondition[] {
  const { ifKeyAt, ifKeysAt } = conditions
  const encoded: EncodedCondition[] = []
  if (ifKeyAt !== undefined) encoded.push(conditionOn(keyOfAll(topic, records), ifKeyAt))
  if (ifKeysAt === undefined) return encoded
  for (const pair of ifKeysAt) {
    if (!Array.isArray(pair)) throw new TypeError(`Expected \`ifKeysAt\` to hold pairs of a key and its last offset, got ${shown(pair)}`)
    const [key, lastOffset] = pair as [unknown, number | 'none']
    expectLastOffset('ifKeysAt', lastOffset)
    const field = serializedKey(topic, { key, value: null } as AnyRecord)
    if (field === null) throw new TypeError('Expected `ifKeysAt` to name keys, got none')
    encoded.push(conditionOn(field, lastOffset))
  }
  return encoded
}

function conditionOn(key: Uint8Array | string, lastOffset: number | 'none'): EncodedCondition {
  return { key: keyBytes(key), lastOffset: lastOffset === 'none' ? -1 : lastOffset, id: idOf(key) }
}

function keyOfAll(topic: AnyTopic | string, records: readonly EncodedRecord[]): Uint8Array | string {
  const { key } = records[0]
  if (key === null) throw new TypeError(`Expected a record for \`${nameOf(topic)}\` that is sent with \`ifKeyAt\` to have a key`)
  if (records.length === 1) return key
  const id = idOf(key)
  if (records.some(record => record.key === null || idOf(record.key) !== id))
    throw new TypeError('Expected all records that are sent with `ifKeyAt` to have the same key; name keys in `ifKeysAt`')
  return key
}

/** Keys are many and short: they are cut from a shared piece. Nobody outside is handed one. */
let piece = new Uint8Array(0)
let pieceEnd = 0
const pieceBytes = 64 * 1024

function keyBytes(key: Uint8Array | string): Uint8Array {
  if (typeof key !== 'string') return key.slice()
  const mostBytes = 3 * key.length
  if (mostBytes > pieceBytes / 8) return textBytes(key)
  if (pieceEnd + mostBytes > piece.length) {
    piece = new Uint8Array(pieceBytes)
    pieceEnd = 0
  }
  const start = pieceEnd
  pieceEnd += writeText(piece, start, key)
  return piece.subarray(start, pieceEnd)
}

/** A text that is the same for keys of the same bytes. */
export function idOf(key: Uint8Array | string): string {
  if (typeof key === 'string' && isAscii(key)) return key
  return oneCharPerByte.decode(typeof key === 'string' ? textBytes(key) : key)
}

/** Gives each byte a character of its own, and those of ASCII theirs. */
const oneCharPerByte = new TextDecoder('latin1')

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

/**
 * The one partition of a conditional send. What the conditions rely on must be there too, as far as
 * anybody can tell. It may be one beyond those that are known.
 */
export function partitionFor(
  topic: string,
  records: readonly EncodedRecord[],
  keys: readonly EncodedCondition[],
  partitionCount: number,
  partitioner: Partitioner | undefined
): number {
  let found: number | undefined
  let isByKey = true
  for (const { record, key } of records) {
    const chosen = chosenPartition(topic, record, key, partitionCount, partitioner)
    if (chosen !== undefined) isByKey = false
    const partition = chosen ?? byKey(topic, key, partitionCount)
    found ??= partition
    if (partition !== found) throw elsewhere(topic, 'the records of a conditional send go', found, partition)
  }
  const partition = found as number
  if (partition >= partitionCount) return partition
  // The condition on a record's own key needs no look.
  if (!isByKey || partitionCount === 1 || (records.length === 1 && keys.length === 1 && keys[0].id === idOf(records[0].key ?? '')))
    return partition
  for (const { key } of keys) {
    const other = keyPartition(key, partitionCount)
    if (other !== partition) throw elsewhere(topic, 'the keys of its conditions belong', partition, other)
  }
  return partition
}

export function byKey(topic: string, key: Field, partitionCount: number): number {
  if (key !== null) return keyPartition(key, partitionCount)
  if (partitionCount === 1) return 0
  throw new TypeError(`Expected a record for \`${topic}\` that is sent on a condition to have a key or a \`partition\``)
}

/** Raises INVALID_REQUEST: what must be in one partition is not. */
export function elsewhere(topic: string, what: string, partition: number, other: number): KafkaError {
  const message = `Expected one partition of \`${topic}\` where ${what}, got ${partition} and ${other}; a condition is decided within one partition`
  return new KafkaError('INVALID_REQUEST', message, { topic, partition })
}

export function noPartition(topic: string, partition: number, partitionCount: number): KafkaError {
  const message = `There is no partition ${partition} in \`${topic}\`, which has ${partitionCount}`
  return new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', message, { topic, partition })
}
