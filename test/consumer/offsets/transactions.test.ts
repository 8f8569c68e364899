import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Consumer } from '../../../src/consumer/consumer.js'
import type { ConsumerOptions } from '../../../src/consumer/consumer-options.js'
import type { TopicSelector } from '../../../src/consumer/source/subscription.js'
import { type Cluster, KafkaError, type Producer, type Transaction } from '../../../src/index.js'
import { EndTxn } from '../../../src/protocol/messages/end-txn.js'
import { TxnOffsetCommit } from '../../../src/protocol/messages/txn-offset-commit.js'
import { InterceptedBroker } from '../../../src/testing/intercepted-broker.js'
import { connect, listen } from '../../../src/wire/index.js'
import { byNumber, committedValues, groupOffset, numbered, openCluster, send, textConsumer, until } from '../helpers.js'

type TextConsumer = Consumer<TopicSelector, string, string>

let cluster: Cluster
let intercepted: InterceptedBroker[]
let producer: Producer
let consumer: TextConsumer

beforeEach(async () => {
  intercepted = []
  cluster = await openCluster({
    configs: { 'transaction.state.log.num.partitions': 1, 'offsets.topic.num.partitions': 1 },
    intercept: brokers => {
      const broker = new InterceptedBroker(brokers.any())
      intercepted.push(broker)
      return broker
    }
  })
  producer = cluster.producer({ transactionalId: 't' })
  consumer = member()
})

afterEach(async () => {
  await consumer.close()
  await producer.close()
  await cluster.close()
})

function member(options: ConsumerOptions<TopicSelector, string, string> = {}): TextConsumer {
  return textConsumer(cluster, { groupId: 'g', topics: ['in'], autoCommit: false, ...options })
}

async function committed(): Promise<string[]> {
  return byNumber(await committedValues(cluster, 'out'))
}

const code = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    error => error.code ?? error
  )

describe('offsets of a consumer in a transaction', () => {
  it('count with what was sent in it, once it is committed', async () => {
    await send(cluster, 'in', numbered('v', 20), 0)
    let read = 0
    for await (const batch of consumer.batches()) {
      const values = Array.from(batch, ({ value }) => value)
      const transaction = await producer.begin()
      await transaction.sendBatch(
        'out',
        values.map(value => ({ value, partition: 0 }))
      )
      await transaction.commitOffsets(consumer)
      expect(await groupOffset(cluster)).toBe(read)
      read += values.length
      await transaction.commit()
      expect(await groupOffset(cluster)).toBe(read)
      expect(await consumer.committed([{ topic: 'in', partition: 0 }])).toMatchObject([{ topic: 'in', partition: 0, offset: read }])
      if (read === 20) break
    }
    expect(await committed()).toEqual(numbered('v', 20))
    await send(cluster, 'in', ['v20'], 0)
    for await (const { value } of consumer) {
      expect(value).toBe('v20')
      break
    }
  })

  it('are given up with it, and the loop goes back to the last committed ones', async () => {
    await send(cluster, 'in', numbered('v', 10), 0)
    const seen: string[] = []
    let transaction: Transaction | undefined
    for await (const { value } of consumer) {
      transaction ??= await producer.begin()
      seen.push(value)
      await transaction.send('out', { value, partition: 0 })
      // After four records, and again after six more.
      if (seen.length === 4 || seen.length === 10) {
        await transaction.commitOffsets(consumer)
        await transaction.commit()
        transaction = undefined
      } else if (seen.length === 8) {
        await transaction.commitOffsets(consumer)
        await transaction.abort()
        transaction = undefined
      } else if (seen.length === 14) break
    }
    expect(seen).toEqual([...numbered('v', 8), ...numbered('v', 6, 4).slice(0, 2), ...numbered('v', 4, 6)])
    await transaction?.commitOffsets(consumer)
    await transaction?.commit()
    expect(await groupOffset(cluster)).toBe(10)
    expect(await committed()).toEqual(numbered('v', 10))
  })

  it('go back by every abort of a producer that has committed them before', async () => {
    await send(cluster, 'in', numbered('v', 6), 0)
    const seen: string[] = []
    for await (const { value } of consumer) {
      seen.push(value)
      const work = async (transaction: Transaction) => {
        await transaction.send('out', { value, partition: 0 })
        if (seen.length === 3) throw new Error('no')
        await transaction.commitOffsets(consumer)
      }
      await producer.transaction(work).catch(() => {})
      if (value === 'v5') break
    }
    expect(seen).toEqual(['v0', 'v1', 'v2', 'v2', 'v3', 'v4', 'v5'])
    expect(await committed()).toEqual(numbered('v', 6))
  })

  it('come again where a loop was left, too', async () => {
    await send(cluster, 'in', numbered('v', 5), 0)
    const transaction = await producer.begin()
    let count = 0
    for await (const { value } of consumer) {
      await transaction.send('out', { value, partition: 0 })
      await transaction.commitOffsets(consumer)
      if (++count === 3) break
    }
    await transaction.abort()
    const seen: string[] = []
    for await (const { value } of consumer) {
      seen.push(value)
      if (seen.length === 5) break
    }
    expect(seen).toEqual(numbered('v', 5))
    expect(await committed()).toEqual([])
  })

  it('are those of the batch that a handler of run names, and what is tried again in place is read once', async () => {
    await send(cluster, 'in', numbered('v', 30))
    const failed = new Set<string>()
    const producers = [producer, cluster.producer({ transactionalId: 'u' }), cluster.producer({ transactionalId: 'w' })]
    let moved = 0
    const running = consumer.run({
      concurrency: 3,
      retry: { attempts: 5, backoffMs: 1 },
      async eachBatch(batch) {
        await producers[batch.partition].transaction(async transaction => {
          await transaction.commitOffsets(consumer, [batch])
          await transaction.sendBatch(
            'out',
            Array.from(batch, ({ value }) => ({ value, key: value }))
          )
          const name = `${batch.partition}/${batch.baseOffset}`
          if (failed.has(name)) return
          failed.add(name)
          throw new Error('once')
        })
        moved += batch.recordCount
      }
    })
    await until(() => moved === 30)
    await send(cluster, 'in', ['v30'])
    await until(() => moved === 31)
    await consumer.close()
    await running
    expect(moved).toBe(31)
    expect(await groupOffset(cluster)).toBe(31)
    expect(await committed()).toEqual(numbered('v', 31))
    for (const each of producers) await each.close()
  })

  it('are refused of a member that has lost the partition, and the transaction is aborted', async () => {
    await send(cluster, 'in', numbered('v', 3), 0)
    const slow = member({ rebalanceTimeoutMs: 50, heartbeatIntervalMs: 10 })
    const taken: string[] = []
    for await (const batch of slow.batches()) {
      taken.push(...Array.from(batch, ({ value }) => value))
      const transaction = await producer.begin()
      await transaction.sendBatch('out', [{ value: 'v0' }])
      // The group does not wait for this member for longer than that.
      const other = member({ rebalanceTimeoutMs: 50 })
      for await (const each of other.batches()) {
        expect(each.recordCount).toBe(taken.length)
        break
      }
      expect(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID']).toContain(await code(transaction.commitOffsets(slow)))
      expect(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID']).toContain(await code(transaction.commit()))
      await other.close()
      break
    }
    await slow.close()
    expect(await committed()).toEqual([])
    expect(await groupOffset(cluster)).toBe(0)
    // The producer goes on.
    await producer.transaction(transaction => transaction.send('out', { value: 'v1' }))
    expect(await committed()).toEqual(['v1'])
  })

  it('are refused of a static member whose name another has taken', async () => {
    await send(cluster, 'in', ['v0'], 0)
    const first = member({ groupInstanceId: 'i' })
    for await (const _ of first) {
      const transaction = await producer.begin()
      const second = member({ groupInstanceId: 'i' })
      await second.start()
      expect(await code(transaction.commitOffsets(first))).toBe('FENCED_INSTANCE_ID')
      expect(await code(transaction.commit())).toBe('FENCED_INSTANCE_ID')
      await second.close()
      break
    }
    await first.close()
  })

  it('are refused where records were handed out and their partition was given to another before they were committed', async () => {
    await send(cluster, 'in', numbered('v', 3), 0)
    const loop = consumer.records()
    const transaction = await producer.begin()
    for (let i = 0; i < 3; i++) await transaction.send('out', { value: (await loop.next()).value!.value })
    const other = member()
    let isShared = false
    consumer.on('rebalanced', () => (isShared = true))
    const joining = other.start()
    const following = loop.next()
    await joining
    await until(() => isShared)
    // The member that has the partition now reads from the start again.
    expect(await code(transaction.commitOffsets(consumer))).toBe('ILLEGAL_GENERATION')
    expect(await code(transaction.commit())).toBe('ILLEGAL_GENERATION')
    await other.close()
    const seen = [(await following).value!.value]
    while (seen.at(-1) !== 'v2') seen.push((await loop.next()).value!.value)
    // The first may have come before the abort.
    if (seen.length === 4) expect(seen.shift()).toBe('v0')
    expect(seen).toEqual(numbered('v', 3))
    await producer.transaction(async next => {
      await next.sendBatch(
        'out',
        seen.map(value => ({ value, partition: 0 }))
      )
      await next.commitOffsets(consumer)
    })
    await loop.return()
    expect(await committed()).toEqual(numbered('v', 3))
  })

  it('are looked up where it is not known how the transaction ended', async () => {
    await send(cluster, 'in', numbered('v', 6), 0)
    const ends: (() => boolean)[] = []
    for (const broker of intercepted) {
      broker.on(EndTxn).do(async (request, forward) => {
        const lose = ends.shift()
        if (lose === undefined) return forward(request)
        if (lose()) await forward(request)
        throw new KafkaError('UNKNOWN_SERVER_ERROR')
      })
    }
    // The first end reaches the coordinator, and the second does not.
    ends.push(
      () => true,
      () => false
    )
    const seen: string[] = []
    const codes: unknown[] = []
    for await (const batch of consumer.batches()) {
      seen.push(...Array.from(batch, ({ value }) => value))
      const transaction = await producer.begin()
      await transaction.sendBatch(
        'out',
        Array.from(batch, ({ value }) => ({ value, partition: 0 }))
      )
      await transaction.commitOffsets(consumer)
      codes.push(await code(transaction.commit()))
      if (codes.length === 1) await send(cluster, 'in', numbered('v', 2, 6), 0)
      if (codes.length === 3) break
    }
    expect(codes).toEqual(['UNKNOWN_SERVER_ERROR', 'UNKNOWN_SERVER_ERROR', undefined])
    expect(seen).toEqual([...numbered('v', 6), ...numbered('v', 2, 6), ...numbered('v', 2, 6)])
    expect(await committed()).toEqual(numbered('v', 8))
  })

  it('are waited for by the end, and make it an abort where they fail, whether anybody waits for them or not', async () => {
    await send(cluster, 'in', numbered('v', 2), 0)
    let refusals = 1
    for (const broker of intercepted) {
      broker.on(TxnOffsetCommit).do(async (request, forward) => {
        await new Promise(resolve => setImmediate(resolve))
        if (refusals-- > 0) throw new KafkaError('GROUP_AUTHORIZATION_FAILED')
        return forward(request)
      })
    }
    const codes: unknown[] = []
    for await (const batch of consumer.batches()) {
      const transaction = await producer.begin()
      for (const { value } of batch) transaction.send('out', { value, partition: 0 }).catch(() => {})
      transaction.commitOffsets(consumer).catch(() => {})
      codes.push(await code(transaction.commit()))
      if (codes.at(-1) === undefined) break
    }
    expect(codes).toEqual(['GROUP_AUTHORIZATION_FAILED', undefined])
    expect(await committed()).toEqual(numbered('v', 2))
    expect(await groupOffset(cluster)).toBe(2)
  })

  it('of a topic that was deleted abort the transaction', async () => {
    await send(cluster, 'in', ['v0'], 0)
    for await (const _ of consumer) {
      const transaction = await producer.begin()
      await transaction.send('out', { value: 'v0' })
      await cluster.admin().deleteTopics(['in'])
      expect(await code(transaction.commitOffsets(consumer, [{ topic: 'in', partition: 0, offset: 1 }]))).toMatch(
        /UNKNOWN_TOPIC_OR_PARTITION|ILLEGAL_GENERATION/
      )
      await expect(transaction.commit()).rejects.toBeInstanceOf(KafkaError)
      break
    }
    expect(await committed()).toEqual([])
  })

  it('are committed of partitions that were assigned by hand, and over the wire', async () => {
    await send(cluster, 'in', numbered('v', 3), 0)
    const listener = await listen(cluster, { port: 0 })
    const remote = await connect({ brokers: [`127.0.0.1:${listener.port}`] })
    const far = remote.producer({ transactionalId: 'far' })
    const reader = textConsumer(remote, { groupId: 'g', autoCommit: false })
    reader.assign([{ topic: 'in', partition: 0 }])
    const seen: string[] = []
    for await (const { value } of reader) {
      seen.push(value)
      await far
        .transaction(async transaction => {
          await transaction.send('out', { value, partition: 0 })
          await transaction.commitOffsets(reader)
          if (seen.length === 2) throw new Error('no')
        })
        .catch(() => {})
      if (value === 'v2') break
    }
    expect(seen).toEqual(['v0', 'v1', 'v1', 'v2'])
    expect(await groupOffset(cluster)).toBe(3)
    expect(await committed()).toEqual(numbered('v', 3))
    await remote.close()
    await listener.close()
  })

  it('belong to a consumer with a group and without automatic commits', async () => {
    const plain = textConsumer(cluster, { topics: ['in'] })
    const automatic = textConsumer(cluster, { topics: ['in'], groupId: 'g' })
    const transaction = await producer.begin()
    await expect(transaction.commitOffsets(plain)).rejects.toThrow('`groupId`')
    await expect(transaction.commitOffsets(automatic)).rejects.toThrow('`autoCommit: false`')
    await expect(transaction.commitOffsets({} as never)).rejects.toThrow('`consumer`')
    await expect(transaction.commitOffsets(consumer, [{ topic: 'in', partition: 0, offset: -1 }])).rejects.toThrow('`offset`')
    await expect(transaction.commitOffsets(consumer, [{ topic: 'in', partition: 0, endOffset: 1 }])).rejects.toThrow('`offsets`')
    await expect(transaction.commit()).rejects.toThrow('`groupId`')
    expect(await code(transaction.commitOffsets(consumer))).toBe('INVALID_TXN_STATE')
    await send(cluster, 'in', ['v0'], 0)
    const failure = consumer.run({
      eachRecord: () => producer.transaction(each => each.commitOffsets(consumer))
    })
    await expect(failure).rejects.toThrow('`offsets`')
    await plain.close()
    await automatic.close()
  })
})
