import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cluster, type Producer } from '../../src/index.js'
import { connect, listen } from '../../src/wire/index.js'

let cluster: Cluster
let producer: Producer

beforeEach(async () => {
  cluster = await Cluster.open({ configs: { 'transaction.state.log.num.partitions': 2 } })
  producer = cluster.producer({ transactionalId: 't' })
})

afterEach(async () => {
  await producer.close()
  await cluster.close()
})

/** The records that a reader of committed ones finds up to the end of the topic. */
async function committed(topic: string): Promise<string[]> {
  const partitions = cluster.topics.get(topic)?.partitions ?? []
  const consumer = cluster.consumer({ topics: [topic], isolationLevel: 'read_committed', autoOffsetReset: 'earliest' })
  const ends = new Map(partitions.map(({ partition, lastStableOffset }) => [partition, lastStableOffset]))
  const values: string[] = []
  if ([...ends.values()].some(end => end > 0)) {
    const marker = cluster.producer()
    await marker.send(topic, { value: 'end' })
    await marker.close()
    for await (const { value } of consumer) {
      if (String(Buffer.from(value ?? [])) === 'end') break
      values.push(String(Buffer.from(value ?? [])))
    }
  }
  await consumer.close()
  return values
}

const code = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    error => error.code ?? error
  )

describe('a transaction of a producer', () => {
  it('is committed when its function returns, and aborted when it throws', async () => {
    const sum = await producer.transaction(async transaction => {
      await transaction.send('orders', { value: 'a' })
      await transaction.sendBatch('orders', [{ value: 'b' }, { value: 'c' }])
      return 3
    })
    expect(sum).toBe(3)
    const thrown = new Error('no')
    const failing = producer.transaction(async transaction => {
      await transaction.send('orders', { value: 'D' })
      throw thrown
    })
    await expect(failing).rejects.toBe(thrown)
    await producer.transaction(async transaction => void transaction.send('orders', { value: 'e' }))
    await producer.transaction(() => {})
    expect(await committed('orders')).toEqual(['a', 'b', 'c', 'e'])
  })

  it('spans topics and partitions, and many go one after the other', async () => {
    await cluster.admin().createTopics([{ name: 'many', partitions: 3 }])
    for (let i = 0; i < 20; i++) {
      const transaction = await producer.begin()
      for (let partition = 0; partition < 3; partition++) await transaction.send('many', { value: `${i}`, partition })
      await transaction.send('other', { value: `${i}` })
      await (i % 2 === 0 ? transaction.commit() : transaction.abort())
    }
    expect(await committed('other')).toEqual(Array.from({ length: 10 }, (_, i) => `${2 * i}`))
    for (const { log } of cluster.topics.get('many')!.partitions) expect(log.logEndOffset).toBe(40)
  })

  it('is aborted where a record failed, whether anybody waited for that or not', async () => {
    const transaction = await producer.begin()
    await transaction.send('orders', { value: 'A' })
    transaction.send('orders', { value: 'x'.repeat(2_000_000) }).catch(() => {})
    expect(await code(transaction.commit())).toBe('MESSAGE_TOO_LARGE')
    await producer.transaction(next => next.send('orders', { value: 'b' }))
    expect(await committed('orders')).toEqual(['b'])
  })

  it('takes nothing more once it has ended, and there is one at a time', async () => {
    const transaction = await producer.begin()
    expect(await code(producer.begin())).toBe('INVALID_TXN_STATE')
    expect(await code(producer.send('orders', { value: 'a' }))).toBe('INVALID_TXN_STATE')
    await transaction.send('orders', { value: 'a' })
    await transaction.commit()
    const next = await producer.begin()
    for (const call of [
      transaction.send('orders', { value: 'b' }),
      transaction.sendBatch('orders', []),
      transaction.commit(),
      transaction.abort()
    ])
      expect(await code(call)).toBe('INVALID_TXN_STATE')
    await next.abort()
    expect(await committed('orders')).toEqual(['a'])
  })

  it('is aborted by the next producer with its name, which fences it for good', async () => {
    const transaction = await producer.begin()
    await transaction.send('orders', { value: 'A' })
    const other = cluster.producer({ transactionalId: 't' })
    await other.transaction(next => next.send('orders', { value: 'b' }))
    expect(await code(transaction.send('orders', { value: 'C' }))).toBe('INVALID_PRODUCER_EPOCH')
    expect(await code(transaction.commit())).toBe('PRODUCER_FENCED')
    expect(await code(producer.begin())).toBe('PRODUCER_FENCED')
    await other.close()
    expect(await committed('orders')).toEqual(['b'])
  })

  it('is aborted when its producer is closed', async () => {
    const transaction = await producer.begin()
    await transaction.send('orders', { value: 'A' })
    await producer.close()
    expect(cluster.topics.get('orders')!.partitions[0].lastStableOffset).toBe(2)
    expect(await committed('orders')).toEqual([])
  })

  it('runs over the wire as well', async () => {
    const listener = await listen(cluster, { port: 0 })
    const remote = await connect({ brokers: [`127.0.0.1:${listener.port}`] })
    const far = remote.producer({ transactionalId: 'far' })
    await far.transaction(transaction => transaction.send('orders', { value: 'a' }))
    await far.transaction(transaction => transaction.send('orders', { value: 'b' }))
    await far.close()
    await remote.close()
    await listener.close()
    expect(await committed('orders')).toEqual(['a', 'b'])
  })

  it('takes a name, and numbered batches', async () => {
    const plain = cluster.producer()
    await expect(plain.begin()).rejects.toThrow('`transactionalId`')
    await plain.close()
    expect(() => cluster.producer({ transactionalId: '' })).toThrow('`transactionalId`')
    expect(() => cluster.producer({ transactionalId: 't', enableIdempotence: false })).toThrow('`transactionalId`')
    expect(() => cluster.producer({ transactionalId: 't', transactionTimeoutMs: 0 })).toThrow('`transactionTimeoutMs`')
    await expect(producer.transaction('work' as never)).rejects.toThrow('`work`')
    const long = cluster.producer({ transactionalId: 'l', transactionTimeoutMs: 900_001 })
    expect(await code(long.begin())).toBe('INVALID_TRANSACTION_TIMEOUT')
    await long.close()
  })
})
