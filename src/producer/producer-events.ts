/** The events of a producer, by their names. */
export interface ProducerEvents {
  delivered: (event: DeliveredEvent) => void
  failed: (event: FailedEvent) => void
  retry: (event: RetryEvent) => void
  /**
   * A listener of another event threw, or rejected, with this. Where nobody listens, the process
   * gets a warning.
   */
  error: (error: unknown) => void
  closed: () => void
}

/** A batch that the log has taken. */
export interface DeliveredEvent {
  readonly topic: string
  readonly partition: number
  /** Offset of its first record; -1 with `acks: 0`. */
  readonly baseOffset: number
  readonly recordCount: number
  /** Before compression. */
  readonly sizeInBytes: number
}

/** A batch that was given up. */
export interface FailedEvent {
  readonly topic: string
  readonly partition: number
  readonly recordCount: number
  readonly error: unknown
}

/** A batch that will be tried again. */
export interface RetryEvent extends FailedEvent {
  /** The number of tries. */
  readonly attempts: number
  /** Milliseconds until the next try. */
  readonly delayMs: number
}

/** The names of its events. */
export const producerEvents = Object.keys({
  delivered: true,
  failed: true,
  retry: true,
  error: true,
  closed: true
} satisfies Record<keyof ProducerEvents, true>)
