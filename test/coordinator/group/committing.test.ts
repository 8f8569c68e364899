import { describe, expect, it } from 'vitest'
import { Groups, nameOf, stabilise, turn } from './harness.js'

const day = 24 * 3_600_000

describe('OffsetCommit', () => {
  it('keeps offsets, leader epochs and metadata of members', async () => {
    const groups = new Groups()
    const member = groups.member()
    await stabilise(member)
    const { memberId, generationId, caller } = member
    const partitions = [
      { partitionIndex: 0, committedOffset: 7, committedLeaderEpoch: 3, committedMetadata: 'half-way' },
      { partitionIndex: 1, committedOffset: 8, committedMetadata: null }
    ]
    const request = { groupId: 'g', memberId, generationIdOrMemberEpoch: generationId, topics: [{ name: 't', partitions }] }
    expect(await groups.coordinator.commitOffsets(request, caller)).toMatchObject({
      topics: [
        {
          name: 't',
          partitions: [
            { partitionIndex: 0, errorCode: 0 },
            { partitionIndex: 1, errorCode: 0 }
          ]
        }
      ]
    })
    expect(await groups.coordinator.fetchOffsets('g', null)).toEqual({
      errorCode: 0,
      topics: [
        {
          name: 't',
          partitions: [
            { partitionIndex: 0, committedOffset: 7, committedLeaderEpoch: 3, metadata: 'half-way', errorCode: 0 },
            { partitionIndex: 1, committedOffset: 8, committedLeaderEpoch: -1, metadata: '', errorCode: 0 }
          ]
        }
      ]
    })
  })

  it('answers -1 for what was never committed', async () => {
    const groups = new Groups()
    expect(await groups.member().committed()).toBe(-1)
    expect(await groups.coordinator.fetchOffsets('g', null)).toEqual({ errorCode: 0, topics: [] })
  })

  it('makes a group of someone who is not a member, as long as it has none', async () => {
    const groups = new Groups()
    const simple = groups.member()
    expect(await simple.commit(5)).toBe('NONE')
    expect(await simple.committed()).toBe(5)
    expect(await groups.coordinator.listGroups([])).toEqual([{ groupId: 'g', protocolType: '', groupState: 'Empty', groupType: 'classic' }])
    await stabilise(groups.member())
    expect(await simple.commit(6)).toBe('UNKNOWN_MEMBER_ID')
  })

  it('is refused when the generation or the member is not the right one', async () => {
    const groups = new Groups()
    const member = groups.member()
    await stabilise(member)
    member.generationId = 0
    expect(await member.commit(1)).toBe('ILLEGAL_GENERATION')
    member.generationId = -1
    expect(await member.commit(1)).toBe('ILLEGAL_GENERATION')
    member.memberId = 'unknown'
    expect(await member.commit(1)).toBe('UNKNOWN_MEMBER_ID')
    const nowhere = groups.member({ groupId: 'unknown' })
    nowhere.generationId = 1
    expect(await nowhere.commit(1)).toBe('GROUP_ID_NOT_FOUND')
    const older = groups.member({ groupId: 'unknown', apiVersion: 8 })
    older.generationId = 1
    expect(await older.commit(1)).toBe('ILLEGAL_GENERATION')
    expect(await groups.member().committed()).toBe(-1)
  })

  it('of the last generation is taken while members join, but not while the leader assigns', async () => {
    const groups = new Groups()
    const [leader, follower] = [groups.member(), groups.member()]
    await stabilise(leader)
    const joining = follower.join()
    await turn()
    expect(await leader.commit(1)).toBe('NONE')
    await Promise.all([leader.join(), joining])
    expect(await leader.commit(2)).toBe('REBALANCE_IN_PROGRESS')
    await Promise.all([leader.sync(), follower.sync()])
    expect(await leader.commit(3)).toBe('NONE')
    expect(await leader.committed()).toBe(3)
  })

  it('is a sign of life', async () => {
    const groups = new Groups()
    const member = groups.member({ sessionTimeoutMs: 1000 })
    await stabilise(member)
    for (let i = 0; i < 3; i++) {
      await groups.clock.advance(900)
      expect(await member.commit(i)).toBe('NONE')
    }
  })

  it('refuses metadata that is too long, partition by partition', async () => {
    const groups = new Groups({ maxOffsetMetadataLength: 3 })
    const member = groups.member()
    expect(await member.commit(1, 't', 0, 'long')).toBe('OFFSET_METADATA_TOO_LARGE')
    expect(await member.commit(1, 't', 1, 'fit')).toBe('NONE')
    expect([await member.committed('t', 0), await member.committed('t', 1)]).toEqual([-1, 1])
  })
})

describe('OffsetDelete', () => {
  it('drops offsets of topics that the group does not read, and no others', async () => {
    const groups = new Groups()
    const member = groups.member({ topics: ['t'] })
    await stabilise(member)
    await member.commit(1, 't')
    await member.commit(1, 'u')
    const request = { groupId: 'g', topics: ['t', 'u', 'v'].map(name => ({ name, partitions: [{ partitionIndex: 0 }] })) }
    const { topics } = await groups.coordinator.deleteOffsets(request)
    expect(topics.map(({ partitions }) => nameOf(partitions[0]))).toEqual(['GROUP_SUBSCRIBED_TO_TOPIC', 'NONE', 'NONE'])
    expect([await member.committed('t'), await member.committed('u')]).toEqual([1, -1])
    await member.leave()
    await groups.coordinator.deleteOffsets(request)
    expect(await member.committed('t')).toBe(-1)
  })

  it('is refused for a group that is not there, or not of consumers', async () => {
    const groups = new Groups()
    const request = (groupId: string) => ({ groupId, topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }] })
    expect(nameOf(await groups.coordinator.deleteOffsets(request('')))).toBe('INVALID_GROUP_ID')
    expect(nameOf(await groups.coordinator.deleteOffsets(request('unknown')))).toBe('GROUP_ID_NOT_FOUND')
    await stabilise(groups.member({ protocolType: 'connect' }))
    expect(nameOf(await groups.coordinator.deleteOffsets(request('g')))).toBe('NON_EMPTY_GROUP')
  })
})

describe('topics that are deleted', () => {
  it('take their offsets with them', async () => {
    const groups = new Groups()
    const member = groups.member()
    await member.commit(1, 't')
    await member.commit(2, 'u')
    await groups.coordinator.topicsDeleted(['t'])
    expect([await member.committed('t'), await member.committed('u')]).toEqual([-1, 2])
  })
})

describe('DescribeGroups and ListGroups', () => {
  it('show a stable group with what its members subscribe to and got', async () => {
    const groups = new Groups()
    const member = groups.member({ instanceId: 'i', clientId: 'me' })
    await stabilise(member)
    const described = await groups.coordinator.describeGroup('g', true)
    expect(described).toMatchObject({ errorCode: 0, groupId: 'g', groupState: 'Stable', protocolType: 'consumer', protocolData: 'range' })
    expect(described.members).toMatchObject([{ memberId: member.memberId, groupInstanceId: 'i', clientId: 'me', clientHost: '/here' }])
    expect(Buffer.from(described.members[0].memberAssignment).toString()).toBe(member.assignment)
    expect(Buffer.from(described.members[0].memberMetadata)).toEqual(Buffer.from(member.request.protocols[0].metadata))
  })

  it('say of a group that is not there that it is dead, or to newer clients that it is not there', async () => {
    const groups = new Groups()
    expect(await groups.coordinator.describeGroup('x', false)).toMatchObject({ errorCode: 0, groupState: 'Dead', members: [] })
    expect(nameOf(await groups.coordinator.describeGroup('x', true))).toBe('GROUP_ID_NOT_FOUND')
  })

  it('filter by state, whatever the case', async () => {
    const groups = new Groups({ offsetsTopicPartitions: 50 })
    await stabilise(groups.member({ groupId: 'stable' }))
    await groups.member({ groupId: 'empty' }).commit(1)
    const idsOf = async (...states: string[]) => (await groups.coordinator.listGroups(states)).map(({ groupId }) => groupId).sort()
    expect(await idsOf()).toEqual(['empty', 'stable'])
    expect(await idsOf('STABLE')).toEqual(['stable'])
    expect(await idsOf('empty', 'Dead')).toEqual(['empty'])
  })
})

describe('DeleteGroups', () => {
  it('takes only groups without members, and their offsets with them', async () => {
    const groups = new Groups()
    const member = groups.member()
    await stabilise(member)
    await member.commit(1)
    const remove = async (groupId: string) => nameOf({ errorCode: await groups.coordinator.deleteGroup(groupId) })
    expect(await remove('unknown')).toBe('GROUP_ID_NOT_FOUND')
    expect(await remove('g')).toBe('NON_EMPTY_GROUP')
    await member.leave()
    expect(await remove('g')).toBe('NONE')
    expect(await member.committed()).toBe(-1)
    expect(await groups.coordinator.listGroups([])).toEqual([])
    const again = await groups.restart()
    expect(await again.coordinator.listGroups([])).toEqual([])
  })
})

describe('offsets that nobody needs', () => {
  it('lapse a week after the group lost its last member, and the group with them', async () => {
    const groups = new Groups()
    const member = groups.member({ sessionTimeoutMs: 1000 })
    await stabilise(member)
    await member.commit(1)
    await groups.clock.advance(1000)
    await groups.clock.advance(7 * day - 600_000)
    expect(await member.committed()).toBe(1)
    await groups.clock.advance(1_200_000)
    expect(await member.committed()).toBe(-1)
    expect(await groups.coordinator.listGroups([])).toEqual([])
    expect(groups.events.at(-1)).toMatchObject({ type: 'dead', groupId: 'g' })
  })

  it('lapse by commit time in a group that never had members', async () => {
    const groups = new Groups({ offsetsRetentionMs: day })
    const member = groups.member()
    await member.commit(1, 't')
    await groups.clock.advance(day / 2)
    await member.commit(2, 'u')
    await groups.clock.advance(day / 2 + 600_000)
    expect([await member.committed('t'), await member.committed('u')]).toEqual([-1, 2])
  })

  it('lapse in a group with members only for topics it has left', async () => {
    const groups = new Groups({ offsetsRetentionMs: day })
    const member = groups.member({ sessionTimeoutMs: 1_800_000, topics: ['t'] })
    await stabilise(member)
    await member.commit(1, 't')
    await member.commit(1, 'left')
    for (let time = 0; time < day + 1_200_000; time += 600_000) {
      await groups.clock.advance(600_000)
      await member.heartbeat()
    }
    expect([await member.committed('t'), await member.committed('left')]).toEqual([1, -1])
  })

  it('lapse when their committer said so, as older clients do', async () => {
    const groups = new Groups()
    const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }]
    const request = { groupId: 'g', memberId: '', retentionTimeMs: 1000, topics: [{ name: 't', partitions }] }
    await groups.coordinator.commitOffsets(request, { clientId: '', clientHost: '', apiVersion: 4 })
    const again = await groups.restart()
    expect(await again.member().committed()).toBe(1)
    await again.clock.advance(600_000)
    expect(await again.member().committed()).toBe(-1)
  })

  it('do not lapse while the group rebalances', async () => {
    const groups = new Groups({ offsetsRetentionMs: 1000, offsetsRetentionCheckIntervalMs: 1000 })
    const member = groups.member({ topics: ['t'] })
    await stabilise(member)
    await member.commit(1, 'left')
    void groups.member().join()
    await groups.clock.advance(1000)
    expect(await member.committed('left')).toBe(1)
  })
})

describe('an offset of a topic', () => {
  const [id, another] = ['AAECAwQFBgcICQoLDA0ODw', 'AQECAwQFBgcICQoLDA0ODw']
  const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }]
  const request = { groupId: 'g', memberId: '', topics: [{ name: 't', topicId: id, partitions }] }

  it.each([
    ['is kept while the topic is there', id, 'NONE'],
    ['is refused when the topic is deleted while the commit waits', undefined, 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['is refused when another topic has its name by then', another, 'UNKNOWN_TOPIC_OR_PARTITION']
  ])('%s', async (_, idThen, error) => {
    const topicIds = new Map([['t', id]])
    const groups = new Groups({ topicIds })
    const committed = groups.coordinator.commitOffsets(request, groups.member().caller)
    if (idThen === undefined) topicIds.delete('t')
    else topicIds.set('t', idThen)
    expect(nameOf((await committed).topics[0].partitions[0])).toBe(error)
  })
})

describe('more offsets than go into one batch', () => {
  const many = async () => {
    const groups = new Groups({ offsetsRetentionMs: day, segmentBytes: 1024 * 1024 })
    const member = groups.member()
    const partitions = Array.from({ length: 2000 }, (_, partitionIndex) => ({ partitionIndex, committedOffset: 1, committedMetadata: '' }))
    for (let i = 0; i < 10; i++) {
      const topics = [{ name: `topic-${i}-${'x'.repeat(40)}`, partitions }]
      await groups.coordinator.commitOffsets({ groupId: 'g', memberId: '', topics }, member.caller)
    }
    expect((await groups.coordinator.fetchOffsets('g', null)).topics.length).toBe(10)
    return { groups, names: Array.from({ length: 10 }, (_, i) => `topic-${i}-${'x'.repeat(40)}`) }
  }

  it('are dropped with their group', async () => {
    const { groups } = await many()
    expect(await groups.coordinator.deleteGroup('g')).toBe(0)
    expect(await groups.coordinator.listGroups([])).toEqual([])
  })

  it('are dropped with their topics', async () => {
    const { groups, names } = await many()
    await groups.coordinator.topicsDeleted(names)
    expect((await groups.coordinator.fetchOffsets('g', null)).topics).toEqual([])
  })

  it('lapse', async () => {
    const { groups } = await many()
    await groups.clock.advance(day)
    expect(await groups.coordinator.listGroups([])).toEqual([])
  })
})
