import { describe, expect, it } from 'vitest'
import type { AssignorMember } from '../../src/assignor/assignor.js'
import { cooperativeStickyAssignor } from '../../src/assignor/cooperative-sticky.js'
import { encodeCooperativeUserData } from '../../src/assignor/sticky-user-data.js'
import { afterwards, member, partitions, shown, topics } from './helpers.js'

const holding = (memberId: string, subscribed: string[], held: string, generationId = 1): AssignorMember =>
  member(memberId, subscribed, { ownedPartitions: partitions(held), generationId })

describe('cooperative-sticky', () => {
  it('withholds a partition until its holder has let go, then hands it over', () => {
    const shape = topics({ t: 4 })
    const members = [holding('c0', ['t'], 't-0 t-1 t-2 t-3'), member('c1', ['t'])]
    const first = cooperativeStickyAssignor.assign(shape, members)
    expect(shown(first)).toEqual({ c0: 't-0 t-1', c1: '' })
    const second = cooperativeStickyAssignor.assign(shape, afterwards(cooperativeStickyAssignor, members, first, 2))
    expect(shown(second)).toEqual({ c0: 't-0 t-1', c1: 't-2 t-3' })
  })

  it('hands out at once what nobody holds', () => {
    const members = [holding('c0', ['t'], 't-0 t-1'), member('c1', ['t'])]
    expect(shown(cooperativeStickyAssignor.assign(topics({ t: 4 }), members))).toEqual({ c0: 't-0 t-1', c1: 't-2 t-3' })
  })

  it('withholds a partition that two members claim in one generation', () => {
    const members = [holding('c0', ['t'], 't-0 t-1'), holding('c1', ['t'], 't-1 t-2'), holding('c2', ['t'], 't-3')]
    const first = cooperativeStickyAssignor.assign(topics({ t: 4 }), members)
    expect([...first.values()].flat()).not.toContainEqual({ topic: 't', partition: 1 })
  })

  it('withholds with unequal subscriptions as well', () => {
    const members = [holding('c0', ['t0', 't1'], 't0-0 t0-1 t1-0 t1-1'), member('c1', ['t0'])]
    expect(shown(cooperativeStickyAssignor.assign(topics({ t0: 2, t1: 2 }), members))).toEqual({ c0: 't1-0 t1-1', c1: '' })
  })

  it('takes the generation from the user data of members that do not put it into the subscription', () => {
    const old = (memberId: string, held: string, generation: number) =>
      member(memberId, ['t'], { ownedPartitions: partitions(held), userData: encodeCooperativeUserData(generation) })
    const assignment = cooperativeStickyAssignor.assign(topics({ t: 2 }), [old('c0', 't-0 t-1', 1), old('c1', 't-0', 2)])
    expect(shown(assignment)).toEqual({ c0: 't-1', c1: 't-0' })
  })
})
