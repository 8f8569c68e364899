import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Assignor, AssignorMember, TopicPartition } from '../../src/assignor/assignor.js'
import { cooperativeStickyAssignor } from '../../src/assignor/cooperative-sticky.js'
import { rangeAssignor } from '../../src/assignor/range.js'
import { roundRobinAssignor } from '../../src/assignor/round-robin.js'
import { stickyAssignor } from '../../src/assignor/sticky.js'
import { afterwards, member, nameOf, topics } from './helpers.js'

const assignors = [rangeAssignor, roundRobinAssignor, stickyAssignor, cooperativeStickyAssignor]
const topicNames = ['a', 'b', 'c', 'd']
const racks = ['x', 'y', 'z']
const anyTopics = fc.record(Object.fromEntries(topicNames.map(name => [name, fc.integer({ min: 0, max: 8 })])))
const anySubscription = fc.subarray(topicNames, { minLength: 1 })
const anySubscriptions = fc.oneof(
  fc.array(anySubscription, { minLength: 1, maxLength: 9, size: 'max' }),
  fc
    .tuple(anySubscription, fc.integer({ min: 1, max: 9 }))
    .map(([subscription, count]) => Array.from({ length: count }, () => subscription))
)
const membersOf = (subscriptions: string[][]) => subscriptions.map((subscribed, i) => member(`m${i}`, subscribed))

type Assignment = ReadonlyMap<string, readonly TopicPartition[]>

function expectEveryPartitionOnce(counts: Record<string, number>, members: readonly AssignorMember[], assignment: Assignment): void {
  const expected = topicNames
    .filter(name => members.some(({ topics }) => topics.includes(name)))
    .flatMap(name => Array.from({ length: counts[name] }, (_, i) => `${name}-${i}`))
  expect([...assignment.values()].flat().map(nameOf).sort()).toEqual(expected.sort())
  expect([...assignment.keys()].sort()).toEqual(members.map(({ memberId }) => memberId).sort())
  for (const { memberId, topics } of members) for (const { topic } of assignment.get(memberId)!) expect(topics).toContain(topic)
}

/** No partition could go to a subscriber that has at least two fewer. */
function expectBalance(members: readonly AssignorMember[], assignment: Assignment): void {
  for (const [holder, held] of assignment) {
    for (const other of members) {
      if (other.memberId === holder || held.length < assignment.get(other.memberId)!.length + 2) continue
      expect(held.filter(({ topic }) => other.topics.includes(topic)).map(nameOf)).toEqual([])
    }
  }
}

/** Rebalances until cooperative members have let go of everything that moves. */
function settle(assignor: Assignor, counts: Record<string, number>, members: readonly AssignorMember[], generation: number): Assignment {
  let current = members
  let assignment: Assignment = assignor.assign(topics(counts), members)
  for (let round = 1; assignor.cooperative && round < 4; round++) {
    current = afterwards(assignor, current, assignment, generation + round)
    assignment = assignor.assign(topics(counts), current)
  }
  return assignment
}

describe.each(assignors)('$name', assignor => {
  it('gives every subscribed partition to exactly one subscriber', () => {
    fc.assert(
      fc.property(anyTopics, anySubscriptions, (counts, subscriptions) => {
        const members = membersOf(subscriptions)
        expectEveryPartitionOnce(counts, members, assignor.assign(topics(counts), members))
      })
    )
  })

  it('does so with any racks', () => {
    const anyRack = fc.option(fc.constantFrom(...racks))
    const anyRacks = fc.array(fc.subarray(racks), { minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(
        anyTopics,
        anySubscriptions,
        fc.array(anyRack, { minLength: 9, maxLength: 9 }),
        anyRacks,
        (counts, subscriptions, where, replicas) => {
          const members = membersOf(subscriptions).map((it, i) => ({ ...it, rackId: where[i] }))
          const shapes = new Map(
            topicNames.map((name, t) => [name, { partitionCount: counts[name], racks: replicas.slice(t * 8, t * 8 + counts[name]) }])
          )
          expectEveryPartitionOnce(counts, members, assignor.assign(shapes, members))
        }
      )
    )
  })

  it('does not depend on the order in which members are listed', () => {
    fc.assert(
      fc.property(anyTopics, anySubscriptions, (counts, subscriptions) => {
        const members = membersOf(subscriptions)
        const there = [...assignor.assign(topics(counts), members)].sort()
        const back = [...assignor.assign(topics(counts), [...members].reverse())].sort()
        expect(back).toEqual(there)
      })
    )
  })
})

describe.each([stickyAssignor, cooperativeStickyAssignor])('$name', assignor => {
  it('is balanced as far as subscriptions allow, over any changes', () => {
    fc.assert(
      fc.property(anyTopics, anySubscriptions, anyTopics, anySubscriptions, (counts, before, laterCounts, after) => {
        const first = membersOf(before)
        const start = settle(assignor, counts, first, 1)
        expectEveryPartitionOnce(counts, first, start)
        if (before.every(subscribed => subscribed.length === 1)) expectBalance(first, start)
        const kept = new Map(afterwards(assignor, first, start, 10).map(it => [it.memberId, it]))
        const second = membersOf(after).map(it => ({ ...kept.get(it.memberId), ...it }))
        const end = settle(assignor, laterCounts, second, 10)
        expectEveryPartitionOnce(laterCounts, second, end)
      })
    )
  })

  it('never differs by more than one between members of equal subscriptions', () => {
    fc.assert(
      fc.property(anyTopics, fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), (counts, before, after) => {
        const group = (count: number) => membersOf(Array.from({ length: count }, () => topicNames))
        const kept = new Map(
          afterwards(assignor, group(before), settle(assignor, counts, group(before), 1), 9).map(it => [it.memberId, it])
        )
        const end = settle(
          assignor,
          counts,
          group(after).map(it => ({ ...kept.get(it.memberId), ...it })),
          9
        )
        const sizes = [...end.values()].map(held => held.length)
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      })
    )
  })

  it('changes nothing when nothing has changed', () => {
    fc.assert(
      fc.property(anyTopics, anySubscriptions, (counts, subscriptions) => {
        const members = membersOf(subscriptions)
        const first = settle(assignor, counts, members, 1)
        const again = assignor.assign(topics(counts), afterwards(assignor, members, first, 9))
        const held = (assignment: Assignment) => [...assignment].map(([id, list]) => [id, list.map(nameOf).sort()])
        expect(held(again)).toEqual(held(first))
      })
    )
  })

  it('moves no more than it must when an equal member leaves or joins', () => {
    fc.assert(
      fc.property(anyTopics, fc.integer({ min: 2, max: 8 }), fc.boolean(), (counts, count, leaves) => {
        const members = membersOf(Array.from({ length: count }, () => topicNames))
        const before = settle(assignor, counts, members, 1)
        const kept = afterwards(assignor, members, before, 9)
        const changed = leaves ? kept.slice(1) : [...kept, member('new', topicNames)]
        const after = settle(assignor, counts, changed, 9)
        const total = Object.values(counts).reduce((sum, n) => sum + n, 0)
        for (const { memberId } of leaves ? changed : kept) {
          const stillHeld = new Set(after.get(memberId)!.map(nameOf))
          const lost = before.get(memberId)!.filter(it => !stillHeld.has(nameOf(it))).length
          expect(lost).toBeLessThanOrEqual(Math.max(0, before.get(memberId)!.length - Math.floor(total / changed.length)))
          if (leaves) expect(lost).toBe(0)
        }
      })
    )
  })
})

describe('cooperative-sticky', () => {
  it('never moves a partition directly between live owners, and settles', () => {
    fc.assert(
      fc.property(anyTopics, anySubscriptions, anySubscriptions, (counts, before, after) => {
        const first = membersOf(before)
        const kept = new Map(
          afterwards(cooperativeStickyAssignor, first, settle(cooperativeStickyAssignor, counts, first, 1), 9).map(it => [it.memberId, it])
        )
        let members: AssignorMember[] = membersOf(after).map(it => ({ ...kept.get(it.memberId), ...it }))
        let assignment = cooperativeStickyAssignor.assign(topics(counts), members)
        for (let round = 0; round < 4; round++) {
          const owners = new Map(members.flatMap(it => (it.ownedPartitions ?? []).map(held => [nameOf(held), it.memberId])))
          for (const [memberId, held] of assignment) {
            for (const it of held) expect(owners.get(nameOf(it)) ?? memberId).toBe(memberId)
          }
          members = afterwards(cooperativeStickyAssignor, members, assignment, 10 + round)
          assignment = cooperativeStickyAssignor.assign(topics(counts), members)
        }
        expectEveryPartitionOnce(counts, members, assignment)
      })
    )
  })
})
