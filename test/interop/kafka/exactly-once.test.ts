import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ClusterClient } from '../../../src/cluster-client.js'
import { string } from '../../../src/record/serde.js'
import { connect } from '../../../src/wire/connect.js'
import { type KafkaBroker, missingKafka, startKafkaBroker } from './apache-kafka.js'

describe.skipIf(await missingKafka())('exactly once, on Apache Kafka 4.3', () => {
  let kafka: KafkaBroker
  let cluster: ClusterClient

  beforeAll(async () => {
    kafka = await startKafkaBroker()
    cluster = await connect({ brokers: [kafka.address] })
  }, 60_000)

  afterAll(async () => {
    await cluster?.close()
    await kafka?.[Symbol.asyncDispose]()
  })

  async function send(topic: string, values: readonly string[], partition?: number): Promise<void> {
    await using producer = cluster.producer()
    await producer.sendBatch(
      topic,
      values.map(value => ({ value, ...(partition !== undefined && { partition }) }))
    )
  }

  /** The records that a reader of committed ones finds. */
  async function committed(topic: string, partitions = 1): Promise<string[]> {
    await using consumer = cluster.consumer({
      topics: [topic],
      autoOffsetReset: 'earliest',
      isolationLevel: 'read_committed',
      value: string
    })
    for (let partition = 0; partition < partitions; partition++) await send(topic, ['end'], partition)
    const values: string[] = []
    let left = partitions
    for await (const { value } of consumer) {
      if (value !== 'end') values.push(value)
      else if (--left === 0) break
    }
    return values
  }

  it('commits offsets of a consumer with a transaction, and takes it back by an abort', async () => {
    await cluster.admin().createTopics([{ name: 'in' }, { name: 'out' }])
    await send('in', ['a', 'b', 'c'])
    const options = { groupId: 'g', topics: ['in'], autoCommit: false, autoOffsetReset: 'earliest', value: string } as const
    const consumer = cluster.consumer(options)
    const producer = cluster.producer({ transactionalId: 't' })
    const seen: string[] = []
    for await (const { value } of consumer) {
      seen.push(value)
      const moving = producer.transaction(async transaction => {
        await transaction.send('out', { value: value.toUpperCase() })
        await transaction.commitOffsets(consumer)
        if (seen.length === 2) throw new Error('no')
      })
      await moving.catch(() => {})
      if (seen.length === 3) break
    }
    expect(seen).toEqual(['a', 'b', 'b'])
    // Kafka answers before the offsets count.
    await expect.poll(() => cluster.admin().listGroupOffsets('g')).toMatchObject([{ topic: 'in', offset: 2 }])
    const open = await producer.begin()
    await open.send('out', { value: 'X' })
    await consumer.close()
    await expect(open.commitOffsets(consumer)).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(open.commit()).rejects.toMatchObject({ code: 'CLOSED' })
    const next = cluster.consumer(options)
    for await (const { value } of next) {
      expect(value).toBe('c')
      await producer.transaction(async transaction => {
        await transaction.send('out', { value: 'C' })
        await transaction.commitOffsets(next)
      })
      break
    }
    await next.close()
    await producer.close()
    expect(await committed('out')).toEqual(['A', 'B', 'C'])
    await expect.poll(() => cluster.admin().listGroupOffsets('g')).toMatchObject([{ topic: 'in', offset: 3 }])
  })

  it('refuses offsets of a member that another has taken the place of', async () => {
    await cluster.admin().createTopics([{ name: 'lost' }])
    await send('lost', ['a'])
    const options = { groupId: 'l', topics: ['lost'], autoCommit: false, autoOffsetReset: 'earliest', groupInstanceId: 'i' } as const
    const first = cluster.consumer(options)
    const producer = cluster.producer({ transactionalId: 'l' })
    for await (const _ of first) {
      const second = cluster.consumer(options)
      await second.start()
      const moving = producer.transaction(async transaction => {
        await transaction.send('lost-out', { value: 'X' })
        await transaction.commitOffsets(first)
      })
      await expect(moving).rejects.toMatchObject({ code: 'FENCED_INSTANCE_ID' })
      await second.close()
      break
    }
    await first.close({ timeoutMs: 1000 })
    await producer.close()
    expect(await committed('lost-out')).toEqual([])
  })

  it('moves records by a pipe that ends in the middle of transactions, and goes on under its name', async () => {
    await cluster.admin().createTopics([
      { name: 'from', partitions: 3 },
      { name: 'to', partitions: 3 }
    ])
    const values = Array.from({ length: 3000 }, (_, i) => `v${i}`)
    await send('from', values)
    let moved = 0
    for (let life = 0; moved < 3000; life++) {
      const connected = await connect({ brokers: [kafka.address] })
      const pipe = connected.pipe({
        from: 'from',
        to: 'to',
        groupId: 'mover',
        instanceId: 'a',
        concurrency: 2,
        maxTransactionRecords: 100,
        value: string,
        transform: async ({ value, offset }) => {
          if (life < 2 && offset % 100 === 50 + life) await new Promise(resolve => setTimeout(resolve, 20))
          return { value }
        }
      })
      const before = moved
      const enough = new Promise<void>(resolve =>
        pipe.on('committed', ({ records }) => {
          moved += records
          if (moved === 3000 || (life < 2 && moved > before + 400)) resolve()
        })
      )
      const running = pipe.run()
      await enough
      await pipe.close({ timeoutMs: life < 2 ? 0 : 10_000 })
      await running
      await connected.close()
      moved = (await cluster.admin().listGroupOffsets('mover')).reduce((sum, { offset }) => sum + offset, 0)
    }
    expect((await committed('to', 3)).sort()).toEqual(values.sort())
  }, 60_000)
})
