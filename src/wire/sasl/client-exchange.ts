import { randomBytes } from 'node:crypto'
import { readText, textBytes } from '../../common/bytes.js'
import { KafkaError } from '../../errors.js'
import { areExtensions, isToken, tokenAcknowledgement, writeTokenMessage } from './oauth-messages.js'
import type { SaslClientOptions, SaslPasswordOptions, SaslTokenOptions } from './sasl-options.js'
import type { ScramMechanism } from './scram-keys.js'
import { clientProof, credentialOf, saltPassword, sameBytes, serverSignature } from './scram-keys.js'
import { base64, channelBinding, escapeName, fromBase64, gs2Header, invalidScram, scramField, scramFields } from './scram-messages.js'

/** The client's side of one authentication. */
export interface ClientExchange {
  /** The next message, given the server's last one (none, at first); undefined at the end. */
  next(challenge: Uint8Array): Promise<Uint8Array | undefined>
}

export function clientExchange(options: SaslClientOptions): ClientExchange {
  if (options.mechanism === 'OAUTHBEARER') return new TokenClient(options)
  return options.mechanism === 'PLAIN' ? new PlainClient(options) : new ScramClient(options.mechanism, options)
}

class TokenClient implements ClientExchange {
  readonly #options: SaslTokenOptions
  #step = 0

  constructor(options: SaslTokenOptions) {
    this.#options = options
  }

  async next(challenge: Uint8Array): Promise<Uint8Array | undefined> {
    switch (this.#step++) {
      case 0:
        return this.#first()
      case 1:
        // A broker says nothing to a valid token, and to another why it is refused.
        return challenge.length === 0 ? undefined : tokenAcknowledgement
      default:
        throw new KafkaError('SASL_AUTHENTICATION_FAILED', 'The broker refused the token, and then went on')
    }
  }

  async #first(): Promise<Uint8Array> {
    const given: unknown = await this.#options.token()
    const { value, extensions } = (typeof given === 'string' ? { value: given } : (given ?? {})) as {
      value?: unknown
      extensions?: unknown
    }
    // A token is a secret, which no message repeats.
    if (!isToken(value)) {
      throw new KafkaError(
        'SASL_AUTHENTICATION_FAILED',
        'Expected `sasl.token` to give a token, which is made of letters, digits and -._~+/, or { value, extensions }'
      )
    }
    if (extensions !== undefined && !areExtensions(extensions)) {
      throw new KafkaError(
        'SASL_AUTHENTICATION_FAILED',
        'Expected the extensions of `sasl.token` to be printable strings by keys of letters only, none of which is `auth`'
      )
    }
    return writeTokenMessage(value, extensions)
  }
}

class PlainClient implements ClientExchange {
  readonly #options: SaslPasswordOptions
  #said = false

  constructor(options: SaslPasswordOptions) {
    this.#options = options
  }

  async next(): Promise<Uint8Array | undefined> {
    if (this.#said) return undefined
    this.#said = true
    return textBytes(`\0${this.#options.username}\0${this.#options.password}`)
  }
}

class ScramClient implements ClientExchange {
  readonly #mechanism: ScramMechanism
  readonly #options: SaslPasswordOptions
  readonly #nonce = base64(randomBytes(24))
  #step = 0
  #expectedSignature: Uint8Array = new Uint8Array(0)

  constructor(mechanism: ScramMechanism, options: SaslPasswordOptions) {
    this.#mechanism = mechanism
    this.#options = options
  }

  async next(challenge: Uint8Array): Promise<Uint8Array | undefined> {
    const text = readText(challenge, 0, challenge.length)
    switch (this.#step++) {
      case 0:
        return textBytes(gs2Header + this.#firstBare)
      case 1:
        return textBytes(await this.#final(text))
      default:
        this.#verify(text)
        return undefined
    }
  }

  get #firstBare(): string {
    return `n=${escapeName(this.#options.username)},r=${this.#nonce}`
  }

  async #final(serverFirst: string): Promise<string> {
    const fields = scramFields(serverFirst)
    const nonces = scramField(fields, 'r')
    const iterations = Number(scramField(fields, 'i'))
    if (!nonces.startsWith(this.#nonce) || nonces === this.#nonce) throw invalidScram('the nonce differs')
    if (!Number.isInteger(iterations) || iterations < 4096 || iterations > mostIterations) throw invalidScram(`${iterations} iterations`)
    const salt = fromBase64(scramField(fields, 's'))
    const salted = await saltPassword(this.#mechanism, this.#options.password, salt, iterations)
    const withoutProof = `c=${channelBinding},r=${nonces}`
    const authMessage = `${this.#firstBare},${serverFirst},${withoutProof}`
    const { serverKey } = credentialOf(this.#mechanism, salted, salt, iterations)
    this.#expectedSignature = serverSignature(this.#mechanism, serverKey, authMessage)
    return `${withoutProof},p=${base64(clientProof(this.#mechanism, salted, authMessage))}`
  }

  /** The server, too, has to know the password's hash. */
  #verify(serverFinal: string): void {
    const fields = scramFields(serverFinal)
    if (fields.has('e')) throw new KafkaError('SASL_AUTHENTICATION_FAILED', `The broker refused: ${fields.get('e')}`)
    if (!sameBytes(fromBase64(scramField(fields, 'v')), this.#expectedSignature)) {
      throw new KafkaError('SASL_AUTHENTICATION_FAILED', 'The broker could not prove that it knows the password')
    }
  }
}

/** A broker that asks for more would only keep the client busy. */
const mostIterations = 1_000_000
