import { expect, it } from 'vitest'
import { Fetch } from '../../../src/protocol/messages/fetch.js'
import type { Stage } from './broker-contract.js'
import { batch, batchesOf, fetchRequest, withError } from './waist-client.js'
import { fresh } from './world.js'

export function fetchCases(stage: Stage): void {
  /** A topic with one partition that holds three batches of three records. */
  const filled = async () => {
    const name = fresh('filled')
    await stage.client.createTopic(name)
    for (const batchName of ['a', 'b', 'c']) {
      await stage.client.produce(name, 0, batch([0, 1, 2].map(i => `${batchName}${i}`)))
    }
    return name
  }

  it('returns whole batches, from the one that contains the offset', async () => {
    const name = await filled()
    const read = async (offset: number) => (await stage.client.fetch(name, [0], { offset }))[0]
    expect((await read(0)).values).toEqual(['a0', 'a1', 'a2', 'b0', 'b1', 'b2', 'c0', 'c1', 'c2'])
    for (const offset of [3, 4, 5]) expect((await read(offset)).values).toEqual(['b0', 'b1', 'b2', 'c0', 'c1', 'c2'])
    expect(await read(8)).toMatchObject({
      error: 'NONE',
      highWatermark: 9,
      lastStableOffset: 9,
      logStartOffset: 0,
      values: ['c0', 'c1', 'c2']
    })
  })

  it('returns nothing at the end of the log, and refuses what lies outside of it', async () => {
    const name = await filled()
    const read = async (offset: number) => (await stage.client.fetch(name, [0], { offset }))[0]
    expect(await read(9)).toMatchObject({ error: 'NONE', highWatermark: 9, values: [] })
    expect(await read(10)).toMatchObject({ error: 'OFFSET_OUT_OF_RANGE', values: [] })
    expect(await read(-1)).toMatchObject({ error: 'OFFSET_OUT_OF_RANGE', values: [] })
  })

  it('refuses partitions that are not there, and serves the others', async () => {
    const { client } = stage
    const name = await filled()
    const missing = fresh('missing')
    const { responses } = await client.node.request(Fetch, {
      maxWaitMs: 0,
      minBytes: 1,
      topics: [
        {
          topic: name,
          partitions: [
            { partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 },
            { partition: 5, fetchOffset: 0, partitionMaxBytes: 1_000_000 }
          ]
        },
        { topic: missing, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }] }
      ]
    })
    const answers = responses.flatMap(({ topic, partitions }) =>
      partitions.map(answer => [topic, answer.partitionIndex, withError(answer).error, batchesOf(answer.records).length])
    )
    expect(answers).toHaveLength(3)
    expect(answers).toEqual(
      expect.arrayContaining([
        [name, 0, 'NONE', 3],
        [name, 5, 'UNKNOWN_TOPIC_OR_PARTITION', 0],
        [missing, 0, 'UNKNOWN_TOPIC_OR_PARTITION', 0]
      ])
    )
  })

  it('returns all that fits its limits, of large batches after small ones too', async () => {
    const name = fresh('growing')
    await stage.client.createTopic(name)
    const values = ['first', ...Array.from({ length: 40 }, (_, number) => `${number}`.padEnd(200 * (number + 1)))]
    for (const value of values) await stage.client.produce(name, 0, batch([value]))
    for (const offset of [0, 1, 7, 20]) {
      expect((await stage.client.fetch(name, [0], { offset }))[0].values).toEqual(values.slice(offset))
    }
  })

  it('keeps to the limit of a partition, but for the first batch, which comes whole', async () => {
    const name = await filled()
    const { length } = batch(['a0', 'a1', 'a2'])
    const read = async (partitionMaxBytes: number) => (await stage.client.fetch(name, [0], { partitionMaxBytes }))[0].values
    expect(await read(1)).toEqual(['a0', 'a1', 'a2'])
    expect(await read(length)).toEqual(['a0', 'a1', 'a2'])
    expect(await read(2 * length - 1)).toEqual(['a0', 'a1', 'a2'])
    expect(await read(2 * length)).toEqual(['a0', 'a1', 'a2', 'b0', 'b1', 'b2'])
  })

  it('keeps to the limit of the answer over all partitions, in the order of the request', async () => {
    const { client } = stage
    const name = fresh('limited')
    await client.createTopic(name, 3)
    for (const partition of [0, 1, 2]) await client.produce(name, partition, batch([`p${partition}`]))
    const { length } = batch(['p0'])
    const read = async (maxBytes: number, partitions: number[]) => {
      return (await client.fetch(name, partitions, { maxBytes })).map(({ values }) => values.join())
    }
    expect(await read(1, [1, 0, 2])).toEqual(['p1', '', ''])
    expect(await read(2 * length, [2, 1, 0])).toEqual(['p2', 'p1', ''])
    expect(await read(3 * length, [0, 1, 2])).toEqual(['p0', 'p1', 'p2'])
  })

  it('waits at the end of the log, and answers when something is appended', async () => {
    const name = await filled()
    const waiting = stage.client.fetch(name, [0], { offset: 9, maxWaitMs: 25_000 })
    // A question that is answered after the fetch was sent does not wait behind it.
    expect(await stage.client.listOffset(name, 0, -1)).toMatchObject({ offset: 9 })
    await stage.client.produce(name, 0, batch(['d']))
    expect((await waiting)[0]).toMatchObject({ error: 'NONE', values: ['d'], highWatermark: 10 })
  })

  it('waits until there is as much as was asked for', async () => {
    const { client } = stage
    const name = fresh('awaited')
    await client.createTopic(name, 2)
    const { length } = batch(['a'])
    let answered = false
    const waiting = client.fetch(name, [0, 1], { minBytes: 3 * length, maxWaitMs: 25_000 }).then(answer => {
      answered = true
      return answer
    })
    await client.produce(name, 0, batch(['a']))
    await client.produce(name, 1, batch(['b']))
    await client.listOffset(name, 0, -1)
    expect(answered).toBe(false)
    await client.produce(name, 0, batch(['c']))
    expect((await waiting).map(({ values }) => values)).toEqual([['a', 'c'], ['b']])
  })

  it('answers when its time is over with what there is', async () => {
    const name = await filled()
    expect((await stage.client.fetch(name, [0], { offset: 9, maxWaitMs: 20 }))[0]).toMatchObject({ error: 'NONE', values: [] })
    const [{ values }] = await stage.client.fetch(name, [0], { offset: 6, maxWaitMs: 20, minBytes: 1_000_000 })
    expect(values).toEqual(['c0', 'c1', 'c2'])
  })

  it('answers at once when nothing is asked for', async () => {
    expect((await stage.client.node.request(Fetch, { maxWaitMs: 25_000, minBytes: 1, topics: [] })).responses).toEqual([])
    const name = await filled()
    expect((await stage.client.fetch(name, [0], { offset: 9, maxWaitMs: 25_000, minBytes: 0 }))[0].values).toEqual([])
  })

  it('refuses a leader epoch that is yet to come', async () => {
    const name = await filled()
    expect((await stage.client.fetch(name, [0], { currentLeaderEpoch: 99 }))[0]).toMatchObject({ error: 'UNKNOWN_LEADER_EPOCH' })
    expect((await stage.client.fetch(name, [0], { currentLeaderEpoch: 0 }))[0]).toMatchObject({ error: 'NONE' })
  })

  it('reads what is committed where there are no transactions', async () => {
    const name = await filled()
    const [answer] = await stage.client.fetch(name, [0], { isolationLevel: 1, offset: 6 })
    expect(answer).toMatchObject({ error: 'NONE', lastStableOffset: 9, values: ['c0', 'c1', 'c2'] })
    expect(answer.abortedTransactions ?? []).toEqual([])
  })

  it('creates no fetch session that was not asked for', async () => {
    const name = await filled()
    expect((await stage.client.node.request(Fetch, fetchRequest(name, [0]))).sessionId).toBe(0)
  })
}
