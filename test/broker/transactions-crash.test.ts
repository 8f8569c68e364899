import { describe, expect, it } from 'vitest'
import { LocalBroker } from '../../src/broker/local-broker.js'
import { seededRandom } from '../../src/common/random.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { committedRecords } from './committed-records.js'
import { createTopic } from './helpers.js'
import { TransactionalClient } from './transactional-client.js'

const configs = { 'transaction.state.log.num.partitions': 2, 'offsets.topic.num.partitions': 1, 'log.cleaner.backoff.ms': 1_000_000 }
const topics = ['debits', 'credits']

/** The values that a reader of committed records finds in a partition. */
async function committedIn(node: LocalBroker, topic: string): Promise<string[]> {
  return (await committedRecords(node.topics.get(topic)!.partitions[0])).map(({ value }) => value)
}

/** Transfers, each a record in two topics, until the disk stops. Notes those of which it was told how they ended. */
async function transfer(node: LocalBroker, life: number, random: () => number, known: Map<string, boolean>): Promise<void> {
  const client = node.connect({ clientId: 'c' })
  const producers = await Promise.all(['ann', 'bob'].map(id => TransactionalClient.begun(client, id)))
  for (let i = 0; i < 30; i++) {
    const steps = producers.map(async (producer, which) => {
      const name = `${life}/${i}/${which}`
      const isCommitted = random() < 0.6
      for (const topic of topics) if ((await producer.send(topic, name)) !== 'NONE') throw new Error('not sent')
      if ((await producer.end(isCommitted)) !== 'NONE') throw new Error('not ended')
      known.set(name, isCommitted)
    })
    for (const step of await Promise.allSettled(steps)) if (step.status === 'rejected') throw step.reason
  }
}

describe('transactions on a disk that fails', () => {
  for (const kind of ['process', 'power'] as const) {
    it.each([1, 2, 3])(`are whole or nothing after a crash (${kind}), seed %d`, async seed => {
      const random = seededRandom(seed)
      const next = () => random.next()
      const disk = new SimulatedDisk({ random })
      const known = new Map<string, boolean>()
      for (let life = 0; life < 4; life++) {
        const node = await LocalBroker.open({ storage: disk.mount({ syncEachAppend: true }), configs })
        if (life === 0) for (const topic of topics) await createTopic(node.connect({ clientId: 'c' }), topic)
        const contents = await Promise.all(topics.map(topic => committedIn(node, topic)))
        expect([seed, [...contents[0]].sort()]).toEqual([seed, [...contents[1]].sort()])
        for (const [name, isCommitted] of known) expect([seed, name, contents[0].includes(name)]).toEqual([seed, name, isCommitted])
        for (const topic of topics) {
          const { lastStableOffset, logEndOffset } = node.topics.get(topic)!.partitions[0]
          expect([seed, topic, lastStableOffset]).toEqual([seed, topic, logEndOffset])
        }
        disk.stopAfter(20 + Math.floor(next() * 150))
        await transfer(node, life, next, known).catch(() => {})
        disk.crash(kind)
        await node.close({ timeoutMs: 100 }).catch(() => {})
      }
      expect(known.size).toBeGreaterThan(0)
    })
  }
})
