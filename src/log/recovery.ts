import { KafkaError } from '../errors.js'
import type { Storage } from '../storage/storage.js'
import type { BatchVisitor } from './batch-scan.js'
import type { LogFolder } from './log-folder.js'
import type { LogHistory } from './log-history.js'
import { type CompleteLogOptions, compacts } from './log-options.js'
import { Segment } from './segment.js'
import { floorIndex } from './segment-list.js'
import { hasBatchAfter, isZeroFrom, type ScannedBatch } from './segment-scan.js'

/** What opening a log found out. */
export interface RecoveryReport {
  readonly segments: number
  /** Batches that were checked: none of a log that was closed in order. */
  readonly batches: number
  /** What a crash had left unfinished at the end of the log, and was taken away. */
  readonly tornTail?: TornTail
}

export interface TornTail {
  /** Where the whole batches end. */
  readonly file: string
  readonly position: number
  /** How many bytes were taken away, in this file and those after it. */
  readonly bytes: number
  /** What was wrong with them. */
  readonly reason: string
}

export interface Opening {
  readonly storage: Storage
  readonly folder: string
  readonly files: LogFolder
  readonly options: CompleteLogOptions
  readonly history: LogHistory
  readonly now: number
  /** Whether the log was closed in order, so that nothing can be torn. */
  readonly isClean: boolean
  /** All before this offset was synced; undefined when that is not known. */
  readonly recoveryPoint: number | undefined
  readonly mayChange: boolean
}

export interface Opened {
  readonly segments: Segment[]
  readonly report: RecoveryReport
  /** How many of the first segments were taken as they are. */
  readonly trusted: number
}

/**
 * Opens the segments of a log. Only what a crash can have damaged is read: nothing after a close in order, else the batches from the recovery point on, or
 * all where there is none.
 *
 * - From the recovery point on, the first batch that is not whole ends the log: a crash may have torn it, and what follows was not synced before it.
 * - Without a recovery point, that holds only where no whole batch follows.
 * - Anything else is damage that no crash explains: it raises `CORRUPT_MESSAGE` and keeps the bytes.
 */
export async function openSegments(opening: Opening): Promise<Opened> {
  const { storage, folder, files, options, now } = opening
  const segments: Segment[] = []
  try {
    for (const baseOffset of files.segments) segments.push(await Segment.open(storage, folder, baseOffset, options, now))
    return (opening.isClean && (await takeAsItIs(opening, segments))) || (await recover(opening, segments))
  } catch (error) {
    await Promise.allSettled(segments.map(async ({ file }) => file.close()))
    throw error
  }
}

/** Opens a log that was closed in order. Returns undefined when it is not whole after all. */
async function takeAsItIs(opening: Opening, segments: Segment[]): Promise<Opened | undefined> {
  const { files, history, recoveryPoint = 0 } = opening
  const trusted = trustUpTo(segments.length - 1, segments, files)
  const active = segments.at(-1)
  if (!active && recoveryPoint > 0) return undefined
  if (active) {
    const { fault, end, nextOffset } = await active.resume(files.indexed.has(active.baseOffset))
    if (fault !== undefined || nextOffset < recoveryPoint) return undefined
    active.publish(end, nextOffset)
    await history.load(files, segments, nextOffset)
    history.forgetEpochsFrom(nextOffset + 1)
    await replay(segments, history.missingFrom, nextOffset, (bytes, position) => history.replay(bytes, position))
  }
  await history.complete(opening.mayChange ? segments : [])
  return { segments, trusted, report: { segments: segments.length, batches: 0 } }
}

async function recover(opening: Opening, segments: Segment[]): Promise<Opened> {
  const { files, history, recoveryPoint } = opening
  const trusted = trustUpTo(floorIndex(segments, recoveryPoint ?? 0), segments, files)
  if (trusted > 0) await checkEnd(opening, segments, trusted - 1)
  const scanFrom = segments[trusted]?.baseOffset ?? 0
  await history.load(files, segments.slice(0, trusted))
  history.forgetEpochsFrom(scanFrom)
  for (const { path, baseOffset } of opening.mayChange ? segments.slice(trusted) : [])
    if (files.withAborted.has(baseOffset)) await opening.storage.remove(`${path}.txnindex`)
  const note: ScannedBatch = (bytes, position) => history.replay(bytes, position)
  await replay(segments.slice(0, trusted), history.missingFrom, scanFrom, note)

  let batches = 0
  let tornTail: TornTail | undefined
  let previous: Segment | undefined = segments[trusted - 1]
  for (let index = trusted; index < segments.length && !tornTail; index++) {
    const segment = segments[index]
    const missing = missingBefore(segment, index > trusted ? previous : undefined, opening)
    if (missing !== undefined) {
      tornTail = await cut(opening, segments, index, 0, missing)
      break
    }
    const { end, nextOffset, batches: count, fault } = await segment.scan(note)
    batches += count
    if (fault !== undefined && (await isRoomAhead(opening, segments, index, end, nextOffset))) {
      if (opening.mayChange) await segment.file.truncate(end)
    } else if (fault !== undefined) {
      await expectTorn(opening, segments, index, end, nextOffset, fault)
      tornTail = await cut(opening, segments, index, end, fault)
    }
    segment.publish(end, nextOffset)
    previous = segment
  }
  for (const segment of segments.slice(trusted, -1)) segment.seal()
  expectSafePart(opening, segments)
  const endOffset = segments.at(-1)?.nextOffset ?? 0
  // Where the producers were noted after what turned out to be the end, an older note has to do.
  if (history.start > endOffset) await replay(segments, await history.cutAt(endOffset), endOffset, note)
  // A transaction is known by what comes before its end.
  if (history.hasMissedMarkers) {
    await history.goBackTo(scanFrom)
    await replay(segments, history.start, endOffset, note)
  }
  await history.complete(opening.mayChange ? segments : [])
  return { segments, trusted, report: { segments: segments.length, batches, tornTail } }
}

/** Of the segments that are safe the last may just have ended: what it has is whole, but its file not yet cut to its size. */
async function checkEnd(opening: Opening, segments: readonly Segment[], index: number): Promise<void> {
  const segment = segments[index]
  const { end, nextOffset, fault } = await segment.resume(opening.files.indexed.has(segment.baseOffset))
  if (fault !== undefined) {
    if (!(await isRoomAhead(opening, segments, index, end, nextOffset))) throw segment.damagedAt(end, fault)
    if (opening.mayChange) {
      await segment.file.truncate(end)
      // From now on it counts as one of those that nobody looks at.
      await segment.file.sync()
    }
  }
  segment.publish(end, segments[index + 1].baseOffset)
  segment.seal()
}

/** Whether the rest of a file is room that its storage had made ahead of its end, and had no time to take away. */
async function isRoomAhead(
  { options, recoveryPoint = 0 }: Opening,
  segments: readonly Segment[],
  index: number,
  end: number,
  nextOffset: number
): Promise<boolean> {
  if (index + 1 >= segments.length) return nextOffset >= recoveryPoint && isZeroFrom(segments[index].file, end)
  const { baseOffset } = segments[index + 1]
  return (nextOffset === baseOffset || (nextOffset < baseOffset && compacts(options))) && isZeroFrom(segments[index].file, end)
}

function trustUpTo(count: number, segments: readonly Segment[], files: LogFolder): number {
  for (let i = 0; i < count; i++) segments[i].trust(segments[i + 1].baseOffset, files.indexed.has(segments[i].baseOffset))
  return Math.max(count, 0)
}

/** Offsets that lie between two segments: a crash has taken the end of the first. Compaction leaves such gaps too, but before the recovery point. */
function missingBefore(segment: Segment, previous: Segment | undefined, { recoveryPoint }: Opening): string | undefined {
  if (!previous) return undefined
  if (segment.baseOffset < previous.nextOffset) {
    const reason = `it begins at ${segment.baseOffset}, below ${previous.nextOffset}, where the one before it ends`
    if (recoveryPoint === undefined || previous.nextOffset < recoveryPoint) throw segment.damagedAt(0, reason)
    return reason
  }
  if (recoveryPoint === undefined) return undefined
  if (segment.baseOffset <= previous.nextOffset || previous.nextOffset < recoveryPoint) return undefined
  return `the offsets ${previous.nextOffset} to ${segment.baseOffset - 1} before it are missing`
}

async function expectTorn(
  { recoveryPoint }: Opening,
  segments: readonly Segment[],
  index: number,
  position: number,
  nextOffset: number,
  fault: string
): Promise<void> {
  const segment = segments[index]
  if (recoveryPoint !== undefined) {
    if (nextOffset < recoveryPoint) throw segment.damagedAt(position, fault)
    return
  }
  const isLast = segments.slice(index + 1).every(({ file }) => file.length === 0)
  if (!isLast || (await hasBatchAfter(segment.file, segment.baseOffset, position, nextOffset))) throw segment.damagedAt(position, fault)
}

/** Ends the log at a position of a segment, or before it. */
async function cut({ mayChange }: Opening, segments: Segment[], index: number, position: number, reason: string): Promise<TornTail> {
  const segment = segments[index]
  const file = segment.name
  const gone = segments.splice(position === 0 && index > 0 ? index : index + 1)
  const isKept = segments.includes(segment)
  let bytes = isKept ? segment.sizeInBytes - position : 0
  for (const { sizeInBytes } of gone) bytes += sizeInBytes
  for (const later of gone.reverse()) await (mayChange ? later.retire() : later.abandon())
  if (mayChange && isKept) await segment.file.truncate(position)
  return { file, position, bytes, reason }
}

/** What was synced must be there. */
function expectSafePart({ folder, recoveryPoint = 0 }: Opening, segments: readonly Segment[]): void {
  const last = segments.at(-1)
  if ((last?.nextOffset ?? 0) >= recoveryPoint) return
  const end = last ? `ends at offset ${last.nextOffset} in \`${last.name}\`` : 'has no files'
  throw new KafkaError(
    'CORRUPT_MESSAGE',
    `The log \`${folder}\` ${end}, though it was safe on the disk up to ${recoveryPoint}; nothing was changed`
  )
}

/** Visits the batches in [from, to), and perhaps a few before them, until the visitor returns `true`. */
export async function replay(segments: readonly Segment[], from: number, to: number, visit: BatchVisitor): Promise<void> {
  if (from >= to) return
  for (const segment of segments) {
    if (segment.nextOffset <= from || segment.baseOffset >= to) continue
    if (await segment.walk(Math.max(from, segment.baseOffset), visit)) return
  }
}
