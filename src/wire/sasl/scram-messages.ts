import { KafkaError } from '../../errors.js'

/**
 * The messages of a SCRAM exchange (RFC 5802):
 *     client-first := "n,," "n=" name ",r=" nonce            server-first := "r=" nonces ",s=" salt ",i=" iterations
 *     client-final := "c=biws,r=" nonces ",p=" proof         server-final := "v=" signature, or "e=" error
 */
export const gs2Header = 'n,,'
/** The header again, in base64, as the last message of the client repeats it. */
export const channelBinding = 'biws'

/**
 * The fields of a message by their letters. A letter given twice, or none, makes the message
 * invalid.
 */
export function scramFields(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (const part of text.split(',')) {
    if (!/^[A-Za-z]=/.test(part) || fields.has(part[0])) throw invalidScram('the message is not made of fields')
    fields.set(part[0], part.slice(2))
  }
  return fields
}

export function scramField(fields: ReadonlyMap<string, string>, letter: string): string {
  const value = fields.get(letter)
  if (!value) throw invalidScram(`the field ${letter} is missing`)
  return value
}

/** A user name as it stands in a message, where commas and equal signs have a meaning. */
export function escapeName(name: string): string {
  return name.replaceAll('=', '=3D').replaceAll(',', '=2C')
}

export function unescapeName(text: string): string {
  if (/=(?!2C|3D)/.test(text)) throw invalidScram('the user name is not escaped')
  return text.replaceAll('=2C', ',').replaceAll('=3D', '=')
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
}

export function fromBase64(text: string): Uint8Array {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) throw invalidScram('it is not base64')
  return Buffer.from(text, 'base64')
}

export function invalidScram(reason: string): KafkaError {
  return new KafkaError('SASL_AUTHENTICATION_FAILED', `Invalid SCRAM message: ${reason}`)
}
