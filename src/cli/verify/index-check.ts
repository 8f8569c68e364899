import { type AbortedTransaction, abortedTransactionsIn } from '../../log/history/transaction-index.js'
import type { RecordBatch } from '../../record/record-batch.js'
import {
  type OffsetIndexEntry,
  offsetEntryBytes,
  offsetIndexEntries,
  type TimeIndexEntry,
  timeEntryBytes,
  timeIndexEntries
} from '../look/index-entries.js'

type Report = (message: string) => void

/**
 * Holds an index against its log while the log is walked: `batch` takes the batches in order, `end`
 * says that there are no more, and whether the index is finished: that of a segment which is still
 * being written, or was when the process died, may end before its log. `aborted` is the transaction
 * that the batch aborts.
 */
export interface IndexCheck {
  batch(batch: RecordBatch, position: number, aborted: AbortedTransaction | undefined): void
  end(isFinished: boolean): void
}

/** So much of a log without a single entry is unusual, whatever the `index.interval.bytes`. */
const longWithoutEntry = 1024 * 1024

/** Notes that an index is missing, where there is something to index. */
export class MissingIndexCheck implements IndexCheck {
  readonly #isStillMissing: () => boolean
  readonly #note: Report
  #isEmpty = true

  constructor(isStillMissing: () => boolean, note: Report) {
    this.#isStillMissing = isStillMissing
    this.#note = note
  }

  batch(): void {
    this.#isEmpty = false
  }

  end(isFinished: boolean): void {
    if (isFinished && !this.#isEmpty && this.#isStillMissing()) this.#note('it is missing: whoever opens the log makes it anew')
  }
}

/**
 * Each entry of an `.index` has the last offset of the batch that begins at its position; offsets
 * and positions grow.
 */
export class OffsetIndexCheck implements IndexCheck {
  readonly #entries: Generator<OffsetIndexEntry, undefined>
  readonly #report: Report
  readonly #note: Report
  #entry: OffsetIndexEntry | undefined
  #lastPosition = 0
  #lastBatch = 0
  /** The least distance of two entries; an entry comes as soon as it may. */
  #leastDistance = longWithoutEntry

  /** Findings that are unusual but do no harm go to `note`. */
  constructor(bytes: Uint8Array, baseOffset: number, report: Report, note: Report) {
    this.#report = report
    this.#note = note
    if (bytes.length % offsetEntryBytes !== 0) report(`its size ${bytes.length} is no multiple of ${offsetEntryBytes}`)
    const entries = offsetIndexEntries(bytes, baseOffset)
    this.#entries = ascending(
      entries,
      entry => entry.position,
      entry => entry.offset,
      report
    )
    this.#advance()
  }

  batch(batch: RecordBatch, position: number): void {
    this.#lastBatch = position
    while (this.#entry && this.#entry.position < position) {
      this.#report(`${shown(this.#entry)} points to where no batch begins`)
      this.#advance()
    }
    if (this.#entry?.position !== position) return
    if (this.#entry.offset !== batch.lastOffset) {
      this.#report(`${shown(this.#entry)} should have offset ${batch.lastOffset}, the last one of the batch there`)
    }
    this.#leastDistance = Math.min(this.#leastDistance, position - this.#lastPosition)
    this.#lastPosition = position
    this.#advance()
  }

  end(isFinished: boolean): void {
    for (; this.#entry; this.#advance()) this.#report(`${shown(this.#entry)} points beyond the last batch`)
    if (isFinished && this.#lastBatch - this.#lastPosition >= this.#leastDistance) {
      this.#note(`it has no entry after position ${this.#lastPosition}, though its log goes on to ${this.#lastBatch}: look-ups are slower`)
    }
  }

  #advance(): void {
    this.#entry = this.#entries.next().value
  }
}

/**
 * Each entry of a `.timeindex` has the largest timestamp so far, and the last offset of the batch
 * that brought it.
 */
export class TimeIndexCheck implements IndexCheck {
  readonly #entries: Generator<TimeIndexEntry, undefined>
  readonly #report: Report
  #entry: TimeIndexEntry | undefined
  #lastTimestamp = -1
  #largest = -1

  constructor(bytes: Uint8Array, baseOffset: number, report: Report) {
    this.#report = report
    if (bytes.length % timeEntryBytes !== 0) report(`its size ${bytes.length} is no multiple of ${timeEntryBytes}`)
    const entries = timeIndexEntries(bytes, baseOffset)
    this.#entries = ascending(
      entries,
      entry => entry.offset,
      entry => entry.timestamp,
      report
    )
    this.#advance()
  }

  batch(batch: RecordBatch): void {
    while (this.#entry && this.#entry.offset < batch.baseOffset) {
      this.#report(`${shown(this.#entry)} stands for an offset at which no batch ends`)
      this.#advance()
    }
    this.#largest = Math.max(this.#largest, batch.maxTimestamp)
    while (this.#entry && this.#entry.offset <= batch.lastOffset) {
      const { offset, timestamp } = this.#entry
      if (offset !== batch.lastOffset) this.#report(`${shown(this.#entry)} stands for an offset at which no batch ends`)
      else if (timestamp !== this.#largest) this.#report(`${shown(this.#entry)} should have timestamp ${this.#largest}`)
      this.#lastTimestamp = timestamp
      this.#advance()
    }
  }

  end(isFinished: boolean): void {
    for (; this.#entry; this.#advance()) this.#report(`${shown(this.#entry)} stands for an offset beyond the last batch`)
    if (isFinished && this.#lastTimestamp < this.#largest) {
      this.#report(`entries are missing: it ends with timestamp ${this.#lastTimestamp}, the largest in its log is ${this.#largest}`)
    }
  }

  #advance(): void {
    this.#entry = this.#entries.next().value
  }
}

/**
 * Each entry of a `.txnindex` is about a transaction whose ABORT marker stands in the log; and each
 * that was aborted has one.
 */
export class TransactionIndexCheck implements IndexCheck {
  readonly #byMarker = new Map<number, AbortedTransaction>()
  readonly #missing: AbortedTransaction[] = []
  readonly #report: Report

  constructor(bytes: Uint8Array, report: Report) {
    this.#report = report
    try {
      for (const entry of abortedTransactionsIn(bytes)) {
        if (entry.firstOffset >= entry.lastOffset) report(`${shown(entry)} ends before it begins`)
        this.#byMarker.set(entry.lastOffset, entry)
      }
    } catch (error) {
      report((error as Error).message)
    }
  }

  batch(batch: RecordBatch, _position: number, aborted: AbortedTransaction | undefined): void {
    const entry = this.#byMarker.get(batch.lastOffset)
    if (!entry && aborted) this.#missing.push(aborted)
    if (!entry || !batch.isControl) return
    this.#byMarker.delete(batch.lastOffset)
    if (entry.producerId !== batch.producerId) this.#report(`${shown(entry)} should be of producer ${batch.producerId}`)
    // Compaction and retention may have taken what came first.
    else if (aborted && (entry.firstOffset > aborted.firstOffset || entry.lastStableOffset > aborted.lastStableOffset)) {
      this.#report(`${shown(entry)} should be {${fieldsOf(aborted)}}`)
    }
  }

  end(isFinished: boolean): void {
    for (const entry of this.#byMarker.values()) this.#report(`${shown(entry)} has no marker at its last offset`)
    for (const aborted of isFinished ? this.#missing : []) this.#report(`{${fieldsOf(aborted)}} was aborted and is not in it`)
  }
}

/**
 * Reports entries that do not ascend, and passes over those that go back by `place`: a walk only
 * goes forward.
 */
function* ascending<E extends object>(
  entries: Iterable<E>,
  place: (entry: E) => number,
  value: (entry: E) => number,
  report: Report
): Generator<E, undefined> {
  let before: E | undefined
  for (const entry of entries) {
    const isForward = !before || place(entry) > place(before)
    if (before && !(isForward && value(entry) > value(before))) report(`${shown(entry)} follows ${shown(before)}`)
    if (!isForward) continue
    before = entry
    yield entry
  }
}

function shown(entry: object): string {
  return `the entry {${fieldsOf(entry)}}`
}

function fieldsOf(entry: object): string {
  return Object.entries(entry)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ')
}
