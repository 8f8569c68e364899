import { afterEach, describe, expect, it } from 'vitest'
import { Admin } from '../../src/admin/admin.js'
import { LocalBroker } from '../../src/broker/local-broker.js'
import { Cluster } from '../../src/cluster.js'
import { seededRandom } from '../../src/common/random.js'
import { KafkaError } from '../../src/errors.js'
import type { Broker } from '../../src/protocol/broker.js'
import { encodeMessage } from '../../src/protocol/codec.js'
import type { Api } from '../../src/protocol/message.js'
import { array, int16, int32, schema, string } from '../../src/protocol/message.js'
import { JoinGroup } from '../../src/protocol/messages/join-group.js'
import { LeaveGroup } from '../../src/protocol/messages/leave-group.js'
import { ListOffsets } from '../../src/protocol/messages/list-offsets.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'
import { SyncGroup } from '../../src/protocol/messages/sync-group.js'
import { RecordBatch } from '../../src/record/record-batch.js'
import { topic } from '../../src/record/topic.js'
import { MemoryStorage } from '../../src/storage/memory/memory.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { createInternalTopic, produce } from '../broker/helpers.js'

type Rewrite = (api: Api, answer: () => Promise<unknown>) => Promise<unknown>

interface Opened {
  readonly admin: Admin
  readonly client: Broker
  readonly clock: VirtualClock
  readonly node: LocalBroker
  /** From now on stands between the admin and the node. */
  interceptWith(rewrite: Rewrite): void
}

const open: LocalBroker[] = []
afterEach(async () => {
  for (const node of open.splice(0)) await node.close()
})

async function openAdmin(): Promise<Opened> {
  const clock = new VirtualClock()
  const node = await LocalBroker.open({ storage: new MemoryStorage(), clock, random: seededRandom(1) })
  open.push(node)
  const client = node.connect({ clientId: 'test' })
  let intercept: Rewrite = (_, answer) => answer()
  const broker = {
    request: (api: Api, body: never, signal?: AbortSignal) => intercept(api, async () => client.request(api, body, signal))
  } as Broker
  const admin = new Admin({ brokers: { any: () => broker, byId: id => (id === 0 ? broker : undefined) }, clock, random: seededRandom(2) })
  return { admin, client, clock, node, interceptWith: rewrite => (intercept = rewrite) }
}

const failing = (promise: Promise<unknown>) =>
  promise.then(
    () => 'nothing failed',
    error => error
  )

describe('topics', () => {
  it('can be used once they are created, though brokers may be a while to see them', async () => {
    const { admin, clock, interceptWith } = await openAdmin()
    let unseen = 3
    interceptWith(async (api, answer) => {
      const response = (await answer()) as { topics: { errorCode: number }[] }
      if (api === Metadata && unseen-- > 0) response.topics[0].errorCode = 3
      return response
    })
    const created = admin.createTopic('orders')
    await clock.advance(2000)
    expect(await created).toMatchObject({ name: 'orders', partitions: 1 })
    expect(unseen).toBe(-1)
  })

  it('are created from names, descriptions and typed topics', async () => {
    const { admin } = await openAdmin()
    const pageViews = topic('page-views', { partitions: 6, configs: { 'retention.ms': 5000 } })
    const created = await admin.createTopics(['plain', { name: 'orders', partitions: 2 }, pageViews])
    expect(created).toMatchObject([
      { name: 'plain', partitions: 1, replicationFactor: 1 },
      { partitions: 2 },
      { name: 'page-views', partitions: 6 }
    ])
    expect((await admin.listTopics()).map(({ name, partitions }) => [name, partitions])).toEqual([
      ['plain', 1],
      ['orders', 2],
      ['page-views', 6]
    ])
    const [described] = await admin.describeTopics(['orders'])
    expect(described).toEqual({
      name: 'orders',
      id: created[1].id,
      isInternal: false,
      partitions: [0, 1].map(partition => ({ partition, leaderId: 0, leaderEpoch: 0, replicas: [0], inSyncReplicas: [0] }))
    })
  })

  it('that could not be created are named, and so are the others', async () => {
    const { admin } = await openAdmin()
    await admin.createTopic('orders')
    expect(await failing(admin.createTopic('orders'))).toMatchObject({ code: 'TOPIC_ALREADY_EXISTS', topic: 'orders' })
    const several = await failing(admin.createTopics(['orders', 'a b', 'fine']))
    expect(several).toMatchObject({
      code: 'TOPIC_ALREADY_EXISTS',
      cause: { errors: [{ topic: 'orders' }, { topic: 'a b', code: 'INVALID_TOPIC_EXCEPTION' }] }
    })
    expect((await admin.listTopics()).map(({ name }) => name)).toEqual(['orders', 'fine'])
  })

  it('can be tried out', async () => {
    const { admin } = await openAdmin()
    await admin.createTopic({ name: 'orders', partitions: 3 }, { validateOnly: true })
    expect(await failing(admin.createTopic({ name: 'orders', partitions: 0 }, { validateOnly: true }))).toMatchObject({
      code: 'INVALID_PARTITIONS'
    })
    expect(await admin.listTopics()).toEqual([])
  })

  it('get more partitions, and go', async () => {
    const { admin } = await openAdmin()
    await admin.createTopic('orders')
    await admin.listOffsets(['orders'], 'latest')
    await admin.createPartitions('orders', 4)
    expect(await admin.listOffsets([{ topic: 'orders', partition: 3 }], 'latest')).toMatchObject([{ offset: 0 }])
    expect((await admin.describeTopics(['orders']))[0].partitions).toHaveLength(4)
    expect(await failing(admin.createPartitions('orders', 2))).toMatchObject({ code: 'INVALID_PARTITIONS', topic: 'orders' })
    await admin.deleteTopics(['orders'])
    expect(await failing(admin.describeTopics(['orders']))).toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION', topic: 'orders' })
    expect(await failing(admin.deleteTopics(['orders']))).toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION' })
  })

  it('that are internal are listed only when asked for', async () => {
    const { admin, node } = await openAdmin()
    await createInternalTopic(node, '__consumer_offsets')
    expect(await admin.listTopics()).toEqual([])
    expect(await admin.listTopics({ includeInternal: true })).toMatchObject([{ name: '__consumer_offsets', isInternal: true }])
  })
})

describe('configs', () => {
  it('are told with who set them, changed, and taken back', async () => {
    const { admin } = await openAdmin()
    await admin.createTopic('orders')
    const config = async (name: string) => (await admin.describeConfigs({ topic: 'orders' })).find(entry => entry.name === name)
    expect(await config('retention.ms')).toMatchObject({ value: '604800000', source: 'default', isReadOnly: false, isSensitive: false })
    await admin.alterConfigs({ topic: 'orders' }, { 'retention.ms': 1000, 'message.timestamp.type': 'LogAppendTime' })
    expect(await config('retention.ms')).toMatchObject({ value: '1000', source: 'topic' })
    await admin.alterConfigs('orders', { 'retention.ms': null })
    expect(await config('retention.ms')).toMatchObject({ source: 'default' })
    expect(await config('message.timestamp.type')).toMatchObject({ value: 'LogAppendTime' })
    expect((await admin.describeConfigs({ broker: 0 })).map(({ name }) => name)).toContain('num.partitions')
  })

  it('that are wrong are refused', async () => {
    const { admin } = await openAdmin()
    await admin.createTopic('orders')
    expect(await failing(admin.alterConfigs({ topic: 'orders' }, { 'retention.millis': 1 }))).toMatchObject({
      code: 'INVALID_CONFIG',
      topic: 'orders'
    })
    expect(await failing(admin.alterConfigs({ topic: 'nothing' }, {}))).toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION' })
    expect(await failing(admin.describeConfigs({} as never))).toBeInstanceOf(TypeError)
    expect(await failing(admin.describeConfigs('nothing'))).toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
      topic: 'nothing'
    })
  })
})

async function withRecords(): Promise<Opened> {
  const opened = await openAdmin()
  await opened.admin.createTopic({ name: 'orders', partitions: 2 })
  const start = opened.clock.now()
  for (let i = 0; i < 4; i++)
    await produce(opened.client, 'orders', 0, RecordBatch.of([{ timestamp: start + 10 * i, value: `v${i}` }]).bytes)
  return opened
}

describe('offsets of partitions', () => {
  it('are listed by place and by time, for topics and for partitions', async () => {
    const { admin, clock } = await withRecords()
    const offsets = async (at: Parameters<Admin['listOffsets']>[1]) => (await admin.listOffsets(['orders'], at)).map(({ offset }) => offset)
    expect(await offsets('earliest')).toEqual([0, 0])
    expect(await offsets('latest')).toEqual([4, 0])
    expect(await offsets('maxTimestamp')).toEqual([3, -1])
    expect(await offsets(clock.now() + 11)).toEqual([2, -1])
    expect(await offsets(new Date(clock.now() + 10))).toEqual([1, -1])
    const [single] = await admin.listOffsets([{ topic: 'orders', partition: 0 }], new Date(clock.now()))
    expect(single).toEqual({ topic: 'orders', partition: 0, offset: 0, timestamp: clock.now(), leaderEpoch: 0 })
  })

  it('of what does not exist are refused, and nothing is created', async () => {
    const { admin, node } = await withRecords()
    expect(await failing(admin.listOffsets(['nothing'], 'latest'))).toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION', topic: 'nothing' })
    expect(await failing(admin.listOffsets([{ topic: 'orders', partition: 9 }], 'latest'))).toMatchObject({ topic: 'orders', partition: 9 })
    expect(node.topics.has('nothing')).toBe(false)
  })

  it('start where records were deleted up to', async () => {
    const { admin } = await withRecords()
    const deleted = await admin.deleteRecords([
      { topic: 'orders', partition: 0, before: 3 },
      { topic: 'orders', partition: 1, before: 'highWatermark' }
    ])
    expect(deleted).toEqual([
      { topic: 'orders', partition: 0, logStartOffset: 3 },
      { topic: 'orders', partition: 1, logStartOffset: 0 }
    ])
    const beyond = admin.deleteRecords([{ topic: 'orders', partition: 0, before: 9 }])
    expect(await failing(beyond)).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', topic: 'orders', partition: 0 })
  })
})

const Subscription = schema({
  name: 'Subscription',
  versions: '0',
  flexible: 'none',
  fields: { version: int16(), topics: array(string()), userData: int32() }
})
const Assignment = schema({
  name: 'Assignment',
  versions: '0',
  flexible: 'none',
  fields: { version: int16(), assigned: array({ topic: string(), partitions: array(int32()) }), userData: int32() }
})

/** Lets one member join a group and take the first partition of `orders`; returns its id. */
async function join(client: Broker, groupId: string): Promise<string> {
  const metadata = encodeMessage(Subscription, 0, { version: 0, topics: ['orders'], userData: -1 })
  const member = {
    groupId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata }]
  }
  const { memberId } = await client.request(JoinGroup, { ...member, memberId: '' })
  const { generationId = -1 } = await client.request(JoinGroup, { ...member, memberId })
  const assignment = encodeMessage(Assignment, 0, { version: 0, assigned: [{ topic: 'orders', partitions: [0] }], userData: -1 })
  const protocol = { protocolType: 'consumer', protocolName: 'range' }
  await client.request(SyncGroup, { groupId, generationId, memberId, ...protocol, assignments: [{ memberId, assignment }] })
  return memberId
}

async function commit(client: Broker, groupId: string, offset: number): Promise<void> {
  const partitions = [0, 1].map(partitionIndex => ({ partitionIndex, committedOffset: offset, committedMetadata: 'm' }))
  await client.request(OffsetCommit, { groupId, memberId: '', topics: [{ name: 'orders', partitions }] })
}

describe('groups', () => {
  it('are listed and described with their members', async () => {
    const { admin, client } = await withRecords()
    const memberId = await join(client, 'analytics')
    await commit(client, 'idle', 1)
    const listed = await admin.listGroups()
    expect(listed.sort((a, b) => (a.groupId < b.groupId ? -1 : 1))).toMatchObject([
      { groupId: 'analytics', protocolType: 'consumer', state: 'Stable' },
      { groupId: 'idle', state: 'Empty' }
    ])
    expect(await admin.listGroups({ states: ['Stable'] })).toMatchObject([{ groupId: 'analytics' }])
    expect(await admin.describeGroups(['analytics'])).toMatchObject([
      {
        groupId: 'analytics',
        state: 'Stable',
        assignor: 'range',
        members: [{ memberId, groupInstanceId: null, clientId: 'test', assignment: [{ topic: 'orders', partitions: [0] }] }]
      }
    ])
    expect(await failing(admin.describeGroups(['nobody']))).toMatchObject({ code: 'GROUP_ID_NOT_FOUND' })
  })

  it('go with their offsets once they are empty', async () => {
    const { admin, client } = await withRecords()
    const memberId = await join(client, 'analytics')
    expect(await failing(admin.deleteGroups(['analytics']))).toMatchObject({ code: 'NON_EMPTY_GROUP' })
    await client.request(LeaveGroup, { groupId: 'analytics', members: [{ memberId }] })
    await admin.deleteGroups(['analytics'])
    expect(await admin.listGroups()).toEqual([])
    expect(await failing(admin.deleteGroups(['analytics']))).toMatchObject({ code: 'GROUP_ID_NOT_FOUND' })
  })

  it('have offsets that can be listed and forgotten', async () => {
    const { admin, client } = await withRecords()
    await commit(client, 'g', 2)
    expect(await admin.listGroupOffsets('g')).toEqual([
      { topic: 'orders', partition: 0, offset: 2, leaderEpoch: -1, metadata: 'm' },
      { topic: 'orders', partition: 1, offset: 2, leaderEpoch: -1, metadata: 'm' }
    ])
    await admin.deleteGroupOffsets('g', [{ topic: 'orders', partition: 0 }])
    expect(await admin.listGroupOffsets('g')).toMatchObject([{ partition: 1 }])
    await admin.deleteGroupOffsets('g', ['orders'])
    expect(await admin.listGroupOffsets('g')).toEqual([])
  })

  it('lose the offsets of topics that are deleted', async () => {
    const { admin, client } = await withRecords()
    await commit(client, 'g', 2)
    await admin.deleteTopics(['orders'])
    expect(await admin.listGroupOffsets('g')).toEqual([])
  })

  it('have offsets that can be reset to the start, the end, a time or a number', async () => {
    const { admin, client, clock } = await withRecords()
    await commit(client, 'g', 1)
    const reset = async (to: Parameters<Admin['resetGroupOffsets']>[1]['to']) => {
      const offsets = (await admin.resetGroupOffsets('g', { to })).map(({ offset }) => offset)
      expect((await admin.listGroupOffsets('g')).map(({ offset }) => offset)).toEqual(offsets)
      return offsets
    }
    expect(await reset('latest')).toEqual([4, 0])
    expect(await reset('earliest')).toEqual([0, 0])
    expect(await reset(new Date(clock.now() + 15))).toEqual([2, 0])
    expect(await reset(3)).toEqual([3, 0])
    expect(await reset(100)).toEqual([4, 0])
  })

  it('that are new get offsets for the partitions that are named', async () => {
    const { admin } = await withRecords()
    expect(await admin.resetGroupOffsets('new', { to: 'latest' })).toEqual([])
    const partitions = [{ topic: 'orders', partition: 0 }]
    expect(await admin.resetGroupOffsets('new', { to: 'latest', partitions })).toMatchObject([{ topic: 'orders', partition: 0, offset: 4 }])
    expect(await admin.listGroupOffsets('new')).toMatchObject([{ partition: 0, offset: 4, leaderEpoch: 0 }])
  })

  it('keep their offsets while they have members', async () => {
    const { admin, client } = await withRecords()
    await join(client, 'g')
    const reset = admin.resetGroupOffsets('g', { to: 'earliest', partitions: ['orders'] })
    expect(await failing(reset)).toMatchObject({ code: 'NON_EMPTY_GROUP' })
    expect(await failing(admin.deleteGroupOffsets('g', ['orders']))).toMatchObject({ code: 'GROUP_SUBSCRIBED_TO_TOPIC', topic: 'orders' })
  })
})

describe('every call', () => {
  it('is tried again while that can help', async () => {
    const { admin, clock, interceptWith } = await withRecords()
    let failures = 3
    interceptWith(async (api, answer) => {
      if (api === ListOffsets && failures-- > 0) throw new KafkaError('NETWORK_EXCEPTION')
      return answer()
    })
    const partitions = [0, 1].map(partition => ({ topic: 'orders', partition }))
    const listed = admin.listOffsets(partitions, 'latest')
    await clock.advance(1000)
    expect(await listed).toMatchObject([{ offset: 4 }, { offset: 0 }])
  })

  it('asks again for the leader when it was the wrong one', async () => {
    const { admin, clock, interceptWith } = await withRecords()
    const asked: string[] = []
    interceptWith(async (api, answer) => {
      asked.push(api.name)
      const response = (await answer()) as { topics: { partitions: { errorCode: number }[] }[] }
      if (api === ListOffsets && asked.filter(name => name === 'ListOffsets').length === 1) response.topics[0].partitions[1].errorCode = 6
      return response
    })
    const partitions = [0, 1].map(partition => ({ topic: 'orders', partition }))
    const listed = admin.listOffsets(partitions, 'latest')
    await clock.advance(1000)
    expect(await listed).toMatchObject([{ offset: 4 }, { offset: 0 }])
    expect(asked).toEqual(['ListOffsets', 'Metadata', 'ListOffsets'])
  })

  it('ends with its time, and says what kept it', async () => {
    const { admin, clock, interceptWith } = await openAdmin()
    interceptWith(() => Promise.reject(new KafkaError('NETWORK_EXCEPTION', 'no way')))
    const listed = failing(admin.listTopics({ timeoutMs: 5000 }))
    await clock.advance(5000)
    expect(await listed).toMatchObject({ code: 'NETWORK_EXCEPTION', message: 'no way' })
    interceptWith(api => (api === Metadata ? new Promise(() => {}) : Promise.resolve({})))
    const silent = failing(admin.listOffsets(['orders'], 'latest', { timeoutMs: 50 }))
    await clock.advance(50)
    expect(await silent).toMatchObject({ code: 'REQUEST_TIMED_OUT' })
  })

  it('ends with its signal', async () => {
    const { admin, interceptWith } = await openAdmin()
    interceptWith(() => new Promise(() => {}))
    const controller = new AbortController()
    const calls = [admin.listTopics({ signal: controller.signal }), admin.listOffsets(['a'], 'latest', { signal: controller.signal })].map(
      failing
    )
    controller.abort(new Error('enough'))
    expect(await Promise.all(calls)).toMatchObject([{ message: 'enough' }, { message: 'enough' }])
    expect(await failing(admin.describeCluster({ signal: controller.signal }))).toMatchObject({ message: 'enough' })
  })

  it('fails with CLOSED once the admin is closed', async () => {
    const { admin, interceptWith } = await openAdmin()
    interceptWith(() => new Promise(() => {}))
    const listed = failing(admin.listTopics())
    await admin.close()
    await admin.close()
    expect(await listed).toMatchObject({ code: 'CLOSED' })
    expect(await failing(admin.listTopics())).toMatchObject({ code: 'CLOSED' })
  })

  it('leaves the cluster with the admin when it is closed', async () => {
    let closed = 0
    const close = async () => void closed++
    const cluster = await Cluster.open({ intercept: brokers => ({ any: () => brokers.any(), byId: id => brokers.byId(id), close }) })
    await cluster.admin().close()
    cluster.admin()
    await cluster.close()
    expect(closed).toBe(2)
  })

  it('takes only options that exist', () => {
    const parts = { brokers: { any: () => ({}) as Broker, byId: () => undefined }, clock: new VirtualClock(), random: seededRandom(1) }
    expect(() => new Admin(parts, { timeout: 5 } as never)).toThrowError(/Unknown option `timeout`/)
    expect(() => new Admin(parts, { timeoutMs: 0 })).toThrowError(/timeoutMs/)
  })
})

describe('the cluster', () => {
  it('is described', async () => {
    const { admin, node } = await openAdmin()
    const { host, port } = node.endpoint
    expect(await admin.describeCluster()).toEqual({
      clusterId: node.clusterId,
      controllerId: 0,
      brokers: [{ nodeId: 0, host, port, rack: null }]
    })
  })
})

describe('what contradicts itself', () => {
  it('is refused, when a topic is created and when its configs are changed: lags of compaction', async () => {
    await using cluster = await Cluster.open()
    const admin = cluster.admin()
    const configs = { 'cleanup.policy': 'compact', 'min.compaction.lag.ms': 100_000, 'max.compaction.lag.ms': 50 }
    await expect(admin.createTopic({ name: 'state', configs })).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
    await admin.createTopic({ name: 'state', configs: { 'cleanup.policy': 'compact', 'max.compaction.lag.ms': 50 } })
    const changed = admin.alterConfigs({ topic: 'state' }, { 'min.compaction.lag.ms': 51 })
    await expect(changed).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
    await admin.alterConfigs({ topic: 'state' }, { 'min.compaction.lag.ms': 50 })
  })
})

describe('arguments of another kind', () => {
  it('are refused by name', async () => {
    await expect(Cluster.open({ storage: './data' as never })).rejects.toThrow("Expected `storage` to be a storage, fileStorage('./data')")
    await using cluster = await Cluster.open()
    expect(() => cluster.admin().createTopics('x' as never)).toThrow('Expected `topics` to be an array of topics')
    await expect(cluster.consumer({ topics: ['t'] }).run({ eachRecord() {}, deadLetter: 'dlq' as never })).rejects.toThrow('`deadLetter`')
    const half = [{ topic: 't', partition: 0, before: 3.5 }]
    await expect(cluster.admin().deleteRecords(half)).rejects.toThrow('`before`')
  })
})
