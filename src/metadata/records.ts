import { KafkaError } from '../errors.js'
import { readMessage, writeMessage } from '../protocol/codec.js'
import {
  array,
  bool,
  bytes,
  float64,
  includesVersion,
  int8,
  int16,
  int32,
  int64,
  type Schema,
  type SchemaMessage,
  schema,
  string,
  uuid
} from '../protocol/message.js'
import { MessageReader } from '../protocol/message-reader.js'
import { MessageWriter } from '../protocol/message-writer.js'
import { quotaEntity } from '../protocol/messages/client-quota-fields.js'

/** A topic came into being. */
const TopicRecord = schema({
  name: 'TopicRecord',
  versions: '0',
  flexible: '0+',
  fields: { name: string(), topicId: uuid() }
})

/** A partition came into being. */
const PartitionRecord = schema({
  name: 'PartitionRecord',
  versions: '0-2',
  flexible: '0+',
  fields: {
    partitionId: int32({ default: -1 }),
    topicId: uuid(),
    replicas: array(int32()),
    isr: array(int32()),
    removingReplicas: array(int32(), { default: [] }),
    addingReplicas: array(int32(), { default: [] }),
    leader: int32({ default: -1 }),
    leaderRecoveryState: int8({ default: 0, tag: 0 }),
    leaderEpoch: int32({ default: -1 }),
    partitionEpoch: int32({ default: -1 }),
    directories: array(uuid(), { versions: '1+', default: [] }),
    eligibleLeaderReplicas: array(int32(), { versions: '2+', nullable: '2+', default: null, tag: 1 }),
    lastKnownElr: array(int32(), { versions: '2+', nullable: '2+', default: null, tag: 2 })
  }
})

/**
 * A partition has another leader, or other replicas; absent fields have not changed. A leader makes
 * its epoch grow by one.
 */
const PartitionChangeRecord = schema({
  name: 'PartitionChangeRecord',
  versions: '0-2',
  flexible: '0+',
  fields: {
    partitionId: int32({ default: -1 }),
    topicId: uuid(),
    isr: array(int32(), { nullable: '0+', default: null, tag: 0 }),
    leader: int32({ default: -2, tag: 1 }),
    replicas: array(int32(), { nullable: '0+', default: null, tag: 2 })
  }
})

/** A config was set, or, with the value null, unset. */
const ConfigRecord = schema({
  name: 'ConfigRecord',
  versions: '0',
  flexible: '0+',
  fields: { resourceType: int8(), resourceName: string(), name: string(), value: string({ nullable: '0+' }) }
})

/** A topic, its partitions and its configs are gone. */
const RemoveTopicRecord = schema({
  name: 'RemoveTopicRecord',
  versions: '0',
  flexible: '0+',
  fields: { topicId: uuid() }
})

/** The features that a reader of the log needs. */
const FeatureLevelRecord = schema({
  name: 'FeatureLevelRecord',
  versions: '0',
  flexible: '0+',
  fields: { name: string(), featureLevel: int16() }
})

/** A broker took producer ids: all below `nextProducerId` are taken. */
const ProducerIdsRecord = schema({
  name: 'ProducerIdsRecord',
  versions: '0',
  flexible: '0+',
  fields: { brokerId: int32(), brokerEpoch: int64({ default: -1 }), nextProducerId: int64() }
})

/** A user may come in who knows the password that these keys were made from. */
const UserScramCredentialRecord = schema({
  name: 'UserScramCredentialRecord',
  versions: '0',
  flexible: '0+',
  fields: { name: string(), mechanism: int8(), salt: bytes(), storedKey: bytes(), serverKey: bytes(), iterations: int32() }
})

/** A user may no longer come in that way. */
const RemoveUserScramCredentialRecord = schema({
  name: 'RemoveUserScramCredentialRecord',
  versions: '0',
  flexible: '0+',
  fields: { name: string(), mechanism: int8() }
})

/** An ACL allows or forbids something. */
const AccessControlEntryRecord = schema({
  name: 'AccessControlEntryRecord',
  versions: '0',
  flexible: '0+',
  fields: {
    id: uuid(),
    resourceType: int8(),
    resourceName: string(),
    patternType: int8(),
    principal: string(),
    host: string(),
    operation: int8(),
    permissionType: int8()
  }
})

/** An ACL is gone. */
const RemoveAccessControlEntryRecord = schema({
  name: 'RemoveAccessControlEntryRecord',
  versions: '0',
  flexible: '0+',
  fields: { id: uuid() }
})

/** A quota was set for clients, or taken back. */
const ClientQuotaRecord = schema({
  name: 'ClientQuotaRecord',
  versions: '0',
  flexible: '0+',
  fields: { entity: array(quotaEntity), key: string(), value: float64(), remove: bool() }
})

/** The records of `__cluster_metadata`, as objects. */
export type MetadataRecord =
  | ({ readonly type: 'topic' } & SchemaMessage<typeof TopicRecord>)
  | ({ readonly type: 'partition' } & SchemaMessage<typeof PartitionRecord>)
  | ({ readonly type: 'partitionChange' } & SchemaMessage<typeof PartitionChangeRecord>)
  | ({ readonly type: 'config' } & SchemaMessage<typeof ConfigRecord>)
  | ({ readonly type: 'removeTopic' } & SchemaMessage<typeof RemoveTopicRecord>)
  | ({ readonly type: 'featureLevel' } & SchemaMessage<typeof FeatureLevelRecord>)
  | ({ readonly type: 'producerIds' } & SchemaMessage<typeof ProducerIdsRecord>)
  | ({ readonly type: 'userScramCredential' } & SchemaMessage<typeof UserScramCredentialRecord>)
  | ({ readonly type: 'removeUserScramCredential' } & SchemaMessage<typeof RemoveUserScramCredentialRecord>)
  | ({ readonly type: 'clientQuota' } & SchemaMessage<typeof ClientQuotaRecord>)
  | ({ readonly type: 'acl' } & SchemaMessage<typeof AccessControlEntryRecord>)
  | ({ readonly type: 'removeAcl' } & SchemaMessage<typeof RemoveAccessControlEntryRecord>)

const schemas: Record<MetadataRecord['type'], { readonly apiKey: number; readonly schema: Schema }> = {
  topic: { apiKey: 2, schema: TopicRecord },
  partition: { apiKey: 3, schema: PartitionRecord },
  config: { apiKey: 4, schema: ConfigRecord },
  partitionChange: { apiKey: 5, schema: PartitionChangeRecord },
  removeTopic: { apiKey: 9, schema: RemoveTopicRecord },
  userScramCredential: { apiKey: 11, schema: UserScramCredentialRecord },
  featureLevel: { apiKey: 12, schema: FeatureLevelRecord },
  clientQuota: { apiKey: 14, schema: ClientQuotaRecord },
  producerIds: { apiKey: 15, schema: ProducerIdsRecord },
  acl: { apiKey: 18, schema: AccessControlEntryRecord },
  removeAcl: { apiKey: 19, schema: RemoveAccessControlEntryRecord },
  removeUserScramCredential: { apiKey: 22, schema: RemoveUserScramCredentialRecord }
}

const typesByKey = new Map((Object.keys(schemas) as MetadataRecord['type'][]).map(type => [schemas[type].apiKey, type]))

const frameVersion = 1
const recordVersion = 0
const writer = new MessageWriter()

/**
 * A record as it stands in the value of a record of `__cluster_metadata`:
 *     value := frameVersion: uvarint (1), apiKey: uvarint, version: uvarint, body
 */
export function encodeMetadataRecord(record: MetadataRecord): Uint8Array {
  const { apiKey, schema } = schemas[record.type]
  writer.reset().uvarint(frameVersion)
  writer.uvarint(apiKey)
  writer.uvarint(recordVersion)
  writeMessage(writer, schema, recordVersion, record)
  return writer.bytes().slice()
}

/**
 * Records of a Kafka cluster that a single node passes over: registrations of brokers and
 * controllers (0, 1, 7, 8, 17, 27, 28), tokens (10, 26), the begin and end of a transaction of
 * metadata (23, 24), and records without effect (20, 21).
 */
const passedOver: ReadonlySet<number> = new Set([0, 1, 7, 8, 10, 17, 20, 21, 23, 24, 26, 27, 28])

/**
 * Undefined for a record that does not matter here. Throws INVALID_RECORD for bytes that are none
 * that Kafka writes, or take something back (25): state that was only half understood must not be
 * built upon.
 */
export function decodeMetadataRecord(value: Uint8Array): MetadataRecord | undefined {
  const reader = new MessageReader(value)
  const frame = reader.uvarint()
  const apiKey = reader.uvarint()
  const version = reader.uvarint()
  if (frame === frameVersion && passedOver.has(apiKey)) return undefined
  const type = typesByKey.get(apiKey)
  if (frame !== frameVersion || !type || !includesVersion(schemas[type].schema.versions, version))
    throw new KafkaError('INVALID_RECORD', `Metadata record ${apiKey} in version ${version} (frame ${frame}) is not known here`)
  return { type, ...readMessage(reader, schemas[type].schema, version) } as MetadataRecord
}
