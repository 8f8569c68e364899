import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ClusterClient } from '../../src/cluster-client.js'
import { textBytes } from '../../src/common/bytes.js'
import { randomInteger, seededRandom } from '../../src/common/random.js'
import { Cluster, ConflictError, json, KafkaError, nullable, type Producer, string, topic } from '../../src/index.js'
import { ConditionalAppend } from '../../src/protocol/messages/conditional-append.js'
import { InterceptedBroker } from '../../src/testing/index.js'
import { connect, listen } from '../../src/wire/index.js'
import { DelayedStorage } from '../storage/delayed-storage.js'

const accounts = topic('accounts', { key: string, value: json<{ readonly balance: number }>(), partitions: 3, keyIndex: true })

/** The records of a topic as `key=value`, in each partition in order. */
async function contents(cluster: ClusterClient, name: string): Promise<string[]> {
  const admin = cluster.admin()
  const ends = await admin.listOffsets([name], 'latest')
  const starts = await admin.listOffsets([name], 'earliest')
  const expected = ends.reduce((sum, { offset }, i) => sum + offset - starts[i].offset, 0)
  const consumer = cluster.consumer({ topics: [name], autoOffsetReset: 'earliest' })
  const found: string[] = []
  if (expected > 0)
    for await (const { key, value } of consumer) {
      found.push(`${new TextDecoder().decode(key ?? new Uint8Array())}=${new TextDecoder().decode(value ?? new Uint8Array())}`)
      if (found.length === expected) break
    }
  await consumer.close()
  await admin.close()
  return found
}

async function conflictOf(sending: Promise<unknown>): Promise<ConflictError> {
  const error = await sending.then(
    () => undefined,
    error => error
  )
  expect(error).toBeInstanceOf(ConflictError)
  expect(error.code).toBe('CONFLICT')
  return error
}

describe.each(['in process', 'over the wire'] as const)('sending on a condition, %s', where => {
  let node: Cluster
  let cluster: ClusterClient
  let producer: Producer
  let close: () => Promise<void>

  beforeEach(async () => {
    node = await Cluster.open()
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
    producer = cluster.producer()
  })
  afterEach(() => close())

  it('writes a record where its key is as the writer read it, and says what is there where it is not', async () => {
    const first = await producer.send(accounts, { key: 'ann', value: { balance: 1 } }, { ifKeyAt: 'none' })
    expect(first).toMatchObject({ topic: 'accounts', offset: 0 })
    const second = await producer.send(accounts, { key: 'ann', value: { balance: 2 } }, { ifKeyAt: first.offset })
    const conflict = await conflictOf(producer.send(accounts, { key: 'ann', value: { balance: 9 } }, { ifKeyAt: first.offset }))
    expect(conflict).toMatchObject({ topic: 'accounts', partition: first.partition, lastOffset: second.offset, endOffset: 2 })
    expect((await conflictOf(producer.send(accounts, { key: 'ann', value: { balance: 9 } }, { ifKeyAt: 'none' }))).lastOffset).toBe(1)
    const unknown = await conflictOf(producer.send(accounts, { key: 'bob', value: { balance: 9 } }, { ifKeyAt: 7 }))
    expect(unknown.lastOffset).toBe('none')
    expect(await contents(cluster, 'accounts')).toEqual(['ann={"balance":1}', 'ann={"balance":2}'])
  })

  it('tells the last offsets of keys, by which a writer can go on', async () => {
    for (const key of ['a', 'b', 'a']) await producer.send(accounts, { key, value: { balance: 0 } })
    const admin = cluster.admin()
    const found = await admin.lastOffsets(accounts, ['a', 'b', 'c'])
    expect(found.map(({ key }) => key)).toEqual(['a', 'b', 'c'])
    expect(found[2].lastOffset).toBe('none')
    for (const { key, lastOffset } of found) await producer.send(accounts, { key, value: { balance: 1 } }, { ifKeyAt: lastOffset })
    await admin.close()
  })

  it('writes all records of a sendBatch as one batch, or none', async () => {
    const events = [1, 2, 3].map(balance => ({ key: 'ann', value: { balance } }))
    const { ranges } = await producer.sendBatch(accounts, events, { ifKeyAt: 'none' })
    expect(ranges).toMatchObject([{ baseOffset: 0, count: 3 }])
    expect((await conflictOf(producer.sendBatch(accounts, events, { ifKeyAt: 1 }))).lastOffset).toBe(2)
    await producer.sendBatch(accounts, events, { ifKeyAt: 2 })
    expect(await contents(cluster, 'accounts')).toHaveLength(6)
  })

  it('decides on several keys together', async () => {
    const moves = topic('moves', { key: string, value: string, keyIndex: true })
    await producer.send(moves, { key: 'a', value: '1' })
    await producer.send(moves, { key: 'b', value: '1' })
    const move = [
      { key: 'a', value: '0' },
      { key: 'b', value: '2' }
    ]
    const error = await conflictOf(
      producer.sendBatch(moves, move, {
        ifKeysAt: new Map<string, number | 'none'>([
          ['a', 0],
          ['b', 0],
          ['c', 'none']
        ])
      })
    )
    expect(error.keys).toEqual([{ key: textBytes('b'), lastOffset: 1 }])
    await producer.sendBatch(moves, move, {
      ifKeysAt: [
        ['a', 0],
        ['b', 1],
        ['c', 'none']
      ]
    })
    expect(await contents(cluster, 'moves')).toEqual(['a=1', 'b=1', 'a=0', 'b=2'])
  })

  it('writes a record where the partition still ends where the writer saw it end', async () => {
    await producer.send('journal', { value: 'a' }, { ifEndAt: 0 })
    const sent = await Promise.allSettled(['b', 'c'].map(value => producer.send('journal', { value }, { ifEndAt: 1 })))
    expect(sent.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect((await conflictOf(producer.send('journal', { value: 'd' }, { ifEndAt: 1 }))).endOffset).toBe(2)
    expect(await contents(cluster, 'journal')).toEqual(['=a', '=b'])
  })

  it('takes a deleted key for one that has no record', async () => {
    const names = topic('names', { key: string, value: nullable(string), keyIndex: true })
    const { offset } = await producer.send(names, { key: 'a', value: 'x' }, { ifKeyAt: 'none' })
    await producer.send(names, { key: 'a', value: null }, { ifKeyAt: offset })
    await producer.send(names, { key: 'a', value: 'y' }, { ifKeyAt: 'none' })
    expect((await conflictOf(producer.send(names, { key: 'a', value: 'z' }, { ifKeyAt: 'none' }))).lastOffset).toBe(2)
  })

  it('takes a key for new whose records were deleted', async () => {
    const names = topic('names', { key: string, keyIndex: true })
    for (const value of ['x', 'y']) await producer.send(names, { key: 'a', value })
    const admin = cluster.admin()
    await admin.deleteRecords([{ topic: 'names', partition: 0, before: 2 }])
    expect(await admin.lastOffsets(names, ['a'])).toMatchObject([{ lastOffset: 'none' }])
    await producer.send(names, { key: 'a', value: 'z' }, { ifKeyAt: 'none' })
    await admin.close()
  })

  it('lets none of many writers overwrite what it has not read', async () => {
    const random = seededRandom(3)
    const keys = ['a', 'b', 'c', 'd']
    const admin = cluster.admin()
    const written = new Map(keys.map(key => [key, 0]))
    const values = new Map<string, number>()
    const write = async () => {
      const writer = cluster.producer()
      for (let i = 0; i < 15; i++) {
        const key = keys[randomInteger(random, keys.length)]
        const [{ lastOffset }] = await admin.lastOffsets(accounts, [key])
        const read = lastOffset === 'none' ? 0 : values.get(`${key}@${lastOffset}`)
        if (read === undefined) continue
        try {
          const { offset } = await writer.send(accounts, { key, value: { balance: read + 1 } }, { ifKeyAt: lastOffset })
          values.set(`${key}@${offset}`, read + 1)
          written.set(key, (written.get(key) as number) + 1)
        } catch (error) {
          if (!(error instanceof ConflictError)) throw error
        }
      }
      await writer.close()
    }
    await producer.send(accounts, { key: 'other', value: { balance: 0 } })
    await Promise.all(Array.from({ length: 5 }, write))
    for (const key of keys) {
      const [{ lastOffset }] = await admin.lastOffsets(accounts, [key])
      expect(lastOffset === 'none' ? 0 : values.get(`${key}@${lastOffset}`)).toBe(written.get(key))
    }
    await admin.close()
  })

  it('refuses a topic that keeps no index of keys', async () => {
    await producer.send('plain', { key: 'a', value: 'x' })
    await expect(producer.send('plain', { key: 'a', value: 'y' }, { ifKeyAt: 0 })).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
    const admin = cluster.admin()
    await expect(admin.lastOffsets('plain', ['a'])).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
    await admin.alterConfigs({ topic: 'plain' }, { 'millrace.key.index': true })
    expect(await admin.lastOffsets('plain', ['a'])).toMatchObject([{ lastOffset: 0 }])
    await producer.send('plain', { key: 'a', value: 'y' }, { ifKeyAt: 0 })
    await admin.close()
  })

  it('refuses what no partition can decide', async () => {
    await producer.send(accounts, { key: 'a', value: { balance: 0 } })
    const elsewhere = ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].map(key => ({ key, value: { balance: 0 } }))
    await expect(producer.sendBatch(accounts, elsewhere, { ifEndAt: 0 })).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
    await expect(producer.sendBatch(accounts, elsewhere, { ifKeyAt: 0 })).rejects.toThrowError(/same key/)
    await expect(producer.send(accounts, { value: { balance: 0 } }, { ifKeyAt: 0 })).rejects.toThrowError(/to have a key/)
    await expect(producer.sendBatch(accounts, [], { ifEndAt: 0 })).rejects.toThrowError(/at least one record/)
    await expect(producer.send(accounts, { key: 'a', value: { balance: 0 } }, { ifKeyAt: -1 })).rejects.toThrowError(/ifKeyAt/)
  })

  it('ends with its producer while it looks for a topic, with a signal as without', async () => {
    const closing = cluster.producer({ allowAutoTopicCreation: false })
    const record = { key: 'a', value: { balance: 0 } }
    const limits = [{}, { signal: new AbortController().signal }]
    const sent = limits.map(limit => closing.send(accounts, record, { ifEndAt: 0, ...limit }).catch(error => error.code))
    await closing.close({ timeoutMs: 0 })
    expect(await Promise.all(sent)).toEqual(['CLOSED', 'CLOSED'])
  })

  it('checks the answer of a partitioner as other sends do', async () => {
    const record = { key: 'a', value: { balance: 0 } }
    await producer.send(accounts, record)
    for (const answer of [() => 3, () => Promise.reject(new Error('late')) as never]) {
      const choosing = cluster.producer({ partitioner: answer })
      await expect(choosing.send(accounts, record, { ifEndAt: 0 })).rejects.toThrowError(
        /Expected the partitioner to choose a partition of `accounts` from 0 to 2, got/
      )
    }
  })
})

describe('a conditional send whose answer is lost', () => {
  it('does not conflict with itself when it is tried again', async () => {
    let waist!: InterceptedBroker
    const cluster = await Cluster.open({ intercept: brokers => (waist = new InterceptedBroker(brokers)) })
    const producer = cluster.producer({ retryBackoffMs: 1, requestTimeoutMs: 100 })
    const lossy = waist
    const first = await producer.send(accounts, { key: 'a', value: { balance: 1 } }, { ifKeyAt: 'none' })
    lossy.on(ConditionalAppend).once().loseResponse()
    const second = await producer.send(accounts, { key: 'a', value: { balance: 2 } }, { ifKeyAt: first.offset })
    expect(second.offset).toBe(first.offset + 1)
    expect(await contents(cluster, 'accounts')).toHaveLength(2)
    await cluster.close()
  })
})

describe('conditional sends that travel together', () => {
  it('fail each for itself', async () => {
    await using cluster = await Cluster.open()
    const producer = cluster.producer()
    const items = topic('items', { key: string, value: string, keyIndex: true })
    await producer.send(items, { key: 'k3', value: 'taken' })
    const sent = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => producer.send(items, { key: `k${i}`, value: `${i}` }, { ifKeyAt: 'none' }))
    )
    expect(sent.map(({ status }) => status === 'fulfilled')).toEqual([true, true, true, false, true, true, true, true])
    // The second write of a key in one stretch finds the first.
    const twice = await Promise.allSettled(['x', 'y'].map(value => producer.send(items, { key: 'k9', value }, { ifKeyAt: 'none' })))
    expect(twice.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    const bad = await Promise.allSettled([
      producer.send(items, { key: 'l1', value: 'x' }, { ifKeyAt: 'none' }),
      producer.send(items, { key: 'l2', value: 'x', timestamp: Date.now() + 86_400_000 }, { ifKeyAt: 'none' }),
      producer.send(items, { key: 'l3', value: 'x' }, { ifKeyAt: 'none' })
    ])
    expect(bad.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })

  it('are held, and decided when there is room, where readers are behind', async () => {
    await using cluster = await Cluster.open()
    const held = topic('held', { key: string, value: string, keyIndex: true, backlog: { limitBytes: 2000 } })
    const producer = cluster.producer()
    const consumer = cluster.consumer({ topics: [held], autoOffsetReset: 'earliest' })
    await consumer.start()
    await producer.send(held, { key: 'a', value: 'x'.repeat(1900) })
    const sending = producer.send(held, { key: 'a', value: 'y'.repeat(1900) }, { ifKeyAt: 0 })
    const sendingToo = cluster.producer().send(held, { key: 'a', value: 'z'.repeat(1900) }, { ifKeyAt: 0 })
    const reading = (async () => {
      for await (const record of consumer) void record
    })()
    const settled = await Promise.allSettled([sending, sendingToo])
    expect(settled.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    await consumer.close()
    await reading
  })
})

describe('the door to a partition', () => {
  it('is closed to all but the waist', async () => {
    await using cluster = await Cluster.open()
    await cluster.producer().send('orders', { value: 'a' })
    const [partition] = cluster.topic('orders').partitions
    expect('append' in partition).toBe(false)
    expect(() => partition.log.append(new Uint8Array(61))).toThrowError(KafkaError)
  })
})

it('a slow storage that fails loses no update and makes up no conflict', async () => {
  const storage = new DelayedStorage()
  const cluster = await Cluster.open({ storage })
  const producers = [cluster.producer({ retryBackoffMs: 1 }), cluster.producer({ retryBackoffMs: 1 })]
  const items = topic('items', { key: string, value: string, keyIndex: true })
  await producers[0].send(items, { key: 'a', value: '0' })
  let last = 0
  for (let round = 0; round < 20; round++) {
    const sent = await Promise.allSettled(
      producers.map(producer => producer.send(items, { key: 'a', value: `${round}` }, { ifKeyAt: last }))
    )
    const taken = sent.flatMap(each => (each.status === 'fulfilled' ? [each.value.offset] : []))
    expect(taken).toHaveLength(1)
    last = taken[0]
  }
  await cluster.close()
})
