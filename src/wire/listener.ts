import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions as NodeTlsOptions, type TLSSocket } from 'node:tls'
import type { Timer } from '../common/clock.js'
import { closeTimeoutMs } from '../common/closing.js'
import { deferred } from '../common/deferred.js'
import { Emitter } from '../common/emitter.js'
import { ignoreRejection } from '../common/foreign.js'
import { afterLoop } from '../common/host.js'
import type { MemoryShares } from '../common/memory-shares.js'
import { expectFunction, expectFunctions, shown } from '../common/options.js'
import { turnsOf } from '../common/turns.js'
import { reasonOf } from '../common/warnings.js'
import { KafkaError } from '../errors.js'
import { type AccessRules, anonymous, type ClientAccess } from '../protocol/access.js'
import type { Broker } from '../protocol/broker.js'
import type { ConnectionQuotas, MeteredBroker } from '../protocol/quotas.js'
import { ByteBudget } from './byte-budget.js'
import { serverTlsOptions, userOfCertificate } from './client-certificate.js'
import type { Endpoint } from './endpoints.js'
import { FetchShare } from './fetch-share.js'
import { FrameMemory } from './frame-memory.js'
import { accessRules, type CheckedListenOptions, checkListenOptions, type ListenOptions, mechanismsOf } from './listener-options.js'
import { Authentication, type AuthenticationRules } from './sasl/authentication.js'
import { credentials } from './sasl/credentials.js'
import { FailureDelay } from './sasl/failure-delay.js'
import type { ScramCredential } from './sasl/scram-keys.js'
import { Users } from './sasl/users.js'
import { ServedApis } from './served-apis.js'
import { addressOf, clientHostOf, ServerConnection } from './server-connection.js'
import type { TlsOptions } from './tls-options.js'

/** The target of a listener: a node in this process, or a cluster that has one. */
export interface Connectable {
  /** The waist, for one client and one version of an API. What stands behind it has to obey `access`; its `meter` counts what the client uses. */
  connect(client: {
    readonly clientId: string
    readonly clientHost: string
    readonly apiVersion: number
    readonly connection?: object
    readonly access?: ClientAccess
  }): MeteredBroker
  /** Counts connections against the quotas of the node. Default: there are none. */
  readonly quotas?: ConnectionQuotas
  /** The credentials of a user that clients made (AlterUserScramCredentials), by Kafka's numbers of the mechanisms. */
  scramCredentials?(user: string): ReadonlyMap<number, ScramCredential> | undefined
  /** The most bytes that its connections hold together. Default: each listener has a limit of its own. @internal */
  readonly memoryShares?: MemoryShares
  /** The names of these users, so that the answer to an unknown name can look like that to one of them. */
  scramUsers?(): Iterable<string>
}

/** Something that may have such a node in this process: a `Cluster`. */
export interface NodeOwner {
  readonly node: Connectable | undefined
}

/** A connection, as the events of a listener show it. */
export interface ConnectionInfo {
  readonly id: number
  /** The address of the client, after a slash, as in Kafka's group descriptions. */
  readonly clientHost: string
}

export interface ListenerEvents {
  connection: [ConnectionInfo]
  /** `reason` is undefined when the client left, or the listener was closed. */
  disconnected: [ConnectionInfo & { readonly reason: KafkaError | undefined }]
  /** A failure: of the server socket, or of the node to answer. */
  error: [unknown]
}

/** The limit of closing a listener. */
export interface ListenerCloseOptions {
  /** Milliseconds to wait for answers that are being made; connections that owe one then end without it. Default: 5000. */
  readonly timeoutMs?: number
}

/**
 * Opens a port on which any Kafka client can reach a node in this process.
 *
 * ```ts
 * const listener = await listen(cluster, { port: 9092 })
 * // … kafka-console-producer --bootstrap-server localhost:9092 …
 * await listener.close()
 * ```
 *
 * Requests from the network are distrusted: one that cannot be read, is too large or is of a version that is not served ends its
 * connection, and a `disconnected` event says why. See {@link ListenOptions} for the limits.
 */
export async function listen(target: Connectable | NodeOwner, options: ListenOptions = {}): Promise<Listener> {
  if (typeof target !== 'object' || target === null)
    throw new TypeError(`Expected a cluster, or a node, to listen for, got ${shown(target)}`)
  const node = 'connect' in target ? target : target.node
  if (!node) throw new TypeError('Expected a cluster with a node in this process: one elsewhere has its own listeners')
  expectFunction('connect', node.connect)
  const checked = checkListenOptions(options)
  const { sasl, maxVersions } = checked
  const users = sasl && (sasl.users instanceof Users ? sasl.users : await Users.of(sasl.users ?? {}))
  const served = await ServedApis.of(node.connect({ clientId: 'listener', clientHost: '/listener', apiVersion: 4 }), {
    ...(maxVersions && { maxVersions })
  })
  const listener = new Listener(node, checked, users, served)
  await listener.start()
  return listener
}

/** The target of a listener may be code of a user's. */
function expectBroker(broker: Broker): Broker {
  ignoreRejection(broker)
  expectFunctions('connect', broker, ['request'], 'a function that returns a broker')
  return broker
}

const listenerEvents = Object.keys({ connection: true, disconnected: true, error: true } satisfies Record<keyof ListenerEvents, true>)

/** Connections that have not proved who they are may be half of all. */
const strangersPart = 1 / 2

/** Connections that have not proved who they are share a sixteenth of the memory for requests. */
const strangersShare = 16
const defaultInFlightBytes = 256 * 1024 * 1024

interface Budgets {
  readonly known: ByteBudget
  readonly strangers: ByteBudget
}

const shared = new WeakMap<Connectable, Budgets>()

/** The memory for requests and answers of a listener: that of all listeners for the same node, or, where its user sets a limit, some of its own. */
function budgetsFor(target: Connectable, limit: number | undefined): Budgets {
  const share = target.memoryShares?.forConnections()
  const most = share?.maxBytes ?? defaultInFlightBytes
  const make = (bytes: number) => ({
    known: new ByteBudget(bytes, share),
    strangers: new ByteBudget(Math.ceil(bytes / strangersShare), share)
  })
  if (limit !== undefined) return make(Math.min(limit, most))
  let budgets = shared.get(target)
  if (!budgets) shared.set(target, (budgets = make(most)))
  return budgets
}

/**
 * A port on which clients come in. Made by {@link listen}.
 *
 * Size: it has one field for each limit and each part that its connections share.
 */
export class Listener extends Emitter<ListenerEvents> implements AsyncDisposable {
  readonly #target: Connectable
  readonly #options: CheckedListenOptions
  readonly #rules: AccessRules | undefined
  readonly #users: Users | undefined
  readonly #authenticationRules: AuthenticationRules
  readonly #served: ServedApis
  readonly #budget: ByteBudget
  readonly #strangersBudget: ByteBudget
  readonly #frameMemory = new FrameMemory()
  readonly #fetchShare: FetchShare
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #connections = new Set<ServerConnection>()
  /** Clients that have not proved who they are, by the address of their end of the socket, in the order in which they came. */
  readonly #strangers = new Map<string, Stranger>()
  #nextId = 1
  #refused = 0
  #bound: Endpoint = { host: '', port: 0 }
  #sweep: Timer | undefined
  #closing: Promise<void> | undefined

  /** @internal */
  constructor(target: Connectable, options: CheckedListenOptions, users: Users | undefined, served: ServedApis) {
    super(listenerEvents)
    this.#target = target
    this.#options = options
    this.#rules = accessRules(options)
    this.#users = users
    const { sasl, clock } = options
    const tell = (error: unknown) => this.tellFailure(error, '`sasl.oauthBearer.validate`')
    this.#authenticationRules = {
      credentials: users && credentials(users, target),
      mechanisms: sasl ? mechanismsOf(sasl) : [],
      tokens: sasl?.oauthBearer && { options: sasl.oauthBearer, clock, tell },
      maxReauthMs: options.connectionsMaxReauthMs,
      failureDelay: new FailureDelay(clock, options.connectionFailedAuthenticationDelayMs),
      clock
    }
    this.#served = served
    const { known, strangers } = budgetsFor(target, options.maxInFlightBytes)
    this.#budget = known
    this.#strangersBudget = strangers
    this.#fetchShare = new FetchShare(this.#budget)
    const { tls, stallTimeoutMs: handshakeTimeout } = options
    this.#server = tls ? createTlsServer({ handshakeTimeout, ...(serverTlsOptions(tls) as NodeTlsOptions) }) : createServer()
    this.#server.on('connection', socket => this.#admit(socket))
    // Node is in the middle of a handshake here: closing its sockets, as code of the user's may do that is called, ends the process.
    if (tls) this.#server.on('secureConnection', socket => afterLoop(() => this.#identify(socket, tls)))
    if (tls) this.#server.on('tlsClientError', (error, socket) => this.#turnedAwayLater(clientHostOf(arrivedAs(socket)), tlsTrouble(error)))
    this.#server.on('error', error => this.emit('error', error))
  }

  /** @internal */
  async start(): Promise<void> {
    const { host, port } = this.#options
    const listening = deferred()
    this.#server.once('error', listening.reject)
    this.#server.listen({ host, port, backlog: 1024 }, () => listening.resolve())
    await listening.promise
    this.#server.off('error', listening.reject)
    const address = this.#server.address() as { address: string; port: number }
    this.#bound = { host: address.address, port: address.port }
    this.#scheduleSweep()
  }

  /** The host that clients are told. */
  get host(): string {
    return this.#options.advertisedHost ?? (/^(0\.0\.0\.0|::)$/.test(this.#bound.host) ? 'localhost' : this.#options.host)
  }

  /** The port bound to. */
  get port(): number {
    return this.#bound.port
  }

  /** `host:port`, as clients want it for bootstrapping. */
  get address(): string {
    const { host, port } = this.#endpoint
    return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  }

  /** The number of clients that are connected. */
  get connectionCount(): number {
    return this.#sockets.size
  }

  /** Bytes of requests and answers that count against `maxInFlightBytes`. */
  get inFlightBytes(): number {
    return this.#budget.taken + this.#strangersBudget.taken
  }

  /** The users that it was given, when authentication is on; those whom clients made come in as well. */
  get users(): Users | undefined {
    return this.#users
  }

  /** Accepts no more, answers what is being answered, ends long polls, and closes all connections. Idempotent. */
  async close(options: ListenerCloseOptions = {}): Promise<void> {
    const timeoutMs = closeTimeoutMs(options, closeGraceMs)
    this.#closing ??= this.#close()
    const late = this.#options.clock.setTimer(
      timeoutMs,
      () => {
        for (const socket of this.#sockets) socket.destroy()
      },
      { keepAlive: true, givesUp: true }
    )
    try {
      await this.#closing
    } finally {
      late.cancel()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  protected override errorArgs(error: unknown): ListenerEvents['error'] {
    return [error]
  }

  get #endpoint(): Endpoint {
    const { advertisedPort, tls, sasl } = this.#options
    const protocol: Endpoint['protocol'] = `${sasl ? 'SASL_' : ''}${tls ? 'SSL' : 'PLAINTEXT'}`
    return { host: this.host, port: advertisedPort ?? this.#bound.port, protocol }
  }

  async #close(): Promise<void> {
    this.#sweep?.cancel()
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    for (const connection of this.#connections) connection.close()
    // With TLS the socket that came in lies below the one that is served.
    const served = new Set([...this.#connections].map(({ socket }) => peerOf(socket)))
    for (const socket of this.#sockets) if (!served.has(peerOf(socket))) socket.destroy()
    await closed
  }

  /** True if clients have to prove something before they are served. */
  get #asksForProof(): boolean {
    return this.#options.tls !== undefined || this.#options.sasl !== undefined
  }

  #admit(socket: Socket): void {
    if (this.#closing || this.#sockets.size >= this.#options.maxConnections) {
      return this.#turnAway(socket, `More than ${this.#options.maxConnections} connections (maxConnections)`)
    }
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    const delayMs = this.#target.quotas?.connectionDelayMs(addressOf(socket)) ?? 0
    if (delayMs > 0) return this.#refuse(socket, delayMs)
    if (this.#asksForProof) this.#addStranger(socket)
    if (this.#options.tls) socket.on('error', () => {})
    else this.#serve(socket)
  }

  /**
   * Clients that have proved nothing yet have a part of the connections. One more takes the place of the one that has had the most time for it: those who can prove
   * who they are have done so long before.
   */
  #addStranger(socket: Socket): void {
    const peer = peerOf(socket)
    const stranger: Stranger = { socket, connection: undefined }
    this.#strangers.set(peer, stranger)
    socket.on('close', () => {
      if (this.#strangers.get(peer) === stranger) this.#strangers.delete(peer)
    })
    if (this.#strangers.size <= Math.ceil(this.#options.maxConnections * strangersPart)) return
    const [[oldestPeer, oldest]] = this.#strangers
    this.#strangers.delete(oldestPeer)
    const why = 'More clients came before this one had proved who it is'
    if (oldest.connection) oldest.connection.destroy(new KafkaError('NETWORK_EXCEPTION', why))
    else this.#turnedAway(clientHostOf(oldest.socket), why)
    oldest.socket.destroy()
  }

  /** Closes a connection that comes too early, as late as Kafka does: a client that connects again at once is held up by it. */
  #refuse(socket: Socket, delayMs: number): void {
    socket.on('error', () => {})
    this.#turnedAway(clientHostOf(socket), `Too many connections from ${addressOf(socket)} (connection_creation_rate)`)
    if (this.#options.tls || this.#refused >= mostRefused) {
      socket.destroy()
      return
    }
    this.#refused++
    socket.pause()
    const timer = this.#options.clock.setTimer(delayMs, () => socket.destroy())
    socket.on('close', () => {
      this.#refused--
      timer.cancel()
    })
  }

  #identify(socket: TLSSocket, tls: TlsOptions): void {
    if (socket.destroyed) return
    let user: string | undefined
    try {
      const certificate = { raw: socket.getPeerCertificate()?.raw, isTrusted: socket.authorized, distrust: socket.authorizationError }
      user = userOfCertificate(certificate, tls, error => this.tellFailure(error, '`tls.userOfCertificate`'))
    } catch (error) {
      return this.#turnAway(socket, `TLS: ${reasonOf(error)}`)
    }
    this.#serve(socket, user)
  }

  #turnAway(socket: Socket, why: string): void {
    socket.on('error', () => {})
    // A socket that is destroyed has no address any more.
    this.#turnedAway(clientHostOf(socket), why)
    socket.destroy()
  }

  #turnedAwayLater(clientHost: string, why: string): void {
    afterLoop(() => this.#turnedAway(clientHost, why))
  }

  #turnedAway(clientHost: string, why: string): void {
    const reason = new KafkaError('NETWORK_EXCEPTION', why)
    if (!this.#closing) this.emit('disconnected', { id: this.#nextId++, clientHost, reason })
  }

  /** `certifiedUser` is who the client is by its certificate. */
  #serve(socket: Socket, certifiedUser?: string): void {
    // The node keeps it for a while; the connection itself may go.
    const stand = {}
    const peer = peerOf(socket)
    const authentication = new Authentication(this.#authenticationRules, clientHostOf(socket), () => this.#strangers.delete(peer))
    if (authentication.isComplete) this.#strangers.delete(peer)
    const connection = new ServerConnection(
      this.#nextId++,
      socket,
      {
        served: this.#served,
        budget: this.#budget,
        strangersBudget: this.#strangersBudget,
        frameMemory: this.#frameMemory,
        fetchShare: this.#fetchShare,
        maxRequestBytes: this.#options.maxRequestBytes,
        intercept: this.#options.intercept,
        endpoint: () => this.#endpoint,
        authentication,
        brokerFor: (clientId, clientHost, apiVersion) => {
          const access = this.#accessOf(authentication.user ?? certifiedUser)
          return expectBroker(this.#target.connect({ clientId, clientHost, apiVersion, access, connection: stand }))
        },
        clock: this.#options.clock,
        turns: turnsOf(this.#options.clock)
      },
      reason => this.#left(connection, reason)
    )
    this.#connections.add(connection)
    const stranger = this.#strangers.get(peer)
    if (stranger) stranger.connection = connection
    const { id, clientHost } = connection
    this.emit('connection', { id, clientHost })
    if (this.#closing) connection.close()
  }

  #accessOf(user: string | undefined): ClientAccess {
    const principal = user === undefined ? anonymous : `User:${user}`
    const users = this.#users
    const isGivenUser = (name: string) => users !== undefined && users.of(name).size > 0
    return { principal, isGivenUser, ...(this.#rules && { rules: this.#rules }) }
  }

  #left(connection: ServerConnection, reason: KafkaError | undefined): void {
    this.#connections.delete(connection)
    const { id, clientHost } = connection
    if (reason?.code === 'UNKNOWN_SERVER_ERROR') this.tellFailure(reason.cause, 'a request of a client')
    this.emit('disconnected', { id, clientHost, reason })
  }

  /** One timer looks after the time limits of all connections. */
  #scheduleSweep(): void {
    const { idleTimeoutMs, stallTimeoutMs, clock } = this.#options
    const interval = Math.max(1, Math.min(1000, Math.ceil(Math.min(idleTimeoutMs, stallTimeoutMs) / 4)))
    const sweep = () => {
      const now = clock.monotonic()
      for (const connection of this.#connections) {
        const silentMs = now - connection.lastProgress
        if (connection.isOwed && silentMs >= stallTimeoutMs) connection.destroy(timedOut('stalled', 'stallTimeoutMs', stallTimeoutMs))
        else if (!connection.isBusy && silentMs >= idleTimeoutMs) connection.destroy(timedOut('was idle', 'idleTimeoutMs', idleTimeoutMs))
      }
      this.#scheduleSweep()
    }
    this.#sweep = clock.setTimer(interval, sweep, { givesUp: true })
  }
}

const closeGraceMs = 5000

/** A client that has proved nothing yet. */
interface Stranger {
  /** The socket that came in: with TLS it lies below the one that is served. */
  readonly socket: Socket
  /** Undefined until the client is served. */
  connection: ServerConnection | undefined
}

/** The most connections beyond a rate that are held at a time; others are closed at once. */
const mostRefused = 100

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

/**
 * The socket that came in. One that failed in the TLS handshake may have no address any more, where
 * the one below it has.
 */
function arrivedAs(socket: TLSSocket): Socket {
  return (socket as { readonly _parent?: Socket })._parent ?? socket
}

/** The reason why there is no TLS with a client. */
function tlsTrouble({ message, code = '', reason = message }: NodeJS.ErrnoException & { readonly reason?: string }): string {
  if (noTls.has(code)) return `TLS: the client does not speak it, as this port does (${reason})`
  if (distrust.test(code)) return `TLS: the client does not trust the certificate of this port (${reason})`
  return `TLS: ${reason}`
}

const noTls: ReadonlySet<string> = new Set(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'ERR_SSL_HTTP_REQUEST'])
/** The alerts by which clients refuse a certificate: which of them depends on the client. */
const distrust = /_ALERT_(UNKNOWN_CA|CERTIFICATE_UNKNOWN|BAD_CERTIFICATE|CERTIFICATE_EXPIRED|UNSUPPORTED_CERTIFICATE)$/

function timedOut(what: string, option: string, limitMs: number): KafkaError {
  return new KafkaError('REQUEST_TIMED_OUT', `The connection ${what} for ${limitMs} ms (${option})`)
}
