import { describe, expect, it } from 'vitest'
import { appendToPartition } from '../../src/broker/partition.js'
import { transactionRecord } from '../../src/coordinator/transaction/transaction-records.js'
import { errorCodeOf } from '../../src/errors.js'
import type { Broker } from '../../src/protocol/broker.js'
import { AddPartitionsToTxn } from '../../src/protocol/messages/add-partitions-to-txn.js'
import { DeleteTopics } from '../../src/protocol/messages/delete-topics.js'
import { DescribeProducers } from '../../src/protocol/messages/describe-producers.js'
import { DescribeTransactions } from '../../src/protocol/messages/describe-transactions.js'
import { EndTxn } from '../../src/protocol/messages/end-txn.js'
import { ListTransactions } from '../../src/protocol/messages/list-transactions.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'
import { OffsetFetch } from '../../src/protocol/messages/offset-fetch.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { TxnOffsetCommit } from '../../src/protocol/messages/txn-offset-commit.js'
import { WriteTxnMarkers } from '../../src/protocol/messages/write-txn-markers.js'
import { controlTypeOf } from '../../src/record/control-record.js'
import { batchesIn, RecordBatch } from '../../src/record/record-batch.js'
import { MemoryStorage } from '../../src/storage/memory/memory.js'
import { createTopic, openNode } from './helpers.js'
import { TransactionalClient } from './transactional-client.js'

type Node = Awaited<ReturnType<typeof openNode>>['node']

const configs = { 'transaction.state.log.num.partitions': 3, 'offsets.topic.num.partitions': 3 }

async function openOrders(options: Parameters<typeof openNode>[0] = {}) {
  const opened = await openNode({ configs, ...options })
  if (!opened.node.topics.has('orders')) for (const topic of ['orders', 'payments']) await createTopic(opened.client, topic)
  return opened
}

/** What a partition holds: values, and markers with the epochs that they have. */
async function contentOf(node: Node, topic: string): Promise<string> {
  const bytes = await node.topics.get(topic)!.partitions[0].log.read(0, 100_000)
  const found = [...batchesIn(bytes)].flatMap(batch =>
    [...batch.records()].map(({ key, value }) =>
      batch.isControl ? `${controlTypeOf(key)}/${batch.producerEpoch}` : Buffer.from(value ?? []).toString()
    )
  )
  return found.join(' ')
}

/** As a client asks that speaks the first version of transactions. */
function asOld(node: Node): Pick<Broker, 'request'> {
  const [old, producing] = [3, 9].map(apiVersion => node.connect({ clientId: 'old', apiVersion }))
  return { request: (api, body, signal) => (api.key === Produce.key ? producing : old).request(api, body, signal) }
}

const stateOf = async (client: Broker, id: string) =>
  (await client.request(DescribeTransactions, { transactionalIds: [id] })).transactionStates[0]

async function committedOffset(client: Broker, groupId: string, requireStable = false): Promise<number | string> {
  const request = { groups: [{ groupId, topics: [{ name: 'orders', partitionIndexes: [0] }] }], requireStable }
  const { groups } = await client.request(OffsetFetch, request)
  const { committedOffset: offset, errorCode } = groups![0].topics[0].partitions[0]
  return errorCode === 0 ? offset : errorCodeOf(errorCode)
}

describe('a transaction', () => {
  it('is committed in all its partitions, which take part with their first batch, and gives its producer a new epoch', async () => {
    const { node, client } = await openOrders()
    const producer = await TransactionalClient.begun(client, 't')
    for (const [topic, value] of [
      ['orders', 'a'],
      ['payments', 'b'],
      ['orders', 'c']
    ])
      expect(await producer.send(topic, value)).toBe('NONE')
    expect(await stateOf(client, 't')).toMatchObject({ transactionState: 'Ongoing', topics: [{ topic: 'orders' }, { topic: 'payments' }] })
    expect(node.topics.get('orders')!.partitions[0].lastStableOffset).toBe(0)
    expect(await producer.end(true)).toBe('NONE')
    expect(producer.producerEpoch).toBe(1)
    expect([await contentOf(node, 'orders'), await contentOf(node, 'payments')]).toEqual(['a c COMMIT/1', 'b COMMIT/1'])
    expect(node.topics.get('orders')!.partitions[0].lastStableOffset).toBe(3)
    expect(await stateOf(client, 't')).toMatchObject({ transactionState: 'CompleteCommit', topics: [], producerEpoch: 1 })
    await producer.send('orders', 'd')
    await producer.end(false)
    expect(await contentOf(node, 'orders')).toBe('a c COMMIT/1 d ABORT/2')
  })

  it('of a client of the first version has to name its partitions, and keeps its epoch', async () => {
    const { node, client } = await openOrders()
    const producer = await TransactionalClient.begun(asOld(node), 't')
    expect(await producer.send('orders', 'a')).toBe('INVALID_TXN_STATE')
    expect(await producer.add('orders', 'nowhere')).toBe('OPERATION_NOT_ATTEMPTED')
    expect(await producer.add('orders')).toBe('NONE')
    expect(await producer.send('orders', 'a')).toBe('NONE')
    expect(await producer.send('payments', 'b')).toBe('INVALID_TXN_STATE')
    expect(await producer.end(true)).toBe('NONE')
    expect([await contentOf(node, 'orders'), producer.producerEpoch]).toEqual(['a COMMIT/0', 0])
    // Lost answers make it ask again.
    expect([await producer.end(true), await producer.end(false)]).toEqual(['NONE', 'INVALID_TXN_STATE'])
    expect((await stateOf(client, 't')).transactionState).toBe('CompleteCommit')
  })

  it('that ends once more gets the same answer, and no other', async () => {
    const { client, node } = await openOrders()
    const producer = await TransactionalClient.begun(client, 't')
    await producer.send('orders', 'a')
    const { producerId, producerEpoch } = producer
    const again = { transactionalId: 't', producerId, producerEpoch }
    await producer.end(true)
    expect(await client.request(EndTxn, { ...again, committed: true })).toMatchObject({ errorCode: 0, producerEpoch: 1 })
    expect(errorCodeOf((await client.request(EndTxn, { ...again, committed: false })).errorCode)).toBe('INVALID_TXN_STATE')
    const older = { ...again, producerEpoch: producerEpoch - 1, committed: true }
    expect(errorCodeOf((await client.request(EndTxn, older)).errorCode)).toBe('PRODUCER_FENCED')
    expect(await contentOf(node, 'orders')).toBe('a COMMIT/1')
  })

  it('without any partition may be aborted, and not committed', async () => {
    const { client } = await openOrders()
    const producer = await TransactionalClient.begun(client, 't')
    expect([await producer.end(true), await producer.end(false), producer.producerEpoch]).toEqual(['INVALID_TXN_STATE', 'NONE', 1])
  })

  it('goes on with another producer id where epochs are used up', async () => {
    const storage = new MemoryStorage()
    const before = await openOrders({ storage })
    const { producerId: first } = await TransactionalClient.begun(before.client, 't')
    const { partitions } = before.node.topics.get('__transaction_state')!
    const kept = {
      transactionalId: 't',
      producerId: first,
      previousProducerId: -1,
      nextProducerId: -1,
      timeoutMs: 1000,
      partitions: new Map()
    }
    const state = { ...kept, producerEpoch: 32_765, status: 'Empty', startTimestamp: -1, lastUpdateTimestamp: 0, clientVersion: 0 } as const
    const [written] = partitions.filter(({ logEndOffset }) => logEndOffset > 0)
    appendToPartition(written, RecordBatch.of([transactionRecord('t', state)]).bytes, 'coordinator')
    await before.node.close()
    const { client, node } = await openOrders({ storage })
    const producer = await TransactionalClient.begun(client, 't')
    expect(producer.producerEpoch).toBe(32_766)
    await producer.send('orders', 'a')
    expect(await producer.end(true)).toBe('NONE')
    expect([producer.producerId > first, producer.producerEpoch]).toEqual([true, 0])
    await producer.send('orders', 'b')
    await producer.end(true)
    expect(await contentOf(node, 'orders')).toBe('a COMMIT/32767 b COMMIT/1')
  })

  it('skips a topic that was deleted meanwhile', async () => {
    const { client, node } = await openOrders()
    const producer = await TransactionalClient.begun(client, 't')
    await producer.send('orders', 'a')
    await producer.send('payments', 'b')
    await client.request(DeleteTopics, { topicNames: ['payments'], timeoutMs: 1000 })
    expect([await producer.end(true), await contentOf(node, 'orders')]).toEqual(['NONE', 'a COMMIT/1'])
  })
})

describe('a producer that another has replaced', () => {
  it('is fenced everywhere, and its transaction aborted', async () => {
    const { client, node } = await openOrders()
    const zombie = await TransactionalClient.begun(client, 't')
    await zombie.send('orders', 'a')
    const producer = await TransactionalClient.begun(client, 't')
    expect(producer.producerEpoch).toBe(2)
    expect(await contentOf(node, 'orders')).toBe('a ABORT/1')
    expect(await zombie.send('orders', 'b')).toBe('INVALID_PRODUCER_EPOCH')
    expect(await zombie.send('payments', 'b')).toBe('INVALID_PRODUCER_EPOCH')
    expect(await zombie.commitOffset('g', 'orders', 1)).toBe('INVALID_PRODUCER_EPOCH')
    expect([await zombie.end(true), await zombie.end(false), await zombie.init(60_000, true)]).toEqual(Array(3).fill('PRODUCER_FENCED'))
    await producer.send('orders', 'c')
    expect([await producer.end(true), await contentOf(node, 'orders')]).toEqual(['NONE', 'a ABORT/1 c COMMIT/3'])
  })

  it('may go on with its own epoch when it asks for the next one', async () => {
    const { client } = await openOrders()
    const producer = await TransactionalClient.begun(client, 't')
    expect([await producer.init(60_000, true), producer.producerEpoch]).toEqual(['NONE', 1])
    const before = { ...producer, producerId: producer.producerId }
    expect([await producer.init(60_000, true), producer.producerEpoch, before.producerId]).toEqual(['NONE', 2, producer.producerId])
  })
})

describe('transactions that take too long', () => {
  it('are aborted, each after its own timeout', async () => {
    const { client, node, clock } = await openOrders()
    const [short, long] = [await TransactionalClient.begun(client, 's'), await TransactionalClient.begun(client, 'l')]
    await short.init(20_000)
    await short.send('orders', 'a')
    await long.send('payments', 'b')
    await clock.advance(19_000)
    expect(await contentOf(node, 'orders')).toBe('a')
    await clock.advance(11_000)
    expect([await contentOf(node, 'orders'), await contentOf(node, 'payments')]).toEqual(['a ABORT/2', 'b'])
    expect([await short.end(true), await long.end(true)]).toEqual(['PRODUCER_FENCED', 'NONE'])
  })

  it('cannot have a timeout beyond the largest that is allowed', async () => {
    const { client } = await openOrders()
    const producer = new TransactionalClient(client, 't')
    expect([await producer.init(900_001), await producer.init(0)]).toEqual(Array(2).fill('INVALID_TRANSACTION_TIMEOUT'))
  })
})

describe('a node that is opened again', () => {
  it('knows transactions that were under way, their producers and what was committed', async () => {
    const storage = new MemoryStorage()
    const { client, node } = await openOrders({ storage })
    const [ended, open] = [await TransactionalClient.begun(client, 'e'), await TransactionalClient.begun(client, 'o')]
    await ended.send('orders', 'a')
    await ended.end(true)
    await open.send('orders', 'b')
    await open.commitOffset('g', 'orders', 1)
    await node.close()
    const again = await openOrders({ storage })
    const producer = Object.assign(new TransactionalClient(again.client, 'o'), {
      producerId: open.producerId,
      producerEpoch: open.producerEpoch
    })
    expect(await committedOffset(again.client, 'g', true)).toBe('UNSTABLE_OFFSET_COMMIT')
    expect([await producer.end(true), await contentOf(again.node, 'orders')]).toEqual(['NONE', 'a COMMIT/1 b COMMIT/1'])
    expect(await committedOffset(again.client, 'g', true)).toBe(1)
  })

  it('forgets transactional ids that nobody uses', async () => {
    const { client, clock } = await openOrders({ configs: { ...configs, 'transactional.id.expiration.ms': 5_000_000 } })
    await TransactionalClient.begun(client, 't')
    await clock.advance(4_000_000)
    expect((await stateOf(client, 't')).transactionState).toBe('Empty')
    await clock.advance(7_200_000)
    expect(errorCodeOf((await stateOf(client, 't')).errorCode)).toBe('TRANSACTIONAL_ID_NOT_FOUND')
  })

  it('bounds how many there are', async () => {
    const { client } = await openOrders({ configs: { ...configs, 'millrace.max.transactional.ids': 1 } })
    await TransactionalClient.begun(client, 't')
    expect([await new TransactionalClient(client, 'u').init(), await new TransactionalClient(client, 't').init()]).toEqual([
      'POLICY_VIOLATION',
      'NONE'
    ])
  })
})

describe('offsets that are committed in a transaction', () => {
  it('answers for each entry of a commit, where a partition stands twice or does not exist', async () => {
    const { client } = await openOrders()
    const { producerId, producerEpoch } = await TransactionalClient.begun(client, 't')
    const entry = (partitionIndex: number, committedMetadata = '') => ({ partitionIndex, committedOffset: 5, committedMetadata })
    const topics = [
      { name: 'orders', partitions: [entry(0, 'm'.repeat(5000)), entry(9), entry(0)] },
      { name: 'absent', partitions: [entry(0)] }
    ]
    const answer = await client.request(TxnOffsetCommit, { transactionalId: 't', producerId, producerEpoch, groupId: 'g', topics })
    expect(answer.topics.map(({ partitions }) => partitions.map(({ errorCode }) => errorCodeOf(errorCode)))).toEqual([
      ['OFFSET_METADATA_TOO_LARGE', 'UNKNOWN_TOPIC_OR_PARTITION', 'NONE'],
      ['UNKNOWN_TOPIC_OR_PARTITION']
    ])
  })

  it('count once it is committed, and never if it is not', async () => {
    const { client } = await openOrders()
    const producer = await TransactionalClient.begun(client, 't')
    expect(await producer.commitOffset('g', 'orders', 5)).toBe('NONE')
    expect([await committedOffset(client, 'g'), await committedOffset(client, 'g', true)]).toEqual([-1, 'UNSTABLE_OFFSET_COMMIT'])
    await producer.end(true)
    expect([await committedOffset(client, 'g'), await committedOffset(client, 'g', true)]).toEqual([5, 5])
    await producer.commitOffset('g', 'orders', 9)
    await producer.end(false)
    expect(await committedOffset(client, 'g', true)).toBe(5)
  })

  it('give way to those that were committed later without one', async () => {
    const { client } = await openOrders()
    const producer = await TransactionalClient.begun(client, 't')
    await producer.commitOffset('g', 'orders', 5)
    const partitions = [{ partitionIndex: 0, committedOffset: 7, committedMetadata: '' }]
    await client.request(OffsetCommit, { groupId: 'g', memberId: '', topics: [{ name: 'orders', partitions }] })
    await producer.end(true)
    expect(await committedOffset(client, 'g')).toBe(7)
  })

  it('of a client of the first version take part by a request of their own', async () => {
    const { client, node } = await openOrders()
    const producer = await TransactionalClient.begun(asOld(node), 't')
    expect(await producer.commitOffset('g', 'orders', 5)).toBe('INVALID_TXN_STATE')
    expect([await producer.addOffsets('g'), await producer.commitOffset('g', 'orders', 5)]).toEqual(['NONE', 'NONE'])
    await producer.end(true)
    expect(await committedOffset(client, 'g')).toBe(5)
  })

  it('are refused from a member that the group does not have', async () => {
    const { client } = await openOrders()
    const producer = await TransactionalClient.begun(client, 't')
    const member = { memberId: 'm', generationId: 3 }
    expect(await producer.commitOffset('g', 'orders', 5, member)).toBe('ILLEGAL_GENERATION')
    await producer.commitOffset('g', 'orders', 5)
    await producer.end(true)
    expect(await producer.commitOffset('g', 'orders', 6, member)).toBe('UNKNOWN_MEMBER_ID')
    expect(await producer.commitOffset('', 'orders', 6)).toBe('INVALID_GROUP_ID')
    expect(await committedOffset(client, 'g')).toBe(5)
  })
})

describe('somebody who looks after transactions', () => {
  it('sees those that there are, and filters them', async () => {
    const { client, clock } = await openOrders()
    const [idle, busy] = [await TransactionalClient.begun(client, 'idle'), await TransactionalClient.begun(client, 'busy')]
    await busy.send('orders', 'a')
    await clock.advance(5000)
    const list = async (filter: object) =>
      (await client.request(ListTransactions, { stateFilters: [], producerIdFilters: [], ...filter })).transactionStates.map(
        ({ transactionalId, transactionState }) => `${transactionalId} ${transactionState}`
      )
    expect((await list({})).sort()).toEqual(['busy Ongoing', 'idle Empty'])
    expect(await list({ stateFilters: ['Ongoing', 'Odd'] })).toEqual(['busy Ongoing'])
    expect(await list({ producerIdFilters: [idle.producerId] })).toEqual(['idle Empty'])
    expect([await list({ durationFilter: 4000 }), await list({ durationFilter: 6000 })]).toEqual([['busy Ongoing'], []])
    expect(await list({ transactionalIdPattern: 'b.*|x' })).toEqual(['busy Ongoing'])
    const odd = await client.request(ListTransactions, { stateFilters: ['Odd'], producerIdFilters: [] })
    expect(odd.unknownStateFilters).toEqual(['Odd'])
    const bad = await client.request(ListTransactions, { stateFilters: [], producerIdFilters: [], transactionalIdPattern: '(a+)+' })
    expect(errorCodeOf(bad.errorCode)).toBe('INVALID_REGULAR_EXPRESSION')
    const { topics } = await client.request(DescribeProducers, { topics: [{ name: 'orders', partitionIndexes: [0] }] })
    expect(topics[0].partitions[0].activeProducers).toMatchObject([{ producerId: busy.producerId, currentTxnStartOffset: 0 }])
  })

  it('may end one by hand', async () => {
    const { client, node } = await openOrders()
    const producer = await TransactionalClient.begun(client, 't')
    await producer.send('orders', 'a')
    const marker = { producerId: producer.producerId, producerEpoch: 0, transactionResult: false, coordinatorEpoch: 0 }
    const write = async (topics: string[]) => {
      const named = topics.map(name => ({ name, partitionIndexes: [0] }))
      const { markers } = await client.request(WriteTxnMarkers, { markers: [{ ...marker, topics: named }] })
      return markers[0].topics.map(({ partitions }) => errorCodeOf(partitions[0].errorCode))
    }
    expect(await write(['orders', 'nowhere'])).toEqual(['NONE', 'UNKNOWN_TOPIC_OR_PARTITION'])
    expect(await contentOf(node, 'orders')).toBe('a ABORT/0')
  })

  it('asks in the form of brokers whether partitions take part', async () => {
    const { client } = await openOrders()
    const { producerId, producerEpoch } = await TransactionalClient.begun(client, 't')
    const ask = async (verifyOnly: boolean) => {
      const topics = [{ name: 'orders', partitions: [0] }]
      const transaction = { transactionalId: 't', producerId, producerEpoch, verifyOnly, topics }
      const { resultsByTransaction } = await client.request(AddPartitionsToTxn, { transactions: [transaction] })
      return errorCodeOf(resultsByTransaction![0].topicResults[0].resultsByPartition[0].partitionErrorCode)
    }
    expect([await ask(true), await ask(false), await ask(true)]).toEqual(['TRANSACTION_ABORTABLE', 'NONE', 'NONE'])
  })
})
