import { attribute, attributesAt, baseOffsetAt, batchSizeAt, lastOffsetAt, producerIdAt, recordCountAt } from '../../record/batch-header.js'
import { controlTypeOf } from '../../record/control-record.js'
import { RecordCursor } from '../../record/record-cursor.js'
import { crcFaultAt } from '../append/batch-validation.js'
import type { AbortedTransaction } from '../history/transaction-index.js'
import { walkBatches } from '../segment/batch-scan.js'
import type { Segment } from '../segment/segment.js'
import type { Slices } from './slices.js'

/** The extent of an aborted transaction: nothing of it is ever read. */
export type AbortedRange = Omit<AbortedTransaction, 'lastStableOffset'>

/** The result of reading the headers of a log before it is compacted. */
export interface Survey {
  /** The number of records from `firstDirtyOffset` on; there are no more keys than that. */
  readonly dirtyRecords: number
  /** In the order of their first offsets. */
  readonly aborted: readonly AbortedRange[]
}

export interface SurveyRange {
  readonly firstDirtyOffset: number
  readonly endOffset: number
}

/** The cost of reading a header, in bytes of work. */
const headerCost = 512

/**
 * Reads the headers up to `endOffset`, and on until the transactions that began before it are
 * decided.
 */
export async function surveyOf(
  segments: readonly Segment[],
  { firstDirtyOffset, endOffset }: SurveyRange,
  slices: Slices
): Promise<Survey> {
  const cursor = new RecordCursor()
  const open = new Map<number, number>()
  const aborted: AbortedRange[] = []
  let dirtyRecords = 0
  for (const segment of segments) {
    if (segment.baseOffset >= endOffset && open.size === 0) break
    const ended = await walkBatches(segment, 0, segment.readableBytes, (bytes, position, filePosition) => {
      const firstOffset = baseOffsetAt(bytes, position)
      if (firstOffset >= endOffset && open.size === 0) return true
      const producerId = producerIdAt(bytes, position)
      const attributes = attributesAt(bytes, position)
      if (attributes & attribute.control) {
        expectSound(segment, bytes, position, filePosition)
        const begun = open.get(producerId)
        open.delete(producerId)
        if (begun !== undefined && markerTypeAt(bytes, position, cursor) === 'ABORT') {
          aborted.push({ producerId, firstOffset: begun, lastOffset: lastOffsetAt(bytes, position) })
        }
      } else {
        const begins = attributes & attribute.transactional && firstOffset < endOffset && !open.has(producerId)
        if (begins) open.set(producerId, firstOffset)
        if (lastOffsetAt(bytes, position) >= firstDirtyOffset && firstOffset < endOffset) dirtyRecords += recordCountAt(bytes, position)
      }
      return slices.spend(Math.min(batchSizeAt(bytes, position), headerCost))
    })
    if (ended) break
  }
  return { dirtyRecords, aborted: aborted.sort((a, b) => a.firstOffset - b.firstOffset) }
}

/**
 * Throws CORRUPT_MESSAGE, with the place, where the checksum of a batch does not fit: nothing may
 * be concluded from what is in it.
 */
export function expectSound(segment: Segment, bytes: Uint8Array, position: number, filePosition: number): void {
  const fault = crcFaultAt(bytes, position)
  if (fault !== undefined) throw segment.damagedAt(filePosition, fault)
}

/** The control record of the batch at `position`; undefined when compaction has emptied it. */
export function markerTypeAt(bytes: Uint8Array, position: number, cursor: RecordCursor) {
  if (recordCountAt(bytes, position) === 0) return undefined
  cursor.reset(bytes, position)
  return cursor.next() ? controlTypeOf(cursor.key()) : undefined
}
