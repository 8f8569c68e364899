import { describe, expect, it } from 'vitest'
import { encodeSubscription } from '../../src/assignor/consumer-protocol.js'
import { LocalBroker } from '../../src/broker/local-broker.js'
import { errorCodeOf } from '../../src/errors.js'
import { CreateTopics } from '../../src/protocol/messages/create-topics.js'
import { DeleteGroups } from '../../src/protocol/messages/delete-groups.js'
import { DeleteTopics } from '../../src/protocol/messages/delete-topics.js'
import { DescribeGroups } from '../../src/protocol/messages/describe-groups.js'
import { FindCoordinator } from '../../src/protocol/messages/find-coordinator.js'
import { Heartbeat } from '../../src/protocol/messages/heartbeat.js'
import { JoinGroup } from '../../src/protocol/messages/join-group.js'
import { LeaveGroup } from '../../src/protocol/messages/leave-group.js'
import { ListGroups } from '../../src/protocol/messages/list-groups.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'
import { OffsetDelete } from '../../src/protocol/messages/offset-delete.js'
import { OffsetFetch } from '../../src/protocol/messages/offset-fetch.js'
import { SyncGroup } from '../../src/protocol/messages/sync-group.js'
import { memoryStorage } from '../../src/storage/memory/memory.js'
import type { Storage } from '../../src/storage/storage.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'

async function node(storage: Storage = memoryStorage()) {
  const broker = await LocalBroker.open({ storage, clock: new VirtualClock(), nodeId: 3 })
  const client = broker.connect({ clientId: 'me' })
  if (!broker.topics.has('t')) {
    const topics = ['t', 'u'].map(name => ({ name, numPartitions: 2, replicationFactor: 1, assignments: [], configs: [] }))
    await client.request(CreateTopics, { topics, timeoutMs: 1000 })
  }
  return { broker, client, at: (apiVersion: number) => broker.connect({ clientId: 'me', apiVersion }) }
}

type Client = Awaited<ReturnType<typeof node>>['client']
const names = (results: readonly { errorCode: number }[]) => results.map(({ errorCode }) => errorCodeOf(errorCode))

async function join(client: Client, groupId = 'g') {
  const request = (memberId: string) => ({
    groupId,
    memberId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: encodeSubscription({ topics: ['t'] }) }]
  })
  const { memberId } = await client.request(JoinGroup, request(''))
  const joined = await client.request(JoinGroup, request(memberId))
  const { generationId = -1 } = joined
  const assignments = [{ memberId, assignment: new Uint8Array(3) }]
  await client.request(SyncGroup, { groupId, memberId, generationId, protocolType: 'consumer', protocolName: 'range', assignments })
  return { memberId, generationId }
}

const offsetOf = (offset: number) => ({ partitionIndex: 0, committedOffset: offset, committedMetadata: '' })

describe('groups at the waist', () => {
  it('live from the first join to the last word', async () => {
    const { client, broker } = await node()
    const { memberId, generationId } = await join(client)
    expect(await client.request(Heartbeat, { groupId: 'g', memberId, generationId })).toEqual({ errorCode: 0 })
    const commit = { groupId: 'g', memberId, generationIdOrMemberEpoch: generationId, topics: [{ name: 't', partitions: [offsetOf(5)] }] }
    expect(names((await client.request(OffsetCommit, commit)).topics[0].partitions)).toEqual(['NONE'])
    expect((await client.request(ListGroups, {})).groups).toMatchObject([{ groupId: 'g', groupState: 'Stable', protocolType: 'consumer' }])
    expect((await client.request(ListGroups, { statesFilter: ['empty'] })).groups).toEqual([])
    expect((await client.request(ListGroups, { typesFilter: ['consumer'] })).groups).toEqual([])
    const described = (await client.request(DescribeGroups, { groups: ['g', 'x'] })).groups
    expect(described).toMatchObject([
      { groupState: 'Stable', members: [{ clientId: 'me', clientHost: '/in-process' }] },
      { groupState: 'Dead' }
    ])
    expect(names(described)).toEqual(['NONE', 'GROUP_ID_NOT_FOUND'])
    expect(names((await client.request(DeleteGroups, { groupsNames: ['g', 'x'] })).results)).toEqual([
      'NON_EMPTY_GROUP',
      'GROUP_ID_NOT_FOUND'
    ])
    const left = await client.request(LeaveGroup, { groupId: 'g', members: [{ memberId }] })
    expect(names(left.members!)).toEqual(['NONE'])
    expect(names((await client.request(DeleteGroups, { groupsNames: ['g'] })).results)).toEqual(['NONE'])
    await broker.close()
  })

  it('outlive the node when the storage does', async () => {
    const storage = memoryStorage()
    const first = await node(storage)
    const { memberId, generationId } = await join(first.client)
    await first.client.request(OffsetCommit, {
      groupId: 'g',
      memberId,
      generationIdOrMemberEpoch: generationId,
      topics: [{ name: 't', partitions: [offsetOf(5)] }]
    })
    await first.broker.close()
    const second = await node(storage)
    expect((await second.client.request(ListGroups, {})).groups).toMatchObject([{ groupId: 'g', groupState: 'Stable' }])
    expect(await second.client.request(Heartbeat, { groupId: 'g', memberId, generationId })).toEqual({ errorCode: 0 })
    const { topics } = await second.client.request(OffsetFetch, { groupId: 'g', topics: [{ name: 't', partitionIndexes: [0] }] })
    expect(topics![0].partitions[0].committedOffset).toBe(5)
    await second.broker.close()
  })
})

describe('OffsetCommit and OffsetFetch', () => {
  it('take topics by name or by id, and refuse those that are not there', async () => {
    const { client, broker } = await node()
    const topicId = broker.topics.get('t')!.id
    const missingId = 'AAAAAAAAAAAAAAAAAAAAAQ'
    const commit = {
      groupId: 'g',
      memberId: '',
      topics: [
        { name: 'missing', partitions: [offsetOf(1)] },
        { topicId, partitions: [offsetOf(2)] },
        { topicId: missingId, partitions: [offsetOf(3)] },
        { name: 'u', partitions: [offsetOf(4)] }
      ]
    }
    const committed = await client.request(OffsetCommit, commit)
    expect(names(committed.topics.flatMap(({ partitions }) => partitions))).toEqual([
      'UNKNOWN_TOPIC_OR_PARTITION',
      'NONE',
      'UNKNOWN_TOPIC_ID',
      'NONE'
    ])
    expect(committed.topics.map(it => it.topicId).slice(1, 3)).toEqual([topicId, missingId])
    const wanted = [
      { topicId, partitionIndexes: [0, 1] },
      { topicId: missingId, partitionIndexes: [0] },
      { name: 'u', partitionIndexes: [0] }
    ]
    const { groups } = await client.request(OffsetFetch, {
      groups: [
        { groupId: 'g', topics: wanted },
        { groupId: 'g', topics: null }
      ]
    })
    const offsets = groups!.map(({ topics }) => topics.map(({ partitions }) => partitions.map(it => it.committedOffset)))
    expect(offsets).toEqual([
      [[2, -1], [-1], [4]],
      [[2], [4]]
    ])
    expect(groups![0].topics.map(it => it.name)).toEqual(['t', '', 'u'])
    expect(groups![0].topics[0].topicId).toBe(topicId)
    expect(groups![1].topics[0]).toMatchObject({ name: 't', topicId })
    expect(names(groups![0].topics[1].partitions)).toEqual(['UNKNOWN_TOPIC_ID'])
    await broker.close()
  })

  it('answer older clients for one group, at the top', async () => {
    const { at, broker } = await node()
    await at(2).request(OffsetCommit, { groupId: 'g', memberId: '', topics: [{ name: 't', partitions: [offsetOf(9)] }] })
    const { errorCode, topics } = await at(2).request(OffsetFetch, { groupId: 'g', topics: null })
    expect([errorCode, topics![0].partitions[0].committedOffset]).toEqual([0, 9])
    await broker.close()
  })

  it('know nothing any more of a topic that was deleted', async () => {
    const { client, broker } = await node()
    await client.request(OffsetCommit, { groupId: 'g', memberId: '', topics: [{ name: 't', partitions: [offsetOf(9)] }] })
    await client.request(DeleteTopics, { topics: [{ name: 't' }], timeoutMs: 1000 })
    expect((await client.request(OffsetFetch, { groupId: 'g', topics: null })).topics).toEqual([])
    await broker.close()
  })
})

describe('OffsetDelete', () => {
  it('answers for every topic that was named', async () => {
    const { client, broker } = await node()
    await client.request(OffsetCommit, { groupId: 'g', memberId: '', topics: [{ name: 't', partitions: [offsetOf(9)] }] })
    const topics = ['t', 'missing'].map(name => ({ name, partitions: [{ partitionIndex: 0 }] }))
    const response = await client.request(OffsetDelete, { groupId: 'g', topics })
    expect(response.topics.map(({ name, partitions }) => [name, ...names(partitions)])).toEqual([
      ['t', 'NONE'],
      ['missing', 'UNKNOWN_TOPIC_OR_PARTITION']
    ])
    expect(names([await client.request(OffsetDelete, { groupId: 'x', topics })])).toEqual(['GROUP_ID_NOT_FOUND'])
    await broker.close()
  })
})

describe('what older clients ask', () => {
  it('LeaveGroup has one member and its error at the top', async () => {
    const { at, client, broker } = await node()
    const { memberId } = await join(client)
    expect(names([await at(1).request(LeaveGroup, { groupId: 'g', memberId: 'other' })])).toEqual(['UNKNOWN_MEMBER_ID'])
    expect(names([await at(1).request(LeaveGroup, { groupId: 'g', memberId })])).toEqual(['NONE'])
    await broker.close()
  })

  it('JoinGroup never names no protocol', async () => {
    const { at, broker } = await node()
    const request = { groupId: '', memberId: '', sessionTimeoutMs: 1, protocolType: '', protocols: [] }
    expect(await at(6).request(JoinGroup, request)).toMatchObject({ protocolName: '' })
    expect(await at(7).request(JoinGroup, request)).toMatchObject({ protocolName: null })
    await broker.close()
  })

  it('DescribeGroups calls a missing group dead', async () => {
    const { at, broker } = await node()
    expect((await at(5).request(DescribeGroups, { groups: ['x'] })).groups).toMatchObject([{ errorCode: 0, groupState: 'Dead' }])
    await broker.close()
  })
})

describe('FindCoordinator', () => {
  it('names this node, for one key or many, and for transactions', async () => {
    const { client, broker } = await node()
    const here = { nodeId: 3, host: 'localhost', port: 9092 }
    expect(await client.request(FindCoordinator, { key: 'g' })).toMatchObject({
      ...here,
      errorCode: 0,
      coordinators: [{ key: 'g', ...here }]
    })
    const many = await client.request(FindCoordinator, { keyType: 1, coordinatorKeys: ['a', 'b'] })
    expect(many.coordinators).toMatchObject([
      { key: 'a', ...here },
      { key: 'b', ...here }
    ])
    expect(names((await client.request(FindCoordinator, { keyType: 9, coordinatorKeys: ['a'] })).coordinators!)).toEqual([
      'INVALID_REQUEST'
    ])
    await broker.close()
  })
})
