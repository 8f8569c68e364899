import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { run as runCommand } from '../../../src/cli/run.js'
import type { ClusterClient } from '../../../src/cluster-client.js'
import { Cluster, type ClusterOptions, type Consumer, Log, memoryStorage, RecordBatch } from '../../../src/index.js'
import { fileStorage } from '../../../src/storage/file/index.js'
import { type ConnectOptions, connect, type ListenOptions, listen } from '../../../src/wire/index.js'
import { selfSigned } from '../../wire/certificate.js'

/**
 * A life gets a signal that outlives it, and who notes down what must be collected when it is over.
 */
export interface Given {
  readonly signal: AbortSignal
  readonly note: <T extends object>(what: string, object: T) => T
}

export type Life = (given: Given) => Promise<void>

/** Fifty partitions for the offsets of a few groups would take most of the time. */
const configs = { 'offsets.topic.num.partitions': 1, 'transaction.state.log.num.partitions': 1, 'group.initial.rebalance.delay.ms': 0 }

/** Uses a cluster by clients of every kind, and closes each before the cluster. */
async function use(cluster: ClusterClient, { signal, note }: Given): Promise<void> {
  const admin = note('admin', cluster.admin())
  await admin.createTopic({ name: 'orders', partitions: 2 }, { signal })
  const producer = note('producer', cluster.producer({ lingerMs: 2 }))
  await producer.sendBatch(
    'orders',
    Array.from({ length: 20 }, (_, i) => ({ key: `${i}`, value: 'v' })),
    { signal }
  )
  const transactional = note('transactional producer', cluster.producer({ transactionalId: 't' }))
  await transactional.transaction(tx => tx.send('orders', { value: 'v' }), { signal })
  for (const [name, read] of Object.entries(readings)) {
    const group = note(`consumer of ${name}`, cluster.consumer({ groupId: name, topics: ['orders'], autoOffsetReset: 'earliest' }))
    await read(group, signal)
    await group.close()
    const alone = note(`consumer without a group of ${name}`, cluster.consumer({ autoOffsetReset: 'earliest' }))
    alone.subscribe(['orders'])
    await read(alone, signal)
    await alone.close()
  }
  const manual = note('consumer by hand', cluster.consumer())
  manual.assign([{ topic: 'orders', partition: 0 }])
  await manual.start({ signal })
  await manual.seekToEnd()
  const next = manual.records({ signal }).next()
  await manual.close()
  await next
  await transactional.close()
  await producer.close()
  await admin.close()
}

type Read = (consumer: Consumer, signal: AbortSignal) => Promise<unknown>

const readings: Record<string, Read> = {
  async records(consumer, signal) {
    for await (const _ of consumer.records({ signal })) break
  },
  async batches(consumer, signal) {
    for await (const _ of consumer.batches({ signal })) break
  },
  'eachRecord by partition': (consumer, signal) => untilCalled(stop => consumer.run({ eachRecord: stop, signal, concurrency: 2 })),
  'eachRecord by key': (consumer, signal) =>
    untilCalled(stop => consumer.run({ eachRecord: stop, orderBy: 'key', concurrency: 4, signal })),
  eachBatch: (consumer, signal) => untilCalled(stop => consumer.run({ eachBatch: stop, signal })),
  async 'a pending next'(consumer, signal) {
    await consumer.start({ signal })
    consumer.pause()
    void consumer.records({ signal }).next()
  },
  async 'a pending next, never started'(consumer) {
    void consumer.records().next()
  },
  async nothing() {}
}

/** Resolves with the first call of a handler. */
async function untilCalled(run: (onCall: () => void) => Promise<void>): Promise<void> {
  await new Promise<void>((resolve, reject) => void run(resolve).catch(reject))
}

/** Closes each client before the cluster. */
async function oneByOne(given: Given, options: ClusterOptions = {}): Promise<void> {
  const cluster = given.note('cluster', await Cluster.open({ ...options, configs }))
  given.note('node', cluster.node!)
  await use(cluster, given)
  await cluster.close()
}

/** Closes the cluster while its clients are at work. */
async function atOnce(given: Given, options: ClusterOptions = {}): Promise<void> {
  const cluster = given.note('cluster', await Cluster.open({ ...options, configs }))
  await busy(cluster, given)
  await cluster.close()
}

async function busy(cluster: ClusterClient, { signal, note }: Given): Promise<void> {
  await cluster.admin().createTopic({ name: 'orders', partitions: 2 })
  const producer = note('producer', cluster.producer({ lingerMs: 5 }))
  await producer.send('orders', { value: 'v' })
  for (const [name, read] of Object.entries(readings)) {
    await read(note(`consumer of ${name}`, cluster.consumer({ groupId: name, topics: ['orders'], autoOffsetReset: 'earliest' })), signal)
    await read(note(`consumer alone of ${name}`, cluster.consumer({ topics: ['orders'], autoOffsetReset: 'earliest' })), signal)
  }
  void producer.send('orders', { value: 'on its way' }, { signal }).catch(() => {})
  const transactional = note('transactional', cluster.producer({ transactionalId: 't' }))
  const transaction = await transactional.begin({ signal })
  await transaction.send('orders', { value: 'open' })
  void cluster
    .admin()
    .listTopics({ signal })
    .catch(() => {})
}

async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-leftovers-'))
  try {
    return await use(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function remote(
  given: Given,
  use: (cluster: ClusterClient, given: Given) => Promise<void>,
  listening: ListenOptions,
  connecting: Partial<ConnectOptions>
) {
  const cluster = given.note('cluster', await Cluster.open({ configs }))
  const listener = given.note('listener', await listen(cluster, listening))
  const elsewhere = given.note('remote cluster', await connect({ brokers: [listener.address], signal: given.signal, ...connecting }))
  await use(elsewhere, given)
  await elsewhere.close()
  await listener.close()
  await cluster.close()
}

/** Connections that say nothing, that say nonsense, that break off, and that are at work. */
async function strangers(given: Given): Promise<void> {
  const cluster = given.note('cluster', await Cluster.open({ configs }))
  const listener = given.note('listener', await listen(cluster, { sasl: { users: { ann: 'secret' } } }))
  const sockets = await Promise.all(
    ['', '\0\0\0\x01x', 'GET / HTTP/1.1\r\n\r\n', '\0\0\xff\xff'].map(async text => {
      const socket = connectTcp(listener.port, '127.0.0.1').on('error', () => {})
      await new Promise(resolve => socket.once('connect', resolve))
      socket.write(text, 'latin1')
      return socket
    })
  )
  await connect({ brokers: [listener.address], sasl: { mechanism: 'PLAIN', username: 'ann', password: 'wrong' } }).catch(() => {})
  const elsewhere = await connect({
    brokers: [listener.address],
    sasl: { mechanism: 'SCRAM-SHA-256', username: 'ann', password: 'secret' }
  })
  void elsewhere
    .consumer({ topics: ['orders'] })
    .records()
    .next()
    .catch(() => {})
  await elsewhere.admin().listTopics()
  await listener.close({ timeoutMs: 200 }).catch(() => {})
  for (const socket of sockets) socket.destroy()
  await elsewhere.close({ timeoutMs: 200 }).catch(() => {})
  await cluster.close()
}

async function command(...words: string[]): Promise<void> {
  const sink = () => new Writable({ write: (_chunk, _encoding, done) => done() })
  const ending = new AbortController()
  const running = runCommand(words, { stdout: sink(), stderr: sink(), signal: ending.signal })
  if (/serve|tail|consume/.test(words[0]!)) setTimeout(() => ending.abort('SIGINT'), 60)
  await running
}

const tls = selfSigned()

export const lives: Record<string, Life> = {
  'a cluster in memory': given => oneByOne(given),
  'a cluster in memory, closed at work': given => atOnce(given),
  'a cluster on disk': given => inFolder(folder => oneByOne(given, { storage: fileStorage(folder, { durability: 'interval' }) })),
  'a cluster on disk, closed at work': given =>
    inFolder(folder => atOnce(given, { storage: given.note('storage', fileStorage(folder, { durability: 'always' })) })),
  'a cluster on disk, locked by a file': given =>
    inFolder(folder => oneByOne(given, { storage: fileStorage(folder, { kernelLock: false }) })),
  'a remote cluster': given => remote(given, use, {}, {}),
  'a remote cluster, closed at work': given => remote(given, busy, {}, {}),
  'a remote cluster with passwords': given =>
    remote(
      given,
      use,
      { sasl: { users: { ann: 'secret' } }, connectionsMaxReauthMs: 60_000, superUsers: ['ann'] },
      { sasl: { mechanism: 'SCRAM-SHA-512', username: 'ann', password: 'secret' } }
    ),
  ...(tls && {
    'a remote cluster with TLS': given => remote(given, use, { tls, advertisedHost: 'localhost' }, { tls: { ca: tls.cert } })
  }),
  'a remote cluster whose broker goes': async given => {
    const cluster = given.note('cluster', await Cluster.open({ configs }))
    const listener = given.note('listener', await listen(cluster))
    const elsewhere = given.note('remote cluster', await connect({ brokers: [listener.address] }))
    await busy(elsewhere, given)
    await listener.close({ timeoutMs: 100 }).catch(() => {})
    await elsewhere.close({ timeoutMs: 300 }).catch(() => {})
    await cluster.close()
  },
  'a cluster that cannot be reached': async ({ signal }) => {
    await connect({ brokers: ['127.0.0.1:1'], connectTimeoutMs: 100, requestTimeoutMs: 100, signal }).catch(() => {})
  },
  'a listener with strangers': strangers,
  'a second process that only reads': given =>
    inFolder(async folder => {
      const cluster = await Cluster.open({ storage: fileStorage(folder) })
      await cluster.producer().send('orders', { value: 'v' })
      await lookAt(folder, given)
      await cluster.close()
    }),
  'a directory that is in use': given =>
    inFolder(async folder => {
      const cluster = given.note('cluster', await Cluster.open({ storage: fileStorage(folder) }))
      for (const kernelLock of [true, false]) await Cluster.open({ storage: fileStorage(folder, { kernelLock }) }).catch(() => {})
      await cluster.close()
    }),
  'a log alone': async ({ note, signal }) => {
    const log = note('log', await Log.open(memoryStorage(), 'journal'))
    await log.append(RecordBatch.of([{ value: 'v' }]).bytes.slice())
    await log.compact({ signal })
    await log.close()
  },
  commands: () =>
    inFolder(async folder => {
      const cluster = await Cluster.open({ storage: fileStorage(folder) })
      await cluster.producer().send('orders', { value: 'v' })
      await cluster.close()
      for (const words of [
        ['topics', folder],
        ['groups', folder],
        ['verify', folder],
        ['tail', folder, 'orders', '--follow'],
        ['serve', folder, '--port', '0']
      ])
        await command(...words)
    })
}

async function lookAt(folder: string, { note }: Given): Promise<void> {
  const looking = note('looking', await Cluster.open({ storage: fileStorage(folder, { readOnly: true }) }))
  const consumer = note('consumer', looking.consumer({ topics: ['orders'], autoOffsetReset: 'earliest' }))
  await consumer.records().next()
  await looking.close()
}
