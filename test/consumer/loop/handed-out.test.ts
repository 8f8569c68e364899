import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Assignor } from '../../../src/assignor/assignor.js'
import { rangeAssignor } from '../../../src/assignor/range.js'
import { Cluster } from '../../../src/cluster.js'
import type { ClusterClient } from '../../../src/cluster-client.js'
import type { ConsumerRecord } from '../../../src/consumer/consumer-record.js'
import { type Serde, validated } from '../../../src/record/serde.js'
import { topic } from '../../../src/record/topic.js'
import { fileStorage } from '../../../src/storage/file/index.js'
import { memoryStorage } from '../../../src/storage/memory/memory.js'
import { connect } from '../../../src/wire/connect.js'
import { listen } from '../../../src/wire/listener.js'

const home = mkdtempSync(join(tmpdir(), 'millrace-handed-out-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))
let made = 0

/** Sends a value elsewhere, as `worker.postMessage(value, [value.buffer])` does. */
function transfer(bytes: Uint8Array): Uint8Array {
  return structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] })
}

/** The bytes of a value are its own: they begin its memory and end it. */
function expectOwn(bytes: Uint8Array | null): void {
  expect([bytes?.byteOffset, bytes?.buffer.byteLength]).toEqual([0, bytes?.length])
}

const records = [1, 20, 64, 65, 200, 4096, 4097, 100_000].map((size, i) => ({
  key: `key ${i}`.padEnd(i * 9 + 5, '.'),
  value: new Uint8Array(size).fill(i + 1),
  headers: { first: new Uint8Array(size).fill(i + 101), second: 'text', none: null }
}))

function expectAsSent(found: readonly ConsumerRecord<Uint8Array, Uint8Array>[], but: number = -1): void {
  expect(found).toHaveLength(records.length)
  for (const [i, { key, value, headers }] of found.entries()) {
    if (i === but) continue
    expect(Buffer.from(key).toString()).toBe(records[i].key)
    expect(Buffer.compare(value, records[i].value)).toBe(0)
    expect(headers.map(header => header.value && [...header.value.subarray(0, 4)])).toEqual([
      [...records[i].headers.first.subarray(0, 4)],
      [...Buffer.from('text')],
      null
    ])
  }
}

const places: Record<string, () => Promise<{ cluster: ClusterClient; close(): Promise<void> }>> = {
  async 'in memory'() {
    const cluster = await Cluster.open({ storage: memoryStorage() })
    return { cluster, close: () => cluster.close() }
  },
  async 'on disk'() {
    const cluster = await Cluster.open({ storage: fileStorage(join(home, `${made++}`)) })
    return { cluster, close: () => cluster.close() }
  },
  async 'over a socket'() {
    const here = await Cluster.open()
    const listener = await listen(here)
    const cluster = await connect({ brokers: [listener.address] })
    return {
      cluster,
      async close() {
        await cluster.close()
        await listener.close()
        await here.close()
      }
    }
  }
}

describe.each(Object.entries(places))('what a consumer hands out, %s', (_, open) => {
  async function scene(compression: 'none' | 'lz4' = 'none') {
    const { cluster, close } = await open()
    await cluster.admin().createTopics([{ name: 'orders', partitions: 1 }])
    const producer = cluster.producer({ compression })
    // Some in one batch, some in their own.
    await producer.sendBatch('orders', records.slice(0, 4))
    for (const record of records.slice(4)) await producer.send('orders', record)
    const read = async (each: (record: ConsumerRecord) => void = () => {}) => {
      const consumer = cluster.consumer({ topics: ['orders'], autoOffsetReset: 'earliest' })
      const found: ConsumerRecord[] = []
      for await (const record of consumer) {
        found.push(record)
        each(record)
        if (record.offset === records.length - 1) break
      }
      await consumer.close()
      return found
    }
    return { cluster, close, read }
  }

  it.each(['none', 'lz4'] as const)('is its receiver’s alone: each can be transferred and changed (compression %s)', async compression => {
    const { close, read } = await scene(compression)
    for (const i of [0, 3, 5, 7]) {
      const found = await read(record => {
        if (record.offset !== i) return
        const { key, value, headers } = record
        for (const bytes of [key, value, headers[0].value as Uint8Array]) {
          const before = bytes.slice()
          expect(Buffer.compare(transfer(bytes), before)).toBe(0)
          expect(bytes).toHaveLength(0)
        }
        headers[1].value?.fill(0)
      })
      expectAsSent(found, i)
    }
    const again = await read(({ key, value, headers }) => {
      for (const bytes of [key, value, headers[0].value, headers[1].value]) expectOwn(bytes)
    })
    expectAsSent(again)
    await close()
  })

  it('may be kept: it stays as it is when what it was read from is used again', async () => {
    const { cluster, close, read } = await scene()
    const found = await read()
    await cluster.admin().deleteTopics(['orders'])
    await cluster.admin().createTopics([{ name: 'others', partitions: 1 }])
    await cluster.producer().sendBatch(
      'others',
      Array.from({ length: 50 }, () => ({ value: new Uint8Array(10_000).fill(0xee) }))
    )
    expectAsSent(found)
    await close()
  })

  it('reaches a serde of the user in bytes that it may keep and transfer', async () => {
    const { cluster, close, read } = await scene()
    const kept: Uint8Array[] = []
    const keeping: Serde<Uint8Array> = {
      serialize: value => value,
      deserialize(bytes) {
        kept.push(bytes)
        return bytes.length === 200 ? transfer(bytes) : bytes
      }
    }
    const schema = {
      '~standard': { version: 1 as const, vendor: 'test', validate: (value: unknown) => ({ value: value as Uint8Array }) }
    }
    for (const value of [keeping, validated(keeping, schema), { ...keeping }]) {
      kept.length = 0
      const orders = topic('orders', { key: keeping, value, partitions: 1 })
      const consumer = cluster.consumer({ topics: [orders], autoOffsetReset: 'earliest' })
      const found: ConsumerRecord<Uint8Array, Uint8Array>[] = []
      for await (const record of consumer) {
        found.push(record as ConsumerRecord<Uint8Array, Uint8Array>)
        if (record.offset === records.length - 1) break
      }
      await consumer.close()
      expectAsSent(found)
      for (const bytes of kept) if (bytes.length > 0) expectOwn(bytes)
    }
    expectAsSent(await read())
    await close()
  })

  it('cannot be lost by who looks at lent bytes in place', async () => {
    const { cluster, close, read } = await scene()
    const consumer = cluster.consumer({ topics: ['orders'], autoOffsetReset: 'earliest' })
    let seen = 0
    for await (const batch of consumer.batches()) {
      for (const cursor = batch.cursor(); cursor.next(); seen++) {
        try {
          // Refused, or a copy: what else lies in that memory belongs to others.
          transfer(cursor.raw.bytes)
        } catch (error) {
          expect((error as Error).name).toBe('DataCloneError')
        }
        expect(Buffer.compare(cursor.value(), records[cursor.offset].value)).toBe(0)
      }
      if (seen === records.length) break
    }
    await consumer.close()
    expectAsSent(await read())
    await close()
  })
})

describe('an assignor of the user', () => {
  it('gets user data that it may change', async () => {
    await using cluster = await Cluster.open()
    await cluster.admin().createTopics([{ name: 'orders', partitions: 2 }])
    const seen: number[][] = []
    const spoiling: Assignor = {
      ...rangeAssignor,
      name: 'spoiling',
      userData: () => Uint8Array.of(1, 2, 3),
      assign(topics, members) {
        for (const { userData } of members) {
          seen.push([...(userData as Uint8Array)])
          userData?.fill(9)
          if (userData) transfer(userData)
        }
        return rangeAssignor.assign(topics, members)
      }
    }
    const consumers = [1, 2].map(() => cluster.consumer({ groupId: 'g', topics: ['orders'], assignors: [spoiling] }))
    for (const consumer of consumers) await consumer.start()
    await Promise.all(consumers.map(consumer => consumer.close()))
    expect(seen.length).toBeGreaterThan(1)
    for (const data of seen) expect(data).toEqual([1, 2, 3])
  })
})
