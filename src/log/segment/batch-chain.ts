import { baseOffsetAt, batchSizeAt, currentMagic, field, headerBytes, lastOffsetAt, leaderEpochAt } from '../../record/batch-header.js'
import type { LeaderEpochs } from '../history/leader-epochs.js'
import { type CompleteLogOptions, compacts } from '../log-options.js'
import type { DamageReports } from './damage.js'

export interface BatchChainParts {
  /** True if the batches lie in files, whose bytes may change behind the log's back. */
  readonly isChecked: boolean
  readonly leaderEpochs: LeaderEpochs
  readonly damage: DamageReports
  /** Records before this offset have been compacted; undefined where that is not known of any. */
  readonly compactedUpTo: number | undefined
}

/**
 * The chain of the batches of a log. A leader gives offsets without gaps, so one that is missing is
 * damage, unless compaction has taken it, here or where a replica has its batches from, or it was
 * deleted. Leader epochs never go back. None of that is under a batch's checksum.
 */
export class BatchChain {
  readonly isChecked: boolean
  readonly damage: DamageReports
  /** Records before this offset are deleted: what is wrong with them is no damage. */
  startOffset = 0
  compactedUpTo: number | undefined
  /** Makes sure of the leader epochs by the batches themselves; set by the log. */
  confirmEpochs: () => Promise<void> = () => Promise.resolve()
  readonly #leaderEpochs: LeaderEpochs
  #isCompacted: boolean
  #gapsEnd: number
  #areEpochsSure = false

  constructor(parts: BatchChainParts, options: CompleteLogOptions) {
    this.isChecked = parts.isChecked
    this.damage = parts.damage
    this.compactedUpTo = parts.compactedUpTo
    this.#leaderEpochs = parts.leaderEpochs
    this.#isCompacted = compacts(options)
    this.#gapsEnd = parts.compactedUpTo ?? 0
  }

  configure(options: CompleteLogOptions): void {
    this.#isCompacted = compacts(options)
  }

  /** True if offsets may be missing before `offset`. */
  mayLackBefore(offset: number): boolean {
    return !this.isChecked || this.#isCompacted || offset <= this.#gapsEnd || offset <= this.startOffset
  }

  /** From here on no offset is missing, as long as nothing more is compacted. */
  get gapsEnd(): number {
    return this.#gapsEnd
  }

  /**
   * Offsets before `offset` are missing because they were compacted, here or where the batches come
   * from.
   */
  noteGapBefore(offset: number): void {
    if (!this.mayLackBefore(offset)) this.#gapsEnd = offset
  }

  /** Forgets compaction beyond the end of the log, which is wrong. */
  endsAt(offset: number): void {
    this.compactedUpTo = undefined
    this.#gapsEnd = Math.min(this.#gapsEnd, offset)
  }

  get areEpochsSure(): boolean {
    return this.#areEpochsSure
  }

  /** The leader epochs were made from the batches. */
  epochsAreSure(): void {
    this.#areEpochsSure = true
  }

  /** The epoch that a batch at `offset` must have; -1 where that is not known. */
  epochOf(offset: number): number {
    return this.#leaderEpochs.epochOf(offset)
  }
}

/** The most that can be told apart within a segment. */
const maxOffsetsPerSegment = 2 ** 31

/** Follows the batches of a segment from one to the next, by their headers. */
export class ChainWalk {
  /** The offset that the next batch begins with; -1 where that is not known. */
  expected: number
  /** True if the last batch is damaged, but ends before what matters. */
  isPassed = false
  /** True if the epoch of the last batch is not that which is on record, though it may be right. */
  isEpochDoubtful = false
  readonly #chain: BatchChain
  /** Offsets below this one, or from `#limit` on, belong in other segments. */
  readonly #base: number
  readonly #limit: number
  readonly #checksEpochs: boolean
  #epoch = -1

  constructor(chain: BatchChain, expected: number, base: number, limit: number, checksEpochs = chain.isChecked) {
    this.#chain = chain
    this.expected = expected
    this.#base = base
    this.#checksEpochs = checksEpochs
    this.#limit = Math.min(limit, base + maxOffsetsPerSegment)
  }

  /** The offset after the batches so far. */
  get nextOffset(): number {
    return Math.max(this.expected, this.#base)
  }

  /**
   * Describes the fault of the batch at `position`, whose header is there, if there is one. One
   * that is damaged is passed when the next begins at `passUpTo` or before: nobody wants what is in
   * it.
   */
  faultOf(bytes: Uint8Array, position: number, passUpTo = this.#chain.startOffset): string | undefined {
    this.isPassed = this.isEpochDoubtful = false
    const size = batchSizeAt(bytes, position)
    if (size < headerBytes) return `a batch of ${size} bytes is not possible`
    const fault = this.#faultOf(bytes, position, position + size)
    if (fault === undefined) {
      this.expected = lastOffsetAt(bytes, position) + 1
      this.#epoch = leaderEpochAt(bytes, position)
      return undefined
    }
    const next = position + size
    const nextOffset = next + headerBytes <= bytes.length ? baseOffsetAt(bytes, next) : -1
    if (nextOffset < this.nextOffset || nextOffset > passUpTo) return fault
    this.expected = nextOffset
    this.isPassed = true
    return undefined
  }

  #faultOf(bytes: Uint8Array, position: number, next: number): string | undefined {
    const magic = bytes[position + field.magic]
    if (magic !== currentMagic) return `magic ${magic} is not known`
    const baseOffset = baseOffsetAt(bytes, position)
    const lastOffset = lastOffsetAt(bytes, position)
    const { expected } = this
    if (baseOffset < this.nextOffset || lastOffset < baseOffset || lastOffset >= this.#limit) {
      const from = expected < 0 ? this.#base : expected
      return `a batch with the offsets ${baseOffset} to ${lastOffset} cannot stand between ${from} and ${this.#limit}`
    }
    const hasNext = next + headerBytes <= bytes.length
    if (expected >= 0 && baseOffset > expected) {
      if (!this.#chain.mayLackBefore(baseOffset)) return `the offsets ${expected} to ${baseOffset - 1} are missing before it`
      const nextOffset = hasNext ? baseOffsetAt(bytes, next) : -1
      if (nextOffset >= expected && nextOffset <= lastOffset)
        return `its offsets are ${baseOffset} to ${lastOffset}, the next are from ${nextOffset} on`
    }
    if (!this.#checksEpochs) return undefined
    const epoch = leaderEpochAt(bytes, position)
    const known = this.#chain.epochOf(baseOffset)
    if (epoch === known || known < 0 || epoch === -1) return undefined
    const following = hasNext ? leaderEpochAt(bytes, next) : -1
    const isOutOfOrder = epoch < this.#epoch || (following >= 0 && epoch > following)
    if (epoch < -1 || this.#chain.areEpochsSure || isOutOfOrder) return `its leader epoch is ${epoch} instead of ${known}`
    this.isEpochDoubtful = true
    return undefined
  }
}
