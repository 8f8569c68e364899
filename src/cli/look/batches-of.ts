import { batchesIn, type RecordBatch } from '../../record/record-batch.js'
import { positionBefore, type SegmentFile, segmentFiles } from './data-directory.js'
import { LogFileReader } from './log-file-reader.js'

/** The batches of a partition from the one with `from` on, as far as they are there now. */
export async function* batchesOf(folder: string, from = 0, signal?: AbortSignal): AsyncGenerator<RecordBatch, void, undefined> {
  const segments = segmentFiles(folder)
  for (const [i, segment] of segments.entries()) {
    if (segments[i + 1]?.baseOffset <= from) continue
    yield* batchesOfSegment(segment, from, signal)
  }
}

async function* batchesOfSegment(
  segment: SegmentFile,
  from: number,
  signal: AbortSignal | undefined
): AsyncGenerator<RecordBatch, void, undefined> {
  await using reader = await LogFileReader.open(segment.path, positionBefore(segment, from), signal)
  for (let block = await reader.next(); block.length > 0; block = await reader.next()) {
    for (const batch of batchesIn(block)) if (batch.lastOffset >= from) yield batch
  }
}
