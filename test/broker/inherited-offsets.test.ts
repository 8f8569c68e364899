import { expect, it } from 'vitest'
import { LocalBroker, nodeOf } from '../../src/broker/local-broker.js'
import { seededRandom } from '../../src/common/random.js'
import type { Broker } from '../../src/protocol/broker.js'
import { DeleteTopics } from '../../src/protocol/messages/delete-topics.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'
import { OffsetFetch } from '../../src/protocol/messages/offset-fetch.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { createTopic } from './helpers.js'

async function open(disk: SimulatedDisk) {
  const configs = { 'offsets.topic.num.partitions': 1 }
  const node = await LocalBroker.open({ storage: disk.mount(), clock: new VirtualClock(), random: seededRandom(1), configs })
  const told: string[] = []
  node.events.on('error', ({ during }) => void told.push(during))
  return { node, told, client: node.connect({ clientId: 'test' }) }
}

async function commit(client: Broker, name: string, offset: number): Promise<number> {
  const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata: '' }]
  const { topics } = await client.request(OffsetCommit, { groupId: 'g', memberId: '', topics: [{ name, partitions }] })
  return topics[0].partitions[0].errorCode
}

/** What the group has committed for a topic, and the topics for which it has committed anything. */
async function committed({ node, client }: Awaited<ReturnType<typeof open>>, name: string) {
  const { groups } = await client.request(OffsetFetch, {
    groups: [
      { groupId: 'g', topics: [{ name, partitionIndexes: [0] }] },
      { groupId: 'g', topics: null }
    ]
  })
  const [one, all] = groups as NonNullable<typeof groups>
  const own = nodeOf(node).groups.committedOffset('g', name, 0)
  const ofAll = [...nodeOf(node).groups.committedOffsets(name, 0)]
  return { offset: one.topics[0].partitions[0].committedOffset, topics: all.topics.map(topic => topic.name), own, ofAll }
}

const nothing = { offset: -1, topics: ['users'], own: -1, ofAll: [] }

it('a topic does not inherit what was committed for a deleted one of its name, though that could not be dropped', async () => {
  const disk = new SimulatedDisk({ random: seededRandom(1) })
  const first = await open(disk)
  for (const name of ['orders', 'users']) await createTopic(first.client, name)
  for (const name of ['orders', 'users']) expect(await commit(first.client, name, 7)).toBe(0)
  disk.fail({ operation: 'append', name: /__consumer_offsets-0/ })
  await first.client.request(DeleteTopics, { topics: [{ name: 'orders' }], timeoutMs: 1000 })
  expect(first.told).toContain('dropping offsets of deleted topics')
  await createTopic(first.client, 'orders')
  expect(await committed(first, 'orders')).toEqual(nothing)
  expect(await committed(first, 'users')).toMatchObject({ offset: 7, own: 7, ofAll: [['g', 7]] })
  disk.crash('process')
  disk.mend()
  const second = await open(disk)
  expect(await committed(second, 'orders')).toEqual(nothing)
  expect(await commit(second.client, 'orders', 2)).toBe(0)
  expect(await committed(second, 'orders')).toMatchObject({ offset: 2, own: 2, ofAll: [['g', 2]] })
  await second.node.close()
  const third = await open(disk)
  expect(await committed(third, 'orders')).toMatchObject({ offset: 2 })
  expect(await committed(third, 'users')).toMatchObject({ offset: 7 })
  await third.node.close()
})
