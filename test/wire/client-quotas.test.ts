import { afterEach, describe, expect, it } from 'vitest'
import type { ClientQuotaAlteration } from '../../src/admin/client-quotas.js'
import { nodeOf } from '../../src/broker/local-broker.js'
import { Cluster } from '../../src/cluster.js'
import type { Clock } from '../../src/common/clock.js'
import { errorCodeOf } from '../../src/errors.js'
import { CreatePartitions } from '../../src/protocol/messages/create-partitions.js'
import { CreateTopics } from '../../src/protocol/messages/create-topics.js'
import { DeleteTopics } from '../../src/protocol/messages/delete-topics.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { Heartbeat } from '../../src/protocol/messages/heartbeat.js'
import { ListGroups } from '../../src/protocol/messages/list-groups.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { connect } from '../../src/wire/connect.js'
import { Connection } from '../../src/wire/connection.js'
import { type Listener, listen } from '../../src/wire/listener.js'
import type { ListenOptions } from '../../src/wire/listener-options.js'
import { remoteBrokers } from '../../src/wire/remote-brokers.js'
import { batch, fetchRequest, produceRequest } from '../broker/helpers.js'
import { untilSettled } from '../until-settled.js'
import { RawClient, requestFrame } from './raw-client.js'
import { ScriptedNode } from './scripted-node.js'

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

interface Opened {
  readonly cluster: Cluster
  readonly listener: Listener
  readonly clock: VirtualClock
  enter(clientId?: string, user?: string): Promise<Connection>
}

async function open(quotas: readonly ClientQuotaAlteration[], options: ListenOptions = {}): Promise<Opened> {
  const clock = new VirtualClock()
  const cluster = await Cluster.open({ clock, configs: { 'group.initial.rebalance.delay.ms': 0 } })
  ends.push(() => cluster.close())
  await cluster.admin().createTopic({ name: 't', partitions: 1 })
  await cluster.admin().alterClientQuotas(quotas)
  const listener = await listen(cluster, { clock, ...options })
  ends.push(() => listener.close())
  const enter = async (clientId = 'web', username?: string) => {
    const sasl = username === undefined ? {} : { sasl: { mechanism: 'PLAIN' as const, username, password: 'secret' } }
    const connection = await Connection.open({ host: '127.0.0.1', port: listener.port }, { clientId, ...sasl })
    ends.push(() => connection.close())
    return connection
  }
  return { cluster, listener, clock, enter }
}

const ofClient = (quotas: ClientQuotaAlteration['quotas'], clientId: string | null = 'web') => [{ entity: { clientId }, quotas }]
const bytes = (count: number) => produceRequest('t', 0, batch('x'.repeat(count)))
const produce = (connection: Connection, count: number, acks = -1) => connection.send(Produce, 12, { ...bytes(count), acks })
const isAlive = (connection: Connection) => connection.request(ListGroups, {})

/** Whether a request has not been answered when one on another connection has, twice. */
async function isMuted({ enter }: Opened, connection: Connection): Promise<{ answered: Promise<unknown>; isAnswered: () => boolean }> {
  let isAnswered = false
  const answered = isAlive(connection).then(() => {
    isAnswered = true
  })
  const other = await enter('other')
  for (let i = 0; i < 2; i++) await isAlive(other)
  return { answered, isAnswered: () => isAnswered }
}

describe('a listener of a cluster with quotas', () => {
  it('answers a producer that sends too much at once, and then reads nothing from it until the rate is right', async () => {
    const opened = await open(ofClient({ producer_byte_rate: 1000 }))
    const connection = await opened.enter()
    expect((await produce(connection, 5000)).throttleTimeMs).toBe(0)
    const { throttleTimeMs = 0, responses } = await produce(connection, 15_000)
    expect(responses[0].partitionResponses[0].errorCode).toBe(0)
    // Some 20,000 bytes in a window of ten seconds are 2000 a second: in ten more they would be 1000.
    expect(throttleTimeMs).toBeGreaterThan(10_000)
    expect(throttleTimeMs).toBeLessThan(10_600)
    const { answered, isAnswered } = await isMuted(opened, connection)
    await opened.clock.advance(throttleTimeMs - 1)
    await isAlive(await opened.enter('other'))
    expect(isAnswered()).toBe(false)
    await opened.clock.advance(1)
    await answered
    // What was sent counts until its part of the window is over.
    await opened.clock.advance(1000)
    expect((await produce(connection, 100)).throttleTimeMs).toBe(0)
  })

  it('throttles a producer without acknowledgements', async () => {
    const opened = await open(ofClient({ producer_byte_rate: 1000 }))
    const connection = await opened.enter()
    await produce(connection, 20_000, 0)
    const { answered, isAnswered } = await isMuted(opened, connection)
    expect(isAnswered()).toBe(false)
    await opened.clock.advance(11_000)
    await answered
  })

  it('counts the connections of a client together, and other clients for themselves', async () => {
    const { enter } = await open(ofClient({ producer_byte_rate: 1000 }, null))
    await produce(await enter('web'), 9000)
    expect((await produce(await enter('app'), 9000)).throttleTimeMs).toBe(0)
    expect((await produce(await enter('web'), 9000)).throttleTimeMs).toBeGreaterThan(0)
  })

  it('goes by the user whom a client proved to be', async () => {
    const quotas = [{ entity: { user: 'ann' }, quotas: { producer_byte_rate: 1000 } }, ...ofClient({ producer_byte_rate: 1 }, null)]
    const { enter } = await open(quotas, { sasl: { users: { ann: 'secret', bob: 'secret' } } })
    expect((await produce(await enter('web', 'ann'), 5000)).throttleTimeMs).toBe(0)
    expect((await produce(await enter('app', 'ann'), 6000)).throttleTimeMs).toBeGreaterThan(0)
    expect((await produce(await enter('web', 'bob'), 100)).throttleTimeMs).toBeGreaterThan(100_000)
  })

  it('answers a fetch that is over the quota empty, and with records when the time is over', async () => {
    const opened = await open(ofClient({ consumer_byte_rate: 1000 }))
    const { cluster, clock, enter } = opened
    const producer = cluster.producer({ lingerMs: 0 })
    for (let i = 0; i < 4; i++) await producer.send('t', { value: 'x'.repeat(4000) })
    await producer.close()
    const connection = await enter()
    const fetchFrom = async (offset: number) => {
      const { throttleTimeMs = 0, responses } = await connection.send(
        Fetch,
        12,
        fetchRequest('t', [0], { offset, partitionMaxBytes: 4200 })
      )
      return { throttleTimeMs, length: responses[0]?.partitions[0].records?.length ?? 0 }
    }
    expect(await fetchFrom(0)).toEqual({ throttleTimeMs: 0, length: expect.closeTo(4080, -2) })
    expect(await fetchFrom(1)).toMatchObject({ throttleTimeMs: 0 })
    let late = await fetchFrom(2)
    expect(late.length).toBe(0)
    for (; late.throttleTimeMs > 0; late = await fetchFrom(2)) await clock.advance(late.throttleTimeMs)
    expect(late.length).toBeCloseTo(4080, -2)
    expect(clock.monotonic()).toBeLessThanOrEqual(13_000)
  })

  it('answers with a batch that is larger than the quota allows at all, where nothing else was fetched', async () => {
    const { cluster, clock, enter } = await open(ofClient({ consumer_byte_rate: 10 }))
    const producer = cluster.producer()
    await producer.send('t', { value: 'x'.repeat(1000) })
    await producer.close()
    const connection = await enter()
    const fetch = () => connection.send(Fetch, 12, fetchRequest('t', [0], { maxWaitMs: 0 }))
    for (let i = 0; i < 2; i++) {
      const { throttleTimeMs = 0, responses } = await fetch()
      expect(responses[0].partitions[0].records!.length).toBeGreaterThan(1000)
      expect(throttleTimeMs).toBeGreaterThan(90_000)
      await clock.advance(throttleTimeMs)
    }
  })

  it('does not lose what a fetch session has to tell, when an answer goes out empty', async () => {
    const { cluster, clock, enter } = await open(ofClient({ consumer_byte_rate: 100 }))
    const topicId = (await cluster.admin().describeTopics(['t']))[0].id
    const producer = cluster.producer({ lingerMs: 0 })
    await producer.send('t', { value: 'x'.repeat(700) })
    const connection = await enter()
    const fetch = (sessionId: number, sessionEpoch: number, offset?: number) => {
      const partitions = [{ partition: 0, fetchOffset: offset ?? 0, partitionMaxBytes: 1000, currentLeaderEpoch: -1, lastFetchedEpoch: -1 }]
      const topics = offset === undefined ? [] : [{ topicId, partitions }]
      return connection.send(Fetch, 13, { maxWaitMs: 0, minBytes: 0, maxBytes: 1000, isolationLevel: 0, sessionId, sessionEpoch, topics })
    }
    const first = await fetch(0, 0, 0)
    expect(first.sessionId).toBeGreaterThan(0)
    await producer.send('t', { value: 'x'.repeat(700) })
    const second = await fetch(first.sessionId!, 1, 1)
    expect(second).toMatchObject({ errorCode: 0, sessionId: first.sessionId, responses: [] })
    await clock.advance(11_000)
    const third = await fetch(first.sessionId!, 2)
    const [{ highWatermark, records }] = third.responses[0].partitions
    expect([highWatermark, records!.length > 700]).toEqual([2, true])
    await producer.close()
  })

  it('refuses to create and delete partitions that are too many, and only throttles clients that do not know the error', async () => {
    const { clock, enter } = await open(ofClient({ controller_mutation_rate: 1 }))
    const create = async (name: string, numPartitions: number, version = 7) => {
      const connection = await enter()
      const wanted = { topics: [{ name, numPartitions, replicationFactor: 1 }], timeoutMs: 1000 }
      const { topics, throttleTimeMs = 0 } = await connection.send(CreateTopics, version, wanted)
      return [topics[0].errorCode && errorCodeOf(topics[0].errorCode), throttleTimeMs]
    }
    const exceeded = 'THROTTLING_QUOTA_EXCEEDED'
    expect(await create('a', 11)).toEqual([0, 0])
    expect(await create('b', 3)).toEqual([0, 0])
    expect(await create('c', 1)).toEqual([exceeded, 3000])
    const grow = { topics: [{ name: 't', count: 2 }], timeoutMs: 1000, validateOnly: false }
    const grown = await (await enter()).send(CreatePartitions, 3, grow)
    expect([grown.throttleTimeMs, errorCodeOf(grown.results[0].errorCode)]).toEqual([3000, exceeded])
    const deleted = await (await enter()).send(DeleteTopics, 5, { topicNames: ['a'], timeoutMs: 1000 })
    expect([deleted.throttleTimeMs, errorCodeOf(deleted.responses[0].errorCode)]).toEqual([3000, exceeded])
    const asked = await (await enter()).request(Metadata, { topics: [{ name: 'd' }], allowAutoTopicCreation: true })
    expect([asked.throttleTimeMs, errorCodeOf(asked.topics[0].errorCode)]).toEqual([3000, 'UNKNOWN_TOPIC_OR_PARTITION'])
    await clock.advance(2000)
    expect(await create('c', 4, 5)).toEqual([0, 5000])
    await clock.advance(5000)
    expect(await create('d', 1)).toEqual([0, 0])
  })

  it('lets in so many connections from an address as its quota says', async () => {
    const { listener, clock } = await open([{ entity: { ip: '127.0.0.1' }, quotas: { connection_creation_rate: 1 } }])
    const reasons: (string | undefined)[] = []
    listener.on('disconnected', ({ reason }) => reasons.push(reason?.message))
    const clients = await Promise.all(Array.from({ length: 11 }, () => RawClient.connect(listener.port)))
    for (const client of clients) ends.push(() => client[Symbol.dispose]())
    const answers = clients.map(async client => {
      client.send(requestFrame(ListGroups, 0, {}))
      return (await client.frame()) !== undefined
    })
    await Promise.all(answers.slice(0, 10))
    expect(reasons).toEqual(['Too many connections from 127.0.0.1 (connection_creation_rate)'])
    await clock.advance(1000)
    expect((await Promise.all(answers)).filter(Boolean).length).toBe(10)
    await clock.advance(10_000)
    const again = await RawClient.connect(listener.port)
    ends.push(() => again[Symbol.dispose]())
    again.send(requestFrame(ListGroups, 0, {}))
    expect(await again.frame()).toBeDefined()
  })

  it('counts the time that requests take, and not that in which they wait', async () => {
    // Each look at this clock takes a millisecond of a request's time.
    let looks = 0
    const virtual = new VirtualClock()
    const clock: Clock = {
      now: () => virtual.now(),
      monotonic: () => virtual.monotonic() + looks++,
      setTimer: (delayMs, callback) => virtual.setTimer(delayMs, callback),
      sliceTime: () => virtual.sliceTime()
    }
    const cluster = await Cluster.open({ clock })
    ends.push(() => cluster.close())
    await cluster.admin().createTopic({ name: 't', partitions: 1 })
    await cluster.admin().alterClientQuotas(ofClient({ request_percentage: 1 }))
    const listener = await listen(cluster, { clock: virtual })
    ends.push(() => listener.close())
    const connection = await Connection.open({ host: '127.0.0.1', port: listener.port }, { clientId: 'web' })
    ends.push(() => connection.close())
    const waiting = connection.send(Fetch, 12, fetchRequest('t', [0], { maxWaitMs: 60_000, minBytes: 1 }))
    while (nodeOf(cluster.node!).delayedFetches.size === 0) await new Promise(setImmediate)
    await virtual.advance(60_000)
    expect((await waiting).throttleTimeMs).toBe(0)
    let throttled = 0
    for (let requests = 0; throttled === 0 && requests < 1000; requests++) throttled = (await isAlive(connection)).throttleTimeMs ?? 0
    expect(throttled).toBeGreaterThan(0)
    expect(throttled).toBeLessThanOrEqual(1000)
  })

  it('closes at once while clients are throttled', async () => {
    const { listener, enter } = await open(ofClient({ producer_byte_rate: 1 }))
    await produce(await enter(), 1000)
    // The clock stands still: nothing but the end of the connection ends the wait.
    await listener.close()
  })

  it('forgets counters of clients that have gone when there are many', async () => {
    const { cluster, clock } = await open(ofClient({ producer_byte_rate: 1 }, null))
    const { quotas } = nodeOf(cluster.node!)
    const count = async (from: number) => {
      for (let i = from; i < from + 15_000; i++) quotas.rateOf('producer_byte_rate', `client ${i}`).record(1, clock.monotonic())
    }
    await count(0)
    expect(quotas.counterCount).toBeLessThanOrEqual(10_000)
    await clock.advance(60_000)
    await count(15_000)
    expect(quotas.counterCount).toBeLessThanOrEqual(10_000)
  })

  it('limits nobody in its process', async () => {
    const { cluster } = await open(ofClient({ producer_byte_rate: 1 }, null))
    const producer = cluster.producer({ lingerMs: 0 })
    for (let i = 0; i < 3; i++) await producer.send('t', { value: 'x'.repeat(10_000) })
    await producer.close()
  })
})

describe('a client of a cluster elsewhere', () => {
  it('waits as long as a broker throttles it, and goes on in the order of its calls', async () => {
    const clock = new VirtualClock()
    const node = new ScriptedNode()
    let throttleTimeMs = 5000
    node.answer(ListGroups, () => ({ errorCode: 0, groups: [], throttleTimeMs }))
    const listener = await listen(node)
    ends.push(() => listener.close())
    const brokers = remoteBrokers({ brokers: [listener.address], clock })
    ends.push(() => brokers.close())
    const ask = () => brokers.any().request(ListGroups, {})
    await ask()
    throttleTimeMs = 0
    const order: string[] = []
    const asked = ['a', 'b', 'c'].map(name => Promise.resolve(ask()).then(() => order.push(name)))
    const aborted = new AbortController()
    const givenUp = brokers.any().request(ListGroups, {}, aborted.signal)
    aborted.abort(new Error('given up'))
    await expect(givenUp).rejects.toThrow('given up')
    await clock.advance(4999)
    expect([node.seen.length, order]).toEqual([1, []])
    await clock.advance(1)
    await Promise.all(asked)
    expect([node.seen.length, order]).toEqual([4, ['a', 'b', 'c']])
  })

  it('is not held up by it in what it asks for otherwise, and ends its wait when it is closed', async () => {
    const clock = new VirtualClock()
    const node = new ScriptedNode()
    node.answer(Produce, () => ({ responses: [], throttleTimeMs: 60_000 }))
    node.answer(Heartbeat, () => ({ errorCode: 0 }))
    const listener = await listen(node)
    ends.push(() => listener.close())
    const brokers = remoteBrokers({ brokers: [listener.address], clock })
    await brokers.any().request(Produce, bytes(1))
    await brokers.any().request(Heartbeat, { groupId: 'g', generationId: 1, memberId: 'm' })
    const waiting = brokers.any().request(Produce, bytes(1))
    const refused = expect(waiting).rejects.toMatchObject({ code: 'CLOSED' })
    await brokers.close()
    await refused
  })

  it('creates all topics where a quota holds up some of them', async () => {
    const { cluster, listener, clock } = await open(ofClient({ controller_mutation_rate: 1 }, null))
    const remote = await connect({ brokers: [listener.address], clock })
    ends.push(() => remote.close())
    const names = Array.from({ length: 14 }, (_, i) => `made-${i}`)
    const creating = remote.admin().createTopics(names.map(name => ({ name, partitions: 1 })))
    const created = await untilSettled(creating, () => clock.advance(100))
    expect(created.map(({ name }) => name).sort()).toEqual([...names].sort())
    expect((await cluster.admin().listTopics()).length).toBe(names.length + 1)
  })
})
