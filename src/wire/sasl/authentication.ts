import { errorNumber, errorNumberOf, KafkaError } from '../../errors.js'
import type { ResponseOf } from '../../protocol/message.js'
import type { SaslAuthenticate } from '../../protocol/messages/sasl-authenticate.js'
import type { SaslHandshake } from '../../protocol/messages/sasl-handshake.js'
import type { Credentials } from './credentials.js'
import type { SaslMechanism } from './sasl-options.js'
import { type ServerExchange, serverExchange } from './server-exchange.js'

/** How far a connection has come in proving who it is. Without credentials to ask for, it is through from the start. */
export class Authentication {
  readonly #credentials: Credentials | undefined
  readonly #mechanisms: readonly SaslMechanism[]
  #exchange: ServerExchange | undefined
  #raw = false

  constructor(credentials: Credentials | undefined, mechanisms: readonly SaslMechanism[]) {
    this.#credentials = credentials
    this.#mechanisms = mechanisms
  }

  get isComplete(): boolean {
    return this.#credentials === undefined || this.#exchange?.user !== undefined
  }

  /** Who the client is, once that is proved. */
  get user(): string | undefined {
    return this.#exchange?.user
  }

  /** Whether what comes next is a bare token in a frame: the way of SaslHandshake version 0. */
  get expectsRawToken(): boolean {
    return this.#raw && !this.isComplete
  }

  handshake(mechanism: string, version: number): ResponseOf<typeof SaslHandshake> {
    const mechanisms = [...this.#mechanisms]
    if (!this.#credentials || this.#exchange) return { errorCode: errorNumber('ILLEGAL_SASL_STATE'), mechanisms }
    const chosen = this.#mechanisms.find(each => each === mechanism)
    if (!chosen) return { errorCode: errorNumber('UNSUPPORTED_SASL_MECHANISM'), mechanisms }
    this.#exchange = serverExchange(chosen, this.#credentials)
    this.#raw = version === 0
    return { errorCode: 0, mechanisms }
  }

  async authenticate(token: Uint8Array): Promise<ResponseOf<typeof SaslAuthenticate>> {
    const none = new Uint8Array(0)
    if (!this.#exchange || this.#raw || this.isComplete) return { errorCode: errorNumber('ILLEGAL_SASL_STATE'), authBytes: none }
    try {
      return { errorCode: 0, authBytes: await this.#exchange.step(token) }
    } catch (error) {
      const { message } = error as Error
      return { errorCode: errorNumberOf(error), errorMessage: `Authentication failed: ${message}`, authBytes: none }
    }
  }

  rawToken(token: Uint8Array): Promise<Uint8Array> {
    return this.#exchange?.step(token) ?? Promise.reject(new KafkaError('ILLEGAL_SASL_STATE'))
  }
}
