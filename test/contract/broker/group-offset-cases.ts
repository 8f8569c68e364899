import { expect, it } from 'vitest'
import { errorCodeOf } from '../../../src/errors.js'
import { DeleteGroups } from '../../../src/protocol/messages/delete-groups.js'
import { DeleteTopics } from '../../../src/protocol/messages/delete-topics.js'
import { OffsetCommit } from '../../../src/protocol/messages/offset-commit.js'
import { OffsetDelete } from '../../../src/protocol/messages/offset-delete.js'
import { OffsetFetch } from '../../../src/protocol/messages/offset-fetch.js'
import type { Stage } from './broker-contract.js'
import { eventually } from './eventually.js'
import { Member } from './member.js'
import { fresh } from './world.js'

export function groupOffsetCases(stage: Stage): void {
  const topic = async (numPartitions = 1) => {
    const name = fresh('committed')
    await stage.client.createTopic(name, numPartitions)
    return name
  }

  /** Who keeps offsets without being a member. */
  const outsider = (groupId: string) => new Member(stage.client.node, { groupId })

  const joined = async (groupId: string, topics: readonly string[]) => {
    const member = new Member(stage.client.node, { groupId, topics })
    await member.join()
    await member.sync({ [member.memberId]: [0] })
    return member
  }

  const fetchOffsets = async (groupId: string, wanted: Record<string, number[]> | null) => {
    const topics = wanted && Object.entries(wanted).map(([name, partitionIndexes]) => ({ name, partitionIndexes }))
    const { groups = [] } = await stage.client.node.request(OffsetFetch, { groups: [{ groupId, topics }], requireStable: true })
    expect(errorCodeOf(groups[0].errorCode ?? 0)).toBe('NONE')
    return groups[0].topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, committedOffset, metadata, errorCode }) => {
        return [name, partitionIndex, committedOffset, metadata, errorCodeOf(errorCode)]
      })
    )
  }

  const deleteOffsets = async (groupId: string, name: string, partitions: readonly number[]) => {
    const topics = [{ name, partitions: partitions.map(partitionIndex => ({ partitionIndex })) }]
    const answer = await stage.client.node.request(OffsetDelete, { groupId, topics })
    if (answer.errorCode !== 0) return errorCodeOf(answer.errorCode)
    return answer.topics[0].partitions.map(({ errorCode }) => errorCodeOf(errorCode))
  }

  it('are what was committed last, and -1 before that', async () => {
    const [name, groupId] = [await topic(2), fresh('group')]
    expect(await fetchOffsets(groupId, { [name]: [0, 1] })).toEqual([
      [name, 0, -1, '', 'NONE'],
      [name, 1, -1, '', 'NONE']
    ])
    expect(await fetchOffsets(groupId, null)).toEqual([])
    expect(await outsider(groupId).commit(name, 0, 5, 'first')).toBe('NONE')
    expect(await outsider(groupId).commit(name, 0, 3, 'second')).toBe('NONE')
    expect(await fetchOffsets(groupId, { [name]: [0, 1] })).toEqual([
      [name, 0, 3, 'second', 'NONE'],
      [name, 1, -1, '', 'NONE']
    ])
    expect(await fetchOffsets(groupId, null)).toEqual([[name, 0, 3, 'second', 'NONE']])
  })

  it('are kept with the leader epoch that came along', async () => {
    const [name, groupId] = [await topic(), fresh('group')]
    const partitions = [{ partitionIndex: 0, committedOffset: 1, committedLeaderEpoch: 4, committedMetadata: null }]
    await stage.client.node.request(OffsetCommit, { groupId, memberId: '', topics: [{ name, partitions }] })
    const { groups = [] } = await stage.client.node.request(OffsetFetch, { groups: [{ groupId, topics: null }] })
    expect(groups[0].topics[0].partitions[0]).toMatchObject({ committedOffset: 1, committedLeaderEpoch: 4, metadata: '' })
  })

  it('of several groups come in one answer', async () => {
    const [name, one, two] = [await topic(), fresh('group'), fresh('group')]
    await outsider(one).commit(name, 0, 1)
    await outsider(two).commit(name, 0, 2)
    const request = { groups: [one, two].map(groupId => ({ groupId, topics: [{ name, partitionIndexes: [0] }] })) }
    const { groups = [] } = await stage.client.node.request(OffsetFetch, request)
    expect(groups.map(({ groupId, topics }) => [groupId, topics[0].partitions[0].committedOffset]).sort()).toEqual(
      [
        [one, 1],
        [two, 2]
      ].sort()
    )
  })

  it('are committed by members of the present generation, and nobody else', async () => {
    const [name, groupId] = [await topic(), fresh('group')]
    const member = await joined(groupId, [name])
    expect(await member.commit(name, 0, 7)).toBe('NONE')
    expect(await outsider(groupId).commit(name, 0, 8)).toBe('UNKNOWN_MEMBER_ID')
    const stranger = outsider(groupId)
    stranger.memberId = 'somebody'
    stranger.generationId = member.generationId
    expect(await stranger.commit(name, 0, 8)).toBe('UNKNOWN_MEMBER_ID')
    member.generationId++
    expect(await member.commit(name, 0, 8)).toBe('ILLEGAL_GENERATION')
    expect(await fetchOffsets(groupId, { [name]: [0] })).toEqual([[name, 0, 7, '', 'NONE']])
  })

  it('may be committed while a rebalance gathers members, but not while the leader assigns', async () => {
    const [name, groupId] = [await topic(), fresh('group')]
    const member = await joined(groupId, [name])
    const second = new Member(stage.client.node, { groupId, topics: [name] })
    const joining = second.join()
    await eventually(async () => expect(await member.heartbeat()).toBe('REBALANCE_IN_PROGRESS'))
    expect(await member.commit(name, 0, 1)).toBe('NONE')
    await member.join()
    await joining
    expect(await member.commit(name, 0, 2)).toBe('REBALANCE_IN_PROGRESS')
    expect(await fetchOffsets(groupId, { [name]: [0] })).toEqual([[name, 0, 1, '', 'NONE']])
  })

  it('of a generation are refused where there is no group', async () => {
    const [name, groupId] = [await topic(), fresh('group')]
    const stranger = outsider(groupId)
    stranger.memberId = 'somebody'
    stranger.generationId = 3
    expect(['GROUP_ID_NOT_FOUND', 'ILLEGAL_GENERATION']).toContain(await stranger.commit(name, 0, 1))
  })

  it('are refused for topics that are not there, and with too much metadata', async () => {
    const [name, groupId] = [await topic(), fresh('group')]
    expect(await outsider(groupId).commit(fresh('missing'), 0, 1)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await outsider(groupId).commit(name, 5, 1)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    expect(await outsider(groupId).commit(name, 0, 1, 'x'.repeat(4097))).toBe('OFFSET_METADATA_TOO_LARGE')
    expect(await outsider(groupId).commit(name, 0, 1, 'x'.repeat(4096))).toBe('NONE')
  })

  it('go with their topic', async () => {
    const [name, groupId] = [await topic(), fresh('group')]
    await outsider(groupId).commit(name, 0, 5)
    await stage.client.node.request(DeleteTopics, { topics: [{ name }], timeoutMs: 10_000 })
    await eventually(async () => expect(await fetchOffsets(groupId, null)).toEqual([]))
  })

  it('go with their group', async () => {
    const [name, groupId] = [await topic(), fresh('group')]
    await outsider(groupId).commit(name, 0, 5)
    await stage.client.node.request(DeleteGroups, { groupsNames: [groupId] })
    expect(await fetchOffsets(groupId, null)).toEqual([])
  })

  it('are deleted, unless the group still reads the topic', async () => {
    const [read, left, groupId] = [await topic(), await topic(2), fresh('group')]
    const member = await joined(groupId, [read])
    await member.commit(read, 0, 1)
    await member.commit(left, 0, 2)
    await member.commit(left, 1, 3)
    expect(await deleteOffsets(groupId, read, [0])).toEqual(['GROUP_SUBSCRIBED_TO_TOPIC'])
    expect(await deleteOffsets(groupId, left, [0])).toEqual(['NONE'])
    expect(await fetchOffsets(groupId, { [read]: [0], [left]: [0, 1] })).toEqual(
      expect.arrayContaining([
        [read, 0, 1, '', 'NONE'],
        [left, 0, -1, '', 'NONE'],
        [left, 1, 3, '', 'NONE']
      ])
    )
    expect(await deleteOffsets(groupId, left, [9, 1])).toEqual(['UNKNOWN_TOPIC_OR_PARTITION', 'NONE'])
    expect(await deleteOffsets(groupId, fresh('missing'), [0])).toEqual(['UNKNOWN_TOPIC_OR_PARTITION'])
    await member.leave()
    expect(await deleteOffsets(groupId, read, [0])).toEqual(['NONE'])
    expect(await deleteOffsets(fresh('group'), read, [0])).toBe('GROUP_ID_NOT_FOUND')
  })
}
