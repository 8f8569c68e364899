import { firstToAbort, type MergedSignal } from '../common/abort.js'
import { type Clock, sleep } from '../common/clock.js'
import { abortable } from '../common/deferred.js'
import { expectInteger, expectNotAbove, expectOptions, expectSignal } from '../common/options.js'
import type { Random } from '../common/random.js'
import { KafkaError } from '../errors.js'

/** The backoff between two tries: longer each time, up to a limit, with jitter. */
export interface RetryOptions {
  /** Milliseconds before the first retry; each further one waits twice as long. Default: 100. */
  readonly retryBackoffMs?: number
  /** The longest wait in milliseconds. Default: 1000. */
  readonly retryBackoffMaxMs?: number
}

/** Refuses a first wait that is longer than the longest, where both are given. */
export function expectBackoffs({ retryBackoffMs, retryBackoffMaxMs }: RetryOptions): void {
  expectNotAbove('retryBackoffMs', retryBackoffMs, 'retryBackoffMaxMs', retryBackoffMaxMs)
}

/** The longest wait: its default gives way to a first wait that is longer. */
export function longestBackoffMs({ retryBackoffMs = 100, retryBackoffMaxMs }: RetryOptions): number {
  return retryBackoffMaxMs ?? Math.max(1000, retryBackoffMs)
}

/** The limits of a call: a time limit of its own and a signal of the caller's. */
export interface CallOptions {
  /** Ends the call early: it rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Milliseconds after which the call gives up with REQUEST_TIMED_OUT. */
  readonly timeoutMs?: number
}

const callChecks = {
  signal: expectSignal,
  timeoutMs: (name: string, value: unknown) => expectInteger(name, value, 1)
}

/** Checks the options of a call, with those that only this one has. */
export function expectCallOptions(what: string, options: CallOptions, more: Parameters<typeof expectOptions>[2] = {}): void {
  expectOptions(what, options, { ...callChecks, ...more })
}

const jitter = 0.2

/** Exponential backoff with jitter, on the cluster's clock and chance. */
export class Backoff {
  readonly #clock: Clock
  readonly #random: Random
  readonly #firstMs: number
  readonly #longestMs: number

  constructor(clock: Clock, random: Random, options: RetryOptions = {}) {
    this.#clock = clock
    this.#random = random
    this.#firstMs = options.retryBackoffMs ?? 100
    this.#longestMs = longestBackoffMs(options)
  }

  /** Milliseconds to wait before the try after `failures` (1 or more) failed ones. */
  delayMs(failures: number): number {
    const factor = 1 - jitter + 2 * jitter * this.#random.next()
    return Math.min(this.#longestMs, this.#firstMs * 2 ** Math.min(failures - 1, 30) * factor)
  }

  wait(failures: number, signal?: AbortSignal): Promise<void> {
    return sleep(this.#clock, this.delayMs(failures), signal, { keepAlive: true })
  }

  /**
   * Tries until it succeeds, fails for good, or `timeoutMs` is over: then it rejects with what the
   * last try failed with, or with REQUEST_TIMED_OUT when the time ended in the middle of a try.
   * `again` decides which errors are worth another try; by default the retriable ones.
   */
  async retry<T>(
    attempt: (signal: AbortSignal, failures: number) => Promise<T>,
    { signal, timeoutMs = 60_000 }: CallOptions,
    again: (error: unknown, failures: number) => boolean = isRetriable
  ): Promise<T> {
    const limit = limitedBy(this.#clock, timeoutMs, signal)
    let lastError: unknown
    try {
      for (let failures = 0; ; ) {
        try {
          limit.signal.throwIfAborted()
          return await abortable(attempt(limit.signal, failures), limit.signal)
        } catch (error) {
          if (limit.signal.aborted) throw error
          failures++
          if (!again(error, failures)) throw error
          lastError = error
        }
        await this.wait(failures, limit.signal)
      }
    } catch (error) {
      if (lastError !== undefined && error === limit.signal.reason && isTimeout(error)) throw lastError
      throw error
    } finally {
      limit.end()
    }
  }
}

export function isRetriable(error: unknown): boolean {
  return error instanceof KafkaError && error.retriable
}

function isTimeout(error: unknown): boolean {
  return error instanceof KafkaError && error.code === 'REQUEST_TIMED_OUT'
}

/**
 * A signal that aborts with the first of the given ones, or after `timeoutMs`, if that is not
 * infinite. Call `end` when it is no longer needed.
 */
export function limitedBy(clock: Clock, timeoutMs: number, ...signals: (AbortSignal | undefined)[]): MergedSignal {
  const merged = firstToAbort(...signals)
  const onTimeout = () => merged.abort(new KafkaError('REQUEST_TIMED_OUT', `No answer within ${timeoutMs} ms`))
  const timer =
    timeoutMs === Number.POSITIVE_INFINITY ? undefined : clock.setTimer(timeoutMs, onTimeout, { keepAlive: true, givesUp: true })
  return {
    signal: merged.signal,
    end() {
      timer?.cancel()
      merged.end()
    }
  }
}
