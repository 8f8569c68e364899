import type { Broker } from './broker.js'
import type { Api } from './message.js'

/*
 * The words of client quotas, with Kafka's numbers, and the meters of clients against them.
 */

export const clientQuotaKeys = [
  'producer_byte_rate',
  'consumer_byte_rate',
  'request_percentage',
  'controller_mutation_rate',
  'connection_creation_rate'
] as const

/**
 * The keys of quotas, by Kafka's names: bytes a second that clients produce and consume, the
 * percentage of the event loop's time that their requests may take, partitions a second that they
 * create and delete, and connections a second that come from an address.
 */
export type ClientQuotaKey = (typeof clientQuotaKeys)[number]

/** The parts of a filter of quotas: by a name, the default, or either. */
export const quotaMatch = { exact: 0, default: 1, any: 2 } as const

/** The meters of connections against a node's quotas, for listeners. */
export interface ConnectionQuotas {
  /**
   * Counts a connection from an address. Returns 0 where it may come in, else the milliseconds
   * after which one may (KIP-612); it then does not count.
   */
  connectionDelayMs(address: string): number
}

/** Counts what one client uses against its quotas, a request at a time. Times are milliseconds. */
export interface QuotaMeter {
  /** True if anybody has a quota: where nobody has, nothing is counted. */
  readonly isOn: boolean
  /** A request has come, and is read and answered now. */
  begin(): void
  /**
   * Its answer is known. Returns for how long the client has to be left waiting after it (KIP-219).
   */
  throttleMs(api: Api, requestBytes: number, isAnswered: boolean): number
  /** Its answer is encoded. */
  end(): void
}

/** The waist for a client over the wire. */
export interface MeteredBroker extends Broker {
  readonly meter?: QuotaMeter
}
