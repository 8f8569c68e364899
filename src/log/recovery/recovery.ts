import { KafkaError } from '../../errors.js'
import type { Storage } from '../../storage/storage.js'
import type { LogHistory } from '../history/log-history.js'
import { type CompleteLogOptions, compacts } from '../log-options.js'
import type { BatchChain } from '../segment/batch-chain.js'
import type { BatchVisitor } from '../segment/batch-scan.js'
import { damageError } from '../segment/damage.js'
import { recoveryPointFile } from '../segment/file-names.js'
import { Segment } from '../segment/segment.js'
import { floorIndex } from '../segment/segment-list.js'
import { hasBatchAfter, isZeroFrom, type ScannedBatch } from '../segment/segment-scan.js'
import { checkBorders, faultAfter, lookAtEnd } from './border-check.js'
import type { LogFolder } from './log-folder.js'

/** The findings of opening a log. */
export interface RecoveryReport {
  readonly segments: number
  /** Batches that were checked: none of a log that was closed in order. */
  readonly batches: number
  /** The unfinished end that a crash had left, and that was cut away. */
  readonly tornTail?: TornTail
}

/** The end of a log that a crash has torn, and that was cut off. */
export interface TornTail {
  /** The end of the whole batches. */
  readonly file: string
  readonly position: number
  /** The number of bytes that were cut away, in this file and those after it. */
  readonly bytes: number
  /** The fault of the bytes. */
  readonly reason: string
}

export interface LogOpening {
  readonly storage: Storage
  readonly folder: string
  readonly files: LogFolder
  readonly options: CompleteLogOptions
  readonly history: LogHistory
  readonly chain: BatchChain
  readonly now: number
  /** True if the log was closed in order, so that nothing can be torn. */
  readonly isClean: boolean
  /** All before this offset was synced; undefined when that is not known. */
  readonly recoveryPoint: number | undefined
  /** A high watermark that the log once had; undefined when none is known. */
  readonly highWatermark?: number | undefined
  readonly mayChange: boolean
}

export interface Opened {
  readonly segments: Segment[]
  readonly report: RecoveryReport
  /** The number of first segments that were not checked. */
  readonly trusted: number
}

/**
 * Opens the segments of a log. Only what a crash can have damaged is read: nothing after a close in
 * order, else the batches from the recovery point on, or all where there is none.
 *
 * - From the recovery point on, the first batch that is not whole ends the log: a crash may have
 *   torn it, and what follows was not synced before it.
 * - Without a recovery point, that holds only where no whole batch follows.
 * - Anything else is damage that no crash explains: it raises `CORRUPT_MESSAGE` and keeps the
 *   bytes.
 */
export async function openSegments(opening: LogOpening): Promise<Opened> {
  const segments: Segment[] = []
  try {
    await openFiles(opening, segments)
    if (opening.isClean) {
      const taken = await takeAsItIs(opening, segments)
      if (taken) return taken
    }
    const recoveryPoint = believedRecoveryPoint(opening, segments)
    const opened = await recover({ ...opening, recoveryPoint }, segments)
    tellWrongRecoveryPoint(opening, opened.segments)
    return opened
  } catch (error) {
    await Promise.allSettled(segments.map(async ({ file }) => file.close()))
    throw error
  }
}

/** Opens the files of the segments, which are added to `segments`. */
export async function openFiles({ storage, folder, files, options, now, chain }: LogOpening, segments: Segment[]): Promise<void> {
  const [stray] = files.strays
  if (stray !== undefined) throw damageError({ file: `${folder}/${stray}`, position: 0, reason: 'no log can have an offset like its name' })
  for (const baseOffset of files.segments) segments.push(await Segment.open(storage, folder, baseOffset, options, now, chain))
}

/** Opens the segments of a log that is damaged, as far as they can be read, and changes nothing. */
export async function openUpToDamage(opening: LogOpening, damage: KafkaError): Promise<Segment[]> {
  const { files, history, recoveryPoint = 0 } = opening
  const segments: Segment[] = []
  try {
    await openFiles({ ...opening, files: { ...files, strays: [] } }, segments)
    const strays = segments.filter(({ name, baseOffset }) => name === damage.file && damage.position === 0 && baseOffset > recoveryPoint)
    for (const stray of strays) await segments.splice(segments.indexOf(stray), 1)[0].file.close()
    trustUpTo(segments.length - 1, segments, files)
    const last = segments.at(-1)
    if (!last) return []
    const { end, nextOffset, fault } = await last.indexer.scan(() => {})
    const isDamaged = fault !== undefined && !(await isZeroFrom(last.file, end))
    last.publish(end, Math.max(nextOffset + (isDamaged ? 1 : 0), recoveryPoint))
    // Damage that was found elsewhere ends the log as well, where its end is not what it was.
    if (isDamaged || nextOffset < recoveryPoint) last.isDamaged(isDamaged ? last.damagedAt(end, fault) : damage)
    await history.load(files, segments)
    return segments
  } catch (error) {
    await Promise.allSettled(segments.map(async ({ file }) => file.close()))
    throw error
  }
}

/**
 * Up to where a log is safe, as far as there is reason to believe it: a log without a trace of
 * records never had any, so that the offset is that of another log, and one that is behind the high
 * watermark may be anything.
 */
function believedRecoveryPoint({ recoveryPoint, highWatermark, files }: LogOpening, segments: readonly Segment[]): number | undefined {
  if (recoveryPoint === undefined) return undefined
  const isUntouched = segments.length > 0 && segments.every(({ file }) => file.length === 0)
  if (isUntouched && files.snapshots.length === 0 && !files.hasLeaderEpochs) return 0
  return Math.min(recoveryPoint, highWatermark ?? recoveryPoint)
}

function tellWrongRecoveryPoint({ folder, recoveryPoint = 0, chain }: LogOpening, segments: readonly Segment[]): void {
  const end = segments.at(-1)?.nextOffset ?? 0
  if (end >= recoveryPoint) return
  const reason = `it says that ${folder} was safe up to offset ${recoveryPoint}, its log ends at ${end}`
  chain.damage.tell(damageError({ file: recoveryPointFile, reason }))
}

/** Opens a log that was closed in order. Returns undefined when it is not whole after all. */
async function takeAsItIs(opening: LogOpening, segments: Segment[]): Promise<Opened | undefined> {
  const { files, history, recoveryPoint = 0 } = opening
  const trusted = trustUpTo(segments.length - 1, segments, files)
  const active = segments.at(-1)
  if (!active && recoveryPoint > 0) return undefined
  if (active) {
    const mayBeStray = segments.length > 1 && active.baseOffset > (opening.recoveryPoint ?? Number.POSITIVE_INFINITY)
    if (mayBeStray) await expectNoStray(opening, active, segments[segments.length - 2])
    await checkBorders(segments, files.indexed)
    const { fault, end, nextOffset } = await active.indexer.resume(files.indexed.has(active.baseOffset))
    active.publish(end, nextOffset)
    if (fault !== undefined || !(await endsWhereItDid(opening, active))) return undefined
    await history.load(files, segments, nextOffset)
    history.forgetEpochsFrom(nextOffset + 1)
    await replay(segments, history.missingFrom, nextOffset, (bytes, position) => history.replay(bytes, position))
  }
  await history.complete(opening.mayChange ? segments : [])
  return { segments, trusted, report: { segments: segments.length, batches: 0 } }
}

async function recover(opening: LogOpening, segments: Segment[]): Promise<Opened> {
  const { files, history, recoveryPoint } = opening
  const trusted = trustUpTo(floorIndex(segments, recoveryPoint ?? 0), segments, files)
  if (trusted > 0) {
    await checkBorders(segments.slice(0, trusted), files.indexed)
    await checkEnd(opening, segments, trusted - 1)
  }
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
    const { end, nextOffset, batches: count, fault } = await segment.indexer.scan(note)
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
  for (const segment of segments.slice(trusted, -1)) segment.indexer.seal()
  expectSafePart(opening, segments)
  const endOffset = segments.at(-1)?.nextOffset ?? 0
  // A snapshot of the producers beyond the end of the log is of no use: an older one has to do.
  if (history.start > endOffset) await replay(segments, await history.cutAt(endOffset), endOffset, note)
  // A transaction is known by what comes before its end.
  if (history.hasMissedMarkers) {
    await history.goBackTo(scanFrom)
    await replay(segments, history.start, endOffset, note)
  }
  await history.complete(opening.mayChange ? segments : [])
  return { segments, trusted, report: { segments: segments.length, batches, tornTail } }
}

/**
 * Of the segments that are safe the last may just have ended: what it has is whole, but its file
 * not yet cut to its size.
 */
async function checkEnd(opening: LogOpening, segments: readonly Segment[], index: number): Promise<void> {
  const segment = segments[index]
  const { end, nextOffset, fault } = await segment.indexer.resume(opening.files.indexed.has(segment.baseOffset))
  if (fault !== undefined) {
    if (!(await isRoomAhead(opening, segments, index, end, nextOffset))) throw segment.damagedAt(end, fault)
    if (opening.mayChange) {
      await segment.file.truncate(end)
      // From now on it counts as one of those that nobody looks at.
      await segment.file.sync()
    }
  }
  const { baseOffset } = segments[index + 1]
  const missing = await faultAfter(segment, nextOffset, baseOffset, opening.files.indexed.has(segment.baseOffset))
  if (missing !== undefined) segment.isDamaged(segment.damagedAt(end, missing))
  segment.publish(end, baseOffset)
  segment.indexer.seal()
}

/**
 * True if the rest of a file is room that its storage had made ahead of its end, and had no time to
 * take away.
 */
async function isRoomAhead(
  { options, recoveryPoint }: LogOpening,
  segments: readonly Segment[],
  index: number,
  end: number,
  nextOffset: number
): Promise<boolean> {
  if (index + 1 >= segments.length) return nextOffset >= (recoveryPoint ?? 0) && isZeroFrom(segments[index].file, end)
  const { baseOffset } = segments[index + 1]
  // Compaction leaves gaps, but before the recovery point.
  const mayLack = compacts(options) && baseOffset <= (recoveryPoint ?? baseOffset)
  return (nextOffset === baseOffset || (nextOffset < baseOffset && mayLack)) && isZeroFrom(segments[index].file, end)
}

function trustUpTo(count: number, segments: readonly Segment[], files: LogFolder): number {
  for (let i = 0; i < count; i++) segments[i].trust(segments[i + 1].baseOffset, files.indexed.has(segments[i].baseOffset))
  return Math.max(count, 0)
}

/**
 * A log that was closed in order ends at its recovery point, and has a snapshot of its producers
 * there. Where that is not so for the recovery point alone, this is wrong. Returns whether the log
 * has all that it had.
 */
async function endsWhereItDid({ files, folder, recoveryPoint, chain }: LogOpening, active: Segment): Promise<boolean> {
  const { nextOffset } = active
  // Of some logs, that of its metadata among them, Kafka keeps none.
  if (recoveryPoint === undefined || recoveryPoint === 0 || nextOffset === recoveryPoint) return true
  const hasSnapshotAt = (offset: number) => files.snapshots.includes(offset)
  if (hasSnapshotAt(nextOffset) && !hasSnapshotAt(recoveryPoint)) {
    const reason = `it says that ${folder} was safe up to offset ${recoveryPoint}, its log ends at ${nextOffset}`
    chain.damage.tell(damageError({ file: recoveryPointFile, reason }))
    return true
  }
  if (nextOffset < recoveryPoint || !hasSnapshotAt(recoveryPoint)) return nextOffset > recoveryPoint
  // A user may have opened the log alone, without its node, and appended to it: recovery reads
  // that.
  const added = await active.positionOf(recoveryPoint)
  if (added?.baseOffset === recoveryPoint) return false
  const last = await active.positionOf(nextOffset - 1)
  throw active.damagedAt(
    last?.position ?? 0,
    `its last offset is ${nextOffset - 1}, though the log ended before offset ${recoveryPoint} when it was closed`
  )
}

/**
 * A log that was closed in order ended at its recovery point: a segment that begins later, and not
 * at the end of the one before, is not its own.
 */
async function expectNoStray({ files, recoveryPoint }: LogOpening, last: Segment, before: Segment): Promise<void> {
  const isIndexed = files.indexed.has(before.baseOffset)
  const end = isIndexed ? (await lookAtEnd(before, last.baseOffset)).offset : (await before.indexer.scan(() => {})).nextOffset
  if (end === last.baseOffset) return
  throw last.damagedAt(0, `it begins at offset ${last.baseOffset}, though the log ended at ${recoveryPoint} when it was closed`)
}

/**
 * Offsets that lie between two segments: a crash has taken the end of the first. Compaction leaves
 * such gaps too, but before the recovery point.
 */
function missingBefore(segment: Segment, previous: Segment | undefined, { recoveryPoint }: LogOpening): string | undefined {
  if (!previous) return undefined
  if (segment.baseOffset < previous.nextOffset) {
    const reason = `it begins at ${segment.baseOffset}, below ${previous.nextOffset}, where the one before it ends`
    if (recoveryPoint === undefined || previous.nextOffset < recoveryPoint) throw segment.damagedAt(0, reason)
    return reason
  }
  const reason = `the offsets ${previous.nextOffset} to ${segment.baseOffset - 1} before it are missing`
  if (recoveryPoint === undefined) {
    if (segment.baseOffset > previous.nextOffset && !segment.chain.mayLackBefore(segment.baseOffset)) throw segment.damagedAt(0, reason)
    return undefined
  }
  if (segment.baseOffset <= previous.nextOffset) return undefined
  if (previous.nextOffset >= recoveryPoint) return reason
  if (!segment.chain.mayLackBefore(segment.baseOffset)) throw segment.damagedAt(0, reason)
  return undefined
}

async function expectTorn(
  { recoveryPoint }: LogOpening,
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
async function cut({ mayChange }: LogOpening, segments: Segment[], index: number, position: number, reason: string): Promise<TornTail> {
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

/** Synced bytes must be there. */
function expectSafePart({ folder, recoveryPoint = 0 }: LogOpening, segments: readonly Segment[]): void {
  const last = segments.at(-1)
  if ((last?.nextOffset ?? 0) >= recoveryPoint) return
  const end = last ? `ends at offset ${last.nextOffset} in \`${last.name}\`` : 'has no files'
  throw new KafkaError(
    'CORRUPT_MESSAGE',
    `The log \`${folder}\` ${end}, though it was safe on the disk up to ${recoveryPoint}; nothing was changed`
  )
}

/**
 * Visits the batches in [from, to), and perhaps a few before them, until the visitor returns
 * `true`.
 */
export async function replay(segments: readonly Segment[], from: number, to: number, visit: BatchVisitor): Promise<void> {
  if (from >= to) return
  for (const segment of segments) {
    if (segment.nextOffset <= from || segment.baseOffset >= to) continue
    if (await segment.walk(Math.max(from, segment.baseOffset), visit)) return
  }
}
