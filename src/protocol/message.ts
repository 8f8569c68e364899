/**
 * The words in which Kafka's messages are written down as data. One table describes an API in all
 * its versions; the TypeScript type of its request and response is inferred from the table; the
 * codec (`codec.ts`) reads and writes any version from it.
 *
 * ```ts
 * const Heartbeat = api({
 *   key: 12, name: 'Heartbeat', versions: '0-4', flexible: '4+',
 *   request: { groupId: string(), generationId: int32(), groupInstanceId: string({ versions: '3+', nullable: '3+', default: null }) },
 *   response: { throttleTimeMs: int32({ versions: '1+', default: 0 }), errorCode: int16() }
 * })
 * type Request = RequestOf<typeof Heartbeat>    // { groupId: string; generationId: number; groupInstanceId?: string | null }
 * ```
 *
 * A field with a `default` may be left out of a message in process; what comes from the wire always
 * has it.
 */

/** `'3+'`, `'0-12'`, `'4'` or `'none'`. */
export type Versions = `${number}+` | `${number}-${number}` | `${number}` | 'none'

/** Versions of an API from `min` to `max`, both included. */
export interface VersionRange {
  readonly min: number
  readonly max: number
}

export interface FieldOptions {
  /** The versions that have the field. Default: all. */
  readonly versions?: Versions
  /** The versions in which it may be null. Default: none. */
  readonly nullable?: Versions
  /** The value of an absent field; makes the field optional in process. */
  readonly default?: unknown
  /** Its number in the tagged section, in the versions given by `tagged`. */
  readonly tag?: number
  /**
   * The versions in which the field travels in the tagged section. Default: all that have it, when
   * it has a `tag`.
   */
  readonly tagged?: Versions
}

/** The type of a field on the wire. */
export type Kind =
  | 'bool'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'float64'
  | 'string'
  | 'uuid'
  | 'bytes'
  | 'records'
  | 'array'
  | 'struct'

declare const valueType: unique symbol
declare const presence: unique symbol

/** One field of a message: its type on the wire, and the versions that have it. */
export interface Field<T = unknown, P extends 'required' | 'optional' = 'required' | 'optional'> {
  readonly kind: Kind
  readonly versions: VersionRange
  readonly nullable: VersionRange
  readonly tag: number | undefined
  readonly tagged: VersionRange
  readonly default: unknown
  /** The element of an array. */
  readonly element: Field | undefined
  /** The fields of a struct. */
  readonly fields: Fields | undefined
  readonly [valueType]?: T
  readonly [presence]?: P
}

/** The fields of a message, in the order of the wire. */
export type Fields = { readonly [name: string]: Field }

type Value<T, O> = O extends { readonly nullable: Versions } ? T | null : T
type Presence<O> = O extends { readonly default: unknown } ? 'optional' : 'required'
type ValueOf<F> = F extends Field<infer T, 'required' | 'optional'> ? T : never
type OptionalNames<F extends Fields> = {
  [K in keyof F]: F[K] extends Field<unknown, infer P> ? (P extends 'optional' ? K : never) : never
}[keyof F]
type Flat<T> = { [K in keyof T]: T[K] }

/** The type of a message with these fields. */
export type MessageOf<F extends Fields> = Flat<
  { -readonly [K in Exclude<keyof F, OptionalNames<F>>]: ValueOf<F[K]> } & { -readonly [K in OptionalNames<F>]?: ValueOf<F[K]> }
>

const always: VersionRange = { min: 0, max: Number.POSITIVE_INFINITY }
const never: VersionRange = { min: 1, max: 0 }

/** Reads a range as it is written in the tables. */
export function versionRange(text: Versions): VersionRange {
  if (text === 'none') return never
  const [from, to] = text.split(/[-+]/)
  return { min: Number(from), max: text.endsWith('+') ? Number.POSITIVE_INFINITY : Number(to ?? from) }
}

export function includesVersion(range: VersionRange, version: number): boolean {
  return version >= range.min && version <= range.max
}

function field(kind: Kind, zero: unknown, options: FieldOptions = {}, inner: { element?: Field; fields?: Fields } = {}): Field {
  const versions = options.versions === undefined ? always : versionRange(options.versions)
  return {
    kind,
    versions,
    nullable: options.nullable === undefined ? never : versionRange(options.nullable),
    tag: options.tag,
    tagged: options.tag === undefined ? never : options.tagged === undefined ? versions : versionRange(options.tagged),
    default: options.default === undefined ? zero : options.default,
    element: inner.element,
    fields: inner.fields
  }
}

function word<T>(kind: Kind, zero: T) {
  return <const O extends FieldOptions = Record<never, never>>(options?: O) => field(kind, zero, options) as Field<Value<T, O>, Presence<O>>
}

export const bool = word<boolean>('bool', false)
export const int8 = word<number>('int8', 0)
export const int16 = word<number>('int16', 0)
export const uint16 = word<number>('uint16', 0)
export const int32 = word<number>('int32', 0)
export const uint32 = word<number>('uint32', 0)
/** A `number` in process, exact up to 2^53. */
export const int64 = word<number>('int64', 0)
export const float64 = word<number>('float64', 0)
export const string = word<string>('string', '')
/** 22 characters of url-safe base64 in process, 16 bytes on the wire. */
export const uuid = word<string>('uuid', 'AAAAAAAAAAAAAAAAAAAAAA')
export const bytes = word<Uint8Array>('bytes', new Uint8Array(0))
/** Record batches: bytes that no layer between producer and consumer looks into. */
export const records = word<Uint8Array>('records', new Uint8Array(0))

type ElementOf<E> = E extends Field<infer T, 'required' | 'optional'> ? T : E extends Fields ? MessageOf<E> : never

/** An array of a plain kind, `array(int32())`, or of structs, `array({ name: string() })`. */
export function array<const E extends Field | Fields, const O extends FieldOptions = Record<never, never>>(element: E, options?: O) {
  const inner = isField(element) ? element : field('struct', null, {}, { fields: element as Fields })
  return field('array', [], options, { element: inner }) as Field<Value<ElementOf<E>[], O>, Presence<O>>
}

/** A struct as a field of its own. */
export function struct<const F extends Fields, const O extends FieldOptions = Record<never, never>>(fields: F, options?: O) {
  return field('struct', undefined, options, { fields }) as Field<Value<MessageOf<F>, O>, Presence<O>>
}

function isField(element: Field | Fields): element is Field {
  return typeof (element as Field).kind === 'string'
}

/**
 * A message on its own: a request, a response, or a record that Kafka keeps in one of its internal
 * topics.
 */
export interface Schema<F extends Fields = Fields> {
  readonly name: string
  readonly versions: VersionRange
  readonly flexible: VersionRange
  readonly fields: F
}

/** The type of the messages that a schema describes. */
export type SchemaMessage<S extends Schema> = MessageOf<S['fields']>

export function schema<const F extends Fields>(spec: { name: string; versions: Versions; flexible: Versions; fields: F }): Schema<F> {
  return { name: spec.name, versions: versionRange(spec.versions), flexible: versionRange(spec.flexible), fields: spec.fields }
}

/** One API of Kafka's protocol: its number, its versions, and its two messages. */
export interface Api<Q extends Fields = Fields, R extends Fields = Fields> {
  readonly key: number
  readonly name: string
  readonly versions: VersionRange
  readonly flexible: VersionRange
  readonly request: Schema<Q>
  readonly response: Schema<R>
}

/** The request of an API, as an object. */
export type RequestOf<A extends Api> = SchemaMessage<A['request']>
/** The response of an API, as an object. */
export type ResponseOf<A extends Api> = SchemaMessage<A['response']>

export function api<const Q extends Fields, const R extends Fields>(spec: {
  key: number
  name: string
  versions: Versions
  flexible: Versions
  request: Q
  response: R
}): Api<Q, R> {
  const { key, name, versions, flexible } = spec
  return {
    key,
    name,
    versions: versionRange(versions),
    flexible: versionRange(flexible),
    request: schema({ name: `${name}Request`, versions, flexible, fields: spec.request }),
    response: schema({ name: `${name}Response`, versions, flexible, fields: spec.response })
  }
}
