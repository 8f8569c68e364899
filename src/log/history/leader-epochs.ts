import { expectInteger, expectList, shown } from '../../common/options.js'

/** From `startOffset` on, batches were written under leader `epoch`. */
export interface LeaderEpoch {
  readonly epoch: number
  readonly startOffset: number
}

/** The end of an epoch; both are -1 where it is not known. */
export interface EpochEnd {
  readonly epoch: number
  readonly endOffset: number
}

const unknownEnd: EpochEnd = { epoch: -1, endOffset: -1 }

/**
 * The leader that wrote each part of a log (KIP-101): what a follower, or a client that comes back
 * after an election, compares to learn where its own view parts from the leader's.
 */
export class LeaderEpochs {
  #entries: LeaderEpoch[] = []

  get entries(): readonly LeaderEpoch[] {
    return this.#entries
  }

  get latest(): LeaderEpoch | undefined {
    return this.#entries[this.#entries.length - 1]
  }

  /**
   * Notes that a batch of `epoch` starts at `startOffset`. Entries that contradict the new one go.
   * Returns whether anything has changed.
   */
  assign(epoch: number, startOffset: number): boolean {
    expectEpoch(epoch)
    expectInteger('startOffset', startOffset, 0)
    if (epoch < 0) return false
    const latest = this.latest
    if (latest && latest.epoch === epoch && startOffset >= latest.startOffset) return false
    while (this.latest && (this.latest.epoch >= epoch || this.latest.startOffset >= startOffset)) this.#entries.pop()
    this.#entries.push({ epoch, startOffset })
    return true
  }

  /** Takes in what was noted before. */
  restore(entries: readonly LeaderEpoch[]): void {
    expectList('entries', entries, '{ epoch, startOffset }')
    for (const entry of entries) {
      expectEpoch(entry?.epoch)
      expectInteger('startOffset', entry.startOffset, 0)
    }
    this.#entries = [...entries]
  }

  /**
   * The largest known epoch at or below `epoch`, and the offset at which the next one starts, or
   * the log ends. An epoch older than all known ones ends where the first of these starts; one
   * newer than all is unknown.
   */
  endOffsetFor(epoch: number, logEndOffset: number): EpochEnd {
    expectEpoch(epoch)
    expectInteger('logEndOffset', logEndOffset, 0)
    const latest = this.latest
    if (epoch < 0 || !latest || epoch > latest.epoch) return unknownEnd
    if (epoch === latest.epoch) return { epoch, endOffset: logEndOffset }
    const next = this.#entries.findIndex(entry => entry.epoch > epoch)
    return { epoch: next === 0 ? epoch : this.#entries[next - 1].epoch, endOffset: this.#entries[next].startOffset }
  }

  /** The epoch under which `offset` was written, or -1. */
  epochOf(offset: number): number {
    expectInteger('offset', offset, -1)
    const current = this.#indexAt(offset)
    return current < 0 ? -1 : this.#entries[current].epoch
  }

  /** The log was cut at `endOffset`. */
  truncateFromEnd(endOffset: number): void {
    expectInteger('endOffset', endOffset, 0)
    while (this.latest && this.latest.startOffset >= endOffset) this.#entries.pop()
  }

  /** The log now starts at `startOffset`: the epoch there starts with it. */
  truncateFromStart(startOffset: number): void {
    expectInteger('startOffset', startOffset, 0)
    const current = this.#indexAt(startOffset)
    if (current < 0) return
    this.#entries.splice(0, current + 1, { epoch: this.#entries[current].epoch, startOffset })
  }

  clear(): void {
    this.#entries = []
  }

  /** The same entries, which change no more. */
  copy(): LeaderEpochs {
    const copy = new LeaderEpochs()
    copy.#entries = [...this.#entries]
    return copy
  }

  #indexAt(offset: number): number {
    let index = this.#entries.length - 1
    while (index >= 0 && this.#entries[index].startOffset > offset) index--
    return index
  }
}

function expectEpoch(epoch: unknown): void {
  if (Number.isInteger(epoch) && Math.abs(epoch as number) < 2 ** 31) return
  throw new TypeError(`Expected \`epoch\` to be an integer of 32 bits, got ${shown(epoch)}`)
}
