import { Access } from '../authorizer/access.js'
import { isPromise, type MaybePromise } from '../common/deferred.js'
import { expectInteger, expectKnownKeys, expectOneOf, expectString } from '../common/options.js'
import { type Turns, turnsOf } from '../common/turns.js'
import { reasonOf } from '../common/warnings.js'
import { KafkaError } from '../errors.js'
import { type AppendOrigin, appendOrigins } from '../log/append/batch-validation.js'
import { anonymous, type ClientAccess } from '../protocol/access.js'
import { tellFate } from '../protocol/broker.js'
import type { Api, RequestOf, ResponseOf } from '../protocol/message.js'
import { ConditionalAppend } from '../protocol/messages/conditional-append.js'
import { Fetch } from '../protocol/messages/fetch.js'
import { Produce } from '../protocol/messages/produce.js'
import type { MeteredBroker } from '../protocol/quotas.js'
import { answerGuarded } from './access/access-table.js'
import { handlerOf } from './api-table.js'
import type { Node } from './node.js'
import { ClientMeter } from './quotas/client-meter.js'
import type { NodeQuotas } from './quotas/node-quotas.js'
import { RemoteWrites } from './remote-writes.js'
import { newestVersion, type RequestContext } from './request-context.js'

/** The identity of a client, as groups and errors show it. */
export interface ClientIdentity {
  readonly clientId: string
  /** Default: `/in-process`. */
  readonly clientHost?: string
  /**
   * The version in which its requests were encoded. Default: the newest, as nothing was encoded.
   */
  readonly apiVersion?: number
  /** The trust in the batches that it produces. Default: `'client'`, not at all. */
  readonly origin?: AppendOrigin
  /**
   * The principal of the client, and the rules of the listener that it came in by. Default: no
   * rules; it may do everything.
   */
  readonly access?: ClientAccess
  /**
   * Stands for the connection of a client that is not in this process, which then counts as a
   * reader of what it fetches. Default: it is in this process.
   */
  readonly connection?: object
}

/** A node to which requests are handed. */
interface ServingNode extends Node {
  readonly quotas: NodeQuotas
  /** The reason why it answers nothing any more. */
  readonly refusal: KafkaError | undefined
  tell(error: unknown, during: string): void
}

/** The waist, for one client of a node. */
export function entryFor(node: ServingNode, client: ClientIdentity): MeteredBroker {
  expectKnownKeys('a client', client, ['clientId', 'clientHost', 'apiVersion', 'origin', 'connection', 'access'])
  if (typeof client.clientId !== 'string') expectString('clientId', client.clientId)
  if (client.clientHost !== undefined) expectString('clientHost', client.clientHost)
  const { apiVersion: given } = client
  if (given !== undefined && given !== newestVersion) expectInteger('apiVersion', given, 0, 2 ** 15 - 1)
  if (client.origin !== undefined) expectOneOf('origin', client.origin, appendOrigins)
  const { clientId, clientHost = '/in-process', apiVersion = newestVersion, origin = 'client', connection } = client
  const standing = client.access && standingOf(node, client.access, clientId, clientHost)
  const meter = connection && new ClientMeter(node.quotas, userOf(client.access?.principal ?? anonymous), clientId)
  const remote = connection && { connection, writes: new RemoteWrites(turnsOf(node.clock)), meter }
  const context: RequestContext = { clientId, clientHost, apiVersion, origin, ...standing, ...remote }
  return new RequestEntry(node, context)
}

/** The rights of a client, from its principal and the rules of the listener that it came in by. */
function standingOf(
  node: ServingNode,
  { principal, rules, isGivenUser }: ClientAccess,
  clientId: string,
  clientHost: string
): Partial<RequestContext> {
  const given = isGivenUser && { isGivenUser }
  if (!rules) return { ...given, ...(principal !== anonymous && { user: userOf(principal) }) }
  if (rules.superUsers.has(principal)) return { ...given, hasAcls: rules.acls }
  const { clock, metadata } = node
  const asker = { principal, host: clientHost.replace(/^\//, ''), clientId }
  const tell = (error: unknown, during: string) => node.tell(error, during)
  return { ...given, hasAcls: rules.acls, access: new Access(asker, rules, { acls: metadata.acls, clock, tell }) }
}

/**
 * Hands the requests of one client to their handlers, with the rights that it has, and says what
 * failed.
 */
class RequestEntry implements MeteredBroker {
  readonly meter: ClientMeter | undefined
  readonly #node: ServingNode
  readonly #context: RequestContext
  readonly #turns: Turns

  constructor(node: ServingNode, context: RequestContext) {
    this.#node = node
    this.#context = context
    this.#turns = turnsOf(node.clock)
    this.meter = context.meter
  }

  request<A extends Api>(api: A, body: RequestOf<A>, signal?: AbortSignal): MaybePromise<ResponseOf<A>> {
    const context = this.#context
    const { refusal } = this.#node
    if (refusal) return Promise.reject(refusal)
    if (signal?.aborted) return Promise.reject(signal.reason)
    const handle = handlerOf(api)
    if (!handle) return Promise.reject(new KafkaError('UNSUPPORTED_VERSION', `This broker does not serve ${api.name}`))
    // Produce and Fetch yield by themselves, where it costs less.
    const seesToItself = api.key === Produce.key || api.key === Fetch.key || api.key === ConditionalAppend.key
    const turn = seesToItself ? undefined : this.#turns.yieldWhenOver()
    if (turn) return turn.then(() => this.request(api, body, signal))
    let response: MaybePromise<ResponseOf<A>>
    try {
      const { access } = context
      response = access
        ? answerGuarded(api, {
            access: access.during(api.name),
            node: this.#node,
            request: body,
            context,
            answer: allowed => handle(this.#node, allowed, context, signal)
          })
        : handle(this.#node, body, context, signal)
    } catch (error) {
      return Promise.reject(this.#failed(api, error))
    }
    if (!isPromise(response)) return response
    // Failures of these two stand in their responses.
    if (seesToItself) {
      if (signal) tellFate(signal, response)
      return response
    }
    const answered = response.catch(error => {
      throw signal?.aborted && error === signal.reason ? error : this.#failed(api, error)
    })
    // Many may be answered at once: a thousand members of a group, when the last has joined.
    return answered.then(answer => this.#turns.yield().then(() => answer))
  }

  /**
   * A failure that no response can carry: a foreseen one is passed on, any other is told, and
   * passed on as UNKNOWN_SERVER_ERROR.
   */
  #failed(api: Api, error: unknown): unknown {
    const isForeseen = error instanceof KafkaError && error.code !== 'UNKNOWN_SERVER_ERROR'
    if (!isForeseen || error.code === 'KAFKA_STORAGE_ERROR') this.#node.tell(error, `a ${api.name} request`)
    if (isForeseen) return error
    return new KafkaError('UNKNOWN_SERVER_ERROR', `${api.name} failed: ${reasonOf(error)}`, { cause: error })
  }
}

/** The name of a principal, without its type. */
function userOf(principal: string): string {
  return principal.slice(principal.indexOf(':') + 1)
}
