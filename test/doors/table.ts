import * as millrace from '../../src/index.js'
import * as file from '../../src/storage/file/index.js'
import * as testing from '../../src/testing/index.js'
import * as wire from '../../src/wire/index.js'
import {
  anyText,
  anything,
  bag,
  bytes,
  field,
  flag,
  fraction,
  func,
  int,
  type Kind,
  list,
  needed,
  nothing,
  offset,
  oneOf,
  opt,
  options,
  pattern,
  saying,
  signal,
  text
} from './kinds.js'
import type { World } from './world.js'

/** A public call: what goes into it, how it is made, and what each place of it takes. */
export interface Door {
  readonly name: string
  readonly places: readonly (readonly [name: string, kind: Kind, good: (world: World) => unknown])[]
  readonly call: (world: World, ...args: never[]) => unknown
}

type Place = Door['places'][number]

function door(name: string, call: (world: World, ...args: never[]) => unknown, ...places: Place[]): Door {
  return { name, call, places }
}

function place(name: string, kind: Kind, good: unknown = undefined): Place {
  return [name, kind, typeof good === 'function' ? (good as (world: World) => unknown) : () => good]
}

const int32 = 2 ** 31 - 1
const clock: Kind = nothing
const random: Kind = nothing
const ms = opt(int(0))
const positive = opt(int(1))
const positive32 = opt(int(1, int32))
const size32 = opt(int(0, int32))
const topicName: Kind = { takes: value => typeof value === 'string' && /^[\w.-]{1,249}$/.test(value), mention: 'topic name' }
/** Names and numbers that no topic can have are the cluster's matter. */
const anyName: Kind = { takes: anyText.takes, mention: 'name' }
const anyCount: Kind = { takes: value => Number.isSafeInteger(value) && Math.abs(value as number) <= int32 }
const configs: Kind = opt(bag)
const keep: Kind = opt({ takes: () => false })
const serde: Kind = opt(nothing)
const callOptions = { signal: opt(signal), timeoutMs: opt(int(1)) }
const partition = { topic: 't', partition: 0 }
const partitions: Kind = { ...list, mention: 'partitions' }
const record: Kind = { takes: () => false, mention: 'record' }
const closing = (call: (world: World, options: never) => unknown, name: string) =>
  door(name, call as never, place('options', options({ timeoutMs: ms })))

const retry = { retryBackoffMs: ms, retryBackoffMaxMs: ms }
const compression = oneOf('none', 'gzip', 'snappy', 'lz4', 'zstd')
const builderCompression: Kind = { ...compression, codes: ['UNSUPPORTED_COMPRESSION_TYPE'] }
const backlog: Kind = options({ policy: opt(oneOf()), limitBytes: positive })

const whatIsThere = ['CONFLICT', 'INVALID_CONFIG']
const sendConditions = {
  ifKeyAt: { ...opt(int(0)), codes: whatIsThere },
  ifKeysAt: { ...opt(list), codes: whatIsThere },
  ifEndAt: { ...opt(int(0)), codes: whatIsThere }
}

const producerOptions = {
  clientId: opt(text),
  acks: opt(oneOf('all', 1, 0, -1)),
  enableIdempotence: opt(flag),
  transactionalId: opt(text),
  transactionTimeoutMs: opt(int(1, 2 ** 31 - 1)),
  compression: opt(compression),
  batchSize: opt(int(1, 2 ** 30)),
  lingerMs: ms,
  bufferMemory: positive,
  maxRequestSize: opt(int(1, 2 ** 30)),
  deliveryTimeoutMs: positive,
  requestTimeoutMs: positive32,
  maxBlockMs: ms,
  partitioner: opt(func),
  allowAutoTopicCreation: opt(flag),
  metadataMaxAgeMs: ms,
  metadataMaxIdleMs: positive,
  ...retry
}

const consumerOptions = {
  topics: opt({ takes: () => false }),
  groupId: opt(text),
  groupInstanceId: opt(text),
  clientId: opt(text),
  key: serde,
  value: serde,
  assignors: opt(nothing),
  autoOffsetReset: opt(oneOf('earliest', 'latest', 'none')),
  autoCommit: opt(flag),
  autoCommitIntervalMs: positive32,
  isolationLevel: opt(oneOf('read_uncommitted', 'read_committed')),
  fetchMinBytes: size32,
  fetchMaxWaitMs: size32,
  fetchMaxBytes: positive32,
  maxPartitionFetchBytes: positive32,
  maxPollRecords: positive32,
  maxPollIntervalMs: positive32,
  sessionTimeoutMs: positive32,
  heartbeatIntervalMs: positive32,
  rebalanceTimeoutMs: positive32,
  metadataMaxAgeMs: positive32,
  allowAutoTopicCreation: opt(flag),
  checkCrcs: opt(flag),
  rejection: opt({ takes: value => typeof value === 'function' }),
  onAssigned: opt(func),
  onRevoked: opt(func),
  onLost: opt(func),
  retryBackoffMs: size32,
  retryBackoffMaxMs: size32
}

const logOptions = {
  segmentBytes: positive32,
  segmentMs: positive,
  segmentIndexBytes: opt(int(4, int32)),
  indexIntervalBytes: size32,
  retentionBytes: opt(int(-1)),
  retentionMs: opt(int(-1)),
  cleanupPolicy: opt(oneOf('delete', 'compact')),
  minCleanableDirtyRatio: opt(fraction),
  minCompactionLagMs: ms,
  maxCompactionLagMs: opt(int(-1)),
  deleteRetentionMs: ms,
  maxMessageBytes: size32,
  compressionType: opt(oneOf('producer')),
  messageTimestampType: opt(oneOf('CreateTime', 'LogAppendTime')),
  messageTimestampBeforeMaxMs: opt(int(-1)),
  messageTimestampAfterMaxMs: opt(int(-1)),
  keyIndex: opt(flag),
  keyIndexMaxBytes: positive
}

const stamp = {
  baseOffset: ms,
  leaderEpoch: opt(int(-1, int32)),
  producerId: opt(int(-1)),
  producerEpoch: opt(int(-1, 2 ** 15 - 1)),
  baseSequence: opt(int(-1, int32)),
  transactional: opt(flag),
  control: opt(flag),
  logAppendTime: opt(int(-1)),
  lastOffsetDelta: size32
}

const remoteOptions = {
  brokers: needed({ takes: () => false }),
  clientId: opt(text),
  tls: opt({ takes: value => typeof value === 'boolean' || bag.takes(value) }),
  sasl: options(
    { mechanism: needed(oneOf('PLAIN')), username: needed(text), password: needed(text) },
    { mechanism: 'PLAIN', username: 'u', password: 'p' }
  ),
  connectTimeoutMs: positive,
  requestTimeoutMs: positive,
  idleTimeoutMs: positive,
  reconnectBackoffMs: positive,
  reconnectBackoffMaxMs: positive,
  maxResponseBytes: positive,
  clock: opt(clock),
  random: opt(random)
}

const quotaName: Kind = { takes: value => value === null || (typeof value === 'string' && value !== ''), codes: ['INVALID_REQUEST'] }
const quotaMatch: Kind = { takes: value => value === true || quotaName.takes(value), codes: ['INVALID_REQUEST'] }
const aclFilter = saying(
  'filter',
  options({
    resourceType: opt(nothing),
    resourceName: opt(text),
    pattern: opt(nothing),
    principal: opt(text),
    host: opt(text),
    operation: opt(nothing),
    permission: opt(nothing)
  })
)

const serdes = Object.entries({
  string: anyText,
  bytes: { ...anyText },
  int32: { takes: (value: unknown) => Number.isInteger(value) && value === (value as number) >> 0 },
  int64: { takes: (value: unknown) => Number.isSafeInteger(value) },
  float64: { takes: (value: unknown) => typeof value === 'number' },
  uuid: nothing
}).map(([name, kind]) =>
  door(
    `${name}.serialize`,
    (_, value: never) => (millrace as unknown as Record<string, millrace.Serde<unknown>>)[name].serialize(value),
    place('value', saying('Expected', kind))
  )
)

const { rangeAssignor, roundRobinAssignor, stickyAssignor, cooperativeStickyAssignor } = millrace
const assignors = Object.entries({ rangeAssignor, roundRobinAssignor, stickyAssignor, cooperativeStickyAssignor }).map(([name, assignor]) =>
  door(
    name,
    (_, topics: never, members: never) => assignor.assign(topics, members),
    place('topics', nothing, new Map()),
    place('members', list, [])
  )
)

const pipeOptions = { from: 't', to: 'u', groupId: 'p' }
const place2 = { topic: 't', partition: 0, offset: 0 }

export const doors: readonly Door[] = [
  // ---- the cluster
  door(
    'Cluster.open',
    (_, given: never) => millrace.Cluster.open(given),
    place(
      'options',
      options({
        storage: opt(nothing),
        configs,
        nodeId: opt(int(0, int32)),
        maxMemoryBytes: opt(int(64 * 2 ** 20)),
        backlog,
        clock: opt(clock),
        random: opt(random),
        intercept: opt(func)
      })
    )
  ),
  door('new ClusterClient', (_, parts: never) => new millrace.ClusterClient(parts), place('parts', nothing, {})),
  door('ClusterClient.producer', (w, given: never) => w.cluster.producer(given), place('options', options(producerOptions))),
  door('ClusterClient.consumer', (w, given: never) => w.cluster.consumer(given), place('options', options(consumerOptions))),
  door(
    'ClusterClient.admin',
    (w, given: never) => w.cluster.admin(given),
    place('options', options({ clientId: opt(text), timeoutMs: positive, ...retry }))
  ),
  door(
    'Cluster.topic',
    (w, name: never) => w.cluster.topic(name),
    place('name', { ...nothing, codes: ['UNKNOWN_TOPIC_OR_PARTITION'] }, 't')
  ),
  closing((_, given) => millrace.Cluster.open().then(cluster => cluster.close(given)), 'ClusterClient.close'),
  ...(['on', 'once', 'addListener'] as const).map(name =>
    door(
      `Emitter.${name}`,
      (w, event: never, listener: never) => w.cluster[name](event, listener),
      place('event', anything, 'closed'),
      place('listener', func, () => () => {})
    )
  ),

  // ---- producing
  door('new Producer', (_, parts: never) => new millrace.Producer(parts), place('parts', nothing, {})),
  door(
    'Producer.send',
    (w, topic: never, given: never, more: never) => w.producer.send(topic, given, more),
    place('topic', topicName, 't'),
    place('record', record, { value: 'v' }),
    place('options', options({ signal: opt(signal), ...sendConditions }))
  ),
  ...(
    [
      ['key', opt(field)],
      ['value', { ...field, mention: 'value' }],
      ['timestamp', opt(int(0))],
      ['partition', { ...opt(int(0)), codes: ['UNKNOWN_TOPIC_OR_PARTITION'] }],
      [
        'headers',
        opt({
          takes: value => value === null || bag.takes(value) || Array.isArray(value) || value instanceof Date || value instanceof Promise
        })
      ]
    ] as const
  ).map(([name, kind]) =>
    door(
      `Producer.send of a ${name}`,
      (w, value: never) => w.producer.send('t', { value: 'v', [name]: value }),
      place(name, kind, name === 'value' ? 'v' : undefined)
    )
  ),
  door(
    'Producer.sendBatch',
    (w, topic: never, records: never, more: never) => w.producer.sendBatch(topic, records, more),
    place('topic', topicName, 't'),
    place('records', list, [{ value: 'v' }]),
    place('options', options({ signal: opt(signal), ...sendConditions }))
  ),
  door('Producer.flush', (w, given: never) => w.producer.flush(given), place('options', options({ signal: opt(signal) }))),
  closing((w, given) => w.cluster.producer().close(given), 'Producer.close'),
  door(
    'Producer.transaction',
    (w, work: never, given: never) => w.transactional(producer => producer.transaction(work, given)),
    place('work', func, () => () => {}),
    place('options', options({ signal: opt(signal) }))
  ),
  door(
    'Producer.begin',
    (w, given: never) => w.transactional(async producer => (await producer.begin(given)).abort()),
    place('options', options({ signal: opt(signal) }))
  ),
  ...(['commit', 'abort'] as const).map(name =>
    door(
      `Transaction.${name}`,
      (w, given: never) => w.inTransaction(transaction => transaction[name](given)),
      place('options', options({ signal: opt(signal) }))
    )
  ),
  door(
    'Transaction.send',
    (w, topic: never, given: never, more: never) => w.inTransaction(transaction => transaction.send(topic, given, more)),
    place('topic', topicName, 't'),
    place('record', record, { value: 'v' }),
    place('options', options({ signal: opt(signal), ...sendConditions }))
  ),
  door(
    'Transaction.sendBatch',
    (w, topic: never, records: never, more: never) => w.inTransaction(transaction => transaction.sendBatch(topic, records, more)),
    place('topic', topicName, 't'),
    place('records', list, [{ value: 'v' }]),
    place('options', options({ signal: opt(signal), ...sendConditions }))
  ),
  door(
    'Transaction.commitOffsets',
    (w, consumer: never, offsets: never, given: never) =>
      w.inTransaction(transaction => transaction.commitOffsets(consumer, offsets, given)),
    place('consumer', nothing, (w: World) => w.uncommitting),
    place('offsets', opt(partitions)),
    place('options', options({ signal: opt(signal) }))
  ),

  // ---- piping
  door('new Pipe', (_, parts: never) => new millrace.Pipe(parts, pipeOptions), place('parts', nothing, {})),
  door(
    'ClusterClient.pipe',
    (w, given: never) => w.cluster.pipe(given),
    place(
      'options',
      saying(
        'pipe',
        needed(
          options(
            {
              from: saying('topic', needed({ takes: () => false })),
              to: opt(topicName),
              groupId: needed(text),
              transform: opt(func),
              concurrency: opt(int(1, 10_000)),
              retry: options({ attempts: positive, backoffMs: ms, maxBackoffMs: ms }),
              deadLetter: opt({ takes: value => topicName.takes(value) || func.takes(value) }),
              rejection: opt({ takes: func.takes }),
              maxTransactionRecords: positive32,
              maxTransactionMs: positive32,
              lingerMs: size32,
              transactionTimeoutMs: positive32,
              instanceId: opt(text),
              autoOffsetReset: opt(oneOf('earliest', 'latest', 'none')),
              key: serde,
              value: serde,
              consumer: opt(bag),
              producer: opt(bag)
            },
            pipeOptions
          )
        )
      )
    )
  ),
  door('Pipe.run', (w, given: never) => w.pipe().run(given), place('options', options({ signal: opt(signal) }))),
  closing((w, given) => w.pipe().close(given), 'Pipe.close'),

  // ---- consuming
  door('new Consumer', (_, parts: never) => new millrace.Consumer(parts), place('parts', nothing, {})),
  door('Consumer.records', (w, given: never) => w.consumer.records(given), place('options', options({ signal: opt(signal) }))),
  door('Consumer.batches', (w, given: never) => w.consumer.batches(given), place('options', options({ signal: opt(signal) }))),
  door(
    'Consumer.run',
    (w, given: never) => w.consumer.run(given),
    place(
      'options',
      saying(
        'run',
        needed(
          options(
            {
              eachRecord: opt(func),
              eachBatch: opt(nothing),
              concurrency: positive,
              orderBy: opt(oneOf('partition', 'key')),
              retry: options({ attempts: positive, backoffMs: ms, maxBackoffMs: ms }),
              deadLetter: opt(func),
              signal: opt(signal)
            },
            { eachRecord: () => {} }
          )
        )
      )
    )
  ),
  door('Consumer.start', (w, given: never) => w.consumer.start(given), place('options', options({ signal: opt(signal) }))),
  door(
    'Consumer.subscribe',
    (w, topics: never) => w.cluster.consumer().subscribe(topics),
    place('topics', saying('topic', topicName), 't')
  ),
  door('Consumer.assign', (w, given: never) => w.cluster.consumer().assign(given), place('partitions', partitions, [partition])),
  ...(['pause', 'resume', 'seekToBeginning', 'seekToEnd', 'beginningOffsets', 'endOffsets', 'committed'] as const).map(name =>
    door(`Consumer.${name}`, (w, given: never) => w.consumer[name](given), place('partitions', opt(partitions)))
  ),
  ...(['seekToTimestamp', 'offsetsForTimestamp'] as const).map(name =>
    door(
      `Consumer.${name}`,
      (w, at: never, given: never) => w.consumer[name](at, given),
      place('timestamp', int(0), 0),
      place('partitions', opt(partitions))
    )
  ),
  door('Consumer.seek', (w, to: never) => w.consumer.seek(to), place('partition', saying('partition', nothing), place2)),
  door('Consumer.seek to', (w, to: never) => w.consumer.seek({ ...partition, offset: to }), place('offset', int(0), 0)),
  door('Consumer.position', (w, of: never) => w.consumer.position(of), place('partition', nothing, partition)),
  door(
    'Consumer.commit',
    (w, offsets: never, given: never) => w.consumer.commit(offsets, given),
    place('offsets', opt(partitions)),
    place('options', options({ signal: opt(signal) }))
  ),
  ...(
    [
      ['topic', saying('partitions', anyText)],
      ['partition', int(0, int32)],
      ['offset', int(0)],
      ['leaderEpoch', opt(int(-1, int32))],
      ['metadata', opt(anyText)]
    ] as const
  ).map(([name, kind]) =>
    door(
      `Consumer.commit of a ${name}`,
      (w, value: never) => w.consumer.commit([{ ...place2, [name]: value }]),
      place(name, kind, name === 'topic' ? 't' : 0)
    )
  ),
  closing((w, given) => w.cluster.consumer().close(given), 'Consumer.close'),

  // ---- administering
  door('new Admin', (_, parts: never) => new millrace.Admin(parts), place('parts', nothing, {})),
  door(
    'Admin.createTopic',
    (w, topic: never, given: never) => w.admin.createTopic(topic, given),
    place(
      'topic',
      saying('topic', {
        takes: anyText.takes,
        options: {
          name: needed(anyName),
          partitions: opt(anyCount),
          replicationFactor: opt(anyCount),
          configs,
          keep,
          backlog,
          keyIndex: opt(flag),
          key: opt(anything),
          value: opt(anything)
        },
        rest: { name: 'new' }
      }),
      { name: 'new' }
    ),
    place('options', options({ ...callOptions, validateOnly: opt(flag) }))
  ),
  door(
    'Admin.createTopics',
    (w, topics: never, given: never) => w.admin.createTopics(topics, given),
    place('topics', list, ['new']),
    place('options', options({ ...callOptions, validateOnly: opt(flag) }))
  ),
  ...(['deleteTopics', 'describeTopics'] as const).map(name =>
    door(
      `Admin.${name}`,
      (w, names: never, given: never) => w.admin[name](names, given),
      place('names', list, ['gone']),
      place('options', options(callOptions))
    )
  ),
  door('Admin.deleteTopics by name', (w, name: never) => w.admin.deleteTopics([name]), place('names', saying('name', anyText), 'gone')),
  door(
    'Admin.listTopics',
    (w, given: never) => w.admin.listTopics(given),
    place('options', options({ ...callOptions, includeInternal: opt(flag) }))
  ),
  door(
    'Admin.createPartitions',
    (w, topic: never, count: never, given: never) => w.admin.createPartitions(topic, count, given),
    place('topic', anyText, 'gone'),
    place('count', anyCount, 2),
    place('options', options(callOptions))
  ),
  door(
    'Admin.describeConfigs',
    (w, of: never, given: never) => w.admin.describeConfigs(of, given),
    place('resource', anyText, 't'),
    place('options', options(callOptions))
  ),
  door(
    'Admin.alterConfigs',
    (w, of: never, changes: never, given: never) => w.admin.alterConfigs(of, changes, given),
    place('resource', anyText, 't'),
    place('changes', bag, {}),
    place('options', options({ ...callOptions, validateOnly: opt(flag) }))
  ),
  door(
    'Admin.alterConfigs of a value',
    (w, value: never) => w.admin.alterConfigs('gone', { 'retention.ms': value }),
    place('retention.ms', { takes: value => value === null || ['string', 'boolean'].includes(typeof value) || Number.isFinite(value) }, 1)
  ),
  door(
    'Admin.listGroups',
    (w, given: never) => w.admin.listGroups(given),
    place('options', options({ ...callOptions, states: opt(list) }))
  ),
  ...(['describeGroups', 'deleteGroups'] as const).map(name =>
    door(
      `Admin.${name}`,
      (w, ids: never, given: never) => w.admin[name](ids, given),
      place('groupIds', list, []),
      place('options', options(callOptions))
    )
  ),
  door(
    'Admin.listGroupOffsets',
    (w, id: never, given: never) => w.admin.listGroupOffsets(id, given),
    place('groupId', text, 'g2'),
    place('options', options(callOptions))
  ),
  door(
    'Admin.resetGroupOffsets',
    (w, id: never, given: never) => w.admin.resetGroupOffsets(id, given),
    place('groupId', text, 'g2'),
    place('options', needed(options({ ...callOptions, partitions: opt(list), to: needed(int(0)) }, { to: 'earliest' })), { to: 'earliest' })
  ),
  door(
    'Admin.deleteGroupOffsets',
    (w, id: never, of: never, given: never) => w.admin.deleteGroupOffsets(id, of, given),
    place('groupId', text, 'g2'),
    place('partitions', partitions, []),
    place('options', options(callOptions))
  ),
  door(
    'Admin.listOffsets',
    (w, of: never, at: never, given: never) => w.admin.listOffsets(of, at, given),
    place('partitions', partitions, []),
    place('at', int(0), 'latest'),
    place('options', options({ ...callOptions, isolationLevel: opt(oneOf()) }))
  ),
  door(
    'Admin.lastOffsets',
    (w, topic: never, keys: never, given: never) => w.admin.lastOffsets(topic, keys, given),
    place('topic', topicName, 't'),
    place('keys', list, []),
    place('options', options({ ...callOptions, partition: { ...opt(int(0)), codes: ['UNKNOWN_TOPIC_OR_PARTITION'] } }))
  ),
  door(
    'Admin.deleteRecords',
    (w, records: never, given: never) => w.admin.deleteRecords(records, given),
    place('records', list, []),
    place('options', options(callOptions))
  ),
  door('Admin.deleteRecords before', (w, before: never) => w.admin.deleteRecords([{ ...partition, before }]), place('before', offset, 0)),
  door(
    'Admin.createAcls',
    (w, acls: never, given: never) => w.admin.createAcls(acls, given),
    place('acls', list, []),
    place('options', options(callOptions))
  ),
  door(
    'Admin.createAcls of one',
    (w, acl: never) => w.admin.createAcls([acl]),
    place(
      'acl',
      saying(
        'ACL',
        needed(
          options(
            {
              resource: nothing,
              pattern: opt(nothing),
              principal: needed(nothing),
              host: opt(text),
              operation: nothing,
              permission: opt(nothing)
            },
            { resource: 'cluster', principal: 'User:ann', operation: 'read' }
          )
        )
      )
    )
  ),
  door(
    'Admin.describeAcls',
    (w, filter: never, given: never) => w.admin.describeAcls(filter, given),
    place('filter', aclFilter),
    place('options', options(callOptions))
  ),
  door(
    'Admin.deleteAcls',
    (w, filters: never, given: never) => w.admin.deleteAcls(filters, given),
    place('filters', list, []),
    place('options', options(callOptions))
  ),
  door(
    'Admin.alterClientQuotas',
    (w, alterations: never, given: never) => w.admin.alterClientQuotas(alterations, given),
    place('alterations', list, []),
    place('options', options({ ...callOptions, validateOnly: opt(flag) }))
  ),
  door(
    'Admin.alterClientQuotas of one',
    (w, alteration: never) => w.admin.alterClientQuotas([alteration]),
    place('alteration', saying('alteration', needed(options({ entity: nothing, quotas: bag }, { entity: { user: 'ann' }, quotas: {} }))))
  ),
  door(
    'Admin.alterClientQuotas of one entity',
    (w, entity: never) => w.admin.alterClientQuotas([{ entity, quotas: {} }]),
    place(
      'entity',
      saying('entity', needed(options({ user: opt(quotaName), clientId: opt(quotaName), ip: opt(nothing) }, { user: 'ann' })))
    )
  ),
  door(
    'Admin.describeClientQuotas',
    (w, filter: never, given: never) => w.admin.describeClientQuotas(filter, given),
    place(
      'filter',
      saying('filter', options({ user: opt(quotaMatch), clientId: opt(quotaMatch), ip: opt(quotaMatch), strict: opt(flag) }))
    ),
    place('options', options(callOptions))
  ),
  door('Admin.describeCluster', (w, given: never) => w.admin.describeCluster(given), place('options', options(callOptions))),
  closing((w, given) => w.cluster.admin().close(given), 'Admin.close'),

  // ---- topics and serdes
  door(
    'topic',
    (_, name: never, given: never) => millrace.topic(name, given),
    place('name', topicName, 't'),
    place('options', options({ key: serde, value: serde, partitions: positive, configs, keep, backlog, keyIndex: opt(flag) }))
  ),
  ...serdes,
  door('json', (_, schema: never) => millrace.json(schema), place('schema', opt(nothing))),
  door(
    'json.serialize',
    (_, value: never) => millrace.json().serialize(value),
    place('value', saying('JSON', { takes: value => !['undefined', 'symbol', 'function', 'bigint'].includes(typeof value) }))
  ),
  door('nullable', (_, given: never) => millrace.nullable(given), place('serde', nothing, millrace.string)),
  door(
    'validated',
    (_, given: never, schema: never) => millrace.validated(given, schema),
    place('serde', nothing, millrace.string),
    place('schema', nothing)
  ),

  // ---- the log on its own
  door(
    'Log.open',
    (_, storage: never, folder: never, given: never) => millrace.Log.open(storage, folder, given),
    place('storage', nothing, () => millrace.memoryStorage()),
    place('folder', text, 'other'),
    place(
      'options',
      options({
        ...logOptions,
        clock: opt(clock),
        autoHighWatermark: opt(flag),
        logStartOffset: ms,
        isClean: opt(flag),
        recoveryPoint: ms,
        highWatermark: ms,
        firstDirtyOffset: ms,
        onRoll: opt(func),
        saveRecoveryPoint: opt(func),
        onFailure: opt(func),
        onRoom: opt(func),
        onDamage: opt(func),
        onSegmentsRemoved: opt(func),
        keepFrom: opt(func)
      })
    )
  ),
  door('Log.configure', (w, given: never) => w.log.configure(given), place('options', needed(options(logOptions)), {})),
  door(
    'Log.append',
    (w, batch: never, given: never) => w.log.append(batch, given),
    place('batch', bytes, (w: World) => w.batch.bytes.slice()),
    place(
      'options',
      options({
        leaderEpoch: opt(int(-1, int32)),
        origin: opt(oneOf('client')),
        condition: options({ endOffset: opt({ ...int(0), codes: ['CONFLICT'] }), keys: opt({ ...list, codes: ['INVALID_CONFIG'] }) })
      })
    )
  ),
  door('Log.lastOffsets', (w, keys: never) => w.log.lastOffsets(keys), place('keys', { ...list, codes: ['INVALID_CONFIG'] }, [])),
  door(
    'Log.read',
    (w, from: never, maxBytes: never, given: never) => w.log.read(from, maxBytes, given),
    place('offset', offset, 0),
    place('maxBytes', { takes: value => typeof value === 'number' && value >= 0 }, 1000),
    place(
      'options',
      options({
        upTo: { ...opt(int(0)), takes: value => value === undefined || Number.isInteger(value) || value === Infinity },
        minOneBatch: opt(flag),
        checkCrcs: opt(flag)
      })
    )
  ),
  door(
    'Log.abortedTransactions',
    (w, from: never, given: never) => w.log.abortedTransactions(from, given),
    place('offset', { takes: value => Number.isInteger(value) || value === Infinity }, 0),
    place('bytes', bytes, (w: World) => w.batch.bytes)
  ),
  door(
    'Log.offsetForTimestamp',
    (w, at: never) => w.log.offsetForTimestamp(at),
    place('timestamp', { takes: value => typeof value === 'number' && !Number.isNaN(value) }, 0)
  ),
  door(
    'Log.advanceHighWatermark',
    (w, to: never) => w.log.advanceHighWatermark(to),
    place('offset', { takes: value => Number.isInteger(value) || value === Infinity }, 0)
  ),
  ...(['truncateTo', 'truncateFullyAndStartAt'] as const).map(name =>
    door(`Log.${name}`, (w, to: never) => w.log[name](to), place('offset', int(0), 1))
  ),
  door('Log.deleteRecordsBefore', (w, before: never) => w.log.deleteRecordsBefore(before), place('offset', offset, 0)),
  door(
    'Log.removeBefore',
    (w, before: never, count: never) => w.log.removeBefore(before, count),
    place('offset', { takes: value => Number.isInteger(value) || value === Infinity }, 0),
    place('bytes', { takes: value => typeof value === 'number' && value >= 0 }, 0)
  ),
  door(
    'Log.bytesFrom',
    (w, from: never) => w.log.bytesFrom(from),
    place('offset', { takes: value => Number.isInteger(value) || value === Infinity }, 0)
  ),
  door(
    'Log.compact',
    (w, given: never) => w.log.compact(given),
    place('options', options({ force: opt(flag), maxKeyBytes: positive, signal: opt(signal) }))
  ),
  closing((_, given) => millrace.Log.open(millrace.memoryStorage(), 'log').then(log => log.close(given)), 'Log.close'),
  door(
    'LeaderEpochs.assign',
    (w, epoch: never, start: never) => w.epochs.assign(epoch, start),
    place('epoch', anyCount, -1),
    place('startOffset', int(0), 0)
  ),
  door('LeaderEpochs.restore', (w, entries: never) => w.epochs.restore(entries), place('entries', list, [])),
  door(
    'LeaderEpochs.endOffsetFor',
    (w, epoch: never, end: never) => w.epochs.endOffsetFor(epoch, end),
    place('epoch', anyCount, 0),
    place('logEndOffset', int(0), 0)
  ),
  door('LeaderEpochs.epochOf', (w, at: never) => w.epochs.epochOf(at), place('offset', int(-1), 0)),
  door('LeaderEpochs.truncateFromEnd', (w, at: never) => w.epochs.truncateFromEnd(at), place('endOffset', int(0), 0)),
  door('LeaderEpochs.truncateFromStart', (w, at: never) => w.epochs.truncateFromStart(at), place('startOffset', int(0), 0)),

  // ---- batches
  door(
    'new BatchBuilder',
    (_, given: never) => new millrace.BatchBuilder(given),
    place('options', options({ compression: opt(builderCompression), initialBytes: size32 }))
  ),
  door(
    'BatchBuilder.append',
    (w, at: never, key: never, value: never, headers: never) => w.builder.append(at, key, value, headers),
    place('timestamp', { takes: value => Number.isSafeInteger(value) }, 0),
    place('key', field, null),
    place('value', field, null),
    place('headers', opt({ takes: list.takes }))
  ),
  door(
    'BatchBuilder.appendAt',
    (_, delta: never, at: never, key: never, value: never, headers: never) =>
      new millrace.BatchBuilder().appendAt(delta, at, key, value, headers),
    place('offsetDelta', int(0, int32), 0),
    place('timestamp', { takes: value => Number.isSafeInteger(value) }, 0),
    place('key', field, null),
    place('value', field, null),
    place('headers', opt({ takes: list.takes }))
  ),
  door('BatchBuilder.build', (w, given: never) => w.builder.build(given), place('stamp', saying('Expected', options(stamp)))),
  door('BatchBuilder.copy', (w, given: never) => w.builder.copy(given), place('stamp', saying('Expected', options(stamp)))),
  door('BatchBuilder.reset', (_, horizon: never) => new millrace.BatchBuilder().reset(horizon), place('deleteHorizon', ms)),
  door(
    'BatchBuilder.sizeOf',
    (_, key: never, value: never, headers: never) => millrace.BatchBuilder.sizeOf(key, value, headers),
    place('key', field, null),
    place('value', field, null),
    place('headers', opt({ takes: list.takes }))
  ),
  door(
    'new RecordBatch',
    (_, given: never, at: never) => new millrace.RecordBatch(given, at),
    place('bytes', bytes, (w: World) => w.batch.bytes),
    place('position', { ...opt(int(0)), codes: ['CORRUPT_MESSAGE'] })
  ),
  door(
    'RecordBatch.of',
    (_, records: never, given: never) => millrace.RecordBatch.of(records, given),
    place('records', list, []),
    place('options', options({ compression: opt(builderCompression), initialBytes: size32, ...stamp }))
  ),
  door('RecordBatch.of a record', (_, given: never) => millrace.RecordBatch.of([given]), place('records', bag, {})),
  door(
    'RecordBatch.records',
    (w, given: never) => [...w.batch.records(given)],
    place('options', options({ maxDecompressedBytes: positive32 }))
  ),
  door(
    'new RecordCursor',
    (_, given: never) => new millrace.RecordCursor(given),
    place('options', options({ maxDecompressedBytes: positive32 }))
  ),
  door(
    'RecordCursor.reset',
    (w, given: never, at: never) => w.cursor.reset(given, at),
    place('bytes', bytes, (w: World) => w.batch.bytes),
    place('position', { ...int(0), codes: ['CORRUPT_MESSAGE'] }, 0)
  ),
  door('batchesIn', (_, given: never) => millrace.batchesIn(given), place('bytes', bytes, new Uint8Array(0))),

  // ---- what can be plugged in
  ...assignors,
  door('registerCodec', (_, codec: never) => millrace.registerCodec(codec), place('codec', nothing, {})),
  door('release', (_, view: never) => millrace.release(view), place('view', bytes, new Uint8Array(0))),
  door('seededRandom', (_, seed: never) => millrace.seededRandom(seed), place('seed', { takes: value => Number.isSafeInteger(value) }, 1)),
  door(
    'systemClock.setTimer',
    (_, delay: never, callback: never) => millrace.systemClock.setTimer(delay, callback).cancel(),
    place('delayMs', { takes: value => typeof value === 'number' && !Number.isNaN(value) }, 1),
    place('callback', func, () => () => {})
  ),
  door(
    'KafkaError.fromNumber',
    (_, number: never) => millrace.KafkaError.fromNumber(number),
    place('number', { takes: value => Number.isInteger(value) }, 3)
  ),
  door('new KafkaError', (_, code: never) => new millrace.KafkaError(code), place('code', nothing, 'CLOSED')),
  door('memoryStorage', (_, given: never) => millrace.memoryStorage(given), place('options', options({ maxFreeBytes: ms }))),
  door('new MemoryStorage', (_, given: never) => new millrace.MemoryStorage(given), place('options', options({ maxFreeBytes: ms }))),
  ...(['memory', 'files'] as const).flatMap(name => {
    const owner = name === 'memory' ? 'MemoryStorage' : 'FileStorage'
    return [
      door(`${owner}.open`, (w, path: never) => w[name].open(path), place('name', text, 'f')),
      door(`${owner}.list`, (w, path: never) => w[name].list(path), place('folder', anyText, '')),
      door(`${owner}.remove`, (w, path: never) => w[name].remove(path), place('name', text, 'f')),
      door(`${owner}.rename`, (w, from: never, to: never) => w[name].rename(from, to), place('from', text, 'f'), place('to', text, 'g'))
    ]
  }),
  door('FileStorage.syncFolder', (w, path: never) => w.files.syncFolder(path), place('folder', anyText, '')),
  ...(['fileStorage', 'new FileStorage'] as const).map(name =>
    door(
      name,
      (_, path: never, given: never) => (name === 'fileStorage' ? file.fileStorage(path, given) : new file.FileStorage(path, given)),
      place('directory', text, (w: World) => w.directory),
      place(
        'options',
        options({
          durability: opt(oneOf('os')),
          syncIntervalMs: positive,
          maxOpenFiles: opt(int(8)),
          tailCacheBytes: ms,
          fileMode: opt(int(0, 0o777)),
          folderMode: opt(int(0, 0o777)),
          readOnly: opt(flag),
          lockHeartbeatIntervalMs: opt(int(10, 2 ** 31)),
          lockSessionTimeoutMs: opt(int(2000, 2 ** 31)),
          kernelLock: opt(flag)
        })
      )
    )
  ),
  closing((w, given) => file.fileStorage(`${w.directory}/closed`).close(given), 'FileStorage.close'),

  // ---- the node
  door(
    'LocalBroker.open',
    (_, given: never) => millrace.LocalBroker.open(given),
    place(
      'options',
      saying(
        'broker',
        needed(
          options(
            {
              storage: nothing,
              clock: opt(clock),
              random: opt(random),
              nodeId: opt(int(0, int32)),
              configs,
              maxMemoryBytes: opt(int(64 * 2 ** 20))
            },
            { storage: millrace.memoryStorage() }
          )
        )
      )
    )
  ),
  door(
    'LocalBroker.connect',
    (w, client: never) => w.node.connect(client),
    place(
      'client',
      saying(
        'client',
        needed(
          options(
            {
              clientId: needed(anyText),
              clientHost: opt(text),
              apiVersion: opt(int(0, 2 ** 15 - 1)),
              origin: opt(oneOf()),
              connection: opt(anything),
              access: opt(anything)
            },
            { clientId: 'c' }
          )
        )
      ),
      { clientId: 'c' }
    )
  ),
  door(
    'LocalBroker.advertise',
    (w, host: never, port: never) => w.node.advertise(host, port),
    place('host', text, 'h'),
    place('port', int(0, 65535), 1)
  ),
  closing(
    (_, given) => millrace.LocalBroker.open({ storage: millrace.memoryStorage() }).then(node => node.close(given)),
    'LocalBroker.close'
  ),

  // ---- the wire
  door(
    'listen',
    (_, target: never, given: never) => wire.listen(target, given),
    place('target', saying('Expected', nothing), (w: World) => w.cluster),
    place(
      'options',
      options({
        host: opt(text),
        port: opt(int(0, 65535)),
        advertisedHost: opt(text),
        advertisedPort: opt(int(1, 65535)),
        tls: opt({ takes: () => false }),
        sasl: options({ users: needed(bag), mechanisms: opt(nothing) }, { users: {} }),
        maxRequestBytes: positive32,
        maxConnections: positive,
        maxInFlightBytes: positive,
        idleTimeoutMs: positive,
        stallTimeoutMs: positive,
        maxVersions: opt(bag),
        intercept: opt(func),
        superUsers: opt(list),
        acls: opt(flag),
        allowEveryoneIfNoAclFound: opt(flag),
        authorize: opt(func),
        authorizeTimeoutMs: positive,
        connectionsMaxReauthMs: ms,
        connectionFailedAuthenticationDelayMs: ms,
        clock: opt(clock)
      })
    )
  ),
  door(
    'connect',
    (_, given: never) => wire.connect(given),
    place('options', needed(options({ ...remoteOptions, signal: opt(signal) }, { brokers: ['h:1'] })), { brokers: ['h:1'] })
  ),
  door(
    'remoteBrokers',
    (_, given: never) => wire.remoteBrokers(given),
    place('options', needed(options(remoteOptions, { brokers: ['h:1'] })), { brokers: ['h:1'] })
  ),
  closing(
    (w, given) =>
      wire.listen(w.cluster).then(async listener => {
        try {
          await listener.close(given)
        } finally {
          await listener.close()
        }
      }),
    'Listener.close'
  ),
  door('cutAnswer', (_, count: never) => wire.cutAnswer(count), place('bytes', int(0), 1)),
  door('Users.of a list', (_, passwords: never) => wire.Users.of(passwords), place('passwords', bag, {})),
  door(
    'Users.add',
    (w, name: never, password: never, iterations: never) => w.users.add(name, password, iterations),
    place('name', text, 'u'),
    place('password', text, 'p'),
    place('iterations', opt(int(4096, 1_000_000)))
  ),
  door(
    'Users.get',
    (w, name: never, mechanism: never) => w.users.get(name, mechanism),
    place('name', anyText, 'u'),
    place('mechanism', oneOf('SCRAM-SHA-256'), 'SCRAM-SHA-256')
  ),
  door('Users.of', (w, name: never) => w.users.of(name), place('name', anyText, 'u')),
  door(
    'Users.set',
    (w, name: never, mechanism: never, credential: never) => w.users.set(name, mechanism, credential),
    place('name', text, 'u'),
    place('mechanism', oneOf('SCRAM-SHA-256'), 'SCRAM-SHA-256'),
    place('credential', nothing, {})
  ),
  door(
    'Users.remove',
    (w, name: never, mechanism: never) => w.users.remove(name, mechanism),
    place('name', text, 'u'),
    place('mechanism', opt(oneOf('SCRAM-SHA-256')))
  ),

  // ---- testing
  door(
    'new InterceptedBroker',
    (_, inner: never, given: never) => new testing.InterceptedBroker(inner, given),
    place('inner', nothing, (w: World) => w.brokers),
    place('clock', opt(clock))
  ),
  door('InterceptedBroker.on', (w, api: never) => w.intercepted.on(api), place('api', nothing, testing.Produce)),
  door('InterceptedBroker.seen', (w, api: never) => w.intercepted.seen(api), place('api', opt(nothing))),
  door(
    'RuleBuilder.when',
    (w, when: never) => w.rule.when(when),
    place('when', func, () => () => true)
  ),
  door('RuleBuilder.times', (w, count: never) => w.rule.times(count), place('times', int(1), 1)),
  door('RuleBuilder.fail', (w, error: never) => w.rule.fail(error), place('code', nothing, 'CLOSED')),
  door('RuleBuilder.answer', (w, code: never) => w.rule.answer(code), place('code', nothing, 'NOT_LEADER_OR_FOLLOWER')),
  door('RuleBuilder.delay', (w, delay: never) => w.rule.delay(delay), place('ms', int(0), 1)),
  door('RuleBuilder.delayResponse', (w, delay: never) => w.rule.delayResponse(delay), place('ms', int(0), 1)),
  door('RuleBuilder.rewriteRequest', (w, rewrite: never) => w.rule.rewriteRequest(rewrite), place('rewrite', func)),
  door('RuleBuilder.rewriteResponse', (w, rewrite: never) => w.rule.rewriteResponse(rewrite), place('rewrite', func)),
  door('RuleBuilder.do', (w, step: never) => w.rule.do(step), place('step', func)),
  door(
    'Hold.held',
    (w, count: never) => w.hold.held(count),
    place('count', { takes: value => value === undefined || (Number.isSafeInteger(value) && (value as number) >= 1) }, 1)
  ),
  door(
    'new SimulatedDisk',
    (_, given: never) => new testing.SimulatedDisk(given),
    place(
      'options',
      needed(
        options(
          { random: needed(random), capacityBytes: { takes: value => value === undefined || value === Infinity || int(0).takes(value) } },
          { random: millrace.seededRandom(1) }
        )
      )
    )
  ),
  door(
    'SimulatedDisk.mount',
    (w, given: never) => w.disk.mount(given),
    place('options', options({ syncEachAppend: opt(flag), maxSyncWriteBytes: ms, extendAheadBytes: ms }))
  ),
  door(
    'SimulatedDisk.fail',
    (w, fault: never) => w.disk.fail(fault),
    place('fault', needed(options({ operation: opt(oneOf()), name: opt(pattern), code: opt(oneOf()), after: ms })), {})
  ),
  door('SimulatedDisk.stopAfter', (w, count: never) => w.disk.stopAfter(count), place('operations', int(0), 1)),
  door('SimulatedDisk.crash', (w, kind: never) => w.disk.crash(kind), place('kind', nothing, 'power')),
  door('SimulatedDisk.flipBit', (w, name: never) => w.disk.flipBit(name), place('name', pattern, /x/)),
  door(
    'SimulatedDisk.put',
    (w, name: never, given: never) => w.disk.put(name, given),
    place('name', text, 'f'),
    place('bytes', bytes, new Uint8Array(1))
  ),
  door('SimulatedDisk.content', (w, name: never) => w.disk.content(name), place('name', text, 'f')),
  door('new VirtualClock', (_, start: never) => new testing.VirtualClock(start), place('startMs', opt(int(0)))),
  door(
    'VirtualClock.setTimer',
    (w, delay: never, callback: never) => w.clock.setTimer(delay, callback),
    place('delayMs', { takes: value => typeof value === 'number' && !Number.isNaN(value) }, 1),
    place('callback', func, () => () => {})
  ),
  door('VirtualClock.advance', (w, by: never) => w.clock.advance(by), place('ms', int(0), 1)),
  door(
    'VirtualClock.stepWallClock',
    (w, by: never) => w.clock.stepWallClock(by),
    place('ms', { takes: value => Number.isSafeInteger(value) }, 1)
  ),
  door('storageContract', (_, subject: never) => testing.storageContract(subject), place('subject', nothing, {}))
]
