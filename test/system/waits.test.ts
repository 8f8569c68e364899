import { createServer } from 'node:net'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Admin } from '../../src/admin/admin.js'
import { Cluster } from '../../src/cluster.js'
import type { Consumer } from '../../src/consumer/consumer.js'
import type { Producer } from '../../src/producer/producer.js'
import type { Transaction } from '../../src/producer/transaction.js'
import { apis, ownApis } from '../../src/protocol/apis.js'
import { InterceptedBroker } from '../../src/testing/intercepted-broker.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { connect } from '../../src/wire/connect.js'
import { listen } from '../../src/wire/listener.js'

/** Far more than any end takes, and far less than the limits that waits have of their own. */
const boundMs = 4000

interface Scene {
  readonly cluster: Cluster
  readonly producer: Producer
  readonly consumer: Consumer
  /** Reads a partition that it was given. */
  readonly reader: Consumer
  /** Has begun no transaction yet. */
  readonly transactional: Producer
  readonly transaction: Transaction
  /** Has begun the transaction. */
  readonly transacting: Producer
  readonly admin: Admin
  readonly broker: InterceptedBroker
  readonly signal: AbortSignal
}

/** A cluster of which all brokers can be taken away, with one client of each kind. */
async function scene(signal: AbortSignal): Promise<Scene> {
  let broker: InterceptedBroker | undefined
  const intercept = (brokers: ConstructorParameters<typeof InterceptedBroker>[0]) => (broker ??= new InterceptedBroker(brokers))
  const configs = { 'offsets.topic.num.partitions': 1, 'transaction.state.log.num.partitions': 1 }
  const cluster = await Cluster.open({ intercept: brokers => intercept(brokers), configs })
  const producer = cluster.producer()
  await producer.send('orders', { value: 'first' })
  const reader = cluster.consumer({ groupId: 'readers', autoOffsetReset: 'earliest', autoCommit: false })
  reader.assign([{ topic: 'orders', partition: 0 }])
  await reader.start()
  const transactional = cluster.producer({ transactionalId: 'new' })
  const transacting = cluster.producer({ transactionalId: 'open' })
  const transaction = await transacting.begin()
  await transaction.send('orders', { value: 'v' })
  const consumer = cluster.consumer({ groupId: 'g', topics: ['orders'] })
  return {
    ...{ cluster, producer, consumer, reader, transactional, transaction, transacting, signal },
    admin: cluster.admin(),
    broker: broker as unknown as InterceptedBroker
  }
}

const never = () => new Promise<never>(() => {})

/** Takes the broker away: nothing that is asked from now on is answered. */
const silences: Record<string, (scene: Scene) => void> = {
  'do not answer': ({ broker }) => {
    for (const api of [...apis, ...ownApis]) broker.on(api).loseRequest()
  },
  'ignore signals': ({ broker }) => {
    for (const api of [...apis, ...ownApis]) broker.on(api).do(never)
  }
}

type Wait = (scene: Scene) => Promise<unknown>

const loopWaits: Record<string, Wait> = {
  'consumer.records().next()': ({ consumer, signal }) => consumer.records({ signal }).next(),
  'consumer.batches().next()': ({ consumer, signal }) => consumer.batches({ signal }).next(),
  'consumer.run({ eachRecord })': ({ consumer, signal }) => consumer.run({ eachRecord() {}, signal }),
  'consumer.run({ eachBatch })': ({ consumer, signal }) => consumer.run({ eachBatch() {}, signal }),
  "consumer.run({ orderBy: 'key' })": ({ consumer, signal }) => consumer.run({ eachRecord() {}, orderBy: 'key', signal })
}

const acl = { resource: { topic: 'orders' }, principal: 'User:ann', operation: 'read' } as const
const quota = { entity: { user: 'ann' }, quotas: { producer_byte_rate: 1000 } } as const

/** What waits when no broker answers. */
const silentWaits: Record<string, Wait> = {
  ...loopWaits,
  'consumer.start()': ({ consumer, signal }) => consumer.start({ signal }),
  'consumer.commit(offsets)': ({ consumer, signal }) => consumer.commit([{ topic: 'orders', partition: 0, offset: 1 }], { signal }),
  'consumer.commit()': async ({ reader, signal }) => {
    await reader.records().next()
    await reader.commit(undefined, { signal })
  },
  'producer.flush()': ({ producer, signal }) => {
    producer.send('orders', { value: 'v' }).catch(() => {})
    return producer.flush({ signal })
  },
  'producer.begin()': ({ transactional, signal }) => transactional.begin({ signal }),
  'producer.transaction()': ({ transactional, signal }) => transactional.transaction(() => {}, { signal }),
  'transaction.send() to a new topic': ({ transaction, signal }) => transaction.send('new', { value: 'v' }, { signal }),
  'transaction.sendBatch() to a new topic': ({ transaction, signal }) => transaction.sendBatch('new', [{ value: 'v' }], { signal }),
  'transaction.commitOffsets()': ({ transaction, reader, signal }) =>
    transaction.commitOffsets(reader, [{ topic: 'orders', partition: 0, offset: 1 }], { signal }),
  'transaction.commit()': ({ transaction, signal }) => transaction.commit({ signal }),
  'transaction.abort()': ({ transaction, signal }) => transaction.abort({ signal }),
  'producer.send() to a new topic': ({ producer, signal }) => producer.send('new', { value: 'v' }, { signal }),
  'producer.sendBatch() to a new topic': ({ producer, signal }) => producer.sendBatch('new', [{ value: 'v' }], { signal }),
  'admin.createTopics()': ({ admin, signal }) => admin.createTopics(['new'], { signal }),
  'admin.deleteTopics()': ({ admin, signal }) => admin.deleteTopics(['orders'], { signal }),
  'admin.listTopics()': ({ admin, signal }) => admin.listTopics({ signal }),
  'admin.describeTopics()': ({ admin, signal }) => admin.describeTopics(['orders'], { signal }),
  'admin.createPartitions()': ({ admin, signal }) => admin.createPartitions('orders', 2, { signal }),
  'admin.describeConfigs()': ({ admin, signal }) => admin.describeConfigs({ topic: 'orders' }, { signal }),
  'admin.alterConfigs()': ({ admin, signal }) => admin.alterConfigs({ topic: 'orders' }, { 'retention.ms': '1' }, { signal }),
  'admin.listGroups()': ({ admin, signal }) => admin.listGroups({ signal }),
  'admin.describeGroups()': ({ admin, signal }) => admin.describeGroups(['g'], { signal }),
  'admin.deleteGroups()': ({ admin, signal }) => admin.deleteGroups(['g'], { signal }),
  'admin.listGroupOffsets()': ({ admin, signal }) => admin.listGroupOffsets('g', { signal }),
  'admin.resetGroupOffsets()': ({ admin, signal }) => admin.resetGroupOffsets('g', { to: 'earliest', signal }),
  'admin.deleteGroupOffsets()': ({ admin, signal }) => admin.deleteGroupOffsets('g', ['orders'], { signal }),
  'admin.listOffsets()': ({ admin, signal }) => admin.listOffsets(['orders'], 'latest', { signal }),
  'admin.deleteRecords()': ({ admin, signal }) => admin.deleteRecords([{ topic: 'orders', partition: 0, before: 1 }], { signal }),
  'admin.describeCluster()': ({ admin, signal }) => admin.describeCluster({ signal }),
  'admin.createTopic()': ({ admin, signal }) => admin.createTopic('new', { signal }),
  'admin.lastOffsets()': ({ admin, signal }) => admin.lastOffsets('orders', ['k'], { signal }),
  'admin.createAcls()': ({ admin, signal }) => admin.createAcls([acl], { signal }),
  'admin.describeAcls()': ({ admin, signal }) => admin.describeAcls({}, { signal }),
  'admin.deleteAcls()': ({ admin, signal }) => admin.deleteAcls([{}], { signal }),
  'admin.alterClientQuotas()': ({ admin, signal }) => admin.alterClientQuotas([quota], { signal }),
  'admin.describeClientQuotas()': ({ admin, signal }) => admin.describeClientQuotas({}, { signal })
}

/** Those of them that take no signal. */
const waitsWithoutSignal: Record<string, Wait> = {
  'consumer.committed()': ({ consumer }) => consumer.committed([{ topic: 'orders', partition: 0 }]),
  'consumer.beginningOffsets()': ({ consumer }) => consumer.beginningOffsets([{ topic: 'orders', partition: 0 }]),
  'consumer.endOffsets()': ({ consumer }) => consumer.endOffsets([{ topic: 'orders', partition: 0 }]),
  'consumer.offsetsForTimestamp()': ({ consumer }) => consumer.offsetsForTimestamp(0, [{ topic: 'orders', partition: 0 }]),
  'consumer.seekToBeginning()': ({ reader }) => reader.seekToBeginning(),
  'consumer.seekToEnd()': ({ reader }) => reader.seekToEnd(),
  'consumer.seekToTimestamp()': ({ reader }) => reader.seekToTimestamp(0),
  'consumer.lag()': ({ reader }) => reader.lag(),
  'producer.send() on a condition': ({ producer }) => producer.send('orders', { value: 'v' }, { ifEndAt: 5 }),
  'producer.sendBatch() on a condition': ({ producer }) => producer.sendBatch('orders', [{ value: 'v' }], { ifEndAt: 5 }),
  'transaction.send()': ({ transaction }) => transaction.send('orders', { value: 'v' }),
  'transaction.sendBatch()': ({ transaction }) => transaction.sendBatch('orders', [{ value: 'v' }]),
  'producer.send()': ({ producer }) => producer.send('orders', { value: 'v' }),
  'producer.sendBatch()': ({ producer }) => producer.sendBatch('orders', [{ value: 'v' }])
}

const closings: Record<string, (scene: Scene) => Promise<unknown>> = {
  'close of the client': ({ producer, consumer, reader, transactional, transacting, admin }) =>
    Promise.all([producer, consumer, reader, transactional, transacting, admin].map(client => client.close({ timeoutMs: 200 }))),
  'close of the cluster': ({ cluster }) => cluster.close({ timeoutMs: 400 })
}

const turns = async () => {
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** How a wait ends within the bound, or 'pending'. */
async function outcomeOf(wait: Promise<unknown>): Promise<'resolved' | 'rejected' | 'pending'> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'pending'>(resolve => {
    timer = setTimeout(resolve, boundMs, 'pending')
  })
  const settled = wait.then(
    () => 'resolved' as const,
    () => 'rejected' as const
  )
  return Promise.race([settled, late]).finally(() => clearTimeout(timer))
}

/** Runs a wait up to where it waits, ends it, and says how it ended. */
async function ended(wait: Wait, end: (scene: Scene, controller: AbortController) => unknown, silence?: (scene: Scene) => void) {
  const controller = new AbortController()
  const made = await scene(controller.signal)
  silence?.(made)
  const waiting = wait(made)
  let isPending = true
  const settled = () => {
    isPending = false
  }
  waiting.then(settled, settled)
  await turns()
  expect(isPending).toBe(true)
  await end(made, controller)
  const outcome = await outcomeOf(waiting)
  expect(await outcomeOf(made.cluster.close({ timeoutMs: 400 }))).toBe('resolved')
  return outcome
}

const rows = (waits: Record<string, Wait>) => Object.entries(waits).map(([name, wait]) => ({ name, wait }))

/** Tries all waits, some at a time, and tells those that do not end as they should. */
async function wrong(waits: Record<string, Wait>, isRight: (outcome: string) => boolean, tryOne: (wait: Wait) => Promise<string>) {
  const left = Object.entries(waits).values()
  const wrong: string[] = []
  const lane = async () => {
    for (const [name, wait] of left) {
      const outcome = await tryOne(wait).catch(error => String(error))
      if (!isRight(outcome)) wrong.push(`${name}: ${outcome}`)
    }
  }
  await Promise.all(Array.from({ length: 12 }, lane))
  return wrong
}

describe.each(Object.entries(silences))('a wait for brokers that %s', (_, silence) => {
  it.each(Object.entries(closings))('ends by %s', async (_, close) => {
    const isRight = (outcome: string) => outcome === 'resolved' || outcome === 'rejected'
    expect(await wrong({ ...silentWaits, ...waitsWithoutSignal }, isRight, wait => ended(wait, close, silence))).toEqual([])
  })

  it('ends by its signal', async () => {
    const abort = (_: Scene, controller: AbortController) => controller.abort(new Error('enough'))
    expect(
      await wrong(
        silentWaits,
        outcome => outcome === 'rejected',
        wait => ended(wait, abort, silence)
      )
    ).toEqual([])
  })
})

describe('a wait for records', () => {
  describe.each([...Object.entries(closings), ['unsubscribe', ({ consumer }: Scene) => consumer.unsubscribe()] as const])(
    'ends by %s',
    (_, end) => {
      it.each(rows(loopWaits))('$name', async ({ wait }) => {
        expect(await ended(wait, end)).toBe('resolved')
      })
    }
  )

  it.each(rows(loopWaits))('ends by its signal: $name', async ({ wait }) => {
    expect(await ended(wait, (_, controller) => controller.abort(new Error('enough')))).toBe('rejected')
  })

  it.each(rows(loopWaits))('ends by close under fake timers that nobody advances: $name', async ({ wait }) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'Date', 'performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const made = await scene(new AbortController().signal)
    const waiting = wait(made)
    await turns()
    await made.cluster.close()
    await waiting
  })
})

describe('what begins while a cluster closes', () => {
  /** The object that it is about has ended with the producer, or has nothing left to wait for. */
  const isOver = /^transaction\.|^producer\.flush/
  const calls: Record<string, (scene: Scene) => unknown> = {
    ...silentWaits,
    ...waitsWithoutSignal,
    'cluster.producer()': ({ cluster }) => cluster.producer(),
    'cluster.consumer()': ({ cluster }) => cluster.consumer(),
    'cluster.admin()': ({ cluster }) => cluster.admin(),
    'listen(cluster)': ({ cluster }) => listen(cluster)
  }

  it.each(Object.entries(calls).map(([name, call]) => ({ name, call })))('does not stay pending: $name', async ({ name, call }) => {
    const made = await scene(new AbortController().signal)
    const closing = made.cluster.close()
    const outcome = await outcomeOf((async () => call(made))())
    expect(outcome).not.toBe('pending')
    await closing
    if (!isOver.test(name)) await expect((async () => call(made))()).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('connect', () => {
  it('ends by its signal while nobody answers', async () => {
    const server = createServer()
    const sockets: { destroy(): void }[] = []
    server.on('connection', socket => sockets.push(socket))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', () => resolve()))
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const controller = new AbortController()
    const connecting = connect({ brokers: [`127.0.0.1:${(server.address() as { port: number }).port}`], signal: controller.signal })
    connecting.catch(() => {})
    await turns()
    controller.abort(new Error('enough'))
    await expect(connecting).rejects.toThrow('enough')
  })
})

describe('a cluster that is closed', () => {
  it('leaves no timer of its clock', async () => {
    const clock = new VirtualClock()
    const cluster = await Cluster.open({ clock })
    const producer = cluster.producer({ lingerMs: 10 })
    const consumer = cluster.consumer({ groupId: 'g', topics: ['orders'] })
    const running = consumer.run({ eachRecord() {} })
    const sent = producer.send('orders', { value: 'v' })
    await clock.advance(1000)
    await sent
    await cluster.close()
    await running
    expect(clock.timerCount).toBe(0)
  })

  it('is not warned about: many topics, many sends with one signal, many requests', async () => {
    const warnings: string[] = []
    const onWarning = ({ name }: Error) => warnings.push(name)
    process.on('warning', onWarning)
    onTestFinished(() => void process.off('warning', onWarning))
    const { signal } = new AbortController()
    await using cluster = await Cluster.open()
    const producer = cluster.producer({ bufferMemory: 4096 })
    const admin = cluster.admin()
    const sends = Array.from({ length: 100 }, (_, i) => producer.send(`topic-${i % 20}`, { value: 'x'.repeat(500) }, { signal }))
    const requests = Array.from({ length: 100 }, () => admin.listTopics({ signal }))
    await Promise.all([...sends, ...requests])
    await turns()
    expect(warnings).toEqual([])
  })
})
