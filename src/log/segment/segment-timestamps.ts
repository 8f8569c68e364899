import { type CompleteLogOptions, rollAfterMs } from '../log-options.js'

/** A segment is not closed for its age before it has been there for so long. */
const shortestLifeMs = 60_000

/** The timestamps of a segment's records, as far as they are known, and the age of the segment. */
export class SegmentTimestamps {
  readonly #createdAt: number
  readonly #baseOffset: number
  #modifiedAt: number
  /** Of the first batch, which the age of the segment counts from. */
  #first = -1
  #largest = -1
  #offsetOfLargest: number
  #isLargestKnown = true

  constructor(baseOffset: number, now: number) {
    this.#baseOffset = baseOffset
    this.#offsetOfLargest = baseOffset
    this.#createdAt = now
    this.#modifiedAt = now
  }

  /** The time at which the last batch was added, by the clock, or when the segment was opened. */
  get modifiedAt(): number {
    return this.#modifiedAt
  }

  /** The largest timestamp of its records; -1 when none has one. */
  get largest(): number {
    return this.#largest
  }

  /** Last offset of the first batch with the largest timestamp. */
  get offsetOfLargest(): number {
    return this.#offsetOfLargest
  }

  /** False for a segment that was taken as it is, until someone has asked. */
  get isLargestKnown(): boolean {
    return this.#isLargestKnown
  }

  /** The time that retention goes by; infinite while the largest timestamp is not known. */
  get forRetention(): number {
    if (!this.#isLargestKnown) return Number.POSITIVE_INFINITY
    return this.#largest >= 0 ? this.#largest : this.#modifiedAt
  }

  /** The age of the segment for a batch with such a largest timestamp. */
  ageFor(maxTimestamp: number, now: number): number {
    return this.#first >= 0 ? maxTimestamp - this.#first : now - this.#createdAt
  }

  /** True if the segment is old enough to be closed. */
  isOld(options: CompleteLogOptions, now: number): boolean {
    const limit = rollAfterMs(options)
    const begun = this.#first >= 0 ? this.#first : this.#createdAt
    // Old records that are being brought in do not get a segment each.
    const isYoung = now - this.#createdAt <= Math.min(limit, shortestLifeMs)
    return !isYoung && now - begun > limit
  }

  /** Takes note of a batch; they come in order. */
  note(position: number, lastOffset: number, maxTimestamp: number, now: number): void {
    this.#modifiedAt = now
    if (position === 0) this.#first = maxTimestamp
    if (maxTimestamp > this.#largest) this.place(maxTimestamp, lastOffset)
  }

  /** The first batch has such a largest timestamp. */
  beginAt(timestamp: number): void {
    this.#first = timestamp
  }

  place(largest: number, offset: number): void {
    this.#largest = largest
    this.#offsetOfLargest = offset
  }

  learn(largest: number, offset: number): void {
    this.place(largest, offset)
    this.#isLargestKnown = true
  }

  /** The batches are about to be gone through from the first on. */
  beginAnew(): void {
    this.learn(-1, this.#baseOffset)
  }

  /** The batches that are noted from here on are all that were missing. */
  nowKnown(): void {
    this.#isLargestKnown = true
  }

  /** Nobody has looked at the batches. */
  nowUnknown(): void {
    this.#isLargestKnown = false
  }
}
