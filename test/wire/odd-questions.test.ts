import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { zeroUuid } from '../../src/common/uuid.js'
import { errorCodeOf } from '../../src/errors.js'
import type { Api, RequestOf, ResponseOf } from '../../src/protocol/message.js'
import { AlterConfigs } from '../../src/protocol/messages/alter-configs.js'
import { AlterReplicaLogDirs } from '../../src/protocol/messages/alter-replica-log-dirs.js'
import { CreateAcls } from '../../src/protocol/messages/create-acls.js'
import { CreateTopics } from '../../src/protocol/messages/create-topics.js'
import { DeleteAcls } from '../../src/protocol/messages/delete-acls.js'
import { DeleteGroups } from '../../src/protocol/messages/delete-groups.js'
import { DeleteRecords } from '../../src/protocol/messages/delete-records.js'
import { DeleteTopics } from '../../src/protocol/messages/delete-topics.js'
import { DescribeAcls } from '../../src/protocol/messages/describe-acls.js'
import { DescribeCluster } from '../../src/protocol/messages/describe-cluster.js'
import { DescribeConfigs } from '../../src/protocol/messages/describe-configs.js'
import { DescribeTopicPartitions } from '../../src/protocol/messages/describe-topic-partitions.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { IncrementalAlterConfigs } from '../../src/protocol/messages/incremental-alter-configs.js'
import { LeaveGroup } from '../../src/protocol/messages/leave-group.js'
import { ListOffsets } from '../../src/protocol/messages/list-offsets.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'
import { OffsetFetch } from '../../src/protocol/messages/offset-fetch.js'
import { OffsetForLeaderEpoch } from '../../src/protocol/messages/offset-for-leader-epoch.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { type Listener, listen } from '../../src/wire/index.js'
import { batch } from '../broker/helpers.js'
import { RawClient } from './raw-client.js'

/*
 * Questions that no client means to ask, and what Apache Kafka 4.3 answers. test/interop/kafka/differential.test.ts asks
 * many more, of both.
 */
describe('an odd question over the wire', () => {
  let cluster: Cluster
  let listener: Listener

  beforeAll(async () => {
    cluster = await Cluster.open({ configs: { 'auto.create.topics.enable': 'false' } })
    listener = await listen(cluster, { superUsers: ['ANONYMOUS'] })
    await cluster.admin().createTopics([{ name: 'orders', partitions: 2 }, { name: 'users' }])
  })

  afterAll(async () => {
    await listener.close()
    await cluster.close()
  })

  async function ask<A extends Api>(api: A, version: number, body: RequestOf<A>): Promise<ResponseOf<A>> {
    using client = await RawClient.connect(listener.port)
    client.request(api, version, body)
    return (await client.response(api, version)).body
  }

  const codes = (answers: readonly { readonly errorCode: number }[]) => answers.map(({ errorCode }) => errorCodeOf(errorCode))
  const idOf = async (name: string) => {
    const { topics } = await ask(Metadata, 12, { topics: [{ topicId: zeroUuid, name }] })
    return topics[0].topicId!
  }

  it('that names a partition twice is answered once', async () => {
    const twice = [{ partitionIndex: 0 }, { partitionIndex: 0 }]
    const offsets = await ask(ListOffsets, 7, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name: 'orders', partitions: [...twice, { partitionIndex: 1 }].map(partition => ({ ...partition, timestamp: -1 })) }]
    })
    expect(offsets.topics.flatMap(({ partitions }) => codes(partitions))).toEqual(['INVALID_REQUEST', 'NONE'])
    const deleted = await ask(DeleteRecords, 2, {
      topics: [{ name: 'orders', partitions: twice.map((partition, offset) => ({ ...partition, offset: offset * 100 })) }],
      timeoutMs: 1000
    })
    expect(deleted.topics.flatMap(({ partitions }) => codes(partitions))).toEqual(['OFFSET_OUT_OF_RANGE'])
    const wanted = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }
    const fetched = await ask(Fetch, 11, {
      maxWaitMs: 0,
      minBytes: 0,
      topics: [
        { topic: 'orders', partitions: [wanted, { ...wanted, fetchOffset: 99 }] },
        { topic: 'orders', partitions: [{ ...wanted, partition: 1 }] }
      ]
    })
    expect(fetched.responses.flatMap(({ partitions }) => codes(partitions))).toEqual(['OFFSET_OUT_OF_RANGE', 'NONE'])
    const moved = await ask(AlterReplicaLogDirs, 2, { dirs: [{ path: '/no/such', topics: [{ name: 'orders', partitions: [0, 0] }] }] })
    expect(moved.results.flatMap(({ partitions }) => codes(partitions))).toEqual(['LOG_DIR_NOT_FOUND'])
    const data = { index: 0, records: batch('a') }
    const produced = await ask(Produce, 9, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 1000,
      topicData: [
        { name: 'users', partitionData: [data] },
        { name: 'users', partitionData: [data] }
      ]
    })
    expect(produced.responses.flatMap(({ partitionResponses }) => partitionResponses)).toMatchObject([{ errorCode: 0, baseOffset: 0 }])
  })

  it('that commits a partition twice is answered twice', async () => {
    const commit = (committedMetadata: string) => ({ partitionIndex: 0, committedOffset: 0, committedMetadata })
    const committed = await ask(OffsetCommit, 8, {
      groupId: 'twice',
      memberId: '',
      topics: [{ name: 'orders', partitions: [commit('m'.repeat(5000)), { ...commit(''), partitionIndex: 9 }, commit('')] }]
    })
    expect(committed.topics.flatMap(({ partitions }) => codes(partitions))).toEqual([
      'OFFSET_METADATA_TOO_LARGE',
      'UNKNOWN_TOPIC_OR_PARTITION',
      'NONE'
    ])
  })

  it('that names a topic or a group twice is refused, or answered once', async () => {
    const { responses } = await ask(DeleteTopics, 5, { topicNames: ['absent', 'absent', 'gone'], timeoutMs: 1000 })
    expect(codes(responses)).toEqual(['INVALID_REQUEST', 'UNKNOWN_TOPIC_OR_PARTITION'])
    const { results } = await ask(DeleteGroups, 2, { groupsNames: ['absent', 'absent'] })
    expect(codes(results)).toEqual(['GROUP_ID_NOT_FOUND'])
    const { topics } = await ask(Metadata, 8, { topics: [{ name: 'orders' }, { name: 'orders' }] })
    expect(topics.map(({ name }) => name)).toEqual(['orders'])
  })

  it('with ids of topics is answered by ids alone, where the version has them', async () => {
    const topicId = await idOf('orders')
    const asked = {
      topics: [
        { topicId, name: 'users' },
        { topicId: zeroUuid, name: 'users' }
      ]
    }
    const { topics } = await ask(Metadata, 12, asked)
    expect(topics.map(({ name }) => name)).toEqual(['orders'])
    const refused = await ask(Metadata, 11, asked)
    expect(refused).toMatchObject({ brokers: [], controllerId: -1 })
    expect(codes(refused.topics)).toEqual(['INVALID_REQUEST', 'INVALID_REQUEST'])
  })

  it('with no id of a topic, where the version has ids, is about an unknown id', async () => {
    const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }]
    const committed = await ask(OffsetCommit, 10, {
      groupId: 'g',
      generationIdOrMemberEpoch: -1,
      memberId: '',
      topics: [{ topicId: zeroUuid, partitions }]
    })
    expect(codes(committed.topics[0].partitions)).toEqual(['UNKNOWN_TOPIC_ID'])
    const fetched = await ask(OffsetFetch, 10, { groups: [{ groupId: 'g', topics: [{ topicId: zeroUuid, partitionIndexes: [0] }] }] })
    expect(codes(fetched.groups![0].topics[0].partitions)).toEqual(['UNKNOWN_TOPIC_ID'])
    const produced = await ask(Produce, 13, {
      transactionalId: null,
      acks: 1,
      timeoutMs: 1000,
      topicData: [{ topicId: zeroUuid, partitionData: [{ index: 0, records: batch('a') }] }]
    })
    expect(codes(produced.responses[0].partitionResponses)).toEqual(['UNKNOWN_TOPIC_ID'])
  })

  it('about absent topics tells what may be done with them, where it asks for that', async () => {
    const { topics } = await ask(Metadata, 12, {
      topics: [{ topicId: zeroUuid, name: 'absent' }],
      includeTopicAuthorizedOperations: true
    })
    expect(topics[0].topicAuthorizedOperations).toBe(3576)
    const described = await ask(DescribeTopicPartitions, 0, { topics: [{ name: 'absent' }] })
    expect(described.topics[0].topicAuthorizedOperations).toBe(3576)
  })

  it('for a page that begins with a topic that was not asked for is refused', async () => {
    for (const cursor of [
      { topicName: 'users', partitionIndex: 0 },
      { topicName: 'orders', partitionIndex: -1 }
    ]) {
      const { topics, nextCursor } = await ask(DescribeTopicPartitions, 0, { topics: [{ name: 'orders' }], cursor })
      expect(codes(topics)).toEqual(['INVALID_REQUEST'])
      expect(nextCursor).toBe(null)
    }
  })

  it('for a special time is refused in a version that does not know it, and before the partition is looked for', async () => {
    const offsets = async (version: number, timestamp: number) => {
      const partitions = [0, 9].map(partitionIndex => ({ partitionIndex, timestamp }))
      const { topics } = await ask(ListOffsets, version, { replicaId: -1, topics: [{ name: 'orders', partitions }] })
      return codes(topics[0].partitions)
    }
    expect(await offsets(6, -3)).toEqual(['UNSUPPORTED_VERSION', 'UNSUPPORTED_VERSION'])
    expect(await offsets(7, -3)).toEqual(['NONE', 'UNKNOWN_TOPIC_OR_PARTITION'])
    expect(await offsets(11, -7)).toEqual(['UNSUPPORTED_VERSION', 'UNSUPPORTED_VERSION'])
  })

  it('of an epoch that never was is answered as of one before the first', async () => {
    const { topics } = await ask(OffsetForLeaderEpoch, 4, {
      replicaId: -1,
      topics: [{ topic: 'orders', partitions: [{ partition: 1, currentLeaderEpoch: -1, leaderEpoch: -2 }] }]
    })
    expect(topics[0].partitions[0]).toMatchObject({ errorCode: 0, leaderEpoch: -2, endOffset: 0 })
    const start = await ask(ListOffsets, 7, {
      replicaId: -1,
      topics: [{ name: 'orders', partitions: [{ partitionIndex: 1, timestamp: -2, currentLeaderEpoch: -2 }] }]
    })
    expect(codes(start.topics[0].partitions)).toEqual(['FENCED_LEADER_EPOCH'])
  })

  it('with faulty changes of configs is refused for them before the topic is looked for', async () => {
    const change = async (resourceName: string, name: string, value: string | null, configOperation = 0) => {
      const resources = [{ resourceType: 2, resourceName, configs: [{ name, value, configOperation }] }]
      return codes((await ask(IncrementalAlterConfigs, 1, { resources, validateOnly: true })).responses)[0]
    }
    expect(await change('absent', 'retention.ms', 'x')).toBe('INVALID_CONFIG')
    expect(await change('absent', 'retention.ms', null)).toBe('INVALID_REQUEST')
    expect(await change('b@d', 'retention.ms', 'x')).toBe('INVALID_TOPIC_EXCEPTION')
    expect(await change('b@d', 'retention.ms', '1', 2)).toBe('INVALID_CONFIG')
    expect(await change('absent', 'retention.ms', '1')).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await change('absent', 'cleanup.policy', '', 2)).toBe('INVALID_CONFIG')
    expect(await change('orders', 'cleanup.policy', 'compact,')).toBe('INVALID_CONFIG')
    const configs = ['1', '2'].map(value => ({ name: 'retention.ms', value }))
    const whole = await ask(AlterConfigs, 2, { resources: [{ resourceType: 2, resourceName: 'orders', configs }], validateOnly: true })
    expect(codes(whole.responses)).toEqual(['INVALID_REQUEST'])
  })

  it('for configs of something that has none is refused whole', async () => {
    const { results } = await ask(DescribeConfigs, 4, {
      resources: [2, 7].map(resourceType => ({ resourceType, resourceName: 'orders', configurationKeys: null }))
    })
    expect(codes(results)).toEqual(['INVALID_REQUEST', 'INVALID_REQUEST'])
  })

  it('to create a topic takes the last of a config that it has twice, and names the replication factor first', async () => {
    const wanted = { name: 'new', numPartitions: 0, replicationFactor: 0, configs: [] }
    const configs = ['x', '1'].map(value => ({ name: 'retention.ms', value }))
    const answer = async (topic: RequestOf<typeof CreateTopics>['topics'][number]) =>
      codes((await ask(CreateTopics, 7, { topics: [topic], timeoutMs: 1000, validateOnly: true })).topics)[0]
    expect(await answer(wanted)).toBe('INVALID_REPLICATION_FACTOR')
    expect(await answer({ ...wanted, replicationFactor: 1 })).toBe('INVALID_PARTITIONS')
    expect(await answer({ ...wanted, numPartitions: 1, replicationFactor: 1, configs })).toBe('NONE')
  })

  it('with acks that there are not is refused for its partitions and batches first', async () => {
    const { responses } = await ask(Produce, 9, {
      transactionalId: null,
      acks: 2,
      timeoutMs: 1000,
      topicData: [{ name: 'users', partitionData: [0, 9].map(index => ({ index, records: batch('a') })) }]
    })
    expect(codes(responses[0].partitionResponses)).toEqual(['INVALID_REQUIRED_ACKS', 'UNKNOWN_TOPIC_OR_PARTITION'])
  })

  it('about ACLs with numbers that nothing has is answered, and ends the connection for a zero', async () => {
    const filter = {
      resourceTypeFilter: 9,
      resourceNameFilter: null,
      patternTypeFilter: 3,
      principalFilter: null,
      hostFilter: null,
      operation: 1,
      permissionType: 1
    }
    expect(await ask(DescribeAcls, 3, filter)).toMatchObject({ errorCode: 0, resources: [] })
    expect(codes((await ask(DeleteAcls, 3, { filters: [filter] })).filterResults)).toEqual(['INVALID_REQUEST'])
    const acl = {
      resourceType: 2,
      resourceName: 'a',
      resourcePatternType: 3,
      principal: 'User:a',
      host: '*',
      operation: 20,
      permissionType: 3
    }
    expect(codes((await ask(CreateAcls, 3, { creations: [acl] })).results)).toEqual(['INVALID_REQUEST'])
    await expect(ask(DescribeAcls, 3, { ...filter, operation: 0 })).rejects.toThrow('The connection ended')
  })

  it('for other endpoints than those of brokers is refused in the name of brokers', async () => {
    expect(await ask(DescribeCluster, 1, { includeClusterAuthorizedOperations: false, endpointType: 2 })).toMatchObject({
      errorCode: 114,
      endpointType: 1
    })
  })

  it('of nobody who leaves a group is about an unknown member', async () => {
    expect((await ask(LeaveGroup, 2, { groupId: 'g', memberId: '' })).errorCode).toBe(25)
  })
})
