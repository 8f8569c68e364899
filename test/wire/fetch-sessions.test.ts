import { afterEach, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { errorNumber } from '../../src/errors.js'
import { takeAnyOrder } from '../../src/protocol/broker.js'
import type { RequestOf, ResponseOf } from '../../src/protocol/message.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { connect } from '../../src/wire/connect.js'
import { listen } from '../../src/wire/listener.js'
import type { ListenOptions } from '../../src/wire/listener-options.js'
import { remoteBrokers } from '../../src/wire/remote-brokers.js'
import { until } from '../consumer/helpers.js'

type Request = RequestOf<typeof Fetch>
type Response = ResponseOf<typeof Fetch>

const opened: AsyncDisposable[] = []

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each[Symbol.asyncDispose]()
})

function keep<T extends AsyncDisposable>(what: T): T {
  opened.push(what)
  return what
}

interface Exchange {
  readonly version: number
  readonly id: number
  readonly epoch: number
  readonly named: number[]
  readonly forgotten: number[]
  /** Undefined until it is answered. */
  told: number[] | undefined
}

/**
 * A listener that tells which fetches came. `change` may put another answer into the place of the
 * one to the n-th.
 */
async function setUp(partitions: number, options: ListenOptions = {}, change?: (fetch: number, answer: Response) => Response) {
  const cluster = keep(await Cluster.open())
  await cluster.admin().createTopic({ name: 't', partitions })
  const fetches: Exchange[] = []
  const listener = keep(
    await listen(cluster, {
      ...options,
      async intercept({ api, apiVersion: version, body }, answer) {
        if (api !== Fetch) return answer()
        const { sessionId: id = 0, sessionEpoch: epoch = -1, topics, forgottenTopicsData = [] } = body as Request
        const named = topics.flatMap(topic => topic.partitions.map(({ partition }) => partition))
        const forgotten = forgottenTopicsData.flatMap(topic => topic.partitions)
        const exchange: Exchange = { version, id, epoch, named, forgotten, told: undefined }
        const number = fetches.push(exchange) - 1
        const given = (await answer()) as Response
        exchange.told = given.responses.flatMap(topic => topic.partitions.map(({ partitionIndex }) => partitionIndex))
        return change?.(number, given) ?? given
      }
    })
  )
  return { cluster, fetches, listener, remote: keep(await connect({ brokers: [listener.address] })) }
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)

it('a consumer names all partitions once, and then only those that have changed', async () => {
  const { cluster, fetches, remote } = await setUp(50)
  const consumer = keep(remote.consumer({ topics: ['t'], autoOffsetReset: 'earliest', fetchMaxWaitMs: 20 }))
  const records = consumer[Symbol.asyncIterator]()
  const producer = keep(cluster.producer())
  for (const partition of [7, 3, 7]) {
    await producer.send('t', { partition, value: `to ${partition}` })
    expect((await records.next()).value).toMatchObject({ partition })
  }
  const pending = records.next()
  const seen = fetches.length
  await until(() => fetches.length > seen + 2 && fetches[seen + 1].told !== undefined)
  const [first, ...others] = fetches
  expect(first).toMatchObject({ version: 18, id: 0, epoch: 0, named: numbers(50), forgotten: [] })
  const { id } = others[0]
  expect(id).toBeGreaterThan(0)
  expect(others.map(({ id, epoch }) => ({ id, epoch }))).toEqual(others.map((_, i) => ({ id, epoch: i + 1 })))
  // A partition is left out while what was fetched of it is read; then it is named again from the
  // next offset on.
  expect(new Set(others.flatMap(({ named, forgotten, told = [] }) => [...named, ...forgotten, ...told]))).toEqual(new Set([3, 7]))
  // Nothing is new: nothing is said, by nobody.
  expect(fetches[seen + 1]).toMatchObject({ named: [], forgotten: [], told: [] })
  await producer.send('t', { partition: 9, value: 'end' })
  expect((await pending).value).toMatchObject({ partition: 9 })
})

it('a consumer forgets partitions that are paused, and names them again when they are resumed', async () => {
  const { cluster, fetches, remote } = await setUp(4)
  const consumer = keep(remote.consumer({ topics: ['t'], autoOffsetReset: 'earliest', fetchMaxWaitMs: 20 }))
  const records = consumer[Symbol.asyncIterator]()
  const producer = keep(cluster.producer())
  let pending = records.next()
  await until(() => fetches.length > 1)
  const paused = [1, 2].map(partition => ({ topic: 't', partition }))
  consumer.pause(paused)
  await until(() => fetches.some(({ forgotten }) => forgotten.length === 2))
  expect(fetches.flatMap(({ forgotten }) => forgotten)).toEqual([1, 2])
  await producer.send('t', { partition: 1, value: 'unread' })
  await producer.send('t', { partition: 0, value: 'read' })
  expect((await pending).value).toMatchObject({ partition: 0 })
  pending = records.next()
  consumer.resume(paused)
  expect((await pending).value).toMatchObject({ partition: 1 })
})

it.each([
  ['FETCH_SESSION_ID_NOT_FOUND', true],
  ['INVALID_FETCH_SESSION_EPOCH', false],
  ['FETCH_SESSION_TOPIC_ID_ERROR', false]
] as const)('after %s a consumer begins another session, and nobody hears of it', async (code, isGone) => {
  const refused = 2
  const { cluster, fetches, remote } = await setUp(3, {}, (fetch, answer) =>
    fetch === refused ? { throttleTimeMs: 0, errorCode: errorNumber(code), sessionId: 0, responses: [] } : answer
  )
  const consumer = keep(remote.consumer({ topics: ['t'], autoOffsetReset: 'earliest', fetchMaxWaitMs: 10 }))
  const errors: unknown[] = []
  consumer.on('error', error => errors.push(error))
  const records = consumer[Symbol.asyncIterator]()
  const pending = records.next()
  await until(() => fetches.length > refused + 2)
  const { id } = fetches[refused]
  expect(fetches[refused + 1]).toMatchObject({ id: isGone ? 0 : id, epoch: 0, named: numbers(3) })
  expect(fetches[refused + 2]).toMatchObject({ epoch: 1, named: [] })
  await cluster.producer().send('t', { partition: 2, value: 'v' })
  expect((await pending).value).toMatchObject({ partition: 2 })
  expect(errors).toEqual([])
})

it('a consumer whose broker gives no session names all partitions each time', async () => {
  const { fetches, remote } = await setUp(3, {}, (_, answer) => ({ ...answer, sessionId: 0 }))
  const consumer = keep(remote.consumer({ topics: ['t'], fetchMaxWaitMs: 10 }))
  void consumer[Symbol.asyncIterator]().next()
  await until(() => fetches.length > 2)
  for (const fetch of fetches) expect(fetch).toMatchObject({ id: 0, epoch: 0, named: numbers(3) })
})

it.each([
  [4, -1],
  [6, -1],
  [7, 0],
  [12, 0]
])('a consumer reads from a broker that serves Fetch up to version %i', async (version, epoch) => {
  const { cluster, fetches, remote } = await setUp(3, { maxVersions: { Fetch: version } })
  const consumer = keep(remote.consumer({ topics: ['t'], autoOffsetReset: 'earliest', fetchMaxWaitMs: 10 }))
  const records = consumer[Symbol.asyncIterator]()
  for (const partition of [0, 2, 2, 1]) {
    await cluster.producer().send('t', { partition, value: 'v' })
    expect((await records.next()).value).toMatchObject({ partition })
  }
  expect(fetches[0]).toMatchObject({ version, epoch, named: numbers(3) })
  expect(fetches.some(({ epoch }) => epoch > 0)).toBe(epoch === 0)
})

it('whoever fetches through a connection is told of all partitions each time, by a session where their order is free', async () => {
  const { cluster, fetches, listener } = await setUp(3)
  const brokers = remoteBrokers({ brokers: [listener.address] })
  opened.push({ [Symbol.asyncDispose]: () => brokers.close() })
  const broker = brokers.any()
  const [{ id: topicId }] = await cluster.admin().describeTopics(['t'])
  const { signal } = new AbortController()
  const ask = (offset: number) => {
    const partitions = numbers(3).map(partition => ({ partition, fetchOffset: offset, partitionMaxBytes: 1e6 }))
    return broker.request(Fetch, { maxWaitMs: 0, minBytes: 1, topics: [{ topic: 't', topicId, partitions }] }, signal)
  }
  const ends = ({ responses }: Response) =>
    responses.flatMap(({ partitions }) => partitions.map(p => [p.partitionIndex, p.highWatermark, p.records?.length ? 'records' : 'none']))
  expect(await ask(0)).toMatchObject({ sessionId: 0 })
  takeAnyOrder(signal)
  expect(ends(await ask(0))).toEqual(numbers(3).map(partition => [partition, 0, 'none']))
  await cluster.producer().send('t', { partition: 1, value: 'v' })
  expect(ends(await ask(0)).sort()).toEqual([...[0, 2].map(partition => [partition, 0, 'none']), [1, 1, 'records']].sort())
  expect(fetches.map(({ epoch, told }) => ({ epoch, told }))).toEqual([
    { epoch: -1, told: [0, 1, 2] },
    { epoch: 0, told: [0, 1, 2] },
    { epoch: 1, told: [1] }
  ])
  // An offset beyond the end is an error each time.
  for (const _ of [1, 2]) {
    const answer = await ask(5)
    expect(answer.responses.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode))).toEqual(
      numbers(3).map(() => errorNumber('OFFSET_OUT_OF_RANGE'))
    )
  }
})
