import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { Cluster } from '../../src/index.js'
import { connect } from '../../src/wire/index.js'

const tsx = import.meta.resolve('tsx')
const nodeScript = fileURLToPath(new URL('./standstill-node.ts', import.meta.url))
const configs = { 'group.min.session.timeout.ms': 100 }
const group = { topics: ['orders'], groupId: 'clerks', autoOffsetReset: 'earliest', heartbeatIntervalMs: 50 } as const

let child: ChildProcess | undefined

afterEach(() => {
  child?.kill('SIGKILL')
  child = undefined
})

/** Keeps the event loop busy, as a long computation or a breakpoint does. */
function block(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

function watched(consumer: ReturnType<Cluster['consumer']>): string[] {
  const events: string[] = []
  consumer.on('rebalanced', () => events.push('rebalanced'))
  consumer.on('lost', () => events.push('lost'))
  consumer.on('error', error => events.push(String(error)))
  return events
}

async function startNode(): Promise<string> {
  child = spawn(process.execPath, ['--import', tsx, nodeScript], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [port] = await once(child.stdout!, 'data')
  return `127.0.0.1:${String(port).trim()}`
}

describe('after the process stood still', () => {
  it('a member in the same process keeps its partitions, and reads on where it was', async () => {
    const cluster = await Cluster.open({ configs })
    const producer = cluster.producer()
    for (let i = 0; i < 3; i++) await producer.send('orders', { value: `${i}` })
    const consumer = cluster.consumer({ ...group, sessionTimeoutMs: 300 })
    const events = watched(consumer)
    const seen: number[] = []
    const isOver = new Promise<void>(resolve => {
      const eachRecord = ({ offset }: { offset: number }) => {
        if (seen.push(offset) === 1) block(1000)
        if (offset === 3) resolve()
      }
      void consumer.run({ eachRecord })
    })
    while (seen.length < 3) await pause(10)
    await pause(400)
    await producer.send('orders', { value: '3' })
    await isOver
    expect(seen).toEqual([0, 1, 2, 3])
    expect(events).toEqual(['rebalanced'])
    await cluster.close()
  })

  it('a handler that could not go on meanwhile has the time that it had left', async () => {
    const cluster = await Cluster.open({ configs })
    await cluster.producer().send('orders', { value: '0' })
    const consumer = cluster.consumer({ ...group, sessionTimeoutMs: 300, maxPollIntervalMs: 600 })
    const events = watched(consumer)
    const handled = new Promise<void>(resolve => {
      const eachRecord = async () => {
        await pause(150)
        block(700)
        await pause(150)
        resolve()
      }
      void consumer.run({ eachRecord })
    })
    await handled
    await pause(150)
    expect(events).toEqual(['rebalanced'])
    await cluster.close()
  })

  it('a request whose answer has come meanwhile has been answered in time', async () => {
    const address = await startNode()
    const cluster = await connect({ brokers: [address], requestTimeoutMs: 300 })
    const producer = cluster.producer({ requestTimeoutMs: 300, deliveryTimeoutMs: 600 })
    await producer.send('orders', { value: '0' })
    const retries: unknown[] = []
    producer.on('retry', retry => retries.push(retry))
    const sent = producer.send('orders', { value: '1' })
    await new Promise(resolve => setImmediate(resolve))
    block(1000)
    expect(await sent).toMatchObject({ offset: 1 })
    expect(retries).toEqual([])
    await cluster.close()
  })

  it('a node expels no member elsewhere before it has read what that sent', async () => {
    const address = await startNode()
    const cluster = await connect({ brokers: [address] })
    const producer = cluster.producer()
    await producer.send('orders', { value: '0' })
    const consumer = cluster.consumer({ ...group, sessionTimeoutMs: 500 })
    const events = watched(consumer)
    const records = consumer.records()
    expect((await records.next()).value).toMatchObject({ offset: 0 })
    child?.kill('SIGSTOP')
    await pause(1500)
    child?.kill('SIGCONT')
    await producer.send('orders', { value: '1' })
    expect((await records.next()).value).toMatchObject({ offset: 1 })
    await pause(700)
    await producer.send('orders', { value: '2' })
    expect((await records.next()).value).toMatchObject({ offset: 2 })
    expect(events).toEqual(['rebalanced'])
    await cluster.close()
  })
})
