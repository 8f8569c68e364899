import type { Socket } from 'node:net'
import { release } from '../common/lease.js'
import { errorNumber, KafkaError } from '../errors.js'
import type { Broker } from '../protocol/broker.js'
import { readMessage, writeMessage } from '../protocol/codec.js'
import { type Api, includesVersion, type RequestOf, type ResponseOf } from '../protocol/message.js'
import { MessageReader } from '../protocol/message-reader.js'
import type { MessageWriter } from '../protocol/message-writer.js'
import { ApiVersions } from '../protocol/messages/api-versions.js'
import { Fetch } from '../protocol/messages/fetch.js'
import { JoinGroup } from '../protocol/messages/join-group.js'
import { Produce } from '../protocol/messages/produce.js'
import { SaslAuthenticate } from '../protocol/messages/sasl-authenticate.js'
import { SaslHandshake } from '../protocol/messages/sasl-handshake.js'
import { SyncGroup } from '../protocol/messages/sync-group.js'
import type { ByteBudget } from './byte-budget.js'
import { type Endpoint, withEndpoint } from './endpoints.js'
import { FrameReader } from './frame.js'
import { apiVersionsKey, beginResponse, endFrame, type RequestHeader, readRequestHeader, skipTagged } from './headers.js'
import { type Exchange, type Intercept, Interception } from './intercept.js'
import type { Authentication } from './sasl/authentication.js'
import type { ServedApis } from './served-apis.js'
import { SocketWriter } from './socket-writer.js'

/** What a connection needs of its listener. */
export interface ConnectionContext {
  readonly served: ServedApis
  readonly budget: ByteBudget
  readonly maxRequestBytes: number
  readonly intercept: Intercept | undefined
  readonly endpoint: () => Endpoint
  readonly authentication: Authentication
  /** The node, for a client of this name that asks in this version. */
  readonly brokerFor: (clientId: string, clientHost: string, apiVersion: number) => Broker
  /** Answers an API that the listener serves by itself; undefined for all others. */
  readonly own: (api: Api, body: object) => object | undefined
  readonly now: () => number
}

/** Requests below this size are not counted: a connection reads no more than that ahead. */
const smallRequest = 64 * 1024

/** Answers that wait for something to happen; when the listener closes they are not waited for. */
const parked: readonly Api[] = [Fetch, JoinGroup, SyncGroup]

/**
 * One client's connection. Requests are taken one at a time, as Kafka does, so answers leave in order and a request never overtakes the one before;
 * while one is answered, no more is read than has arrived.
 */
export class ServerConnection {
  readonly id: number
  readonly clientHost: string
  readonly socket: Socket
  readonly #context: ConnectionContext
  readonly #frames: FrameReader
  readonly #writer: SocketWriter
  readonly #abort = new AbortController()
  readonly #brokers = new Map<string, Broker>()
  readonly #waiting: { readonly frame: Uint8Array; readonly reserved: number }[] = []
  /** Bytes taken from the budget for the request that is arriving, and for the one that is answered. */
  #reserved = 0
  #held = 0
  #asking: (() => void) | undefined
  #current: Api | undefined
  #busy = false
  #hanging = false
  #ended = false
  #closing = false
  #reason: KafkaError | undefined
  #lastProgress: number

  constructor(id: number, socket: Socket, context: ConnectionContext, onClose: (reason: KafkaError | undefined) => void) {
    this.id = id
    this.socket = socket
    this.#context = context
    this.clientHost = `/${(socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '')}`
    this.#frames = new FrameReader(context.maxRequestBytes)
    this.#lastProgress = context.now()
    this.#writer = new SocketWriter(socket, () => this.#progress())
    socket.setNoDelay(true)
    socket.on('data', chunk => this.#take(chunk))
    socket.on('end', () => this.#end(undefined))
    socket.on('close', () => {
      this.#end(undefined)
      onClose(this.#reason)
    })
    socket.on('error', error => this.#end(new KafkaError('NETWORK_EXCEPTION', `The connection failed: ${error.message}`, { cause: error })))
  }

  /** When something was last received or taken by the client. */
  get lastProgress(): number {
    return this.#lastProgress
  }

  /** Whether the client owes something: the rest of a request, a proof of who it is, or taking its answer. */
  get isOwed(): boolean {
    if (this.#ended || this.#writer.isWaiting) return true
    return !this.#busy && !this.#asking && (this.#frames.midFrame || !this.#context.authentication.isComplete)
  }

  /** Whether the node owes something, so that the client is right to be silent. */
  get isBusy(): boolean {
    return this.#busy
  }

  /** Ends the connection; the answer that is being made goes out first, unless it waits for something to happen. */
  close(): void {
    this.#closing = true
    this.socket.pause()
    if (!this.#busy || this.#hanging || (this.#current && parked.includes(this.#current))) this.#end(undefined)
  }

  /** Ends the connection now. */
  destroy(reason: KafkaError): void {
    this.#end(reason, true)
  }

  #take(chunk: Uint8Array): void {
    if (this.#ended) return
    this.#progress()
    try {
      for (const frame of this.#frames.push(chunk)) {
        this.#waiting.push({ frame, reserved: this.#reserved })
        this.#reserved = 0
      }
    } catch (error) {
      this.#end(error as KafkaError)
      return
    }
    if (this.#frames.pendingSize > smallRequest && this.#reserved === 0) this.#reserve(this.#frames.pendingSize)
    if (this.#waiting.length > 0 && !this.#busy) void this.#work()
    if (this.#busy) this.socket.pause()
  }

  /** Takes room for a large request that has begun; reads no further until there is some. */
  #reserve(bytes: number): void {
    const granted = () => {
      this.#asking = undefined
      this.#reserved = bytes
      this.#progress()
      if (!this.#busy) this.socket.resume()
    }
    if (this.#context.budget.take(bytes, granted)) {
      this.#reserved = bytes
      return
    }
    this.#asking = granted
    this.socket.pause()
  }

  async #work(): Promise<void> {
    this.#busy = true
    while (!this.#ended && !this.#closing) {
      const next = this.#waiting.shift()
      if (!next) break
      this.#held = next.reserved
      try {
        await this.#answer(next.frame)
      } catch (error) {
        this.#end(error instanceof KafkaError ? error : new KafkaError('UNKNOWN_SERVER_ERROR', 'A request failed', { cause: error }))
      } finally {
        this.#current = undefined
        this.#letGo()
      }
    }
    this.#busy = false
    if (this.#closing) this.#end(undefined)
    if (!this.#ended && !this.#asking) this.socket.resume()
  }

  #letGo(): void {
    this.#context.budget.give(this.#held)
    this.#held = 0
  }

  async #answer(frame: Uint8Array): Promise<void> {
    const { authentication } = this.#context
    if (authentication.expectsRawToken) return this.#answerRawToken(frame)
    const reader = new MessageReader(frame)
    const header = readRequestHeader(reader)
    const served = this.#context.served.get(header.apiKey)
    if (!served || !includesVersion(served.versions, header.apiVersion)) return this.#refuseVersion(header)
    const { api } = served
    if (includesVersion(api.flexible, header.apiVersion)) skipTagged(reader)
    if (!authentication.isComplete && !beforeAuthentication.includes(api)) {
      throw new KafkaError('ILLEGAL_SASL_STATE', `${api.name} was asked before authentication`)
    }
    const body = readMessage(reader, api.request, header.apiVersion)
    this.#current = api
    const response = await this.#respond(api, header, body)
    if (!this.#ended) await this.#send(api, header, body, response)
  }

  async #respond(api: Api, header: RequestHeader, body: object): Promise<object> {
    const { intercept } = this.#context
    if (!intercept) return this.#ask(api, header, body)
    const { id: connectionId } = this
    const { apiVersion, clientId } = header
    const exchange: Exchange = { api, apiVersion, clientId: clientId ?? '', connectionId, body, signal: this.#abort.signal }
    return intercept(exchange, async () => this.#ask(api, header, body))
  }

  #ask(api: Api, header: RequestHeader, body: object): object | Promise<object> {
    const { served, authentication, own } = this.#context
    switch (api) {
      case ApiVersions:
        return isValidSoftware(header.apiVersion, body) ? served.describe() : served.describeOwnRange(errorNumber('INVALID_REQUEST'))
      case SaslHandshake:
        return authentication.handshake((body as { mechanism: string }).mechanism, header.apiVersion)
      case SaslAuthenticate:
        return authentication.authenticate((body as { authBytes: Uint8Array }).authBytes)
      default:
        return own(api, body) ?? this.#askNode(api, header, body)
    }
  }

  async #askNode(api: Api, header: RequestHeader, body: object): Promise<object> {
    if (api === Fetch) {
      this.#letGo() // or a fetch that is large itself would wait for itself
      await this.#room()
    }
    const response = await this.#brokerFor(header, api).request(api, body as RequestOf<Api>, this.#abort.signal)
    return withEndpoint(api, response, this.#context.endpoint())
  }

  #brokerFor({ clientId, apiVersion }: RequestHeader, api: Api): Broker {
    const key = `${api.key} ${apiVersion} ${clientId}`
    let broker = this.#brokers.get(key)
    if (!broker) {
      if (this.#brokers.size >= maxBrokers) this.#brokers.clear()
      this.#brokers.set(key, (broker = this.#context.brokerFor(clientId ?? '', this.clientHost, apiVersion)))
    }
    return broker
  }

  /** Waits while the listener holds more than it may: the size of a fetch is known only when it is made. */
  #room(): Promise<void> | undefined {
    const { budget } = this.#context
    const { signal } = this.#abort
    let settle = () => {}
    const granted = () => settle()
    if (budget.take(0, granted)) return undefined
    return new Promise(resolve => {
      const onAbort = () => {
        budget.withdraw(granted)
        resolve()
      }
      settle = () => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  async #send(api: Api, header: RequestHeader, body: object, response: object): Promise<void> {
    if (api === Produce && (body as { acks: number }).acks === 0) return this.#sendNothing(response)
    if (response instanceof Interception && response.answerBytes === undefined) return this.#hang()
    const writer = beginResponse(api, header.apiVersion, header.correlationId)
    if (response instanceof Interception) {
      await this.#sendCut(response, api, header, body, writer)
      return
    }
    writeMessage(writer, api.response, header.apiVersion, response as ResponseOf<Api>)
    await this.#write(endFrame(writer), api === Fetch ? response : undefined)
    if (api === SaslAuthenticate || api === SaslHandshake) this.#endWhenRefused(response as { errorCode: number })
  }

  async #write(pieces: readonly Uint8Array[], lending?: object): Promise<void> {
    let length = 0
    for (const piece of pieces) length += piece.length
    const counted = length > smallRequest ? length : 0
    this.#context.budget.add(counted)
    this.#progress()
    await this.#writer.write(pieces, length, () => {
      this.#context.budget.give(counted)
      if (lending) releaseRecords(lending)
    })
  }

  /** acks=0: no answer at all, so an error can only be told by closing the connection. */
  #sendNothing(response: object): void {
    const { responses } = response as { responses?: { partitionResponses: { errorCode: number }[] }[] }
    const failed = responses?.flatMap(topic => topic.partitionResponses).find(partition => partition.errorCode !== 0)
    if (failed) throw KafkaError.fromNumber(failed.errorCode, 'A produce request without acknowledgement failed')
  }

  #hang(): Promise<void> {
    this.#hanging = true
    return new Promise(resolve => this.#abort.signal.addEventListener('abort', () => resolve(), { once: true }))
  }

  async #sendCut(cut: Interception, api: Api, header: RequestHeader, body: object, writer: MessageWriter): Promise<void> {
    writeMessage(writer, api.response, header.apiVersion, (await this.#ask(api, header, body)) as ResponseOf<Api>)
    const frame = new Uint8Array(writer.length)
    let position = 0
    for (const piece of endFrame(writer)) {
      frame.set(piece, position)
      position += piece.length
    }
    await this.#write([frame.subarray(0, cut.answerBytes)])
    throw new KafkaError('NETWORK_EXCEPTION', 'The connection was closed in mid-answer, as asked for')
  }

  async #answerRawToken(token: Uint8Array): Promise<void> {
    const answer = await this.#context.authentication.rawToken(token)
    const size = new Uint8Array(4)
    new DataView(size.buffer).setInt32(0, answer.length)
    await this.#write([size, answer])
  }

  /** A client may not know which versions of ApiVersions there are, so that request is answered; any other ends the connection. */
  async #refuseVersion({ apiKey, apiVersion, correlationId }: RequestHeader): Promise<void> {
    if (apiKey !== apiVersionsKey || apiVersion < 0) {
      throw new KafkaError('UNSUPPORTED_VERSION', `API ${apiKey} is not served in version ${apiVersion}`)
    }
    const writer = beginResponse(ApiVersions, 0, correlationId)
    writeMessage(writer, ApiVersions.response, 0, this.#context.served.describeOwnRange(errorNumber('UNSUPPORTED_VERSION')))
    await this.#write(endFrame(writer))
  }

  #endWhenRefused({ errorCode }: { errorCode: number }): void {
    if (errorCode === 0 || errorCode === errorNumber('UNSUPPORTED_SASL_MECHANISM')) return
    if (this.#context.authentication.isComplete) return
    throw KafkaError.fromNumber(errorCode)
  }

  #progress(): void {
    this.#lastProgress = this.#context.now()
  }

  /** Stops serving; lets what was answered go out, or cuts it off `now`. */
  #end(reason: KafkaError | undefined, now = false): void {
    if (this.#ended) {
      if (now) this.socket.destroy()
      return
    }
    this.#ended = true
    this.#reason = reason
    this.#abort.abort(new KafkaError('NETWORK_EXCEPTION', 'The client has gone'))
    const { budget } = this.#context
    if (this.#asking) budget.withdraw(this.#asking)
    budget.give(this.#reserved)
    this.#reserved = 0
    for (const { reserved } of this.#waiting.splice(0)) budget.give(reserved)
    if (now) this.socket.destroy()
    this.#writer.end()
  }
}

const beforeAuthentication: readonly Api[] = [ApiVersions, SaslHandshake, SaslAuthenticate]
const softwareName = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/
/** A client may ask under many names; only so many are remembered. */
const maxBrokers = 64

function isValidSoftware(version: number, body: object): boolean {
  const { clientSoftwareName, clientSoftwareVersion } = body as { clientSoftwareName: string; clientSoftwareVersion: string }
  return version < 3 || (softwareName.test(clientSoftwareName) && softwareName.test(clientSoftwareVersion))
}

/** Gives back the record bytes that the node lent for a Fetch response. */
function releaseRecords(response: object): void {
  const { responses } = response as { responses: { partitions: { records: Uint8Array | null }[] }[] }
  for (const { partitions } of responses) for (const { records } of partitions) if (records) release(records)
}
