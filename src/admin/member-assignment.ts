import { decodeMessage } from '../protocol/codec.js'
import { array, int16, int32, schema, string } from '../protocol/message.js'

/** Partitions of one topic. */
export interface TopicPartitions {
  readonly topic: string
  readonly partitions: readonly number[]
}

/** The message of a group's leader to each member: the part that all versions share. */
const MemberAssignment = schema({
  name: 'MemberAssignment',
  versions: '0',
  flexible: 'none',
  fields: { version: int16(), assignedPartitions: array({ topic: string(), partitions: array(int32()) }) }
})

/**
 * The partitions that a member of a group of consumers was assigned; none while the group has not
 * agreed on them.
 */
export function assignmentIn(bytes: Uint8Array): TopicPartitions[] {
  return bytes.length === 0 ? [] : decodeMessage(MemberAssignment, 0, bytes).assignedPartitions
}
