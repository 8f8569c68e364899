import { expect, it } from 'vitest'
import { DescribeGroups } from '../../../src/protocol/messages/describe-groups.js'
import type { Stage } from './broker-contract.js'
import { eventually } from './eventually.js'
import { Member } from './member.js'
import { fresh } from './world.js'

export function staticMemberCases(stage: Stage): void {
  const member = (groupId: string, groupInstanceId: string | null) => new Member(stage.client.node, { groupId, groupInstanceId })
  const stateOf = async (groupId: string) => (await stage.client.node.request(DescribeGroups, { groups: [groupId] })).groups[0].groupState

  /** A stable group of `one`, who leads, and `two`. */
  const pair = async () => {
    const groupId = fresh('static')
    const [one, two] = [member(groupId, 'one'), member(groupId, 'two')]
    await one.joinOnce()
    const joining = two.joinOnce()
    await eventually(async () => expect(await stateOf(groupId)).toBe('PreparingRebalance'))
    await one.joinOnce()
    await joining
    await Promise.all([one.sync({ [one.memberId]: [0], [two.memberId]: [1, 2] }), two.sync()])
    return { groupId, one, two }
  }

  it('join in one round, under a name that lasts', async () => {
    const one = member(fresh('static'), 'one')
    const joined = await one.joinOnce()
    expect(joined).toMatchObject({ error: 'NONE', generationId: 1, leader: one.memberId })
    expect(one.memberId).toMatch(/^one-/)
    expect(joined.members.map(({ groupInstanceId }) => groupInstanceId)).toEqual(['one'])
  })

  it('that come back are given what they had, without a rebalance', async () => {
    const { groupId, one, two } = await pair()
    const again = member(groupId, 'two')
    const joined = await again.joinOnce()
    expect(joined).toMatchObject({ error: 'NONE', generationId: 2, leader: one.memberId, skipAssignment: false })
    expect(again.memberId).not.toBe(two.memberId)
    expect(await again.sync()).toMatchObject({ error: 'NONE', partitions: [1, 2] })
    expect(await one.heartbeat()).toBe('NONE')
    expect(await stateOf(groupId)).toBe('Stable')
  })

  it('that led and come back need not assign again', async () => {
    const { groupId, two } = await pair()
    const again = member(groupId, 'one')
    const joined = await again.joinOnce()
    expect(joined).toMatchObject({ error: 'NONE', generationId: 2, leader: again.memberId, skipAssignment: true })
    expect(joined.members).toHaveLength(2)
    expect(await again.sync()).toMatchObject({ error: 'NONE', partitions: [0] })
    expect(await two.heartbeat()).toBe('NONE')
  })

  it('that were replaced are told so, whatever they ask', async () => {
    const { groupId, two } = await pair()
    await member(groupId, 'two').joinOnce()
    expect(await two.heartbeat()).toBe('FENCED_INSTANCE_ID')
    expect((await two.sync()).error).toBe('FENCED_INSTANCE_ID')
    expect((await two.joinOnce()).error).toBe('FENCED_INSTANCE_ID')
    expect(await two.leave()).toBe('FENCED_INSTANCE_ID')
  })

  it('are unknown under a name that nobody has', async () => {
    const { groupId, one } = await pair()
    const stranger = member(groupId, 'three')
    stranger.memberId = one.memberId
    stranger.generationId = one.generationId
    expect(await stranger.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
    expect(await stranger.leave({ memberId: '' })).toBe('UNKNOWN_MEMBER_ID')
  })

  it('can be taken out by their names', async () => {
    const { one, two } = await pair()
    expect(await two.leave({ memberId: '' })).toBe('NONE')
    expect(await one.heartbeat()).toBe('REBALANCE_IN_PROGRESS')
    expect(await two.heartbeat()).toBe('UNKNOWN_MEMBER_ID')
  })
}
