import { api, array, bool, bytes, int16, int32, int64, records, string } from '../message.js'

/**
 * Appends a batch to a partition where that still is as the writer has read it; otherwise nothing
 * is written. An API of this library, not of Kafka's. An offset of -1 stands for none: of a key,
 * that it has no record, or only a tombstone; as `endOffset`, that the end does not matter.
 */
export const ConditionalAppend = api({
  key: 10000,
  name: 'ConditionalAppend',
  versions: '0',
  flexible: '0+',
  request: {
    timeoutMs: int32(),
    topic: string(),
    partition: int32(),
    records: records(),
    endOffset: int64({ default: -1 }),
    keys: array({ key: bytes(), lastOffset: int64() })
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+', default: null }),
    /** True if a condition did not hold. What is there now follows. */
    isConflict: bool({ default: false }),
    baseOffset: int64({ default: -1 }),
    logAppendTimeMs: int64({ default: -1 }),
    endOffset: int64({ default: -1 }),
    /** The keys whose last offset is another one, by their places in the request. */
    conflicts: array({ index: int32(), lastOffset: int64() }, { default: [] })
  }
})
