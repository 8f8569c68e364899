import type { RequestOf } from '../../protocol/message.js'
import type { ConditionalAppend } from '../../protocol/messages/conditional-append.js'
import { BatchBuilder } from '../../record/batch-builder.js'
import type { CompressionType } from '../../record/compression/codec.js'
import type { EncodedRecord } from '../producer-record.js'
import { type EncodedCondition, idOf } from './conditions.js'

/** One conditional `send` or `sendBatch`. */
export interface ConditionalSend {
  readonly records: readonly EncodedRecord[]
  readonly timestamps: readonly number[]
  readonly keys: readonly EncodedCondition[]
  /** -1 where the end does not matter. */
  readonly endOffset: number
  /** At most, in a batch. */
  readonly sizeInBytes: number
  /** Milliseconds of the monotonic clock at which it is given up. */
  readonly deadline: number
  resolve(baseOffset: number, logAppendTimeMs: number): void
  reject(error: unknown): void
}

/**
 * Takes sends from the front of a list that can travel in one batch: all of them are written, or
 * none, so none may depend on what another of them writes.
 */
export function takeGroup(waiting: ConditionalSend[], mostBytes: number, mostSends: number): ConditionalSend[] {
  let count = 0
  let bytes = 0
  const ids = new Set<string>()
  while (count < waiting.length && count < mostSends) {
    const next = waiting[count]
    if (count > 0 && (next.endOffset >= 0 || waiting[0].endOffset >= 0 || bytes + next.sizeInBytes > mostBytes)) break
    if (!addIds(next, ids)) break
    bytes += next.sizeInBytes
    count++
  }
  return waiting.splice(0, Math.max(1, count))
}

/** Adds the keys that a send writes or relies on; false where another has one of them. */
function addIds({ records, keys }: ConditionalSend, ids: Set<string>): boolean {
  if (records.length === 1 && keys.length <= 1) {
    // The everyday case: one record, conditional on its own key.
    const id = records[0].key === null ? undefined : idOf(records[0].key)
    const other = keys.length === 0 ? id : keys[0].id
    if ((id !== undefined && ids.has(id)) || (other !== undefined && ids.has(other))) return false
    if (id !== undefined) ids.add(id)
    if (other !== undefined) ids.add(other)
    return true
  }
  const own = new Set<string>()
  for (const { key } of records) if (key !== null) own.add(idOf(key))
  for (const { id } of keys) own.add(id)
  for (const id of own) if (ids.has(id)) return false
  for (const id of own) ids.add(id)
  return true
}

/** Encodes the batches of a partition's conditional sends, one after the other. */
export class ConditionalBatches {
  readonly #compression: CompressionType
  #builder: BatchBuilder

  constructor(compression: CompressionType) {
    this.#compression = compression
    this.#builder = new BatchBuilder({ compression })
  }

  /** Leaves the bytes of the last request to a broker that may still write to them. */
  leave(): void {
    this.#builder = new BatchBuilder({ compression: this.#compression })
  }

  /** The request for a group; its bytes hold until the next, or until they are left. */
  request(
    group: readonly ConditionalSend[],
    identity: { readonly producerId: number; readonly producerEpoch: number; readonly baseSequence: number },
    topic: string,
    partition: number
  ): RequestOf<typeof ConditionalAppend> {
    const builder = this.#builder
    builder.reset()
    const keys: EncodedCondition[] = []
    for (const send of group) {
      for (let i = 0; i < send.records.length; i++) {
        const { key, value, headers } = send.records[i]
        builder.append(send.timestamps[i], key, value, headers)
      }
      for (const condition of send.keys) keys.push(condition)
    }
    return { timeoutMs: 0, topic, partition, records: builder.build(identity), endOffset: group[0].endOffset, keys }
  }
}
