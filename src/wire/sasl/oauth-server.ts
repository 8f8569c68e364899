import { textBytes } from '../../common/bytes.js'
import { type Clock, within } from '../../common/clock.js'
import { shown } from '../../common/options.js'
import { KafkaError } from '../../errors.js'
import { readTokenMessage } from './oauth-messages.js'
import type { OAuthBearerServerOptions, TokenOwner } from './sasl-options.js'
import type { ServerExchange } from './server-exchange.js'

/** The validation of tokens, for all connections of a listener. */
export interface TokenRules {
  readonly options: OAuthBearerServerOptions
  readonly clock: Clock
  /** Tells that the validation itself went wrong. */
  readonly tell: (error: unknown) => void
}

/**
 * OAUTHBEARER (RFC 7628): the client shows a token, and a function of the user's says whose it is.
 */
export class OAuthServer implements ServerExchange {
  readonly #rules: TokenRules
  readonly #clientHost: string
  user: string | undefined
  expiresAtMs: number | undefined
  refusal: KafkaError | undefined

  constructor(rules: TokenRules, clientHost: string) {
    this.#rules = rules
    this.#clientHost = clientHost
  }

  /**
   * A token that is refused is answered with the reason in JSON; the client acknowledges that, and
   * only then it fails.
   */
  async step(bytes: Uint8Array): Promise<Uint8Array> {
    if (this.refusal) throw this.refusal
    const { token, authorizationId, extensions } = readTokenMessage(bytes)
    let owner: TokenOwner
    try {
      owner = await this.#ownerOf(token, extensions)
    } catch (cause) {
      this.refusal = new KafkaError('SASL_AUTHENTICATION_FAILED', this.#refusalText, { cause })
      return textBytes(this.#refusalText)
    }
    if (authorizationId !== '' && authorizationId !== owner.user) {
      throw new KafkaError('SASL_AUTHENTICATION_FAILED', 'The authorization id must be the owner of the token')
    }
    this.expiresAtMs = owner.expiresAtMs
    this.user = owner.user
    return new Uint8Array(0)
  }

  async #ownerOf(token: string, extensions: Readonly<Record<string, string>>): Promise<TokenOwner> {
    const { options, clock, tell } = this.#rules
    const { validate, timeoutMs = defaultTimeoutMs } = options
    const abort = new AbortController()
    const overdue = new KafkaError('REQUEST_TIMED_OUT', `\`sasl.oauthBearer.validate\` took longer than ${timeoutMs} ms`)
    const context = { extensions, host: this.#clientHost.slice(1), signal: abort.signal }
    let given: unknown
    try {
      given = await within(
        clock,
        timeoutMs,
        () => overdue,
        async () => validate(token, context)
      )
    } catch (error) {
      if (error === overdue) tell(error)
      throw error
    } finally {
      abort.abort(overdue)
    }
    if (given === undefined || given === null) throw new Error('the token belongs to nobody')
    if (!isOwner(given)) {
      const error = new TypeError(
        `Expected \`sasl.oauthBearer.validate\` to return { user, expiresAtMs } or undefined, got ${shown(given)}`
      )
      tell(error)
      throw error
    }
    const { user, expiresAtMs } = given
    if (expiresAtMs !== undefined && expiresAtMs <= clock.now()) throw new Error('the token has expired')
    return { user, ...(expiresAtMs !== undefined && { expiresAtMs }) }
  }

  get #refusalText(): string {
    const { scope, openidConfiguration } = this.#rules.options
    return JSON.stringify({ status: 'invalid_token', scope, 'openid-configuration': openidConfiguration })
  }
}

const defaultTimeoutMs = 5000

function isOwner(given: unknown): given is TokenOwner {
  if (typeof given !== 'object') return false
  const { user, expiresAtMs } = given as Partial<TokenOwner>
  return typeof user === 'string' && user.length > 0 && (expiresAtMs === undefined || Number.isFinite(expiresAtMs))
}
