import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Cluster } from '../../../src/cluster.js'
import { type RejectedRecord, RejectedRecordError } from '../../../src/consumer/rejection.js'
import { json, string } from '../../../src/record/serde.js'
import { topic } from '../../../src/record/topic.js'
import { numbered, openCluster, send, settle, takeValues, textConsumer, until } from '../helpers.js'

let cluster: Cluster
beforeEach(async () => {
  cluster = await openCluster()
})
afterEach(() => cluster.close())

const first = { topic: 'orders', partition: 0 }
const groupOptions = { groupId: 'g', topics: ['orders'] }

async function committedOffset(): Promise<number | undefined> {
  await using consumer = textConsumer(cluster, { groupId: 'g' })
  return (await consumer.committed([first]))[0]?.offset
}

describe('what counts as handled', () => {
  it('is every record before the one in hand: a break leaves that one to the next loop', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    const consumer = textConsumer(cluster, groupOptions)
    for await (const { value } of consumer) if (value === 'v4') break
    expect(await committedOffset()).toBe(4)
    for await (const { value } of consumer) {
      expect(value).toBe('v4')
      break
    }
    await consumer.close()
    expect(await committedOffset()).toBe(4)
  })

  it('is never the record at which the body threw', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(cluster, groupOptions)
    const attempt = async () => {
      for await (const { value } of consumer) if (value === 'v4') throw new Error('cannot handle this')
    }
    await expect(attempt()).rejects.toThrow('cannot handle this')
    await expect(attempt()).rejects.toThrow('cannot handle this')
    expect(await committedOffset()).toBe(4)
  })

  it('is the record in hand too, when the user commits', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(cluster, groupOptions)
    for await (const { value } of consumer) if (value === 'v4') break
    await consumer.commit()
    expect(await committedOffset()).toBe(5)
    expect(await takeValues(consumer, 5)).toEqual(numbered('v', 5, 5))
  })

  it('is what the user commits by its offset: leaving the loop does not take it back', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(cluster, groupOptions)
    for await (const { offset, value } of consumer) {
      if (value !== 'v4') continue
      await consumer.commit([{ ...first, offset: offset + 1 }])
      break
    }
    expect(await committedOffset()).toBe(5)
    expect(await takeValues(consumer, 5)).toEqual(numbered('v', 5, 5))
  })

  it('is a batch as a whole', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(cluster, { ...groupOptions, maxPollRecords: 4 })
    let batches = 0
    for await (const _ of consumer.batches()) if (++batches === 2) break
    expect(await committedOffset()).toBe(4)
  })

  it('is for the user to say without autoCommit', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    const consumer = textConsumer(cluster, { ...groupOptions, autoCommit: false })
    let seen = 0
    for await (const _ of consumer) if (++seen === 5) break
    expect(await committedOffset()).toBeUndefined()
    await consumer.commit([{ ...first, offset: 3, metadata: 'a note' }])
    expect(await consumer.committed()).toEqual([{ ...first, offset: 3, leaderEpoch: -1, metadata: 'a note' }])
    await consumer.close()
    expect(await committedOffset()).toBe(3)
  })

  it('is committed at close, for a loop that waits', async () => {
    await send(cluster, 'orders', numbered('v', 3), 0)
    const consumer = textConsumer(cluster, groupOptions)
    let seen = 0
    const loop = (async () => {
      for await (const _ of consumer) seen++
    })()
    await until(() => seen === 3)
    await settle()
    await consumer.close()
    await loop
    expect(await committedOffset()).toBe(3)
  })
})

describe('a record that cannot be decoded', () => {
  const orders = topic('orders', { key: string, value: json<{ total: number }>() })
  const jsonConsumer = (options: object = {}) =>
    cluster.consumer({ groupId: 'g', topics: [orders], autoOffsetReset: 'earliest', ...options })

  beforeEach(async () => {
    await send(cluster, 'orders', ['{"total":0}', 'no json', '{"total":2}'], 0)
  })

  it('ends the loop with its place and bytes; it is met again until one seeks past it', async () => {
    await using consumer = jsonConsumer()
    const totals: number[] = []
    const attempt = async () => {
      for await (const { value } of consumer) {
        totals.push(value.total)
        if (value.total === 2) break
      }
    }
    for (let i = 0; i < 2; i++) {
      const error = await attempt().catch(reason => reason)
      expect(error).toBeInstanceOf(RejectedRecordError)
      expect(error).toMatchObject({ code: 'DESERIALIZATION', topic: 'orders', partition: 0, record: { offset: 1 } })
      expect(string.deserialize(error.record.value)).toBe('no json')
      expect(consumer.position(first)).toBe(1)
    }
    consumer.seek({ ...first, offset: 2 })
    await attempt()
    expect(totals).toEqual([0, 2])
  })

  it('is left out, and told, when the user chose to skip', async () => {
    await using consumer = jsonConsumer({ rejection: 'skip' })
    const rejected: RejectedRecord[] = []
    consumer.on('rejected', record => rejected.push(record))
    const totals: number[] = []
    for await (const { value } of consumer) {
      totals.push(value.total)
      if (value.total === 2) break
    }
    expect(totals).toEqual([0, 2])
    expect(rejected).toMatchObject([{ ...first, offset: 1 }])
  })

  it('is handed over, and only then passed', async () => {
    const events: string[] = []
    const rejection = async ({ offset }: RejectedRecord) => {
      await settle()
      events.push(`rejected ${offset}`)
    }
    await using consumer = jsonConsumer({ rejection })
    for await (const { offset } of consumer) {
      events.push(`handled ${offset}`)
      if (offset === 2) break
    }
    expect(events).toEqual(['handled 0', 'rejected 1', 'handled 2'])
  })

  it('stops the loop where it stands when the one who is handed it throws', async () => {
    const rejection = async () => {
      throw new Error('no room')
    }
    await using consumer = jsonConsumer({ rejection })
    const loop = consumer.records()
    await loop.next()
    await expect(loop.next()).rejects.toThrow('no room')
    expect(consumer.position(first)).toBe(1)
  })

  it.each(['skip', 'function'] as const)('is dealt with in batches too: %s', async choice => {
    const rejected: number[] = []
    const rejection = choice === 'skip' ? choice : async ({ offset }: RejectedRecord) => void rejected.push(offset)
    await using consumer = jsonConsumer({ rejection })
    for await (const batch of consumer.batches()) {
      expect(batch.recordCount).toBe(3)
      expect([...batch].map(({ value }) => value.total)).toEqual([0, 2])
      break
    }
    expect(rejected).toEqual(choice === 'skip' ? [] : [1])
  })

  it('throws where a batch is read, by default', async () => {
    await using consumer = jsonConsumer()
    const attempt = async () => {
      for await (const batch of consumer.batches()) for (const record of batch) void record
    }
    await expect(attempt()).rejects.toMatchObject({ code: 'DESERIALIZATION', record: { offset: 1 } })
    await using other = textConsumer(cluster, { groupId: 'g' })
    expect(await other.committed([first])).toMatchObject([{ offset: 0 }])
  })
})
