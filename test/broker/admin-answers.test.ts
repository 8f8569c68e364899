import { describe, expect, it } from 'vitest'
import { nodeOf } from '../../src/broker/local-broker.js'
import type { MetadataRecord } from '../../src/metadata/records.js'
import { AlterPartitionReassignments } from '../../src/protocol/messages/alter-partition-reassignments.js'
import { AlterReplicaLogDirs } from '../../src/protocol/messages/alter-replica-log-dirs.js'
import { DescribeProducers } from '../../src/protocol/messages/describe-producers.js'
import { DescribeQuorum } from '../../src/protocol/messages/describe-quorum.js'
import { ElectLeaders } from '../../src/protocol/messages/elect-leaders.js'
import { ListPartitionReassignments } from '../../src/protocol/messages/list-partition-reassignments.js'
import { UpdateFeatures } from '../../src/protocol/messages/update-features.js'
import { RecordBatch } from '../../src/record/record-batch.js'
import { createTopic, openNode, produce, withError } from './helpers.js'

/* The expected answers are those that Apache Kafka 4.3.0 gave to the same requests. */

describe('what administrators ask', () => {
  it('the producers of a partition are told with how far they came', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    const ids = { producerId: 9, producerEpoch: 2, baseSequence: 0 }
    await produce(
      client,
      'orders',
      0,
      RecordBatch.of(
        [
          { value: 'a', timestamp: 5 },
          { value: 'b', timestamp: 7 }
        ],
        ids
      ).bytes
    )
    const wanted = [
      { name: 'orders', partitionIndexes: [0, 5, -1] },
      { name: 'no', partitionIndexes: [0] },
      { name: 'b@d', partitionIndexes: [0] }
    ]
    const { topics } = await client.request(DescribeProducers, { topics: wanted })
    const [known, unknown, invalid] = topics.map(({ partitions }) => partitions.map(withError))
    expect(known.map(({ error }) => error)).toEqual(['NONE', 'UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_OR_PARTITION'])
    expect(known[0].activeProducers).toEqual([
      { producerId: 9, producerEpoch: 2, lastSequence: 1, lastTimestamp: 7, coordinatorEpoch: -1, currentTxnStartOffset: -1 }
    ])
    expect([unknown[0].error, invalid[0].error]).toEqual(['UNKNOWN_TOPIC_OR_PARTITION', 'INVALID_TOPIC_EXCEPTION'])
  })

  it('the quorum of the metadata is this node', async () => {
    const { client, node } = await openNode({ nodeId: 3 })
    await createTopic(client, 'orders')
    const ask = async (...topics: [topicName: string, ...partitions: number[]][]) => {
      const asked = topics.map(([topicName, ...partitions]) => {
        return { topicName, partitions: partitions.map(partitionIndex => ({ partitionIndex })) }
      })
      const answer = await client.request(DescribeQuorum, { topics: asked })
      return { ...answer, partitions: answer.topics.flatMap(({ partitions }) => partitions.map(withError)) }
    }
    const { partitions, nodes } = await ask(['__cluster_metadata', 0])
    expect(partitions).toMatchObject([{ error: 'NONE', leaderId: 3, currentVoters: [{ replicaId: 3 }], observers: [] }])
    expect(partitions[0].highWatermark).toBe(nodeOf(node).quorum.logEndOffset)
    expect(partitions[0].highWatermark).toBeGreaterThan(2)
    expect(nodes?.map(({ nodeId }) => nodeId)).toEqual([3])
    // As with Kafka, a request that names anything else as well is answered for nothing.
    for (const topics of [
      [['__cluster_metadata', 0, 1]],
      [
        ['__cluster_metadata', 0],
        ['orders', 0]
      ],
      [['orders', 0]]
    ] as const) {
      const refused = await ask(...topics.map(topic => [...topic] as [string, ...number[]]))
      expect(new Set(refused.partitions.map(({ error }) => error))).toEqual(new Set(['UNKNOWN_TOPIC_OR_PARTITION']))
      expect(refused.nodes).toEqual([])
    }
  })

  it('an election of leaders is not needed', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    const elect = async (electionType: number, topicPartitions: { topic: string; partitions: number[] }[] | null) => {
      const { errorCode = 0, replicaElectionResults } = await client.request(ElectLeaders, { electionType, topicPartitions })
      const results = replicaElectionResults.map(({ topic, partitionResult }) => [
        topic,
        ...partitionResult.map(each => withError(each).error)
      ])
      return [withError({ errorCode }).error, ...results]
    }
    const asked = [
      { topic: 'orders', partitions: [0, 7] },
      { topic: 'no', partitions: [0] }
    ]
    for (const type of [0, 1])
      expect(await elect(type, asked)).toEqual([
        'NONE',
        ['orders', 'ELECTION_NOT_NEEDED', 'UNKNOWN_TOPIC_OR_PARTITION'],
        ['no', 'UNKNOWN_TOPIC_OR_PARTITION']
      ])
    expect(await elect(0, null)).toEqual(['NONE', ['orders']])
    expect(await elect(5, [{ topic: 'orders', partitions: [0] }])).toEqual(['INVALID_REQUEST', ['orders', 'INVALID_REQUEST']])
  })

  it('logs are in the one directory that there is', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    const move = async (path: string) => {
      const { results } = await client.request(AlterReplicaLogDirs, { dirs: [{ path, topics: [{ name: 'orders', partitions: [0, 9] }] }] })
      return results[0].partitions.map(each => withError(each).error)
    }
    expect(await move('memory')).toEqual(['NONE', 'UNKNOWN_TOPIC_OR_PARTITION'])
    expect(await move('/elsewhere')).toEqual(['LOG_DIR_NOT_FOUND', 'LOG_DIR_NOT_FOUND'])
  })

  it('replicas can be assigned to brokers that there are', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    const assign = async (partitionIndex: number, replicas: number[] | null, name = 'orders') => {
      const topics = [{ name, partitions: [{ partitionIndex, replicas }] }]
      const { responses } = await client.request(AlterPartitionReassignments, { topics })
      return withError(responses[0].partitions[0]).error
    }
    expect(await assign(0, [0])).toBe('NONE')
    expect(await assign(0, null)).toBe('NO_REASSIGNMENT_IN_PROGRESS')
    for (const replicas of [[7], [0, 7], [], [0, 0], [-1]]) expect(await assign(0, replicas)).toBe('INVALID_REPLICA_ASSIGNMENT')
    expect(await assign(9, [0])).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await assign(0, [0], 'no')).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await client.request(ListPartitionReassignments, { topics: null })).toMatchObject({ errorCode: 0, topics: [] })
  })

  it('a partition that had replicas elsewhere can be given to this node alone', async () => {
    const { client, node } = await openNode()
    await createTopic(client, 'orders')
    const topicId = nodeOf(node).metadata.topics.get('orders')!.id
    const elsewhere: MetadataRecord = { type: 'partitionChange', topicId, partitionId: 0, replicas: [0, 1], isr: [0, 1] }
    await nodeOf(node).controller.change(() => ({ response: undefined, records: [elsewhere] }))
    const wanted = { topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, replicas: [0] }] }] }
    const kept = await client.request(AlterPartitionReassignments, { ...wanted, allowReplicationFactorChange: false })
    expect(withError(kept.responses[0].partitions[0]).error).toBe('INVALID_REPLICATION_FACTOR')
    await client.request(AlterPartitionReassignments, wanted)
    expect(nodeOf(node).metadata.topics.get('orders')!.partitions[0]).toMatchObject({ replicas: [0], isr: [0], leaderId: 0 })
  })

  it('features keep their levels', async () => {
    const { client, node } = await openNode()
    const remote = node.connect({ clientId: 'far', apiVersion: 1 })
    const update = async (feature: string, maxVersionLevel: number, upgradeType = 1) => {
      return withError(await client.request(UpdateFeatures, { featureUpdates: [{ feature, maxVersionLevel, upgradeType }] })).error
    }
    expect(await update('metadata.version', 30)).toBe('NONE')
    for (const level of [29, 99, 0, -1]) expect(await update('metadata.version', level, 2)).toBe('INVALID_UPDATE_VERSION')
    expect(await update('metadata.version', 30, 9)).toBe('INVALID_UPDATE_VERSION')
    expect(await update('nope', 1)).toBe('INVALID_UPDATE_VERSION')
    const same = [{ feature: 'metadata.version', maxVersionLevel: 30 }]
    expect((await remote.request(UpdateFeatures, { featureUpdates: same })).results).toMatchObject([{ errorCode: 0 }])
  })
})
