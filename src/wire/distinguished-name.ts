import { readText } from '../common/bytes.js'

/**
 * The subject of a certificate (DER) as Java's `X500Principal.getName()` writes it, in the form of
 * RFC 2253, the most specific part first: `CN=ann,OU=Sales,O=Acme`. Kafka's principals have this
 * form.
 *     certificate := SEQUENCE { SEQUENCE { [0] version?, serial, algorithm, issuer, validity, subject, … }, … }
 *     subject := SEQUENCE of SET of SEQUENCE { type: OBJECT IDENTIFIER, value }
 */
export function subjectOf(certificate: Uint8Array): string {
  const [whole] = elements(certificate)
  const [signed] = elements(whole.content)
  const fields = elements(signed.content).filter(({ tag }) => tag !== versionTag)
  const parts = elements(fields[4].content)
  return parts
    .reverse()
    .map(part => elements(part.content).map(shownPair).join('+'))
    .join(',')
}

interface Element {
  readonly tag: number
  readonly content: Uint8Array
  /** With tag and length. */
  readonly whole: Uint8Array
}

const versionTag = 0xa0

function elements(bytes: Uint8Array): Element[] {
  const found: Element[] = []
  for (let position = 0; position < bytes.length; ) {
    const start = position
    const tag = bytes[position++]
    let length = bytes[position++]
    if (length >= 0x80) {
      let digits = length & 0x7f
      for (length = 0; digits > 0; digits--) length = length * 256 + bytes[position++]
    }
    if (!(position + length <= bytes.length)) throw new RangeError('The certificate is cut off')
    const end = position + length
    found.push({ tag, content: bytes.subarray(position, end), whole: bytes.subarray(start, end) })
    position = end
  }
  return found
}

function shownPair(pair: Element): string {
  const [type, value] = elements(pair.content)
  const oid = oidOf(type.content)
  const keyword = keywords.get(oid)
  const text = keyword === undefined ? undefined : textOf(value)
  if (text === undefined) return `${keyword ?? oid}=#${[...value.whole].map(byte => byte.toString(16).padStart(2, '0')).join('')}`
  return `${keyword}=${escaped(text)}`
}

/** The attribute types that RFC 2253 names; all others stand as numbers. */
const keywords: ReadonlyMap<string, string> = new Map([
  ['2.5.4.3', 'CN'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.9', 'STREET'],
  ['2.5.4.10', 'O'],
  ['2.5.4.11', 'OU'],
  ['0.9.2342.19200300.100.1.1', 'UID'],
  ['0.9.2342.19200300.100.1.25', 'DC']
])

function oidOf(bytes: Uint8Array): string {
  const numbers: number[] = []
  let number = 0
  for (const byte of bytes) {
    number = number * 128 + (byte & 0x7f)
    if (byte & 0x80) continue
    numbers.push(number)
    number = 0
  }
  const [first = 0, ...rest] = numbers
  const root = Math.min(2, Math.floor(first / 40))
  return [root, first - 40 * root, ...rest].join('.')
}

function textOf({ tag, content }: Element): string | undefined {
  switch (tag) {
    case 0x0c: // UTF8String
    case 0x13: // PrintableString
    case 0x16: // IA5String
    case 0x1b: // GeneralString
      return readText(content, 0, content.length)
    case 0x14: // T61String
      return String.fromCharCode(...content)
    case 0x1e: // BMPString
      return String.fromCharCode(...Array.from({ length: content.length >> 1 }, (_, i) => content[2 * i] * 256 + content[2 * i + 1]))
    default:
      return undefined
  }
}

function escaped(text: string): string {
  return text
    .replace(/[,=+<>#;"\\]/g, '\\$&')
    .replaceAll('\0', '\\00')
    .replace(/^ +| +$/g, blanks => '\\ '.repeat(blanks.length))
}
