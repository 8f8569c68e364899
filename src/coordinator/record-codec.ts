import { readInt16 } from '../common/bytes.js'
import { KafkaError } from '../errors.js'
import { decodeMessage, writeMessage } from '../protocol/codec.js'
import { includesVersion, type Schema, type SchemaMessage } from '../protocol/message.js'
import { MessageWriter } from '../protocol/message-writer.js'

/*
 * The form of keys and values in the internal topics of coordinators:
 *     bytes := version: int16, the fields of the schema in that version
 * In a key, the version is the type of the record.
 */

const versionBytes = 2
const writer = new MessageWriter()

export function encode<S extends Schema>(schema: S, version: number, message: SchemaMessage<S>): Uint8Array {
  writer.reset().int16(version)
  writeMessage(writer, schema, version, message)
  return writer.bytes().slice()
}

/**
 * Throws a `KafkaError` for bytes that are damaged, or of a version that the schema does not have.
 */
export function decode<S extends Schema>(schema: S, bytes: Uint8Array): SchemaMessage<S> {
  const version = versionOf(bytes)
  if (!includesVersion(schema.versions, version))
    throw new KafkaError('UNSUPPORTED_VERSION', `${schema.name} of version ${version} is newer than this library knows`)
  return decodeMessage(schema, version, bytes, versionBytes) as SchemaMessage<S>
}

/** -1 for bytes that have none. */
export function versionOf(bytes: Uint8Array): number {
  return bytes.length < versionBytes ? -1 : readInt16(bytes, 0)
}
