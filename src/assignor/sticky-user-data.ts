import { decodeMessage, encodeMessage } from '../protocol/codec.js'
import { array, int32, type Schema, type SchemaMessage, schema, string } from '../protocol/message.js'
import { compareText, type TopicPartition } from './assignor.js'
import { partitionsByTopic, topicPartitions } from './consumer-protocol.js'
import type { Claim } from './sticky-claims.js'

/**
 * The user data that the sticky assignors attach to a subscription. Neither says its version; the
 * length tells.
 *     sticky             := previousAssignment: [topic: string, [partition: int32]], generation: int32     (the first form had no generation)
 *     cooperative-sticky := generation: int32
 */
const stickySchema = schema({
  name: 'StickyAssignorUserData',
  versions: '0-1',
  flexible: 'none',
  fields: {
    previousAssignment: array({ topic: string(), partitions: array(int32()) }),
    generation: int32({ versions: '1+', default: -1 })
  }
})

const cooperativeSchema = schema({
  name: 'CooperativeStickyAssignorUserData',
  versions: '0',
  flexible: 'none',
  fields: { generation: int32() }
})

export function encodeStickyUserData(partitions: readonly TopicPartition[], generation: number): Uint8Array {
  const previousAssignment = partitionsByTopic(partitions).sort((a, b) => compareText(a.topic, b.topic))
  return encodeMessage(stickySchema, 1, { previousAssignment, generation })
}

/** Decodes a claim; bytes that cannot be read claim nothing. */
export function decodeStickyUserData(bytes: Uint8Array | null | undefined): Claim {
  if (!bytes || bytes.length === 0) return { partitions: [], generationId: null }
  const newest = decodeOrNull(stickySchema, 1, bytes)
  if (newest) return { partitions: topicPartitions(newest.previousAssignment), generationId: newest.generation ?? null }
  const oldest = decodeOrNull(stickySchema, 0, bytes)
  return oldest ? { partitions: topicPartitions(oldest.previousAssignment), generationId: null } : { partitions: [], generationId: -1 }
}

export function encodeCooperativeUserData(generation: number): Uint8Array {
  return encodeMessage(cooperativeSchema, 0, { generation })
}

/** The generation that the bytes name: `null` without bytes, -1 when they cannot be read. */
export function decodeCooperativeUserData(bytes: Uint8Array | null | undefined): number | null {
  if (!bytes) return null
  return decodeOrNull(cooperativeSchema, 0, bytes)?.generation ?? -1
}

function decodeOrNull<S extends Schema>(schema: S, version: number, bytes: Uint8Array): SchemaMessage<S> | null {
  try {
    return decodeMessage(schema, version, bytes) as SchemaMessage<S>
  } catch {
    return null
  }
}
