import { RecordCursor } from '../../record/record-cursor.js'

const cursor = new RecordCursor()

/**
 * The records of a batch, to be gone through at once: the next call uses the same cursor.
 * `unpacked` has them, where somebody has decompressed them already.
 */
export function recordsIn(bytes: Uint8Array, position: number, unpacked?: RecordCursor): RecordCursor {
  if (unpacked) unpacked.rewind()
  else cursor.reset(bytes, position)
  return unpacked ?? cursor
}
