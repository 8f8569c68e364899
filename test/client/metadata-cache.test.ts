import { describe, expect, it } from 'vitest'
import { MetadataCache } from '../../src/client/metadata-cache.js'
import { seededRandom } from '../../src/common/random.js'
import { KafkaError } from '../../src/errors.js'
import type { Broker } from '../../src/protocol/broker.js'
import type { RequestOf, ResponseOf } from '../../src/protocol/message.js'
import { DeleteTopics } from '../../src/protocol/messages/delete-topics.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { createTopic, openNode } from '../broker/helpers.js'

type Request = RequestOf<typeof Metadata>
type Response = ResponseOf<typeof Metadata>

async function openCache(configs = {}) {
  const { client, clock, node } = await openNode({ configs })
  const asked: Request[] = []
  const learnt: unknown[] = []
  let rewrite: (response: Response) => Response = response => response
  const broker = {
    async request(_: unknown, body: never) {
      asked.push(body)
      return rewrite(await client.request(Metadata, body))
    }
  } as unknown as Broker
  const brokers = {
    any: () => broker,
    byId: (id: number) => (id === 0 ? broker : undefined),
    learn: (found: unknown) => learnt.push(found)
  }
  const cache = new MetadataCache(brokers, { clock, random: seededRandom(1) })
  return { cache, client, clock, node, broker, asked, learnt, rewriteWith: (next: typeof rewrite) => (rewrite = next) }
}

const failing = (result: unknown) =>
  Promise.resolve(result).then(
    () => 'nothing failed',
    error => error
  )

describe('the metadata that a client knows', () => {
  it('are asked for once, and then read without waiting', async () => {
    const { cache, broker, asked, learnt } = await openCache({ 'num.partitions': 2 })
    expect(cache.topic('orders')).toBeUndefined()
    await cache.ensure(['orders'])
    expect(cache.ensure(['orders'])).toBeUndefined()
    const topic = cache.topic('orders')
    expect(topic).toMatchObject({
      name: 'orders',
      isInternal: false,
      partitions: [{ partition: 0, leaderId: 0, leaderEpoch: 0 }, { partition: 1 }]
    })
    expect(cache.nameOf(topic?.id ?? '')).toBe('orders')
    expect(cache.leaderOf('orders', 1)).toBe(broker)
    expect(cache.leaderOf('orders', 2)).toBeUndefined()
    expect(asked).toHaveLength(1)
    expect(learnt).toMatchObject([[{ nodeId: 0 }]])
  })

  it('are asked for once when several ask at the same time', async () => {
    const { cache, asked } = await openCache()
    await Promise.all([cache.ensure(['orders']), cache.ensure(['orders']), cache.ensure(['orders'])])
    expect(asked).toHaveLength(1)
  })

  it('are asked for again when they are old, or proved wrong', async () => {
    const { cache, clock, asked } = await openCache()
    await cache.ensure(['orders'])
    await clock.advance(300_000)
    await cache.ensure(['orders'])
    cache.forget('orders')
    expect(cache.topic('orders')).toBeDefined()
    await cache.ensure(['orders'])
    expect(cache.ensure(['orders'])).toBeUndefined()
    expect(asked).toHaveLength(3)
  })

  it('wait a little for a topic that does not exist, then say so by name', async () => {
    const { cache, clock, client } = await openCache()
    const missing = failing(cache.ensure(['orders'], { allowAutoTopicCreation: false }))
    await clock.advance(5000)
    expect(await missing).toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION', topic: 'orders' })
    const soon = cache.ensure(['orders'], { allowAutoTopicCreation: false })
    await clock.advance(50)
    await createTopic(client, 'orders')
    await clock.advance(5000)
    await soon
    expect(cache.topic('orders')).toBeDefined()
  })

  it('say at once what waiting cannot mend', async () => {
    const { cache } = await openCache()
    expect(await failing(cache.ensure(['fine', 'a b']))).toMatchObject({ code: 'INVALID_TOPIC_EXCEPTION', topic: 'a b' })
    expect(cache.topic('fine')).toBeDefined()
  })

  it('wait for a leader', async () => {
    const { cache, clock, rewriteWith } = await openCache()
    rewriteWith(response => {
      for (const { partitions } of response.topics) for (const partition of partitions) partition.leaderId = -1
      return response
    })
    const timely = failing(cache.ensure(['orders'], { timeoutMs: 500 }))
    await clock.advance(500)
    expect(await timely).toMatchObject({ code: 'LEADER_NOT_AVAILABLE', topic: 'orders', partition: 0 })
    const patient = cache.ensure(['orders'])
    rewriteWith(response => response)
    await clock.advance(2000)
    await patient
    expect(cache.topic('orders')?.partitions[0].leaderId).toBe(0)
  })

  it('do not go back to an older leader of the same topic', async () => {
    const { cache, rewriteWith } = await openCache()
    const withEpoch = (leaderEpoch: number) => (response: Response) => {
      response.topics[0].partitions[0] = { ...response.topics[0].partitions[0], leaderId: leaderEpoch, leaderEpoch }
      return response
    }
    rewriteWith(withEpoch(5))
    await cache.ensure(['orders'])
    rewriteWith(withEpoch(4))
    await cache.refresh(['orders'])
    expect(cache.partition('orders', 0)).toEqual({ partition: 0, leaderId: 5, leaderEpoch: 5 })
    rewriteWith(response => ({ ...withEpoch(1)(response), topics: [{ ...response.topics[0], topicId: 'AQIDBAUGBwgJCgsMDQ4PEA' }] }))
    await cache.refresh(['orders'])
    expect(cache.partition('orders', 0)).toEqual({ partition: 0, leaderId: 1, leaderEpoch: 1 })
  })

  it('forget topics that are gone', async () => {
    const { cache, client } = await openCache()
    await cache.ensure(['a', 'b'])
    const { id = '' } = cache.topic('a') ?? {}
    await client.request(DeleteTopics, { topics: [{ name: 'a' }], timeoutMs: 1 })
    expect((await cache.all()).map(({ name }) => name)).toEqual(['b'])
    expect(cache.topic('a')).toBeUndefined()
    expect(cache.nameOf(id)).toBeUndefined()
  })

  it('try again when the broker cannot be reached, until the time is over or the signal says so', async () => {
    const { cache, clock, rewriteWith } = await openCache()
    rewriteWith(() => {
      throw new KafkaError('NETWORK_EXCEPTION')
    })
    const timersOfTheNode = clock.timerCount
    const late = failing(cache.ensure(['orders'], { timeoutMs: 3000 }))
    await clock.advance(3000)
    expect(await late).toMatchObject({ code: 'NETWORK_EXCEPTION' })
    const controller = new AbortController()
    const ended = failing(cache.ensure(['orders'], { signal: controller.signal }))
    controller.abort(new Error('enough'))
    expect(await ended).toMatchObject({ message: 'enough' })
    expect(await failing(cache.refresh(['orders'], { signal: controller.signal }))).toMatchObject({ message: 'enough' })
    expect(clock.timerCount).toBe(timersOfTheNode)
  })
})

/** A cache whose requests are answered when a test says so, with a topic as the test has it. */
function answeringCache() {
  const open: ((topics: Partial<Response['topics'][number]>[]) => void)[] = []
  const learnt: string[] = []
  const broker = {
    request: (_api: unknown, _body: Request) =>
      new Promise(resolve => {
        const hosts = [{ nodeId: 0, host: `host-${open.length}`, port: 9092 }]
        open.push(topics =>
          resolve({ errorCode: 0, brokers: hosts, topics: topics.map(topic => ({ errorCode: 0, name: 'orders', ...topic })) })
        )
      })
  } as unknown as Broker
  const brokers = { any: () => broker, byId: () => broker, learn: ([{ host }]: readonly { host: string }[]) => void learnt.push(host) }
  const cache = new MetadataCache(brokers, { clock: new VirtualClock(), random: seededRandom(1) })
  return { cache, open, learnt }
}

const led = (leaderId: number, leaderEpoch = -1) => [{ partitionIndex: 0, leaderId, leaderEpoch }] as never
const settle = () => new Promise(setImmediate)

describe('an answer that comes late', () => {
  it('to a question that was asked earlier changes nothing', async () => {
    const { cache, open, learnt } = answeringCache()
    const first = cache.refresh(['orders'])
    const second = cache.refresh(['orders', 'orders'])
    open[1]([{ topicId: 'new', partitions: led(2) }])
    await second
    open[0]([{ topicId: 'old', partitions: led(1) }])
    await first
    expect(cache.topic('orders')).toMatchObject({ id: 'new', partitions: [{ leaderId: 2 }] })
    expect(cache.nameOf('old')).toBeUndefined()
    expect(learnt).toEqual(['host-1'])
  })

  it('does not bring back a topic that was deleted meanwhile', async () => {
    const { cache, open } = answeringCache()
    const first = cache.refresh(['orders'])
    const all = cache.all()
    open[1]([])
    await all
    open[0]([{ topicId: 'old', partitions: led(1) }])
    await first
    expect(cache.topic('orders')).toBeUndefined()
  })

  it('does not take away a topic that was created meanwhile', async () => {
    const { cache, open } = answeringCache()
    const all = cache.all()
    const second = cache.refresh(['orders'])
    open[1]([{ topicId: 'new', partitions: led(2) }])
    await second
    open[0]([])
    await all
    expect(cache.topic('orders')).toMatchObject({ id: 'new' })
  })

  it('does not count as news of what was forgotten after it was asked', async () => {
    const { cache, open } = answeringCache()
    const first = cache.refresh(['orders'])
    cache.forget('orders')
    const again = cache.ensure(['orders'])
    await settle()
    expect(open, 'asked again, instead of waiting for the same answer').toHaveLength(2)
    open[0]([{ topicId: 'a', partitions: led(1) }])
    await first
    expect(cache.ensure(['orders']), 'what is known is outdated').toBeDefined()
    open[1]([{ topicId: 'a', partitions: led(2) }])
    await again
    expect(cache.partition('orders', 0)?.leaderId).toBe(2)
    expect(cache.ensure(['orders'])).toBeUndefined()
  })

  it('in the order of asking counts as before', async () => {
    const { cache, open } = answeringCache()
    const first = cache.refresh(['orders'])
    const second = cache.refresh(['orders', 'orders'])
    open[0]([{ topicId: 'a', partitions: led(1) }])
    open[1]([{ topicId: 'a', partitions: led(2) }])
    await Promise.all([first, second])
    expect(cache.partition('orders', 0)?.leaderId).toBe(2)
  })
})
