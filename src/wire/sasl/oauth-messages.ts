import { readText, textBytes } from '../../common/bytes.js'
import { KafkaError } from '../../errors.js'

/**
 * The messages of OAUTHBEARER (RFC 7628):
 *     client-first := "n," [ "a=" name ] "," SOH pair* SOH       pair := key "=" value SOH       SOH := one byte, 1
 * One pair is `auth=Bearer <token>`; the others are extensions (KIP-342). A server that refuses the
 * token says why in JSON, which the client answers with one SOH; then the authentication fails.
 */
export interface TokenMessage {
  readonly token: string
  /** The name that the client asks for; empty: the owner of the token. */
  readonly authorizationId: string
  readonly extensions: Readonly<Record<string, string>>
}

const separator = '\x01'
/** The client's answer to a refusal. */
export const tokenAcknowledgement: Uint8Array = Uint8Array.of(1)

const header = /^n,(?:a=((?:[^=,]|=2C|=3D)+))?,$/
const bearer = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i
const extensionKey = /^[A-Za-z]+$/
const extensionValue = /^[!-~ \t\r\n]+$/

export function isToken(text: unknown): text is string {
  return typeof text === 'string' && bearer.test(`Bearer ${text}`)
}

/** True if these can be said beside a token, whose own key is `auth`. */
export function areExtensions(extensions: unknown): extensions is Readonly<Record<string, string>> {
  if (typeof extensions !== 'object' || extensions === null) return false
  return Object.entries(extensions).every(
    ([key, value]) => extensionKey.test(key) && key !== 'auth' && typeof value === 'string' && extensionValue.test(value)
  )
}

export function writeTokenMessage(token: string, extensions: Readonly<Record<string, string>> = {}): Uint8Array {
  const pairs = Object.entries(extensions).map(([key, value]) => `${key}=${value}${separator}`)
  return textBytes(`n,,${separator}auth=Bearer ${token}${separator}${pairs.join('')}${separator}`)
}

export function readTokenMessage(bytes: Uint8Array): TokenMessage {
  const [first, ...rest] = readText(bytes, 0, bytes.length).split(separator)
  const match = header.exec(first)
  const isEnded = rest.splice(-2).join() === ','
  if (!match || !isEnded || rest.length === 0) throw invalid('it is not of the form of RFC 7628')
  const values = new Map(rest.map(pair => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
  if (values.size < rest.length) throw invalid('a key is given twice')
  const token = bearer.exec(values.get('auth') ?? '')?.[1]
  if (token === undefined) throw invalid('there is no bearer token in it')
  values.delete('auth')
  const authorizationId = (match[1] ?? '').replaceAll('=2C', ',').replaceAll('=3D', '=')
  const extensions = Object.fromEntries(values)
  if (!areExtensions(extensions)) throw invalid('an extension has no value, or one that is not printable')
  return { token, authorizationId, extensions }
}

function invalid(reason: string): KafkaError {
  return new KafkaError('SASL_AUTHENTICATION_FAILED', `Invalid OAUTHBEARER message: ${reason}`)
}
