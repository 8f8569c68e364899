import { type Clock, sleep } from '../common/clock.js'
import { abortable } from '../common/deferred.js'
import type { Random } from '../common/random.js'
import { KafkaError } from '../errors.js'
import { type Broker, takesAnyOrder } from '../protocol/broker.js'
import type { Api, RequestOf, ResponseOf } from '../protocol/message.js'
import { ConditionalAppend } from '../protocol/messages/conditional-append.js'
import { Fetch } from '../protocol/messages/fetch.js'
import { JoinGroup } from '../protocol/messages/join-group.js'
import { Produce } from '../protocol/messages/produce.js'
import { SyncGroup } from '../protocol/messages/sync-group.js'
import type { CheckedRemoteOptions } from './client-options.js'
import { Connection } from './connection.js'
import type { Endpoint } from './endpoints.js'
import { FetchSession, firstVersionWithSessions } from './fetch-session.js'
import { commonVersion } from './versions.js'

type FetchRequest = RequestOf<typeof Fetch>
type FetchResponse = ResponseOf<typeof Fetch>

/**
 * One broker elsewhere. A broker takes the requests of a connection one at a time, so what may wait
 * there goes its own way: records have one connection, questions another, and each fetch, join or
 * sync takes one that is free, or a new one.
 */
export class RemoteBroker implements Broker {
  readonly endpoint: Endpoint
  readonly #options: CheckedRemoteOptions
  readonly #connections = new Set<Connection>()
  readonly #shared = new Map<'produce' | 'ask', Promise<Connection>>()
  readonly #free: Connection[] = []
  readonly #fetchSession = new FetchSession()
  readonly #closing = new AbortController()
  readonly #reconnect: ReconnectDelay
  /** Throttling of one lane does not hold up the others: heartbeats of a group's member go on. */
  readonly #lanes: Readonly<Record<Lane, ThrottledLane>>

  constructor(endpoint: Endpoint, options: CheckedRemoteOptions) {
    this.endpoint = endpoint
    this.#options = options
    const lane = () => new ThrottledLane(options.clock, this.#closing.signal)
    this.#lanes = { produce: lane(), fetch: lane(), ask: lane() }
    this.#reconnect = new ReconnectDelay(options.clock, options.random, options.reconnectBackoffMs, options.reconnectBackoffMaxMs)
  }

  /** True if there is a connection. */
  get isConnected(): boolean {
    return this.#connections.size > 0
  }

  async request<A extends Api>(api: A, body: RequestOf<A>, signal?: AbortSignal): Promise<ResponseOf<A>> {
    this.#closing.signal.throwIfAborted()
    signal?.throwIfAborted()
    const lane = laneOf(api)
    const pause = this.#lanes[lane].pause()
    if (pause) await abortable(pause, signal)
    if (mayWait(api)) return this.#requestAlone(api, body, lane, signal)
    const connection = await abortable(this.#sharedConnection(lane === 'produce' ? lane : 'ask'), signal)
    const answer = await connection.request(api, body, this.#timeoutMs(api, body), signal)
    this.#obey(answer, lane, connection)
    return answer
  }

  /** Connects, if nothing is connected yet. */
  async connect(signal?: AbortSignal): Promise<void> {
    await abortable(this.#sharedConnection('ask'), signal)
  }

  /** Ends all connections; what is under way, or still asked, rejects with `reason`. */
  close(reason: KafkaError): void {
    this.#closing.abort(reason)
    for (const connection of this.#connections) connection.close(reason)
  }

  /**
   * A broker that is asked for too much says for how long it reads nothing more: what was not sent
   * meanwhile can still be given up, or go elsewhere.
   */
  #obey(answer: object, lane: Lane, { throttlesAfterwards }: Connection): void {
    const { throttleTimeMs = 0 } = answer as { readonly throttleTimeMs?: number }
    if (throttleTimeMs > 0 && throttlesAfterwards) this.#lanes[lane].throttle(throttleTimeMs)
  }

  async #requestAlone<A extends Api>(api: A, body: RequestOf<A>, lane: Lane, signal?: AbortSignal): Promise<ResponseOf<A>> {
    const connection = this.#free.pop() ?? (await this.#openForOne(signal))
    // The answer comes even when nobody waits for it any more; only then is the connection free.
    const asked = api.key === Fetch.key ? this.#fetch(connection, body as FetchRequest, signal) : this.#ask(connection, api, body, lane)
    return abortable(
      (asked as Promise<ResponseOf<A>>).finally(() => this.#isFree(connection)),
      signal
    )
  }

  async #ask<A extends Api>(connection: Connection, api: A, body: RequestOf<A>, lane: Lane): Promise<ResponseOf<A>> {
    const answer = await connection.request(api, body, this.#timeoutMs(api, body))
    this.#obey(answer, lane, connection)
    return answer
  }

  /**
   * Fetches by the session, or without it: while another fetch has it, and where the order of
   * partitions matters.
   */
  async #fetch(connection: Connection, body: FetchRequest, signal?: AbortSignal, isSecond = false): Promise<FetchResponse> {
    const session = this.#fetchSession
    const version = commonVersion(Fetch, connection.versions.get(Fetch.key), body)
    if (session.isBusy || version < firstVersionWithSessions || !takesAnyOrder(signal)) return this.#ask(connection, Fetch, body, 'fetch')
    let answer: FetchResponse
    try {
      answer = await connection.send(Fetch, version, session.begin(body, version), this.#timeoutMs(Fetch, body))
    } catch (error) {
      session.failed()
      throw error
    }
    this.#obey(answer, 'fetch', connection)
    const completed = session.answered(answer)
    if (completed) return completed
    signal?.throwIfAborted()
    if (isSecond) throw KafkaError.fromNumber(answer.errorCode ?? 0)
    return this.#fetch(connection, body, signal, true)
  }

  async #openForOne(signal?: AbortSignal): Promise<Connection> {
    const opening = this.#open()
    try {
      return await abortable(opening, signal)
    } catch (error) {
      opening.then(
        connection => this.#isFree(connection),
        () => {}
      )
      throw error
    }
  }

  #isFree(connection: Connection): void {
    if (connection.isOpen) this.#free.push(connection)
  }

  #sharedConnection(lane: 'produce' | 'ask'): Promise<Connection> {
    const known = this.#shared.get(lane)
    if (known) return known
    const forget = () => {
      if (this.#shared.get(lane) === opening) this.#shared.delete(lane)
    }
    const opening = this.#open(forget)
    this.#shared.set(lane, opening)
    opening.catch(forget)
    return opening
  }

  async #open(onEnd: () => void = () => {}): Promise<Connection> {
    const { signal } = this.#closing
    await this.#reconnect.wait(signal)
    try {
      const ended = (connection: Connection) => {
        this.#connections.delete(connection)
        const index = this.#free.indexOf(connection)
        if (index >= 0) this.#free.splice(index, 1)
        onEnd()
      }
      const opened = await Connection.open(this.endpoint, this.#options, ended, signal)
      this.#reconnect.succeeded()
      if (signal.aborted) opened.close(signal.reason)
      else if (opened.isOpen) this.#connections.add(opened)
      return opened
    } catch (error) {
      this.#reconnect.failed()
      throw error
    }
  }

  /**
   * The longest time for an answer, on top of the time that the request asks the broker to wait.
   */
  #timeoutMs(api: Api, body: object): number {
    const { requestTimeoutMs } = this.#options
    if (api.key === Fetch.key) return requestTimeoutMs + (body as { maxWaitMs: number }).maxWaitMs
    if (api.key === JoinGroup.key) return requestTimeoutMs + Math.max(0, (body as { rebalanceTimeoutMs?: number }).rebalanceTimeoutMs ?? 0)
    return requestTimeoutMs
  }
}

function mayWait(api: Api): boolean {
  return api.key === Fetch.key || api.key === JoinGroup.key || api.key === SyncGroup.key
}

type Lane = 'produce' | 'fetch' | 'ask'

function laneOf(api: Api): Lane {
  return api.key === Produce.key || api.key === ConditionalAppend.key ? 'produce' : api.key === Fetch.key ? 'fetch' : 'ask'
}

/**
 * Requests of one kind to a broker, which wait while it throttles them, and go on in their order.
 */
class ThrottledLane {
  readonly #clock: Clock
  readonly #closing: AbortSignal
  #until = 0
  #pause: Promise<void> | undefined

  constructor(clock: Clock, closing: AbortSignal) {
    this.#clock = clock
    this.#closing = closing
  }

  throttle(timeMs: number): void {
    this.#until = Math.max(this.#until, this.#clock.monotonic() + timeMs)
  }

  /** Resolves when the next request may be sent; undefined where it may be now. */
  pause(): Promise<void> | undefined {
    if (this.#until === 0) return undefined
    if (!this.#pause && this.#left <= 0) this.#until = 0
    else this.#pause ??= this.#wait()
    return this.#pause
  }

  async #wait(): Promise<void> {
    try {
      do await sleep(this.#clock, Math.max(0, this.#left), this.#closing, { keepAlive: true })
      while (this.#left > 0)
    } finally {
      this.#until = 0
      this.#pause = undefined
    }
  }

  get #left(): number {
    return this.#until - this.#clock.monotonic()
  }
}

/** The backoff for a broker that could not be reached. */
class ReconnectDelay {
  readonly #clock: Clock
  readonly #random: Random
  readonly #firstMs: number
  readonly #longestMs: number
  #failures = 0
  #notBefore = 0

  constructor(clock: Clock, random: Random, firstMs: number, longestMs: number) {
    this.#clock = clock
    this.#random = random
    this.#firstMs = firstMs
    this.#longestMs = longestMs
  }

  succeeded(): void {
    this.#failures = 0
    this.#notBefore = 0
  }

  failed(): void {
    this.#failures++
    const delayMs = Math.min(this.#longestMs, this.#firstMs * 2 ** Math.min(this.#failures - 1, 20))
    this.#notBefore = this.#clock.monotonic() + delayMs * (0.8 + 0.4 * this.#random.next())
  }

  async wait(signal: AbortSignal): Promise<void> {
    const delayMs = this.#notBefore - this.#clock.monotonic()
    if (delayMs > 0) await sleep(this.#clock, delayMs, signal, { keepAlive: true })
  }
}
