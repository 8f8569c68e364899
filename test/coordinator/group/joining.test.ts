import { describe, expect, it } from 'vitest'
import { Groups } from './harness.js'

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
})
