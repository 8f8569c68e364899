import { concatBytes } from '../../../../src/common/bytes.js'
import { crc32c } from '../../../../src/common/crc32c.js'
import { type Random, randomInteger } from '../../../../src/common/random.js'
import { apis } from '../../../../src/protocol/apis.js'
import { type Api, type Field, type Fields, includesVersion } from '../../../../src/protocol/message.js'
import { RecordBatch } from '../../../../src/record/record-batch.js'
import { drawFault, type Fault } from './frames.js'

/** One request, in words that both sides can resolve: `id:orders` stands for the id that the topic has there. */
export interface Question {
  readonly api: Api
  readonly version: number
  readonly body: Record<string, unknown>
  readonly clientId: string | null
  readonly fault?: Fault
}

/*
 * Left out, since the real Kafka fails there in ways of its own:
 *   isolation levels other than 0 and 1 (UNKNOWN_SERVER_ERROR for the partition);
 *   records that are null, and batches of a magic or codec that there is not (all partitions of the request fail, or no
 *     answer comes);
 *   a partition that a Produce request names twice, with different batches (one is answered, the other appended);
 *   resources that an AlterConfigs request names twice, or of types that there are not (no answer);
 *   negative limits of bytes in Fetch (UNKNOWN_SERVER_ERROR where there are records);
 *   features that an UpdateFeatures request names twice (all are said to be updated);
 *   a topic whose id is zero in Fetch (UNKNOWN_SERVER_ERROR);
 *   a commit that stores nothing, to a group that there is not (the group is listed all the same);
 *   a join that names a protocol twice (UNKNOWN_SERVER_ERROR, and no later join is answered);
 *   a name without a character in DescribeTopicPartitions (UNKNOWN_SERVER_ERROR for all topics);
 *   a join without protocols to a group that there is not (the group is listed all the same).
 * Left out, since the two differ there from the start: what changes, configures or reads `__consumer_offsets`.
 */

/** The APIs that are asked, the more often the larger the number. Transactions are an own subject. */
const weights: Readonly<Record<string, number>> = {
  Produce: 8,
  Fetch: 8,
  ListOffsets: 4,
  Metadata: 5,
  CreateTopics: 8,
  DeleteTopics: 5,
  DeleteRecords: 3,
  OffsetForLeaderEpoch: 3,
  DescribeConfigs: 4,
  AlterConfigs: 4,
  CreatePartitions: 4,
  IncrementalAlterConfigs: 5,
  DescribeCluster: 2,
  FindCoordinator: 2,
  JoinGroup: 5,
  SyncGroup: 3,
  Heartbeat: 3,
  LeaveGroup: 3,
  OffsetCommit: 5,
  OffsetFetch: 5,
  OffsetDelete: 4,
  DescribeGroups: 3,
  ListGroups: 2,
  DeleteGroups: 3,
  DescribeLogDirs: 2,
  DescribeTopicPartitions: 3,
  ListConfigResources: 2,
  DescribeUserScramCredentials: 2,
  AlterUserScramCredentials: 3,
  DescribeAcls: 3,
  CreateAcls: 3,
  DeleteAcls: 3,
  AlterPartitionReassignments: 3,
  AlterReplicaLogDirs: 2,
  DescribeQuorum: 2,
  ElectLeaders: 3,
  ListPartitionReassignments: 2,
  UpdateFeatures: 2,
  ApiVersions: 1,
  SaslHandshake: 1,
  SaslAuthenticate: 1
}

const candidates = apis.flatMap(api => Array.from({ length: weights[api.name] ?? 0 }, () => api))

/** Requests that change nothing: a wrong length in one makes no other request of it. */
const readOnly = /^(ListOffsets|Metadata|OffsetForLeaderEpoch|Describe|FindCoordinator|OffsetFetch|List|ApiVersions|Heartbeat)/

const stable = ['orders', 'orders', 'users', 'empty']
const volatile = ['v1', 'v2', 'v.3']
const odd = ['nobody', 'b@d', '', '..', 'x'.repeat(250), 'v_3']
const topics = [...stable, ...stable, ...volatile, 'nobody', ...odd, '__consumer_offsets']
const ids = [...stable, ...volatile, 'nobody', 'none'].map(name => `id:${name}`)
const groups = ['readers', 'readers', 'writers', 'live', 'fixed', 'nobody', '']
const partitions = [0, 0, 0, 1, 2, 9, -1, 2 ** 31 - 1, -(2 ** 31)]
const epochs = [-1, -1, -1, 0, 0, 1, 2 ** 31 - 1, -2]
const huge = [9223372036854775807n, -9223372036854775808n]
const offsets = [0, 1, 2, 5, 7, 8, 100, -1, -2, ...huge]

/** The values that each topic config is given: some that fit, and some that do not. */
const configValues: Readonly<Record<string, readonly (string | null)[]>> = {
  'retention.ms': ['100000', '-1', '-2', 'x', '', null, ' 5000000 ', '9223372036854775807', '9223372036854775808', '1.5', '0x10'],
  'retention.bytes': ['-1', '1000000', '-2', 'NaN'],
  'cleanup.policy': ['compact', 'delete', 'compact,delete', 'delete,compact', 'x', '', 'delete,delete', null, 'Compact', ' delete '],
  'segment.bytes': ['1048576', '2000000', '1000', '-1', '2147483648', ''],
  'segment.ms': ['1', '0', '-1', '604800000'],
  'max.message.bytes': ['1000', '0', '-1', '1048588', '2147483648'],
  'min.insync.replicas': ['1', '2', '0', '-1'],
  'compression.type': ['gzip', 'producer', 'uncompressed', 'brotli', 'GZIP'],
  'compression.gzip.level': ['1', '9', '-1', '0', '10'],
  'message.timestamp.type': ['CreateTime', 'LogAppendTime', 'x'],
  'message.timestamp.before.max.ms': ['1000', '-1', '9223372036854775807'],
  'flush.messages': ['1', '0', '100', '-1'],
  'delete.retention.ms': ['0', '-1', '100'],
  'min.cleanable.dirty.ratio': ['0.5', '1', '1.1', '-0.1', 'x', '1e-1'],
  'min.compaction.lag.ms': ['0', '1000', '-1'],
  'max.compaction.lag.ms': ['1', '0', '9223372036854775807'],
  'unclean.leader.election.enable': ['true', 'false', 'TRUE', 'yes', ''],
  preallocate: ['true', 'false', '1'],
  'remote.storage.enable': ['false'],
  'leader.replication.throttled.replicas': ['*', '0:1', '0:1,1:1', 'x', '', 'none'],
  'segment.jitter.ms': ['0', '-1', '100'],
  'index.interval.bytes': ['4096', '-1', '0'],
  'file.delete.delay.ms': ['0', '60000', '-1'],
  'no.such': ['1', '', null]
}
const configNames = Object.keys(configValues)

/** What may stand in a field, by its path, which begins with the API; the first that fits counts. */
const pools: readonly [path: RegExp, values: readonly unknown[]][] = [
  [/^Produce\.transactionalId$/, [null, null, null, 'tx']],
  [/^Produce\.acks$/, [-1, 1, -1, 1, -1, 1, 0, 2, -2]],
  [/^SaslHandshake\.mechanism$/, ['PLAIN', 'x', '']],
  [/^CreateTopics\.topics\.name$/, [...volatile, ...volatile, ...volatile, ...odd, 'orders', '__consumer_offsets']],
  [/^DeleteTopics\..*(name|topicNames)$/, [...volatile, ...volatile, ...volatile, ...odd]],
  [/^DeleteTopics.*topicId$/, ['id:v1', 'id:v2', 'id:v.3', 'id:nobody', 'id:none', 'id:none']],
  [/^CreateTopics.*numPartitions$/, [1, 2, 3, -1, 0, -2, 1]],
  [/^CreatePartitions.*name$/, [...volatile, ...volatile, 'nobody', 'b@d', '', 'orders']],
  [/^CreatePartitions.*count$/, [1, 2, 3, 4, 0, -1]],
  [/replicationFactor$/, [1, 1, 1, -1, -1, 2, 0, -2]],
  [/brokerIds$/, [1, 1, 1, 7, -1]],
  [/^AlterPartitionReassignments.*replicas$/, [1, 1, 1, 7, -1]],
  [/^AlterReplicaLogDirs.*path$/, ['/no/such', 'relative', '']],
  [/^(Create|Alter|Incremental).*configs\.name$|^DescribeConfigs.*configurationKeys$/, configNames],
  [/^AlterConfigs.*resourceName$|^IncrementalAlterConfigs.*resourceName$/, [...volatile, ...volatile, 'orders', ...odd]],
  [/configOperation$/, [0, 0, 0, 1, 2, 3, 4, -1]],
  [/resourceName$/, [...stable, ...stable, ...volatile, ...odd, 'readers', '1', '7', 'x']],
  [/Configs.*resourceType$/, [2, 2, 2, 2, 2, 2, 2, 2, 2, 0, 3, 5, 7]],
  [/^ListConfigResources.*resourceTypes$/, [2, 4, 8, 16, 32, 7, 0, -1]],
  [
    /^DescribeAcls.*(Name|principal|host)Filter$|^DeleteAcls.*(Name|principal|host)Filter$/,
    [null, 'acl-a', 'acl-ab', '*', 'User:ann', '10.0.0.1', '']
  ],
  [/^(CreateAcls).*principal$/, ['User:ann', 'User:bob', 'User:*', 'ann', '', 'Group:x', 'User:']],
  [/^(CreateAcls).*host$/, ['*', '10.0.0.1', '', 'host']],
  [/^CreateAcls.*resourceName$/, ['acl-a', 'acl-ab', '*', '', 'kafka-cluster']],
  [/Acls.*(resourceType|resourceTypeFilter)$/, [2, 2, 2, 3, 4, 5, 1, 0, 9, -1]],
  [/Acls.*(resourcePatternType|patternTypeFilter)$/, [3, 3, 3, 4, 4, 1, 2, 0, 5]],
  [/Acls.*operation$/, [1, 2, 3, 4, 8, 11, 0, 20, 3]],
  [/Acls.*permissionType$/, [1, 2, 3, 3, 0, 4]],
  [/^(Describe|Alter)UserScram.*name$/, ['ann', 'bob', 'nobody', '']],
  [/^AlterUserScram.*mechanism$/, [1, 2, 1, 2, 0, 3, -1]],
  [/^AlterUserScram.*iterations$/, [4096, 8192, 16384, 16385, 0, -1, 4095]],
  [/^FindCoordinator.*keyType$/, [0, 0, 0, 9, -1]],
  [/^FindCoordinator.*(key|coordinatorKeys)$/, groups],
  [/^DescribeCluster.*endpointType$/, [1, 1, 2, 0, 3]],
  [/^DescribeQuorum.*topicName$/, ['__cluster_metadata', '__cluster_metadata', 'orders', 'nobody']],
  [/^DescribeQuorum.*partitionIndex$/, [0, 0, 1]],
  [/^UpdateFeatures.*feature$/, ['metadata.version', 'no.such', 'metadata.version']],
  [/^UpdateFeatures.*maxVersionLevel$/, [30, 30, 1000, 0, -1]],
  [/^UpdateFeatures.*upgradeType$/, [1, 1, 2, 3, 0, 4]],
  [/^UpdateFeatures.*validateOnly$/, [true]],
  [/^ListGroups.*statesFilter$/, ['Stable', 'Empty', 'stable', 'Dead', 'x', '']],
  [/^ListGroups.*typesFilter$/, ['classic', 'Classic', 'consumer', 'x', '']],
  [/^(Fetch|ListOffsets|OffsetForLeaderEpoch)\.topics\.(name|topic)$/, [...stable, ...stable, ...volatile, ...odd]],
  [/^DescribeTopicPartitions\..*name$/i, [...stable, ...stable, ...volatile, ...odd.filter(Boolean), '__consumer_offsets']],
  [/topicId$/i, ids],
  [/^(?!.*(group|Group)).*(\.topic|topicName|Topics\.name|topics\.name|topicData\.name|topicPartitions\.topic)$/, topics],
  [/topics\.name$/, topics],
  [/members\.groupInstanceId$|groupInstanceId$/, [null, null, null, 'i1', 'i2', '']],
  [/^DeleteGroups.*groupsNames$/, ['writers', 'writers', 'nobody', '', 'live']],
  [/^OffsetDelete.*groupId$/, ['readers', 'writers', 'live', 'nobody', '', 'fixed']],
  [/^OffsetCommit.*groupId$/, ['readers', 'writers', 'writers', 'live', 'fixed', '']],
  [/^JoinGroup.*groupId$/, ['solo', 'solo', 'live', 'fixed', 'readers', 'writers', '']],
  [/^JoinGroup.*sessionTimeoutMs$/, [30_000, 30_000, 30_000, 1_800_000, 10, -1, 2_000_000]],
  [/^JoinGroup.*rebalanceTimeoutMs$/, [30_000, 30_000, 30_000, 1000]],
  [/protocolType$/, ['consumer', 'consumer', 'consumer', 'consumer', 'connect', '']],
  [/protocolName$/, ['range', 'range', 'range', 'roundrobin', '']],
  [/^JoinGroup\.protocols\.name$/, ['range', 'range', 'roundrobin', '']],
  [/groupId$|groups$/, groups],
  [/^JoinGroup\.memberId$/, ['', '', 'm', 'member:live', 'member:fixed']],
  [/memberId$/, ['', 'm', 'member:live', 'member:live', 'member:fixed']],
  [/memberEpoch$/, [-1, -1, 0, 1]],
  [/generationId/, ['generation:live', 'generation:live', 'generation:fixed', -1, 0, 1, 2 ** 31 - 1, -2]],
  [/retentionTimeMs$/, [-1, -1, 1_000_000, 0]],
  [/committedMetadata$/, ['', 'm', null, 'x'.repeat(4096), 'x'.repeat(4097)]],
  [/^DescribeTopicPartitions.*partitionIndex$/, [0, 1, 5, -1]],
  [/partition(s|Index|Indexes|Id)?$|partitionData\.index$/, partitions],
  [/electionType$/, [0, 0, 1, 1, 5, -1]],
  [/maxWaitMs$/, [0, 0, 1, 20, -1]],
  [/minBytes$/, [0, 1, 1, 1_000_000, -1]],
  [/maxBytes$|partitionMaxBytes$/i, [1000, 1_000_000, 100, 1, 0, 2 ** 31 - 1]],
  [/^Fetch.*logStartOffset$/, [-1, 0, 5]],
  [/^Fetch.*highWatermark$/, [undefined, undefined, 0, -1]],
  [/^Fetch.*replicaDirectoryId$/, [undefined]],
  [/^Fetch.*clusterId$/, [undefined, undefined, undefined, 'x']],
  [/timeoutMs$/i, [5000, 5000, 1000]],
  [/fetchOffset$|\.offset$|committedOffset$/, offsets],
  [/^ListOffsets.*timestamp$/, [-1, -2, -3, -4, -5, -6, -7, 0, 5, 1_700_000_000_000, 1_700_000_000_001, 4_000_000_000_000, ...huge]],
  [/isolationLevel$/, [0, 1]],
  [/sessionEpoch$/, [-1, -1, -1, 0, 0, 1, 2, -2, 2 ** 31 - 1]],
  [/sessionId$/, [0, 0, 0, 'session', 'session', 12345]],
  [/replicaId$/, [-1, -1, -1, -1, -1, -2]],
  [/allowAutoTopicCreation$|allowReplicationFactorChange$/, [false, true]],
  [/Epoch$/i, epochs],
  [/responsePartitionLimit$/, [1, 2, 2000, 0, -1]]
]

const faultRate = 0.15
const wrongVersionRate = 0.02

export function drawQuestion(random: Random, brokerVersions: ReadonlyMap<number, { min: number; max: number }>): Question {
  const api = oneOf(random, candidates)
  const theirs = brokerVersions.get(api.key)!
  const [min, max] = [Math.max(api.versions.min, theirs.min), Math.min(api.versions.max, theirs.max)]
  const isWrong = random.next() < wrongVersionRate
  const version = isWrong ? oneOf(random, [Math.max(api.versions.max, theirs.max) + 1, -1, 99]) : min + randomInteger(random, max - min + 1)
  const shape = Math.min(max, Math.max(min, version))
  const body = fitted(random, api.name, shape, messageOf(random, api.request.fields, shape, api.name))
  const question = { api, version, body, clientId: oneOf(random, ['raw', 'raw', 'raw', '', null]) }
  if (isWrong || random.next() >= faultRate) return question
  const fault = drawFault(random)
  return fault.kind === 'length' && !readOnly.test(api.name) ? question : { ...question, fault }
}

function oneOf<T>(random: Random, all: readonly T[]): T {
  return all[randomInteger(random, all.length)]
}

function messageOf(random: Random, fields: Fields, version: number, path: string): Record<string, unknown> {
  const present = Object.entries(fields).filter(([, field]) => includesVersion(field.versions, version))
  const message: Record<string, unknown> = {}
  for (const [name, field] of present) message[name] = drawn(random, field, version, `${path}.${name}`)
  // A config gets a value that is meant for it, most of the time.
  if (typeof message.name === 'string' && 'value' in message && random.next() < 0.9)
    message.value = oneOf(random, configValues[message.name] ?? ['1'])
  return message
}

function drawn(random: Random, field: Field, version: number, path: string): unknown {
  const isNullable = includesVersion(field.nullable, version)
  const pool = pools.find(([pattern]) => pattern.test(path))?.[1]
  switch (field.kind) {
    case 'array':
      if (isNullable && random.next() < 0.15) return null
      return arrayOf(random, field.element as Field, version, path)
    case 'struct':
      if (/replicaState$/.test(path)) return undefined
      if (isNullable && random.next() < 0.6) return null
      return messageOf(random, field.fields as Fields, version, path)
    case 'bool':
      return pool ? oneOf(random, pool) : random.next() < 0.5
    case 'string': {
      const value = pool ? oneOf(random, pool) : ''
      return value === null && !isNullable ? '' : isNullable && random.next() < 0.05 ? null : value
    }
    case 'uuid':
      return pool ? oneOf(random, pool) : 'id:none'
    case 'bytes':
      return new Uint8Array(oneOf(random, [0, 0, 4, 32, 64]))
    case 'records':
      return drawRecords(random)
    default:
      return pool ? oneOf(random, pool) : field.default
  }
}

function arrayOf(random: Random, element: Field, version: number, path: string): unknown[] {
  const length = oneOf(random, [0, 1, 1, 1, 1, 2, 2, 3])
  const elements = Array.from({ length }, () => drawn(random, element, version, path))
  if (length > 1 && random.next() < 0.2) elements[1] = elements[0]
  return elements
}

/** Members that would make others wait are left out: they would make the test wait as well. */
function fitted(random: Random, name: string, version: number, body: Record<string, unknown>): Record<string, unknown> {
  if (name === 'CreateTopics' || name === 'CreatePartitions') {
    // Assignments are the exception.
    for (const topic of body.topics as Record<string, unknown>[]) {
      const isAssigned = random.next() < 0.15
      if (!isAssigned) topic.assignments = name === 'CreateTopics' ? [] : null
      else if (name === 'CreateTopics' && random.next() < 0.8) Object.assign(topic, { numPartitions: -1, replicationFactor: -1 })
      if (isAssigned && name === 'CreateTopics')
        for (const [i, each] of (topic.assignments as Record<string, unknown>[]).entries()) if (random.next() < 0.8) each.partitionIndex = i
    }
  }
  if (name === 'Fetch')
    for (const topic of [body.topics, body.forgottenTopicsData ?? []].flat() as Record<string, unknown>[])
      if (topic.topicId === 'id:none') topic.topicId = 'id:nobody'
  // Kafka then changes none of the other resources either, and we do: later answers would differ.
  if (name === 'IncrementalAlterConfigs') body.resources = strangeResource(body.resources as ConfigResource[]) ?? body.resources
  if (name === 'Produce') withSameBatches(body.topicData as ProducedTopic[])
  const each = name === 'AlterConfigs' ? 'resources' : name === 'UpdateFeatures' ? 'featureUpdates' : undefined
  if (each) {
    const nameOf = ({ resourceType, resourceName, feature }: Record<string, unknown>) => `${resourceType} ${resourceName} ${feature}`
    const entries = (body[each] as Record<string, unknown>[]).filter(({ resourceType = 2 }) => resourceType === 2)
    return { ...body, [each]: [...new Map(entries.map(entry => [nameOf(entry), entry])).values()] }
  }
  if (name === 'JoinGroup') {
    const { groupId } = body
    body.protocols = [...new Map((body.protocols as { name: string }[]).map(protocol => [protocol.name, protocol])).values()]
    if (groupId !== 'live' && groupId !== 'fixed') {
      if (body.protocolType === '') body.protocolType = 'consumer'
      if ((body.protocols as object[]).length === 0) body.protocols = [{ name: 'range', metadata: new Uint8Array(4) }]
    }
    if (groupId === 'live') Object.assign(body, { groupInstanceId: null }, version < 4 && { memberId: oneOf(random, ['member:live', 'm']) })
    else if (groupId === 'fixed' && version >= 5) Object.assign(body, { groupInstanceId: 'i1' })
    else if (groupId === 'fixed') Object.assign(body, { memberId: oneOf(random, ['member:fixed', 'm']) })
  }
  return body
}

interface ConfigResource {
  readonly configs: readonly { readonly configOperation: number }[]
}

/** The first resource with an operation that there is not, alone. */
function strangeResource(resources: readonly ConfigResource[]): readonly ConfigResource[] | undefined {
  const strange = resources.find(({ configs }) => configs.some(({ configOperation }) => configOperation < 0 || configOperation > 3))
  return strange && [strange]
}

interface ProducedTopic {
  readonly name?: string
  readonly topicId?: string
  readonly partitionData: { readonly index: number; records: unknown }[]
}

function withSameBatches(topics: readonly ProducedTopic[]): void {
  const batches = new Map<string, unknown>()
  for (const { name, topicId, partitionData } of topics) {
    for (const partition of partitionData) {
      const key = `${name} ${topicId} ${partition.index}`
      if (batches.has(key)) partition.records = batches.get(key)
      batches.set(key, partition.records)
    }
  }
}

// --- records ---

const written = Date.UTC(2024, 0, 1)

function drawRecords(random: Random): Uint8Array {
  const count = 1 + randomInteger(random, 3)
  const hasKeys = random.next() < 0.6
  const records = Array.from({ length: count }, (_, i) => ({
    key: hasKeys ? `k${i}` : null,
    value: random.next() < 0.1 ? null : `value ${i}`,
    timestamp: written + randomInteger(random, 1000)
  }))
  const isIdempotent = random.next() < 0.15
  const producer = {
    producerId: 4000 + randomInteger(random, 3),
    producerEpoch: randomInteger(random, 2),
    baseSequence: randomInteger(random, 4)
  }
  const compression = random.next() < 0.15 ? { compression: 'gzip' as const } : {}
  const { bytes } = RecordBatch.of(records, { ...compression, ...(isIdempotent && producer) })
  const kind = randomInteger(random, 40)
  return kind < recordFaults.length ? recordFaults[kind](bytes) : bytes
}

const attributesPosition = 21

/** Batches that a broker may have something to say about. */
const recordFaults: readonly ((batch: Uint8Array) => Uint8Array)[] = [
  () => new Uint8Array(0),
  batch => concatBytes([batch, batch]),
  batch => concatBytes([batch, new Uint8Array(7)]),
  batch => concatBytes([batch, new Uint8Array(80).fill(9)]),
  batch => batch.subarray(0, batch.length - 1),
  batch => batch.subarray(0, 20),
  batch => changedAt(batch, attributesPosition + 1, byte => byte | 8),
  batch => changedAt(batch, attributesPosition + 1, byte => byte | 16),
  batch => changedAt(batch, attributesPosition + 1, byte => byte | 32),
  batch => changedAt(batch, attributesPosition + 1, byte => byte | 64),
  batch => changedAt(batch, attributesPosition, byte => byte | 1),
  batch => changedAt(batch, 16, () => 1, false),
  batch => changedAt(batch, 7, () => 5, false),
  batch => changedAt(batch, 20, byte => byte ^ 1, false),
  batch => changedAt(batch, 26, byte => byte + 1),
  batch => changedAt(batch, 60, byte => byte + 1),
  batch => changedAt(batch, 60, () => 0),
  batch => changedAt(batch, 35, () => 0xff),
  batch => changedAt(batch, 35, () => 0x0f),
  batch => changedAt(batch, batch.length - 1, () => 3)
]

function changedAt(batch: Uint8Array, position: number, change: (byte: number) => number, withNewChecksum = true): Uint8Array {
  const changed = batch.slice()
  changed[position] = change(changed[position])
  if (withNewChecksum) new DataView(changed.buffer).setUint32(17, crc32c(changed.subarray(attributesPosition)))
  return changed
}
