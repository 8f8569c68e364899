import type { LeaderEpoch, LeaderEpochs } from './leader-epochs.js'

/**
 * Learns the leader epochs from batches that are walked in order. They are not under a batch's
 * checksum, but never go back: a new one counts once the next batch confirms it.
 */
export class EpochReplay {
  readonly #epochs: LeaderEpochs
  #candidate: LeaderEpoch | undefined

  constructor(epochs: LeaderEpochs) {
    this.#epochs = epochs
  }

  /** Returns whether the epochs have changed. */
  note(epoch: number, startOffset: number): boolean {
    const candidate = this.#candidate
    let hasChanged = false
    if (candidate && startOffset > candidate.startOffset) {
      this.#candidate = undefined
      if (epoch >= candidate.epoch) hasChanged = this.#epochs.assign(candidate.epoch, candidate.startOffset)
    }
    if (epoch > (this.#epochs.latest?.epoch ?? -1) && !this.#candidate) this.#candidate = { epoch, startOffset }
    return hasChanged
  }

  /** An epoch that no batch has confirmed yet. */
  get candidate(): LeaderEpoch | undefined {
    return this.#candidate
  }

  /** No more batches come. Returns whether the epochs have changed. */
  settle(): boolean {
    const candidate = this.#candidate
    this.#candidate = undefined
    return candidate !== undefined && this.#epochs.assign(candidate.epoch, candidate.startOffset)
  }

  /** The batches from `offset` on are gone, or come again. */
  forgetFrom(offset: number): void {
    if (this.#candidate && this.#candidate.startOffset >= offset) this.#candidate = undefined
  }
}
