/** A name and a value that travel with a record. Names may repeat; their order is kept. */
export interface RecordHeader {
  readonly key: string
  readonly value: Uint8Array | null
}

/** A record as it stands in a log: bytes, with the offset and the timestamp that it got there. */
export interface LogRecord {
  readonly offset: number
  /** Milliseconds since 1970; -1 when it has none. */
  readonly timestamp: number
  readonly key: Uint8Array | null
  /** `null` is a tombstone: in a compacted topic it deletes the key. */
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

/**
 * A key or value on its way into a batch. A string stands for its UTF-8 bytes, so that text is
 * encoded straight into the batch.
 */
export type Field = Uint8Array | string | null

/** A header on its way into a batch. */
export interface HeaderField {
  readonly key: string
  readonly value: Field
}

/** A record on its way into a batch. */
export interface RecordFields {
  /** Default: one more than that of the record before. */
  readonly offset?: number
  /** Milliseconds since 1970. Default: -1, none. */
  readonly timestamp?: number
  readonly key?: Field
  readonly value?: Field
  readonly headers?: readonly HeaderField[]
}
