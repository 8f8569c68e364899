import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TopicPartition } from '../../../src/assignor/assignor.js'
import { cooperativeStickyAssignor } from '../../../src/assignor/cooperative-sticky.js'
import { rangeAssignor } from '../../../src/assignor/range.js'
import type { Cluster } from '../../../src/cluster.js'
import { KafkaError } from '../../../src/errors.js'
import { FindCoordinator } from '../../../src/protocol/messages/find-coordinator.js'
import { Heartbeat } from '../../../src/protocol/messages/heartbeat.js'
import { JoinGroup } from '../../../src/protocol/messages/join-group.js'
import { LeaveGroup } from '../../../src/protocol/messages/leave-group.js'
import { OffsetCommit } from '../../../src/protocol/messages/offset-commit.js'
import { SyncGroup } from '../../../src/protocol/messages/sync-group.js'
import { InterceptedBroker } from '../../../src/testing/intercepted-broker.js'
import { VirtualClock } from '../../../src/testing/virtual-clock.js'
import { keepReading, next, numbered, openCluster, send, settle, take, takeValues, textConsumer, until } from '../helpers.js'

let cluster: Cluster
beforeEach(async () => {
  cluster = await openCluster()
})
afterEach(() => cluster.close())

const numbersOf = (partitions: readonly TopicPartition[]) => partitions.map(({ partition }) => partition).sort()

describe.each([
  ['eager', [rangeAssignor]],
  ['cooperative', [cooperativeStickyAssignor]]
])('a group with %s rebalances', (_, assignors) => {
  const groupConsumer = (groupId = 'g') => textConsumer(cluster, { groupId, topics: ['orders'], assignors })

  it('shares the partitions among its consumers, and each record goes to one of them', async () => {
    await send(cluster, 'orders', ['0'], 0)
    const seen: string[] = []
    const consumers = [groupConsumer(), groupConsumer(), groupConsumer()]
    const loops = consumers.map(consumer => keepReading(consumer, ({ value }) => void seen.push(value)))
    await until(() => consumers.every(consumer => consumer.assignment().length === 1))
    expect(consumers.flatMap(consumer => numbersOf(consumer.assignment())).sort()).toEqual([0, 1, 2])
    await send(cluster, 'orders', numbered('v', 300))
    await until(() => seen.length >= 301)
    await settle()
    expect([...seen].sort()).toEqual(['0', ...numbered('v', 300)].sort())
    await Promise.all(consumers.map(consumer => consumer.close()))
    await Promise.all(loops)
  })

  it('gives every group everything', async () => {
    await send(cluster, 'orders', numbered('v', 30))
    for (const groupId of ['a', 'b']) {
      await using consumer = groupConsumer(groupId)
      expect((await takeValues(consumer, 30)).sort()).toEqual(numbered('v', 30).sort())
    }
  })

  it('goes on where it stopped', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    const first = groupConsumer()
    expect(await takeValues(first, 6)).toEqual(numbered('v', 6))
    await first.close()
    await using second = groupConsumer()
    expect(await takeValues(second, 4)).toEqual(numbered('v', 4, 6))
  })

  it('hands the partitions of a consumer that closes to the others', async () => {
    const leaving = groupConsumer()
    await using staying = groupConsumer()
    await Promise.all([leaving.start(), staying.start()])
    await until(() => leaving.assignment().length > 0 && staying.assignment().length > 0)
    const loop = takeValues(staying, 3)
    await leaving.close()
    await until(() => staying.assignment().length === 3)
    await send(cluster, 'orders', ['a'], 0)
    await send(cluster, 'orders', ['b'], 1)
    await send(cluster, 'orders', ['c'], 2)
    expect((await loop).sort()).toEqual(['a', 'b', 'c'])
  })

  it('waits with a rebalance until what is in hand has been handled and committed', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    const slow = groupConsumer()
    const handled: string[] = []
    let finish = () => {}
    const loop = keepReading(slow, async ({ value }) => {
      if (value === 'v3') await new Promise<void>(resolve => (finish = resolve))
      handled.push(value)
    })
    await until(() => handled.length === 3)
    await settle()
    const others = [groupConsumer(), groupConsumer(), groupConsumer()]
    const values: string[] = []
    const loops = others.map(consumer => keepReading(consumer, ({ value }) => void values.push(value)))
    await settle()
    await new Promise(resolve => setTimeout(resolve, 20))
    expect(values).toEqual([])
    finish()
    await until(() => values.length + handled.length >= 10)
    await settle()
    expect([...handled, ...values]).toEqual(numbered('v', 10))
    await Promise.all([slow, ...others].map(consumer => consumer.close()))
    await Promise.all([loop, ...loops])
  })

  it('tells what comes and goes, in that order, and awaits the listeners', async () => {
    const events: string[] = []
    const listening = (name: string) =>
      textConsumer(cluster, {
        groupId: 'g',
        topics: ['orders'],
        assignors,
        onAssigned: async partitions => {
          await settle()
          events.push(`${name}+${numbersOf(partitions).join('')}`)
        },
        onRevoked: async partitions => {
          await settle()
          events.push(`${name}-${numbersOf(partitions).join('')}`)
        }
      })
    const first = listening('a')
    await first.start()
    expect(events).toEqual(['a+012'])
    const second = listening('b')
    await second.start()
    await until(() => second.assignment().length > 0)
    await settle()
    const lost = events[1]
    expect(lost).toMatch(/^a-/)
    expect(events.findIndex(event => event.startsWith('b+'))).toBeGreaterThan(1)
    await first.close()
    await second.close()
    expect(events.at(-1)).toMatch(/^b-/)
  })
})

describe('a member', () => {
  it('keeps what stays with it during a cooperative rebalance', async () => {
    const revoked: number[][] = []
    const options = { groupId: 'g', topics: ['orders'], assignors: [cooperativeStickyAssignor] }
    await using first = textConsumer(cluster, { ...options, onRevoked: partitions => void revoked.push(numbersOf(partitions)) })
    await first.start()
    await using second = textConsumer(cluster, options)
    await second.start()
    await until(() => first.assignment().length + second.assignment().length === 3 && second.assignment().length === 1)
    expect(revoked).toHaveLength(1)
    expect(revoked[0]).toHaveLength(1)
  })

  it('joins again when its subscription changes, or a pattern takes in a new topic', async () => {
    await send(cluster, 'orders.eu', ['eu'], 0)
    await using consumer = textConsumer(cluster, { groupId: 'g', topics: [/^orders/] })
    expect(await takeValues(consumer, 1)).toEqual(['eu'])
    const waiting = takeValues(consumer, 1)
    await settle()
    await send(cluster, 'orders.us', ['us'], 0)
    expect(await waiting).toEqual(['us'])
    consumer.subscribe('bills')
    await send(cluster, 'bills', ['bill'], 0)
    expect(await takeValues(consumer, 1)).toEqual(['bill'])
    expect(consumer.assignment().every(({ topic }) => topic === 'bills')).toBe(true)
  })

  it('that leads has the group share out partitions that are added', async () => {
    await using consumer = textConsumer(cluster, { groupId: 'g', topics: ['orders'] })
    await consumer.start()
    await using admin = cluster.admin()
    await admin.createPartitions('orders', 7)
    await until(() => consumer.assignment().length === 7)
  })

  it('with a lasting name restarts without a rebalance', async () => {
    const options = { groupId: 'g', topics: ['orders'], groupInstanceId: 'one' }
    const first = textConsumer(cluster, options)
    const { generationId } = await started(first)
    await first.close()
    await using again = textConsumer(cluster, options)
    expect((await started(again)).generationId).toBe(generationId)
    expect(again.assignment()).toHaveLength(3)
  })

  it('whose lasting name another takes over is told so, and ends', async () => {
    const options = { groupId: 'g', topics: ['orders'], groupInstanceId: 'one', heartbeatIntervalMs: 5 }
    await using first = textConsumer(cluster, options)
    const loop = takeValues(first, 1)
    await until(() => first.assignment().length === 3)
    const isEnded = expect(loop).rejects.toMatchObject({ code: 'FENCED_INSTANCE_ID' })
    await using second = textConsumer(cluster, options)
    await second.start()
    await isEnded
    await expect(takeValues(first, 1)).rejects.toMatchObject({ code: 'FENCED_INSTANCE_ID' })
  })

  it('cannot share a group with one that has no assignor in common, and says so', async () => {
    await using first = textConsumer(cluster, { groupId: 'g', topics: ['orders'], assignors: [rangeAssignor] })
    await first.start()
    await using second = textConsumer(cluster, { groupId: 'g', topics: ['orders'], assignors: [cooperativeStickyAssignor] })
    await expect(takeValues(second, 1)).rejects.toMatchObject({ code: 'INCONSISTENT_GROUP_PROTOCOL' })
  })
})

async function started(consumer: ReturnType<typeof textConsumer>) {
  const rebalanced = next(consumer, 'rebalanced')
  await consumer.start()
  return rebalanced
}

describe('time', () => {
  it('takes partitions from a member that keeps a record for longer than maxPollIntervalMs; it joins again when it asks for more', async () => {
    const clock = new VirtualClock()
    await using timed = await openCluster({ clock })
    await send(timed, 'orders', numbered('v', 3), 0)
    const options = { groupId: 'g', topics: ['orders'], maxPollIntervalMs: 60_000 }
    await using consumer = textConsumer(timed, options)
    const errors: unknown[] = []
    consumer.on('error', error => errors.push(error))
    const lost = next(consumer, 'lost')
    const loop = consumer.records()
    expect((await loop.next()).value?.value).toBe('v0')
    await clock.advance(70_000)
    expect(numbersOf((await lost).partitions)).toEqual([0, 1, 2])
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatchObject({ code: 'UNKNOWN_MEMBER_ID', message: expect.stringContaining('maxPollIntervalMs') })
    expect(consumer.assignment()).toEqual([])
    // The record was given up with its partition, so it comes again.
    expect((await loop.next()).value?.value).toBe('v0')
    expect((await loop.next()).value?.value).toBe('v1')
  })

  it('is kept by heartbeats while a handler is at work', async () => {
    const clock = new VirtualClock()
    await using timed = await openCluster({ clock })
    await send(timed, 'orders', numbered('v', 2), 0)
    await using consumer = textConsumer(timed, { groupId: 'g', topics: ['orders'], sessionTimeoutMs: 10_000 })
    const loop = consumer.records()
    await loop.next()
    await clock.advance(120_000)
    expect(consumer.assignment()).toHaveLength(3)
    expect((await loop.next()).value?.value).toBe('v1')
  })

  it('makes the group go on without a member that is cut off; it comes back as a new one', async () => {
    const clock = new VirtualClock()
    let broker!: InterceptedBroker
    await using timed = await openCluster({ clock, intercept: brokers => (broker = new InterceptedBroker(brokers, clock)) })
    await using consumer = textConsumer(timed, { groupId: 'g', topics: ['orders'] })
    await consumer.start()
    const before = consumer.memberId
    const lost = next(consumer, 'lost')
    const cut = broker.on(Heartbeat).fail('NETWORK_EXCEPTION')
    await clock.advance(50_000)
    cut.remove()
    await clock.advance(5000)
    expect(numbersOf((await lost).partitions)).toEqual([0, 1, 2])
    expect(consumer.assignment()).toHaveLength(3)
    expect(consumer.memberId).not.toBe(before)
  })

  it('commits every autoCommitIntervalMs what has been handled, and nothing else', async () => {
    const clock = new VirtualClock()
    await using timed = await openCluster({ clock })
    await send(timed, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(timed, { groupId: 'g', topics: ['orders'], autoCommitIntervalMs: 1000 })
    const loop = consumer.records()
    for (let i = 0; i < 4; i++) await loop.next()
    await clock.advance(1000)
    expect(await consumer.committed([{ topic: 'orders', partition: 0 }])).toMatchObject([{ offset: 3 }])
    await loop.next()
    await clock.advance(1000)
    expect(await consumer.committed([{ topic: 'orders', partition: 0 }])).toMatchObject([{ offset: 4 }])
  })
})

describe('trouble with the coordinator', () => {
  let broker: InterceptedBroker
  let shaky: Cluster
  beforeEach(async () => {
    shaky = await openCluster({
      intercept: brokers => {
        broker = new InterceptedBroker(brokers)
        return broker
      }
    })
    await send(shaky, 'orders', numbered('v', 10), 0)
  })
  afterEach(() => shaky.close())

  const shakyConsumer = () => textConsumer(shaky, { groupId: 'g', topics: ['orders'], heartbeatIntervalMs: 5, retryBackoffMs: 1 })

  it.each([
    ['FindCoordinator', 'COORDINATOR_NOT_AVAILABLE', FindCoordinator],
    ['JoinGroup', 'NOT_COORDINATOR', JoinGroup],
    ['JoinGroup', 'COORDINATOR_LOAD_IN_PROGRESS', JoinGroup],
    ['JoinGroup', 'UNKNOWN_MEMBER_ID', JoinGroup],
    ['SyncGroup', 'REBALANCE_IN_PROGRESS', SyncGroup],
    ['SyncGroup', 'ILLEGAL_GENERATION', SyncGroup],
    ['SyncGroup', 'NOT_COORDINATOR', SyncGroup],
    ['OffsetCommit', 'COORDINATOR_LOAD_IN_PROGRESS', OffsetCommit],
    ['OffsetCommit', 'NOT_COORDINATOR', OffsetCommit]
  ] as const)('passes: %s answered with %s', async (_name, code, api) => {
    await using consumer = shakyConsumer()
    broker
      .on(api as typeof Heartbeat)
      .times(2)
      .answer(code)
    expect(await takeValues(consumer, 10)).toEqual(numbered('v', 10))
  })

  it.each(['ILLEGAL_GENERATION', 'REBALANCE_IN_PROGRESS', 'NOT_COORDINATOR'] as const)('passes: Heartbeat answered with %s', async code => {
    await using consumer = shakyConsumer()
    const heartbeat = broker.on(Heartbeat).times(1).answer(code)
    const values: string[] = []
    const loop = keepReading(consumer, ({ value }) => void values.push(value))
    await until(() => heartbeat.count === 1)
    await settle()
    await send(shaky, 'orders', ['last'], 0)
    await until(() => values.includes('last'))
    await consumer.close()
    await loop
    expect(new Set(values)).toEqual(new Set([...numbered('v', 10), 'last']))
  })

  it('passes: the connection breaks during a join', async () => {
    await using consumer = shakyConsumer()
    broker.on(JoinGroup).times(2).fail('NETWORK_EXCEPTION')
    expect(await takeValues(consumer, 10)).toEqual(numbered('v', 10))
  })

  it.each(['GROUP_AUTHORIZATION_FAILED', 'INVALID_SESSION_TIMEOUT', 'GROUP_MAX_SIZE_REACHED'] as const)(
    'ends the loop when it does not pass: %s',
    async code => {
      await using consumer = shakyConsumer()
      broker.on(JoinGroup).answer(code)
      const error = next(consumer, 'error')
      await expect(takeValues(consumer, 1)).rejects.toMatchObject({ code })
      expect(await error).toBeInstanceOf(KafkaError)
      await expect(takeValues(consumer, 1)).rejects.toMatchObject({ code })
    }
  )

  it('tells of commits that fail for good, and rejects those asked for', async () => {
    await using consumer = shakyConsumer()
    broker.on(OffsetCommit).answer('TOPIC_AUTHORIZATION_FAILED')
    const error = next(consumer, 'error')
    await expect(take(consumer, 3)).rejects.toMatchObject({ code: 'TOPIC_AUTHORIZATION_FAILED', topic: 'orders' })
    expect(await error).toMatchObject({ code: 'TOPIC_AUTHORIZATION_FAILED' })
  })

  it('does not keep close from ending', async () => {
    const consumer = shakyConsumer()
    await consumer.start()
    broker.on(LeaveGroup).fail('NETWORK_EXCEPTION')
    await consumer.close()
  })
})
