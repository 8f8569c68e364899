import type { Decision, StateRecord } from '../common/state-machine.js'

/**
 * The most bytes of keys that one decision deletes: its records go into one batch, whose size is
 * limited.
 */
const tombstoneBytes = 256 * 1024

/** Deletions, as many as go into one decision. */
export class Tombstones {
  readonly records: StateRecord[] = []
  #bytes = 0

  get isFull(): boolean {
    return this.#bytes >= tombstoneBytes
  }

  /** False when there is no more room, which is so only after some were added. */
  add(record: StateRecord): boolean {
    if (this.isFull) return false
    this.#bytes += record.key?.length ?? 0
    this.records.push(record)
    return true
  }

  andMore(): Decision<boolean> {
    return { records: this.records, committed: () => true }
  }
}
