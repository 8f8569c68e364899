import { type Random, randomInteger } from './random.js'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** The id that stands for "none" in Kafka's messages: sixteen zero bytes. */
export const zeroUuid = 'AAAAAAAAAAAAAAAAAAAAAA'

/**
 * A random id in Kafka's text form: 16 bytes in url-safe base64 without padding, 22 characters,
 * never starting with a dash.
 */
export function randomUuid(random: Random): string {
  for (;;) {
    const bytes = Uint8Array.from({ length: 16 }, () => randomInteger(random, 256))
    bytes[6] = (bytes[6] & 0x0f) | 0x40
    bytes[8] = (bytes[8] & 0x3f) | 0x80
    const text = uuidText(bytes)
    if (!text.startsWith('-')) return text
  }
}

/** The 22 characters of an id of 16 bytes. */
export function uuidText(bytes: Uint8Array): string {
  let text = ''
  for (let i = 0; i < 16; i += 3) {
    const group = (bytes[i] << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    text += alphabet[(group >> 18) & 63] + alphabet[(group >> 12) & 63]
    if (i + 1 < 16) text += alphabet[(group >> 6) & 63] + alphabet[group & 63]
  }
  return text
}

/** The 16 bytes of an id in Kafka's text form. Throws a `TypeError` for any other text. */
export function uuidBytes(text: string): Uint8Array {
  if (!/^[A-Za-z0-9_-]{22}$/.test(text)) throw new TypeError(`Expected a uuid of 22 base64 characters, got \`${text}\``)
  const bytes = new Uint8Array(16)
  let bits = 0
  let bitCount = 0
  let position = 0
  for (const character of text) {
    bits = ((bits << 6) | alphabet.indexOf(character)) & 0xffffff
    bitCount += 6
    if (bitCount >= 8) {
      bitCount -= 8
      if (position < 16) bytes[position++] = (bits >> bitCount) & 0xff
    }
  }
  return bytes
}
