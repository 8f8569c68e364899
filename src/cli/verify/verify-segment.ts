import { existsSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { KafkaError } from '../../errors.js'
import type { AbortedTransaction } from '../../log/history/transaction-index.js'
import { batchSizeAt } from '../../record/batch-header.js'
import { RecordBatch } from '../../record/record-batch.js'
import { RecordCursor } from '../../record/record-cursor.js'
import { contentOf, filesBeside, type SegmentFile } from '../look/data-directory.js'
import { LogFileReader } from '../look/log-file-reader.js'
import { isUnreadable, problemOfBatch } from './batch-check.js'
import { type IndexCheck, MissingIndexCheck, OffsetIndexCheck, TimeIndexCheck, TransactionIndexCheck } from './index-check.js'

/** The time to wait for a possible writer, and the time after which waiting is pointless. */
export interface Patience {
  /** The time that an unfinished batch at the end may take until it is finished, in ms. */
  readonly ms: number
  /** Ends the waiting, and all that goes on, by throwing its reason. */
  readonly signal: AbortSignal | undefined
}

/** Callbacks of a walk over one `.log` file. */
export interface SegmentVisitor {
  /** `file` is the path of the file concerned. */
  problem(file: string, message: string): void
  /** A finding that is unusual but does no harm. */
  note(file: string, message: string): void
  /**
   * True if the indexes of a segment that has been walked through have all the entries that they
   * will get.
   */
  readonly isFinished: boolean
  /** The records of a batch could not be looked at: its compression is not to be had here. */
  unreadable(batch: RecordBatch): void
  readonly patience: Patience
  /** The transaction that a sound batch aborts. */
  abortedBy(batch: RecordBatch): AbortedTransaction | undefined
  /** A batch whose header can be believed, or at least not be refuted. */
  batch(batch: RecordBatch, position: number): void
}

const maxRelativeOffset = 2 ** 31 - 1

/** Reads a segment through, with its indexes, in memory that does not grow with it. */
export async function verifySegment(segment: SegmentFile, visitor: SegmentVisitor): Promise<void> {
  const { path, baseOffset } = segment
  const problem = (position: number, message: string) => visitor.problem(path, `position ${position}: ${message}`)
  // Indexes first: a process that is writing has the log ahead of them.
  const indexes = indexChecks(segment, visitor)
  const cursor = new RecordCursor()
  let nextOffset = baseOffset
  const visit = (batch: RecordBatch, position: number, mayLookAgain: boolean): boolean => {
    const damage = problemOfBatch(batch, cursor)
    const isDoubtful = batch.baseOffset < nextOffset || (damage && !isUnreadable(damage))
    if (isDoubtful && mayLookAgain && !visitor.isFinished) return false
    nextOffset = batch.lastOffset + 1
    note(batch, position, damage)
    return true
  }
  const note = (batch: RecordBatch, position: number, damage: KafkaError | undefined) => {
    if (isUnreadable(damage)) visitor.unreadable(batch)
    else if (damage) problem(position, damage.message)
    if (batch.baseOffset < baseOffset || batch.lastOffset - baseOffset > maxRelativeOffset) {
      problem(position, `offsets ${batch.baseOffset} to ${batch.lastOffset} do not belong in a segment that begins at ${baseOffset}`)
      return
    }
    const aborted = damage ? undefined : visitor.abortedBy(batch)
    for (const index of indexes) index.batch(batch, position, aborted)
    visitor.batch(batch, position)
  }
  await verifyBatches(path, visitor.patience, problem, visit, () => visitor.isFinished)
  for (const index of indexes) index.end(visitor.isFinished)
}

/**
 * So often a file is looked at again, as someone may just be writing there; the first times with
 * patience.
 */
const maxSecondLooks = 100
const patientLooks = 10

/**
 * Walks the batches of a file and says where they end before the file does. Only one that is not
 * finished may have zeros at its end. `visit` may ask, by returning false, to be shown a batch
 * again, once.
 */
export async function verifyBatches(
  path: string,
  { ms, signal }: Patience,
  problem: (position: number, message: string) => void,
  visit: (batch: RecordBatch, position: number, mayLookAgain: boolean) => boolean,
  isFinished: () => boolean = () => true
): Promise<void> {
  await using reader = await LogFileReader.open(path, 0, signal)
  let waited = { position: -1, unread: 0 }
  let secondLooks = 0
  let lookedAgainAt = -1
  for (;;) {
    signal?.throwIfAborted()
    const position = reader.position
    try {
      const block = await reader.next()
      const doubt = visitBlock(block, position)
      if (doubt !== undefined) {
        if (secondLooks++ < patientLooks) await setTimeout(ms, undefined, { signal })
        reader.position = lookedAgainAt = doubt
        continue
      }
      if (block.length > 0) continue
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      const unread = await reader.remaining()
      problem(position, `${error.message}; ${unread} bytes were not looked at`)
      return
    }
    const unread = await reader.remaining()
    if (unread === 0) return
    const isZero = await reader.onlyZerosRemain()
    // Room that is made ahead of the end is taken away when the segment is finished.
    if (isZero && !isFinished()) return
    if (position > waited.position || unread > waited.unread) {
      waited = { position, unread }
      await setTimeout(ms, undefined, { signal })
      continue
    }
    problem(position, isZero ? `${unread} zeros follow the last batch` : `the last ${unread} bytes are not a whole batch`)
    return
  }

  /** Returns where the batch stands that is to be looked at again, if any. */
  function visitBlock(block: Uint8Array, start: number): number | undefined {
    for (let at = 0; at < block.length; at += batchSizeAt(block, at)) {
      const position = start + at
      const mayLookAgain = position > lookedAgainAt && secondLooks < maxSecondLooks
      let batch: RecordBatch
      try {
        batch = new RecordBatch(block, at)
      } catch (error) {
        if (mayLookAgain && !isFinished()) return position
        problem(position, (error as Error).message)
        continue
      }
      if (!visit(batch, position, mayLookAgain)) return position
    }
    return undefined
  }
}

function indexChecks(segment: SegmentFile, visitor: SegmentVisitor): IndexCheck[] {
  const files = filesBeside(segment)
  const checks: IndexCheck[] = []
  type Report = (message: string) => void
  const add = (path: string, check: (bytes: Uint8Array, report: Report, note: Report) => IndexCheck) => {
    const bytes = contentOf(path)
    const report = (message: string) => visitor.problem(path, message)
    const note = (message: string) => visitor.note(path, message)
    checks.push(bytes ? check(bytes, report, note) : new MissingIndexCheck(() => !existsSync(path) && existsSync(segment.path), note))
  }
  add(files.index, (bytes, report, note) => new OffsetIndexCheck(bytes, segment.baseOffset, report, note))
  add(files.timeIndex, (bytes, report) => new TimeIndexCheck(bytes, segment.baseOffset, report))
  const reportAborted = (message: string) => visitor.problem(files.transactionIndex, message)
  // There is none where nothing was aborted.
  checks.push(new TransactionIndexCheck(contentOf(files.transactionIndex) ?? new Uint8Array(0), reportAborted))
  return checks
}
