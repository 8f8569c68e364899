import type { Clock } from '../../common/clock.js'
import { reasonOf } from '../../common/warnings.js'
import { errorNumber, errorNumberOf, KafkaError } from '../../errors.js'
import { connectionApis } from '../../protocol/apis.js'
import type { Api, ResponseOf } from '../../protocol/message.js'
import { SaslAuthenticate } from '../../protocol/messages/sasl-authenticate.js'
import { SaslHandshake } from '../../protocol/messages/sasl-handshake.js'
import type { Credentials } from './credentials.js'
import type { FailureDelay } from './failure-delay.js'
import { guesserAt } from './guesser.js'
import { OAuthServer, type TokenRules } from './oauth-server.js'
import type { SaslMechanism } from './sasl-options.js'
import { type ServerExchange, serverExchange } from './server-exchange.js'

/** Fixed for all connections of a listener. */
export interface AuthenticationRules {
  /** Undefined: clients need not say who they are. */
  readonly credentials: Credentials | undefined
  readonly mechanisms: readonly SaslMechanism[]
  /** Needed where one of them is OAUTHBEARER. */
  readonly tokens: TokenRules | undefined
  /** Milliseconds after which a client has to authenticate again; 0: never. */
  readonly maxReauthMs: number
  readonly clock: Clock
  /**
   * Holds back what clients hear that failed: who guesses passwords has to wait for each answer.
   */
  readonly failureDelay: FailureDelay
}

/** A client that has proved who it is. */
interface Session {
  readonly user: string
  readonly mechanism: SaslMechanism
  /** By the monotonic clock. Infinity: the session lasts as long as its connection. */
  readonly endsAt: number
}

/**
 * The authentication of one connection. A session may end (KIP-368): the client then has to
 * authenticate again, as the same user and by the same mechanism, before it asks for more.
 */
export class Authentication {
  readonly #rules: AuthenticationRules
  readonly #clientHost: string
  #session: Session | undefined
  /** The exchange that is under way. */
  #exchange: ServerExchange | undefined
  #mechanism: SaslMechanism = 'PLAIN'
  #raw = false
  #lastReauthAt = Number.NEGATIVE_INFINITY
  readonly #onProved: () => void
  #failure: KafkaError | undefined

  /** `onProved` is called when the client has proved who it is, each time. */
  constructor(rules: AuthenticationRules, clientHost: string, onProved: () => void = () => {}) {
    this.#rules = rules
    this.#clientHost = clientHost
    this.#onProved = onProved
  }

  get isComplete(): boolean {
    return this.#rules.credentials === undefined || this.#session !== undefined
  }

  /** The principal of the client, once authenticated. */
  get user(): string | undefined {
    return this.#session?.user
  }

  /** True if what comes next is a bare token in a frame: the way of SaslHandshake version 0. */
  get expectsRawToken(): boolean {
    return this.#raw && this.#exchange !== undefined
  }

  /** The reason why the connection ends, if it does: the client did not prove who it is. */
  get failure(): KafkaError | undefined {
    return this.#failure
  }

  /** The reason why an API may not be asked at this moment; undefined when it may. */
  refusal(api: Api): KafkaError | undefined {
    if (!this.isComplete) {
      if (connectionApis.includes(api)) return undefined
      // Some clients take the refusal of their token for its acceptance.
      const refused = this.#exchange?.refusal
      return refused
        ? failureOf(refused)
        : new KafkaError('ILLEGAL_SASL_STATE', `${api.name} was asked before authentication: the client has given no credentials`)
    }
    if (this.#exchange) {
      if (api === SaslAuthenticate) return undefined
      return new KafkaError('ILLEGAL_SASL_STATE', `${api.name} was asked while the client authenticated again`)
    }
    if (api === SaslHandshake || !this.#session || this.#rules.clock.monotonic() < this.#session.endsAt) return undefined
    return new KafkaError(
      'SASL_AUTHENTICATION_FAILED',
      `${api.name} was asked after the session of User:${this.#session.user} had ended: the client has to authenticate again in time`
    )
  }

  handshake(mechanism: string, version: number): ResponseOf<typeof SaslHandshake> {
    const mechanisms = [...this.#rules.mechanisms]
    const answer = (code: 'ILLEGAL_SASL_STATE' | 'UNSUPPORTED_SASL_MECHANISM') => ({ errorCode: errorNumber(code), mechanisms })
    const { credentials, clock } = this.#rules
    if (!credentials) return answer('ILLEGAL_SASL_STATE')
    if (this.#exchange) {
      this.#failure = new KafkaError('ILLEGAL_SASL_STATE', 'A handshake came in the middle of an authentication')
      return answer('ILLEGAL_SASL_STATE')
    }
    if (this.#session && (version === 0 || clock.monotonic() - this.#lastReauthAt < minReauthIntervalMs))
      return answer('ILLEGAL_SASL_STATE')
    const chosen = this.#rules.mechanisms.find(each => each === mechanism)
    if (!chosen) return answer('UNSUPPORTED_SASL_MECHANISM')
    if (this.#session) this.#lastReauthAt = clock.monotonic()
    this.#exchange = this.#exchangeFor(chosen, credentials)
    this.#mechanism = chosen
    this.#raw = version === 0
    return { errorCode: 0, mechanisms }
  }

  async authenticate(token: Uint8Array): Promise<ResponseOf<typeof SaslAuthenticate>> {
    const none = new Uint8Array(0)
    if (!this.#exchange || this.#raw) {
      const errorMessage = this.isComplete
        ? 'The client is authenticated: a SaslHandshake has to come first'
        : 'A SaslHandshake has to come first'
      if (!this.isComplete) this.#failure = new KafkaError('ILLEGAL_SASL_STATE', errorMessage)
      return { errorCode: errorNumber('ILLEGAL_SASL_STATE'), errorMessage, authBytes: none }
    }
    try {
      const authBytes = await this.#step(this.#exchange, token)
      return { errorCode: 0, authBytes, sessionLifetimeMs: this.#exchange ? 0 : this.#lifetimeMs() }
    } catch (error) {
      await this.#rules.failureDelay.of(guesserAt(this.#clientHost))
      this.#failure = failureOf(error)
      return { errorCode: errorNumberOf(error), errorMessage: `Authentication failed: ${reasonOf(error)}`, authBytes: none }
    }
  }

  rawToken(token: Uint8Array): Promise<Uint8Array> {
    if (!this.#exchange) return Promise.reject(new KafkaError('ILLEGAL_SASL_STATE'))
    return this.#step(this.#exchange, token).catch(async error => {
      await this.#rules.failureDelay.of(guesserAt(this.#clientHost))
      throw error
    })
  }

  #exchangeFor(mechanism: SaslMechanism, credentials: Credentials): ServerExchange {
    if (mechanism !== 'OAUTHBEARER') return serverExchange(mechanism, credentials, guesserAt(this.#clientHost))
    if (!this.#rules.tokens) throw new KafkaError('UNSUPPORTED_SASL_MECHANISM')
    return new OAuthServer(this.#rules.tokens, this.#clientHost)
  }

  async #step(exchange: ServerExchange, token: Uint8Array): Promise<Uint8Array> {
    const before = this.#session
    if (before && before.mechanism !== this.#mechanism) {
      throw refused(`A client that authenticated by ${before.mechanism} cannot authenticate again by ${this.#mechanism}`)
    }
    const authBytes = await exchange.step(token)
    const { user, expiresAtMs = Number.POSITIVE_INFINITY } = exchange
    if (user === undefined) return authBytes
    if (before && before.user !== user) throw refused(`A client that is User:${before.user} cannot become User:${user}`)
    const { clock, maxReauthMs } = this.#rules
    const endsAt = clock.monotonic() + Math.min(maxReauthMs || Number.POSITIVE_INFINITY, expiresAtMs - clock.now())
    this.#session = { user, mechanism: this.#mechanism, endsAt }
    this.#exchange = undefined
    this.#onProved()
    return authBytes
  }

  /** For how long the session goes on, as a client is told; 0: for ever. */
  #lifetimeMs(): number {
    const endsAt = this.#session?.endsAt ?? Number.POSITIVE_INFINITY
    return endsAt === Number.POSITIVE_INFINITY ? 0 : Math.max(1, Math.floor(endsAt - this.#rules.clock.monotonic()))
  }
}

/** As Kafka's: a client that authenticates without end would only keep the node busy. */
const minReauthIntervalMs = 1000

/** The reason why the connection ends: with more than the client is told. */
function failureOf(error: unknown): KafkaError {
  const { cause } = error as { cause?: unknown }
  const text = `Authentication failed: ${reasonOf(error)}${cause === undefined ? '' : ` (${reasonOf(cause)})`}`
  return new KafkaError(error instanceof KafkaError ? error.code : 'UNKNOWN_SERVER_ERROR', text, { cause: cause ?? error })
}

function refused(reason: string): KafkaError {
  return new KafkaError('SASL_AUTHENTICATION_FAILED', reason)
}
