import { describe, expect, it } from 'vitest'
import { roundRobinAssignor } from '../../src/assignor/round-robin.js'
import { member, shown, topics } from './helpers.js'

const assign = (counts: Record<string, number>, members: Parameters<typeof roundRobinAssignor.assign>[1]) =>
  shown(roundRobinAssignor.assign(topics(counts), members))

describe('roundrobin', () => {
  it('deals the partitions of all topics out in turn', () => {
    const both = ['t0', 't1']
    expect(assign({ t0: 3, t1: 3 }, [member('c0', both), member('c1', both)])).toEqual({ c0: 't0-0 t0-2 t1-1', c1: 't0-1 t1-0 t1-2' })
  })

  it('passes over members that do not subscribe', () => {
    const members = [member('c0', ['t0']), member('c1', ['t0', 't1']), member('c2', ['t0', 't1', 't2'])]
    expect(assign({ t0: 1, t1: 2, t2: 3 }, members)).toEqual({ c0: 't0-0', c1: 't1-0', c2: 't1-1 t2-0 t2-1 t2-2' })
  })

  it('gives static members the same partitions after a restart with new member ids', () => {
    const start = ['c0', 'c1', 'c2'].map((id, i) => member(id, ['t0', 't1'], { groupInstanceId: `i${i}` }))
    const restart = ['c5', 'c3', 'c4'].map((id, i) => member(id, ['t0', 't1'], { groupInstanceId: `i${i}` }))
    expect(assign({ t0: 3, t1: 3 }, start)).toEqual({ c0: 't0-0 t1-0', c1: 't0-1 t1-1', c2: 't0-2 t1-2' })
    expect(assign({ t0: 3, t1: 3 }, restart)).toEqual({ c5: 't0-0 t1-0', c3: 't0-1 t1-1', c4: 't0-2 t1-2' })
  })

  it('leaves topics out that nobody subscribes to or that do not exist', () => {
    expect(assign({ other: 3 }, [member('c0', ['gone'])])).toEqual({ c0: '' })
  })
})
