import { concatBytes, writeInt32 } from '../common/bytes.js'
import { release } from '../common/lease.js'
import { shown } from '../common/options.js'
import { givenBack, isPoisoning } from '../common/poison.js'
import { reasonOf } from '../common/warnings.js'
import { errorNumber, KafkaError } from '../errors.js'
import { connectionApis } from '../protocol/apis.js'
import { readMessage, writeMessage } from '../protocol/codec.js'
import { type Api, includesVersion, type RequestOf, type ResponseOf } from '../protocol/message.js'
import { MessageReader } from '../protocol/message-reader.js'
import { ApiVersions } from '../protocol/messages/api-versions.js'
import { Fetch } from '../protocol/messages/fetch.js'
import { Produce } from '../protocol/messages/produce.js'
import { SaslAuthenticate } from '../protocol/messages/sasl-authenticate.js'
import { SaslHandshake } from '../protocol/messages/sasl-handshake.js'
import type { MeteredBroker, QuotaMeter } from '../protocol/quotas.js'
import { type Endpoint, withEndpoint } from './endpoints.js'
import type { FetchShare } from './fetch-share.js'
import type { FrameMemory } from './frame-memory.js'
import { apiVersionsKey, beginResponse, endFrame, type RequestHeader, readRequestHeader, skipTagged } from './headers.js'
import { type Exchange, type Intercept, Interception } from './intercept.js'
import type { Authentication } from './sasl/authentication.js'
import type { ServedApis } from './served-apis.js'

/** The parts that answer the requests of a connection. */
export interface ServingContext {
  readonly served: ServedApis
  readonly intercept: Intercept | undefined
  readonly frameMemory: FrameMemory
  readonly fetchShare: FetchShare
  readonly endpoint: () => Endpoint
  readonly authentication: Authentication
  /** The node, for a client of this name that asks in this version. */
  readonly brokerFor: (clientId: string, clientHost: string, apiVersion: number) => MeteredBroker
}

/** The client that asks. */
export interface Requester {
  readonly connectionId: number
  readonly clientHost: string
  /** Aborts when the connection ends. */
  readonly signal: AbortSignal
  /** Resolves when an answer of unknown size may be made; undefined when it may be made now. */
  readonly room: () => Promise<void> | undefined
  /** Counts so many bytes as taken until the request is answered. */
  readonly hold: (bytes: number) => void
}

/** A request, and whom it is for: the node, unless it is about the connection. */
interface Asked {
  readonly api: Api
  readonly header: RequestHeader
  readonly body: object
  readonly broker: MeteredBroker | undefined
  readonly meter: QuotaMeter | undefined
  /** The size of its frame, in bytes. */
  readonly bytes: number
}

/** The answer to a request: a frame in pieces, and the step that follows. */
export interface Answer {
  readonly pieces: readonly Uint8Array[]
  /** Called when the pieces are no longer read. */
  readonly sent?: () => void
  /** For how long nothing is read from the client after it, in milliseconds. */
  readonly muteMs?: number
  /** The reason why the connection ends after it, if it does. */
  readonly end?: KafkaError
}

/** Stands for an answer that never comes. */
export const never: unique symbol = Symbol('never')

/**
 * Turns the frames of one connection into requests, and responses into frames. What can not be
 * answered throws: the connection then ends, as it does with Kafka.
 */
export class RequestServer {
  readonly #context: ServingContext
  readonly #requester: Requester
  readonly #brokers = new Map<string, MeteredBroker>()
  #current: Api | undefined

  constructor(context: ServingContext, requester: Requester) {
    this.#context = context
    this.#requester = requester
  }

  /** The API that is being asked. */
  get current(): Api | undefined {
    return this.#current
  }

  async answer(frame: Uint8Array): Promise<Answer | typeof never | undefined> {
    const { authentication, served } = this.#context
    if (authentication.expectsRawToken) return { pieces: rawFrame(await authentication.rawToken(frame)) }
    const reader = new MessageReader(frame, 0, maxElements)
    const header = readRequestHeader(reader)
    const api = served.find(header.apiKey, header.apiVersion)
    if (!api) return this.#refuseVersion(header)
    if (includesVersion(api.flexible, header.apiVersion)) skipTagged(reader)
    const refusal = authentication.refusal(api)
    if (refusal) throw refusal
    this.#current = api
    const broker = connectionApis.includes(api) ? undefined : this.#brokerFor(header, api)
    const meter = broker?.meter?.isOn ? broker.meter : undefined
    try {
      if (api === Fetch) await this.#room()
      meter?.begin()
      const body = readMessage(reader, api.request, header.apiVersion)
      if (api === Fetch) this.#weigh(body as RequestOf<typeof Fetch>, reader.elementCount)
      const answer = await this.#exchange({ api, header, body, broker, meter, bytes: frame.length })
      // The node has borrowed the records until now; whoever intercepts requests may keep them.
      if (this.#context.intercept) return answer
      if (api === Produce) this.#context.frameMemory.give(frame)
      else if (isPoisoning()) return withGivenBack(answer, frame)
      return answer
    } finally {
      meter?.end()
      this.#current = undefined
    }
  }

  async #exchange(asked: Asked): Promise<Answer | typeof never | undefined> {
    const { api, header, body, meter, bytes } = asked
    const { intercept } = this.#context
    const response = await (intercept ? this.#intercepted(asked, intercept) : this.#ask(asked))
    const isAnswered = api !== Produce || (body as { acks: number }).acks !== 0
    const muteMs = meter && !(response instanceof Interception) ? meter.throttleMs(api, bytes, isAnswered) : 0
    if (!isAnswered) {
      expectSuccess(response)
      return muteMs > 0 ? { pieces: [], muteMs } : undefined
    }
    if (!(response instanceof Interception)) {
      if (muteMs > 0) return { ...this.#framed(api, header, { ...response, throttleTimeMs: muteMs }), muteMs }
      return { ...this.#framed(api, header, response), ...ending(this.#context) }
    }
    if (response.answerBytes === undefined) return never
    const whole = concatBytes(framed(api, header, await this.#ask(asked)).pieces)
    const end = new KafkaError('NETWORK_EXCEPTION', 'The connection was closed in mid-answer, as asked for')
    return { pieces: [whole.subarray(0, response.answerBytes)], end }
  }

  /** An intercepted answer may be no valid response. */
  #framed(api: Api, header: RequestHeader, response: object): Answer {
    if (!this.#context.intercept) return framed(api, header, response)
    try {
      return framed(api, header, response)
    } catch (error) {
      throw notAnAnswer(api, `one in which ${reasonOf(error)}`)
    }
  }

  #intercepted(asked: Asked, intercept: Intercept): Promise<object> {
    const { api, header, body } = asked
    const { connectionId, signal } = this.#requester
    const { apiVersion, clientId } = header
    const exchange: Exchange = { api, apiVersion, clientId: clientId ?? '', connectionId, body, signal }
    return answerOf(
      api,
      intercept(exchange, () => this.#ask(asked))
    )
  }

  async #ask({ api, header, body, broker }: Asked): Promise<object> {
    const { served, authentication, endpoint } = this.#context
    switch (api) {
      case ApiVersions:
        return isValidSoftware(header.apiVersion, body)
          ? served.describe(header.apiVersion, (body as { clientSoftwareName?: string }).clientSoftwareName)
          : { errorCode: errorNumber('INVALID_REQUEST'), apiKeys: [] }
      case SaslHandshake:
        return authentication.handshake((body as { mechanism: string }).mechanism, header.apiVersion)
      case SaslAuthenticate:
        return authentication.authenticate((body as { authBytes: Uint8Array }).authBytes)
      case Fetch:
        return withEndpoint(api, await this.#fetch(broker as MeteredBroker, body as RequestOf<typeof Fetch>), endpoint())
      default:
        return withEndpoint(api, await (broker as MeteredBroker).request(api, body as RequestOf<Api>, this.#requester.signal), endpoint())
    }
  }

  /** Waits before a fetch is even read: once it has been, it takes its room. */
  async #room(): Promise<void> {
    const { room, signal } = this.#requester
    for (let wait = room(); wait && !signal.aborted; wait = room()) await wait
  }

  /**
   * A fetch of very many partitions takes memory for as long as it waits, so that is counted, and
   * it does not wait for long.
   */
  #weigh(body: RequestOf<typeof Fetch>, elementCount: number): void {
    const weight = elementCount * bytesPerElement
    if (weight < heavy) return
    this.#requester.hold(weight)
    body.maxWaitMs = Math.min(body.maxWaitMs, longestHeavyWaitMs)
  }

  async #fetch(broker: MeteredBroker, body: RequestOf<typeof Fetch>): Promise<object> {
    return this.#context.fetchShare.of(async share => {
      const maxBytes = Math.min(body.maxBytes ?? share, share)
      return broker.request(Fetch, { ...body, maxBytes, minBytes: Math.min(body.minBytes, maxBytes) }, this.#requester.signal)
    })
  }

  #brokerFor({ clientId, apiVersion }: RequestHeader, api: Api): MeteredBroker {
    const key = `${api.key} ${apiVersion} ${clientId}`
    let broker = this.#brokers.get(key)
    if (!broker) {
      if (this.#brokers.size >= maxBrokers) this.#brokers.clear()
      this.#brokers.set(key, (broker = this.#context.brokerFor(clientId ?? '', this.#requester.clientHost, apiVersion)))
    }
    return broker
  }

  /**
   * A client may not know which versions of ApiVersions there are, so that request is answered; any
   * other ends the connection.
   */
  #refuseVersion(header: RequestHeader): Answer {
    const { apiKey, apiVersion } = header
    if (apiKey !== apiVersionsKey) {
      throw new KafkaError('UNSUPPORTED_VERSION', `API ${apiKey} is not served in version ${apiVersion}`)
    }
    const response = this.#context.served.describeOwnRange(errorNumber('UNSUPPORTED_VERSION'))
    return framed(ApiVersions, { ...header, apiVersion: 0 }, response)
  }
}

async function answerOf(api: Api, given: Promise<object> | object): Promise<object> {
  const answer = await given
  if (typeof answer !== 'object' || answer === null) throw notAnAnswer(api, shown(answer))
  return answer
}

function notAnAnswer(api: Api, given: string): TypeError {
  return new TypeError(
    `Expected \`intercept\` to return a response to ${api.name}: what \`answer()\` gives, one made up, \`noAnswer\` or \`cutAnswer(…)\`, got ${given}`
  )
}

const softwareName = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/
/** Ten times the partitions that a client could reasonably ask for at once. */
const maxElements = 100_000
/**
 * The most memory that an element of a request takes, with all objects made of it while it waits.
 */
const bytesPerElement = 256
const heavy = 64 * 1024
const longestHeavyWaitMs = 1000
/** A client may ask under many names; only so many are remembered. */
const maxBrokers = 64

/** The answer, after which nobody may look at the frame of the request any more. */
function withGivenBack(answer: Answer | typeof never | undefined, frame: Uint8Array): typeof answer {
  if (answer === undefined || answer === never) return answer
  const { sent } = answer
  return {
    ...answer,
    sent() {
      sent?.()
      givenBack(frame)
    }
  }
}

function framed(api: Api, { apiVersion, correlationId }: RequestHeader, response: object): Answer {
  const writer = beginResponse(api, apiVersion, correlationId)
  writeMessage(writer, api.response, apiVersion, response as ResponseOf<Api>)
  const pieces = endFrame(writer)
  return api === Fetch ? { pieces, sent: () => releaseRecords(response) } : { pieces }
}

function rawFrame(token: Uint8Array): Uint8Array[] {
  const size = new Uint8Array(4)
  writeInt32(size, 0, token.length)
  return [size, token]
}

/** acks=0: no answer at all, so an error can only be told by closing the connection. */
function expectSuccess(response: object): void {
  const { responses } = response as { responses?: { partitionResponses: { errorCode: number }[] }[] }
  const failed = responses?.flatMap(topic => topic.partitionResponses).find(partition => partition.errorCode !== 0)
  if (failed) throw KafkaError.fromNumber(failed.errorCode, 'A produce request without acknowledgement failed')
}

/**
 * A client that failed to authenticate is told, and its connection is closed; one that asked for
 * another mechanism may try again.
 */
function ending({ authentication }: ServingContext): { end?: KafkaError } {
  const { failure } = authentication
  return failure ? { end: failure } : {}
}

function isValidSoftware(version: number, body: object): boolean {
  const { clientSoftwareName, clientSoftwareVersion } = body as { clientSoftwareName: string; clientSoftwareVersion: string }
  return version < 3 || (softwareName.test(clientSoftwareName) && softwareName.test(clientSoftwareVersion))
}

/** Gives back the record bytes that the node lent for a Fetch response. */
function releaseRecords(response: object): void {
  const { responses } = response as { responses: { partitions: { records: Uint8Array | null }[] }[] }
  for (const { partitions } of responses) for (const { records } of partitions) if (records) release(records)
}
