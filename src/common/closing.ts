import { KafkaError } from '../errors.js'
import { onAbort } from './abort.js'
import { type Clock, within } from './clock.js'
import { expectInteger, expectKnownKeys } from './options.js'

/** The limit of a call of `close`. */
export interface CloseOptions {
  /** Milliseconds after which `close` ends, whatever is still under way. Default: 30000. */
  readonly timeoutMs?: number
}

const defaultTimeoutMs = 30_000
/** Answers that have come already count before the time is over. */
const patient = { keepAlive: true, givesUp: true }
/** A `close` within another one, which has a limit of its own. */
export const unlimited = Number.MAX_SAFE_INTEGER

/** The time that a `close` has. Throws a `TypeError` for options that make no sense. */
export function closeTimeoutMs(options: CloseOptions, otherwise: number = defaultTimeoutMs): number {
  expectKnownKeys('close', options, ['timeoutMs'])
  const { timeoutMs = otherwise } = options
  expectInteger('timeoutMs', timeoutMs, 0)
  return timeoutMs
}

/**
 * The share of the time to close that what comes first has: the rest, a quarter and at most
 * `mostRestMs`, is for what comes after it.
 */
export function firstShareMs(timeoutMs: number, mostRestMs: number): number {
  return Math.floor(timeoutMs - Math.min(mostRestMs, timeoutMs / 4))
}

/** The time by which something ends. It can be moved forward, not back. */
export class Deadline {
  readonly #clock: Clock
  readonly #ending = new AbortController()
  #time = Number.POSITIVE_INFINITY
  #timer: { cancel(): void } | undefined

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock
    this.limitTo(timeoutMs)
  }

  /** Aborts at the deadline. */
  get signal(): AbortSignal {
    return this.#ending.signal
  }

  /** Milliseconds that are left. */
  get leftMs(): number {
    return this.signal.aborted ? 0 : Math.max(0, this.#time - this.#clock.monotonic())
  }

  /** Ends no later than this many milliseconds from now. */
  limitTo(timeoutMs: number): void {
    const time = this.#clock.monotonic() + timeoutMs
    if (time >= this.#time) return
    this.#time = time
    this.#timer?.cancel()
    this.#timer = this.#clock.setTimer(timeoutMs, () => this.#ending.abort(new KafkaError('CLOSED', 'The time to close is over')), patient)
  }

  /** It is over before the deadline. */
  end(): void {
    this.#timer?.cancel()
  }
}

/**
 * The time that the last step of a close gets even when the limit has passed, in ms: only code of
 * the user's could wait there.
 */
const leastMs = 100

/** Waits for the last step of a closing with a deadline, which may be moved forward meanwhile. */
export async function lastStep(closing: Promise<void>, clock: Clock, deadline: Deadline, what: string): Promise<void> {
  const { signal } = deadline
  let timer: { cancel(): void } | undefined
  let unlisten: (() => void) | undefined
  const late = new Promise<never>((_, reject) => {
    const expire = () => reject(notClosed(what))
    const onLeast = () => {
      if (signal.aborted) expire()
      else unlisten = onAbort(signal, expire)
    }
    timer = clock.setTimer(leastMs, onLeast, patient)
  })
  try {
    await Promise.race([closing, late])
  } finally {
    timer?.cancel()
    unlisten?.()
  }
}

/**
 * Waits for the end of a closing, no longer than it may take: then rejects with REQUEST_TIMED_OUT,
 * while the closing goes on in the background. `what` is closed, "the log `orders-0`" for instance.
 */
export function endOf(closing: Promise<void>, clock: Clock, timeoutMs: number, what: string): Promise<void> {
  if (timeoutMs === unlimited) return closing
  const late = () => notClosed(what)
  return within(clock, timeoutMs, late, () => closing)
}

function notClosed(what: string): KafkaError {
  return new KafkaError(
    'REQUEST_TIMED_OUT',
    `${what} did not close in time (\`timeoutMs\`); what is under way in it is no longer waited for`
  )
}
