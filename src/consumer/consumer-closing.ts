import { onAbort } from '../common/abort.js'
import type { Clock } from '../common/clock.js'
import { Deadline, firstShareMs, lastStep } from '../common/closing.js'
import { abortable } from '../common/deferred.js'
import { KafkaError } from '../errors.js'

/**
 * The most milliseconds of the time to close that code of the user's leaves to the last commit, and
 * to leaving the group.
 */
const lastShareMs = 1000

/** The steps of closing a consumer, in order. */
export interface ClosingSteps {
  /** Ends what need not be waited for. */
  stop(): void
  /** Lets what is in hand be finished and committed. */
  finish(): Promise<void>
  /** Closes the connections, whether or not `finish` was in time. */
  closeBrokers(): Promise<void>
}

/**
 * The closing of a consumer: a signal for each of its stages, the time that is left, and the work
 * in the background that it waits for.
 */
export class ConsumerClosing {
  readonly #clock: Clock
  readonly #onTrouble: (error: unknown) => void
  readonly #begun = new AbortController()
  readonly #givingUp = new AbortController()
  readonly #ended = new AbortController()
  readonly #tasks = new Set<Promise<unknown>>()
  #patience: Deadline | undefined
  #deadline: Deadline | undefined

  constructor(clock: Clock, onTrouble: (error: unknown) => void) {
    this.#clock = clock
    this.#onTrouble = onTrouble
  }

  /** Aborts when closing begins: from then on nothing is asked, looked up or fetched any more. */
  get begun(): AbortSignal {
    return this.#begun.signal
  }

  /** Aborts when closing no longer waits for code of the user's. */
  get givingUp(): AbortSignal {
    return this.#givingUp.signal
  }

  /** Aborts when closing is over. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /** Milliseconds that the last commit may take; undefined before closing begins. */
  get commitMs(): number | undefined {
    return this.#deadline && Math.ceil(this.#deadline.leftMs)
  }

  expectOpen(): void {
    if (this.#begun.signal.aborted) throw closedError()
  }

  /**
   * Something that goes on in the background, until closing at the latest. Deals with its own
   * failures.
   */
  background(task: Promise<unknown>): void {
    const settled = task
      .catch(error => {
        if (error !== this.#begun.signal.reason) this.#onTrouble(error)
      })
      .finally(() => this.#tasks.delete(settled))
    this.#tasks.add(settled)
  }

  /** Brings the end of closing forward. */
  hurry(timeoutMs: number): void {
    this.#patience?.limitTo(firstShareMs(timeoutMs, lastShareMs))
    this.#deadline?.limitTo(timeoutMs)
  }

  /** Ends by the time that is given, whatever code of the user's does that is waited for. */
  async run(timeoutMs: number, steps: ClosingSteps): Promise<void> {
    this.#begun.abort(closedError())
    const { reason } = this.#begun.signal
    const patience = new Deadline(this.#clock, firstShareMs(timeoutMs, lastShareMs))
    const deadline = new Deadline(this.#clock, timeoutMs)
    this.#patience = patience
    this.#deadline = deadline
    onAbort(patience.signal, () => this.#givingUp.abort(reason))
    steps.stop()
    try {
      await abortable(this.#finish(steps), deadline.signal).catch(error => {
        if (!deadline.signal.aborted) this.#onTrouble(error)
      })
      this.#ended.abort(reason)
      await lastStep(steps.closeBrokers(), this.#clock, deadline, 'The consumer')
    } finally {
      patience.end()
      deadline.end()
    }
  }

  async #finish(steps: ClosingSteps): Promise<void> {
    await steps.finish()
    await Promise.all(this.#tasks)
  }
}

function closedError(): KafkaError {
  return new KafkaError('CLOSED', 'The consumer is closed')
}
