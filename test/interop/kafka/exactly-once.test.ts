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

  async function send(topic: string, values: readonly string[]): Promise<void> {
    await using producer = cluster.producer()
    await producer.sendBatch(
      topic,
      values.map(value => ({ value }))
    )
  }

  async function committed(topic: string, count: number): Promise<string[]> {
    await using consumer = cluster.consumer({
      topics: [topic],
      autoOffsetReset: 'earliest',
      isolationLevel: 'read_committed',
      value: string
    })
    await send(topic, ['end'])
    const values: string[] = []
    for await (const { value } of consumer) {
      if (value === 'end') break
      values.push(value)
      if (values.length > count) break
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
    expect(await cluster.admin().listGroupOffsets('g')).toMatchObject([{ topic: 'in', offset: 2 }])
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
    expect(await committed('out', 3)).toEqual(['A', 'B', 'C'])
    expect(await cluster.admin().listGroupOffsets('g')).toMatchObject([{ topic: 'in', offset: 3 }])
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
    expect(await committed('lost-out', 0)).toEqual([])
  })
})
