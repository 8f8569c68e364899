import { reasonOf, Warnings } from '../common/warnings.js'
import { KafkaError } from '../errors.js'
import { type ConsumerEvents, missedText, type RecordsMissed } from './consumer-events.js'

/** Emits an event of a consumer. Returns whether anybody listens. */
export type Emit = <E extends keyof ConsumerEvents>(event: E, ...details: Parameters<ConsumerEvents[E]>) => boolean

/**
 * Tells the user what goes wrong in a consumer: by an event or, where nobody listens, by a warning
 * of the process.
 */
export class ConsumerTroubles {
  readonly #emit: Emit
  readonly #isOver: () => boolean
  readonly #warnings = new Warnings()
  /** Topics of which the process was warned that records were missed. */
  readonly #warned = new Set<string>()

  /** `isOver` says whether the consumer has closed, after which nothing is told any more. */
  constructor(emit: Emit, isOver: () => boolean) {
    this.#emit = emit
    this.#isOver = isOver
  }

  /** Emits an `error` event. Returns false where nobody listens and somebody should know. */
  told(error: unknown): boolean {
    return this.#isOver() || this.#emit('error', error)
  }

  /** Something failed and is tried again. */
  isRetried(error: unknown): void {
    if (this.told(error)) return
    const code = error instanceof KafkaError ? error.code : 'CONSUMER_ERROR'
    this.#warnings.warn(`A consumer met an error and tries again: ${reasonOf(error)}`, code, error)
  }

  /** The topic of the error does not exist: the wait for it looks like a wait for records. */
  isMissing(error: KafkaError): void {
    if (this.told(error)) return
    const text = `${error.message}; the consumer waits until somebody creates it. It creates topics itself where \`allowAutoTopicCreation\`, and the cluster's \`auto.create.topics.enable\`, are on`
    this.#warnings.warn(text, 'UNKNOWN_TOPIC_OR_PARTITION')
  }

  /** Records were removed before they were read. */
  missed(missed: RecordsMissed): void {
    if (this.#emit('recordsMissed', missed) || this.#warned.has(missed.topic)) return
    this.#warned.add(missed.topic)
    this.#warnings.warn(missedText(missed), 'recordsMissed')
  }
}
