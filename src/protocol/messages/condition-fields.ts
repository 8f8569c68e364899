import { array, bytes, int32, int64 } from '../message.js'

/**
 * Conditions on a partition. An offset of -1 stands for none: of a key, that it has no record, or
 * only a tombstone; as `endOffset`, that the end does not matter.
 */
export const conditionFields = {
  endOffset: int64({ default: -1 }),
  keys: array({ key: bytes(), lastOffset: int64() })
}

/** The end and the offsets that are there instead, where conditions do not hold. */
export const conflictFields = {
  endOffset: int64({ default: -1 }),
  /** The keys whose last offset is another one, by their places in the request. */
  conflicts: array({ index: int32(), lastOffset: int64() }, { default: [] })
}
