import { KafkaError } from '../../errors.js'
import type { RecordBatch } from '../../record/record-batch.js'
import type { RecordCursor } from '../../record/record-cursor.js'

/** What is wrong with a batch by itself: its checksum, then the structure and the offsets of its records. */
export function problemOfBatch(batch: RecordBatch, cursor: RecordCursor): KafkaError | undefined {
  try {
    batch.verify()
    let count = 0
    cursor.reset(batch.bytes, 0)
    while (cursor.next()) {
      count++
      if (cursor.timestamp > batch.maxTimestamp) {
        const text = `the record at offset ${cursor.offset} is later than the batch's largest timestamp`
        throw new KafkaError('INVALID_RECORD', text)
      }
    }
    if (count !== batch.recordCount) throw new KafkaError('INVALID_RECORD', `it holds ${count} records, not ${batch.recordCount}`)
    return undefined
  } catch (error) {
    if (error instanceof KafkaError) return error
    throw error
  }
}
