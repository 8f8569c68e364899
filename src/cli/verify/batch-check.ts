import { KafkaError } from '../../errors.js'
import type { CompressionType } from '../../record/compression/codec.js'
import type { RecordBatch } from '../../record/record-batch.js'
import type { RecordCursor } from '../../record/record-cursor.js'

/**
 * True if a batch is whole, as far as can be said, but of a compression that this version of Node
 * lacks.
 */
export function isUnreadable(problem: KafkaError | undefined): boolean {
  return problem?.code === 'UNSUPPORTED_COMPRESSION_TYPE'
}

/**
 * The fault of a batch by itself: its checksum, then the structure and the offsets of its records.
 */
export function problemOfBatch(batch: RecordBatch, cursor: RecordCursor): KafkaError | undefined {
  try {
    batch.verify()
    let count = 0
    if (compressionIn(batch) === undefined) throw new KafkaError('CORRUPT_MESSAGE', 'There is no such compression type as it names')
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

/** Undefined for a number that stands for none. */
export function compressionIn(batch: RecordBatch): CompressionType | undefined {
  try {
    return batch.compression
  } catch {
    return undefined
  }
}
