import { type Deferred, deferred } from '../src/common/deferred.js'
import type { Broker, Brokers } from '../src/protocol/broker.js'
import type { Api, RequestOf, ResponseOf } from '../src/protocol/message.js'
import { wrappedBrokers } from './wrapped-brokers.js'

/** Answers that the node has given, and that have not come. */
export interface LateAnswers<A extends Api> {
  /** Resolves once so many have been given in all. */
  given(count?: number): Promise<void>
  /** Lets the one that was given as number so-and-so come, in another form if need be. */
  come(number?: number, change?: (response: ResponseOf<A>) => ResponseOf<A>): void
  /** Lets one fail as if its connection had. */
  fail(number: number, error: unknown): void
  /** Lets all come that have not, in order, and every later one at once. */
  end(): void
}

interface Held {
  readonly api: Api
  readonly isMeant: (request: never) => boolean
  readonly answers: { readonly response: unknown; readonly come: Deferred<unknown> }[]
  readonly waiting: { readonly count: number; readonly reached: Deferred<void> }[]
}

/**
 * Stands before the brokers of a cluster, does at once what is asked, and answers when a test says
 * so, whatever has become of the signal.
 */
export class LateBroker {
  readonly #held = new Set<Held>()

  /** For `intercept` of `Cluster.open`. */
  readonly intercept = (brokers: Brokers): Brokers => wrappedBrokers(brokers, broker => this.#late(broker))

  /** From now on answers to this API are late. */
  hold<A extends Api>(api: A, isMeant: (request: RequestOf<A>) => boolean = () => true): LateAnswers<A> {
    const held: Held = { api, isMeant: isMeant as Held['isMeant'], answers: [], waiting: [] }
    this.#held.add(held)
    const answerAt = (number: number) => {
      const answer = held.answers[number]
      if (!answer) throw new Error(`There is no answer ${number}`)
      return answer
    }
    return {
      async given(count = 1) {
        if (held.answers.length >= count) return
        const reached = deferred()
        held.waiting.push({ count, reached })
        await reached.promise
      },
      come(number = 0, change = response => response) {
        const { response, come } = answerAt(number)
        come.resolve(change(response as ResponseOf<A>))
      },
      fail: (number, error) => answerAt(number).come.reject(error),
      end: () => {
        this.#held.delete(held)
        for (const { response, come } of held.answers) come.resolve(response)
      }
    }
  }

  #late(broker: Broker): Broker {
    return {
      request: async (api, body, signal) => {
        const held = [...this.#held].find(({ api: name, isMeant }) => name === api && isMeant(body as never))
        if (!held) return broker.request(api, body, signal)
        const response = await broker.request(api, body)
        if (!this.#held.has(held)) return response
        const come = deferred<unknown>()
        held.answers.push({ response, come })
        for (const { count, reached } of held.waiting) if (held.answers.length >= count) reached.resolve()
        return (await come.promise) as never
      }
    }
  }
}
