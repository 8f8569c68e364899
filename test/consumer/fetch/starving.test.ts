import { describe, expect, it } from 'vitest'
import type { Cluster } from '../../../src/cluster.js'
import { openCluster, settle, textConsumer, until } from '../helpers.js'

const mebibyte = 1024 * 1024
const large = 'x'.repeat(60_000)

/** A topic `p` of many partitions that are full, and `q`, which is empty. */
async function filled(cluster: Cluster, partitions: number): Promise<void> {
  await cluster.admin().createTopics([
    { name: 'p', partitions },
    { name: 'q', partitions: 1 }
  ])
  await using producer = cluster.producer()
  for (let partition = 0; partition < partitions; partition++) {
    await producer.sendBatch(
      'p',
      Array.from({ length: 8 }, (_, number) => ({ value: `${number} ${large}`, partition }))
    )
  }
}

describe('what some partitions have fetched', () => {
  it('does not keep others from being fetched while these are paused, and is bounded', async () => {
    await using cluster = await openCluster()
    await filled(cluster, 16)
    // Room for three partitions, and as much again for those that are paused.
    const consumer = textConsumer(cluster, { topics: ['p', 'q'], fetchMaxBytes: 700_000, maxPartitionFetchBytes: 200_000 })
    const values = new Map<string, string[]>()
    const reading = (async () => {
      for await (const { topic, partition, value } of consumer) {
        const name = `${topic}-${partition}`
        values.set(name, [...(values.get(name) ?? []), value.split(' ')[0]])
        if (topic === 'p' && values.get(name)?.length === 1) consumer.pause([{ topic, partition }])
      }
    })()
    await until(() => values.size === 16)
    await using producer = cluster.producer()
    for (const value of ['a', 'b']) await producer.send('q', { value })
    await until(() => values.get('q-0')?.length === 2)
    // What was given up is fetched again, and nothing is skipped or doubled.
    consumer.resume()
    await until(() => [...values.values()].every(({ length }) => length === 8 || length === 2))
    await settle()
    values.delete('q-0')
    for (const seen of values.values()) expect(seen).toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
    await consumer.close()
    await reading
  })

  it('does not keep others from being read while their handlers hang', async () => {
    await using cluster = await openCluster()
    await filled(cluster, 8)
    const consumer = textConsumer(cluster, { topics: ['p', 'q'], fetchMaxBytes: 1 * mebibyte, maxPartitionFetchBytes: 400_000 })
    const begun = new Set<number>()
    const read: string[] = []
    const end = new AbortController()
    const running = consumer.run({
      concurrency: 20,
      signal: end.signal,
      eachRecord: async ({ topic, partition, value }, { signal }) => {
        if (topic === 'q') return void read.push(value)
        begun.add(partition)
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      }
    })
    await until(() => begun.size === 8)
    await using producer = cluster.producer()
    for (const value of ['a', 'b', 'c']) {
      await producer.send('q', { value })
      await until(() => read.includes(value))
    }
    expect(read).toEqual(['a', 'b', 'c'])
    end.abort(new Error('Enough'))
    await expect(running).rejects.toThrow('Enough')
  })

  it('does not keep others from being read again and again, however long they were idle before', async () => {
    await using cluster = await openCluster()
    await filled(cluster, 8)
    const consumer = textConsumer(cluster, { topics: ['p', 'q'], fetchMaxBytes: 1 * mebibyte, maxPartitionFetchBytes: 400_000 })
    const hanging = new Set<number>()
    const read: string[] = []
    const running = consumer.run({
      concurrency: 20,
      eachRecord: async ({ topic, partition, value }, { signal }) => {
        if (topic === 'q') return void read.push(value)
        hanging.add(partition)
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      }
    })
    await until(() => hanging.size === 8)
    await using producer = cluster.producer()
    for (const value of ['a', 'b', 'c', 'd']) {
      // Long enough for a fetch that waits for records, since the reader has nothing else to do.
      await new Promise(resolve => setTimeout(resolve, 30))
      await producer.send('q', { value })
      await until(() => read.includes(value))
    }
    expect(read).toEqual(['a', 'b', 'c', 'd'])
    await consumer.close()
    await running
  })

  it('does not keep one that becomes free from going on at once', async () => {
    await using cluster = await openCluster()
    await filled(cluster, 1)
    const consumer = textConsumer(cluster, { topics: ['p', 'q'], maxPartitionFetchBytes: 1, fetchMaxWaitMs: 60_000 })
    let count = 0
    let goOn = () => {}
    const running = consumer.run({
      concurrency: 2,
      eachRecord: async () => {
        count++
        await new Promise<void>(resolve => (goOn = resolve))
      }
    })
    for (let expected = 1; expected <= 8; expected++) {
      await until(() => count === expected)
      // So long that a request waits for `q`, which would hold up the next record of `p`.
      await new Promise(resolve => setTimeout(resolve, 10))
      goOn()
    }
    await consumer.close()
    await running
  })
})
