import { describe, expect, it } from 'vitest'
import { Groups, nameOf, stabilise, turn } from './harness.js'

async function pair(options = {}, groupOptions = {}) {
  const groups = new Groups(groupOptions)
  const [leader, follower] = [groups.member(options), groups.member(options)]
  await leader.join()
  const joining = follower.join()
  await turn()
  await Promise.all([leader.join(), joining])
  return { groups, leader, follower }
}

async function stablePair(options = {}, groupOptions = {}) {
  const all = await pair(options, groupOptions)
  await Promise.all([all.leader.sync(), all.follower.sync()])
  return all
}

describe('SyncGroup', () => {
  it('waits for the leader, then gives everyone theirs', async () => {
    const { groups, leader, follower } = await pair()
    const waiting = follower.sync()
    await turn()
    expect(follower.assignment).toBeUndefined()
    expect(await leader.sync()).toBe('NONE')
    expect(await waiting).toBe('NONE')
    expect([leader.assignment, follower.assignment]).toEqual([`${leader.memberId}@2`, `${follower.memberId}@2`])
    expect(await groups.stateOf()).toBe('Stable')
  })

  it('gives a member that comes later, or again, the current assignment', async () => {
    const { leader, follower } = await pair()
    await leader.sync()
    expect([await follower.sync(), await follower.sync()]).toEqual(['NONE', 'NONE'])
    expect(follower.assignment).toBe(`${follower.memberId}@2`)
  })

  it('keeps copies of what requests bring, be they Buffers', async () => {
    const groups = new Groups()
    const member = groups.member()
    await member.joinOnce()
    const metadata = Buffer.from(member.request.protocols[0].metadata)
    const request = { ...member.request, protocols: [{ name: 'range', metadata }] }
    const { generationId = -1, memberId } = await groups.coordinator.joinGroup(request, member.caller)
    const assignment = Buffer.from('mine')
    await groups.coordinator.syncGroup({ groupId: 'g', memberId, generationId, assignments: [{ memberId, assignment }] })
    metadata.fill(0)
    assignment.fill(0)
    const [described] = (await groups.coordinator.describeGroup('g', true)).members
    expect(Buffer.from(described.memberAssignment).toString()).toBe('mine')
    expect(Buffer.from(described.memberMetadata)).toEqual(Buffer.from(member.request.protocols[0].metadata))
  })

  it('gives nothing to a member that the leader left out', async () => {
    const { groups, leader, follower } = await pair()
    const { groupId, memberId, generationId } = leader
    await groups.coordinator.syncGroup({ groupId, memberId, generationId, assignments: [] })
    await follower.sync()
    expect(follower.assignment).toBe('')
  })

  it('is refused in every other situation', async () => {
    const { groups, leader, follower } = await stablePair()
    const sync = async (change: object) => {
      const { groupId, memberId, generationId } = follower
      return nameOf(await groups.coordinator.syncGroup({ groupId, memberId, generationId, assignments: [], ...change }))
    }
    expect(await sync({ groupId: '' })).toBe('INVALID_GROUP_ID')
    expect(await sync({ groupId: 'unknown' })).toBe('UNKNOWN_MEMBER_ID')
    expect(await sync({ memberId: 'unknown' })).toBe('UNKNOWN_MEMBER_ID')
    expect(await sync({ groupInstanceId: 'unknown' })).toBe('UNKNOWN_MEMBER_ID')
    expect(await sync({ generationId: 1 })).toBe('ILLEGAL_GENERATION')
    expect(await sync({ protocolName: 'sticky' })).toBe('INCONSISTENT_GROUP_PROTOCOL')
    expect(await sync({ protocolType: 'connect' })).toBe('INCONSISTENT_GROUP_PROTOCOL')
    expect(await sync({ protocolType: 'consumer', protocolName: 'range' })).toBe('NONE')
    void leader.join()
    await turn()
    expect(await sync({})).toBe('REBALANCE_IN_PROGRESS')
    await Promise.all([leader.leave(), follower.leave()])
    expect(await sync({})).toBe('UNKNOWN_MEMBER_ID')
  })

  it('sends those who wait back to join when the group changes meanwhile', async () => {
    const { groups, follower } = await pair()
    const waiting = follower.sync()
    void groups.member().join()
    expect(await waiting).toBe('REBALANCE_IN_PROGRESS')
  })

  it('that is given up leaves the member in the group', async () => {
    const { leader, follower, groups } = await pair()
    const controller = new AbortController()
    const failed = expect(follower.sync(controller.signal)).rejects.toThrow('enough')
    controller.abort(new Error('enough'))
    await failed
    await leader.sync()
    expect(await follower.sync()).toBe('NONE')
    await groups.clock.advance(9_999)
    expect(await follower.heartbeat()).toBe('NONE')
  })
})

describe('Heartbeat', () => {
  it('is answered by the state of the group', async () => {
    const { groups, leader, follower } = await pair()
    expect(await follower.heartbeat()).toBe('NONE') // CompletingRebalance
    await Promise.all([leader.sync(), follower.sync()])
    expect(await follower.heartbeat()).toBe('NONE') // Stable
    follower.generationId = 1
    expect(await follower.heartbeat()).toBe('ILLEGAL_GENERATION')
    follower.generationId = 2
    void leader.join()
    await turn()
    expect(await follower.heartbeat()).toBe('REBALANCE_IN_PROGRESS')
    await Promise.all([leader.leave(), follower.leave()])
    expect(await groups.stateOf()).toBe('Empty')
    expect(await follower.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
    expect(await groups.member({ groupId: 'unknown' }).heartbeat()).toBe('UNKNOWN_MEMBER_ID')
    expect(await groups.member({ groupId: '' }).heartbeat()).toBe('INVALID_GROUP_ID')
  })

  it('keeps the session alive, in a rebalance as well', async () => {
    const { groups, leader, follower } = await stablePair({ sessionTimeoutMs: 1000 })
    for (let i = 0; i < 5; i++) {
      await groups.clock.advance(900)
      expect([await leader.heartbeat(), await follower.heartbeat()]).toEqual(['NONE', 'NONE'])
    }
    void leader.join()
    for (let i = 0; i < 5; i++) {
      await groups.clock.advance(900)
      expect(await follower.heartbeat()).toBe('REBALANCE_IN_PROGRESS')
    }
  })
})

describe('a member that is not heard of', () => {
  it('is taken out at the end of its session, and the others rebalance', async () => {
    const { groups, leader, follower } = await stablePair({ sessionTimeoutMs: 1000 })
    await groups.clock.advance(600)
    expect(await leader.heartbeat()).toBe('NONE')
    await groups.clock.advance(400)
    expect(await leader.heartbeat()).toBe('REBALANCE_IN_PROGRESS')
    expect(await follower.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
    expect(await leader.join()).toBe('NONE')
    expect(leader.joined!.members.length).toBe(1)
    expect(groups.events.filter(({ type }) => type === 'memberLeft')).toMatchObject([{ memberId: follower.memberId }])
  })

  it('as the last of its group leaves it empty', async () => {
    const groups = new Groups()
    const member = groups.member({ sessionTimeoutMs: 1000 })
    await stabilise(member)
    await groups.clock.advance(1000)
    expect(await groups.stateOf()).toBe('Empty')
    expect(groups.events.at(-1)).toEqual({ type: 'empty', groupId: 'g', generationId: 2 })
  })

  it('is left behind by a rebalance that it does not join in time', async () => {
    const { groups, leader, follower } = await stablePair({ rebalanceTimeoutMs: 2000 })
    const rejoined = leader.join()
    await groups.clock.advance(1999)
    expect(leader.generationId).toBe(2)
    await groups.clock.advance(1)
    expect(await rejoined).toBe('NONE')
    expect([leader.generationId, leader.joined!.members.length]).toEqual([3, 1])
    expect(await follower.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
  })

  it('is waited for as long as the most patient member asks', async () => {
    const groups = new Groups()
    const [leader, patient] = [groups.member({ rebalanceTimeoutMs: 1000 }), groups.member({ rebalanceTimeoutMs: 5000 })]
    await leader.join()
    const joining = patient.join()
    await turn()
    await Promise.all([leader.join(), joining])
    await Promise.all([leader.sync(), patient.sync()])
    const rejoined = leader.join()
    await groups.clock.advance(4999)
    expect(leader.generationId).toBe(2)
    await groups.clock.advance(1)
    expect(await rejoined).toBe('NONE')
  })

  it('as the leader of a rebalance gives way to one who joined', async () => {
    const { groups, follower } = await stablePair({ rebalanceTimeoutMs: 1000 })
    follower.topics = ['u']
    const rejoined = follower.join()
    await groups.clock.advance(1000)
    expect(await rejoined).toBe('NONE')
    expect(follower.isLeader).toBe(true)
  })

  it('is taken out when it never asks for its assignment', async () => {
    const { groups, leader, follower } = await pair({ rebalanceTimeoutMs: 1000, sessionTimeoutMs: 60_000 })
    await leader.sync()
    await groups.clock.advance(1000)
    expect(await follower.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
    expect(await leader.heartbeat()).toBe('REBALANCE_IN_PROGRESS')
  })

  it('as a leader that never assigns is taken out, and those who wait join again', async () => {
    const { groups, leader, follower } = await pair({ rebalanceTimeoutMs: 1000, sessionTimeoutMs: 60_000 })
    const waiting = follower.sync()
    await groups.clock.advance(1000)
    expect(await waiting).toBe('REBALANCE_IN_PROGRESS')
    expect(await leader.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
    expect(await follower.join()).toBe('NONE')
    expect(follower.isLeader).toBe(true)
  })

  it('is excused while it waits for the others', async () => {
    const { groups, leader, follower } = await stablePair({ sessionTimeoutMs: 1000, rebalanceTimeoutMs: 60_000 })
    const rejoined = leader.join()
    for (let i = 0; i < 10; i++) {
      await groups.clock.advance(900)
      await follower.heartbeat()
    }
    await follower.join()
    expect(await rejoined).toBe('NONE')
    expect(leader.joined!.members.length).toBe(2)
  })
})

describe('LeaveGroup', () => {
  it('makes the others rebalance at once', async () => {
    const { leader, follower } = await stablePair()
    expect(await follower.leave()).toBe('NONE')
    expect(await leader.heartbeat()).toBe('REBALANCE_IN_PROGRESS')
    expect(await leader.join()).toBe('NONE')
    expect(leader.joined!.members.length).toBe(1)
  })

  it('completes a rebalance that waited for the one who leaves', async () => {
    const { leader, follower } = await stablePair()
    const rejoined = leader.join()
    await turn()
    await follower.leave()
    expect(await rejoined).toBe('NONE')
  })

  it('while the leader assigns sends everyone back to join', async () => {
    const { leader, follower } = await pair()
    const waiting = follower.sync()
    await leader.leave()
    expect(await waiting).toBe('REBALANCE_IN_PROGRESS')
    expect(await follower.join()).toBe('NONE')
    expect(follower.isLeader).toBe(true)
  })

  it('takes a member that has only its id off the list', async () => {
    const groups = new Groups()
    const member = groups.member()
    await member.joinOnce()
    expect(await member.leave()).toBe('NONE')
    expect(await member.joinOnce()).toBe('UNKNOWN_MEMBER_ID')
  })

  it('takes static members out by their instance id alone', async () => {
    const groups = new Groups()
    const member = groups.member({ instanceId: 'i1' })
    await stabilise(member)
    const leave = async (memberId: string, groupInstanceId: string | null) =>
      nameOf((await groups.coordinator.leaveGroup('g', [{ memberId, groupInstanceId }])).members![0])
    expect(await leave('', null)).toBe('UNKNOWN_MEMBER_ID')
    expect(await leave('', 'i2')).toBe('UNKNOWN_MEMBER_ID')
    expect(await leave('someone', 'i1')).toBe('FENCED_INSTANCE_ID')
    expect(await leave('', 'i1')).toBe('NONE')
    expect(await groups.stateOf()).toBe('Empty')
  })

  it('answers each of several members', async () => {
    const { groups, leader, follower } = await stablePair()
    const { members } = await groups.coordinator.leaveGroup('g', [
      { memberId: leader.memberId, groupInstanceId: null },
      { memberId: 'unknown', groupInstanceId: null },
      { memberId: follower.memberId, groupInstanceId: null }
    ])
    expect(members!.map(nameOf)).toEqual(['NONE', 'UNKNOWN_MEMBER_ID', 'NONE'])
    expect(await groups.stateOf()).toBe('Empty')
    expect(nameOf(await groups.coordinator.leaveGroup('', []))).toBe('INVALID_GROUP_ID')
  })
})

describe('closing the coordinator', () => {
  it('sends everyone who waits to look for another, and stops all clocks', async () => {
    const { groups, leader, follower } = await pair()
    const other = groups.member({ groupId: 'h' })
    await stabilise(other)
    const [waiting, joining] = [follower.sync(), groups.member({ groupId: 'h' }).join()]
    await turn()
    await groups.coordinator.close()
    expect(await Promise.all([waiting, joining])).toEqual(['NOT_COORDINATOR', 'NOT_COORDINATOR'])
    expect(await leader.heartbeat()).toBe('COORDINATOR_NOT_AVAILABLE')
    expect(groups.clock.timerCount).toBe(0)
    await groups.coordinator.close()
  })
})

describe('the events of a group', () => {
  it('tell its life', async () => {
    const groups = new Groups()
    const member = groups.member()
    await stabilise(member)
    await member.leave()
    await groups.coordinator.deleteGroup('g')
    expect(groups.events.map(({ type }) => type)).toEqual([
      'memberJoined',
      'rebalancing',
      'rebalanced',
      'memberLeft',
      'rebalancing',
      'empty',
      'dead'
    ])
    expect(groups.events[2]).toEqual({ type: 'rebalanced', groupId: 'g', generationId: 1, memberIds: [member.memberId] })
  })
})
