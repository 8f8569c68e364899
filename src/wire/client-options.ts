import type { Clock } from '../common/clock.js'
import { guardedClock } from '../common/guarded-clock.js'
import {
  expectFunction,
  expectInteger,
  expectKnownKeys,
  expectNotAbove,
  expectOneOf,
  expectString,
  givenOptions,
  shown
} from '../common/options.js'
import { guardedRandom, type Random, systemRandom } from '../common/random.js'
import { systemClock } from '../common/system-clock.js'
import type { Endpoint } from './endpoints.js'
import { type SaslClientOptions, saslMechanisms } from './sasl/sasl-options.js'
import { expectTls, type TlsOptions } from './tls-options.js'

/** The options for reaching the brokers of a cluster. */
export interface RemoteBrokersOptions {
  /** The addresses of some brokers, `['kafka-1:9092', …]`; the others are learnt from them. */
  readonly brokers: readonly string[]
  /** The name of this client in the logs, groups and quotas of brokers. Default: `'millrace'`. */
  readonly clientId?: string
  /** TLS: `true`, or options as `node:tls` has them (`ca`, `cert`, `key`, …). Default: none. */
  readonly tls?: boolean | TlsOptions
  /** As whom to connect. Default: as nobody. */
  readonly sasl?: SaslClientOptions
  /** Milliseconds to wait for a connection, with its TLS and SASL handshakes. Default: 10000. */
  readonly connectTimeoutMs?: number
  /**
   * Milliseconds to wait for an answer, beyond what the request itself allows the broker to wait;
   * then the connection is given up. Default: 30000.
   */
  readonly requestTimeoutMs?: number
  /**
   * Milliseconds after which a connection is closed on which nothing was asked. Default: 540000, a
   * minute less than brokers do.
   */
  readonly idleTimeoutMs?: number
  /**
   * Milliseconds before connecting again to a broker that could not be reached; doubles each time.
   * Default: 50.
   */
  readonly reconnectBackoffMs?: number
  /** The longest such wait in milliseconds. Default: 1000. */
  readonly reconnectBackoffMaxMs?: number
  /**
   * The largest answer that is accepted, in bytes; a larger one ends its connection. Default:
   * 134217728, 128 MiB.
   */
  readonly maxResponseBytes?: number
  /** Default: the clock of the machine. */
  readonly clock?: Clock
  /** Default: chance that nobody can foretell. */
  readonly random?: Random
}

/** The options of `connect`. */
export interface ConnectOptions extends RemoteBrokersOptions {
  /**
   * Ends the connecting: `connect` rejects with the signal's reason. A cluster that is connected
   * goes on. Default: none.
   */
  readonly signal?: AbortSignal
}

export const remoteDefaults = Object.freeze({
  clientId: 'millrace',
  tls: false as boolean | TlsOptions,
  connectTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  idleTimeoutMs: 540_000,
  reconnectBackoffMs: 50,
  reconnectBackoffMaxMs: 1000,
  maxResponseBytes: 128 * 1024 * 1024,
  clock: systemClock,
  random: systemRandom
})

const remoteOptionNames = ['brokers', 'sasl', ...Object.keys(remoteDefaults)]

export type CheckedRemoteOptions = RemoteBrokersOptions & Required<Pick<RemoteBrokersOptions, keyof typeof remoteDefaults>>

export function checkRemoteOptions(given: RemoteBrokersOptions): CheckedRemoteOptions {
  expectKnownKeys('a connection to brokers', given, remoteOptionNames)
  const options = { ...remoteDefaults, ...givenOptions(given) }
  if (!Array.isArray(options.brokers) || options.brokers.length === 0) {
    throw new TypeError(`Expected \`brokers\` to be a list of at least one host:port, got ${shown(options.brokers)}`)
  }
  for (const address of options.brokers) parseAddress(address)
  const clock = guardedClock(options.clock)
  const random = guardedRandom(options.random)
  expectTls(options.tls)
  expectString('clientId', options.clientId)
  if (options.sasl !== undefined) {
    expectKnownKeys('sasl', options.sasl, ['mechanism', 'token', 'username', 'password'])
    expectOneOf('sasl.mechanism', options.sasl.mechanism, saslMechanisms)
    if (options.sasl.mechanism === 'OAUTHBEARER') {
      expectKnownKeys('sasl', options.sasl, ['mechanism', 'token'])
      expectFunction('sasl.token', options.sasl.token)
    } else {
      expectKnownKeys('sasl', options.sasl, ['mechanism', 'username', 'password'])
      expectString('sasl.username', options.sasl.username)
      expectString('sasl.password', options.sasl.password)
    }
  }
  for (const name of numbers) expectInteger(name, options[name], 1)
  expectNotAbove('reconnectBackoffMs', given.reconnectBackoffMs, 'reconnectBackoffMaxMs', given.reconnectBackoffMaxMs)
  // The default of the longest wait gives way to a first one that is longer.
  const reconnectBackoffMaxMs = given.reconnectBackoffMaxMs ?? Math.max(remoteDefaults.reconnectBackoffMaxMs, options.reconnectBackoffMs)
  return { ...options, clock, random, reconnectBackoffMaxMs }
}

const numbers = [
  'connectTimeoutMs',
  'requestTimeoutMs',
  'idleTimeoutMs',
  'reconnectBackoffMs',
  'reconnectBackoffMaxMs',
  'maxResponseBytes'
] as const

/** Reads `host:port`, `[::1]:port`. */
export function parseAddress(address: string): Endpoint {
  if (typeof address !== 'string') throw new TypeError(`Expected a broker as \`host:port\`, got ${shown(address)}`)
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(address)
  const port = Number(match?.[3])
  if (!match || port < 1 || port > 65535) throw new TypeError(`Expected a broker as \`host:port\`, got ${shown(address)}`)
  return { host: match[1] ?? match[2], port }
}
