import type { CallOptions, RetryOptions } from '../client/retry.js'

export interface AdminOptions extends RetryOptions {
  /** Shown in the broker's errors and logs. Default: `'millrace'`. */
  readonly clientId?: string
  /**
   * Milliseconds that a call may take with all its retries, where it does not say otherwise.
   * Default: 60000.
   */
  readonly timeoutMs?: number
}

/** The limits of a call of an admin. */
export type AdminCallOptions = CallOptions
