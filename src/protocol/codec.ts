import { concatBytes, readInt16, readInt32, readInt64, readText, textBytes, writeInt16, writeInt32, writeInt64 } from '../common/bytes.js'
import { uuidBytes, uuidText } from '../common/uuid.js'
import { KafkaError } from '../errors.js'
import { type Field, type Fields, includesVersion, type MessageOf, type Schema } from './message.js'

/**
 * Reads and writes every message of Kafka from its table, at any version. Old versions prefix lengths with fixed integers (-1 is null);
 * flexible ones with an unsigned varint of length + 1 (0 is null), and end every struct with a section of tagged fields:
 *     tagged := count: uvarint, (tag: uvarint, size: uvarint, bytes)*     (tags ascend; a field at its default is left out)
 */

/** The bytes of a message at a version. Throws a `TypeError` when a value does not fit its field. */
export function encodeMessage<F extends Fields>(schema: Schema<F>, version: number, message: MessageOf<F>): Uint8Array {
  const writer = new MessageWriter()
  writeMessage(writer, schema, version, message)
  return writer.bytes()
}

/** The message that stands in `bytes` at a version; bytes beyond its end are left alone. Throws a `KafkaError` INVALID_REQUEST when it is malformed. */
export function decodeMessage<F extends Fields>(schema: Schema<F>, version: number, bytes: Uint8Array, position = 0): MessageOf<F> {
  return readMessage(new MessageReader(bytes, position), schema, version)
}

export function writeMessage<F extends Fields>(writer: MessageWriter, schema: Schema<F>, version: number, message: MessageOf<F>): void {
  writeStruct(writer, schema.fields, version, includesVersion(schema.flexible, version), message as Message, schema.name)
}

export function readMessage<F extends Fields>(reader: MessageReader, schema: Schema<F>, version: number): MessageOf<F> {
  return readStruct(reader, schema.fields, version, includesVersion(schema.flexible, version)) as MessageOf<F>
}

type Message = Record<string, unknown>

function writeStruct(writer: MessageWriter, fields: Fields, version: number, flexible: boolean, message: Message, path: string): void {
  const plan = planOf(fields, version)
  for (const [name, field] of plan.plain) {
    const value = message[name] === undefined ? field.default : message[name]
    writeField(writer, field, version, flexible, value, path, name)
  }
  if (!flexible) return
  const tagged = plan.tagged.filter(([name, field]) => message[name] !== undefined && !isDefault(field, message[name]))
  writer.uvarint(tagged.length)
  for (const [name, field] of tagged) {
    const section = new MessageWriter()
    writeField(section, field, version, true, message[name], path, name)
    writer.uvarint(field.tag as number)
    writer.uvarint(section.length)
    writer.raw(section.bytes())
  }
}

function writeField(
  writer: MessageWriter,
  field: Field,
  version: number,
  flexible: boolean,
  value: unknown,
  path: string,
  name: string
): void {
  try {
    writeValue(writer, field, version, flexible, value)
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    error.path = error.path === '' ? name : `${name}.${error.path}`
    throw path === '' ? error : new TypeError(`Expected \`${path}.${error.path}\` to be ${error.expected}`)
  }
}

function writeValue(writer: MessageWriter, field: Field, version: number, flexible: boolean, value: unknown): void {
  if (value === null || value === undefined) return writeNull(writer, field, version, flexible)
  switch (field.kind) {
    case 'bool':
      return writer.int8(value ? 1 : 0)
    case 'int8':
      return writer.int8(expectNumber(value))
    case 'int16':
    case 'uint16':
      return writer.int16(expectNumber(value))
    case 'int32':
    case 'uint32':
      return writer.int32(expectNumber(value))
    case 'int64':
      return writer.int64(expectNumber(value))
    case 'float64':
      return writer.float64(expectNumber(value))
    case 'uuid':
      return writer.raw(uuidBytes(value as string))
    case 'string': {
      if (typeof value !== 'string') throw new BadValue('a string')
      const text = textBytes(value)
      if (flexible) writer.uvarint(text.length + 1)
      else if (text.length > 0x7fff) throw new BadValue('a string of at most 32767 bytes')
      else writer.int16(text.length)
      return writer.raw(text)
    }
    case 'bytes':
    case 'records': {
      if (!(value instanceof Uint8Array)) throw new BadValue('a Uint8Array')
      writer.count(value.length, flexible)
      return writer.raw(value)
    }
    case 'array': {
      if (!Array.isArray(value)) throw new BadValue('an array')
      writer.count(value.length, flexible)
      for (const element of value) writeValue(writer, field.element as Field, version, flexible, element)
      return
    }
    case 'struct':
      if (includesVersion(field.nullable, version)) writer.int8(1)
      return writeStruct(writer, field.fields as Fields, version, flexible, value as Message, '')
  }
}

function writeNull(writer: MessageWriter, field: Field, version: number, flexible: boolean): void {
  if (field.kind === 'struct' && field.default === undefined && !includesVersion(field.nullable, version)) {
    return writeStruct(writer, field.fields as Fields, version, flexible, {}, '')
  }
  if (!includesVersion(field.nullable, version)) throw new BadValue(`a value, not null (version ${version})`)
  if (field.kind === 'struct') writer.int8(-1)
  else if (flexible) writer.uvarint(0)
  else if (field.kind === 'string') writer.int16(-1)
  else writer.int32(-1)
}

function readStruct(reader: MessageReader, fields: Fields, version: number, flexible: boolean): Message {
  const plan = planOf(fields, version)
  const message: Message = {}
  for (const [name, field] of plan.plain) message[name] = readValue(reader, field, version, flexible)
  for (const [name, field] of plan.absent) message[name] = defaultOf(field)
  for (const [name, field] of plan.tagged) message[name] = defaultOf(field)
  if (!flexible) return message
  for (let left = reader.uvarint(); left > 0; left--) {
    const tag = reader.uvarint()
    const end = reader.positionAfter(reader.uvarint())
    const known = plan.tagged.find(([, field]) => field.tag === tag)
    if (known) message[known[0]] = readValue(reader, known[1], version, true)
    reader.position = end
  }
  return message
}

function readValue(reader: MessageReader, field: Field, version: number, flexible: boolean): unknown {
  switch (field.kind) {
    case 'bool':
      return reader.int8() !== 0
    case 'int8':
      return reader.int8()
    case 'int16':
      return reader.int16()
    case 'uint16':
      return reader.int16() & 0xffff
    case 'int32':
      return reader.int32()
    case 'uint32':
      return reader.int32() >>> 0
    case 'int64':
      return reader.int64()
    case 'float64':
      return reader.float64()
    case 'uuid':
      return uuidText(reader.raw(16))
    case 'string': {
      const length = flexible ? reader.uvarint() - 1 : reader.int16()
      return length < 0 ? reader.null(field, version) : reader.text(length)
    }
    case 'bytes':
    case 'records': {
      const length = reader.count(flexible)
      return length < 0 ? reader.null(field, version) : reader.raw(length)
    }
    case 'array': {
      const length = reader.count(flexible)
      if (length < 0) return reader.null(field, version)
      reader.expectElements(length)
      const elements: unknown[] = []
      for (let i = 0; i < length; i++) elements.push(readValue(reader, field.element as Field, version, flexible))
      return elements
    }
    case 'struct':
      if (includesVersion(field.nullable, version) && reader.int8() < 0) return null
      return readStruct(reader, field.fields as Fields, version, flexible)
  }
}

/** What of a struct travels in a version, and how: worked out once per version. */
interface Plan {
  readonly plain: readonly [string, Field][]
  readonly tagged: readonly [string, Field][]
  readonly absent: readonly [string, Field][]
}

const plans = new WeakMap<Fields, Map<number, Plan>>()

function planOf(fields: Fields, version: number): Plan {
  let byVersion = plans.get(fields)
  if (!byVersion) plans.set(fields, (byVersion = new Map()))
  let plan = byVersion.get(version)
  if (!plan) {
    const entries = Object.entries(fields)
    const present = entries.filter(([, field]) => includesVersion(field.versions, version))
    const isTagged = (field: Field) => field.tag !== undefined && includesVersion(field.tagged, version)
    plan = {
      plain: present.filter(([, field]) => !isTagged(field)),
      tagged: present.filter(([, field]) => isTagged(field)).sort((a, b) => (a[1].tag as number) - (b[1].tag as number)),
      absent: entries.filter(([, field]) => !includesVersion(field.versions, version))
    }
    byVersion.set(version, plan)
  }
  return plan
}

function isDefault(field: Field, value: unknown): boolean {
  if (field.kind === 'array') return Array.isArray(value) && value.length === 0 && Array.isArray(field.default)
  if (field.kind === 'struct' && value !== null && field.default === undefined)
    return isDefaultStruct(field.fields as Fields, value as Message)
  return value === field.default
}

function isDefaultStruct(fields: Fields, value: Message): boolean {
  return Object.entries(fields).every(([name, field]) => value[name] === undefined || isDefault(field, value[name]))
}

function defaultOf(field: Field): unknown {
  if (field.kind === 'array' && Array.isArray(field.default)) return []
  if (field.kind === 'struct' && field.default === undefined) return defaultStruct(field.fields as Fields)
  return field.default
}

function defaultStruct(fields: Fields): Message {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, defaultOf(field)]))
}

function expectNumber(value: unknown): number {
  if (typeof value !== 'number') throw new BadValue('a number')
  return value
}

class BadValue extends Error {
  readonly expected: string
  path = ''
  constructor(expected: string) {
    super(expected)
    this.expected = expected
  }
}

/** A message in the making: a buffer that grows. */
export class MessageWriter {
  #bytes: Uint8Array = new Uint8Array(256)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  get length(): number {
    return this.#length
  }

  /** What has been written; valid until the next write. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  int8(value: number): void {
    this.#bytes[this.#grow(1)] = value
  }

  int16(value: number): void {
    const position = this.#grow(2)
    writeInt16(this.#bytes, position, value)
  }

  int32(value: number): void {
    const position = this.#grow(4)
    writeInt32(this.#bytes, position, value)
  }

  int64(value: number): void {
    const position = this.#grow(8)
    writeInt64(this.#bytes, position, value)
  }

  float64(value: number): void {
    const position = this.#grow(8)
    this.#view.setFloat64(position, value)
  }

  uvarint(value: number): void {
    let rest = value >>> 0
    while (rest > 0x7f) {
      this.int8((rest & 0x7f) | 0x80)
      rest >>>= 7
    }
    this.int8(rest)
  }

  /** The length of an array or of bytes. */
  count(length: number, flexible: boolean): void {
    if (flexible) this.uvarint(length + 1)
    else this.int32(length)
  }

  raw(bytes: Uint8Array): void {
    const position = this.#grow(bytes.length)
    this.#bytes.set(bytes, position)
  }

  #grow(count: number): number {
    const position = this.#length
    this.#length += count
    if (this.#length > this.#bytes.length) {
      this.#bytes = concatBytes([this.#bytes, new Uint8Array(Math.max(this.#bytes.length, this.#length - this.#bytes.length))])
      this.#view = new DataView(this.#bytes.buffer)
    }
    return position
  }
}

/** A message being read. Every step is checked against the end of the bytes: what comes from outside may say anything. */
export class MessageReader {
  readonly #bytes: Uint8Array
  position: number

  constructor(bytes: Uint8Array, position = 0) {
    this.#bytes = bytes
    this.position = position
  }

  get remaining(): number {
    return this.#bytes.length - this.position
  }

  int8(): number {
    const position = this.#take(1)
    return (this.#bytes[position] << 24) >> 24
  }

  int16(): number {
    return readInt16(this.#bytes, this.#take(2))
  }

  int32(): number {
    return readInt32(this.#bytes, this.#take(4))
  }

  int64(): number {
    return readInt64(this.#bytes, this.#take(8))
  }

  float64(): number {
    const position = this.#take(8)
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + position, 8).getFloat64(0)
  }

  uvarint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes[this.#take(1)]
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    throw malformed('a varint is longer than five bytes')
  }

  /** The length of an array or of bytes; -1 for null. */
  count(flexible: boolean): number {
    return flexible ? this.uvarint() - 1 : this.int32()
  }

  text(length: number): string {
    const position = this.#take(length)
    return readText(this.#bytes, position, position + length)
  }

  /** A view of the next bytes, not a copy. */
  raw(length: number): Uint8Array {
    const position = this.#take(length)
    return this.#bytes.subarray(position, position + length)
  }

  null(field: Field, version: number): null {
    if (!includesVersion(field.nullable, version)) throw malformed('a field that may not be null is null')
    return null
  }

  /** Refuses a count that cannot be true, before anything is allocated for it: every element takes at least a byte. */
  expectElements(count: number): void {
    if (count > this.remaining) throw malformed(`an array claims ${count} elements in ${this.remaining} bytes`)
  }

  positionAfter(length: number): number {
    if (length > this.remaining) throw malformed(`${length} bytes are announced where ${this.remaining} are left`)
    return this.position + length
  }

  #take(count: number): number {
    const position = this.position
    this.position = this.positionAfter(count)
    return position
  }
}

function malformed(reason: string): KafkaError {
  return new KafkaError('INVALID_REQUEST', `The message is malformed: ${reason}`)
}
