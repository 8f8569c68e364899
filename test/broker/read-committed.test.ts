import { describe, expect, it } from 'vitest'
import { endTransaction } from '../../src/broker/end-transaction.js'
import { nodeOf } from '../../src/broker/local-broker.js'
import { appendToPartition } from '../../src/broker/partition.js'
import type { Broker } from '../../src/protocol/broker.js'
import { ListOffsets } from '../../src/protocol/messages/list-offsets.js'
import { RecordBatch } from '../../src/record/record-batch.js'
import { batch, createTopic, fetch, isSettled, openNode, produce } from './helpers.js'

const readCommitted = { isolationLevel: 1 }

async function openOrders() {
  const opened = await openNode()
  await createTopic(opened.client, 'orders')
  return { ...opened, partition: opened.node.topics.get('orders')!.partitions[0] }
}

type Orders = Awaited<ReturnType<typeof openOrders>>

function write({ partition }: Orders, producerId: number, value: string, sequence = 0): number {
  const options = { producerId, producerEpoch: 0, baseSequence: sequence, transactional: true }
  const { bytes } = RecordBatch.of([{ value, timestamp: Date.UTC(2024, 0, 1) + 1 }], options)
  appendToPartition(partition, bytes, 'coordinator')
  return bytes.length
}

function end({ partition, node }: Orders, producerId: number, type: 'COMMIT' | 'ABORT', transactionVersion = 1, producerEpoch = 0): void {
  const marker = { type, producerId, producerEpoch, coordinatorEpoch: 2, timestamp: nodeOf(node).clock.now() } as const
  endTransaction(partition, marker, transactionVersion)
}

async function offsetOf(client: Broker, timestamp: number, isolationLevel: number): Promise<number | undefined> {
  const topics = [{ name: 'orders', partitions: [{ partitionIndex: 0, timestamp }] }]
  return (await client.request(ListOffsets, { replicaId: -1, isolationLevel, topics })).topics[0].partitions[0].offset
}

describe('a fetch of what is committed', () => {
  it('ends before the first transaction that is open, and lists those that were aborted', async () => {
    const orders = await openOrders()
    const { client } = orders
    await produce(client, 'orders', 0, batch('a'))
    write(orders, 5, 'B')
    await produce(client, 'orders', 0, batch('c'))
    expect(await fetch(client, 'orders', [0], readCommitted)).toMatchObject([{ values: ['a'], lastStableOffset: 1, highWatermark: 3 }])
    expect(await fetch(client, 'orders', [0])).toMatchObject([{ values: ['a', 'B', 'c'], lastStableOffset: 1, abortedTransactions: null }])
    end(orders, 5, 'ABORT')
    const [answer] = await fetch(client, 'orders', [0], readCommitted)
    expect(answer).toMatchObject({ lastStableOffset: 4, abortedTransactions: [{ producerId: 5, firstOffset: 1 }] })
  })

  it('waits until a transaction ends, whatever else is appended', async () => {
    const orders = await openOrders()
    const { client } = orders
    write(orders, 5, 'a')
    const waiting = fetch(client, 'orders', [0], { ...readCommitted, maxWaitMs: 10_000 })
    write(orders, 5, 'b', 1)
    await produce(client, 'orders', 0, batch('c'))
    write(orders, 6, 'd')
    expect(await isSettled(waiting)).toBe(false)
    end(orders, 6, 'COMMIT')
    expect(await isSettled(waiting)).toBe(false)
    end(orders, 5, 'COMMIT')
    expect((await waiting)[0].values.slice(0, 4)).toEqual(['a', 'b', 'c', 'd'])
  })

  it('gets what has become stable while a later transaction is still open', async () => {
    const orders = await openOrders()
    write(orders, 5, 'a')
    const waiting = fetch(orders.client, 'orders', [0], { ...readCommitted, maxWaitMs: 10_000 })
    write(orders, 6, 'b')
    end(orders, 5, 'COMMIT')
    expect((await waiting)[0].values).toEqual(['a'])
  })

  it('counts only stable bytes towards those that it waits for', async () => {
    const orders = await openOrders()
    const bytes = write(orders, 5, 'a')
    const wanted = 3 * bytes
    const waiting = fetch(orders.client, 'orders', [0], { ...readCommitted, maxWaitMs: 10_000, minBytes: wanted })
    for (let sequence = 1; sequence < 10; sequence++) write(orders, 5, 'b', sequence)
    expect(await isSettled(waiting)).toBe(false)
    end(orders, 5, 'COMMIT')
    expect(await isSettled(waiting)).toBe(true)
    const offset = orders.partition.logEndOffset
    const next = fetch(orders.client, 'orders', [0], { ...readCommitted, offset, maxWaitMs: 10_000, minBytes: wanted })
    write(orders, 5, 'c', 10)
    end(orders, 5, 'COMMIT')
    expect(await isSettled(next)).toBe(false)
    write(orders, 6, 'd')
    end(orders, 6, 'ABORT')
    expect(await isSettled(next)).toBe(true)
  })

  it('is answered with nothing when its time is over', async () => {
    const orders = await openOrders()
    write(orders, 5, 'a')
    const waiting = fetch(orders.client, 'orders', [0], { ...readCommitted, maxWaitMs: 100 })
    write(orders, 5, 'b', 1)
    orders.clock.advance(100)
    expect(await waiting).toMatchObject([{ error: 'NONE', values: [], lastStableOffset: 0 }])
  })
})

describe('the offsets that a reader of what is committed is told', () => {
  it('end with the last stable offset', async () => {
    const orders = await openOrders()
    const { client } = orders
    await produce(client, 'orders', 0, batch('a'))
    write(orders, 5, 'b')
    expect([await offsetOf(client, -1, 0), await offsetOf(client, -1, 1)]).toEqual([2, 1])
    const future = Date.UTC(2024, 0, 1) + 1
    expect([await offsetOf(client, future, 0), await offsetOf(client, future, 1)]).toEqual([1, -1])
    end(orders, 5, 'COMMIT')
    expect([await offsetOf(client, -1, 1), await offsetOf(client, future, 1)]).toEqual([3, 1])
  })
})

describe('the marker of a transaction', () => {
  it('is refused from a coordinator, or of a producer, that another has replaced', async () => {
    const orders = await openOrders()
    write(orders, 5, 'a')
    expect(() => end(orders, 5, 'COMMIT', 2)).toThrow(expect.objectContaining({ code: 'INVALID_PRODUCER_EPOCH' }))
    end(orders, 5, 'COMMIT', 2, 1)
    expect(() => end(orders, 5, 'COMMIT')).toThrow(expect.objectContaining({ code: 'INVALID_PRODUCER_EPOCH' }))
    const older = { type: 'ABORT', producerId: 5, producerEpoch: 1, coordinatorEpoch: 1, timestamp: 0 } as const
    expect(() => endTransaction(orders.partition, older, 1)).toThrow(expect.objectContaining({ code: 'TRANSACTION_COORDINATOR_FENCED' }))
    expect(orders.partition.lastStableOffset).toBe(2)
  })
})
