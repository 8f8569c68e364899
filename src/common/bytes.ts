/**
 * Big-endian integers and UTF-8 text in byte arrays, by hand: these stand on the path of every
 * record, where a `DataView` or a `TextEncoder` per call costs more than the work itself.
 */

export function readInt16(bytes: Uint8Array, position: number): number {
  return ((bytes[position] << 24) >> 16) | bytes[position + 1]
}

export function readInt32(bytes: Uint8Array, position: number): number {
  return (bytes[position] << 24) | (bytes[position + 1] << 16) | (bytes[position + 2] << 8) | bytes[position + 3]
}

export function readUint32(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position) >>> 0
}

/** An int64 as a `number`, exact up to 2^53. */
export function readInt64(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position) * 4294967296 + readUint32(bytes, position + 4)
}

export function writeInt16(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >> 8
  bytes[position + 1] = value
}

export function writeInt32(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >> 24
  bytes[position + 1] = value >> 16
  bytes[position + 2] = value >> 8
  bytes[position + 3] = value
}

export function writeInt64(bytes: Uint8Array, position: number, value: number): void {
  writeInt32(bytes, position, Math.floor(value / 4294967296))
  writeInt32(bytes, position + 4, value)
}

interface NativeText {
  utf8Write(this: Uint8Array, text: string, position: number, maxBytes?: number): number
  utf8Slice(this: Uint8Array, start: number, end: number): string
  latin1Slice(this: Uint8Array, start: number, end: number): string
}

/** Node's own methods, which take any Uint8Array; elsewhere the Encoding API stands in. */
const native = (globalThis as { Buffer?: { prototype: unknown } }).Buffer?.prototype as NativeText | undefined
const nativeLength = (globalThis as { Buffer?: { byteLength(text: string): number } }).Buffer?.byteLength
const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * Writes a text in UTF-8 at `position` and returns how many bytes it took. The room must suffice:
 * three bytes per UTF-16 unit always do.
 */
export function writeText(bytes: Uint8Array, position: number, text: string): number {
  return native ? native.utf8Write.call(bytes, text, position) : encoder.encodeInto(text, bytes.subarray(position)).written
}

/** The same with as many of its characters as `mostBytes` hold. */
export function writeStartOfText(bytes: Uint8Array, position: number, text: string, mostBytes: number): number {
  if (native) return native.utf8Write.call(bytes, text, position, mostBytes)
  return encoder.encodeInto(text, bytes.subarray(position, position + mostBytes)).written
}

/** The text that stands in UTF-8 in [start, end). */
export function readText(bytes: Uint8Array, start: number, end: number): string {
  return native ? native.utf8Slice.call(bytes, start, end) : decoder.decode(bytes.subarray(start, end))
}

/** The number of bytes that a text takes in UTF-8. */
export function textLength(text: string): number {
  return nativeLength ? nativeLength(text) : encoder.encode(text).length
}

/** A new array with the text in UTF-8. */
export function textBytes(text: string): Uint8Array {
  return encoder.encode(text)
}

/**
 * A copy of `view` with memory of its own, which whoever gets it may keep, change and transfer. To
 * cut small ones from a shared piece would take a fifth of the time; but then whoever transfers one
 * takes the others along, and whoever sends one to a worker sends them all.
 */
export function copyBytes(view: Uint8Array): Uint8Array {
  // A Buffer's `slice` makes no copy. That of an array is quicker than a constructor, which looks
  // for an iterator first.
  return view.constructor === Uint8Array ? view.slice() : new Uint8Array(view)
}

/** True if the memory behind an array was transferred elsewhere, which leaves it empty. */
export function isDetached(bytes: Uint8Array): boolean {
  const { length, buffer } = bytes
  if (length > 0 || buffer.byteLength > 0) return false
  try {
    new Uint8Array(buffer)
    return false
  } catch {
    return true
  }
}

/** True if two byte arrays hold the same bytes. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** One array with the bytes of all, in order. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const part of parts) length += part.length
  const whole = new Uint8Array(length)
  let position = 0
  for (const part of parts) {
    whole.set(part, position)
    position += part.length
  }
  return whole
}
