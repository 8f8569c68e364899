import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../src/common/bytes.js'
import { FetchedRecords } from '../../../src/consumer/fetch/fetched-records.js'
import { transactionMarkerBatch } from '../../../src/record/control-record.js'
import { RecordBatch } from '../../../src/record/record-batch.js'
import { RecordCursor } from '../../../src/record/record-cursor.js'

function fetched(startOffset: number, ...baseOffsets: number[]): FetchedRecords {
  const batches = baseOffsets.map(baseOffset => RecordBatch.of([{ value: 'a' }, { value: 'b' }], { baseOffset }).bytes)
  return new FetchedRecords(concatBytes(batches), startOffset, new RecordCursor(), null, false)
}

describe('what was fetched', () => {
  it('ends after its last batch, gaps between batches or not', () => {
    expect(fetched(10, 10, 12).endOffset).toBe(14)
    expect(fetched(11, 10, 20).endOffset).toBe(22)
  })

  it('is without what was aborted, wherever it begins, and has all that the same producer has committed since', () => {
    const ofProducer = { producerId: 7, producerEpoch: 0, transactional: true }
    const marker = transactionMarkerBatch({ type: 'ABORT', ...ofProducer, coordinatorEpoch: 0, timestamp: 0 })
    // The last byte of its base offset.
    marker[7] = 1
    const bytes = concatBytes([
      RecordBatch.of([{ value: 'a' }], { ...ofProducer, baseOffset: 0, baseSequence: 0 }).bytes,
      marker,
      RecordBatch.of([{ value: 'b' }], { ...ofProducer, baseOffset: 2, baseSequence: 1 }).bytes,
      RecordBatch.of([{ value: 'c' }], { ...ofProducer, baseOffset: 3, baseSequence: 2 }).bytes
    ])
    const aborted = [{ producerId: 7, firstOffset: 0 }]
    const first = new FetchedRecords(bytes, 0, new RecordCursor(), aborted, false)
    // A fetch that begins at the marker is told of the transaction, too.
    const fromMarker = new FetchedRecords(bytes.subarray(new RecordBatch(bytes, 0).sizeInBytes), 1, new RecordCursor(), aborted, false)
    for (const records of [first, first.again(0), first.again(2), fromMarker, fromMarker.again(2)]) {
      const offsets: number[] = []
      while (records.next()) offsets.push(records.cursor.offset)
      expect(offsets).toEqual([2, 3])
    }
  })

  it('is damaged when its offsets go back: a reader would read it for ever', () => {
    expect(() => fetched(10, 10, 5)).toThrowError(expect.objectContaining({ code: 'CORRUPT_MESSAGE' }))
  })

  it('is damaged when all of it lies before what was asked for', () => {
    expect(() => fetched(12, 10)).toThrowError(expect.objectContaining({ code: 'CORRUPT_MESSAGE' }))
  })
})
