import { copyBytes, readInt32, readInt64, readText, writeInt32, writeInt64 } from '../common/bytes.js'
import { shown } from '../common/options.js'
import { KafkaError } from '../errors.js'
import { issuesText, type StandardSchema, validate } from './standard-schema.js'

/**
 * Turns the keys or values of a topic into bytes and back. `null` never gets here: a null key is no
 * key and a null value is a tombstone, whatever the type. To write your own, give the two
 * functions:
 *
 * ```ts
 * const date: Serde<Date> = {
 *   serialize: value => value.toISOString(),
 *   deserialize: bytes => new Date(string.deserialize(bytes))
 * }
 * ```
 */
export interface Serde<T> {
  /**
   * The bytes of a value; a string stands for its UTF-8 bytes, and `null` makes the field null.
   * Throws a `TypeError` for a value of another type.
   */
  serialize(value: T): Uint8Array | string | null
  /**
   * The value that the bytes stand for. They have memory of their own, so that the value may keep
   * them, or views of them.
   */
  deserialize(bytes: Uint8Array): T
}

/**
 * Serdes of ours that are done with the bytes when they return; to copy them first would cost more
 * than most decoding.
 */
const inPlace = new WeakSet<object>()

/** The same serde for bytes that are only lent: where it might keep them, it gets a copy. */
export function forLentBytes<T>(serde: Serde<T>): Serde<T> {
  if (inPlace.has(serde)) return serde
  return { serialize: value => serde.serialize(value), deserialize: view => serde.deserialize(copyBytes(view)) }
}

/** Text in UTF-8. Bytes that are not UTF-8 read as U+FFFD, as in Java. */
export const string: Serde<string> = {
  serialize(value) {
    if (typeof value !== 'string') throw unexpected('a string', value)
    return value
  },
  deserialize: bytes => readText(bytes, 0, bytes.length)
}

/**
 * Bytes as they are. A string is taken too, and written in UTF-8; what is read is always bytes, in
 * a copy of their own.
 */
export const bytes: Serde<Uint8Array> = {
  serialize(value: Uint8Array | string) {
    if (!(value instanceof Uint8Array) && typeof value !== 'string') throw unexpected('a Uint8Array or a string', value)
    return value
  },
  deserialize: copyBytes
}

/**
 * The same serde, for a topic that has tombstones: its values may be `null`, to senders and to
 * readers. A tombstone deletes its key from a compacted topic.
 *
 * ```ts
 * const users = topic('users', { key: string, value: nullable(json<User>()), configs: { 'cleanup.policy': 'compact' } })
 * await producer.send(users, { key: 'u-42', value: null })
 * ```
 */
export function nullable<T>(serde: Serde<T>): Serde<T | null> {
  expectWholeSerde('serde', serde)
  return serde as Serde<T | null>
}

/** JSON. The type is a promise that nobody checks. */
export function json<T = unknown>(): Serde<T>
/**
 * JSON that a Standard Schema validator (zod, valibot, arktype, …) checks before it is written and
 * after it is read; see `validated`.
 */
export function json<Output>(schema: StandardSchema<unknown, Output>): Serde<Output>
export function json<T>(schema?: StandardSchema<unknown, T>): Serde<T> {
  if (schema !== undefined) expectSchema(schema)
  return schema !== undefined ? validated(plainJson as Serde<T>, schema) : (plainJson as Serde<T>)
}

function jsonText(value: unknown): string | undefined {
  try {
    return JSON.stringify(value)
  } catch (error) {
    // A bigint, or an object within itself.
    if (error instanceof TypeError)
      throw new TypeError(`Expected a value that JSON can hold, got ${shown(value)}: ${error.message}`, { cause: error })
    throw error
  }
}

const plainJson: Serde<unknown> = {
  serialize(value) {
    const text = jsonText(value)
    if (text === undefined) throw unexpected('a value that JSON can hold', value)
    return text
  },
  deserialize(view) {
    const text = readText(view, 0, view.length)
    try {
      return JSON.parse(text)
    } catch (error) {
      throw new KafkaError('DESERIALIZATION', `Expected JSON, got ${shown(text)}`, { cause: error })
    }
  }
}

/**
 * A whole number from -2^31 to 2^31 - 1, in 4 bytes, big-endian, as Kafka's `IntegerSerializer`
 * writes it.
 */
export const int32: Serde<number> = {
  serialize(value) {
    if (!Number.isInteger(value) || value !== (value | 0)) throw unexpected('an integer of 32 bits', value)
    const result = new Uint8Array(4)
    writeInt32(result, 0, value)
    return result
  },
  deserialize(view) {
    expectLength('an int32', view, 4)
    return readInt32(view, 0)
  }
}

/**
 * A whole number within ±2^53, in 8 bytes, big-endian, as Kafka's `LongSerializer` writes it.
 * Larger numbers are refused when read.
 */
export const int64: Serde<number> = {
  serialize(value) {
    if (!Number.isSafeInteger(value)) throw unexpected('a safe integer', value)
    const result = new Uint8Array(8)
    writeInt64(result, 0, value)
    return result
  },
  deserialize(view) {
    expectLength('an int64', view, 8)
    const value = readInt64(view, 0)
    if (!Number.isSafeInteger(value)) throw new KafkaError('DESERIALIZATION', 'Expected an int64 within ±2^53, got a larger one')
    return value
  }
}

/**
 * A number as an IEEE 754 double, in 8 bytes, big-endian, as Kafka's `DoubleSerializer` writes it.
 */
export const float64: Serde<number> = {
  serialize(value) {
    if (typeof value !== 'number') throw unexpected('a number', value)
    const result = new Uint8Array(8)
    viewOf(result).setFloat64(0, value)
    return result
  },
  deserialize(view) {
    expectLength('a float64', view, 8)
    return viewOf(view).getFloat64(0)
  }
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

/** A UUID as text of 36 characters, which is how Kafka's `UUIDSerializer` writes it. */
export const uuid: Serde<string> = {
  serialize(value) {
    if (typeof value !== 'string' || !uuidPattern.test(value)) throw unexpected('a UUID', value)
    return value
  },
  deserialize(view) {
    const text = readText(view, 0, view.length)
    if (!uuidPattern.test(text)) throw new KafkaError('DESERIALIZATION', `Expected a UUID, got ${shown(text)}`)
    return text
  }
}

/**
 * A serde whose values a Standard Schema validator checks. What is written is the value as given,
 * once the schema accepts it (else a `TypeError` that lists what is wrong). What is read is the
 * schema's output, so that its defaults and conversions apply; a value that it refuses is a
 * `KafkaError` with the code `DESERIALIZATION`. A schema that converts must accept what it puts
 * out.
 */
export function validated<Output>(serde: Serde<unknown>, schema: StandardSchema<unknown, Output>): Serde<Output>
export function validated<T, Output>(serde: Serde<T>, schema: StandardSchema<unknown, Output>): Serde<Output>
export function validated<Output>(serde: Serde<unknown>, schema: StandardSchema<unknown, Output>): Serde<Output> {
  expectWholeSerde('serde', serde)
  expectSchema(schema)
  const checked: Serde<Output> = {
    serialize(value) {
      const { issues } = validate(schema, value)
      if (issues) throw new TypeError(`Expected a value that the schema accepts: ${issuesText(issues)}`)
      return serde.serialize(value)
    },
    deserialize(view) {
      const result = validate(schema, serde.deserialize(view))
      if (!result.issues) return result.value
      throw new KafkaError('DESERIALIZATION', `The schema refuses a value: ${issuesText(result.issues)}`, { cause: result.issues })
    }
  }
  if (inPlace.has(serde)) inPlace.add(checked)
  return checked
}

for (const serde of [string, bytes, plainJson, int32, int64, float64, uuid]) inPlace.add(serde)

/** Throws a `TypeError` unless this is a serde, as far as it is used. */
export function expectSerde(name: string, serde: unknown, use: 'serialize' | 'deserialize'): void {
  const found = (serde as Partial<Serde<unknown>> | null | undefined)?.[use]
  if (typeof found === 'function') return
  const call = serde === json ? '; call it, `json()`' : ''
  throw new TypeError(
    `Expected \`${name}\` to be a serde such as \`string\` or \`json()\`, with a function \`${name}.${use}\`, got ${shown(serde)}${call}`
  )
}

export function expectWholeSerde(name: string, serde: unknown): void {
  expectSerde(name, serde, 'serialize')
  expectSerde(name, serde, 'deserialize')
}

function expectSchema(schema: StandardSchema<unknown, unknown>): void {
  if (typeof schema?.['~standard']?.validate === 'function') return
  throw new TypeError(`Expected \`schema\` to be a Standard Schema (zod, valibot, arktype, …), got ${shown(schema)}`)
}

function unexpected(what: string, value: unknown): TypeError {
  return new TypeError(`Expected ${what}, got ${shown(value)}`)
}

function expectLength(what: string, view: Uint8Array, length: number): void {
  if (view.length === length) return
  throw new KafkaError('DESERIALIZATION', `Expected ${what} of ${length} bytes, got ${view.length} bytes`)
}

function viewOf(view: Uint8Array): DataView {
  return new DataView(view.buffer, view.byteOffset, view.byteLength)
}
