import { describe, expect, it } from 'vitest'
import { FetchSessions } from '../../src/broker/fetch-sessions.js'
import { nodeOf } from '../../src/broker/local-broker.js'
import { crc32c } from '../../src/common/crc32c.js'
import { seededRandom } from '../../src/common/random.js'
import { errorCodeOf } from '../../src/errors.js'
import type { Broker } from '../../src/protocol/broker.js'
import { DeleteRecords } from '../../src/protocol/messages/delete-records.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { batch, createTopic, openNode, produce } from './helpers.js'

/* The expected answers are those that Apache Kafka 4.3.0 gave to the same requests. */

interface Wishes {
  readonly forgotten?: readonly number[]
  readonly topicId?: string
  readonly maxWaitMs?: number
}

/** Asks for partitions of `orders` at these offsets. */
async function fetch(
  client: Broker,
  sessionId: number,
  sessionEpoch: number,
  offsets: { [partition: number]: number },
  wishes: Wishes = {}
) {
  const { forgotten = [], topicId, maxWaitMs = 0 } = wishes
  const topic = topicId === undefined ? { topic: 'orders' } : { topicId }
  const partitions = Object.entries(offsets).map(([partition, fetchOffset]) => ({
    partition: Number(partition),
    fetchOffset,
    partitionMaxBytes: 1_000_000
  }))
  const response = await client.request(Fetch, {
    maxWaitMs,
    minBytes: 1,
    sessionId,
    sessionEpoch,
    topics: partitions.length > 0 ? [{ ...topic, partitions }] : [],
    forgottenTopicsData: forgotten.length > 0 ? [{ ...topic, partitions: [...forgotten] }] : []
  })
  const told = response.responses.flatMap(({ partitions }) =>
    partitions.map(({ partitionIndex, errorCode, records }) => [
      partitionIndex,
      errorCodeOf(errorCode),
      records?.length ? 'records' : 'none'
    ])
  )
  return { id: response.sessionId ?? 0, error: errorCodeOf(response.errorCode ?? 0), told }
}

async function openTopic(partitions = 3) {
  const opened = await openNode()
  const topicId = await createTopic(opened.client, 'orders', partitions)
  const byName = opened.node.connect({ clientId: 'far', apiVersion: 12 })
  const byId = opened.node.connect({ clientId: 'far', apiVersion: 13 })
  return { ...opened, topicId, byName, byId }
}

describe('a fetch session', () => {
  it('begins with all partitions, and then tells those that have something new', async () => {
    const { byName } = await openTopic()
    await produce(byName, 'orders', 0, batch('a'))
    const first = await fetch(byName, 0, 0, { 0: 0, 1: 0, 2: 0 })
    expect(first.told).toEqual([
      [0, 'NONE', 'records'],
      [1, 'NONE', 'none'],
      [2, 'NONE', 'none']
    ])
    expect(first.id).toBeGreaterThan(0)
    expect(await fetch(byName, first.id, 1, { 0: 1 })).toEqual({ id: first.id, error: 'NONE', told: [] })
    await produce(byName, 'orders', 1, batch('b'))
    expect(await fetch(byName, first.id, 2, {})).toMatchObject({ id: first.id, told: [[1, 'NONE', 'records']] })
    expect(await fetch(byName, first.id, 3, { 1: 1 })).toMatchObject({ told: [] })
  })

  it('refuses an epoch that is not the next one, and an id that it never gave', async () => {
    const { byName } = await openTopic()
    const { id } = await fetch(byName, 0, 0, { 0: 0 })
    for (const epoch of [2, 9])
      expect(await fetch(byName, id, epoch, {})).toEqual({ id: 0, error: 'INVALID_FETCH_SESSION_EPOCH', told: [] })
    expect(await fetch(byName, id, 1, {})).toMatchObject({ id, error: 'NONE' })
    expect(await fetch(byName, id, 1, {})).toMatchObject({ error: 'INVALID_FETCH_SESSION_EPOCH' })
    expect(await fetch(byName, id + 1, 3, {})).toMatchObject({ id: 0, error: 'FETCH_SESSION_ID_NOT_FOUND' })
    expect(await fetch(byName, 0, 5, {})).toMatchObject({ error: 'FETCH_SESSION_ID_NOT_FOUND' })
  })

  it('tells errors each time, and what comes after them', async () => {
    const { byName } = await openTopic()
    const { id } = await fetch(byName, 0, 0, { 2: 0 })
    expect((await fetch(byName, id, 1, { 2: 7 })).told).toEqual([[2, 'OFFSET_OUT_OF_RANGE', 'none']])
    expect((await fetch(byName, id, 2, {})).told).toEqual([[2, 'OFFSET_OUT_OF_RANGE', 'none']])
    expect((await fetch(byName, id, 3, { 2: 0 })).told).toEqual([[2, 'NONE', 'none']])
    expect((await fetch(byName, id, 4, {})).told).toEqual([])
    expect((await fetch(byName, id, 5, { 9: 0 })).told).toEqual([[9, 'UNKNOWN_TOPIC_OR_PARTITION', 'none']])
    expect((await fetch(byName, id, 6, {}, { forgotten: [9] })).told).toEqual([])
  })

  it('tells a log that starts later', async () => {
    const { byName } = await openTopic()
    await produce(byName, 'orders', 0, batch('a'))
    const { id } = await fetch(byName, 0, 0, { 0: 1 })
    await byName.request(DeleteRecords, { topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, offset: 1 }] }], timeoutMs: 1000 })
    expect((await fetch(byName, id, 1, {})).told).toEqual([[0, 'NONE', 'none']])
  })

  it('forgets partitions, and ends with the last one', async () => {
    const { byName, node } = await openTopic()
    const { id } = await fetch(byName, 0, 0, { 0: 0, 1: 0 })
    await fetch(byName, id, 1, {}, { forgotten: [0] })
    await produce(byName, 'orders', 0, batch('a'))
    expect((await fetch(byName, id, 2, {})).told).toEqual([])
    expect(nodeOf(node).fetchSessions.partitionCount).toBe(1)
    expect(await fetch(byName, id, 3, {}, { forgotten: [1] })).toEqual({ id: 0, error: 'NONE', told: [] })
    expect(await fetch(byName, id, 4, {})).toMatchObject({ error: 'FETCH_SESSION_ID_NOT_FOUND' })
    expect([nodeOf(node).fetchSessions.size, nodeOf(node).fetchSessions.partitionCount]).toEqual([0, 0])
  })

  it('ends with a request that names all', async () => {
    const { byName, node } = await openTopic()
    const first = await fetch(byName, 0, 0, { 0: 0 })
    const second = await fetch(byName, first.id, 0, { 0: 0 })
    expect(second.id).not.toBe(first.id)
    expect(await fetch(byName, first.id, 1, {})).toMatchObject({ error: 'FETCH_SESSION_ID_NOT_FOUND' })
    expect(await fetch(byName, second.id, -1, { 0: 0 })).toMatchObject({ id: 0, told: [[0, 'NONE', 'none']] })
    expect(nodeOf(node).fetchSessions.size).toBe(0)
  })

  it('names its topics in one way, by name or by id', async () => {
    const { byName, byId, topicId } = await openTopic()
    const named = await fetch(byName, 0, 0, { 0: 0 })
    expect(await fetch(byId, named.id, 1, {}, { topicId })).toMatchObject({ id: 0, error: 'FETCH_SESSION_TOPIC_ID_ERROR' })
    expect(await fetch(byName, named.id, 1, {})).toMatchObject({ error: 'NONE' })
    const identified = await fetch(byId, 0, 0, { 0: 0 }, { topicId })
    expect(await fetch(byName, identified.id, 1, {})).toMatchObject({ error: 'FETCH_SESSION_TOPIC_ID_ERROR' })
    await produce(byName, 'orders', 0, batch('a'))
    expect((await fetch(byId, identified.id, 1, {}, { topicId })).told).toEqual([[0, 'NONE', 'records']])
  })

  it('waits for records of the partitions that it remembers', async () => {
    const { byName, client, node } = await openTopic()
    const { id } = await fetch(byName, 0, 0, { 0: 0, 1: 0 })
    const waiting = fetch(byName, id, 1, {}, { maxWaitMs: 60_000 })
    while (nodeOf(node).delayedFetches.size === 0) await Promise.resolve()
    await produce(client, 'orders', 1, batch('b'))
    expect((await waiting).told).toEqual([[1, 'NONE', 'records']])
  })

  it('that the client has gone on with elsewhere gives a late answer up', async () => {
    const { byName, clock, node } = await openTopic()
    const { id } = await fetch(byName, 0, 0, { 0: 0 })
    const late = fetch(byName, id, 1, {}, { maxWaitMs: 1000 })
    while (nodeOf(node).delayedFetches.size === 0) await Promise.resolve()
    await fetch(byName, id, 2, {})
    await clock.advance(1000)
    expect(await late).toMatchObject({ error: 'INVALID_FETCH_SESSION_EPOCH' })
  })

  it('gives each partition its turn where an answer has no room for all', async () => {
    const { byName } = await openTopic(2)
    const large = 'x'.repeat(600_000)
    for (const partition of [0, 1]) for (let i = 0; i < 2; i++) await produce(byName, 'orders', partition, batch(large))
    const ask = async (sessionId: number, sessionEpoch: number, topics: { partition: number; fetchOffset: number }[]) => {
      const { responses, sessionId: id = 0 } = await byName.request(Fetch, {
        maxWaitMs: 0,
        minBytes: 1,
        maxBytes: 700_000,
        sessionId,
        sessionEpoch,
        topics: topics.length > 0 ? [{ topic: 'orders', partitions: topics.map(each => ({ ...each, partitionMaxBytes: 700_000 })) }] : []
      })
      const given = responses.flatMap(({ partitions }) => partitions.filter(({ records }) => records?.length))
      return { id, given: given.map(({ partitionIndex }) => partitionIndex) }
    }
    const first = await ask(0, 0, [
      { partition: 0, fetchOffset: 0 },
      { partition: 1, fetchOffset: 0 }
    ])
    expect(first.given).toEqual([0])
    expect((await ask(first.id, 1, [{ partition: 0, fetchOffset: 1 }])).given).toEqual([1])
  })
})

describe('the sessions of a node', () => {
  const orders = (count: number) => [
    { topic: 'orders', partitions: Array.from({ length: count }, (_, partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1 })) }
  ]

  it('are no more than there may be: the idle ones give way, then those that are old and smaller', async () => {
    const clock = new VirtualClock()
    const sessions = new FetchSessions(clock, seededRandom(1), 2)
    const small = sessions.begin(orders(1), false)
    const large = sessions.begin(orders(5), false)
    expect(sessions.begin(orders(9), false)).toBe(undefined)
    await clock.advance(100_000)
    sessions.goOn(small!, [], [])
    sessions.goOn(large!, [], [])
    await clock.advance(20_001)
    expect(sessions.begin(orders(1), false)).toBe(undefined)
    const larger = sessions.begin(orders(3), false)
    expect([sessions.get(small!.id), sessions.get(large!.id), sessions.get(larger!.id)]).toEqual([undefined, large, larger])
    await clock.advance(100_001)
    expect(sessions.begin(orders(1), false)).not.toBe(undefined)
    expect(sessions.get(large!.id)).toBe(undefined)
    expect(sessions.partitionCount).toBe(4)
  })

  it('remember no more partitions than a process can hold', () => {
    const sessions = new FetchSessions(new VirtualClock(), seededRandom(1), 1000)
    const first = sessions.begin(orders(150_000), false)
    expect(sessions.begin(orders(60_000), false)).toBe(undefined)
    const second = sessions.begin(orders(10), false)
    expect(sessions.goOn(second!, orders(60_000), [])).toBe(false)
    expect([sessions.get(second!.id), sessions.get(first!.id)?.size, sessions.partitionCount]).toEqual([undefined, 150_000, 150_000])
  })

  it('can be switched off', async () => {
    const { client } = await openNode({ configs: { 'max.incremental.fetch.session.cache.slots': 0 } })
    await createTopic(client, 'orders')
    expect(await fetch(client, 0, 0, { 0: 0 })).toEqual({ id: 0, error: 'NONE', told: [[0, 'NONE', 'none']] })
  })
})

describe('a fetch that says which epoch it has read last', () => {
  it('is told from where on the log has another history', async () => {
    const { byName } = await openTopic()
    await produce(byName, 'orders', 0, batch('a'))
    const ask = async (lastFetchedEpoch: number, fetchOffset: number, partition = 0) => {
      const partitions = [{ partition, fetchOffset, lastFetchedEpoch, partitionMaxBytes: 1_000_000 }]
      const { responses } = await byName.request(Fetch, { maxWaitMs: 0, minBytes: 1, topics: [{ topic: 'orders', partitions }] })
      const [{ errorCode, records, divergingEpoch }] = responses[0].partitions
      return [errorCodeOf(errorCode), (records?.length ?? 0) > 0, divergingEpoch]
    }
    expect(await ask(0, 0)).toEqual(['NONE', true, undefined])
    expect(await ask(0, 1)).toEqual(['NONE', false, undefined])
    expect(await ask(0, 2)).toEqual(['NONE', false, { epoch: 0, endOffset: 1 }])
    expect(await ask(1, 0)).toEqual(['OFFSET_OUT_OF_RANGE', false, undefined])
    expect(await ask(5, 1)).toEqual(['OFFSET_OUT_OF_RANGE', false, undefined])
    // Nothing was written there yet.
    expect(await ask(0, 0, 2)).toEqual(['NONE', false, undefined])
  })
})

describe('a produced batch', () => {
  it('may have part of another behind it, which is passed over, but nothing that is none', async () => {
    const { byName } = await openTopic()
    const [one] = [batch('a')]
    const withTail = (tail: Uint8Array) => Uint8Array.from([...one, ...tail])
    expect(await produce(byName, 'orders', 0, withTail(new Uint8Array(5)))).toMatchObject({ error: 'NONE', baseOffset: 0 })
    expect(await produce(byName, 'orders', 0, withTail(one.subarray(0, 30)))).toMatchObject({ error: 'NONE', baseOffset: 1 })
    expect(await produce(byName, 'orders', 0, withTail(new Uint8Array(17)))).toMatchObject({ error: 'CORRUPT_MESSAGE' })
    expect(await produce(byName, 'orders', 0, withTail(one))).toMatchObject({ error: 'INVALID_RECORD' })
    expect(await produce(byName, 'orders', 0, one.subarray(0, one.length - 3))).toMatchObject({ error: 'INVALID_RECORD' })
  })

  it('may claim the time of the append', async () => {
    const { byName } = await openTopic()
    const claimed = batch('a').slice()
    claimed[22] |= 8
    new DataView(claimed.buffer).setUint32(17, crc32c(claimed, 21, claimed.length))
    expect(await produce(byName, 'orders', 0, claimed)).toMatchObject({ error: 'NONE', baseOffset: 0 })
  })
})
