import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { CheckpointEntry } from '../../log/history/checkpoint.js'
import { LeaderEpochs } from '../../log/history/leader-epochs.js'
import { snapshotEntries } from '../../log/history/producer-snapshot.js'
import { ProducerState } from '../../log/history/producer-state.js'
import type { AbortedTransaction } from '../../log/history/transaction-index.js'
import type { RecordBatch } from '../../record/record-batch.js'
import { batchesOf } from '../look/batches-of.js'
import { leaderEpochCheckpoint, offsetCheckpoint, topicIdIn } from '../look/checkpoint-files.js'
import { contentOf, type PartitionFolder, type SegmentFile, segmentFiles } from '../look/data-directory.js'
import { type Patience, type SegmentVisitor, verifyBatches, verifySegment } from './verify-segment.js'

/** The result of verifying the log of a partition. */
export interface PartitionSummary {
  readonly segments: number
  readonly batches: number
  readonly records: number
  readonly bytes: number
  readonly logEndOffset: number
  /**
   * Offsets between the first and the last that no batch has, as compaction leaves them; 0 where
   * nothing explains them, which is a problem.
   */
  readonly missingOffsets: number
  /**
   * Batches whose records could not be looked at, because this version of Node lacks their
   * compression.
   */
  readonly unreadableBatches: number
}

interface Reporter {
  problem(file: string, message: string): void
  note(file: string, message: string): void
  readonly patience: Patience
}

/** Reasons for missing offsets. */
export interface Explanations {
  /** Records before this offset were deleted. */
  readonly logStartOffset: number
  /** Records before this offset were compacted. */
  readonly compactedUpTo: number
  /**
   * True if the topic is compacted; undefined where nothing says how it is cleaned up, as in a copy
   * of one folder.
   */
  readonly isCompacted: () => Promise<boolean | undefined>
}

/**
 * Reads all files of a partition through; what is wrong goes to `reporter`. All before `safeUpTo`,
 * and all of it when that is infinite, is finished.
 */
export async function verifyPartition(
  folder: PartitionFolder,
  safeUpTo: number,
  explanations: Explanations,
  reporter: Reporter
): Promise<PartitionSummary> {
  const names = readdirSync(folder.path)
  const walk = new PartitionWalk(folder, safeUpTo, reporter)
  const segments = segmentFiles(folder.path)
  for (const segment of segments) await walk.segment(segment, segment === segments.at(-1))
  for (const name of names) {
    const path = join(folder.path, name)
    if (/^\d{20}\.snapshot$/.test(name)) verifySnapshot(path, Number(name.slice(0, 20)), walk.nextOffset, reporter)
    if (/^\d{20}-\d{10}\.checkpoint$/.test(name)) await verifyMetadataSnapshot(path, reporter)
    if (name === 'partition.metadata') verifyWhole(path, topicIdIn, reporter)
    if (/^\d{20}\.(index|timeindex|txnindex)$/.test(name) && isAlone(path)) {
      // Retention takes the log first.
      await setTimeout(reporter.patience.ms, undefined, { signal: reporter.patience.signal })
      if (isAlone(path)) reporter.problem(path, 'it has no log beside it')
    }
  }
  const { logStartOffset, compactedUpTo, isCompacted } = explanations
  const unexplained = walk.gaps.filter(({ end }) => end > Math.max(logStartOffset, compactedUpTo))
  if (unexplained.length === 0) return walk.summary()
  const { signal } = reporter.patience
  if ((await isCompacted()) ?? (await couldBeCompacted(folder.path, unexplained, signal))) return walk.summary()
  for (const { file, position, reason } of unexplained) reporter.problem(file, `position ${position}: ${reason}`)
  return { ...walk.summary(), missingOffsets: 0 }
}

/** Offsets that no batch has. */
interface Gap {
  readonly file: string
  readonly position: number
  /** The first of the missing offsets, and the one after them. */
  readonly from: number
  readonly end: number
  readonly reason: string
}

/**
 * True if compaction could have left these gaps: before the last of them every record has a key,
 * and no key comes twice. A gap is never wider than the offsets of one segment may be.
 */
async function couldBeCompacted(path: string, gaps: readonly Gap[], signal: AbortSignal | undefined): Promise<boolean> {
  if (gaps.some(({ from, end }) => end - from > widestGap)) return false
  const end = Math.max(...gaps.map(gap => gap.end))
  const keys = new Set<string>()
  try {
    for await (const batch of batchesOf(path, 0, signal)) {
      if (batch.baseOffset >= end) return true
      for (const { key, offset } of batch.isControl ? [] : batch.records()) {
        if (offset >= end) return true
        const text = key && Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')
        if (text === null || keys.has(text)) return false
        // Memory does not grow with the log: that much without a contradiction will do.
        if (keys.add(text).size >= mostKeys) return true
      }
    }
    return true
  } catch {
    // Unreadable files are told where the log is walked.
    signal?.throwIfAborted()
    return false
  }
}

const widestGap = 2 ** 31 - 1
const mostKeys = 500_000

function isAlone(index: string): boolean {
  return existsSync(index) && !existsSync(index.replace(/[a-z]+$/, 'log'))
}

const mostGaps = 1000

/**
 * Follows the batches of a partition from segment to segment: their offsets grow, their leader
 * epochs are those of the checkpoint.
 */
class PartitionWalk implements SegmentVisitor {
  readonly #reporter: Reporter
  readonly #epochsPath: string
  readonly #safeUpTo: number
  readonly #producers = new ProducerState()
  #epochs: LeaderEpochs | undefined
  #segment: SegmentFile = { baseOffset: 0, path: '' }
  #isLast = false
  #counts = { segments: 0, batches: 0, records: 0, bytes: 0 }
  #missing = 0
  #unreadable = 0
  /** Undefined before the first segment. */
  #nextOffset: number | undefined
  /** The position at which the batches of the last segment end. */
  #endPosition = 0
  readonly #gaps: Gap[] = []

  constructor(folder: PartitionFolder, safeUpTo: number, reporter: Reporter) {
    this.#reporter = reporter
    this.#safeUpTo = safeUpTo
    this.#epochsPath = join(folder.path, 'leader-epoch-checkpoint')
    this.#epochs = this.#readEpochs(reporter)
  }

  get patience(): Patience {
    return this.#reporter.patience
  }

  get gaps(): readonly Gap[] {
    return this.#gaps
  }

  get nextOffset(): number {
    return this.#nextOffset ?? 0
  }

  async segment(segment: SegmentFile, isLast: boolean): Promise<void> {
    const expected = this.#nextOffset ?? segment.baseOffset
    if (segment.baseOffset < expected) this.problem(segment.path, `it begins before offset ${expected}, where the segment before it ends`)
    if (segment.baseOffset > expected) this.#noteGapBefore(segment, expected)
    this.#nextOffset = Math.max(expected, segment.baseOffset)
    this.#segment = segment
    this.#isLast = isLast
    this.#counts.segments++
    this.#endPosition = 0
    try {
      await verifySegment(segment, this)
    } catch (error) {
      // Retention may have taken it meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      this.#nextOffset = undefined
    }
  }

  problem(file: string, message: string): void {
    this.#reporter.problem(file, message)
  }

  note(file: string, message: string): void {
    this.#reporter.note(file, message)
  }

  get isFinished(): boolean {
    return this.#isLast ? this.#safeUpTo === Number.POSITIVE_INFINITY : this.nextOffset <= this.#safeUpTo
  }

  abortedBy(batch: RecordBatch): AbortedTransaction | undefined {
    return this.#producers.note(batch.bytes)
  }

  unreadable(): void {
    this.#unreadable++
  }

  batch(batch: RecordBatch, position: number): void {
    const expected = this.nextOffset
    const { baseOffset, lastOffset, recordCount, sizeInBytes } = batch
    if (baseOffset < expected) {
      this.problem(this.#segment.path, `position ${position}: offset ${baseOffset} comes again, ${expected} was due`)
    }
    if (baseOffset > expected) {
      this.#missing += baseOffset - expected
      this.#gap(this.#segment.path, position, expected, baseOffset, `the offsets ${expected} to ${baseOffset - 1} are missing before it`)
    }
    this.#nextOffset = Math.max(expected, lastOffset + 1)
    this.#endPosition = position + sizeInBytes
    this.#counts.batches++
    this.#counts.records += Math.max(0, recordCount)
    this.#counts.bytes += sizeInBytes
    if (this.#contradictsEpochs(batch)) {
      // Perhaps the epoch is new.
      this.#epochs = this.#readEpochs()
      if (!this.#contradictsEpochs(batch)) return
      const known = this.#epochs?.epochOf(baseOffset)
      this.problem(this.#epochsPath, `offset ${baseOffset} has epoch ${known} in it and epoch ${batch.leaderEpoch} in the log`)
      this.#epochs = undefined
    }
  }

  /** The segment before ends early, is empty or is missing; or this one is a stray. */
  #noteGapBefore({ baseOffset, path }: SegmentFile, expected: number): void {
    this.#missing += baseOffset - expected
    const offsets = `the offsets ${expected} to ${baseOffset - 1} are missing before the next segment, ${basename(path)}`
    const isEmpty = this.#endPosition === 0
    this.#gap(
      this.#segment.path,
      this.#endPosition,
      expected,
      baseOffset,
      isEmpty ? `it is empty, and ${offsets}` : `its batches end here, and ${offsets}`
    )
  }

  /**
   * Of a compacted log there may be millions, which compaction explains: only the last ones are
   * kept, as it works from the start.
   */
  #gap(file: string, position: number, from: number, end: number, reason: string): void {
    this.#gaps.push({ file, position, from, end, reason })
    if (this.#gaps.length > 2 * mostGaps) this.#gaps.splice(0, mostGaps)
  }

  summary(): PartitionSummary {
    return { ...this.#counts, logEndOffset: this.nextOffset, missingOffsets: this.#missing, unreadableBatches: this.#unreadable }
  }

  #contradictsEpochs({ baseOffset, leaderEpoch }: RecordBatch): boolean {
    const first = this.#epochs?.entries[0]
    if (!this.#epochs || !first || leaderEpoch < 0 || baseOffset < first.startOffset) return false
    return this.#epochs.epochOf(baseOffset) !== leaderEpoch
  }

  #readEpochs(reporter?: Reporter): LeaderEpochs | undefined {
    const bytes = contentOf(this.#epochsPath)
    if (!bytes) return undefined
    try {
      const epochs = new LeaderEpochs()
      for (const { epoch, startOffset } of leaderEpochCheckpoint(bytes)) epochs.assign(epoch, startOffset)
      return epochs
    } catch (error) {
      reporter?.problem(this.#epochsPath, (error as Error).message)
      return undefined
    }
  }
}

function verifySnapshot(path: string, offset: number, logEndOffset: number, reporter: Reporter): void {
  const bytes = contentOf(path)
  if (!bytes) return
  if (offset > logEndOffset) reporter.problem(path, `the log ends before it, at offset ${logEndOffset}`)
  try {
    for (const { producerId, lastOffset } of snapshotEntries(bytes)) {
      if (lastOffset >= offset) reporter.problem(path, `producer ${producerId} has offset ${lastOffset} in it, which comes after it`)
    }
  } catch (error) {
    reporter.problem(path, (error as Error).message)
  }
}

/** A snapshot of `__cluster_metadata`, which is made of batches like a log. */
async function verifyMetadataSnapshot(path: string, reporter: Reporter): Promise<void> {
  const problem = (position: number, message: string) => reporter.problem(path, `position ${position}: ${message}`)
  await verifyBatches(path, reporter.patience, problem, (batch, position) => {
    try {
      batch.verify()
    } catch (error) {
      problem(position, (error as Error).message)
    }
    return true
  })
}

/** The entries of a checkpoint of offsets that can be used. */
export function verifyOffsets(path: string, reporter: Pick<Reporter, 'problem'>): readonly CheckpointEntry[] {
  const { entries, faults } = offsetCheckpoint(contentOf(path) ?? new Uint8Array(0))
  for (const { line, reason } of faults) reporter.problem(path, line > 2 ? `line ${line}: ${reason}` : reason)
  return entries
}

/** Reads a file that is read as a whole, if it is there. */
export function verifyWhole<T>(path: string, read: (bytes: Uint8Array) => T, reporter: Pick<Reporter, 'problem'>): T | undefined {
  const bytes = contentOf(path)
  if (!bytes) return undefined
  try {
    return read(bytes)
  } catch (error) {
    reporter.problem(path, (error as Error).message)
    return undefined
  }
}
