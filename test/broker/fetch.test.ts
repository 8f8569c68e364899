import { describe, expect, it } from 'vitest'
import { nodeOf } from '../../src/broker/local-broker.js'
import { appendToPartition } from '../../src/broker/partition.js'
import { DeleteTopics } from '../../src/protocol/messages/delete-topics.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { batch, createTopic, fetch, fetchRequest, isSettled, openNode, produce, valuesIn, withError } from './helpers.js'

describe('Fetch', () => {
  it('returns whole batches from the one that holds the offset on', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    await produce(client, 'orders', 0, batch('a', 'b', 'c'))
    await produce(client, 'orders', 0, batch('d'))
    const [found] = await fetch(client, 'orders', [0], { offset: 1 })
    expect(found).toMatchObject({ error: 'NONE', highWatermark: 4, lastStableOffset: 4, logStartOffset: 0, abortedTransactions: null })
    expect(found.values).toEqual(['a', 'b', 'c', 'd'])
    expect(await fetch(client, 'orders', [0], { offset: 3 })).toMatchObject([{ values: ['d'] }])
    expect(await fetch(client, 'orders', [0], { offset: 4 })).toMatchObject([{ error: 'NONE', values: [] }])
  })

  it('says when an offset is out of range, and where the log starts', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    await produce(client, 'orders', 0, batch('a'))
    expect(await fetch(client, 'orders', [0], { offset: 2, maxWaitMs: 1000 })).toMatchObject([
      { error: 'OFFSET_OUT_OF_RANGE', logStartOffset: 0 }
    ])
    expect(await fetch(client, 'orders', [0], { offset: -1 })).toMatchObject([{ error: 'OFFSET_OUT_OF_RANGE', highWatermark: -1 }])
  })

  it('does not know topics, partitions and ids that do not exist', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    expect(await fetch(client, 'nothing', [0], { maxWaitMs: 1000 })).toMatchObject([{ error: 'UNKNOWN_TOPIC_OR_PARTITION' }])
    expect(await fetch(client, 'orders', [0, 1], { maxWaitMs: 1000 })).toMatchObject([
      { error: 'NONE' },
      { error: 'UNKNOWN_TOPIC_OR_PARTITION' }
    ])
    const request = fetchRequest('', [0])
    const { responses } = await client.request(Fetch, { ...request, topics: [{ ...request.topics[0], topicId: 'AQIDBAUGBwgJCgsMDQ4PEA' }] })
    expect(withError(responses[0].partitions[0])).toMatchObject({ error: 'UNKNOWN_TOPIC_ID' })
  })

  it('finds a topic by its id', async () => {
    const { client } = await openNode()
    const topicId = await createTopic(client, 'orders')
    await produce(client, 'orders', 0, batch('a'))
    const request = fetchRequest('', [0])
    const { responses } = await client.request(Fetch, { ...request, topics: [{ ...request.topics[0], topicId }] })
    expect(responses[0]).toMatchObject({ topic: 'orders', topicId })
    expect(valuesIn(responses[0].partitions[0].records)).toEqual(['a'])
  })

  it('tells clients with another idea of the leader epoch so, with the one that counts', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    expect(await fetch(client, 'orders', [0], { currentLeaderEpoch: 0 })).toMatchObject([{ error: 'NONE' }])
    const [newer] = await fetch(client, 'orders', [0], { currentLeaderEpoch: 1, maxWaitMs: 1000 })
    expect(newer).toMatchObject({ error: 'UNKNOWN_LEADER_EPOCH', currentLeader: { leaderId: 0, leaderEpoch: 0 } })
  })

  it('returns at least one batch, however small the limits', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders', 3)
    for (const partition of [1, 2]) for (const value of ['a', 'b']) await produce(client, 'orders', partition, batch(value))
    const found = await fetch(client, 'orders', [0, 1, 2], { maxBytes: 1, partitionMaxBytes: 1 })
    expect(found.map(({ values }) => values)).toEqual([[], ['a'], []])
  })

  it('stays within the limit of each partition and of the whole', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders', 3)
    const size = batch('a').length
    for (const partition of [0, 1, 2]) for (const value of ['a', 'b', 'c']) await produce(client, 'orders', partition, batch(value))
    const perPartition = await fetch(client, 'orders', [0, 1, 2], { partitionMaxBytes: 2 * size })
    expect(perPartition.map(({ values }) => values.length)).toEqual([2, 2, 2])
    const inAll = await fetch(client, 'orders', [0, 1, 2], { maxBytes: 4 * size })
    expect(inAll.map(({ values }) => values.length)).toEqual([3, 1, 0])
  })

  it('gives clients that read only what is committed an empty list of aborted transactions', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    await produce(client, 'orders', 0, batch('a'))
    expect(await fetch(client, 'orders', [0], { isolationLevel: 1 })).toMatchObject([{ values: ['a'], abortedTransactions: [] }])
  })

  it('waits for data and is woken by the append', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders', 2)
    const waiting = fetch(client, 'orders', [0, 1], { maxWaitMs: 10_000 })
    expect(await isSettled(waiting)).toBe(false)
    await produce(client, 'orders', 1, batch('a'))
    expect((await waiting).map(({ values }) => values)).toEqual([[], ['a']])
  })

  it('returns all that one request added to several partitions', async () => {
    const { client, node } = await openNode()
    await createTopic(client, 'orders', 3)
    const waiting = fetch(client, 'orders', [0, 1, 2], { maxWaitMs: 10_000 })
    for (const partition of node.topics.get('orders')!.partitions) void appendToPartition(partition, batch(`p${partition.partition}`))
    expect((await waiting).map(({ values }) => values)).toEqual([['p0'], ['p1'], ['p2']])
  })

  it('waits until there are minBytes', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    const size = batch('a').length
    await produce(client, 'orders', 0, batch('a'))
    const waiting = fetch(client, 'orders', [0], { maxWaitMs: 10_000, minBytes: 3 * size })
    await produce(client, 'orders', 0, batch('b'))
    expect(await isSettled(waiting)).toBe(false)
    await produce(client, 'orders', 0, batch('c'))
    expect(await waiting).toMatchObject([{ values: ['a', 'b', 'c'] }])
  })

  it('returns what there is when the time is over', async () => {
    const { client, clock } = await openNode()
    await createTopic(client, 'orders')
    await produce(client, 'orders', 0, batch('a'))
    const short = fetch(client, 'orders', [0], { maxWaitMs: 100, minBytes: 10_000 })
    const long = fetch(client, 'orders', [0], { maxWaitMs: 500, offset: 1 })
    await clock.advance(100)
    expect(await short).toMatchObject([{ error: 'NONE', values: ['a'] }])
    expect(await isSettled(long)).toBe(false)
    await clock.advance(400)
    expect(await long).toMatchObject([{ error: 'NONE', values: [] }])
  })

  it('waits until nobody is busy, and then returns all that has come', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    const found = fetch(client, 'orders', [0], { maxWaitMs: 1000 })
    for (const value of ['a', 'b', 'c']) await produce(client, 'orders', 0, batch(value))
    expect(await found).toMatchObject([{ values: ['a', 'b', 'c'] }])
  })

  it('returns what has come although somebody produces without end', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    let isFound = false
    const found = fetch(client, 'orders', [0], { maxWaitMs: 1000 }).then(() => {
      isFound = true
    })
    let sent = 0
    for (; !isFound && sent < 20_000; sent++) await produce(client, 'orders', 0, batch('x'.repeat(1000)))
    expect(sent).toBeGreaterThan(10)
    expect(sent).toBeLessThan(20_000)
    await found
  })

  it('sets one timer for all that wait, and none when nobody waits', async () => {
    const { client, clock, node } = await openNode()
    await createTopic(client, 'orders')
    const before = clock.timerCount
    const waiting = [300, 200, 400].map(maxWaitMs => fetch(client, 'orders', [0], { maxWaitMs }))
    expect(await isSettled(Promise.all(waiting))).toBe(false)
    expect(clock.timerCount).toBe(before + 1)
    await clock.advance(400)
    await Promise.all(waiting)
    expect(clock.timerCount).toBe(before)
    expect(nodeOf(node).delayedFetches.size).toBe(0)
  })

  it('answers at once without a wait, with nothing to read, or with minBytes 0', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    expect(await fetch(client, 'orders', [0], { maxWaitMs: 0 })).toMatchObject([{ values: [] }])
    expect(await fetch(client, 'orders', [], { maxWaitMs: 1000 })).toEqual([])
    expect(await fetch(client, 'orders', [0], { maxWaitMs: 1000, minBytes: 0 })).toMatchObject([{ values: [] }])
  })

  it('ends with the reason of its signal, whether aborted before or meanwhile', async () => {
    const { client, node } = await openNode()
    await createTopic(client, 'orders')
    const controller = new AbortController()
    const waiting = [1, 2].map(() => fetch(client, 'orders', [0], { maxWaitMs: 1000 }, controller.signal))
    const settled = Promise.allSettled(waiting)
    controller.abort(new Error('enough'))
    expect(await settled).toMatchObject([{ reason: { message: 'enough' } }, { reason: { message: 'enough' } }])
    await expect(fetch(client, 'orders', [0], {}, controller.signal)).rejects.toThrowError('enough')
    expect(nodeOf(node).delayedFetches.size).toBe(0)
  })

  it('learns that the topic it waits for is deleted', async () => {
    const { client } = await openNode()
    const topicId = await createTopic(client, 'orders')
    const byName = fetch(client, 'orders', [0], { maxWaitMs: 1000 })
    const request = fetchRequest('', [0], { maxWaitMs: 1000 })
    const byId = client.request(Fetch, { ...request, topics: [{ ...request.topics[0], topicId }] })
    await client.request(DeleteTopics, { topics: [{ name: 'orders' }], timeoutMs: 1000 })
    expect(await byName).toMatchObject([{ error: 'UNKNOWN_TOPIC_OR_PARTITION' }])
    expect(withError((await byId).responses[0].partitions[0])).toMatchObject({ error: 'UNKNOWN_TOPIC_ID' })
  })

  it('ends with CLOSED when the node closes', async () => {
    const { client, node } = await openNode()
    await createTopic(client, 'orders')
    const waiting = fetch(client, 'orders', [0], { maxWaitMs: 1000 })
    const settled = expect(waiting).rejects.toMatchObject({ code: 'CLOSED' })
    await node.close()
    await settled
  })
})
