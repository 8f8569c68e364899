import { headerBytes, recordCountAt } from '../record/batch-header.js'

/** What `walkPlainRecords` found out last. */
export const plainRecords = { minTimestampDelta: 0, maxTimestampDelta: 0 }

/**
 * The quick half of validation, a quarter of what a `RecordCursor` takes: `true` when all records of the uncompressed batch in `bytes` are of
 * the everyday kind, which is valid: offset deltas 0, 1, 2 …, no headers, lengths and times that fit two bytes. `false` says nothing
 * about the batch: it has to be looked at properly.
 */
export function walkPlainRecords(bytes: Uint8Array, needsKeys: boolean): boolean {
  const count = recordCountAt(bytes, 0)
  const end = bytes.length
  let position = headerBytes
  let minTimestampDelta = 0x7fffffff
  let maxTimestampDelta = -0x7fffffff
  let first: number
  let second: number
  let zigzag: number
  let length: number
  for (let index = 0; index < count; index++) {
    // Each varint is read on the spot: a call, or a field to keep the position in, would cost as much as the rest.
    first = bytes[position++]
    zigzag = first
    if (first >= 0x80) {
      second = bytes[position++]
      if (!(second < 0x80)) return false
      zigzag = (first & 0x7f) | (second << 7)
    }
    const recordEnd = position + (zigzag >>> 1)
    if ((zigzag & 1) !== 0 || !(recordEnd <= end)) return false
    position++

    first = bytes[position++]
    zigzag = first
    if (first >= 0x80) {
      second = bytes[position++]
      if (!(second < 0x80)) return false
      zigzag = (first & 0x7f) | (second << 7)
    }
    const timestampDelta = (zigzag >>> 1) ^ -(zigzag & 1)
    if (timestampDelta > maxTimestampDelta) maxTimestampDelta = timestampDelta
    if (timestampDelta < minTimestampDelta) minTimestampDelta = timestampDelta

    first = bytes[position++]
    zigzag = first
    if (first >= 0x80) {
      second = bytes[position++]
      if (!(second < 0x80)) return false
      zigzag = (first & 0x7f) | (second << 7)
    }
    if (zigzag !== index * 2) return false

    first = bytes[position++]
    if (!(first < 0x80)) return false
    length = (first >>> 1) ^ -(first & 1)
    if (length < -1 || (length < 0 && needsKeys)) return false
    if (length > 0) position += length

    first = bytes[position++]
    zigzag = first
    if (first >= 0x80) {
      second = bytes[position++]
      if (!(second < 0x80)) return false
      zigzag = (first & 0x7f) | (second << 7)
    }
    length = (zigzag >>> 1) ^ -(zigzag & 1)
    if (length < -1) return false
    if (length > 0) position += length

    if (bytes[position++] !== 0 || position !== recordEnd) return false
  }
  plainRecords.minTimestampDelta = minTimestampDelta
  plainRecords.maxTimestampDelta = maxTimestampDelta
  return count > 0 && position === end
}
