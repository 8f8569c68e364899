import { expect, it } from 'vitest'
import { MetadataCache } from '../../src/client/metadata-cache.js'
import { Cluster } from '../../src/cluster.js'
import { seededRandom } from '../../src/common/random.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { InterceptedBroker } from '../../src/testing/intercepted-broker.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'

const minute = 60_000

async function scene() {
  const clock = new VirtualClock()
  let broker: InterceptedBroker | undefined
  const cluster = await Cluster.open({ clock, intercept: brokers => (broker ??= new InterceptedBroker(brokers, clock)) })
  return {
    clock,
    cluster,
    get broker() {
      return broker!
    },
    /** The names that the last request for metadata asked for. */
    asked: () =>
      broker!
        .seen(Metadata)
        .at(-1)!
        .request.topics?.map(({ name }) => name),
    [Symbol.asyncDispose]: () => cluster.close()
  }
}

it('a producer forgets topics that nothing is sent to, and no longer asks for them', async () => {
  await using at = await scene()
  const producer = at.cluster.producer()
  for (let i = 0; i < 20; i++) await producer.send(`once-${i}`, { value: 'v' })
  for (let i = 0; i < 12; i++) {
    await at.clock.advance(minute)
    await producer.send('always', { value: 'v' })
  }
  await at.clock.advance(5 * minute)
  await producer.send('always', { value: 'v' })
  await at.clock.advance(1)
  expect(at.asked()).toEqual(['always'])
  expect(await producer.send('once-3', { value: 'again' })).toMatchObject({ offset: 1 })
})

it('a producer keeps a topic for as long as `metadataMaxIdleMs` says, and those that records wait for', async () => {
  await using at = await scene()
  const producer = at.cluster.producer({ metadataMaxIdleMs: 30 * minute, lingerMs: 40 * minute, deliveryTimeoutMs: 60 * minute })
  const waiting = producer.send('slow', { value: 'v' })
  await at.clock.advance(35 * minute)
  for (let i = 0; i < 3; i++) {
    void producer.send('always', { value: 'v' })
    void producer.flush()
    await at.clock.advance(6 * minute)
  }
  expect(at.asked()?.sort()).toEqual(['always', 'slow'])
  expect(await waiting).toMatchObject({ offset: 0 })
})

it('a cache of topics forgets those that nobody asks for, and keeps those that somebody does', async () => {
  await using at = await scene()
  const admin = at.cluster.admin()
  await admin.createTopics(Array.from({ length: 50 }, (_, i) => `t-${i}`))
  const metadata = new MetadataCache(at.broker, { clock: at.clock, random: seededRandom(1) })
  await metadata.all()
  for (let i = 0; i < 4; i++) {
    await at.clock.advance(5 * minute)
    await metadata.ensure(['t-1'])
  }
  const known = Array.from({ length: 50 }, (_, i) => `t-${i}`).filter(name => metadata.topic(name))
  expect(known).toEqual(['t-1'])
})
