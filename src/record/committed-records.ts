import { controlTypeOf } from './control-record.js'
import type { LogRecord } from './record.js'
import type { RecordBatch } from './record-batch.js'

const none: readonly LogRecord[] = []

/**
 * Picks out what is committed of the batches of a log, given in order: the records of a transaction
 * come when its marker does, or never.
 */
export class CommittedRecords {
  /** By producer. */
  readonly #pending = new Map<number, LogRecord[]>()

  /** The records that are committed with this batch. */
  take(batch: RecordBatch): Iterable<LogRecord> {
    if (batch.isControl) return this.#end(batch)
    if (!batch.isTransactional) return batch.records()
    const pending = this.#pending.get(batch.producerId)
    if (pending) pending.push(...batch.records())
    else this.#pending.set(batch.producerId, [...batch.records()])
    return none
  }

  #end(batch: RecordBatch): Iterable<LogRecord> {
    const [marker] = batch.records()
    if (!marker) return none
    const type = controlTypeOf(marker.key)
    if (type !== 'COMMIT' && type !== 'ABORT') return none
    const pending = this.#pending.get(batch.producerId) ?? none
    this.#pending.delete(batch.producerId)
    return type === 'COMMIT' ? pending : none
  }
}
