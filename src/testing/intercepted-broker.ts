import { type Clock, expectClock, sleep } from '../common/clock.js'
import { abortable, type Deferred, deferred, isPromise } from '../common/deferred.js'
import { ignoreRejection, wrongAnswer } from '../common/foreign.js'
import { expectFunction, expectFunctions, expectInteger, shown } from '../common/options.js'
import { systemClock } from '../common/system-clock.js'
import { type ErrorCode, errorNumberOf, KafkaError, type ProtocolErrorCode } from '../errors.js'
import type { Broker, Brokers } from '../protocol/broker.js'
import type { Api, RequestOf, ResponseOf } from '../protocol/message.js'
import { fabricatedResponse } from './fabricated-response.js'

/** A request that came by, and what became of it. */
export interface SeenRequest<A extends Api = Api> {
  readonly api: A
  /** The node it was meant for; undefined when any would do. */
  readonly nodeId: number | undefined
  /** As the client sent it; a copy, so that it can be looked at whenever. */
  readonly request: RequestOf<A>
  /** The response to the client: resolves and rejects as its request did. */
  readonly response: Promise<ResponseOf<A>>
}

/** A rule that is in force. */
export interface Rule {
  /** The number of requests that it has been applied to. */
  readonly count: number
  /** Ends it. */
  remove(): void
}

/** A rule that holds requests, or responses, up. */
export interface Hold extends Rule {
  /** The number of requests that it holds now. */
  readonly heldCount: number
  /** Resolves once it holds at least so many. Default: 1. */
  held(count?: number): Promise<void>
  /** Lets all go that it holds; those that come later are not held any more. */
  release(): void
}

type Forward<A extends Api> = (request: RequestOf<A>) => Promise<ResponseOf<A>>
type Step<A extends Api> = (request: RequestOf<A>, forward: Forward<A>, signal?: AbortSignal) => Promise<ResponseOf<A>>

/**
 * Stands between clients and a broker, or all brokers of a cluster: sees every request, and can
 * delay, hold, fail, rewrite or lose it.
 *
 * ```ts
 * const broker = new InterceptedBroker(brokers)
 * broker.on(Produce).times(2).fail('NETWORK_EXCEPTION')
 * const producer = new Producer({ brokers: broker, clock, random })
 * await producer.send('orders', { value: 'x' })                       // the third try gets through
 * broker.seen(Produce).length                                         // 3
 * ```
 *
 * Rules for one api are applied in the order in which they were added: the first meets the request
 * first and the response last.
 */
export class InterceptedBroker implements Broker, Brokers {
  readonly #inner: Broker | Brokers
  readonly #clock: Clock
  readonly #rules = new Set<AppliedRule>()
  #seen: SeenRequest[] = []

  /** `clock` is what delays go by. Default: the clock of the machine. */
  constructor(inner: Broker | Brokers, clock: Clock = systemClock) {
    if (typeof (inner as Partial<Brokers> | null | undefined)?.byId !== 'function')
      expectFunctions('inner', inner, ['request'], 'a broker, or brokers')
    expectClock(clock)
    this.#inner = inner
    this.#clock = clock
  }

  /** Begins a rule for the requests of an api. */
  on<A extends Api>(api: A): RuleBuilder<A> {
    expectApi(api)
    const add = (rule: AppliedRule) => {
      this.#rules.add(rule)
      return () => this.#rules.delete(rule)
    }
    return new RuleBuilder(api, this.#clock, add)
  }

  /** The requests of an api that came by so far, in order; or all requests. */
  seen(): readonly SeenRequest[]
  seen<A extends Api>(api: A): readonly SeenRequest<A>[]
  seen(api?: Api): readonly SeenRequest[] {
    if (api !== undefined) expectApi(api)
    return api ? this.#seen.filter(each => each.api === api) : [...this.#seen]
  }

  /** Forgets all that was seen, and ends all rules. What is being held goes on being held. */
  reset(): void {
    this.#seen = []
    this.#rules.clear()
  }

  request<A extends Api>(api: A, body: RequestOf<A>, signal?: AbortSignal): Promise<ResponseOf<A>> {
    return this.#intercept(api, body, signal, undefined)
  }

  any(): Broker {
    return this
  }

  byId(nodeId: number): Broker | undefined {
    if (isBrokers(this.#inner) && !this.#inner.byId(nodeId)) return undefined
    return { request: (api, body, signal) => this.#intercept(api, body, signal, nodeId) }
  }

  learn(brokers: Parameters<NonNullable<Brokers['learn']>>[0]): void {
    if (isBrokers(this.#inner)) this.#inner.learn?.(brokers)
  }

  async close(): Promise<void> {
    if (isBrokers(this.#inner)) await this.#inner.close?.()
  }

  #intercept<A extends Api>(api: A, body: RequestOf<A>, signal: AbortSignal | undefined, nodeId: number | undefined) {
    let forward: Forward<A> = async request => this.#target(nodeId).request(api, request, signal)
    for (const rule of [...this.#rules].reverse()) {
      if (rule.api !== api) continue
      const next = forward
      const step = rule.step as unknown as Step<A>
      forward = async request => (rule.takes(request as never) ? step(request, next, signal) : next(request))
    }
    const request = copied(body) as RequestOf<A>
    const response = forward(body)
    response.catch(() => {})
    this.#seen.push({ api, nodeId, request, response } as SeenRequest)
    return response
  }

  #target(nodeId: number | undefined): Broker {
    if (!isBrokers(this.#inner)) return this.#inner
    const broker = nodeId === undefined ? this.#inner.any() : this.#inner.byId(nodeId)
    if (broker) return broker
    throw new KafkaError('NETWORK_EXCEPTION', `There is no broker ${nodeId} any more`)
  }
}

interface AppliedRule {
  readonly api: Api
  readonly step: Step<never>
  /** True if it applies to a request; if so, that counts. */
  takes(request: never): boolean
}

/** A rule in the making: narrow it down with `when` and `times`, then say what is to happen. */
export class RuleBuilder<A extends Api> {
  readonly #api: A
  readonly #clock: Clock
  readonly #add: (rule: AppliedRule) => () => void
  #when: (request: RequestOf<A>) => boolean = () => true
  #times = Number.POSITIVE_INFINITY

  constructor(api: A, clock: Clock, add: (rule: AppliedRule) => () => void) {
    this.#api = api
    this.#clock = clock
    this.#add = add
  }

  /** Only for requests that this is true of. */
  when(predicate: (request: RequestOf<A>) => boolean): this {
    expectFunction('when', predicate)
    this.#when = predicate
    return this
  }

  /** Only for so many requests. */
  times(count: number): this {
    expectInteger('times', count, 1)
    this.#times = count
    return this
  }

  once(): this {
    return this.times(1)
  }

  /**
   * The request rejects with this error, as if there were no connection; the broker does not see
   * it.
   */
  fail(error: ErrorCode | Error): Rule {
    const failure = error instanceof Error ? error : new KafkaError(error)
    return this.do(async () => {
      throw failure
    })
  }

  /** The response says this error of everything asked for; the broker does not see the request. */
  answer(code: ProtocolErrorCode): Rule {
    if (code !== 'UNKNOWN_SERVER_ERROR' && errorNumberOf(new KafkaError(code)) < 0)
      throw new TypeError(`Expected \`code\` to be an error that stands in responses, got ${shown(code)}; \`fail\` raises any`)
    return this.do(async request => fabricatedResponse(this.#api, request, code))
  }

  /** The request reaches the broker so many milliseconds later. */
  delay(ms: number): Rule {
    expectInteger('ms', ms, 0)
    return this.do(async (request, forward, signal) => {
      await sleep(this.#clock, ms, signal)
      return forward(request)
    })
  }

  /** The response reaches the client so many milliseconds later. */
  delayResponse(ms: number): Rule {
    expectInteger('ms', ms, 0)
    return this.do(async (request, forward, signal) => {
      const response = await forward(request)
      await sleep(this.#clock, ms, signal)
      return response
    })
  }

  /** The request waits, until it is released, before it reaches the broker. */
  hold(): Hold {
    const gate = new Gate()
    const rule = this.do(async (request, forward, signal) => {
      await gate.pass(signal)
      return forward(request)
    })
    return gate.asHold(rule)
  }

  /** The broker does what is asked; the response waits until it is released. */
  holdResponse(): Hold {
    const gate = new Gate()
    const rule = this.do(async (request, forward, signal) => {
      const response = await forward(request)
      await gate.pass(signal)
      return response
    })
    return gate.asHold(rule)
  }

  /** The request never reaches the broker, and nothing comes back until the client gives up. */
  loseRequest(): Rule {
    return this.do((_request, _forward, signal) => abortable(new Promise<never>(() => {}), signal))
  }

  /** The broker does what is asked, but the response never comes. */
  loseResponse(): Rule {
    return this.do(async (request, forward, signal) => {
      await forward(request)
      return abortable(new Promise<never>(() => {}), signal)
    })
  }

  /** The broker gets another request. */
  rewriteRequest(rewrite: (request: RequestOf<A>) => RequestOf<A>): Rule {
    expectFunction('rewrite', rewrite)
    return this.do(async (request, forward) =>
      forward(expectMessage('rewrite', `the request to send, of ${this.#api.name}`, rewrite(request)))
    )
  }

  /** The client gets another response. */
  rewriteResponse(rewrite: (response: ResponseOf<A>, request: RequestOf<A>) => ResponseOf<A>): Rule {
    expectFunction('rewrite', rewrite)
    return this.do(async (request, forward) =>
      expectMessage('rewrite', `the response to ${this.#api.name}`, rewrite(await forward(request), request))
    )
  }

  /** A function of your own: `forward` passes a request on and returns its response. */
  do(
    step: (
      request: RequestOf<A>,
      forward: (request: RequestOf<A>) => Promise<ResponseOf<A>>,
      signal?: AbortSignal
    ) => Promise<ResponseOf<A>>
  ): Rule {
    expectFunction('step', step)
    let count = 0
    const times = this.#times
    const when = this.#when
    const takes = (request: RequestOf<A>) => {
      if (count >= times || !expectBoolean(when(request))) return false
      count++
      return true
    }
    const api = this.#api
    const checked: Step<A> = async (...args) => expectMessage('step', `the response to ${api.name}`, await step(...args))
    const remove = this.#add({ api, step: checked as unknown as Step<never>, takes: takes as (request: never) => boolean })
    return {
      get count() {
        return count
      },
      remove
    }
  }
}

/** The requests that wait to be released. */
class Gate {
  readonly #waiting = new Set<Deferred<void>>()
  readonly #watchers: { readonly count: number; readonly reached: Deferred<void> }[] = []
  #isOpen = false

  async pass(signal?: AbortSignal): Promise<void> {
    if (this.#isOpen) return
    const opened = deferred()
    this.#waiting.add(opened)
    for (const { count, reached } of this.#watchers) if (this.#waiting.size >= count) reached.resolve()
    try {
      await abortable(opened.promise, signal)
    } finally {
      this.#waiting.delete(opened)
    }
  }

  asHold(rule: Rule): Hold {
    const waiting = this.#waiting
    return {
      get count() {
        return rule.count
      },
      get heldCount() {
        return waiting.size
      },
      held: async (count = 1) => {
        expectInteger('count', count, 1)
        return this.#held(count)
      },
      release: () => this.#open(),
      remove: () => rule.remove()
    }
  }

  #held(count: number): Promise<void> {
    const reached = deferred()
    if (this.#waiting.size >= count) reached.resolve()
    else this.#watchers.push({ count, reached })
    return reached.promise
  }

  #open(): void {
    this.#isOpen = true
    for (const opened of this.#waiting) opened.resolve()
  }
}

function expectApi(api: Api): void {
  if (typeof api?.key === 'number' && typeof api.name === 'string') return
  throw new TypeError(`Expected \`api\` to be an API of millrace/testing, \`Produce\` for one, got ${shown(api)}`)
}

/**
 * Code of the user's that forgets to return what it has is told here, not where somebody misses it.
 */
function expectMessage<M>(who: string, what: string, given: M): M {
  if (typeof given === 'object' && given !== null && !isPromise(given as object)) return given
  ignoreRejection(given)
  throw new TypeError(`Expected \`${who}\` to return ${what}, got ${shown(given)}; return what it was given, or what \`forward\` gives`)
}

function expectBoolean(given: boolean): boolean {
  if (typeof given === 'boolean') return given
  throw wrongAnswer('Expected `when` to return true or false at once', given)
}

function isBrokers(inner: Broker | Brokers): inner is Brokers {
  return 'byId' in inner
}

/** A copy of a message that shares no bytes with it. */
function copied(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.slice()
  if (Array.isArray(value)) return value.map(copied)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, copied(each)]))
}
