import type { CallOptions, RetryOptions } from '../client/retry.js'

export interface AdminOptions extends RetryOptions {
  /** Shown in the broker's errors and logs. Default: `'admin'`. */
  readonly clientId?: string
  /** Milliseconds that a call may take with all its retries, where it does not say otherwise. Default: 60000. */
  readonly timeoutMs?: number
}

/** What every call of an admin takes. */
export type AdminCallOptions = CallOptions

/** How long a broker may take for what it has to wait for; the call as a whole has its own limit. */
export const brokerTimeoutMs = 30_000
