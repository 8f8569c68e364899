import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Cluster } from '../../../src/cluster.js'
import { json, string } from '../../../src/record/serde.js'
import { topic } from '../../../src/record/topic.js'
import { numbered, openCluster, send, settle, take, takeValues, textConsumer, until } from '../helpers.js'

let cluster: Cluster
beforeEach(async () => {
  cluster = await openCluster()
})
afterEach(() => cluster.close())

const first = { topic: 'orders', partition: 0 }
const groupOptions = { groupId: 'g', topics: ['orders'] }

describe('run', () => {
  it('handles every record, and resolves when the consumer is closed', async () => {
    await send(cluster, 'orders', numbered('v', 100))
    const consumer = textConsumer(cluster, groupOptions)
    const values: string[] = []
    const running = consumer.run({ eachRecord: ({ value }) => values.push(value) })
    await until(() => values.length === 100)
    await consumer.close()
    await running
    expect(values.sort()).toEqual(numbered('v', 100).sort())
  })

  it('ends only once what it handled is committed, also when a handler closes the consumer', async () => {
    await send(cluster, 'orders', numbered('v', 3), 0)
    const consumer = textConsumer(cluster, groupOptions)
    await consumer.run({
      eachRecord({ value }) {
        if (value === 'v2') void consumer.close()
      }
    })
    expect(await cluster.admin().listGroupOffsets('g')).toContainEqual(expect.objectContaining({ ...first, offset: 3 }))
  })

  it('works on as many partitions at once as it may, on one record of each', async () => {
    for (let partition = 0; partition < 3; partition++) await send(cluster, 'orders', numbered('v', 20), partition)
    const consumer = textConsumer(cluster, groupOptions)
    const inHand = new Set<number>()
    const offsets = [-1, -1, -1]
    let most = 0
    let count = 0
    const running = consumer.run({
      concurrency: 2,
      async eachRecord({ partition, offset }) {
        expect(inHand.has(partition)).toBe(false)
        expect(offset).toBe(++offsets[partition])
        inHand.add(partition)
        most = Math.max(most, inHand.size)
        await settle()
        inHand.delete(partition)
        count++
      }
    })
    await until(() => count === 60)
    await consumer.close()
    await running
    expect(most).toBe(2)
  })

  it('works on several keys of a partition at once, and keeps the order of each', async () => {
    await using producer = cluster.producer()
    const keys = ['a', 'b', 'c', 'd']
    await producer.sendBatch(
      'orders',
      numbered('', 200).map((value, index) => ({ key: keys[index % 4], value, partition: 0 }))
    )
    const consumer = textConsumer(cluster, groupOptions)
    const byKey = new Map<string, number[]>()
    let inHand = 0
    let most = 0
    let count = 0
    const running = consumer.run({
      concurrency: 3,
      orderBy: 'key',
      async eachRecord({ key, offset }) {
        most = Math.max(most, ++inHand)
        for (let i = 0; i < offset % 3; i++) await settle()
        byKey.set(key, [...(byKey.get(key) ?? []), offset])
        inHand--
        count++
      }
    })
    await until(() => count === 200)
    await consumer.close()
    await running
    expect(most).toBe(3)
    for (const offsets of byKey.values()) expect(offsets).toEqual([...offsets].sort((a, b) => a - b))
    await using next = textConsumer(cluster, groupOptions)
    expect(await next.committed([first])).toMatchObject([{ offset: 200 }])
  })

  it('commits no further than the first record that is not handled', async () => {
    await using producer = cluster.producer()
    await producer.sendBatch(
      'orders',
      ['slow', 'a', 'b', 'c'].map(value => ({ key: value, value, partition: 0 }))
    )
    const consumer = textConsumer(cluster, groupOptions)
    const handled: string[] = []
    let finish = () => {}
    const running = consumer.run({
      concurrency: 4,
      orderBy: 'key',
      async eachRecord({ value }) {
        if (value === 'slow') await new Promise<void>(resolve => (finish = resolve))
        handled.push(value)
      }
    })
    await until(() => handled.length === 3)
    await consumer.commit()
    expect(await consumer.committed([first])).toEqual([expect.objectContaining({ offset: 0 })])
    finish()
    await until(() => handled.length === 4)
    await settle()
    await consumer.commit()
    expect(await consumer.committed([first])).toMatchObject([{ offset: 4 }])
    await consumer.close()
    await running
  })

  it.each([1, 2])('leaves no gap behind the last record begun when it is closed: %i free handlers', async free => {
    await using producer = cluster.producer()
    const keys = ['slow', 'slow', 'slow', 'a', 'b', 'slow', 'slow']
    await producer.sendBatch(
      'orders',
      keys.map((key, index) => ({ key, value: String(index), partition: 0 }))
    )
    const consumer = textConsumer(cluster, groupOptions)
    const handled: string[] = []
    let finish = () => {}
    const running = consumer.run({
      concurrency: 1 + free,
      orderBy: 'key',
      eachRecord({ value }) {
        if (value === '0') return new Promise<void>(resolve => (finish = resolve)).then(() => void handled.push(value))
        handled.push(value)
      }
    })
    await until(() => handled.length === 2)
    const closed = consumer.close()
    finish()
    await closed
    await running
    expect(handled).toEqual(['3', '4', '0', '1', '2'])
    await using next = textConsumer(cluster, groupOptions)
    expect(await next.committed([first])).toMatchObject([{ offset: 5 }])
  })

  it('hands over batches', async () => {
    await send(cluster, 'orders', numbered('v', 100), 0)
    const consumer = textConsumer(cluster, { ...groupOptions, maxPollRecords: 30 })
    const values: string[] = []
    const running = consumer.run({
      async eachBatch(batch) {
        await settle()
        for (const { value } of batch) values.push(value)
      }
    })
    await until(() => values.length === 100)
    await consumer.close()
    await running
    expect(values).toEqual(numbered('v', 100))
  })

  it.each(['partition', 'key'] as const)(
    'stops at the first failure, commits what was handled, and can begin again there: by %s',
    async orderBy => {
      await send(cluster, 'orders', numbered('v', 10), 0)
      await using consumer = textConsumer(cluster, groupOptions)
      const eachRecord = async ({ value }: { value: string }) => {
        if (value === 'v4') throw new Error('cannot handle this')
      }
      await expect(consumer.run({ eachRecord, orderBy })).rejects.toThrow('cannot handle this')
      expect(await consumer.committed([first])).toMatchObject([{ offset: 4 }])
      expect((await take(consumer, 6)).map(({ value }) => value)).toEqual(numbered('v', 6, 4))
    }
  )

  it('ends with the reason of its signal, after the handlers', async () => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(cluster, groupOptions)
    const controller = new AbortController()
    let isDone = false
    const running = consumer.run({
      signal: controller.signal,
      async eachRecord(_, { signal }) {
        controller.abort(new Error('enough'))
        expect(signal.aborted).toBe(true)
        await settle()
        isDone = true
      }
    })
    await expect(running).rejects.toThrow('enough')
    expect(isDone).toBe(true)
    expect(await consumer.committed([first])).toMatchObject([{ offset: 1 }])
  })

  it.each(['partition', 'key'] as const)(
    'hands out nothing more of a partition that is paused, and all of the others: by %s',
    async orderBy => {
      await send(cluster, 'orders', numbered('a', 10), 0)
      await using consumer = textConsumer(cluster, groupOptions)
      const handled: string[] = []
      const hands: (() => void)[] = []
      const running = consumer.run({
        orderBy,
        concurrency: 2,
        eachRecord: ({ value }) =>
          new Promise<void>(resolve => {
            handled.push(value)
            hands.push(resolve)
          })
      })
      await until(() => handled.length > 0)
      consumer.pause([first])
      const begun = handled.length
      await send(cluster, 'orders', numbered('b', 100), 1)
      const finish = async () => {
        for (const hand of hands.splice(0)) hand()
        await settle()
      }
      while (handled.length < begun + 100) await finish()
      expect(handled.slice(begun)).toEqual(expect.arrayContaining(numbered('b', 100)))
      consumer.resume([first])
      while (handled.length < 110) await finish()
      expect([...handled].sort()).toEqual([...numbered('a', 10), ...numbered('b', 100)].sort())
      const closed = consumer.close()
      await finish()
      await closed
      await running
    }
  )

  it('leaves no gap when a member joins while its partition is paused, with the records of a key handled before those of another', async () => {
    const keys = ['x', 'x', 'y']
    await using producer = cluster.producer()
    await producer.sendBatch(
      'orders',
      keys.map((key, index) => ({ key, value: `v${index}`, partition: 0 }))
    )
    const handled: string[] = []
    const hands = new Map<string, () => void>()
    const run = (consumer: typeof one) =>
      consumer.run({
        orderBy: 'key',
        concurrency: 2,
        eachRecord: ({ value }) =>
          new Promise<void>(resolve => {
            handled.push(value)
            hands.set(value, resolve)
          })
      })
    const one = textConsumer(cluster, groupOptions)
    const running = [run(one)]
    await until(() => handled.length === 2)
    one.pause([first])
    hands.get('v2')?.()
    hands.get('v0')?.()
    await settle()
    expect(handled).toEqual(['v0', 'v2'])
    const other = textConsumer(cluster, groupOptions)
    running.push(run(other))
    await until(() => handled.length === 3)
    hands.get('v1')?.()
    await until(() => one.assignment().length + other.assignment().length === 3 && other.assignment().length > 0)
    expect(handled).toEqual(['v0', 'v2', 'v1'])
    await Promise.all([one.close(), other.close(), ...running])
    expect(handled).toEqual(['v0', 'v2', 'v1'])
  })

  it('lets close wait for the handlers', async () => {
    await send(cluster, 'orders', ['a'], 0)
    const consumer = textConsumer(cluster, groupOptions)
    let state = 'none'
    const running = consumer.run({
      async eachRecord() {
        state = 'working'
        for (let i = 0; i < 10; i++) await settle()
        state = 'done'
      }
    })
    await until(() => state === 'working')
    await consumer.close()
    expect(state).toBe('done')
    await running
  })

  it('shares the work when another consumer joins, and loses nothing', async () => {
    for (let partition = 0; partition < 3; partition++) await send(cluster, 'orders', numbered(`p${partition}-`, 200), partition)
    const consumers = [textConsumer(cluster, groupOptions), textConsumer(cluster, groupOptions)]
    const seen: string[] = []
    const handler = {
      concurrency: 3,
      eachRecord: async ({ value }: { value: string }) => {
        await Promise.resolve()
        seen.push(value)
      }
    }
    const running = [consumers[0].run(handler)]
    await until(() => seen.length > 10)
    running.push(consumers[1].run(handler))
    await until(() => new Set(seen).size === 600)
    await Promise.all(consumers.map(consumer => consumer.close()))
    await Promise.all(running)
    expect(seen).toHaveLength(600)
  })
})

describe('what fails in a handler', () => {
  it('is tried again in place, before anything else of the partition', async () => {
    await send(cluster, 'orders', numbered('v', 3), 0)
    const consumer = textConsumer(cluster, groupOptions)
    const tries: string[] = []
    const running = consumer.run({
      retry: { attempts: 3, backoffMs: 1 },
      eachRecord({ value }, { attempt }) {
        tries.push(`${value}#${attempt}`)
        if (value === 'v1' && attempt < 3) throw new Error('not yet')
      }
    })
    await until(() => tries.length === 5)
    await consumer.close()
    await running
    expect(tries).toEqual(['v0#1', 'v1#1', 'v1#2', 'v1#3', 'v2#1'])
  })

  it('ends run with the last failure when no try succeeds', async () => {
    await send(cluster, 'orders', ['a'], 0)
    await using consumer = textConsumer(cluster, groupOptions)
    let tries = 0
    const eachRecord = () => {
      throw new Error(`try ${++tries}`)
    }
    await expect(consumer.run({ eachRecord, retry: { attempts: 2, backoffMs: 1 } })).rejects.toThrow('try 2')
  })

  it('goes to a function after the last try, and counts as handled then', async () => {
    await send(cluster, 'orders', numbered('v', 3), 0)
    const consumer = textConsumer(cluster, groupOptions)
    const letters: string[] = []
    let last = false
    const running = consumer.run({
      eachRecord({ value }) {
        if (value === 'v1') throw new Error('never')
        last = value === 'v2'
      },
      async deadLetter({ offset }, error) {
        await settle()
        letters.push(`${offset}: ${(error as Error).message}`)
      }
    })
    await until(() => last)
    await consumer.close()
    await running
    expect(letters).toEqual(['1: never'])
    await using next = textConsumer(cluster, groupOptions)
    expect(await next.committed([first])).toMatchObject([{ offset: 3 }])
  })

  it('goes to a topic, as it came, with where it came from and why; rejected records too', async () => {
    const orders = topic('orders', { key: string, value: json<{ total: number }>() })
    await using producer = cluster.producer()
    await producer.send('orders', { key: 'a', value: '{"total":1}', partition: 0, headers: { trace: 'x' } })
    await producer.send('orders', { key: 'b', value: 'no json', partition: 0 })
    const consumer = cluster.consumer({ groupId: 'g', topics: [orders], autoOffsetReset: 'earliest' })
    const eachRecord = () => {
      throw new RangeError('too little')
    }
    const running = consumer.run({ eachRecord, deadLetter: { topic: 'orders.dead', producer } })
    await using reader = textConsumer(cluster, { topics: ['orders.dead'] })
    const letters = await take(reader, 2)
    await consumer.close()
    await running
    const text = letters.map(({ key, value, headers }) => [
      key,
      value,
      Object.fromEntries(headers.map(header => [header.key, string.deserialize(header.value as Uint8Array)]))
    ])
    expect(text.sort()).toEqual([
      [
        'a',
        '{"total":1}',
        expect.objectContaining({
          trace: 'x',
          'dead-letter.topic': 'orders',
          'dead-letter.partition': '0',
          'dead-letter.offset': '0',
          'dead-letter.error': 'RangeError: too little'
        })
      ],
      ['b', 'no json', expect.objectContaining({ 'dead-letter.offset': '1', 'dead-letter.error': expect.stringContaining('JSON') })]
    ])
  })

  it('stops run when the dead letter cannot be delivered', async () => {
    await send(cluster, 'orders', numbered('v', 2), 0)
    await using consumer = textConsumer(cluster, groupOptions)
    const running = consumer.run({
      eachRecord() {
        throw new Error('never')
      },
      deadLetter() {
        throw new Error('the box is full')
      }
    })
    await expect(running).rejects.toThrow('the box is full')
    expect(await takeValues(consumer, 2)).toEqual(numbered('v', 2))
  })
})
