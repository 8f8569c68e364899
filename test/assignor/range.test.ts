import { describe, expect, it } from 'vitest'
import { rangeAssignor } from '../../src/assignor/range.js'
import { member, shown, topics } from './helpers.js'

const assign = (counts: Record<string, number>, members: Parameters<typeof rangeAssignor.assign>[1]) =>
  shown(rangeAssignor.assign(topics(counts), members))

describe('range', () => {
  it('splits each topic into contiguous ranges, the first members getting the odd ones', () => {
    const both = ['t0', 't1']
    expect(assign({ t0: 3, t1: 3 }, [member('c0', both), member('c1', both)])).toEqual({ c0: 't0-0 t0-1 t1-0 t1-1', c1: 't0-2 t1-2' })
    expect(
      assign(
        { t: 10 },
        ['a', 'b', 'c', 'd'].map(id => member(id, ['t']))
      )
    ).toEqual({
      a: 't-0 t-1 t-2',
      b: 't-3 t-4 t-5',
      c: 't-6 t-7',
      d: 't-8 t-9'
    })
  })

  it('leaves members without partitions when there are too few', () => {
    expect(assign({ t: 1 }, [member('b', ['t']), member('a', ['t'])])).toEqual({ a: 't-0', b: '' })
  })

  it('looks at each topic on its own when subscriptions differ', () => {
    const members = [member('c1', ['t1', 't2']), member('c0', ['t1']), member('c2', ['t1'])]
    expect(assign({ t1: 3, t2: 2 }, members)).toEqual({ c0: 't1-0', c1: 't1-1 t2-0 t2-1', c2: 't1-2' })
  })

  it('gives nothing for a topic that does not exist', () => {
    expect(assign({}, [member('c0', ['gone'])])).toEqual({ c0: '' })
  })

  it('orders static members by instance id, before dynamic ones', () => {
    const members = [member('a', ['t']), member('z', ['t'], { groupInstanceId: 'i1' }), member('y', ['t'], { groupInstanceId: 'i2' })]
    expect(assign({ t: 3 }, members)).toEqual({ z: 't-0', y: 't-1', a: 't-2' })
  })

  it('keeps readers in their racks where the balance allows it', () => {
    const shape = { partitionCount: 4, racks: [['a'], ['b'], ['a'], ['b']] }
    const members = [member('c0', ['t'], { rackId: 'b' }), member('c1', ['t'], { rackId: 'a' })]
    expect(shown(rangeAssignor.assign(new Map([['t', shape]]), members))).toEqual({ c0: 't-1 t-3', c1: 't-0 t-2' })
  })

  it('keeps co-partitioned topics in step within racks', () => {
    const shape = { partitionCount: 3, racks: [['c'], ['a'], ['b']] }
    const both = ['t0', 't1']
    const members = ['a', 'b', 'c'].map((rackId, index) => member(`c${index}`, both, { rackId }))
    expect(
      shown(
        rangeAssignor.assign(
          new Map([
            ['t0', shape],
            ['t1', shape]
          ]),
          members
        )
      )
    ).toEqual({ c0: 't0-1 t1-1', c1: 't0-2 t1-2', c2: 't0-0 t1-0' })
  })

  it("ignores racks when every partition is in every rack, or none is in a reader's", () => {
    const members = [member('c0', ['t'], { rackId: 'b' }), member('c1', ['t'], { rackId: 'a' })]
    for (const racks of [
      [
        ['a', 'b'],
        ['b', 'a']
      ],
      [['x'], ['y']]
    ]) {
      expect(shown(rangeAssignor.assign(new Map([['t', { partitionCount: 2, racks }]]), members))).toEqual({ c0: 't-0', c1: 't-1' })
    }
  })
})
