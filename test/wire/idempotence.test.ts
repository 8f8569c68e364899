import { expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { randomInteger, seededRandom } from '../../src/common/random.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { string } from '../../src/record/serde.js'
import { connect } from '../../src/wire/connect.js'
import { cutAnswer } from '../../src/wire/intercept.js'
import { listen } from '../../src/wire/listener.js'

it('over the network each record is written once and in order, though connections break before and after the write', async () => {
  const seed = Math.floor(Math.random() * 2 ** 30)
  const random = seededRandom(seed)
  await using cluster = await Cluster.open()
  await cluster.admin().createTopics([{ name: 'orders', partitions: 2 }])
  let broken = 0
  await using listener = await listen(cluster, {
    port: 0,
    async intercept({ api }, answer) {
      const dice = api === Produce ? random.next() : 1
      if (dice < 0.3) broken++
      if (dice < 0.1) throw new Error('The connection breaks before the write')
      if (dice < 0.2) {
        await answer()
        throw new Error('The connection breaks after the write')
      }
      if (dice < 0.3) {
        await answer()
        return cutAnswer(5)
      }
      return answer()
    }
  })
  listener.on('error', () => {})
  await using remote = await connect({ brokers: [listener.address] })
  const producer = remote.producer({ batchSize: 200, retryBackoffMs: 1, retryBackoffMaxMs: 5 })
  const values: string[][] = [[], []]
  const sent: Promise<unknown>[] = []
  for (let i = 0; i < 300; i++) {
    const partition = randomInteger(random, 2)
    const offset = values[partition].push(`${i}`) - 1
    sent.push(producer.send('orders', { value: `${i}`, partition }).then(given => expect(given.offset, `seed ${seed}`).toBe(offset)))
    if (random.next() < 0.1) await Promise.all(sent)
  }
  await Promise.all(sent)
  expect(broken).toBeGreaterThan(3)
  const consumer = cluster.consumer({ topics: ['orders'], autoOffsetReset: 'earliest', value: string })
  const found: string[][] = [[], []]
  let count = 0
  for await (const { partition, value } of consumer) {
    found[partition].push(value)
    if (++count === 300) break
  }
  expect(found, `seed ${seed}`).toEqual(values)
  expect(cluster.topic('orders').partitions.map(({ logEndOffset }) => logEndOffset)).toEqual(values.map(({ length }) => length))
}, 60_000)
