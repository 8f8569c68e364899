import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { topic } from '../../src/record/topic.js'

const warned: [code: string, text: string][] = []
const onWarning = (warning: Error & { code?: string }) => void warned.push([warning.code ?? '', warning.message])
beforeAll(() => void process.on('warning', onWarning))
afterAll(() => void process.off('warning', onWarning))
afterEach(() => {
  warned.length = 0
})

it('a topic that differs from its description is told once, for its partitions and for each config', async () => {
  await using cluster = await Cluster.open()
  await using producer = cluster.producer()
  await producer.send(topic('page-views', { partitions: 2 }), { value: 'a' })
  const described = topic('page-views', { partitions: 8, keep: 'forever' })
  await producer.send(described, { value: 'b' })
  await producer.send('page-views', { value: 'c' })
  await producer.send(described, { value: 'd' })
  await vi.waitFor(() => expect(warned).toHaveLength(3))
  expect(warned.map(([code]) => code)).toEqual(['TOPIC_DIFFERS', 'TOPIC_DIFFERS', 'TOPIC_DIFFERS'])
  expect(warned[0][1]).toContain('`page-views` is described with 8 partitions, and has 2.')
  expect(warned.map(([, text]) => text).join()).toContain('is described with retention.ms=-1, and has retention.ms=604800000.')
})

it('a consumer tells that a topic differs from its description', async () => {
  await using cluster = await Cluster.open()
  await cluster.admin().createTopic({ name: 'orders', partitions: 1 })
  await using consumer = cluster.consumer({ groupId: 'g', topics: [topic('orders', { partitions: 3 })] })
  await consumer.start()
  const text = expect.stringContaining('`orders` is described with 3 partitions, and has 1.')
  await vi.waitFor(() => expect(warned).toEqual([['TOPIC_DIFFERS', text]]))
})

it('a topic that is as its description says, or has none, is not mentioned', async () => {
  await using cluster = await Cluster.open()
  await using producer = cluster.producer()
  const described = topic('clicks', { partitions: 3, keep: { forMs: 60_000 } })
  await producer.send(described, { value: 'a' })
  await producer.send(topic('clicks', { partitions: 3, keep: { forMs: 60_000 } }), { value: 'b' })
  await producer.send('clicks', { value: 'c' })
  await producer.send(topic('clicks'), { value: 'd' })
  // The one warning that is to come, after all that might.
  await producer.send(topic('clicks', { partitions: 4 }), { value: 'e' })
  await vi.waitFor(() => expect(warned).not.toEqual([]))
  expect(warned).toEqual([['TOPIC_DIFFERS', expect.stringContaining('`clicks` is described with 4 partitions, and has 3.')]])
})

it('a consumer without an `error` listener warns of a topic that is not there', async () => {
  await using cluster = await Cluster.open({ configs: { 'auto.create.topics.enable': false } })
  await using consumer = cluster.consumer({ groupId: 'g', topics: ['absent'] })
  const reading = consumer[Symbol.asyncIterator]().next()
  await vi.waitFor(
    () => expect(warned).toEqual([['UNKNOWN_TOPIC_OR_PARTITION', expect.stringContaining('There is no topic `absent`')]]),
    10_000
  )
  await consumer.close()
  await reading
})
