import { isUtf8 } from 'node:buffer'
import { readText } from '../common/bytes.js'
import type { LogRecord } from '../record/record.js'

/** Bytes for a person: quoted text where they are text, else hexadecimal. */
export function shownBytes(bytes: Uint8Array | null, maxBytes = 4096): string {
  if (bytes === null) return 'null'
  const part = bytes.subarray(0, maxBytes)
  const more = bytes.length > maxBytes ? `… (${bytes.length} bytes)` : ''
  return (isText(bytes) ? JSON.stringify(textIn(part)) : `0x${Buffer.from(part).toString('hex')}`) + more
}

/** Bytes for a program: a string where they are text, else `{ base64 }`. */
export function jsonBytes(bytes: Uint8Array | null): string | { readonly base64: string } | null {
  if (bytes === null) return null
  return isText(bytes) ? textIn(bytes) : { base64: Buffer.from(bytes).toString('base64') }
}

export function jsonRecord({ offset, timestamp, key, value, headers }: LogRecord): object {
  return {
    offset,
    timestamp,
    key: jsonBytes(key),
    value: jsonBytes(value),
    headers: headers.map(header => ({ key: header.key, value: jsonBytes(header.value) }))
  }
}

export function shownRecord({ offset, timestamp, key, value, headers }: LogRecord): string {
  const held = headers.map(header => `${header.key}=${shownBytes(header.value)}`)
  return [offset, shownTime(timestamp), `${shownBytes(key)}: ${shownBytes(value)}`, ...held].join('  ')
}

export function shownTime(timestamp: number): string {
  if (timestamp < 0) return 'no time'
  const date = new Date(timestamp)
  return Number.isNaN(date.getTime()) ? String(timestamp) : date.toISOString()
}

export function shownSize(bytes: number): string {
  if (bytes < 10_000) return `${bytes} B`
  let size = bytes
  let unit = 0
  while (size >= 1000 && unit < 4) {
    size /= 1024
    unit++
  }
  return `${size.toPrecision(3)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][unit]}`
}

/** `1 problem`, `2 problems`. */
export function counted(count: number, noun: string): string {
  const plural = noun.endsWith('ch') ? `${noun}es` : `${noun}s`
  return `${count} ${count === 1 ? noun : plural}`
}

function textIn(bytes: Uint8Array): string {
  return readText(bytes, 0, bytes.length)
}

/** Valid UTF-8 without control characters other than tab and line ends. */
function isText(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte < 32 && byte !== 9 && byte !== 10 && byte !== 13) return false
  return isUtf8(bytes)
}
