import { copyBytes, isDetached } from '../common/bytes.js'
import { isPromise } from '../common/deferred.js'
import { ignoreRejection, wrongAnswer } from '../common/foreign.js'
import { shown } from '../common/options.js'
import { KafkaError } from '../errors.js'
import type { Field, HeaderField } from '../record/record.js'
import { expectSerde } from '../record/serde.js'
import type { AnyTopic, KeyOf, SendableOf, ValueOf } from '../record/topic.js'

/** The value of a header to send; a string stands for its UTF-8 bytes. */
export type HeaderValue = string | Uint8Array | null

/**
 * The headers of a record to send: an object, `{ trace: 'a1', tag: ['x', 'y'] }`, or, to mix
 * repeated names in any order, a list of pairs, `[['tag', 'x'], ['trace', 'a1']]`, or of what a
 * consumer hands out, `[{ key: 'tag', value }]`.
 */
export type ProducerHeaders =
  | Readonly<{ [name: string]: HeaderValue | readonly HeaderValue[] }>
  | readonly (readonly [name: string, value: HeaderValue] | HeaderField)[]

/** A record to send. */
export interface ProducerRecord<K = Uint8Array | string, V = Uint8Array | string | null> {
  /** Records with the same key go to the same partition. Default: `null`, none. */
  readonly key?: K | null
  /**
   * `null` is a tombstone: in a compacted topic it deletes the key. A typed topic takes it where
   * its serde is `nullable`.
   */
  readonly value: V
  readonly headers?: ProducerHeaders
  /** Default: chosen by the partitioner. */
  readonly partition?: number
  /** Milliseconds since 1970. Default: now. */
  readonly timestamp?: number
}

/** The records that may be sent to a topic, given as a typed topic or by its plain name. */
export type ProducerRecordOf<T extends AnyTopic | string> = T extends string
  ? ProducerRecord
  : ProducerRecord<SendableOf<KeyOf<T>>, SendableOf<ValueOf<T>>>

// biome-ignore lint/suspicious/noExplicitAny: inside the producer a record is whatever the serdes of its topic say
export type AnyRecord = ProducerRecord<any, any>

/** The key of a record as it will be written. */
export function serializedKey(topic: AnyTopic | string, record: AnyRecord): Field {
  const key = record.key
  if (key === undefined || key === null) return null
  if (typeof topic === 'string') return plainField(topic, 'key', key)
  return serialized(topic, 'key', key)
}

/** The value of a record as it will be written. */
export function serializedValue(topic: AnyTopic | string, record: AnyRecord): Field {
  const value = record.value
  if (value === null) return null
  if (value === undefined) throw missingValue(topic, record)
  if (typeof topic === 'string') return plainField(topic, 'value', value)
  return serialized(topic, 'value', value)
}

function plainField(topic: string, what: 'key' | 'value', given: unknown): Field {
  if (typeof given === 'string') return given
  if (given instanceof Uint8Array) return given.length === 0 ? expectThere(given, `the ${what} of a record for \`${topic}\``) : given
  throw new TypeError(`Expected the ${what} of a record for \`${topic}\` to be a string, a Uint8Array or null, got ${shown(given)}`)
}

function serialized(topic: AnyTopic, what: 'key' | 'value', given: unknown): Field {
  let field: Field
  try {
    field = topic[what].serialize(given)
  } catch (error) {
    expectSerde(`${topic.name}.${what}`, topic[what], 'serialize')
    const reason = error instanceof Error ? error.message : String(error)
    const message = `The ${what} of a record for \`${topic.name}\` does not fit: ${reason}`
    if (error instanceof TypeError) throw new TypeError(message, { cause: error })
    throw new KafkaError('SERIALIZATION', message, { topic: topic.name, cause: error })
  }
  if (typeof field === 'string' || field === null) return field
  if (field instanceof Uint8Array) return field.length === 0 ? expectThere(field, `the ${what} of a record for \`${topic.name}\``) : field
  throw wrongAnswer(`Expected the ${what} serializer of \`${topic.name}\` to return a Uint8Array, a string or null`, field)
}

/** Bytes whose memory was transferred to a worker, say, would be sent as none. */
function expectThere(bytes: Uint8Array, what: string): Uint8Array {
  if (bytes.length === 0 && isDetached(bytes)) throw new TypeError(`Expected ${what} to hold bytes, but their memory was transferred`)
  return bytes
}

/**
 * A record that waits, encoded at the call: its sender may change or transfer its bytes and objects
 * meanwhile.
 */
export interface EncodedRecord {
  /** As it was given, for the partitioner. */
  readonly record: AnyRecord
  readonly key: Field
  readonly value: Field
  readonly headers: readonly HeaderField[]
}

/** Throws what is wrong with the record. */
export function encodedRecord(topic: AnyTopic | string, record: AnyRecord): EncodedRecord {
  if (typeof record !== 'object' || record === null) throw notARecord(topic, record)
  return {
    record: { ...record },
    key: ownField(serializedKey(topic, record)),
    value: ownField(serializedValue(topic, record)),
    headers:
      record.headers === undefined
        ? noHeaders
        : headerFields(topic, record.headers).map(({ key, value }) => ({ key, value: ownField(value) }))
  }
}

function ownField(field: Field): Field {
  return field instanceof Uint8Array ? copyBytes(field) : field
}

const noHeaders: readonly HeaderField[] = []

/** The headers of a record as a list, in order. */
export function headerFields(topic: AnyTopic | string, headers: ProducerHeaders | undefined | null): readonly HeaderField[] {
  if (headers === undefined || headers === null) return noHeaders
  const fields: HeaderField[] = []
  const add = (key: unknown, value: unknown) => {
    const isField = typeof value === 'string' || value === null || value instanceof Uint8Array
    if (value instanceof Uint8Array) expectThere(value, `the header \`${key}\` of a record for \`${nameOf(topic)}\``)
    if (typeof key === 'string' && isField) fields.push({ key, value })
    else if (typeof key !== 'string')
      throw new TypeError(`Expected the name of a header for \`${nameOf(topic)}\` to be a string, got ${shown(key)}`)
    else
      throw new TypeError(
        `Expected the header \`${key}\` of a record for \`${nameOf(topic)}\` to be a string, a Uint8Array or null, got ${shown(value)}`
      )
  }
  if (Array.isArray(headers)) {
    for (const header of headers) {
      if (Array.isArray(header)) add(header[0], header[1])
      else add(header?.key, header?.value)
    }
  } else if (typeof headers === 'object') {
    for (const [key, value] of Object.entries(headers)) {
      if (Array.isArray(value)) for (const each of value) add(key, each)
      else add(key, value)
    }
  } else throw new TypeError(`Expected the headers of a record for \`${nameOf(topic)}\` to be an object or a list, got ${shown(headers)}`)
  return fields
}

export function checkTimestamp(topic: AnyTopic | string, timestamp: unknown): void {
  if (Number.isSafeInteger(timestamp) && (timestamp as number) >= 0) return
  throw new TypeError(
    `Expected the timestamp of a record for \`${nameOf(topic)}\` to be milliseconds since 1970, a non-negative integer, got ${shown(timestamp)}`
  )
}

export function notARecord(topic: AnyTopic | string, given: unknown): TypeError {
  return new TypeError(`Expected a record for \`${nameOf(topic)}\` to be an object, \`{ key, value, … }\`, got ${shown(given)}`)
}

function missingValue(topic: AnyTopic | string, record: AnyRecord): TypeError {
  if (Array.isArray(record)) return new TypeError(`${notARecord(topic, record).message}; \`sendBatch\` takes many`)
  const text = `A record for \`${nameOf(topic)}\` needs a \`value\`, got \`undefined\`; \`null\` makes it a tombstone`
  ignoreRejection(record)
  if (isPromise(record)) return new TypeError(`${text}. The record is a promise: an \`await\` is missing`)
  const names = Object.keys(record)
  if (names.length === 0) return new TypeError(text)
  const given = names.slice(0, 5).map(name => `\`${name.slice(0, 30)}\``)
  return new TypeError(`${text}. The record has ${given.join(', ')}${names.length > 5 ? ', …' : ''}`)
}

export function nameOf(topic: AnyTopic | string): string {
  return typeof topic === 'string' ? topic : topic.name
}
