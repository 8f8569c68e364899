import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cooperativeStickyAssignor } from '../../../src/assignor/cooperative-sticky.js'
import { rangeAssignor } from '../../../src/assignor/range.js'
import type { Cluster } from '../../../src/cluster.js'
import { JoinGroup } from '../../../src/protocol/messages/join-group.js'
import { OffsetCommit } from '../../../src/protocol/messages/offset-commit.js'
import { InterceptedBroker } from '../../../src/testing/intercepted-broker.js'
import { VirtualClock } from '../../../src/testing/virtual-clock.js'
import { keepReading, next, numbered, openCluster, send, settle, textConsumer, until } from '../helpers.js'

const first = { topic: 'orders', partition: 0 }
const groupOptions = { groupId: 'g', topics: ['orders'] }

let cluster: Cluster
let clock: VirtualClock
/** By client id. */
const brokers = new Map<string, InterceptedBroker>()
beforeEach(async () => {
  clock = new VirtualClock()
  cluster = await openCluster({
    clock,
    intercept: (inner, clientId) => {
      const broker = new InterceptedBroker(inner, clock)
      brokers.set(clientId, broker)
      return broker
    }
  })
})
afterEach(async () => {
  const closed = cluster.close()
  while (await Promise.race([closed.then(() => false), settle().then(() => true)])) await clock.advance(1000)
})

const brokerOf = (clientId: string) => brokers.get(clientId) as InterceptedBroker
const offsetsOf = (committed: readonly { offset: number }[]) => committed.map(({ offset }) => offset)

/** Lets the clock run until it is settled. */
async function inTime<T>(promise: Promise<T>): Promise<T> {
  let isSettled = false
  const settled = promise.finally(() => {
    isSettled = true
  })
  settled.catch(() => {})
  while (!isSettled) {
    await settle()
    if (!isSettled) await clock.advance(100)
  }
  return settled
}

describe('an offset that is committed by hand', () => {
  it('beyond what was handed out is not taken back by automatic commits, nor does it move the position', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(cluster, groupOptions)
    const seen: number[] = []
    const loop = keepReading(consumer, async ({ offset }) => {
      seen.push(offset)
      if (offset === 3) await consumer.commit([{ ...first, offset: 8 }])
    })
    await until(() => seen.length === 10)
    expect(seen).toEqual(Array.from({ length: 10 }, (_, offset) => offset))
    await consumer.close()
    await loop
    await using again = textConsumer(cluster, { groupId: 'g' })
    expect(offsetsOf(await again.committed([first]))).toEqual([10])
  })

  it('stays until more has been handled than it says', async () => {
    await send(cluster, 'orders', numbered('v', 5), 0)
    await using consumer = textConsumer(cluster, groupOptions)
    const loop = keepReading(consumer, () => {})
    await consumer.start()
    await until(() => consumer.position(first) === 5)
    await consumer.commit([{ ...first, offset: 100 }])
    await clock.advance(20_000)
    expect(offsetsOf(await consumer.committed([first]))).toEqual([100])
    consumer.seek({ ...first, offset: 4 })
    await clock.advance(20_000)
    expect(offsetsOf(await consumer.committed([first]))).toEqual([5])
    await consumer.close()
    await loop
  })

  it('before what was handled stays until more has been handled, and reading goes on where it is', async () => {
    await send(cluster, 'orders', numbered('v', 5), 0)
    await using consumer = textConsumer(cluster, groupOptions)
    const seen: number[] = []
    const loop = keepReading(consumer, ({ offset }) => void seen.push(offset))
    await consumer.start()
    await until(() => seen.length === 5)
    await settle()
    await consumer.commit([{ ...first, offset: 2 }])
    await clock.advance(20_000)
    expect(offsetsOf(await consumer.committed([first]))).toEqual([2])
    await send(cluster, 'orders', ['more'], 0)
    await clock.advance(20_000)
    expect(offsetsOf(await consumer.committed([first]))).toEqual([6])
    expect(seen).toEqual([0, 1, 2, 3, 4, 5])
    await consumer.close()
    await loop
  })

  it('may belong to a partition that is not assigned, but not to one that does not exist', async () => {
    await send(cluster, 'orders', numbered('v', 5), 0)
    await send(cluster, 'bills', numbered('v', 5), 0)
    await using consumer = textConsumer(cluster, groupOptions)
    await consumer.start()
    const elsewhere = { topic: 'bills', partition: 1, offset: 3 }
    await consumer.commit([elsewhere])
    expect(await consumer.committed([elsewhere])).toMatchObject([elsewhere])
    const nowhere = { topic: 'nowhere', partition: 0, offset: 1 }
    // The clock stands still, so that no further try is made.
    await expect(consumer.commit([nowhere, { ...first, offset: 4 }])).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
      topic: 'nowhere'
    })
    expect(offsetsOf(await consumer.committed([first]))).toEqual([4])
    await expect(consumer.commit([{ topic: 'orders', partition: 99, offset: 1 }])).rejects.toMatchObject({ partition: 99 })
  })
})

describe('a commit of a topic that is gone', () => {
  it('is given up, and holds no rebalance up', async () => {
    await send(cluster, 'orders', numbered('v', 5), 0)
    await send(cluster, 'bills', numbered('v', 5), 0)
    const options = { groupId: 'g', topics: ['orders', 'bills'], allowAutoTopicCreation: false }
    await using consumer = textConsumer(cluster, options)
    let seen = 0
    const loop = keepReading(consumer, () => void seen++)
    await until(() => seen === 10)
    await settle()
    const error = next(consumer, 'error')
    await cluster.admin().deleteTopics(['bills'])
    await settle()
    await until(() => consumer.assignment().every(({ topic }) => topic === 'orders'))
    expect(await error).toMatchObject({ topic: 'bills' })
    await using other = textConsumer(cluster, options)
    await other.start()
    expect(offsetsOf(await other.committed([first]))).toEqual([5])
    await consumer.close()
    await loop
  })
})

describe('a commit that is tried again', () => {
  it('takes the generation of its call, so that it counts for nothing when the partition has gone to another member', async () => {
    await send(cluster, 'orders', numbered('v', 5), 0)
    await using consumer = textConsumer(cluster, { ...groupOptions, clientId: 'a', autoCommit: false, assignors: [rangeAssignor] })
    const it = consumer.records()
    await it.next()
    const { offset } = (await it.next()).value as { offset: number }
    brokerOf('a').on(OffsetCommit).once().answer('COORDINATOR_LOAD_IN_PROGRESS')
    const committed = consumer.commit([{ ...first, offset }])
    committed.catch(() => {})
    await settle()
    // The backoff lasts as long as the clock stands still. In the meantime the group forms anew.
    await it.return?.()
    await using other = textConsumer(cluster, { ...groupOptions, autoCommit: false, assignors: [rangeAssignor] })
    await other.start()
    await until(() => consumer.assignment().length + other.assignment().length === 3)
    await expect(inTime(committed)).rejects.toMatchObject({ code: 'ILLEGAL_GENERATION' })
    const generations = brokerOf('a')
      .seen(OffsetCommit)
      .map(({ request }) => request.generationIdOrMemberEpoch)
    expect(new Set(generations).size).toBe(1)
    expect(await other.committed([first])).toEqual([])
  })

  it('does not take back what a later call has committed', async () => {
    await send(cluster, 'orders', numbered('v', 5), 0)
    await using consumer = textConsumer(cluster, { ...groupOptions, clientId: 'a', autoCommit: false })
    await consumer.start()
    brokerOf('a').on(OffsetCommit).once().answer('COORDINATOR_LOAD_IN_PROGRESS')
    const earlier = consumer.commit([{ ...first, offset: 1 }])
    await settle()
    await consumer.commit([{ ...first, offset: 3 }])
    await inTime(earlier)
    expect(offsetsOf(await consumer.committed([first]))).toEqual([3])
  })
})

describe('a commit that crosses a rebalance', () => {
  it('is no expulsion: what the member has kept is committed in the new generation', async () => {
    await send(cluster, 'orders', numbered('v', 30))
    const options = { ...groupOptions, autoCommit: false, assignors: [cooperativeStickyAssignor] }
    await using consumer = textConsumer(cluster, { ...options, clientId: 'a' })
    const loop = keepReading(consumer, () => {})
    await consumer.start()
    await settle()
    const lost: unknown[] = []
    consumer.on('lost', event => lost.push(event))
    // The group is in its next generation, but this member has not heard of it.
    const hold = brokerOf('a').on(JoinGroup).holdResponse()
    await using other = textConsumer(cluster, options)
    const joined = other.start()
    await hold.held()
    await settle()
    const committed = consumer.commit()
    committed.catch(() => {})
    await settle()
    hold.release()
    await inTime(joined)
    await committed.catch(error => expect(error).toMatchObject({ code: 'ILLEGAL_GENERATION' }))
    expect(lost).toEqual([])
    const generations = brokerOf('a')
      .seen(OffsetCommit)
      .map(({ request }) => request.generationIdOrMemberEpoch as number)
    expect(generations[1]).toBeGreaterThan(generations[0])
    for (const { topic, partition } of consumer.assignment()) {
      expect(offsetsOf(await consumer.committed([{ topic, partition }]))).toEqual([consumer.position({ topic, partition })])
    }
    await consumer.close()
    await loop
  })
})
