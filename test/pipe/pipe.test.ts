import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type Cluster,
  type ClusterClient,
  json,
  type KafkaError,
  type Pipe,
  type PipeOptions,
  RejectedRecordError,
  string,
  topic
} from '../../src/index.js'
import { InitProducerId } from '../../src/protocol/messages/init-producer-id.js'
import type { AnyTopic } from '../../src/record/topic.js'
import { InterceptedBroker } from '../../src/testing/intercepted-broker.js'
import { connect, listen } from '../../src/wire/index.js'
import { byNumber, committedValues, groupOffset, numbered, openCluster, send, textConsumer, until } from '../consumer/helpers.js'

type TextOptions = Omit<PipeOptions<string, string, string, string>, 'from' | 'groupId' | 'key' | 'value'>

let cluster: Cluster

beforeEach(async () => {
  cluster = await openCluster({ configs: { 'transaction.state.log.num.partitions': 1, 'offsets.topic.num.partitions': 1 } })
})

afterEach(async () => {
  await cluster.close()
})

function textPipe(options: TextOptions, on: ClusterClient = cluster): Pipe<string, string, string, string> {
  return on.pipe<string, string, string, string>({ from: 'in', groupId: 'g', to: 'out', key: string, value: string, ...options })
}

function committed(topic = 'out'): Promise<string[]> {
  return committedValues(cluster, topic)
}

/** Runs a pipe until it has committed so many, and closes it. */
async function move(pipe: Pick<Pipe, 'on' | 'run' | 'close'>, count: number, what: 'records' | 'outputs' = 'records'): Promise<void> {
  let moved = 0
  pipe.on('committed', event => (moved += event[what]))
  const running = pipe.run()
  await until(() => moved === count)
  await pipe.close()
  await running
}

describe('a pipe', () => {
  it('moves what is there and what comes, and goes on where it was when it is made anew', async () => {
    await send(cluster, 'in', numbered('v', 3000))
    const pipe = textPipe({ transform: ({ key, value }) => ({ key, value: value.replace('v', 'w') }) })
    let records = 0
    pipe.on('committed', event => (records += event.records))
    const running = pipe.run()
    await until(() => records === 3000)
    await send(cluster, 'in', numbered('v', 10, 3000))
    await until(() => records === 3010)
    await pipe.close()
    await running
    expect(await groupOffset(cluster)).toBe(3010)
    await send(cluster, 'in', numbered('v', 5, 3010))
    const next = textPipe({ transform: ({ key, value }) => ({ key, value: value.replace('v', 'w') }) })
    await move(next, 5, 'outputs')
    expect(byNumber(await committed())).toEqual(numbered('w', 3015))
  })

  it('keeps the order of each partition, with several producers', async () => {
    for (let partition = 0; partition < 3; partition++) await send(cluster, 'in', numbered(`${partition}-`, 500), partition)
    let atWork = 0
    let most = 0
    const pipe = textPipe({
      concurrency: 3,
      maxTransactionRecords: 50,
      async transform({ value, partition }) {
        most = Math.max(most, ++atWork)
        // The first records of the three partitions wait for one another.
        await until(() => most === 3)
        atWork--
        return { value, partition }
      }
    })
    await move(pipe, 1500)
    expect(most).toBe(3)
    const values = await committed()
    for (let partition = 0; partition < 3; partition++)
      expect(values.filter(value => value.startsWith(`${partition}-`))).toEqual(numbered(`${partition}-`, 500))
  })

  it('gives several records, none, and records for other topics, in one transaction', async () => {
    await send(cluster, 'in', numbered('v', 6), 0)
    const pipe = textPipe({
      transform({ value, offset }, context) {
        if (offset % 3 === 0) return null
        context.send('audit', { value })
        return [
          { value, partition: 0 },
          { value: `${value}!`, partition: 0 }
        ]
      }
    })
    await move(pipe, 12, 'outputs')
    expect(await committed()).toEqual(['v1', 'v1!', 'v2', 'v2!', 'v4', 'v4!', 'v5', 'v5!'])
    expect((await committed('audit')).sort()).toEqual(['v1', 'v2', 'v4', 'v5'])
    expect(await groupOffset(cluster)).toBe(6)
  })

  it('takes records with types, and keeps their time; without `transform` it copies', async () => {
    const orders = topic('orders', { key: string, value: json<{ total: number }>() })
    const invoices = topic('invoices', { key: string, value: json<{ due: number }>() })
    await using producer = cluster.producer()
    await producer.send(orders, { key: 'a', value: { total: 3 }, timestamp: 1_700_000_000_000, headers: { h: 'x' } })
    const pipe = cluster.pipe({
      from: orders,
      to: invoices,
      groupId: 'g',
      transform: ({ key, value }) => ({ key, value: { due: value.total * 2 } })
    })
    const copy = cluster.pipe({ from: invoices, to: 'copies', groupId: 'h', key: string })
    const plain = cluster.pipe({ from: 'orders', to: 'plain', groupId: 'p' })
    const runs = [pipe.run(), copy.run(), plain.run()]
    await using reader = cluster.consumer({
      topics: ['plain', invoices],
      autoOffsetReset: 'earliest',
      isolationLevel: 'read_committed',
      key: string
    })
    const seen: unknown[] = []
    for await (const { topic, key, value, timestamp, headers } of reader) {
      seen.push([topic, key, topic === 'plain' ? Buffer.from(value as Uint8Array).toString() : value, timestamp, headers.length])
      if (seen.length === 2) break
    }
    expect(seen.sort()).toEqual([
      ['invoices', 'a', { due: 6 }, 1_700_000_000_000, 0],
      ['plain', 'a', '{"total":3}', 1_700_000_000_000, 1]
    ])
    await Promise.all([pipe.close(), copy.close(), plain.close()])
    await Promise.all(runs)
  })

  it('tries again what `transform` throws at, and ends at what it cannot transform, with all before it committed', async () => {
    await send(cluster, 'in', numbered('v', 10), 0)
    const attempts: number[] = []
    let isMended = false
    const pipe = textPipe({
      retry: { attempts: 3, backoffMs: 1 },
      transform({ value }, { attempt, send }) {
        send('tries', { value })
        if (value === 'v2' && attempt < 3) throw new Error('not yet')
        if (value === 'v5' && !isMended) {
          attempts.push(attempt)
          throw new Error('never')
        }
        return { value, partition: 0 }
      }
    })
    await expect(pipe.run()).rejects.toThrow('never')
    expect(attempts).toEqual([1, 2, 3])
    expect(await committed()).toEqual(numbered('v', 5))
    expect((await committed('tries')).sort()).toEqual(numbered('v', 5))
    expect(await groupOffset(cluster)).toBe(5)
    isMended = true
    await move(pipe, 5)
    expect(await committed()).toEqual(numbered('v', 10))
  })

  it('puts what it cannot transform into a topic for dead letters, in the same transaction', async () => {
    await send(cluster, 'in', numbered('v', 10), 0)
    const told: string[] = []
    const pipe = textPipe({
      deadLetter: 'dead',
      async transform({ value }) {
        if (value === 'v3' || value === 'v7') throw new Error(`no ${value}`)
        return { value, partition: 0 }
      }
    })
    pipe.on('deadLetter', ({ record, error }) => told.push(`${record.offset} ${(error as Error).message}`))
    await move(pipe, 10)
    expect(told).toEqual(['3 no v3', '7 no v7'])
    expect(await committed()).toEqual(numbered('v', 10).filter(value => value !== 'v3' && value !== 'v7'))
    await using reader = textConsumer(cluster, { topics: ['dead'], isolationLevel: 'read_committed' })
    for await (const { value, headers } of reader) {
      expect(value).toBe('v3')
      const shown = Object.fromEntries(headers.map(header => [header.key, Buffer.from(header.value ?? []).toString()]))
      expect(shown).toMatchObject({ 'dead-letter.topic': 'in', 'dead-letter.offset': '3', 'dead-letter.error': 'Error: no v3' })
      break
    }
  })

  it('finds the record whose output the cluster refuses', async () => {
    await cluster.admin().createTopics([{ name: 'out', configs: { 'max.message.bytes': 50_000 } }])
    await send(cluster, 'in', numbered('v', 20), 0)
    const large = 'x'.repeat(60_000)
    const huge = 'x'.repeat(2_000_000)
    const dead: string[] = []
    const transform = ({ value }: { value: string }) => {
      if (value === 'v4') return { value: huge, partition: 0 }
      if (value === 'v11') return { value: large, partition: 0 }
      if (value === 'v15') return { value: 7 as never, partition: 0 }
      return { value, partition: 0 }
    }
    const pipe = textPipe({
      transform,
      deadLetter(record, error) {
        dead.push(`${record.offset} ${(error as KafkaError).code ?? (error as Error).name}`)
        return { value: `instead of ${record.offset}`, partition: 0 }
      }
    })
    await move(pipe, 20)
    expect(dead).toEqual(['4 MESSAGE_TOO_LARGE', '11 MESSAGE_TOO_LARGE', '15 TypeError'])
    const expected = numbered('v', 20).map((value, offset) => ([4, 11, 15].includes(offset) ? `instead of ${offset}` : value))
    expect(await committed()).toEqual(expected)
    // Without a place for it the pipe ends there.
    const strict = cluster.pipe({ from: 'in', groupId: 's', to: 'strict', key: string, value: string, transform })
    await expect(strict.run()).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
    expect(await committed('strict')).toEqual(numbered('v', 4))
    await strict.close()
  })

  it('ends at a record that cannot be decoded, skips it, or puts it aside', async () => {
    const numbers = topic('in', { key: string, value: json<number>() })
    await send(cluster, 'in', ['1', 'two', '3'], 0)
    const transform = ({ value }: { value: number }) => ({ value: `${value}`, partition: 0 })
    const strict = cluster.pipe({ from: numbers, to: 'out', groupId: 's', transform })
    await expect(strict.run()).rejects.toBeInstanceOf(RejectedRecordError)
    expect(await committed()).toEqual(['1'])
    await strict.close()
    for (const options of [{ rejection: 'skip' }, { deadLetter: 'dead' }] as const) {
      const pipe = cluster.pipe({
        from: numbers,
        to: `out-${Object.keys(options)[0]}`,
        groupId: Object.keys(options)[0],
        transform,
        ...options
      })
      const rejected: number[] = []
      pipe.on('rejected', ({ offset }) => rejected.push(offset))
      await move(pipe, 3)
      expect(rejected).toEqual([1])
    }
    expect(await committed('out-rejection')).toEqual(['1', '3'])
    expect(await committed('out-deadLetter')).toEqual(['1', '3'])
    expect(await committed('dead')).toEqual(['two'])
  })

  it('commits records that take long one after the other, and finishes the one in hand when it is closed', async () => {
    await send(cluster, 'in', numbered('v', 10), 0)
    const gates: (() => void)[] = []
    const started: string[] = []
    let records = 0
    const pipe = textPipe({
      maxTransactionMs: 1,
      async transform({ value }) {
        started.push(value)
        await new Promise<void>(resolve => gates.push(resolve))
        await new Promise(resolve => setTimeout(resolve, 2))
        return { value, partition: 0 }
      }
    })
    pipe.on('committed', event => (records += event.records))
    const running = pipe.run()
    for (let i = 0; i < 3; i++) {
      await until(() => gates.length > i)
      gates[i]()
      await until(() => records === i + 1)
    }
    await until(() => gates.length === 4)
    const closing = pipe.close()
    gates[3]()
    await closing
    await running
    expect(started).toEqual(numbered('v', 4))
    expect(await committed()).toEqual(numbered('v', 4))
    expect(await groupOffset(cluster)).toBe(4)
  })

  it('ends by its time while `transform` hangs, and what was in hand comes again', async () => {
    await send(cluster, 'in', numbered('v', 5), 0)
    let isHanging = false
    const pipe = textPipe({
      transform({ value }) {
        if (value !== 'v3') return { value, partition: 0 }
        isHanging = true
        return new Promise<never>(() => {})
      }
    })
    const running = pipe.run()
    await until(() => isHanging)
    await pipe.close({ timeoutMs: 200 })
    await running
    const next = textPipe({ transform: ({ value }) => ({ value, partition: 0 }) })
    const running2 = next.run()
    await until(() => (cluster.topics.get('out')?.partitions[0].lastStableOffset ?? 0) >= 5)
    await next.close()
    await running2
    expect(await committed()).toEqual(numbered('v', 5))
  })

  it('stops by its signal, and may be closed inside of `transform`', async () => {
    await send(cluster, 'in', numbered('v', 5), 0)
    const controller = new AbortController()
    const pipe = textPipe({
      async transform({ value }) {
        if (value === 'v1' && !controller.signal.aborted) controller.abort(new Error('enough'))
        if (value === 'v3') await pipe.close()
        return { value, partition: 0 }
      }
    })
    await expect(pipe.run({ signal: controller.signal })).rejects.toThrow('enough')
    expect(await committed()).toEqual(['v0', 'v1'])
    await pipe.run()
    await pipe.close()
    expect(await committed()).toEqual(numbered('v', 4))
    await expect(pipe.run()).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('closes with its cluster, and shares partitions with others of its group', async () => {
    await send(cluster, 'in', numbered('v', 300))
    const pipes = [1, 2].map(() => textPipe({ transform: ({ value }) => ({ value }) }))
    let records = 0
    for (const pipe of pipes) pipe.on('committed', event => (records += event.records))
    const runs = pipes.map(pipe => pipe.run())
    await until(() => records === 300 && pipes.every(pipe => pipe.assignment().length > 0))
    await send(cluster, 'in', numbered('v', 300, 300))
    await until(() => records === 600)
    expect(byNumber(await committed())).toEqual(numbered('v', 600))
    await pipes[0].close()
    await send(cluster, 'in', numbered('v', 300, 600))
    await until(() => records === 900)
    expect(await pipes[1].lag()).toMatchObject([{ lag: 0 }, { lag: 0 }, { lag: 0 }])
    await cluster.close()
    await Promise.all(runs)
  })

  it('gives the rest of a batch to another member of its group that waits for the partition', async () => {
    for (let partition = 0; partition < 3; partition++) await send(cluster, 'in', numbered(`${partition}-`, 400), partition)
    const counts = [0, 0]
    const pipes = [0, 1].map(which =>
      textPipe({
        concurrency: 3,
        async transform({ value, partition }) {
          counts[which]++
          await new Promise(resolve => setTimeout(resolve, 1))
          return { value, partition }
        }
      })
    )
    const retries: unknown[] = []
    let moved = 0
    for (const pipe of pipes) {
      pipe.on('retry', ({ error }) => retries.push(error))
      pipe.on('committed', ({ records }) => (moved += records))
    }
    const runs = [pipes[0].run()]
    await until(() => counts[0] > 5)
    runs.push(pipes[1].run())
    await until(() => pipes[1].assignment().length > 0)
    expect(counts[0]).toBeLessThan(900)
    await until(() => moved === 1200)
    await Promise.all(pipes.map(pipe => pipe.close()))
    await Promise.all(runs)
    const values = await committed()
    for (let partition = 0; partition < 3; partition++)
      expect(values.filter(value => value.startsWith(`${partition}-`))).toEqual(numbered(`${partition}-`, 400))
    expect(retries).toEqual([])
  })

  it('closes all that it holds open to its cluster', async () => {
    let open = 0
    const counted = await openCluster({
      intercept: ({ any, byId }) => {
        open++
        return { any, byId, close: async () => void open-- }
      }
    })
    const pipe = textPipe({ concurrency: 2 }, counted)
    const running = pipe.run()
    await until(() => open > 2)
    await pipe.close()
    await running
    expect(open).toBe(0)
    await counted.close()
  })

  it('is closed while it waits for a cluster that does not answer', async () => {
    const silent = await openCluster({
      intercept: brokers => {
        const broker = new InterceptedBroker(brokers.any())
        broker.on(InitProducerId).do(() => new Promise(() => {}))
        return broker
      }
    })
    const pipe = textPipe({}, silent)
    const running = pipe.run()
    await pipe.close({ timeoutMs: 200 })
    await running
    await silent.close()
  })

  it('goes on with another producer where one was fenced, as it is when a transaction takes too long', async () => {
    await send(cluster, 'in', numbered('v', 5), 0)
    const codes: unknown[] = []
    let isFenced = false
    const pipe = textPipe({
      async transform({ value }) {
        if (value === 'v4' && !isFenced) {
          const other = cluster.producer({ transactionalId: 'pipe-g-0-0' })
          await (await other.begin()).abort()
          await other.close()
          isFenced = true
        }
        return { value, partition: 0 }
      }
    })
    pipe.on('retry', ({ error }) => codes.push((error as KafkaError).code))
    await move(pipe, 5)
    expect(codes.length).toBe(1)
    expect(['PRODUCER_FENCED', 'INVALID_PRODUCER_EPOCH']).toContain(codes[0])
    expect(await committed()).toEqual(numbered('v', 5))
  })

  it('works over the wire', async () => {
    const listener = await listen(cluster, { port: 0 })
    const remote = await connect({ brokers: [`127.0.0.1:${listener.port}`] })
    await send(cluster, 'in', numbered('v', 2000))
    const pipe = textPipe({ concurrency: 2, transform: ({ value, key }) => ({ value, key }) }, remote)
    let records = 0
    pipe.on('committed', event => (records += event.records))
    const running = pipe.run()
    await until(() => records === 2000)
    await remote.close()
    await running
    await listener.close()
    expect(byNumber(await committed())).toEqual(numbered('v', 2000))
    expect(await groupOffset(cluster)).toBe(2000)
  })

  it('says what is wrong with its options', () => {
    const wrong: [object, string][] = [
      [{}, '`from`'],
      [{ from: 'in' }, '`groupId`'],
      [{ from: 'in', groupId: 'g' }, '`to`'],
      [{ from: 'in', groupId: 'g', to: 7 }, 'topic name'],
      [{ from: 'in', groupId: 'g', to: 'out', transform: 7 }, '`transform`'],
      [{ from: 'in', groupId: 'g', to: 'out', concurrency: 0 }, '`concurrency`'],
      [{ from: 'in', groupId: 'g', to: 'out', lingerMs: -1 }, '`lingerMs`'],
      [{ from: 'in', groupId: 'g', to: 'out', maxTransactionRecords: 0 }, '`maxTransactionRecords`'],
      [{ from: 'in', groupId: 'g', to: 'out', retry: { attempts: 0 } }, '`retry.attempts`'],
      [{ from: 'in', groupId: 'g', to: 'out', deadLetter: {} }, '`deadLetter`'],
      [{ from: 'in', groupId: 'g', to: 'out', rejection: 'drop' }, '`rejection`'],
      [{ from: 'in', groupId: 'g', to: 'out', instanceId: '' }, '`instanceId`'],
      [{ from: 'in', groupId: 'g', to: 'out', consumer: { autoCommit: true } }, '`autoCommit`'],
      [{ from: 'in', groupId: 'g', to: 'out', producer: { transactionalId: 't' } }, '`transactionalId`'],
      [{ from: 'in', groupId: 'g', to: 'out', producer: { lingerMs: -1 } }, '`lingerMs`'],
      [{ from: 'in', groupId: 'g', to: 'out', trasform: () => {} }, 'did you mean `transform`']
    ]
    for (const [options, message] of wrong) expect(() => cluster.pipe(options as PipeOptions<string, AnyTopic>), message).toThrow(message)
    expect(() => cluster.pipe(7 as never)).toThrow('a pipe')
  })
})
