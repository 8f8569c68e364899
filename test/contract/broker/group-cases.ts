import { expect, it } from 'vitest'
import { errorCodeOf } from '../../../src/errors.js'
import { DeleteGroups } from '../../../src/protocol/messages/delete-groups.js'
import { DescribeGroups } from '../../../src/protocol/messages/describe-groups.js'
import { ListGroups } from '../../../src/protocol/messages/list-groups.js'
import type { Stage } from './broker-contract.js'
import { eventually } from './eventually.js'
import { Member, type MemberOptions } from './member.js'
import { withError } from './waist-client.js'
import { fresh } from './world.js'

export function groupCases(stage: Stage): void {
  const member = (groupId: string, options: Partial<MemberOptions> = {}) => new Member(stage.client.node, { groupId, ...options })
  const describeGroup = async (groupId: string) => {
    return withError((await stage.client.node.request(DescribeGroups, { groups: [groupId] })).groups[0])
  }
  const stateOf = async (groupId: string) => (await describeGroup(groupId)).groupState
  const deleteGroup = async (groupId: string) => {
    return errorCodeOf((await stage.client.node.request(DeleteGroups, { groupsNames: [groupId] })).results[0].errorCode)
  }

  /** A group in which one member has partitions 0 to 2. */
  const stable = async (options: Partial<MemberOptions> = {}) => {
    const groupId = fresh('group')
    const first = member(groupId, options)
    await first.join()
    await first.sync({ [first.memberId]: [0, 1, 2] })
    return { groupId, first }
  }

  /** A stable group of two; the first leads. */
  const pair = async (options: Partial<MemberOptions> = {}) => {
    const { groupId, first } = await stable(options)
    const second = member(groupId, options)
    const joining = second.join()
    await rebalancing(groupId)
    await first.join()
    await joining
    const [mine] = await Promise.all([first.sync({ [first.memberId]: [0], [second.memberId]: [1, 2] }), second.sync()])
    expect(mine.error).toBe('NONE')
    return { groupId, first, second }
  }

  const rebalancing = (groupId: string) => eventually(async () => expect(await stateOf(groupId)).toBe('PreparingRebalance'))

  it('give a new member its id first, and then take it in', async () => {
    const groupId = fresh('group')
    const first = member(groupId, { protocols: ['range', 'roundrobin'] })
    const told = await first.joinOnce()
    expect(told).toMatchObject({ error: 'MEMBER_ID_REQUIRED', generationId: -1, members: [] })
    expect(told.memberId).toMatch(/^contract-[\w-]+$/)
    const joined = await first.joinOnce()
    expect(joined).toMatchObject({
      error: 'NONE',
      generationId: 1,
      protocolType: 'consumer',
      protocolName: 'range',
      leader: told.memberId,
      memberId: told.memberId,
      skipAssignment: false
    })
    expect(joined.members.map(({ memberId, groupInstanceId }) => [memberId, groupInstanceId])).toEqual([[told.memberId, null]])
    expect(await first.heartbeat()).toBe('NONE')
    expect(await first.sync({ [first.memberId]: [0, 1] })).toMatchObject({
      error: 'NONE',
      protocolType: 'consumer',
      protocolName: 'range',
      partitions: [0, 1]
    })
    expect(await first.heartbeat()).toBe('NONE')
    expect(await first.sync()).toMatchObject({ error: 'NONE', partitions: [0, 1] })
  })

  it.each<[string, Partial<MemberOptions>, string]>([
    ['no id', { groupId: '' }, 'INVALID_GROUP_ID'],
    ['too short a session', { sessionTimeoutMs: 99 }, 'INVALID_SESSION_TIMEOUT'],
    ['too long a session', { sessionTimeoutMs: 1_800_001 }, 'INVALID_SESSION_TIMEOUT'],
    ['no protocol', { protocols: [] }, 'INCONSISTENT_GROUP_PROTOCOL'],
    ['no type of protocol', { protocolType: '' }, 'INCONSISTENT_GROUP_PROTOCOL']
  ])('are not joined with %s', async (_, options, error) => {
    expect((await member(fresh('group'), options).joinOnce()).error).toBe(error)
  })

  it('do not know members that they did not take in', async () => {
    const stranger = member(fresh('group'))
    stranger.memberId = 'somebody'
    stranger.generationId = 1
    expect((await stranger.joinOnce()).error).toBe('UNKNOWN_MEMBER_ID')
    expect(await stranger.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
    expect((await stranger.sync()).error).toBe('UNKNOWN_MEMBER_ID')
    expect(await stranger.leave()).toBe('UNKNOWN_MEMBER_ID')
    const { groupId, first } = await stable()
    const other = member(groupId)
    other.memberId = 'somebody'
    other.generationId = first.generationId
    expect((await other.joinOnce()).error).toBe('UNKNOWN_MEMBER_ID')
    expect(await other.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
    expect((await other.sync()).error).toBe('UNKNOWN_MEMBER_ID')
    expect(await other.leave()).toBe('UNKNOWN_MEMBER_ID')
    expect(await other.commit('orders', 0, 1)).not.toBe('NONE')
  })

  it('refuse who shares no protocol with them', async () => {
    const { groupId } = await stable()
    expect((await member(groupId, { protocols: ['sticky'] }).joinOnce()).error).toBe('INCONSISTENT_GROUP_PROTOCOL')
    expect((await member(groupId, { protocolType: 'connect' }).joinOnce()).error).toBe('INCONSISTENT_GROUP_PROTOCOL')
  })

  it('rebalance when a second member joins, and give everyone their part', async () => {
    const { groupId, first } = await stable()
    const second = member(groupId)
    const joining = second.join()
    await eventually(async () => expect(await first.heartbeat()).toBe('REBALANCE_IN_PROGRESS'))
    expect((await first.sync()).error).toBe('REBALANCE_IN_PROGRESS')
    const led = await first.join()
    const followed = await joining
    expect(led).toMatchObject({ error: 'NONE', generationId: 2, leader: first.memberId })
    expect(led.members.map(({ memberId }) => memberId).sort()).toEqual([first.memberId, second.memberId].sort())
    expect(followed).toMatchObject({ error: 'NONE', generationId: 2, leader: first.memberId, members: [], protocolName: 'range' })
    expect(await first.heartbeat()).toBe('NONE')
    const waiting = second.sync()
    expect(await second.heartbeat()).toBe('NONE')
    expect(await first.sync({ [first.memberId]: [0], [second.memberId]: [1, 2] })).toMatchObject({ error: 'NONE', partitions: [0] })
    expect(await waiting).toMatchObject({ error: 'NONE', partitions: [1, 2] })
  })

  it('choose the protocol that most members put first among those that all have', async () => {
    const groupId = fresh('group')
    const first = member(groupId, { protocols: ['range', 'sticky', 'roundrobin'] })
    await first.join()
    const others = [member(groupId, { protocols: ['sticky', 'range'] }), member(groupId, { protocols: ['sticky', 'roundrobin', 'range'] })]
    const joining = others.map(other => other.join())
    await eventually(async () => expect((await describeGroup(groupId)).members).toHaveLength(3))
    expect(await first.join()).toMatchObject({ error: 'NONE', protocolName: 'sticky' })
    for (const answer of await Promise.all(joining)) expect(answer).toMatchObject({ error: 'NONE', protocolName: 'sticky' })
  })

  it('refuse what belongs to an older generation', async () => {
    const { first } = await pair()
    const older = { generationId: first.generationId - 1 }
    expect(await first.heartbeat(older)).toBe('ILLEGAL_GENERATION')
    expect((await first.sync({}, older)).error).toBe('ILLEGAL_GENERATION')
    expect(await first.heartbeat({ generationId: first.generationId + 1 })).toBe('ILLEGAL_GENERATION')
    expect(await first.heartbeat()).toBe('NONE')
  })

  it('refuse a sync that speaks of another protocol', async () => {
    const { first } = await stable()
    expect((await first.sync({}, { protocolName: 'sticky' })).error).toBe('INCONSISTENT_GROUP_PROTOCOL')
    expect((await first.sync({}, { protocolType: 'connect' })).error).toBe('INCONSISTENT_GROUP_PROTOCOL')
    expect((await first.sync({}, { protocolType: null })).error).toBe('INCONSISTENT_GROUP_PROTOCOL')
    expect((await first.sync({}, { protocolName: null })).error).toBe('INCONSISTENT_GROUP_PROTOCOL')
    expect((await first.sync()).error).toBe('NONE')
  })

  it('leave a follower that joins again without a change as it is; a leader gets a rebalance', async () => {
    const { groupId, first, second } = await pair()
    expect(await second.join()).toMatchObject({ error: 'NONE', generationId: 2, leader: first.memberId })
    expect(await stateOf(groupId)).toBe('Stable')
    const joining = first.join()
    await rebalancing(groupId)
    await second.join()
    expect(await joining).toMatchObject({ error: 'NONE', generationId: 3 })
  })

  it('rebalance when a follower changes what it reads', async () => {
    const { groupId, first, second } = await pair()
    second.topics = ['orders', 'bills']
    const joining = second.join()
    await rebalancing(groupId)
    expect(await first.join()).toMatchObject({ error: 'NONE', generationId: 3 })
    expect(await joining).toMatchObject({ error: 'NONE', generationId: 3 })
  })

  it('rebalance when a member leaves', async () => {
    const { groupId, first, second } = await pair()
    expect(await first.leave()).toBe('NONE')
    expect(await second.heartbeat()).toBe('REBALANCE_IN_PROGRESS')
    const joined = await second.join()
    expect(joined).toMatchObject({ error: 'NONE', generationId: 3, leader: second.memberId })
    expect(joined.members.map(({ memberId }) => memberId)).toEqual([second.memberId])
    expect(await first.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
    expect(await stateOf(groupId)).toBe('CompletingRebalance')
  })

  it('are empty when all have left, and can be joined again', async () => {
    const { groupId, first } = await stable()
    expect(await first.leave()).toBe('NONE')
    expect(await describeGroup(groupId)).toMatchObject({ groupState: 'Empty', protocolType: 'consumer', members: [] })
    expect(await first.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
    expect((await first.sync()).error).toBe('UNKNOWN_MEMBER_ID')
    expect(await member(groupId).join()).toMatchObject({ error: 'NONE', generationId: 3 })
  })

  it('drop a member of which nothing is heard', async () => {
    const { groupId, first } = await stable({ sessionTimeoutMs: 100 })
    await eventually(async () => expect(await stateOf(groupId)).toBe('Empty'))
    expect(await first.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
  })

  it('do not wait for a member that does not join again in time', async () => {
    const { groupId, first } = await stable({ rebalanceTimeoutMs: 200 })
    const second = member(groupId, { rebalanceTimeoutMs: 200 })
    expect(await second.join()).toMatchObject({ error: 'NONE', generationId: 2, leader: second.memberId })
    expect(await first.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
  })

  it('send who waits for an assignment to join again when somebody comes in', async () => {
    const { groupId, first, second } = await pair()
    const joining = first.join()
    await rebalancing(groupId)
    await second.join()
    await joining
    const waiting = second.sync()
    const third = member(groupId)
    const joiningThird = third.join()
    expect((await waiting).error).toBe('REBALANCE_IN_PROGRESS')
    await rebalancing(groupId)
    await Promise.all([first.join(), second.join(), joiningThird])
    expect([first, second, third].map(({ generationId }) => generationId)).toEqual([4, 4, 4])
  })

  it('are described with their members and what they read', async () => {
    const { groupId, first, second } = await pair()
    const described = await describeGroup(groupId)
    expect(described).toMatchObject({ error: 'NONE', groupState: 'Stable', protocolType: 'consumer', protocolData: 'range' })
    expect(described.members.map(({ memberId }) => memberId).sort()).toEqual([first.memberId, second.memberId].sort())
    for (const { clientId, clientHost, memberMetadata, memberAssignment } of described.members) {
      expect(clientId).toBe('contract')
      expect(clientHost).toMatch(/^\//)
      expect(memberMetadata.length).toBeGreaterThan(0)
      expect(memberAssignment.length).toBeGreaterThan(0)
    }
    expect(await describeGroup(fresh('missing'))).toMatchObject({ error: 'GROUP_ID_NOT_FOUND', groupState: 'Dead', members: [] })
  })

  it('are listed, by state and by type', async () => {
    const [{ groupId: full }, { groupId: empty, first }] = [await stable(), await stable()]
    await first.leave()
    const list = async (statesFilter: string[], typesFilter: string[] = []) => {
      const { groups } = await stage.client.node.request(ListGroups, { statesFilter, typesFilter })
      return groups.filter(({ groupId }) => groupId === full || groupId === empty)
    }
    expect((await list([])).map(({ groupId }) => groupId).sort()).toEqual([full, empty].sort())
    expect(await list(['Stable'])).toEqual([{ groupId: full, protocolType: 'consumer', groupState: 'Stable', groupType: 'classic' }])
    expect((await list(['empty', 'Dead'])).map(({ groupId }) => groupId)).toEqual([empty])
    expect((await list([], ['classic'])).length).toBe(2)
    expect(await list([], ['consumer'])).toEqual([])
  })

  it('are deleted when they are empty', async () => {
    const { groupId, first } = await stable()
    expect(await deleteGroup(groupId)).toBe('NON_EMPTY_GROUP')
    await first.leave()
    expect(await deleteGroup(groupId)).toBe('NONE')
    expect(await deleteGroup(groupId)).toBe('GROUP_ID_NOT_FOUND')
    expect((await describeGroup(groupId)).error).toBe('GROUP_ID_NOT_FOUND')
  })
}
