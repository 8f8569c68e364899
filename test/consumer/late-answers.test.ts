import { describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import type { Consumer } from '../../src/consumer/consumer.js'
import type { TopicSelector } from '../../src/consumer/source/subscription.js'
import { errorNumber } from '../../src/errors.js'
import { FindCoordinator } from '../../src/protocol/messages/find-coordinator.js'
import { Heartbeat } from '../../src/protocol/messages/heartbeat.js'
import { JoinGroup } from '../../src/protocol/messages/join-group.js'
import { LeaveGroup } from '../../src/protocol/messages/leave-group.js'
import { ListOffsets } from '../../src/protocol/messages/list-offsets.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'
import { OffsetFetch } from '../../src/protocol/messages/offset-fetch.js'
import { SyncGroup } from '../../src/protocol/messages/sync-group.js'
import { LateBroker } from '../late-broker.js'
import { next, numbered, openCluster, send, settle, take, takeValues, textConsumer, until } from './helpers.js'

/**
 * Topics `a` and `b` of one partition with ten records each, and brokers whose answers come when a
 * test says so.
 */
async function scene() {
  const late = new LateBroker()
  const cluster = await openCluster({ intercept: late.intercept, configs: { 'num.partitions': 1, 'offsets.topic.num.partitions': 1 } })
  for (const topic of ['a', 'b']) await send(cluster, topic, numbered(topic, 10))
  return { late, cluster, [Symbol.asyncDispose]: () => cluster.close() }
}

const a = { topic: 'a', partition: 0 }

async function valueAt(consumer: Consumer<TopicSelector, string, string>): Promise<string> {
  return (await takeValues(consumer, 1))[0]
}

describe('an answer to ListOffsets that comes late', () => {
  it('does not undo a seek that came after it was asked for', async () => {
    await using at = await scene()
    const consumer = textConsumer(at.cluster, { topics: ['a'] })
    await consumer.start()
    const answers = at.late.hold(ListOffsets)
    const sought = consumer.seekToEnd()
    await answers.given()
    consumer.seek({ ...a, offset: 3 })
    answers.end()
    await sought
    expect(consumer.position(a)).toBe(3)
    expect(await valueAt(consumer)).toBe('a3')
  })

  it.each([
    ['in order', [0, 1]],
    ['out of order', [1, 0]]
  ])('leaves the last word to the seek that was asked for last, where answers come %s', async (_, order) => {
    await using at = await scene()
    const consumer = textConsumer(at.cluster, { topics: ['a'] })
    await consumer.start()
    const answers = at.late.hold(ListOffsets)
    const seeks = [consumer.seekToEnd(), consumer.seekToBeginning()]
    await answers.given(2)
    for (const number of order) {
      answers.come(number)
      await settle()
    }
    await Promise.all(seeks)
    expect(consumer.position(a)).toBe(0)
  })

  it('leaves the last word to an earlier seek where a later one failed', async () => {
    await using at = await scene()
    const consumer = textConsumer(at.cluster, { topics: ['a'] })
    await consumer.start()
    const answers = at.late.hold(ListOffsets)
    const seeks = [consumer.seekToEnd(), consumer.seekToBeginning()]
    await answers.given(2)
    answers.fail(1, new Error('out of order'))
    await expect(seeks[1]).rejects.toThrow('out of order')
    answers.come(0)
    await seeks[0]
    expect(consumer.position(a)).toBe(10)
  })

  it('counts although a loop was left meanwhile', async () => {
    await using at = await scene()
    const consumer = textConsumer(at.cluster, { topics: ['a'] })
    await consumer.start()
    const answers = at.late.hold(ListOffsets)
    const records = consumer.records()
    await records.next()
    const sought = consumer.seekToEnd()
    await answers.given()
    await records.return()
    answers.end()
    await sought
    expect(consumer.position(a)).toBe(10)
  })

  it('counts although the offset to start at was found meanwhile', async () => {
    await using at = await scene()
    const answers = at.late.hold(ListOffsets)
    let sought: Promise<void> | undefined
    const consumer = textConsumer(at.cluster, { topics: ['a'], onAssigned: () => void (sought = consumer.seekToEnd()) })
    const started = consumer.start()
    await answers.given(2)
    answers.come(1)
    await settle()
    answers.come(0)
    await Promise.all([started, sought])
    await settle()
    expect(consumer.position(a)).toBe(10)
  })

  it('does not move a partition that was given up and came back', async () => {
    await using at = await scene()
    const consumer = textConsumer(at.cluster, { topics: ['a'] })
    await consumer.start()
    const answers = at.late.hold(ListOffsets)
    const sought = consumer.seekToEnd()
    await answers.given()
    await consumer.unsubscribe()
    consumer.subscribe(['a'])
    const started = consumer.start()
    await answers.given(2)
    answers.come(1)
    await started
    answers.come(0)
    await sought
    expect(consumer.position(a)).toBe(0)
  })

  it('is asked for again where the topic was created anew meanwhile', async () => {
    await using at = await scene()
    const consumer = textConsumer(at.cluster)
    consumer.assign([a])
    await consumer.start()
    // A fetch from here on waits, and so is told when the topic goes.
    consumer.seek({ ...a, offset: 10 })
    const answers = at.late.hold(ListOffsets)
    const sought = consumer.seekToEnd()
    await answers.given()
    const { id } = at.cluster.topic('a')
    await at.cluster.admin().deleteTopics(['a'])
    await at.cluster.admin().createTopic('a')
    await send(at.cluster, 'a', numbered('new', 3))
    expect(at.cluster.topic('a').id).not.toBe(id)
    await until(() => consumer.position(a) === undefined)
    answers.end()
    await sought
    expect(consumer.position(a)).toBe(3)
  })

  it('brings no offset to a consumer that was closed', async () => {
    await using at = await scene()
    const consumer = textConsumer(at.cluster, { topics: ['a'] })
    await consumer.start()
    const answers = at.late.hold(ListOffsets)
    const calls = [consumer.seekToEnd(), consumer.endOffsets(), consumer.lag(), consumer.offsetsForTimestamp(0)]
    await answers.given(4)
    const ended = Promise.allSettled(calls)
    await consumer.close()
    expect((await ended).map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
    answers.end()
    await settle()
  })
})

describe('an answer to OffsetFetch that comes late', () => {
  it('does not undo a seek', async () => {
    await using at = await scene()
    const answers = at.late.hold(OffsetFetch)
    const consumer = textConsumer(at.cluster, { groupId: 'g', topics: ['a'] })
    const started = consumer.start()
    await answers.given()
    consumer.seek({ ...a, offset: 7 })
    answers.end()
    await started
    expect(await valueAt(consumer)).toBe('a7')
  })

  it('does not give a topic that was created anew the offset of the old one', async () => {
    await using at = await scene()
    const before = textConsumer(at.cluster, { groupId: 'g', topics: ['a'] })
    await take(before, 5)
    await before.close()
    const answers = at.late.hold(OffsetFetch)
    const consumer = textConsumer(at.cluster, { groupId: 'g', topics: ['a'] })
    const started = consumer.start()
    await answers.given()
    await at.cluster.admin().deleteTopics(['a'])
    await at.cluster.admin().createTopic('a')
    await send(at.cluster, 'a', numbered('new', 8))
    answers.end()
    await started
    expect(await valueAt(consumer)).toBe('new0')
  })

  it('counts for nothing after the partition has gone and come back', async () => {
    await using at = await scene()
    const answers = at.late.hold(OffsetFetch)
    const consumer = textConsumer(at.cluster, { groupId: 'g', topics: ['a'] })
    const started = consumer.start().catch(() => {})
    await answers.given()
    await consumer.unsubscribe()
    const other = at.cluster.admin()
    await other.resetGroupOffsets('g', { topics: ['a'], to: 'latest' } as never).catch(() => {})
    consumer.subscribe(['a'])
    const again = consumer.start()
    await answers.given(2)
    answers.come(1)
    await again
    const position = consumer.position(a)
    answers.come(0)
    await settle()
    expect(consumer.position(a)).toBe(position)
    await started
  })
})

describe('an answer to OffsetCommit that comes late', () => {
  it('does not count as the commit of a later call', async () => {
    await using at = await scene()
    const consumer = textConsumer(at.cluster, { groupId: 'g', topics: ['a'], autoCommit: false })
    await consumer.start()
    const answers = at.late.hold(OffsetCommit)
    const first = consumer.commit([{ ...a, offset: 2 }])
    await answers.given()
    const second = consumer.commit([{ ...a, offset: 5 }])
    answers.end()
    await Promise.all([first, second])
    expect(await consumer.committed([a])).toMatchObject([{ offset: 5 }])
  })

  it('does not hold up later commits once its caller has given it up', async () => {
    await using at = await scene()
    const consumer = textConsumer(at.cluster, { groupId: 'g', topics: ['a'], autoCommit: false })
    await consumer.start()
    const answers = at.late.hold(OffsetCommit, ({ topics }) => topics[0].partitions[0].committedOffset === 2)
    const giveUp = new AbortController()
    const first = consumer.commit([{ ...a, offset: 2 }], { signal: giveUp.signal })
    await answers.given()
    giveUp.abort(new Error('enough'))
    await expect(first).rejects.toThrow('enough')
    await consumer.commit([{ ...a, offset: 5 }])
    answers.end()
    await settle()
    expect(await consumer.committed([a])).toMatchObject([{ offset: 5 }])
  })

  it('is not counted for a partition that sought meanwhile: what is handled after that is committed', async () => {
    await using at = await scene()
    const consumer = textConsumer(at.cluster, { groupId: 'g', topics: ['a'] })
    await take(consumer, 6)
    const answers = at.late.hold(OffsetCommit)
    const commit = consumer.commit([{ ...a, offset: 6 }])
    await answers.given()
    consumer.seek({ ...a, offset: 1 })
    answers.end()
    await commit
    await take(consumer, 1)
    await consumer.close()
    expect(await at.cluster.admin().listGroupOffsets('g')).toMatchObject([{ offset: 2 }])
  })
})

describe('an answer to Metadata that comes late', () => {
  it.each(['alone', 'in a group'])('brings no records of a topic that is no longer subscribed, to a consumer %s', async kind => {
    await using at = await scene()
    const groupId = kind === 'alone' ? undefined : 'g'
    const consumer = textConsumer(at.cluster, { ...(groupId && { groupId }) })
    const answers = at.late.hold(Metadata, ({ topics }) => topics?.some(({ name }) => name === 'a') ?? false)
    consumer.subscribe(['a'])
    const started = consumer.start()
    await answers.given()
    const others = at.late.hold(Metadata, ({ topics }) => topics?.some(({ name }) => name === 'b') ?? false)
    consumer.subscribe(['b'])
    answers.end()
    await settle()
    const values: string[] = []
    const reading = (async () => {
      for await (const { value } of consumer) if (values.push(value) === 10) break
    })()
    await settle()
    others.end()
    await Promise.all([started, reading])
    expect(values).toEqual(numbered('b', 10))
  })
})

describe('a subscription to other topics', () => {
  it.each(['alone', 'in a group'])('hands out nothing more of those before, to a consumer %s', async kind => {
    await using at = await scene()
    const consumer = textConsumer(at.cluster, { ...(kind !== 'alone' && { groupId: 'g' }), topics: ['a'] })
    const values: string[] = []
    for await (const { value } of consumer) {
      values.push(value)
      if (values.length === 3) consumer.subscribe(['b'])
      if (values.length === 13) break
    }
    expect(values).toEqual([...numbered('a', 3), ...numbered('b', 10)])
  })

  it.each(['alone', 'in a group'])('that takes the old ones in again goes on where they were, for a consumer %s', async kind => {
    await using at = await scene()
    const consumer = textConsumer(at.cluster, { ...(kind !== 'alone' && { groupId: 'g' }), topics: ['a'] })
    const values: string[] = []
    for await (const { value } of consumer) {
      values.push(value)
      if (values.length === 3) consumer.subscribe(['b'])
      if (values.length === 3) consumer.subscribe(['a'])
      if (values.length === 10) break
    }
    expect(values).toEqual(numbered('a', 10))
  })
})

describe('an answer to a member of a group that comes late', () => {
  it.each([
    ['FindCoordinator', FindCoordinator],
    ['JoinGroup', JoinGroup],
    ['SyncGroup', SyncGroup],
    ['OffsetFetch', OffsetFetch]
  ] as const)('after it unsubscribed changes nothing of the membership that follows: %s', async (_, api) => {
    await using at = await scene()
    const answers = at.late.hold(api as typeof JoinGroup)
    const consumer = textConsumer(at.cluster, { groupId: 'g', topics: ['a'] })
    const started = consumer.start().catch(() => {})
    await answers.given()
    await consumer.unsubscribe()
    consumer.subscribe(['b'])
    const again = consumer.start()
    await answers.given(2)
    const values = takeValues(consumer, 10)
    answers.come(0)
    await settle()
    answers.end()
    await Promise.all([again, started])
    expect(await values).toEqual(numbered('b', 10))
    expect(consumer.assignment()).toEqual([{ topic: 'b', partition: 0 }])
  })

  it.each([
    ['FindCoordinator', FindCoordinator],
    ['JoinGroup', JoinGroup],
    ['SyncGroup', SyncGroup],
    ['OffsetFetch', OffsetFetch],
    ['Metadata', Metadata],
    ['ListOffsets', ListOffsets]
  ] as const)('does not hold up its end, and brings nothing: %s', async (_, api) => {
    await using at = await scene()
    const answers = at.late.hold(api as typeof JoinGroup)
    const consumer = textConsumer(at.cluster, { groupId: 'g', topics: ['a'] })
    const events: string[] = []
    for (const event of ['assigned', 'rebalanced', 'offsetReset', 'error'] as const) consumer.on(event, () => events.push(event))
    const reading = consumer.records().next()
    await answers.given()
    await consumer.close({ timeoutMs: 20_000 })
    events.length = 0
    expect(await reading).toEqual({ done: true, value: undefined })
    answers.end()
    await settle()
    expect([events, consumer.assignment()]).toEqual([[], []])
  })

  it('LeaveGroup, ends close all the same by its time', async () => {
    await using at = await scene()
    const consumer = textConsumer(at.cluster, { groupId: 'g', topics: ['a'] })
    await consumer.start()
    const answers = at.late.hold(LeaveGroup)
    await consumer.close({ timeoutMs: 200 })
    answers.end()
  })

  it.each(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'REBALANCE_IN_PROGRESS'] as const)(
    'says nothing about the generation that it has by then: a heartbeat that is told %s',
    async code => {
      await using at = await scene()
      const answers = at.late.hold(Heartbeat)
      const consumer = textConsumer(at.cluster, { groupId: 'g', topics: ['a'], heartbeatIntervalMs: 5 })
      await consumer.start()
      await answers.given()
      const other = textConsumer(at.cluster, { groupId: 'g', topics: ['a'] })
      const joined = next(consumer, 'rebalanced')
      const begun = other.start()
      consumer.subscribe(['a', 'b'])
      const { generationId } = (await joined) as { generationId: number }
      await begun
      const events: string[] = []
      for (const event of ['lost', 'revoked', 'rebalanced'] as const) consumer.on(event, () => events.push(event))
      answers.come(0, response => ({ ...response, errorCode: errorNumber(code) }))
      await settle()
      expect([events, generationId > 1]).toEqual([[], true])
      answers.end()
    }
  )
})

it('a cluster that is closed while all answers are late ends by its time', async () => {
  const late = new LateBroker()
  const cluster = await Cluster.open({ intercept: late.intercept })
  const consumer = cluster.consumer({ groupId: 'g', topics: ['a'] })
  const held = [FindCoordinator, Metadata].map(api => late.hold(api as typeof Metadata))
  const reading = consumer.records().next()
  await cluster.close({ timeoutMs: 300 })
  expect(await reading).toMatchObject({ done: true })
  for (const answers of held) answers.end()
})
