import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/common/random.js'
import {
  Cluster,
  type ClusterClient,
  ConflictError,
  json,
  nullable,
  type Producer,
  type ProducerOptions,
  string,
  topic
} from '../../src/index.js'
import { AddConditionsToTxn } from '../../src/protocol/messages/add-conditions-to-txn.js'
import { InterceptedBroker, SimulatedDisk } from '../../src/testing/index.js'
import { connect, listen } from '../../src/wire/index.js'
import { stateOf } from './workbench.js'

const accounts = topic('accounts', { key: string, value: json<number>(), partitions: 3, keyIndex: true })
const journal = topic('journal', { key: nullable(string), value: string, partitions: 1 })

/** The last value of each key, as readers of what is committed see it. */
async function balances(cluster: ClusterClient): Promise<Record<string, number>> {
  const admin = cluster.admin()
  const ends = await admin.listOffsets(['accounts'], 'latest')
  const consumer = cluster.consumer({ topics: [accounts], autoOffsetReset: 'earliest', isolationLevel: 'read_committed' })
  const found: Record<string, number> = {}
  // A last record shows that all before it has been read.
  const last = cluster.producer()
  const marks = await Promise.all(ends.map(({ partition }) => last.send(accounts, { key: `end-${partition}`, value: 0, partition })))
  let left = marks.length
  for await (const { key, value, partition, offset } of consumer) {
    if (marks[partition].offset === offset) left--
    else if (key !== null && !key.startsWith('end-')) found[key] = value
    if (left === 0) break
  }
  await consumer.close()
  await last.close()
  await admin.close()
  return found
}

async function conflictOf(sending: Promise<unknown>): Promise<ConflictError> {
  const error = await sending.then(
    () => undefined,
    error => error
  )
  expect(error).toBeInstanceOf(ConflictError)
  return error
}

describe.each(['in process', 'over the wire'] as const)('conditions in transactions, %s', where => {
  let node: Cluster
  let cluster: ClusterClient
  let close: () => Promise<void>
  let plain: Producer
  const producerOf = (transactionalId: string, options: ProducerOptions = {}) =>
    cluster.producer({ transactionalId, retryBackoffMs: 5, retryBackoffMaxMs: 20, ...options })

  beforeEach(async () => {
    node = await Cluster.open({
      configs: { 'transaction.state.log.num.partitions': 1, 'transaction.abort.timed.out.transaction.cleanup.interval.ms': 50 }
    })
    if (where === 'in process') {
      cluster = node
      close = () => node.close()
    } else {
      const listener = await listen(node)
      cluster = await connect({ brokers: [listener.address] })
      close = async () => {
        await cluster.close()
        await listener.close()
        await node.close()
      }
    }
    plain = cluster.producer({ retryBackoffMs: 5, retryBackoffMaxMs: 20 })
    for (const key of ['ann', 'bob', 'cat', 'dan']) await plain.send(accounts, { key, value: 10 })
  })
  afterEach(() => close())

  const lastOffsets = async (...keys: string[]) => {
    const admin = cluster.admin()
    const found = await admin.lastOffsets(accounts, keys)
    await admin.close()
    return found.map(({ lastOffset }) => lastOffset as number)
  }

  it('hold in all partitions, or nothing is written', async () => {
    const producer = producerOf('t')
    const [ann, bob] = await lastOffsets('ann', 'bob')
    await producer.transaction(async tx => {
      await tx.send(accounts, { key: 'ann', value: 5 }, { ifKeyAt: ann })
      await tx.send(accounts, { key: 'bob', value: 15 }, { ifKeyAt: bob })
    })
    const failed = producer.transaction(async tx => {
      await tx.send(accounts, { key: 'cat', value: 0 })
      await tx.send(accounts, { key: 'ann', value: 1 }, { ifKeyAt: ann })
    })
    const conflict = await conflictOf(failed)
    expect(conflict.lastOffset).toBe((await lastOffsets('ann'))[0])
    expect(conflict.topic).toBe('accounts')
    expect(await balances(cluster)).toEqual({ ann: 5, bob: 15, cat: 10, dan: 10 })
  })

  it('of one sendBatch may be on keys of several partitions', async () => {
    const producer = producerOf('t')
    const keys = ['ann', 'bob', 'cat', 'dan']
    const offsets = await lastOffsets(...keys)
    const records = keys.slice(0, 3).map(key => ({ key, value: 1 }))
    const pairs = keys.map((key, i) => [key, offsets[i]] as const)
    await producer.transaction(tx => tx.sendBatch(accounts, records, { ifKeysAt: pairs }))
    expect(await balances(cluster)).toEqual({ ann: 1, bob: 1, cat: 1, dan: 10 })
    const again = producer.transaction(tx => tx.sendBatch(accounts, records, { ifKeysAt: pairs }))
    expect((await conflictOf(again)).keys.length).toBeGreaterThan(0)
  })

  it('make commit fail where nobody awaited them', async () => {
    const producer = producerOf('t')
    const tx = await producer.begin()
    tx.send(accounts, { key: 'ann', value: 1 }, { ifKeyAt: 'none' }).catch(() => {})
    tx.send(accounts, { key: 'bob', value: 1 }).catch(() => {})
    await expect(tx.commit()).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await balances(cluster)).toMatchObject({ ann: 10, bob: 10 })
  })

  it('keep others from writing what they rely on, until the transaction ends', async () => {
    const [ann, bob] = await lastOffsets('ann', 'bob')
    const tx = await producerOf('t').begin()
    await tx.sendBatch(accounts, [{ key: 'ann', value: 1 }], {
      ifKeysAt: [
        ['ann', ann],
        ['bob', bob]
      ]
    })
    const blind = plain.send(accounts, { key: 'bob', value: 7 })
    const conditional = plain.send(accounts, { key: 'ann', value: 8 }, { ifKeyAt: ann })
    const free = plain.send(accounts, { key: 'dan', value: 9 }, { ifKeyAt: (await lastOffsets('dan'))[0] })
    await free
    expect(await stateOf(blind)).toBe('pending')
    expect(await stateOf(conditional)).toBe('pending')
    expect(await lastOffsets('ann')).toEqual([ann])
    await tx.commit()
    await blind
    await conflictOf(conditional)
    expect(await balances(cluster)).toEqual({ ann: 1, bob: 7, cat: 10, dan: 9 })
  })

  it('free what they reserved when the transaction is aborted, which then never was', async () => {
    const [ann] = await lastOffsets('ann')
    const tx = await producerOf('t').begin()
    await tx.send(accounts, { key: 'ann', value: 1 }, { ifKeyAt: ann })
    const waiting = plain.send(accounts, { key: 'ann', value: 2 }, { ifKeyAt: ann })
    await tx.abort()
    await waiting
    expect(await balances(cluster)).toMatchObject({ ann: 2 })
  })

  it('free what they reserved when the transaction takes too long, or another producer takes its id', async () => {
    const [ann, bob] = await lastOffsets('ann', 'bob')
    const slow = await producerOf('slow', { transactionTimeoutMs: 100 }).begin()
    await slow.send(accounts, { key: 'ann', value: 1 }, { ifKeyAt: ann })
    await plain.send(accounts, { key: 'ann', value: 2 }, { ifKeyAt: ann })
    await expect(slow.commit()).rejects.toMatchObject({ code: 'PRODUCER_FENCED' })
    const zombie = await producerOf('same').begin()
    await zombie.send(accounts, { key: 'bob', value: 1 }, { ifKeyAt: bob })
    const heir = await producerOf('same').begin()
    await heir.send(accounts, { key: 'bob', value: 2 }, { ifKeyAt: bob })
    await expect(zombie.send(accounts, { key: 'bob', value: 3 }, { ifKeyAt: bob })).rejects.toMatchObject({ code: 'PRODUCER_FENCED' })
    await heir.commit()
    expect(await balances(cluster)).toMatchObject({ ann: 2, bob: 2 })
  })

  it('let one of two transactions give up that would wait for each other, and the other go on', async () => {
    const [ann, bob] = await lastOffsets('ann', 'bob')
    const [first, second] = [await producerOf('first').begin(), await producerOf('second').begin()]
    await first.send(accounts, { key: 'ann', value: 1 }, { ifKeyAt: ann })
    await second.send(accounts, { key: 'bob', value: 2 }, { ifKeyAt: bob })
    const ends = [first, second].map(async (tx, i) => {
      try {
        await tx.send(accounts, { key: i === 0 ? 'bob' : 'ann', value: i + 1 }, { ifKeyAt: i === 0 ? bob : ann })
        await tx.commit()
        return 'committed'
      } catch (error) {
        await tx.abort()
        return (error as ConflictError).code
      }
    })
    expect((await Promise.all(ends)).sort()).toEqual(['CONFLICT', 'committed'])
  })

  it('let a transaction without conditions wait, or give up, as well', async () => {
    const [ann, bob] = await lastOffsets('ann', 'bob')
    const [first, second] = [await producerOf('first').begin(), await producerOf('second').begin()]
    await first.send(accounts, { key: 'ann', value: 1 }, { ifKeyAt: ann })
    const givesUp = second.send(accounts, { key: 'ann', value: 2 })
    await expect(givesUp).rejects.toMatchObject({ code: 'TRANSACTION_ABORTABLE' })
    await second.abort()
    await first.commit()
    const third = await producerOf('second').begin()
    await third.send(accounts, { key: 'bob', value: 2 }, { ifKeyAt: bob })
    const fourth = await producerOf('first').begin()
    const waits = fourth.send(accounts, { key: 'bob', value: 3 })
    expect(await stateOf(waits)).toBe('pending')
    await third.commit()
    await waits
    await fourth.commit()
    expect(await balances(cluster)).toMatchObject({ ann: 1, bob: 3 })
  })

  it('count what the transaction itself has written', async () => {
    const [ann] = await lastOffsets('ann')
    await producerOf('t').transaction(async tx => {
      const { offset } = await tx.send(accounts, { key: 'ann', value: 1 }, { ifKeyAt: ann })
      await tx.send(accounts, { key: 'ann', value: 2 }, { ifKeyAt: offset })
    })
    expect(await balances(cluster)).toMatchObject({ ann: 2 })
  })

  it('may be on the end of a partition', async () => {
    await plain.send(journal, { key: null, value: 'a' })
    const tx = await producerOf('t').begin()
    expect(await tx.send(journal, { key: null, value: 'b' }, { ifEndAt: 1 })).toMatchObject({ offset: 1 })
    const waiting = plain.send(journal, { key: null, value: 'c' })
    expect(await stateOf(waiting)).toBe('pending')
    await tx.send(journal, { key: null, value: 'd' }, { ifEndAt: 2 })
    await tx.commit()
    // The marker has an offset, too.
    expect(await waiting).toMatchObject({ offset: 4 })
    const late = await producerOf('t2').begin()
    expect((await conflictOf(late.send(journal, { key: null, value: 'e' }, { ifEndAt: 4 }))).endOffset).toBe(5)
    await late.abort()
  })

  it('take the record as it was at the call', async () => {
    const bytes = topic('bytes', { partitions: 2, keyIndex: true })
    const producer = producerOf('t')
    await producer.transaction(async tx => {
      const [key, value] = [new Uint8Array([1]), new Uint8Array([2])]
      const sent = tx.send(bytes, { key, value }, { ifKeyAt: 'none' })
      key[0] = 9
      value[0] = 9
      await sent
    })
    const admin = cluster.admin()
    expect((await admin.lastOffsets(bytes, [new Uint8Array([1]), new Uint8Array([9])])).map(({ lastOffset }) => lastOffset)).toEqual([
      0,
      'none'
    ])
    await admin.close()
  })

  it('are refused where no partition, or more than one, could decide them', async () => {
    const tx = await producerOf('t').begin()
    const everywhere = [0, 1].map(partition => ({ key: 'x', value: 0, partition }))
    await expect(tx.sendBatch(accounts, everywhere, { ifEndAt: 0 })).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
    await expect(tx.sendBatch(accounts, everywhere, { ifKeyAt: 0 })).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
    await expect(tx.sendBatch(accounts, [], { ifKeyAt: 0 })).rejects.toThrowError(/at least one record/)
    await expect(tx.send(accounts, { key: 'a', value: 0 }, { ifKeyAt: -1 })).rejects.toThrowError(/ifKeyAt/)
    await expect(tx.send(accounts, { key: 'a', value: 0, partition: 7 }, { ifEndAt: 0 })).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION'
    })
    await expect(tx.send(journal, { key: 'a', value: '' }, { ifKeyAt: 0 })).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
    await tx.abort()
    await expect(tx.send(accounts, { key: 'a', value: 0 }, { ifKeyAt: 0 })).rejects.toMatchObject({ code: 'INVALID_TXN_STATE' })
  })
})

describe('a transaction with conditions', () => {
  it('reserves once, whatever answers are lost', async () => {
    let waist!: InterceptedBroker
    const cluster = await Cluster.open({ intercept: brokers => (waist = new InterceptedBroker(brokers)) })
    const producer = cluster.producer({ transactionalId: 't', requestTimeoutMs: 100, retryBackoffMs: 1 })
    await producer.transaction(tx => tx.send(accounts, { key: 'a', value: 0 }))
    waist.on(AddConditionsToTxn).once().loseResponse()
    await producer.transaction(tx => tx.send(accounts, { key: 'a', value: 1 }, { ifKeyAt: 0 }))
    expect(waist.seen(AddConditionsToTxn)).toHaveLength(2)
    expect(await balances(cluster)).toEqual({ a: 1 })
    await cluster.close()
  })

  it('is refused by name where the cluster has no conditions', async () => {
    let waist!: InterceptedBroker
    const cluster = await Cluster.open({ intercept: brokers => (waist = new InterceptedBroker(brokers)) })
    const producer = cluster.producer({ transactionalId: 't' })
    await producer.transaction(tx => tx.send(accounts, { key: 'a', value: 0 }))
    waist.on(AddConditionsToTxn).fail('UNSUPPORTED_VERSION')
    await expect(producer.transaction(tx => tx.send(accounts, { key: 'a', value: 1 }, { ifKeyAt: 0 }))).rejects.toMatchObject({
      code: 'UNSUPPORTED_VERSION',
      message: expect.stringContaining('takes a cluster of millrace')
    })
    waist.reset()
    await producer.transaction(tx => tx.send(accounts, { key: 'a', value: 2 }, { ifKeyAt: 0 }))
    expect(await balances(cluster)).toEqual({ a: 2 })
    await cluster.close()
  })

  it('is aborted where its node ends before it, since what it reserved ends with the node', async () => {
    const disk = new SimulatedDisk({ random: seededRandom(1) })
    const node = await Cluster.open({ storage: disk.mount() })
    const listener = await listen(node)
    const remote = await connect({ brokers: [listener.address] })
    const producer = remote.producer({ transactionalId: 't' })
    await remote.producer().send(accounts, { key: 'a', value: 0 })
    const tx = await producer.begin()
    await tx.send(accounts, { key: 'a', value: 1 }, { ifKeyAt: 0 })
    const port = listener.port
    await listener.close()
    await node.close()
    const again = await Cluster.open({ storage: disk.mount() })
    const anew = await listen(again, { port })
    await again.producer().send(accounts, { key: 'a', value: 2 }, { ifKeyAt: 0 })
    await expect(tx.commit()).rejects.toMatchObject({ code: 'PRODUCER_FENCED' })
    expect(await balances(again)).toEqual({ a: 2 })
    await remote.close()
    await anew.close()
    await again.close()
  })

  it('ends with its producer while it waits for another', async () => {
    const cluster = await Cluster.open()
    const [holder, waiter] = [cluster.producer({ transactionalId: 'holder' }), cluster.producer({ transactionalId: 'waiter' })]
    await waiter.transaction(tx => tx.send(accounts, { key: 'a', value: 0 }))
    const held = await holder.begin()
    await held.send(accounts, { key: 'a', value: 1 }, { ifKeyAt: 0 })
    const tx = await waiter.begin()
    const waiting = tx.send(accounts, { key: 'a', value: 2 }, { ifKeyAt: 0 })
    expect(await stateOf(waiting)).toBe('pending')
    await Promise.all([waiter.close({ timeoutMs: 0 }), expect(waiting).rejects.toMatchObject({ code: 'CLOSED' })])
    await held.commit()
    await cluster.close()
  })
})
