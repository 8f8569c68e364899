import type { Api } from '../protocol/message.js'
import { includesVersion } from '../protocol/message.js'
import type { MessageReader } from '../protocol/message-reader.js'
import { MessageWriter } from '../protocol/message-writer.js'

/**
 * The headers before every message on a socket:
 *     request  := apiKey: int16, apiVersion: int16, correlationId: int32, clientId: nullable string (int16 length, in every version), [tagged]
 *     response := correlationId: int32, [tagged]
 * The tagged section is there when the version of the API is flexible, except before ApiVersions
 * responses, which never have it: a client has to read that response before it knows what the
 * broker speaks.
 */
export interface RequestHeader {
  readonly apiKey: number
  readonly apiVersion: number
  readonly correlationId: number
  readonly clientId: string | null
}

export const apiVersionsKey = 18

/** The part of a request header that can be read without knowing the API. */
export function readRequestHeader(reader: MessageReader): RequestHeader {
  const apiKey = reader.int16()
  const apiVersion = reader.int16()
  const correlationId = reader.int32()
  const length = reader.int16()
  return { apiKey, apiVersion, correlationId, clientId: length < 0 ? null : reader.text(length) }
}

/** Passes over the tagged section that ends the header of a flexible request or response. */
export function skipTagged(reader: MessageReader): void {
  const count = reader.uvarint()
  reader.expectElements(count)
  for (let i = 0; i < count; i++) {
    reader.uvarint()
    reader.position = reader.positionAfter(reader.uvarint())
  }
}

/** A frame that begins with a request header; the message is written behind it. */
export function beginRequest(api: Api, version: number, correlationId: number, clientId: string): MessageWriter {
  const writer = new MessageWriter()
  writer.int32(0)
  writer.int16(api.key)
  writer.int16(version)
  writer.int32(correlationId)
  writer.text(clientId, false)
  if (includesVersion(api.flexible, version)) writer.int8(0)
  return writer
}

/** A frame that begins with a response header; the message is written behind it. */
export function beginResponse(api: Api, version: number, correlationId: number): MessageWriter {
  const writer = new MessageWriter()
  writer.int32(0)
  writer.int32(correlationId)
  if (hasTaggedResponseHeader(api, version)) writer.int8(0)
  return writer
}

export function hasTaggedResponseHeader(api: Api, version: number): boolean {
  return api.key !== apiVersionsKey && includesVersion(api.flexible, version)
}

/** The pieces of a frame that is complete: its size is written in front. */
export function endFrame(writer: MessageWriter): Uint8Array[] {
  writer.setFirstInt32(writer.length - 4)
  return writer.slices()
}
