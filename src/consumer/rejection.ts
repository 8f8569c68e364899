import { expectOneOf } from '../common/options.js'
import { KafkaError } from '../errors.js'
import type { RecordHeader } from '../record/record.js'

/**
 * A record that could not be decoded, or was decoded and is not valid: where it stands, its bytes,
 * and what is wrong with it.
 */
export interface RejectedRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  /** Milliseconds since 1970; -1 when it has none. */
  readonly timestamp: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly RecordHeader[]
  /** The error that the serde or the validator threw. */
  readonly error: unknown
}

/**
 * The treatment of a rejected record. `'fail'`: the loop ends with a `RejectedRecordError`; reading
 * stays at the record, so that the next loop meets it again unless `seek` steps over it. `'skip'`:
 * reading goes on after a `rejected` event. A function: it is handed the record, and awaited before
 * reading goes on; what it throws ends the loop.
 */
export type Rejection = 'fail' | 'skip' | ((rejected: RejectedRecord) => void | Promise<void>)

export function expectRejection(rejection: unknown): void {
  if (rejection !== undefined && typeof rejection !== 'function') expectOneOf('rejection', rejection, ['fail', 'skip'])
}

/**
 * The error with which a loop ends at a rejected record, where `rejection` is `'fail'`: a
 * `KafkaError` DESERIALIZATION that carries the record.
 */
export class RejectedRecordError extends KafkaError {
  readonly record: RejectedRecord

  constructor(record: RejectedRecord) {
    const { topic, partition, offset, error } = record
    const reason = error instanceof Error ? error.message : String(error)
    const message = `Record ${offset} of ${topic}-${partition} cannot be decoded, or is not valid: ${reason}`
    super('DESERIALIZATION', message, { topic, partition, cause: error })
    this.record = record
  }
}
