import type { Socket } from 'node:net'
import { onAbort } from '../common/abort.js'
import { type Timer, within } from '../common/clock.js'
import { abortable, type Deferred, deferred } from '../common/deferred.js'
import { errorNumber, KafkaError } from '../errors.js'
import { readMessage, writeMessage } from '../protocol/codec.js'
import type { Api, RequestOf, ResponseOf, VersionRange } from '../protocol/message.js'
import { MessageReader } from '../protocol/message-reader.js'
import { ApiVersions } from '../protocol/messages/api-versions.js'
import { SaslAuthenticate } from '../protocol/messages/sasl-authenticate.js'
import { SaslHandshake } from '../protocol/messages/sasl-handshake.js'
import { type CheckedRemoteOptions, remoteDefaults } from './client-options.js'
import { connected, isTlsAlert, newSocket, tlsRefusal } from './client-socket.js'
import type { Endpoint } from './endpoints.js'
import { FrameReader } from './frame.js'
import { beginRequest, endFrame, hasTaggedResponseHeader, skipTagged } from './headers.js'
import { networkFailure, shownEndpoint } from './network-failure.js'
import { type Ask, authenticate } from './sasl/client-authentication.js'
import { ownSoftwareName } from './served-apis.js'
import { commonVersion } from './versions.js'

export type ConnectionOptions = Omit<CheckedRemoteOptions, 'brokers'>

/** A request that has gone out, in the order in which answers come back. */
interface Pending extends Deferred<object> {
  readonly correlationId: number
  readonly api: Api
  readonly version: number
  readonly timer: Timer | undefined
  /** True if the socket has taken all of it: before that it reads the bytes of the message. */
  isWritten: boolean
  /** An answer that came before that. */
  answer: object | undefined
}

/**
 * One connection to one broker. Requests go out at once, one behind the other; answers come back in
 * that order.
 */
export class Connection {
  readonly endpoint: Endpoint
  readonly #options: ConnectionOptions
  readonly #socket: Socket
  readonly #frames: FrameReader
  readonly #pending: Pending[] = []
  readonly #onEnd: (connection: Connection) => void
  #versions: ReadonlyMap<number, VersionRange> = new Map()
  #correlationId = 0
  #failure: KafkaError | undefined
  #isIntroduced = false
  /** True if anything that was asked after the introduction was answered. */
  #wasAnswered = false
  #hasHeard = false
  #idle: Timer | undefined
  /** The time at which to authenticate again, by the monotonic clock: before the session ends. */
  #reauthenticateAt = Number.POSITIVE_INFINITY
  /** Requests that wait while the connection authenticates again, in their order. */
  #held: (() => void)[] | undefined

  private constructor(endpoint: Endpoint, socket: Socket, options: ConnectionOptions, onEnd: (connection: Connection) => void) {
    this.endpoint = endpoint
    this.#options = options
    this.#socket = socket
    this.#onEnd = onEnd
    this.#frames = new FrameReader(() => options.maxResponseBytes)
    socket.setNoDelay(true)
    socket.on('data', chunk => this.#take(chunk))
    socket.on('error', error => this.#end(networkFailure(endpoint, error.message, error)))
    socket.on('end', () => this.#closedByBroker())
    socket.on('close', () => this.#end(networkFailure(endpoint, 'it was closed')))
  }

  /**
   * Connects, asks what the broker speaks, and proves who we are. Rejects with NETWORK_EXCEPTION,
   * REQUEST_TIMED_OUT or SASL_AUTHENTICATION_FAILED, and with the signal's reason. `onEnd` is
   * called once, when the connection can no longer be used, be it before it was open.
   */
  static async open(
    endpoint: Endpoint,
    options: Partial<ConnectionOptions> = {},
    onEnd: (connection: Connection) => void = () => {},
    signal?: AbortSignal
  ): Promise<Connection> {
    const all = { ...remoteDefaults, ...options }
    const timedOut = () =>
      new KafkaError('REQUEST_TIMED_OUT', `No connection to ${shownEndpoint(endpoint)} within ${all.connectTimeoutMs} ms`)
    let socket: Socket | undefined
    let [isConnected, hasAnswered] = [false, false]
    const opening = async () => {
      socket = newSocket(endpoint, all.tls)
      await connected(socket, all.tls)
      isConnected = true
      const connection = new Connection(endpoint, socket, all, onEnd)
      await connection.#introduce(() => {
        hasAnswered = true
      })
      connection.#isIntroduced = true
      return connection
    }
    try {
      return await abortable(within(all.clock, all.connectTimeoutMs, timedOut, opening), signal)
    } catch (error) {
      socket?.destroy()
      const refusal = all.tls && !hasAnswered ? tlsRefusal(error, all.tls, isConnected) : undefined
      if (refusal !== undefined && !signal?.aborted) throw networkFailure(endpoint, refusal, error)
      throw error instanceof KafkaError || signal?.aborted ? error : networkFailure(endpoint, (error as Error).message, error)
    }
  }

  get isOpen(): boolean {
    return this.#failure === undefined
  }

  /** The versions that the broker serves, by the number of the API. */
  get versions(): ReadonlyMap<number, VersionRange> {
    return this.#versions
  }

  /**
   * True if the broker answers at once and then reads no more for the time that it says (KIP-219),
   * as since Kafka 2.0; before, it had waited itself.
   */
  get throttlesAfterwards(): boolean {
    return (this.#versions.get(ApiVersions.key)?.max ?? 0) >= firstVersionThatThrottles
  }

  /**
   * Sends a request in the highest version that both sides know. Rejects with UNSUPPORTED_VERSION
   * when there is none, and with the signal's reason. The message is borrowed until the promise
   * settles: one that is given up before all of it has left takes the connection with it.
   */
  request<A extends Api>(
    api: A,
    body: RequestOf<A>,
    timeoutMs: number = this.#options.requestTimeoutMs,
    signal?: AbortSignal
  ): Promise<ResponseOf<A>> {
    let version: number
    try {
      version = commonVersion(api, this.#versions.get(api.key), body)
    } catch (error) {
      return Promise.reject(error)
    }
    return this.send(api, version, body, timeoutMs, signal)
  }

  /** Sends a request in a given version. */
  send<A extends Api>(
    api: A,
    version: number,
    body: RequestOf<A>,
    timeoutMs: number = this.#options.requestTimeoutMs,
    signal?: AbortSignal
  ): Promise<ResponseOf<A>> {
    if (this.#mustAuthenticate()) return this.#sendLater(api, version, body, timeoutMs, signal)
    return this.#send(api, version, body, timeoutMs, signal)
  }

  /**
   * Begins to authenticate again when it is time to. Returns whether a request has to wait for
   * that.
   */
  #mustAuthenticate(): boolean {
    if (this.#held) return true
    const due = this.#reauthenticateAt
    if (due === Number.POSITIVE_INFINITY || this.#failure || this.#options.clock.monotonic() < due) return false
    this.#held = []
    void this.#reauthenticate()
    return true
  }

  /**
   * The requests under way go on; those that are made meanwhile wait, as the broker would not
   * answer them.
   */
  async #reauthenticate(): Promise<void> {
    const { clock, connectTimeoutMs } = this.#options
    const timedOut = () =>
      new KafkaError('REQUEST_TIMED_OUT', `${shownEndpoint(this.endpoint)}: no new authentication within ${connectTimeoutMs} ms`)
    try {
      await within(clock, connectTimeoutMs, timedOut, () => this.#authenticate())
    } catch (error) {
      this.#end(error instanceof KafkaError ? error : networkFailure(this.endpoint, (error as Error).message, error))
    }
    const held = this.#held ?? []
    this.#held = undefined
    for (const send of held) send()
  }

  #sendLater<A extends Api>(
    api: A,
    version: number,
    body: RequestOf<A>,
    timeoutMs: number,
    signal: AbortSignal | undefined
  ): Promise<ResponseOf<A>> {
    const { promise, resolve } = deferred<ResponseOf<A>>()
    this.#held?.push(() => {
      if (!signal?.aborted) resolve(this.#send(api, version, body, timeoutMs, signal))
    })
    return abortable(promise, signal)
  }

  #send<A extends Api>(
    api: A,
    version: number,
    body: RequestOf<A>,
    timeoutMs: number = this.#options.requestTimeoutMs,
    signal?: AbortSignal
  ): Promise<ResponseOf<A>> {
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.#failure) return Promise.reject(this.#failure)
    const correlationId = this.#correlationId
    let pieces: Uint8Array[]
    try {
      const writer = beginRequest(api, version, correlationId, this.#options.clientId)
      writeMessage(writer, api.request, version, body)
      pieces = endFrame(writer)
    } catch (error) {
      return Promise.reject(error)
    }
    this.#correlationId = (correlationId + 1) & 0x7fffffff
    const answered = isAnswered(api, body)
    const timer = answered ? this.#options.clock.setTimer(timeoutMs, () => this.#end(this.#overdue(api, timeoutMs)), timeout) : undefined
    // A short body was copied into the one piece of its frame.
    const isWritten = pieces.length === 1
    const pending: Pending = { correlationId, api, version, timer, isWritten, answer: undefined, ...deferred<object>() }
    if (answered) {
      this.#pending.push(pending)
      this.#socket.ref()
    }
    this.#rest()
    this.#write(pieces, error => {
      pending.isWritten = true
      if (pending.answer) pending.resolve(pending.answer)
      else if (!answered) error ? pending.reject(networkFailure(this.endpoint, error.message, error)) : pending.resolve({ responses: [] })
    })
    const response = pending.promise as Promise<ResponseOf<A>>
    return signal ? this.#untilAborted(pending, response, signal) : response
  }

  #untilAborted<R>(pending: Pending, response: Promise<R>, signal: AbortSignal): Promise<R> {
    return new Promise((resolve, reject) => {
      const stopListening = onAbort(signal, () => {
        reject(signal.reason)
        // The socket must not read the bytes any more, which will be used for something else.
        if (!pending.isWritten) this.#end(networkFailure(this.endpoint, 'a request was given up before all of it had left'))
      })
      response.then(resolve, reject).finally(stopListening)
    })
  }

  /**
   * A broker that wants credentials answers ApiVersions and closes the connection at whatever else
   * is asked, without a word. So the first question that it leaves open is one of whether that is
   * so.
   */
  #closedByBroker(): void {
    const isDeaf = !this.#hasHeard && !this.#options.tls
    const hint = isDeaf ? ' before it said anything: it may speak TLS on this port (`tls`)' : ''
    const failure = networkFailure(this.endpoint, `the broker closed it${hint}`)
    const isSilent = !this.#options.sasl && this.#isIntroduced && !this.#wasAnswered && this.#pending.length > 0
    this.#end(failure, isSilent ? Connection.saslRefusal(this.endpoint, this.#options) : undefined)
  }

  /** Ends the connection; what is still to be answered rejects with `reason`. */
  close(reason: KafkaError = new KafkaError('CLOSED', 'The connection is closed')): void {
    this.#end(reason)
  }

  #write(pieces: readonly Uint8Array[], written: (error?: Error | null) => void): void {
    if (pieces.length === 1) {
      this.#socket.write(pieces[0], written)
      return
    }
    this.#socket.cork()
    for (const piece of pieces.slice(0, -1)) this.#socket.write(piece)
    this.#socket.write(pieces[pieces.length - 1], written)
    this.#socket.uncork()
  }

  /** Negotiates the versions of the broker, and authenticates. */
  async #introduce(answered: () => void): Promise<void> {
    this.#versions = await this.#askVersions(ApiVersions.versions.max)
    answered()
    await this.#authenticate()
  }

  /**
   * Proves who we are: when the connection opens, and before the session ends that the broker
   * allowed.
   */
  async #authenticate(): Promise<void> {
    const { sasl, clock, random } = this.#options
    if (!sasl) return
    const send: Ask = (api, version, body) => this.#send(api, version, body)
    const lifetimeMs = await authenticate(sasl, this.#versions.get(SaslAuthenticate.key), send)
    const share = earliestReauth + (latestReauth - earliestReauth) * random.next()
    this.#reauthenticateAt = lifetimeMs > 0 ? clock.monotonic() + lifetimeMs * share : Number.POSITIVE_INFINITY
  }

  /**
   * A broker that does not know our version of the question says so in version 0, with the range
   * that it knows.
   */
  async #askVersions(version: number): Promise<ReadonlyMap<number, VersionRange>> {
    const software = { clientSoftwareName: ownSoftwareName, clientSoftwareVersion: '0' }
    const { errorCode, apiKeys } = await this.#send(ApiVersions, version, software)
    const ranges = new Map(apiKeys.map(({ apiKey, minVersion: min, maxVersion: max }) => [apiKey, { min, max }]))
    if (errorCode === 0) return ranges
    const known = ranges.get(ApiVersions.key)
    const error = KafkaError.fromNumber(errorCode, 'The broker did not say which versions it speaks')
    const lower = Math.min(known?.max ?? 0, version - 1)
    if (error.code !== 'UNSUPPORTED_VERSION' || lower < 0) throw error
    return this.#askVersions(lower)
  }

  #take(chunk: Uint8Array): void {
    if (!this.#hasHeard && isTlsAlert(chunk)) {
      this.#end(networkFailure(this.endpoint, 'the broker speaks TLS on this port: give `tls`'))
      return
    }
    this.#hasHeard = true
    try {
      for (const frame of this.#frames.push(chunk)) this.#answer(frame)
    } catch (error) {
      this.#end(error instanceof KafkaError ? error : networkFailure(this.endpoint, 'an answer could not be read', error))
    }
  }

  #answer(frame: Uint8Array): void {
    const reader = new MessageReader(frame)
    const correlationId = reader.int32()
    const pending = this.#pending.shift()
    if (!pending || pending.correlationId !== correlationId) {
      if (pending) this.#pending.unshift(pending)
      throw new KafkaError('NETWORK_EXCEPTION', `${shownEndpoint(this.endpoint)} answered out of order`)
    }
    pending.timer?.cancel()
    if (this.#isIntroduced) this.#wasAnswered = true
    if (this.#pending.length === 0) this.#rest()
    const { api } = pending
    const version = api === ApiVersions && readsAsVersion0(reader) ? 0 : pending.version
    try {
      if (hasTaggedResponseHeader(api, version)) skipTagged(reader)
      const answer = readMessage(reader, api.response, version)
      if (pending.isWritten) pending.resolve(answer)
      else pending.answer = answer
    } catch (error) {
      pending.reject(error)
      throw error
    }
  }

  /** Nothing is under way: the connection neither keeps the process alive nor lives for ever. */
  #rest(): void {
    this.#idle?.cancel()
    this.#idle = undefined
    if (this.#pending.length > 0) return
    this.#socket.unref()
    this.#idle = this.#options.clock.setTimer(this.#options.idleTimeoutMs, () => this.#end(networkFailure(this.endpoint, 'it was idle')), {
      givesUp: true
    })
  }

  #overdue(api: Api, timeoutMs: number): KafkaError {
    return new KafkaError('REQUEST_TIMED_OUT', `${shownEndpoint(this.endpoint)} did not answer ${api.name} within ${timeoutMs} ms`)
  }

  #end(failure: KafkaError, better?: Promise<KafkaError | undefined>): void {
    if (this.#failure) return
    this.#failure = failure
    this.#idle?.cancel()
    this.#socket.destroy()
    const unanswered = this.#pending.splice(0)
    for (const { timer } of unanswered) timer?.cancel()
    const reject = (reason: KafkaError) => {
      for (const pending of unanswered) pending.reject(reason)
    }
    if (better) void better.then(reason => reject(reason ?? failure))
    else reject(failure)
    for (const send of this.#held?.splice(0) ?? []) send()
    this.#onEnd(this)
  }

  /** The broker's answer about SASL, to a client that has no credentials for it. */
  async #refusal(): Promise<KafkaError | undefined> {
    const { errorCode, mechanisms } = await this.send(SaslHandshake, 1, { mechanism: '' })
    if (errorCode !== errorNumber('UNSUPPORTED_SASL_MECHANISM')) return undefined
    const message = `${shownEndpoint(this.endpoint)} takes no client without credentials: give \`sasl\` with one of ${mechanisms.join(', ')}`
    return new KafkaError('SASL_AUTHENTICATION_FAILED', message)
  }

  /**
   * Asks a broker that has closed a connection whether it wants credentials; on a connection of its
   * own, as none survives the answer.
   */
  static async saslRefusal(endpoint: Endpoint, options: ConnectionOptions): Promise<KafkaError | undefined> {
    try {
      const connection = await Connection.open(endpoint, options)
      try {
        return await connection.#refusal()
      } finally {
        connection.close()
      }
    } catch {
      // It says nothing: the connection has failed as any other does.
      return undefined
    }
  }
}

/** A produce request without acknowledgement is the one that is never answered. */
function isAnswered(api: Api, body: object): boolean {
  return api.key !== 0 || (body as { acks: number }).acks !== 0
}

/**
 * The parts of a session's lifetime between which a client authenticates again, as Java's does;
 * chance spreads many clients.
 */
const earliestReauth = 0.85
const latestReauth = 0.95

const unsupportedVersion = 35

/**
 * True if an answer to ApiVersions says that the version was not known, which it says in version 0.
 */
function readsAsVersion0(reader: MessageReader): boolean {
  const { position } = reader
  const errorCode = reader.int16()
  reader.position = position
  return errorCode === unsupportedVersion
}

/** Of ApiVersions. */
const firstVersionThatThrottles = 2

const timeout = { keepAlive: true, givesUp: true }
