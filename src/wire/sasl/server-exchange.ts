import { randomBytes } from 'node:crypto'
import { readText, textBytes } from '../../common/bytes.js'
import { KafkaError } from '../../errors.js'
import type { Credentials } from './credentials.js'
import { FairTurns } from './fair-turns.js'
import type { PasswordMechanism } from './sasl-options.js'
import type { ScramMechanism } from './scram-keys.js'
import { credentialOf, type ScramCredential, saltPassword, sameBytes, serverSignature, verifyProof } from './scram-keys.js'
import { base64, fromBase64, invalidScram, scramField, scramFields, unescapeName } from './scram-messages.js'

/** The server's side of one authentication: what it answers to each thing that the client says. */
export interface ServerExchange {
  /** The principal of the client, once authenticated. */
  readonly user: string | undefined
  /** The time at which the proof ceases to be one, in milliseconds since 1970, if it does. */
  readonly expiresAtMs?: number | undefined
  /**
   * The reason why the proof was refused, where the client has to acknowledge that before the
   * exchange fails.
   */
  readonly refusal?: KafkaError | undefined
  /** Takes the next token of the client. Rejects with SASL_AUTHENTICATION_FAILED. */
  step(token: Uint8Array): Promise<Uint8Array>
}

/** `guesser`: passwords of one are checked in turn with those of others. */
export function serverExchange(mechanism: PasswordMechanism, credentials: Credentials, guesser = ''): ServerExchange {
  return mechanism === 'PLAIN' ? new PlainServer(credentials, guesser) : new ScramServer(mechanism, credentials)
}

/** PLAIN (RFC 4616): one token, `authorization id NUL user NUL password`. */
class PlainServer implements ServerExchange {
  readonly #credentials: Credentials
  readonly #guesser: string
  user: string | undefined

  constructor(credentials: Credentials, guesser: string) {
    this.#credentials = credentials
    this.#guesser = guesser
  }

  async step(token: Uint8Array): Promise<Uint8Array> {
    const parts = readText(token, 0, token.length).split('\0')
    if (parts.length !== 3 || this.user !== undefined) throw refused('Expected an authorization id, a user name and a password')
    const [authorizationId, name, password] = parts
    // Both are looked up each time: what is known costs no more than what is not.
    const [known] = this.#credentials.of(name)
    const [unknown] = this.#credentials.standIn(name)
    const [mechanism, credential] = known ?? unknown
    const salted = await passwordChecks.inTurn(this.#guesser, () =>
      saltPassword(mechanism, password, credential.salt, credential.iterations)
    )
    const { storedKey } = credentialOf(mechanism, salted, credential.salt, credential.iterations)
    if (!known || !sameBytes(storedKey, credential.storedKey)) throw refused('Invalid user name or password')
    if (authorizationId !== '' && authorizationId !== name) throw refused('The authorization id must be the user name')
    this.user = name
    return new Uint8Array(0)
  }
}

/**
 * Passwords are checked one after the other: many at once would keep the threads busy that files
 * are written with.
 */
const passwordChecks = new FairTurns()

/**
 * SCRAM (RFC 5802): the client proves that it knows the password, and the server that it knows its
 * hash, and neither says it.
 */
class ScramServer implements ServerExchange {
  readonly #mechanism: ScramMechanism
  readonly #credentials: Credentials
  #name = ''
  #serverNonce = ''
  #channelBinding = ''
  #firstMessages: string | undefined
  #credential: ScramCredential | undefined
  user: string | undefined

  constructor(mechanism: ScramMechanism, credentials: Credentials) {
    this.#mechanism = mechanism
    this.#credentials = credentials
  }

  async step(token: Uint8Array): Promise<Uint8Array> {
    const text = readText(token, 0, token.length)
    return textBytes(this.#firstMessages === undefined ? this.#first(text) : this.#final(text))
  }

  #first(text: string): string {
    const match = /^[ny],(?:a=([^,]*))?,(n=.*)$/.exec(text)
    if (!match) throw invalidScram('channel binding and extensions are not supported')
    const fields = scramFields(match[2])
    this.#name = unescapeName(scramField(fields, 'n'))
    if (match[1] && unescapeName(match[1]) !== this.#name) throw refused('The authorization id must be the user name')
    this.#credential = this.#credentials.of(this.#name).get(this.#mechanism)
    const standIn = this.#credentials.standIn(this.#name)
    const [anyOther] = standIn.values()
    this.#serverNonce = base64(randomBytes(24))
    this.#channelBinding = base64(textBytes(text.slice(0, text.length - match[2].length)))
    const { salt, iterations } = this.#credential ?? standIn.get(this.#mechanism) ?? anyOther
    const answer = `r=${scramField(fields, 'r')}${this.#serverNonce},s=${base64(salt)},i=${iterations}`
    this.#firstMessages = `${match[2]},${answer}`
    return answer
  }

  #final(text: string): string {
    const end = text.lastIndexOf(',p=')
    const fields = scramFields(text)
    if (this.user !== undefined || end < 0) throw invalidScram('there is no proof in it')
    if (scramField(fields, 'c') !== this.#channelBinding) throw invalidScram('the channel binding differs')
    // librdkafka before 2.6.1 says its own nonce twice. Kafka looks at the end only, which is what
    // has to be fresh; the proof covers the rest.
    if (!scramField(fields, 'r').endsWith(this.#serverNonce)) throw invalidScram('the nonce differs')
    const authMessage = `${this.#firstMessages},${text.slice(0, end)}`
    const proof = fromBase64(scramField(fields, 'p'))
    if (!this.#credential || !verifyProof(this.#mechanism, this.#credential, authMessage, proof))
      throw refused('Invalid user name or password')
    this.user = this.#name
    return `v=${base64(serverSignature(this.#mechanism, this.#credential.serverKey, authMessage))}`
  }
}

function refused(reason: string): KafkaError {
  return new KafkaError('SASL_AUTHENTICATION_FAILED', reason)
}
