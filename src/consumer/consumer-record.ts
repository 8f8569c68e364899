import type { RecordHeader } from '../record/record.js'

/** A record as a consumer gets it. It owns its memory and may be kept. */
export class ConsumerRecord<K = Uint8Array, V = Uint8Array, N extends string = string> {
  readonly topic: N
  readonly partition: number
  /** Its place in the partition. Offsets grow, but not always by one. */
  readonly offset: number
  /** Milliseconds since 1970; -1 when it has none. */
  readonly timestamp: number
  /** `null`, whatever the type says, when the record has no key. */
  readonly key: K
  /** `null` for a tombstone. A topic whose type has tombstones says so by `nullable`. */
  readonly value: V
  readonly headers: readonly RecordHeader[]
  /** The epoch of the partition's leader that took it in; -1 when unknown. */
  readonly leaderEpoch: number

  constructor(
    topic: N,
    partition: number,
    offset: number,
    timestamp: number,
    key: K,
    value: V,
    headers: readonly RecordHeader[],
    leaderEpoch: number
  ) {
    this.topic = topic
    this.partition = partition
    this.offset = offset
    this.timestamp = timestamp
    this.key = key
    this.value = value
    this.headers = headers
    this.leaderEpoch = leaderEpoch
  }
}
