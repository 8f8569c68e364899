import { firstToAbort } from '../../common/abort.js'
import { attribute, attributesAt, batchSizeAt, lastOffsetAt, recordCountAt } from '../../record/batch-header.js'
import { RecordCursor } from '../../record/record-cursor.js'
import { reasonOf } from '../append/write-failures.js'
import { exclusively } from '../exclusively.js'
import type { ProducerState } from '../history/producer-state.js'
import { removeKeyFiles } from '../keys/key-checkpoint.js'
import { KeyTable } from '../keys/key-table.js'
import type { LogState } from '../log-state.js'
import { walkBatches } from '../segment/batch-scan.js'
import type { Segment } from '../segment/segment.js'
import { BatchCleaner, type LastOfProducer } from './batch-cleaner.js'
import { CleanedSegment } from './cleaned-segment.js'
import { type Dirtiness, dirtinessOf } from './dirtiness.js'
import { KeyOffsets } from './key-offsets.js'
import { type MeasuredSegment, segmentGroups } from './segment-groups.js'
import { Slices } from './slices.js'
import { expectSound, type Survey, surveyOf } from './survey.js'
import { swapIn } from './swap.js'
import { TransactionRemains } from './transaction-remains.js'

export interface CompactOptions {
  /** Compacts even when the log is not dirty enough yet. Default: `false`. */
  readonly force?: boolean
  /**
   * The most memory that the keys of one round take, in bytes. With more keys the round ends before
   * them and the next one goes on there. Default: 128 MiB, Kafka's own; it is taken only as it is
   * needed.
   */
  readonly maxKeyBytes?: number
  /** Ends the compaction; the log is then as it was, but for the segments that were done. */
  readonly signal?: AbortSignal
}

/** The result of one round of compaction. */
export interface CompactionReport {
  /** Records before this offset have been compacted. */
  readonly firstDirtyOffset: number
  readonly recordsRead: number
  readonly recordsKept: number
  readonly segmentsBefore: number
  readonly segmentsAfter: number
  readonly bytesBefore: number
  readonly bytesAfter: number
}

const defaultMaxKeyBytes = 128 * 1024 * 1024

/**
 * Compacts one log: of each key only the last record stays, at its offset. One round reads the
 * dirty part of the log for the last offset of each key, then writes all segments up to there anew,
 * a few into one where they became small, and puts them in the place of the old ones. Appends and
 * reads go on meanwhile: the active segment is not touched, and a reader that stands in an old
 * segment finishes there.
 */
export class Compactor {
  readonly #log: LogState
  #stop: AbortController | undefined
  #isClosed = false
  #running: Promise<CompactionReport | undefined> | undefined

  constructor(log: LogState) {
    this.#log = log
  }

  /** Measures the log, of which all that is safe on the disk may be compacted. */
  async dirtiness(): Promise<Dirtiness> {
    const { flusher } = this.#log
    await flusher.idle()
    this.#log.expectOpen()
    return this.#dirtiness(this.#log.recoveryPoint)
  }

  #dirtiness(safeUpTo: number): Promise<Dirtiness> {
    const log = this.#log
    const limit = Math.min(log.lastStableOffset, log.storage.durable ? safeUpTo : Number.POSITIVE_INFINITY)
    return log.segments.holding(held => dirtinessOf(log, held, limit, log.clock.now()))
  }

  /**
   * One round; undefined when there is nothing to do. A call while one is under way gets that one's
   * result.
   */
  compact(options: CompactOptions = {}): Promise<CompactionReport | undefined> {
    this.#running ??= this.#round(options).finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** Ends the round under way, for good. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stop?.abort()
    await this.#running?.catch(() => {})
  }

  async #round(options: CompactOptions): Promise<CompactionReport | undefined> {
    const log = this.#log
    await log.flusher.idle()
    const { recoveryPoint } = log
    // Compaction leaves gaps between offsets, which after a crash tell of damage unless they are
    // known to lie before the recovery point.
    if (log.storage.durable) await log.events.saveRecoveryPoint?.()
    const dirtiness = await this.#dirtiness(recoveryPoint)
    if (dirtiness.endOffset === dirtiness.firstDirtyOffset || !(options.force || dirtiness.isDue)) return undefined
    const { cuts } = log
    try {
      return await log.segments.holding(held => this.#compactHeld(held, dirtiness, options, cuts))
    } catch (error) {
      if (error === overtaken || cuts !== log.cuts) return undefined
      throw log.chain.damage.tell(error)
    }
  }

  async #compactHeld(held: readonly Segment[], dirtiness: Dirtiness, options: CompactOptions, cuts: number): Promise<CompactionReport> {
    for (const { damage, baseOffset } of held) if (damage && baseOffset < dirtiness.endOffset) throw damage
    const { maxKeyBytes = defaultMaxKeyBytes, signal } = options
    // Made when it is needed: most logs never are compacted, and a thousand that close at once
    // would feel it.
    this.#stop = new AbortController()
    if (this.#isClosed) this.#stop.abort()
    const stop = firstToAbort(signal, this.#stop.signal)
    try {
      return await this.#compactSlices(held, dirtiness, maxKeyBytes, cuts, new Slices(stop.signal))
    } finally {
      stop.end()
    }
  }

  async #compactSlices(
    held: readonly Segment[],
    dirtiness: Dirtiness,
    maxKeyBytes: number,
    cuts: number,
    slices: Slices
  ): Promise<CompactionReport> {
    const log = this.#log
    const { firstDirtyOffset, endOffset } = dirtiness
    const survey = await surveyOf(held, dirtiness, slices)
    const dirty = held.filter((segment, i) => segment.baseOffset < endOffset && !(held[i + 1]?.baseOffset <= firstDirtyOffset))
    const { keys, keysEnd } = await lastOffsets(dirty, dirtiness, survey, maxKeyBytes, slices)
    const index = log.history.keys
    let gone = new KeyTable()
    const cleaner = new BatchCleaner({
      keys,
      keysEnd,
      roundEnd: endOffset,
      transactions: new TransactionRemains(survey.aborted),
      lastOfProducer: id => lastOfProducer(log.history.producers, id),
      now: log.clock.now(),
      deleteRetentionMs: log.options.deleteRetentionMs,
      ...(index && { onTombstoneGone: (bytes, start, length, offset) => index.collect(gone, bytes, start, length, offset) })
    })
    const sources = held.filter(({ baseOffset }) => baseOffset < keysEnd)
    const bytesBefore = sources.reduce((bytes, { sizeInBytes }) => bytes + sizeInBytes, 0)
    const groups = segmentGroups(await this.#measured(sources), endOffset, log.options)
    let bytesAfter = 0
    for (const group of groups) {
      gone = new KeyTable()
      bytesAfter += await this.#clean(group, cleaner, slices, cuts, gone)
    }
    log.compactedUpTo = keysEnd
    if (log.storage.durable) log.flusher.saveKeys()
    const { recordsRead, recordsKept } = cleaner
    return {
      firstDirtyOffset: keysEnd,
      recordsRead,
      recordsKept,
      segmentsBefore: sources.length,
      segmentsAfter: groups.length,
      bytesBefore,
      bytesAfter
    }
  }

  async #measured(sources: readonly Segment[]): Promise<MeasuredSegment[]> {
    const measured: MeasuredSegment[] = []
    for (const segment of sources) {
      await segment.indexer.load()
      measured.push({ segment, offsetIndexBytes: segment.indexes.offsets.bytes.length, timeIndexBytes: segment.indexes.times.bytes.length })
      this.#log.segments.touch(segment)
    }
    return measured
  }

  /** Writes what stays of some segments into one, and puts it in their place. Returns its size. */
  async #clean(sources: readonly Segment[], cleaner: BatchCleaner, slices: Slices, cuts: number, gone: KeyTable): Promise<number> {
    const { storage, folder, options } = this.#log
    const output = await CleanedSegment.begin(storage, folder, sources, options)
    try {
      for (const source of sources) {
        await walkBatches(source, 0, source.readableBytes, async (bytes, position, filePosition) => {
          expectSound(source, bytes, position, filePosition)
          const kept = cleaner.clean(bytes, position)
          if (kept) await output.append(kept)
          await slices.spend(cleaner.work)
        })
      }
      const cleaned = await output.finish()
      if (!(await this.#putInPlace(cleaned, sources, cuts, gone))) throw overtaken
      return cleaned.sizeInBytes
    } catch (error) {
      await output.discard()
      throw error
    }
  }

  /** Returns whether it could: not when the sources have been removed or cut meanwhile. */
  async #putInPlace(cleaned: Segment, sources: readonly Segment[], cuts: number, gone: KeyTable): Promise<boolean> {
    const log = this.#log
    const { segments, storage, folder } = log
    let isDone = false
    await exclusively(log, async () => {
      const index = segments.all.indexOf(sources[0])
      const areThere = cuts === log.cuts && index >= 0 && sources.every((source, i) => segments.at(index + i) === source)
      if (!areThere) return
      try {
        for (const source of sources) await source.giveUpNames()
        log.chain.noteGapBefore(sources[sources.length - 1].nextOffset)
        if (log.history.keys && storage.durable) await removeKeyFiles(storage, folder)
        await swapIn(storage, folder, cleaned, sources)
      } catch (error) {
        throw new Error(`compacted segments could not be put in place: ${reasonOf(error)}`, { cause: error })
      }
      segments.replace(index, sources.length, cleaned)
      log.history.keys?.forget(gone)
      log.history.transactions.forget({ baseOffset: sources[0].baseOffset, nextOffset: sources[sources.length - 1].nextOffset })
      segments.touch(cleaned)
      isDone = true
    })
    return isDone
  }
}

/** Thrown when the segments have been removed or cut while they were being compacted. */
const overtaken = new Error('The log has changed')

function lastOfProducer(producers: ProducerState, producerId: number): LastOfProducer | undefined {
  const entry = producers.get(producerId)
  return entry && { epoch: entry.epoch, lastOffset: entry.batches.at(-1)?.lastOffset }
}

/** The last offset of each key from `firstDirtyOffset` on, and up to where all keys are in it. */
async function lastOffsets(
  segments: readonly Segment[],
  { firstDirtyOffset, endOffset }: Dirtiness,
  { aborted, dirtyRecords }: Survey,
  maxKeyBytes: number,
  slices: Slices
): Promise<{ readonly keys: KeyOffsets; readonly keysEnd: number }> {
  const keys = new KeyOffsets(maxKeyBytes, dirtyRecords)
  const transactions = new TransactionRemains(aborted)
  const cursor = new RecordCursor()
  let keysEnd = firstDirtyOffset
  for (const segment of segments) {
    const isFull = await walkBatches(segment, 0, segment.readableBytes, (bytes, position, filePosition) => {
      const isControl = (attributesAt(bytes, position) & attribute.control) !== 0
      if (isControl) transactions.endsNothing(bytes, position)
      const holdsKeys = !isControl && !transactions.isAborted(bytes, position)
      const lastOffset = lastOffsetAt(bytes, position)
      const size = batchSizeAt(bytes, position)
      let work = size
      if (holdsKeys && lastOffset >= firstDirtyOffset) {
        const count = recordCountAt(bytes, position)
        if (!keys.hasRoomFor(count)) return true
        keys.reserve(count)
        // A key that is damaged must not take the last record of another with it.
        expectSound(segment, bytes, position, filePosition)
        cursor.reset(bytes, position)
        while (cursor.next()) {
          if (cursor.keyLength < 0 || cursor.offset < firstDirtyOffset) continue
          keys.set(cursor.bytes, cursor.keyStart, cursor.keyLength, cursor.offset)
        }
        work += cursor.bytes === bytes ? size : cursor.bytes.length
      }
      keysEnd = Math.max(keysEnd, lastOffset + 1)
      return slices.spend(work)
    })
    if (isFull) return { keys, keysEnd }
  }
  return { keys, keysEnd: endOffset }
}
