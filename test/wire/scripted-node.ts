import { apis } from '../../src/protocol/apis.js'
import type { Api, RequestOf, ResponseOf } from '../../src/protocol/message.js'
import { ApiVersions } from '../../src/protocol/messages/api-versions.js'
import type { Connectable } from '../../src/wire/listener.js'

export interface Seen {
  readonly api: Api
  readonly body: object
  readonly clientId: string
  readonly clientHost: string
  readonly apiVersion: number
  readonly signal: AbortSignal | undefined
}

type Answer = (body: object, seen: Seen) => object | Promise<object>

/** A node of which a test says what it answers, API by API. Everything else of the wire is real. */
export class ScriptedNode implements Connectable {
  readonly seen: Seen[] = []
  readonly #answers = new Map<Api, Answer>()

  answer<A extends Api>(api: A, answer: (body: RequestOf<A>, seen: Seen) => ResponseOf<A> | Promise<ResponseOf<A>>): this {
    this.#answers.set(api, answer as Answer)
    return this
  }

  connect(client: { readonly clientId: string; readonly clientHost: string; readonly apiVersion: number }) {
    return {
      request: async <A extends Api>(api: A, body: RequestOf<A>, signal?: AbortSignal): Promise<ResponseOf<A>> => {
        if ((api as Api) === ApiVersions) return served() as unknown as ResponseOf<A>
        const seen = { api, body, ...client, signal }
        this.seen.push(seen)
        const answer = this.#answers.get(api)
        if (!answer) throw new Error(`The test has no answer to ${api.name}`)
        return (await answer(body, seen)) as ResponseOf<A>
      }
    }
  }
}

function served(): ResponseOf<typeof ApiVersions> {
  return {
    errorCode: 0,
    apiKeys: apis.map(({ key, versions }) => ({ apiKey: key, minVersion: versions.min, maxVersion: versions.max }))
  }
}
