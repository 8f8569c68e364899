import type { Clock } from '../common/clock.js'
import { guardedClock } from '../common/guarded-clock.js'
import {
  didYouMean,
  expectBoolean,
  expectFunction,
  expectInteger,
  expectKnownKeys,
  expectList,
  expectOneOf,
  expectString,
  givenOptions,
  isPlainObject,
  shown
} from '../common/options.js'
import { systemClock } from '../common/system-clock.js'
import type { AccessRules, Authorize } from '../protocol/access.js'
import { apis, ownApis } from '../protocol/apis.js'
import type { Intercept } from './intercept.js'
import { type OAuthBearerServerOptions, type SaslMechanism, type SaslServerOptions, saslMechanisms } from './sasl/sasl-options.js'
import type { MaxVersions } from './served-apis.js'
import { expectClientAuth, type TlsOptions } from './tls-options.js'

export interface ListenOptions {
  /**
   * The address to bind to. Default: `'127.0.0.1'`, so that nobody outside the machine gets in
   * unasked.
   */
  readonly host?: string
  /** Default: 0, any free port. Kafka's own is 9092. */
  readonly port?: number
  /**
   * The address that clients are told. Default: the host bound to; for `0.0.0.0` and `::` it is
   * `localhost`.
   */
  readonly advertisedHost?: string
  /** Default: the port bound to. */
  readonly advertisedPort?: number
  /** TLS, as `node:tls` has it (`key`, `cert`, `requestCert`, …). Default: none. */
  readonly tls?: TlsOptions
  /** The authentication of clients. Default: none. */
  readonly sasl?: SaslServerOptions
  /**
   * Milliseconds after which clients have to authenticate again (KIP-368), as Kafka's
   * `connections.max.reauth.ms`: clients are told, and a connection that asks for anything else
   * after that time is closed. Only together with `sasl`. Default: 0, never.
   */
  readonly connectionsMaxReauthMs?: number
  /**
   * Milliseconds after which a client hears that it could not be authenticated, as Kafka's
   * `connection.failed.authentication.delay.ms`. Clients at one address hear it so far apart, up to
   * 2 seconds late. 0: at once. Default: 100.
   */
  readonly connectionFailedAuthenticationDelayMs?: number
  /**
   * The cluster's ACLs decide what each client may do, as Kafka's `StandardAuthorizer` decides:
   * what no ACL allows is refused. ACLs are made by `cluster.admin().createAcls`, by `kafka-acls`,
   * and by every client that may alter the cluster. Default: `true` where `superUsers` or
   * `allowEveryoneIfNoAclFound` is given, else `false`: then whoever is let in may do everything,
   * but cannot change the users of others.
   */
  readonly acls?: boolean
  /**
   * Users who may do everything, as `'admin'` or `'User:admin'`; without `sasl`, all clients are
   * `'User:ANONYMOUS'`. Default: none.
   */
  readonly superUsers?: readonly string[]
  /**
   * True if a resource that no ACL is about is open to all, as Kafka's
   * `allow.everyone.if.no.acl.found`. Default: `false`.
   */
  readonly allowEveryoneIfNoAclFound?: boolean
  /**
   * A rule of your own, asked for each thing that a request needs
   * (`{ principal, operation: 'read', resource: { type: 'topic', name } }`, and more). A request
   * that it does not answer with `true` is refused; where it throws, rejects or takes too long, the
   * cluster emits `error` as well. With ACLs too, both have to allow. Super users are not asked
   * about. Default: none.
   */
  readonly authorize?: Authorize
  /** Milliseconds that an answer of `authorize` may take. Default: 5000. */
  readonly authorizeTimeoutMs?: number
  /**
   * The largest request, in bytes; a larger one closes its connection, as does one of more than
   * 100,000 array elements. Default: 104857600, 100 MiB, as Kafka's; 512 KiB before authentication.
   */
  readonly maxRequestBytes?: number
  /**
   * The most connections at once; one more is closed as soon as it is accepted. With `tls` or
   * `sasl`, half of them at most are of clients that have yet to prove who they are: one more then
   * takes the place of the one that has had the most time for it. Default: 5000.
   */
  readonly maxConnections?: number
  /**
   * Bytes of requests above 64 KiB that are arriving or being handled, and of answers not yet taken
   * by their clients, over all connections. At the limit, large requests and fetches wait; below
   * it, fetches at the same time share what is left. It is at most the share that `maxMemoryBytes`
   * of the cluster leaves for connections. Default: that share, which all listeners of a cluster
   * that do not set this option have together; 256 MiB where what is listened for has none.
   */
  readonly maxInFlightBytes?: number
  /**
   * A connection on which nothing was asked for so long is closed. Default: 600000, ten minutes, as
   * Kafka's.
   */
  readonly idleTimeoutMs?: number
  /**
   * A connection that stops in the middle of a request, of taking an answer, or of the TLS or SASL
   * handshake, is closed after so long. Default: 30000.
   */
  readonly stallTimeoutMs?: number
  /**
   * Pretends to be an older Kafka: the highest versions to admit to, by API name,
   * `{ Fetch: 11, Produce: 7 }`; -1 hides the API.
   */
  readonly maxVersions?: MaxVersions
  /** A function around every request: to see it, delay it, answer it. Default: none. */
  readonly intercept?: Intercept
  /** Default: the clock of the machine. */
  readonly clock?: Clock
}

const listenDefaults = Object.freeze({
  host: '127.0.0.1',
  port: 0,
  maxRequestBytes: 100 * 1024 * 1024,
  maxConnections: 5000,
  idleTimeoutMs: 600_000,
  stallTimeoutMs: 30_000,
  connectionsMaxReauthMs: 0,
  connectionFailedAuthenticationDelayMs: 100,
  authorizeTimeoutMs: 5000,
  clock: systemClock
})

const known = [
  ...Object.keys(listenDefaults),
  ...['advertisedHost', 'advertisedPort', 'tls', 'sasl', 'maxVersions', 'intercept', 'maxInFlightBytes'],
  ...['acls', 'superUsers', 'allowEveryoneIfNoAclFound', 'authorize']
]

export type CheckedListenOptions = ListenOptions & Required<Pick<ListenOptions, keyof typeof listenDefaults>>

export function checkListenOptions(given: ListenOptions): CheckedListenOptions {
  expectKnownKeys('listen', given, known)
  const filled = { ...listenDefaults, ...givenOptions(given) }
  const options = { ...filled, clock: guardedClock(filled.clock) }
  expectString('host', options.host)
  expectInteger('port', options.port, 0, 65535)
  expectInteger('maxRequestBytes', options.maxRequestBytes, 1, 2 ** 31 - 1)
  expectInteger('maxConnections', options.maxConnections, 1)
  if (options.maxInFlightBytes !== undefined) expectInteger('maxInFlightBytes', options.maxInFlightBytes, 1)
  expectInteger('idleTimeoutMs', options.idleTimeoutMs, 1)
  expectInteger('stallTimeoutMs', options.stallTimeoutMs, 1)
  if (options.advertisedHost !== undefined) expectString('advertisedHost', options.advertisedHost)
  if (options.advertisedPort !== undefined) expectInteger('advertisedPort', options.advertisedPort, 1, 65535)
  if (options.tls !== undefined && !isPlainObject(options.tls))
    throw new TypeError(`Expected \`tls\` to be an object of TLS options with \`key\` and \`cert\`, got ${shown(options.tls)}`)
  if (options.tls !== undefined && !identities.some(name => options.tls?.[name] !== undefined))
    throw new TypeError('Expected `tls` to have `key` and `cert`, or `pfx`: without them no client can connect')
  if (options.tls !== undefined) expectClientAuth(options.tls)
  if (options.sasl !== undefined) checkSasl(options.sasl)
  expectInteger('connectionsMaxReauthMs', options.connectionsMaxReauthMs, 0)
  expectInteger('connectionFailedAuthenticationDelayMs', options.connectionFailedAuthenticationDelayMs, 0, 60_000)
  if (options.connectionsMaxReauthMs > 0 && options.sasl === undefined)
    throw new TypeError('Expected `connectionsMaxReauthMs` only together with `sasl`: without it no client authenticates')
  if (options.maxVersions !== undefined && !isPlainObject(options.maxVersions))
    throw new TypeError(`Expected \`maxVersions\` to be an object of versions by API name, got ${shown(options.maxVersions)}`)
  for (const [name, version] of Object.entries(options.maxVersions ?? {})) {
    if (!apiNames.includes(name))
      throw new TypeError(
        `Expected \`maxVersions\` to name APIs, got ${shown(name)}; ${didYouMean(name, apiNames)}there are ${apiNames.join(', ')}`
      )
    expectInteger(`maxVersions.${name}`, version, -1, 2 ** 15 - 1)
  }
  if (options.intercept !== undefined) expectFunction('intercept', options.intercept)
  for (const name of ['acls', 'allowEveryoneIfNoAclFound'] as const) if (options[name] !== undefined) expectBoolean(name, options[name])
  if (options.superUsers !== undefined) {
    expectList('superUsers', options.superUsers, 'names')
    for (const user of options.superUsers) expectString('superUsers', user)
  }
  if (options.authorize !== undefined) expectFunction('authorize', options.authorize)
  expectInteger('authorizeTimeoutMs', options.authorizeTimeoutMs, 1)
  if (options.acls === false && options.allowEveryoneIfNoAclFound !== undefined)
    throw new TypeError('Expected `allowEveryoneIfNoAclFound` only where ACLs decide: leave out `acls: false`')
  return options
}

/** The rules for clients of a listener; undefined where whoever is let in may do everything. */
export function accessRules(options: CheckedListenOptions): AccessRules | undefined {
  const { superUsers = [], allowEveryoneIfNoAclFound = false, authorize, authorizeTimeoutMs } = options
  const hasAcls = options.acls ?? (options.superUsers !== undefined || options.allowEveryoneIfNoAclFound !== undefined)
  if (!hasAcls && !authorize) return undefined
  const names = superUsers.map(user => (user.includes(':') ? user : `User:${user}`))
  return { acls: hasAcls, superUsers: new Set(names), allowEveryoneIfNoAclFound, authorizeTimeoutMs, ...(authorize && { authorize }) }
}

/** The certificate and key of a server. */
const identities = ['cert', 'pfx', 'SNICallback', 'secureContext'] as const

function checkSasl(sasl: SaslServerOptions): void {
  expectKnownKeys('sasl', sasl, ['users', 'oauthBearer', 'mechanisms'])
  const { mechanisms, users, oauthBearer } = sasl
  if (oauthBearer !== undefined) checkOAuthBearer(oauthBearer)
  if (!isPlainObject(users) && (users !== undefined || oauthBearer === undefined)) {
    throw new TypeError(`Expected \`sasl.users\` to be passwords by user name, or Users, got ${shown(users)}`)
  }
  if (mechanisms === undefined) return
  if (!Array.isArray(mechanisms) || mechanisms.length === 0) {
    throw new TypeError(`Expected \`sasl.mechanisms\` to be a list of at least one, got ${shown(mechanisms)}`)
  }
  for (const mechanism of mechanisms) expectOneOf('sasl.mechanisms', mechanism, saslMechanisms)
  if (mechanisms.includes('OAUTHBEARER') && oauthBearer === undefined)
    throw new TypeError('Expected `sasl.oauthBearer` beside the mechanism OAUTHBEARER: a function that validates tokens')
}

function checkOAuthBearer(given: OAuthBearerServerOptions): void {
  if (!isPlainObject(given)) throw new TypeError(`Expected \`sasl.oauthBearer\` to be an object with \`validate\`, got ${shown(given)}`)
  expectKnownKeys('sasl.oauthBearer', given, ['validate', 'timeoutMs', 'scope', 'openidConfiguration'])
  expectFunction('sasl.oauthBearer.validate', given.validate)
  if (given.timeoutMs !== undefined) expectInteger('sasl.oauthBearer.timeoutMs', given.timeoutMs, 1)
  for (const name of ['scope', 'openidConfiguration'] as const)
    if (given[name] !== undefined) expectString(`sasl.oauthBearer.${name}`, given[name])
}

/** The mechanisms that a listener offers. */
export function mechanismsOf({ mechanisms, users, oauthBearer }: SaslServerOptions): readonly SaslMechanism[] {
  return mechanisms ?? saslMechanisms.filter(each => (each === 'OAUTHBEARER' ? oauthBearer : users) !== undefined)
}

const apiNames = [...apis, ...ownApis].map(({ name }) => name)
