import { uuidBytes, uuidText } from '../common/uuid.js'
import { type Field, type Fields, includesVersion, type MessageOf, type Schema } from './message.js'
import { MessageReader } from './message-reader.js'
import { MessageWriter } from './message-writer.js'

/**
 * Reads and writes every message of Kafka from its table, at any version. Old versions prefix
 * lengths with fixed integers (-1 is null); flexible ones with an unsigned varint of length + 1 (0
 * is null), and end every struct with a section of tagged fields:
 *     tagged := count: uvarint, (tag: uvarint, size: uvarint, bytes)*     (tags ascend; a field at its default is left out)
 * A table is worked out once per version: what is then left to do per message is one call per
 * field.
 */

/**
 * The bytes of a message at a version. Throws a `TypeError` when a value does not fit its field.
 */
export function encodeMessage<F extends Fields>(schema: Schema<F>, version: number, message: MessageOf<F>): Uint8Array {
  const writer = new MessageWriter()
  writeMessage(writer, schema, version, message)
  return writer.bytes()
}

/**
 * The message that stands in `bytes` at a version; bytes beyond its end are left alone. Throws a
 * `KafkaError` INVALID_REQUEST when it is malformed.
 */
export function decodeMessage<F extends Fields>(schema: Schema<F>, version: number, bytes: Uint8Array, position = 0): MessageOf<F> {
  return readMessage(new MessageReader(bytes, position), schema, version)
}

export function writeMessage<F extends Fields>(writer: MessageWriter, schema: Schema<F>, version: number, message: MessageOf<F>): void {
  try {
    planOf(schema, version).write(writer, message)
  } catch (error) {
    throw error instanceof BadValue ? new TypeError(`Expected \`${schema.name}${error.path}\` to be ${error.expected}`) : error
  }
}

export function readMessage<F extends Fields>(reader: MessageReader, schema: Schema<F>, version: number): MessageOf<F> {
  return planOf(schema, version).read(reader) as MessageOf<F>
}

/** Writes and reads one kind of value in one version. */
interface Plan {
  readonly write: (writer: MessageWriter, value: unknown) => void
  readonly read: (reader: MessageReader) => unknown
}

const plans = new WeakMap<Schema, Map<number, Plan>>()

function planOf(schema: Schema, version: number): Plan {
  let byVersion = plans.get(schema)
  if (!byVersion) plans.set(schema, (byVersion = new Map()))
  let plan = byVersion.get(version)
  if (!plan) byVersion.set(version, (plan = structPlan(schema.fields, version, includesVersion(schema.flexible, version))))
  return plan
}

type Message = Record<string, unknown>

interface NamedPlan extends Plan {
  readonly name: string
  readonly field: Field
}

function structPlan(fields: Fields, version: number, flexible: boolean): Plan {
  const entries = Object.entries(fields)
  const present = entries.filter(([, field]) => includesVersion(field.versions, version))
  const named = ([name, field]: [string, Field]): NamedPlan => ({ name, field, ...fieldPlan(field, version, flexible) })
  const plain = present.filter(([, field]) => !isTagged(field, version)).map(named)
  const tagged = present
    .filter(([, field]) => isTagged(field, version))
    .map(named)
    .sort((a, b) => (a.field.tag as number) - (b.field.tag as number))
  const defaulted = entries
    .filter(([, field]) => !includesVersion(field.versions, version) || isTagged(field, version))
    .map(([name, field]) => ({ name, make: defaultMaker(field) }))
  return {
    write(writer, value) {
      const message = value as Message
      let i = 0
      try {
        for (; i < plain.length; i++) plain[i].write(writer, orDefault(plain[i], message))
      } catch (error) {
        throw located(error, plain[i].name)
      }
      if (flexible) writeTagged(writer, tagged, message)
    },
    read(reader) {
      const message: Message = {}
      for (const { name, read } of plain) message[name] = read(reader)
      for (const { name, make } of defaulted) message[name] = make()
      if (flexible) readTagged(reader, tagged, message)
      return message
    }
  }
}

function orDefault({ name, field }: NamedPlan, message: Message): unknown {
  const value = message[name]
  return value === undefined ? field.default : value
}

function writeTagged(writer: MessageWriter, tagged: readonly NamedPlan[], message: Message): void {
  if (tagged.length === 0) return writer.int8(0)
  const given = tagged.filter(({ name, field }) => message[name] !== undefined && !isDefault(field, message[name]))
  writer.uvarint(given.length)
  for (const member of given) {
    const section = new MessageWriter()
    try {
      member.write(section, message[member.name])
    } catch (error) {
      throw located(error, member.name)
    }
    writer.uvarint(member.field.tag as number)
    writer.uvarint(section.length)
    writer.raw(section.bytes())
  }
}

function readTagged(reader: MessageReader, tagged: readonly NamedPlan[], message: Message): void {
  const count = reader.uvarint()
  if (count === 0) return
  reader.expectElements(count)
  for (let i = 0; i < count; i++) {
    const tag = reader.uvarint()
    const end = reader.positionAfter(reader.uvarint())
    const known = tagged.find(({ field }) => field.tag === tag)
    if (known) message[known.name] = known.read(reader)
    reader.position = end
  }
}

function fieldPlan(field: Field, version: number, flexible: boolean): Plan {
  const plan = valuePlan(field, version, flexible)
  const writeNull = nullWriter(field, version, flexible)
  return {
    read: plan.read,
    write: (writer, value) => (value === null || value === undefined ? writeNull(writer) : plan.write(writer, value))
  }
}

function valuePlan(field: Field, version: number, flexible: boolean): Plan {
  switch (field.kind) {
    case 'bool':
      return { write: (writer, value) => writer.int8(value ? 1 : 0), read: reader => reader.int8() !== 0 }
    case 'int8':
      return { write: (writer, value) => writer.int8(expectWhole(value, -0x80, 0x7f)), read: reader => reader.int8() }
    case 'int16':
      return { write: (writer, value) => writer.int16(expectWhole(value, -0x8000, 0x7fff)), read: reader => reader.int16() }
    case 'uint16':
      return { write: (writer, value) => writer.int16(expectWhole(value, 0, 0xffff)), read: reader => reader.int16() & 0xffff }
    case 'int32':
      return { write: (writer, value) => writer.int32(expectWhole(value, -0x80000000, 0x7fffffff)), read: reader => reader.int32() }
    case 'uint32':
      return { write: (writer, value) => writer.int32(expectWhole(value, 0, 0xffffffff)), read: reader => reader.int32() >>> 0 }
    case 'int64':
      return { write: (writer, value) => writer.int64(expectWhole(value, -(2 ** 63), 2 ** 63)), read: reader => reader.int64() }
    case 'float64':
      return { write: (writer, value) => writer.float64(expectNumber(value)), read: reader => reader.float64() }
    case 'uuid':
      return { write: (writer, value) => writer.raw(uuidBytes(value as string)), read: reader => uuidText(reader.raw(16)) }
    case 'string':
      return {
        write: (writer, value) => writeString(writer, value, flexible),
        read(reader) {
          const length = flexible ? reader.uvarint() - 1 : reader.int16()
          return length < 0 ? reader.null(field, version) : reader.text(length)
        }
      }
    case 'bytes':
    case 'records':
      return {
        write: (writer, value) => writeBytes(writer, value, flexible),
        read(reader) {
          const length = reader.count(flexible)
          return length < 0 ? reader.null(field, version) : reader.raw(length)
        }
      }
    case 'array':
      return arrayPlan(field, version, flexible)
    case 'struct':
      return includesVersion(field.nullable, version)
        ? nullableStructPlan(structPlan(field.fields as Fields, version, flexible))
        : structPlan(field.fields as Fields, version, flexible)
  }
}

function arrayPlan(field: Field, version: number, flexible: boolean): Plan {
  const element = fieldPlan(field.element as Field, version, flexible)
  return {
    write(writer, value) {
      if (!Array.isArray(value)) throw new BadValue('an array')
      writer.count(value.length, flexible)
      for (const item of value) element.write(writer, item)
    },
    read(reader) {
      const length = reader.count(flexible)
      if (length < 0) return reader.null(field, version)
      reader.expectElements(length)
      const elements: unknown[] = []
      for (let i = 0; i < length; i++) elements.push(element.read(reader))
      return elements
    }
  }
}

function nullableStructPlan(plan: Plan): Plan {
  return {
    write(writer, value) {
      writer.int8(1)
      plan.write(writer, value)
    },
    read: reader => (reader.int8() < 0 ? null : plan.read(reader))
  }
}

function nullWriter(field: Field, version: number, flexible: boolean): (writer: MessageWriter) => void {
  const nullable = includesVersion(field.nullable, version)
  if (field.kind === 'struct' && field.default === undefined && !nullable) {
    const plan = structPlan(field.fields as Fields, version, flexible)
    return writer => plan.write(writer, {})
  }
  if (!nullable) {
    return () => {
      throw new BadValue(`a value, not null (version ${version})`)
    }
  }
  if (field.kind === 'struct') return writer => writer.int8(-1)
  if (flexible) return writer => writer.uvarint(0)
  return field.kind === 'string' ? writer => writer.int16(-1) : writer => writer.int32(-1)
}

function writeString(writer: MessageWriter, value: unknown, flexible: boolean): void {
  if (typeof value !== 'string') throw new BadValue('a string')
  if (!writer.text(value, flexible)) throw new BadValue('a string of at most 32767 bytes')
}

function writeBytes(writer: MessageWriter, value: unknown, flexible: boolean): void {
  if (!(value instanceof Uint8Array)) throw new BadValue('a Uint8Array')
  writer.count(value.length, flexible)
  writer.raw(value)
}

function isTagged(field: Field, version: number): boolean {
  return field.tag !== undefined && includesVersion(field.tagged, version)
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

/**
 * Makes what a field is where it is absent; objects and arrays are new each time, as they belong to
 * the message.
 */
function defaultMaker(field: Field): () => unknown {
  if (field.kind === 'array' && Array.isArray(field.default)) return () => []
  if (field.kind === 'struct' && field.default === undefined) {
    const members = Object.entries(field.fields as Fields).map(([name, member]) => ({ name, make: defaultMaker(member) }))
    return () => {
      const message: Message = {}
      for (const { name, make } of members) message[name] = make()
      return message
    }
  }
  return () => field.default
}

function expectNumber(value: unknown): number {
  if (typeof value !== 'number') throw new BadValue('a number')
  return value
}

function expectWhole(value: unknown, least: number, greatest: number): number {
  if (typeof value === 'number' && value >= least && value <= greatest && Number.isInteger(value)) return value
  throw new BadValue(typeof value === 'number' ? `an integer from ${least} to ${greatest}, which ${value} is not` : 'a number')
}

/** Says in which field a value was that does not fit. */
function located(error: unknown, name: string): unknown {
  if (error instanceof BadValue) error.path = `.${name}${error.path}`
  return error
}

class BadValue extends Error {
  readonly expected: string
  path = ''
  constructor(expected: string) {
    super(expected)
    this.expected = expected
  }
}
