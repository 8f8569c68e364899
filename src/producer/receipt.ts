import { KafkaError } from '../errors.js'

/** The place of a delivered record. */
export interface RecordMetadata {
  readonly topic: string
  readonly partition: number
  /** -1 with `acks: 0`: nobody has said. */
  readonly offset: number
  /**
   * Milliseconds since 1970: the record's own, or the broker's where the topic says so
   * (`message.timestamp.type`).
   */
  readonly timestamp: number
}

/** Records of one `sendBatch` that stand one after the other in a partition. */
export interface SentRange {
  readonly partition: number
  /** Offset of the first; -1 with `acks: 0`. */
  readonly baseOffset: number
  readonly count: number
  /** The latest timestamp among them. */
  readonly timestamp: number
}

/** The places of the delivered records of a `sendBatch`. */
export interface SendBatchResult {
  readonly topic: string
  readonly count: number
  /** By partition, then by offset. */
  readonly ranges: readonly SentRange[]
}

/** Records of a `sendBatch` that were not delivered, all for the same reason. */
export interface SendBatchFailure {
  /** Undefined when they never came to have one. */
  readonly partition: number | undefined
  /** Their places, counted from 0 in the order in which they were given. */
  readonly indexes: readonly number[]
  readonly error: unknown
}

/**
 * Some records of a `sendBatch` were delivered, or may have been, and some were not. `cause` is the
 * first reason.
 */
export class SendBatchError extends KafkaError {
  /** The records that were delivered. */
  readonly delivered: SendBatchResult
  /** The records that were not delivered. */
  readonly failures: readonly SendBatchFailure[]

  constructor(delivered: SendBatchResult, failures: readonly SendBatchFailure[]) {
    const failed = failures.reduce((sum, { indexes }) => sum + indexes.length, 0)
    const { error } = failures[0]
    const reason = error instanceof Error ? error.message : String(error)
    super('DELIVERY_FAILED', `${failed} of ${failed + delivered.count} records for \`${delivered.topic}\` were not delivered: ${reason}`, {
      topic: delivered.topic,
      cause: error
    })
    this.delivered = delivered
    this.failures = failures
  }
}

/** A waiter for the outcome of records. */
export interface Receipt {
  /**
   * Says that `count` records stand in the log from `baseOffset` on; `timestamp` is the latest of
   * theirs.
   */
  delivered(partition: number, baseOffset: number, count: number, timestamp: number): void
  /** Says that records are given up. `indexes` is only lent. */
  failed(partition: number, indexes: Int32Array, error: unknown): void
  /**
   * Says that no further records will be handed over, the next one being refused with this error.
   */
  refused(error: unknown): void
}

/** The receipt of one record. */
export class RecordReceipt implements Receipt {
  readonly #topic: string
  readonly #resolve: (metadata: RecordMetadata) => void
  readonly #reject: (error: unknown) => void

  constructor(topic: string, resolve: (metadata: RecordMetadata) => void, reject: (error: unknown) => void) {
    this.#topic = topic
    this.#resolve = resolve
    this.#reject = reject
  }

  delivered(partition: number, offset: number, _count: number, timestamp: number): void {
    this.#resolve({ topic: this.#topic, partition, offset, timestamp })
  }

  failed(_partition: number, _indexes: Int32Array, error: unknown): void {
    this.#reject(error)
  }

  refused(error: unknown): void {
    this.#reject(error)
  }
}

type OpenRange = { -readonly [K in keyof SentRange]: SentRange[K] }

/** The receipt of the records of one `sendBatch`. */
export class BatchReceipt implements Receipt {
  readonly promise: Promise<SendBatchResult>
  /** The number of records, where it is known before all were taken. */
  readonly #total: number | undefined
  readonly #topic: string
  #resolve!: (result: SendBatchResult) => void
  #reject!: (error: unknown) => void
  readonly #ranges: OpenRange[] = []
  readonly #lastRanges = new Map<number, OpenRange>()
  readonly #failures: SendBatchFailure[] = []
  #accepted = 0
  #delivered = 0
  #failed = 0
  #isComplete = false

  constructor(topic: string, total: number | undefined) {
    this.#topic = topic
    this.#total = total
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  get accepted(): number {
    return this.#accepted
  }

  /** Counts records that have been handed over. */
  accept(count: number): void {
    this.#accepted += count
  }

  /** Says that all records have been handed over. */
  complete(): void {
    this.#isComplete = true
    this.#settle()
  }

  refused(error: unknown): void {
    this.#isComplete = true
    if (this.#accepted === 0) return this.#reject(error)
    const end = this.#total ?? this.#accepted + 1
    const indexes = Array.from({ length: end - this.#accepted }, (_, i) => this.#accepted + i)
    this.#failures.push({ partition: undefined, indexes, error })
    this.#settle()
  }

  delivered(partition: number, baseOffset: number, count: number, timestamp: number): void {
    this.#delivered += count
    const last = this.#lastRanges.get(partition)
    if (last && (baseOffset === last.baseOffset + last.count || baseOffset === -1)) {
      last.count += count
      last.timestamp = Math.max(last.timestamp, timestamp)
    } else {
      const range = { partition, baseOffset, count, timestamp }
      this.#ranges.push(range)
      this.#lastRanges.set(partition, range)
    }
    this.#settle()
  }

  failed(partition: number, indexes: Int32Array, error: unknown): void {
    this.#failed += indexes.length
    this.#failures.push({ partition, indexes: Array.from(indexes), error })
    this.#settle()
  }

  #settle(): void {
    if (!this.#isComplete || this.#delivered + this.#failed < this.#accepted) return
    const ranges = this.#ranges.sort((a, b) => a.partition - b.partition || a.baseOffset - b.baseOffset)
    const result = { topic: this.#topic, count: this.#delivered, ranges }
    if (this.#failures.length === 0) this.#resolve(result)
    else this.#reject(new SendBatchError(result, this.#failures))
  }
}
