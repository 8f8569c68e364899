import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../src/common/bytes.js'
import { FetchedRecords } from '../../../src/consumer/fetch/fetched-records.js'
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

  it('is damaged when its offsets go back: a reader would read it for ever', () => {
    expect(() => fetched(10, 10, 5)).toThrowError(expect.objectContaining({ code: 'CORRUPT_MESSAGE' }))
  })

  it('is damaged when all of it lies before what was asked for', () => {
    expect(() => fetched(12, 10)).toThrowError(expect.objectContaining({ code: 'CORRUPT_MESSAGE' }))
  })
})
