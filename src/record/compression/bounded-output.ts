import type { Codec } from './codec.js'
import { tooLarge } from './failure.js'

/** The output of a decoder: grows as the data really come, up to a limit. */
export class BoundedOutput {
  /** The memory; only the first `length` bytes are output. Changes when `reserve` grows it. */
  bytes: Uint8Array
  length = 0
  readonly #type: Codec['type']
  readonly #maxBytes: number
  #error: Error | undefined

  /** `into` is used for as long as it suffices. */
  constructor(type: Codec['type'], maxBytes: number, into: Uint8Array = new Uint8Array(0)) {
    this.#type = type
    this.#maxBytes = maxBytes
    this.bytes = into
  }

  /**
   * Makes room for `count` bytes more, or for as many as the limit leaves. Returns the position
   * that may not be passed.
   */
  reserve(count: number): number {
    const needed = Math.min(this.length + count, this.#maxBytes)
    if (needed > this.bytes.length) {
      const grown = new Uint8Array(Math.min(this.#maxBytes, Math.max(needed, 2 * this.bytes.length)))
      grown.set(this.bytes.subarray(0, this.length))
      this.bytes = grown
    }
    return needed
  }

  /** Adds bytes as they are. */
  append(bytes: Uint8Array, start: number, end: number): void {
    if (this.reserve(end - start) - this.length < end - start) throw this.tooLarge()
    this.bytes.set(bytes.subarray(start, end), this.length)
    this.length += end - start
  }

  tooLarge(): Error {
    this.#error = tooLarge(this.#type, this.#maxBytes)
    return this.#error
  }

  /** Tells the error of `tooLarge` from those of a decoder that it was thrown through. */
  isTooLarge(error: unknown): boolean {
    return error !== undefined && error === this.#error
  }

  /** True if less than `count` bytes fit before the limit. */
  lacks(count: number): boolean {
    return this.length + count > this.#maxBytes
  }

  finish(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }
}

/**
 * Copies a match: `count` bytes from `distance` bytes back, which may overlap what is being
 * written. Room and distance must be checked.
 */
export function copyMatch(bytes: Uint8Array, position: number, distance: number, count: number): void {
  if (count > 32 && distance >= count) {
    bytes.copyWithin(position, position - distance, position - distance + count)
    return
  }
  for (let from = position - distance, end = position + count; position < end; ) bytes[position++] = bytes[from++]
}

/** Copies literals from the input. */
export function copyLiterals(to: Uint8Array, position: number, from: Uint8Array, start: number, count: number): void {
  if (count > 64) {
    to.set(from.subarray(start, start + count), position)
    return
  }
  for (let end = position + count; position < end; ) to[position++] = from[start++]
}
