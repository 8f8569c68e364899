import { errorNumber, type ProtocolErrorCode } from '../errors.js'
import type { Api, Field, Fields, RequestOf, ResponseOf } from '../protocol/message.js'

type Struct = Readonly<{ [name: string]: unknown }>

/** Names that Kafka's messages use for the same thing. */
const aliases: readonly (readonly string[])[] = [
  ['index', 'partition', 'partitionIndex'],
  ['name', 'topic']
]

/**
 * A response with which a broker refuses everything that a request asks for: the error stands
 * wherever the api has room for one, and topics and partitions are those of the request.
 */
export function fabricatedResponse<A extends Api>(api: A, request: RequestOf<A>, code: ProtocolErrorCode): ResponseOf<A> {
  return struct(api.response.fields, request as Struct, errorNumber(code)) as ResponseOf<A>
}

function struct(fields: Fields, request: Struct, errorCode: number): Struct {
  const message: { [name: string]: unknown } = {}
  for (const [name, field] of Object.entries(fields)) {
    const value = name === 'errorCode' ? errorCode : valueFor(name, field, request, errorCode)
    if (value !== undefined) message[name] = value
  }
  return message
}

function valueFor(name: string, field: Field, request: Struct, errorCode: number): unknown {
  if (field.kind === 'array') return arrayFor(field, request, errorCode)
  const names = aliases.find(each => each.includes(name)) ?? [name]
  const asked = names.find(each => request[each] !== undefined)
  return asked === undefined ? field.default : request[asked]
}

function arrayFor(field: Field, request: Struct, errorCode: number): unknown {
  const fields = field.element?.fields
  const asked = Object.values(request).find(isList)
  if (!fields || !asked || !hasErrorCode(fields)) return []
  return asked.map(each => struct(fields, each, errorCode))
}

function isList(value: unknown): value is readonly Struct[] {
  return Array.isArray(value) && value.length > 0 && typeof value[0] === 'object'
}

function hasErrorCode(fields: Fields): boolean {
  return Object.entries(fields).some(([name, { element }]) => name === 'errorCode' || (element?.fields && hasErrorCode(element.fields)))
}
