import type { Broker } from './broker.js'
import type { Api } from './message.js'

/** The meters of connections against a node's quotas, for listeners. */
export interface ConnectionQuotas {
  /** Counts a connection from an address. Returns 0 where it may come in, else the milliseconds after which one may (KIP-612); it then does not count. */
  connectionDelayMs(address: string): number
}

/** Counts what one client uses against its quotas, a request at a time. Times are milliseconds. */
export interface QuotaMeter {
  /** True if anybody has a quota: where nobody has, nothing is counted. */
  readonly isOn: boolean
  /** A request has come, and is read and answered now. */
  begin(): void
  /** Its answer is known. Returns for how long the client has to be left waiting after it (KIP-219). */
  throttleMs(api: Api, requestBytes: number, isAnswered: boolean): number
  /** Its answer is encoded. */
  end(): void
}

/** The waist for a client over the wire. */
export interface MeteredBroker extends Broker {
  readonly meter?: QuotaMeter
}
