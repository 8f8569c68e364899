import { describe, expect, it } from 'vitest'
import { Groups, stabilise, turn } from './harness.js'

/** A group in each of its states, with the members that brought it there. */
const inState = {
  async Empty() {
    const groups = new Groups()
    const gone = groups.member()
    await stabilise(gone)
    await gone.leave()
    return { groups, leader: gone, follower: gone }
  },
  async PreparingRebalance() {
    const { groups, leader, follower } = await inState.Stable()
    const late = groups.member()
    void late.join().catch(() => {})
    await turn()
    return { groups, leader, follower }
  },
  async CompletingRebalance() {
    const groups = new Groups()
    const [leader, follower] = [groups.member(), groups.member()]
    await leader.join()
    const joining = follower.join()
    await turn()
    await Promise.all([leader.join(), joining])
    return { groups, leader, follower }
  },
  async Stable() {
    const { groups, leader, follower } = await inState.CompletingRebalance()
    await Promise.all([leader.sync(), follower.sync()])
    return { groups, leader, follower }
  }
}

describe('the first join', () => {
  it('takes two rounds and no time', async () => {
    const groups = new Groups()
    const member = groups.member()
    expect(await member.joinOnce()).toBe('MEMBER_ID_REQUIRED')
    expect(member.memberId).toMatch(/^c-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(await member.joinOnce()).toBe('NONE')
    expect(member.joined).toMatchObject({ generationId: 1, leader: member.memberId, protocolName: 'range', protocolType: 'consumer' })
    expect(member.joined!.members.map(({ memberId }) => memberId)).toEqual([member.memberId])
    expect(await member.sync()).toBe('NONE')
    expect(member.assignment).toBe(`${member.memberId}@1`)
    expect(await groups.stateOf()).toBe('Stable')
  })

  it('takes one round for clients before version 4, and for static members', async () => {
    const groups = new Groups()
    expect(await groups.member({ apiVersion: 3 }).joinOnce()).toBe('NONE')
    const fixed = groups.member({ groupId: 'other', instanceId: 'i1' })
    expect(await fixed.joinOnce()).toBe('NONE')
    expect(fixed.memberId).toMatch(/^i1-/)
  })

  it('waits for more members when there is a delay, and longer for each that comes', async () => {
    const groups = new Groups({ initialRebalanceDelayMs: 3000 })
    const [first, second] = [groups.member(), groups.member()]
    const joins = [first.join()]
    await groups.clock.advance(2000)
    joins.push(second.join())
    await groups.clock.advance(3999)
    expect([first.generationId, second.generationId]).toEqual([-1, -1])
    await groups.clock.advance(1)
    await Promise.all(joins)
    expect([first.generationId, second.generationId]).toEqual([1, 1])
  })

  it('waits no longer than the rebalance timeout, however many come', async () => {
    const groups = new Groups({ initialRebalanceDelayMs: 3000 })
    const joins = []
    for (let second = 0; second < 7; second++) {
      joins.push(groups.member({ rebalanceTimeoutMs: 7000 }).join())
      await groups.clock.advance(1000)
    }
    expect(await Promise.all(joins)).toEqual(Array(7).fill('NONE'))
  })

  it('does not outlive its session timeout between its two rounds', async () => {
    const groups = new Groups()
    const member = groups.member({ sessionTimeoutMs: 500 })
    await member.joinOnce()
    await groups.clock.advance(500)
    expect(await member.joinOnce()).toBe('UNKNOWN_MEMBER_ID')
  })
})

describe('a join is refused', () => {
  it.each([
    ['INVALID_GROUP_ID', { groupId: '' }],
    ['INVALID_SESSION_TIMEOUT', { sessionTimeoutMs: 9 }],
    ['INVALID_SESSION_TIMEOUT', { sessionTimeoutMs: 30 * 60_000 + 1 }],
    ['INCONSISTENT_GROUP_PROTOCOL', { protocols: [] }],
    ['INCONSISTENT_GROUP_PROTOCOL', { protocolType: '' }]
  ])('with %s for %j', async (error, options) => {
    const groups = new Groups()
    expect(await groups.member(options).joinOnce()).toBe(error)
    expect(await groups.coordinator.listGroups([])).toEqual([])
  })

  it('with UNKNOWN_MEMBER_ID for an id that the group does not know, or when there is no group', async () => {
    const groups = new Groups()
    const stranger = groups.member()
    stranger.memberId = 'nobody'
    expect(await stranger.joinOnce()).toBe('UNKNOWN_MEMBER_ID')
    await stabilise(groups.member())
    expect(await stranger.joinOnce()).toBe('UNKNOWN_MEMBER_ID')
  })

  it('with INCONSISTENT_GROUP_PROTOCOL when there is nothing that all members support', async () => {
    const groups = new Groups()
    await stabilise(groups.member({ protocols: ['range', 'sticky'] }))
    expect(await groups.member({ protocols: ['roundrobin'] }).joinOnce()).toBe('INCONSISTENT_GROUP_PROTOCOL')
    expect(await groups.member({ protocolType: 'connect', protocols: ['range'] }).joinOnce()).toBe('INCONSISTENT_GROUP_PROTOCOL')
    expect(await groups.member({ protocols: ['sticky'] }).joinOnce()).toBe('MEMBER_ID_REQUIRED')
  })

  it('with GROUP_MAX_SIZE_REACHED when the group is full', async () => {
    const groups = new Groups({ maxGroupSize: 1 })
    const member = groups.member()
    await stabilise(member)
    expect(await groups.member().join()).toBe('GROUP_MAX_SIZE_REACHED')
    expect(await member.join()).toBe('NONE')
  })
})

describe('a member joins again', () => {
  it('Empty: is not known', async () => {
    const { leader } = await inState.Empty()
    expect(await leader.joinOnce()).toBe('UNKNOWN_MEMBER_ID')
  })

  it('PreparingRebalance: waits until the others have come', async () => {
    const { groups, leader, follower } = await inState.PreparingRebalance()
    const rejoined = leader.join()
    await turn()
    expect([leader.generationId, await groups.stateOf()]).toEqual([2, 'PreparingRebalance'])
    await follower.join()
    expect(await rejoined).toBe('NONE')
    expect([leader.generationId, follower.generationId]).toEqual([3, 3])
  })

  it('CompletingRebalance: gets the same answer again, as long as it says the same', async () => {
    const { groups, leader, follower } = await inState.CompletingRebalance()
    const [before, followersBefore] = [leader.joined, follower.joined]
    expect([await leader.join(), await follower.join()]).toEqual(['NONE', 'NONE'])
    expect([leader.joined, follower.joined]).toEqual([before, followersBefore])
    follower.topics = ['u']
    const rejoined = follower.join()
    await turn()
    expect(await groups.stateOf()).toBe('PreparingRebalance')
    await leader.join()
    expect(await rejoined).toBe('NONE')
    expect(follower.generationId).toBe(3)
  })

  it('Stable: a follower gets the current generation, unless its subscription has changed', async () => {
    const { groups, follower } = await inState.Stable()
    expect(await follower.join()).toBe('NONE')
    expect([follower.generationId, follower.joined!.members, await groups.stateOf()]).toEqual([2, [], 'Stable'])
    follower.topics = ['t', 'u']
    void follower.join()
    await turn()
    expect(await groups.stateOf()).toBe('PreparingRebalance')
  })

  it('Stable: the leader starts a rebalance', async () => {
    const { groups, leader, follower } = await inState.Stable()
    const rejoined = leader.join()
    await turn()
    expect(await groups.stateOf()).toBe('PreparingRebalance')
    expect(await follower.heartbeat()).toBe('REBALANCE_IN_PROGRESS')
    await follower.join()
    await rejoined
    expect(leader.joined!.members.length).toBe(2)
  })

  it('twice at once: only the later request waits', async () => {
    const { leader } = await inState.PreparingRebalance()
    const first = leader.join()
    void leader.join()
    expect(await first).toBe('REBALANCE_IN_PROGRESS')
  })
})

describe('a new member', () => {
  it.each(['Empty', 'PreparingRebalance', 'CompletingRebalance', 'Stable'] as const)('joins a group that is %s', async state => {
    const { groups, leader, follower } = await inState[state]()
    const fresh = groups.member()
    const joined = fresh.join()
    await turn()
    if (state !== 'Empty') await Promise.all([leader.join(), follower.join()])
    expect(await joined).toBe('NONE')
    expect(fresh.generationId).toBeGreaterThan(2)
  })

  it('is let go after five minutes of waiting', async () => {
    const groups = new Groups()
    const member = groups.member({ rebalanceTimeoutMs: 3_600_000, sessionTimeoutMs: 1_800_000 })
    await stabilise(member)
    const joining = groups.member().join()
    await groups.clock.advance(300_000)
    expect(await joining).toBe('UNKNOWN_MEMBER_ID')
  })

  it('that gives up is forgotten at once, and the others go on', async () => {
    const groups = new Groups()
    const member = groups.member()
    await stabilise(member)
    const controller = new AbortController()
    const joining = groups.member().join(controller.signal)
    await turn()
    const failed = expect(joining).rejects.toThrow('enough')
    controller.abort(new Error('enough'))
    await failed
    expect(await member.join()).toBe('NONE')
    expect(member.joined!.members.length).toBe(1)
  })
})

describe('the protocol of a group', () => {
  it('is the one that most members like best among those that all support', async () => {
    const groups = new Groups()
    const members = [
      ['a', 'b', 'c'],
      ['b', 'c'],
      ['c', 'b', 'd']
    ].map(protocols => groups.member({ protocols }))
    await members[0].join()
    for (const member of members.slice(1)) void member.join()
    await turn()
    await members[0].join()
    expect(members.map(({ joined }) => joined?.protocolName)).toEqual(['b', 'b', 'b'])
  })
})

describe('a static member', () => {
  const stable = async (options = {}) => {
    const groups = new Groups()
    const [leader, follower] = ['i1', 'i2'].map(instanceId => groups.member({ instanceId, ...options }))
    await leader.join()
    const joining = follower.join()
    await turn()
    await Promise.all([leader.join(), joining])
    await Promise.all([leader.sync(), follower.sync()])
    return { groups, leader, follower }
  }

  it('comes back under a new id without a rebalance, and keeps its assignment', async () => {
    const { groups, follower } = await stable()
    const back = groups.member({ instanceId: 'i2' })
    expect(await back.join()).toBe('NONE')
    expect([back.generationId, await groups.stateOf()]).toEqual([2, 'Stable'])
    await back.sync()
    expect(back.assignment).toBe(`${follower.memberId}@2`)
    expect(await follower.heartbeat()).toBe('FENCED_INSTANCE_ID')
    expect(await follower.sync()).toBe('FENCED_INSTANCE_ID')
    expect(await follower.commit(1)).toBe('FENCED_INSTANCE_ID')
    expect(await follower.join()).toBe('FENCED_INSTANCE_ID')
    expect(await follower.leave()).toBe('FENCED_INSTANCE_ID')
  })

  it('as leader is told to leave the assignment alone, but who the members are', async () => {
    const { groups, follower } = await stable()
    const back = groups.member({ instanceId: 'i1' })
    await back.join()
    expect(back.joined).toMatchObject({ skipAssignment: true, leader: back.memberId })
    expect(back.joined!.members.map(({ memberId }) => memberId).sort()).toEqual([back.memberId, follower.memberId].sort())
  })

  it('as leader of an older kind is not told that it is the leader', async () => {
    const { groups, leader } = await stable()
    const back = groups.member({ instanceId: 'i1', apiVersion: 8 })
    await back.join()
    expect(back.joined).toMatchObject({ skipAssignment: false, leader: leader.memberId, members: [] })
  })

  it('that comes back with another protocol causes a rebalance', async () => {
    const { groups } = await stable({ protocols: ['range', 'sticky'] })
    void groups.member({ instanceId: 'i2', protocols: ['sticky'] }).join()
    await turn()
    expect(await groups.stateOf()).toBe('PreparingRebalance')
  })

  it('that comes back while the leader assigns causes a rebalance, and fences its former self', async () => {
    const { groups, leader, follower } = await stable()
    follower.topics = ['u']
    const joining = follower.join()
    await turn()
    await Promise.all([leader.join(), joining])
    const waiting = follower.sync()
    const back = groups.member({ instanceId: 'i2' })
    const rejoined = back.join()
    expect(await waiting).toBe('FENCED_INSTANCE_ID')
    await leader.join()
    expect(await rejoined).toBe('NONE')
    expect(back.generationId).toBe(4)
  })

  it('that comes back during a rebalance takes the place of its waiting former self', async () => {
    const { groups, leader, follower } = await stable()
    follower.topics = ['u']
    const waiting = follower.join()
    await turn()
    const back = groups.member({ instanceId: 'i2' })
    const rejoined = back.join()
    expect(await waiting).toBe('FENCED_INSTANCE_ID')
    await leader.join()
    expect(await rejoined).toBe('NONE')
    expect(leader.joined!.members.length).toBe(2)
  })

  it('that misses a rebalance stays a member until its session ends', async () => {
    const { groups, leader, follower } = await stable({ rebalanceTimeoutMs: 1000 })
    const rejoined = leader.join()
    await groups.clock.advance(1000)
    await rejoined
    expect(leader.joined!.members.map(({ groupInstanceId }) => groupInstanceId).sort()).toEqual(['i1', 'i2'])
    expect(await follower.heartbeat()).toBe('ILLEGAL_GENERATION')
  })

  it('does not make a leader of itself by staying away', async () => {
    const { groups, leader, follower } = await stable({ rebalanceTimeoutMs: 1000 })
    follower.topics = ['u']
    const rejoined = follower.join()
    await groups.clock.advance(1000)
    expect(await rejoined).toBe('NONE')
    expect(follower.joined!.leader).toBe(follower.memberId)
    expect(follower.joined!.members.map(({ memberId }) => memberId)).toContain(leader.memberId)
  })
})
