import type { StateRecord } from '../../common/state-machine.js'
import { zeroUuid } from '../../common/uuid.js'
import { array, bytes, int32, int64, schema, string, uuid } from '../../protocol/message.js'
import { decode, encode, versionOf } from '../record-codec.js'

/**
 * The records of `__consumer_offsets`, as Kafka writes them:
 *     key   := type: int16, its fields           (0 and 1: a committed offset; 2: a group)
 *     value := version: int16, its fields        (no value: what the key names is deleted)
 * Keys of other types belong to other kinds of groups and are passed over.
 */
const offsetKey = schema({
  name: 'OffsetCommitKey',
  versions: '0-1',
  flexible: 'none',
  fields: { group: string(), topic: string(), partition: int32() }
})

const offsetValue = schema({
  name: 'OffsetCommitValue',
  versions: '0-4',
  flexible: '4+',
  fields: {
    offset: int64(),
    leaderEpoch: int32({ versions: '3+', default: -1 }),
    metadata: string(),
    commitTimestamp: int64(),
    expireTimestamp: int64({ versions: '1', default: -1 }),
    topicId: uuid({ versions: '4+', tag: 0, default: zeroUuid })
  }
})

const groupKey = schema({ name: 'GroupMetadataKey', versions: '2', flexible: 'none', fields: { group: string() } })

const groupValue = schema({
  name: 'GroupMetadataValue',
  versions: '0-4',
  flexible: '4+',
  fields: {
    protocolType: string(),
    generation: int32(),
    protocol: string({ nullable: '0+' }),
    leader: string({ nullable: '0+' }),
    currentStateTimestamp: int64({ versions: '2+', default: -1 }),
    members: array({
      memberId: string(),
      groupInstanceId: string({ versions: '3+', nullable: '3+', default: null }),
      clientId: string(),
      clientHost: string(),
      rebalanceTimeout: int32({ versions: '1+', default: -1 }),
      sessionTimeout: int32(),
      subscription: bytes(),
      assignment: bytes()
    })
  }
})

const keyType = { oldOffset: 0, offset: 1, group: 2 } as const
/** The first version with the id of the topic; the newest that Kafka writes. */
const offsetVersionWithTopicId = 4
const offsetVersion = 3
/**
 * The only version with a time of its own at which the offset expires; asked for by OffsetCommit up
 * to version 4.
 */
const expiringOffsetVersion = 1
const newestGroupVersion = 3

/** The committed offset of a group in one partition. */
export interface StoredOffset {
  readonly offset: number
  /** -1 when it was not given. */
  readonly leaderEpoch: number
  readonly metadata: string
  readonly commitTimestamp: number
  /**
   * The time at which it lapses, in milliseconds since 1970; -1 when that follows from the group's
   * retention.
   */
  readonly expireTimestamp: number
  /**
   * The topic that it was committed for; `zeroUuid` where that is not known. Another topic of the
   * same name does not inherit it.
   */
  readonly topicId: string
}

/** The stored state of a group. */
export interface GroupMetadata {
  readonly protocolType: string | null
  readonly generationId: number
  readonly protocolName: string | null
  readonly leaderId: string | null
  /**
   * The time at which the group came into its state, in milliseconds since 1970; -1 when that is
   * not known.
   */
  readonly stateTimestamp: number
  readonly members: readonly MemberMetadata[]
}

export interface MemberMetadata {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly rebalanceTimeoutMs: number
  readonly sessionTimeoutMs: number
  /** The metadata that the member gave for the chosen protocol. */
  readonly subscription: Uint8Array
  readonly assignment: Uint8Array
}

export type GroupRecord =
  | {
      readonly type: 'offset'
      readonly groupId: string
      readonly topic: string
      readonly partition: number
      readonly value: StoredOffset | null
    }
  | { readonly type: 'group'; readonly groupId: string; readonly value: GroupMetadata | null }

export function offsetRecord(groupId: string, topic: string, partition: number, value: StoredOffset | null): StateRecord {
  const key = encode(offsetKey, keyType.offset, { group: groupId, topic, partition })
  if (!value) return { key, value: null }
  const version = value.topicId === zeroUuid ? offsetVersion : offsetVersionWithTopicId
  return { key, value: encode(offsetValue, value.expireTimestamp >= 0 ? expiringOffsetVersion : version, value) }
}

export function groupRecord(groupId: string, group: GroupMetadata | null): StateRecord {
  const key = encode(groupKey, keyType.group, { group: groupId })
  if (!group) return { key, value: null }
  const value = encode(groupValue, newestGroupVersion, {
    protocolType: group.protocolType ?? '',
    generation: group.generationId,
    protocol: group.protocolName,
    leader: group.leaderId,
    currentStateTimestamp: group.stateTimestamp,
    members: group.members.map(({ rebalanceTimeoutMs, sessionTimeoutMs, ...member }) => ({
      ...member,
      rebalanceTimeout: rebalanceTimeoutMs,
      sessionTimeout: sessionTimeoutMs
    }))
  })
  return { key, value }
}

/**
 * Decodes a record; undefined for a type that is not for us. Throws a `KafkaError` when it is
 * damaged or too new.
 */
export function readGroupRecord(record: StateRecord): GroupRecord | undefined {
  if (!record.key) return undefined
  const type = versionOf(record.key)
  if (type === keyType.offset || type === keyType.oldOffset) {
    const { group: groupId, topic, partition } = decode(offsetKey, record.key)
    return { type: 'offset', groupId, topic, partition, value: record.value && readOffset(record.value) }
  }
  if (type === keyType.group) {
    const { group: groupId } = decode(groupKey, record.key)
    return { type: 'group', groupId, value: record.value && readGroup(record.value) }
  }
  return undefined
}

function readOffset(value: Uint8Array): StoredOffset {
  const { offset, leaderEpoch = -1, metadata, commitTimestamp, expireTimestamp = -1, topicId = zeroUuid } = decode(offsetValue, value)
  return { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp, topicId }
}

function readGroup(value: Uint8Array): GroupMetadata {
  const { protocolType, generation, protocol, leader, currentStateTimestamp = -1, members } = decode(groupValue, value)
  return {
    protocolType: protocolType || null,
    generationId: generation,
    protocolName: protocol,
    leaderId: leader,
    stateTimestamp: currentStateTimestamp,
    members: members.map(({ rebalanceTimeout = -1, sessionTimeout, groupInstanceId = null, ...member }) => ({
      ...member,
      groupInstanceId,
      // The record is only borrowed.
      subscription: new Uint8Array(member.subscription),
      assignment: new Uint8Array(member.assignment),
      rebalanceTimeoutMs: rebalanceTimeout < 0 ? sessionTimeout : rebalanceTimeout,
      sessionTimeoutMs: sessionTimeout
    }))
  }
}
