import { release } from '../../common/lease.js'
import { batchSizeAt, headerBytes, lastOffsetAt, maxTimestampAt } from '../../record/batch-header.js'
import type { StorageFile } from '../../storage/storage.js'
import { allDone } from '../all-done.js'
import { ChainWalk } from '../segment/batch-chain.js'
import { walkBatches } from '../segment/batch-scan.js'
import type { Segment } from '../segment/segment.js'

/** The number of segments that are checked at the same time. */
const checkedTogether = 16

/**
 * Checks, without reading through them, whether segments that are not looked into otherwise have
 * the offsets that their names say: each begins with its own, and ends where the next begins. What
 * is wrong is told; the records before it can be read.
 */
export async function checkBorders(segments: readonly Segment[], indexed: ReadonlySet<number>): Promise<void> {
  const borders = segments
    .slice(0, -1)
    .map((segment, i) => ({ segment, nextBase: segments[i + 1].baseOffset }))
    .filter(({ segment, nextBase }) => segment.chain.isChecked && nextBase > segment.chain.startOffset)
  for (let i = 0; i < borders.length; i += checkedTogether) {
    const some = borders.slice(i, i + checkedTogether)
    await allDone(some.map(({ segment, nextBase }) => checkBorder(segment, nextBase, indexed.has(segment.baseOffset))))
  }
}

async function checkBorder(segment: Segment, nextBase: number, hasIndexes: boolean): Promise<void> {
  const found = (await faultAtStart(segment, nextBase)) ?? (hasIndexes ? (await lookAtEnd(segment, nextBase)).fault : undefined)
  if (found) segment.isDamaged(segment.damagedAt(found.position, found.reason))
}

interface Found {
  readonly position: number
  readonly reason: string
}

/** The end of the batches of a segment, as far as it is known. */
interface End {
  readonly offset?: number
  readonly fault?: Found
}

async function faultAtStart({ file, chain, baseOffset }: Segment, nextBase: number): Promise<Found | undefined> {
  if (file.length === 0) {
    if (chain.mayLackBefore(nextBase)) return undefined
    return { position: 0, reason: `it is empty, though the offsets ${baseOffset} to ${nextBase - 1} belong in it` }
  }
  const walk = new ChainWalk(chain, baseOffset, baseOffset, nextBase)
  const first = await step(file, 0, walk)
  return first.fault === undefined ? undefined : { position: 0, reason: first.fault }
}

/**
 * Walks from the last place that the index names to the end, or from the one before where what
 * stands there is another batch.
 */
export async function lookAtEnd(segment: Segment, nextBase: number): Promise<End> {
  const { file, indexes } = segment
  const index = await indexes.lastIndexEntry()
  const isWithin = index !== undefined && index.position < file.length
  const end = isWithin ? await walkToEnd(segment, index.position, nextBase, index.offset) : undefined
  if (end) return end
  const before = await indexes.floorPositionOnDisk(isWithin ? index.position : file.length)
  // A reader there will find which of the two is wrong.
  return (await walkToEnd(segment, before, nextBase, before === 0 ? -1 : undefined)) ?? {}
}

/**
 * `lastOffset` is that of the batch at `from`, as the index has it; undefined where it may not be
 * one, -1 where it may have any. Undefined where it has another.
 */
async function walkToEnd(segment: Segment, from: number, nextBase: number, lastOffset: number | undefined): Promise<End | undefined> {
  const { file, chain, baseOffset } = segment
  const walk = new ChainWalk(chain, from === 0 ? baseOffset : -1, baseOffset, nextBase)
  for (let position = from; position < file.length; ) {
    const found = await step(file, position, walk)
    const isAnother = lastOffset === undefined ? found.fault !== undefined : lastOffset >= 0 && lastOffset !== found.lastOffset
    if (position === from && isAnother) return undefined
    if (found.fault !== undefined) return { fault: { position, reason: found.fault } }
    position = found.next
  }
  const offset = walk.nextOffset
  const reason = await faultAfter(segment, offset, nextBase, true)
  return reason === undefined ? { offset } : { offset, fault: { position: file.length, reason } }
}

/**
 * Describes the fault of a segment whose batches, which are all sound, end before offset `end`.
 * The times tell how far a segment reached, where offsets may be missing before the next: they are
 * those of the batches that compaction has left.
 */
export async function faultAfter(segment: Segment, end: number, nextBase: number, hasIndexes: boolean): Promise<string | undefined> {
  if (end === nextBase) return undefined
  if (!segment.chain.mayLackBefore(nextBase)) return `its batches end before offset ${end}, though it reached to ${nextBase - 1}`
  const time = hasIndexes ? await segment.indexes.lastTimeEntry() : undefined
  if (!time || time.offset < end || (await largestTimestamp(segment)) >= time.timestamp) return undefined
  return `its batches end before offset ${end}, though it reached to ${time.offset}`
}

async function step(file: StorageFile, position: number, walk: ChainWalk) {
  const view = await file.read(position, headerBytes)
  try {
    if (view.length < headerBytes) return { fault: `${file.length - position} bytes are no batch`, next: file.length, lastOffset: -1 }
    const next = position + batchSizeAt(view, 0)
    const fault = walk.faultOf(view, 0) ?? (next > file.length ? 'a batch is cut short' : undefined)
    return { fault, next, lastOffset: lastOffsetAt(view, 0) }
  } finally {
    release(view)
  }
}

async function largestTimestamp({ name, file }: Segment): Promise<number> {
  let largest = -1
  await walkBatches({ name, file }, 0, file.length, (bytes, position) => {
    largest = Math.max(largest, maxTimestampAt(bytes, position))
  })
  return largest
}
