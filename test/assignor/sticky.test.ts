import { describe, expect, it } from 'vitest'
import type { AssignorMember } from '../../src/assignor/assignor.js'
import { stickyAssignor } from '../../src/assignor/sticky.js'
import { encodeStickyUserData } from '../../src/assignor/sticky-user-data.js'
import { afterwards, member, partitions, shown, topics } from './helpers.js'

const holding = (memberId: string, subscribed: string[], held: string, generation = 1): AssignorMember =>
  member(memberId, subscribed, { userData: encodeStickyUserData(partitions(held), generation), generationId: generation })

const assign = (counts: Record<string, number>, members: AssignorMember[]) => shown(stickyAssignor.assign(topics(counts), members))

describe('sticky, equal subscriptions', () => {
  const four = ['t0', 't1', 't2', 't3']
  const counts = { t0: 2, t1: 2, t2: 2, t3: 2 }

  it('starts like a deal of cards', () => {
    expect(assign(counts, [member('c0', four), member('c1', four), member('c2', four)])).toEqual({
      c0: 't0-0 t1-1 t3-0',
      c1: 't0-1 t2-0 t3-1',
      c2: 't1-0 t2-1'
    })
  })

  it('spreads what a lost member held over those that stay', () => {
    expect(assign(counts, [holding('c0', four, 't0-0 t1-1 t3-0'), holding('c2', four, 't1-0 t2-1')])).toEqual({
      c0: 't0-0 t3-0 t1-1 t0-1',
      c2: 't1-0 t2-1 t2-0 t3-1'
    })
  })

  it('takes no more from the others than a new member needs', () => {
    const members = [holding('c0', ['t'], 't-0 t-1 t-2'), holding('c1', ['t'], 't-3 t-4 t-5'), member('c2', ['t'])]
    expect(assign({ t: 6 }, members)).toEqual({ c0: 't-0 t-1', c1: 't-3 t-4', c2: 't-2 t-5' })
  })

  it('keeps by partition number first and topic second', () => {
    const members = [holding('c0', ['t0', 't1'], 't0-0 t0-1 t1-0 t1-1'), member('c1', ['t0', 't1'])]
    expect(assign({ t0: 2, t1: 2 }, members)).toEqual({ c0: 't0-0 t1-0', c1: 't0-1 t1-1' })
  })

  it('lets the first members that hold more keep one more', () => {
    const members = [holding('c0', ['t'], 't-0 t-1'), holding('c1', ['t'], 't-2 t-3'), holding('c2', ['t'], 't-4')]
    expect(assign({ t: 5 }, members)).toEqual({ c0: 't-0 t-1', c1: 't-2 t-3', c2: 't-4' })
    expect(assign({ t: 5 }, [...members, member('c3', ['t'])])).toEqual({ c0: 't-0 t-1', c1: 't-2', c2: 't-4', c3: 't-3' })
  })

  it('believes the newest generation when two members claim a partition', () => {
    const members = [holding('c0', ['t'], 't-0 t-1 t-2', 1), holding('c1', ['t'], 't-1 t-2', 2)]
    expect(assign({ t: 3 }, members)).toEqual({ c0: 't-0', c1: 't-1 t-2' })
  })

  it('believes neither of two members that claim a partition in one generation', () => {
    const members = [holding('c0', ['t'], 't-0 t-1', 1), holding('c1', ['t'], 't-1 t-2', 1)]
    expect(assign({ t: 3 }, members)).toEqual({ c0: 't-0 t-1', c1: 't-2' })
  })

  it('forgets partitions of topics that are gone, and numbers that do not exist', () => {
    const members = [holding('c0', ['t'], 'gone-0 t-0 t-7'), member('c1', ['t'])]
    expect(assign({ t: 2 }, members)).toEqual({ c0: 't-0', c1: 't-1' })
  })

  it('treats user data that it cannot read as no claim', () => {
    const members = [member('c0', ['t'], { userData: Uint8Array.of(0, 0, 0, 9, 9) }), member('c1', ['t'])]
    expect(assign({ t: 2 }, members)).toEqual({ c0: 't-0', c1: 't-1' })
  })

  it('copes with more members than partitions', () => {
    const members = [holding('c0', ['t'], ''), holding('c1', ['t'], 't-0'), member('c2', ['t'])]
    expect(assign({ t: 2 }, members)).toEqual({ c0: 't-1', c1: 't-0', c2: '' })
  })

  it('prefers readers in the rack of a replica', () => {
    const racks = [['a'], ['b'], ['a'], ['b']]
    const members = [member('c0', ['t'], { rackId: 'b' }), member('c1', ['t'], { rackId: 'a' })]
    expect(shown(stickyAssignor.assign(new Map([['t', { partitionCount: 4, racks }]]), members))).toEqual({ c0: 't-1 t-3', c1: 't-0 t-2' })
  })
})

describe('sticky, unequal subscriptions', () => {
  const members = [member('c0', ['t0']), member('c1', ['t0', 't1']), member('c2', ['t0', 't1', 't2'])]
  const counts = { t0: 1, t1: 2, t2: 3 }

  it('balances as far as the subscriptions allow', () => {
    expect(assign(counts, members)).toEqual({ c0: 't0-0', c1: 't1-0 t1-1', c2: 't2-0 t2-1 t2-2' })
  })

  it('keeps everything in place when a member goes', () => {
    const before = stickyAssignor.assign(topics(counts), members)
    const rest = afterwards(stickyAssignor, members.slice(1), before, 1)
    expect(assign(counts, rest)).toEqual({ c1: 't1-0 t1-1 t0-0', c2: 't2-0 t2-1 t2-2' })
  })

  it('moves partitions of a topic that a new subscriber can take', () => {
    const before = [holding('c0', ['t0', 't1'], 't0-0 t0-1 t0-2 t1-0 t1-1 t1-2'), member('c1', ['t0'])]
    const after = stickyAssignor.assign(topics({ t0: 3, t1: 3 }), before)
    expect(shown(after)).toEqual({ c0: 't1-0 t1-1 t1-2', c1: 't0-0 t0-1 t0-2' })
  })

  it('takes away what a member no longer subscribes to', () => {
    const before = [holding('c0', ['t1'], 't0-0 t1-0'), holding('c1', ['t0', 't1'], 't0-1')]
    expect(assign({ t0: 2, t1: 1 }, before)).toEqual({ c0: 't1-0', c1: 't0-1 t0-0' })
  })

  it('never gives a partition back to a former owner that has unsubscribed', () => {
    const before = [holding('c0', ['t1'], 't0-0', 1), holding('c1', ['t0', 't1'], 't0-0 t0-1 t0-2 t0-3', 2), member('c2', ['t0'])]
    const after = stickyAssignor.assign(topics({ t0: 4, t1: 1 }), before)
    expect(after.get('c0')).toEqual(partitions('t1-0'))
  })
})
