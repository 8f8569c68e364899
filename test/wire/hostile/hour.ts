import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Cluster } from '../../../src/cluster.js'
import { string } from '../../../src/record/serde.js'
import { topic } from '../../../src/record/topic.js'
import { connect } from '../../../src/wire/connect.js'
import { type Listener, listen } from '../../../src/wire/listener.js'
import { collectGarbage } from '../../collect-garbage.js'
import { selfSigned } from '../certificate.js'

export interface HostileOptions {
  readonly strangers: number
  readonly honest: number
  /** How long honest clients are among themselves, before the strangers come. */
  readonly calmSeconds: number
  readonly hostileSeconds: number
  /** About how long a stranger waits between two things that it does. */
  readonly pauseMs: number
  /** About how long a honest client waits between two requests. */
  readonly everyMs: number
  readonly maxConnections: number
}

export interface Phase {
  readonly requests: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly longest: number
  /** Milliseconds that a new honest client takes until its first record is acknowledged, at most. */
  readonly longestEntry: number
  readonly entries: number
  /** The part of one processor's time that the process took. */
  readonly load: number
}

export interface HostileReport {
  readonly calm: Phase
  readonly hostile: Phase
  /** When the strangers have gone. */
  readonly calmAgain: Phase
  readonly strangers: {
    readonly connections: number
    readonly refused: number
    readonly letIn: number
    readonly guesses: number
    readonly closedByListener: number
  }
  /** Failures of honest clients. */
  readonly errors: readonly unknown[]
  readonly sent: number
  readonly received: number
  /** Resident memory in MiB, once a second while the strangers are there. */
  readonly memory: readonly number[]
  /** Connections, and bytes of requests and answers that are held, of both listeners: before the strangers came, and after they had gone. */
  readonly before: { readonly connections: number; readonly bytes: number }
  readonly after: { readonly connections: number; readonly bytes: number }
  /** Bytes of buffers that are left after the strangers have gone, beyond those before they came. */
  readonly bufferGrowth: number
  /** The topics that there are in the end. */
  readonly topics: readonly string[]
}

/** It keeps little, so that memory does not grow with what honest clients send. */
const configs = { 'retention.bytes': 1024 * 1024, 'segment.bytes': 1024 * 1024 }
const news = topic('news', { key: string, value: string, partitions: 4, configs })

/** Honest clients at a steady rate over two listeners, one of them with TLS; first among themselves, then beside strangers. */
export async function runHostile(options: HostileOptions): Promise<HostileReport> {
  const { honest, calmSeconds, hostileSeconds, maxConnections, pauseMs, everyMs } = options
  const cluster = await Cluster.open()
  const users = Object.fromEntries(Array.from({ length: honest + 1 }, (_, i) => [`user${i}`, `secret${i}`]))
  const common = { sasl: { users }, superUsers: Object.keys(users), maxConnections, stallTimeoutMs: 10_000 }
  const tls = selfSigned()
  const plain = await listen(cluster, common)
  const secured = tls ? await listen(cluster, { ...common, tls }) : plain
  const listeners = tls ? [plain, secured] : [plain]
  await cluster.admin().createTopics([news])
  const errors: unknown[] = []
  const wished = new AbortController()
  const watch = new Stopwatches()
  const counts = { sent: 0, received: 0 }
  let inside = 0

  const remoteOf = (i: number) => {
    const isSecured = tls !== undefined && i % 2 === 1
    const sasl = { mechanism: i % 4 < 2 ? ('SCRAM-SHA-256' as const) : ('PLAIN' as const), username: `user${i}`, password: `secret${i}` }
    return connect({
      brokers: [isSecured ? secured.address : plain.address],
      clientId: `honest${i}`,
      sasl,
      ...(isSecured && { tls: { ca: tls.cert, servername: 'localhost' } })
    })
  }
  const honestClient = async (i: number) => {
    const remote = await remoteOf(i)
    const producer = remote.producer({ lingerMs: 0 })
    await producer.send(news, { key: `${i}`, value: 'x' })
    counts.sent++
    inside++
    while (!wished.signal.aborted) {
      const from = performance.now()
      await producer.send(news, { key: `${i}`, value: 'x'.repeat(200) })
      watch.current.latencies.push(performance.now() - from)
      counts.sent++
      await pause(everyMs * (0.8 + 0.4 * Math.random()))
    }
    await remote.close()
  }
  /** Comes in again and again. */
  const newcomer = async () => {
    for (let i = 0; !wished.signal.aborted; i++) {
      const from = performance.now()
      const remote = await remoteOf(i % (honest + 1))
      const producer = remote.producer({ lingerMs: 0 })
      await producer.send(news, { key: 'new', value: 'x' })
      counts.sent++
      watch.current.entries.push(performance.now() - from)
      await remote.close()
      await pause(200)
    }
  }
  const failing = (work: Promise<void>) => work.catch(error => void errors.push(error))
  const reader = cluster.consumer({ topics: [news], autoOffsetReset: 'earliest' })
  const reading = failing(
    (async () => {
      for await (const _ of reader) counts.received++
    })()
  )
  const working = [...Array.from({ length: honest }, (_, i) => failing(honestClient(i))), failing(newcomer())]
  while (inside < honest && errors.length === 0) await pause(20)
  await pause(Math.min(2000, calmSeconds * 500))
  watch.next()
  await pause(calmSeconds * 1000)
  const calm = watch.next()
  const before = held(listeners)
  const buffersBefore = buffers()

  const child = fork(new URL('./strangers.mjs', import.meta.url), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [],
    detached: true
  })
  child.send({
    port: plain.port,
    tlsPort: secured.port,
    count: options.strangers,
    users: [...Object.keys(users), 'nobody', 'root'],
    pauseMs
  })
  await pause(Math.min(5000, hostileSeconds * 250))
  watch.next()
  const memory: number[] = []
  for (const end = Date.now() + hostileSeconds * 1000; Date.now() < end; ) {
    await pause(Math.min(1000, hostileSeconds * 100))
    memory.push(Math.round(process.memoryUsage().rss / 2 ** 20))
  }
  // On a busy machine it takes longer until newcomers are in.
  for (const late = Date.now() + 20_000; watch.current.entries.length < 2 && errors.length === 0 && Date.now() < late; ) await pause(50)
  const hostile = watch.next()
  child.send('end')
  const [strangers] = await once(child, 'message')
  if (child.exitCode === null) await once(child, 'exit')
  for (const late = Date.now() + 20_000; held(listeners).connections > connectionsEach * (honest + 1) && Date.now() < late; )
    await pause(50)
  const after = held(listeners)
  const bufferGrowth = buffers() - buffersBefore
  watch.next()
  await pause(calmSeconds * 1000)
  const calmAgain = watch.next()
  wished.abort()
  await Promise.all(working)
  for (const late = Date.now() + 20_000; counts.received < counts.sent && Date.now() < late; ) await pause(20)
  await reader.close()
  await reading
  const topics = (await cluster.admin().listTopics()).map(({ name }) => name)
  for (const listener of listeners) await listener.close()
  await cluster.close()
  return { calm, hostile, calmAgain, strangers, errors, ...counts, memory, before, after, bufferGrowth, topics }
}

/** A honest client has one to the address that it was given, and two to the node. */
export const connectionsEach = 3

class Stopwatches {
  current: Measured = { latencies: [], entries: [] }
  #cpu = process.cpuUsage()
  #since = performance.now()

  /** Begins a new phase, and tells of the one before. */
  next(): Phase {
    const { latencies, entries } = this.current
    this.current = { latencies: [], entries: [] }
    const { user, system } = process.cpuUsage(this.#cpu)
    const load = (user + system) / 1000 / (performance.now() - this.#since)
    this.#cpu = process.cpuUsage()
    this.#since = performance.now()
    latencies.sort((a, b) => a - b)
    const at = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN
    return {
      requests: latencies.length,
      p50: at(0.5),
      p99: at(0.99),
      longest: at(1),
      longestEntry: Math.max(0, ...entries),
      entries: entries.length,
      load
    }
  }
}

interface Measured {
  readonly latencies: number[]
  readonly entries: number[]
}

function held(listeners: readonly Listener[]): { readonly connections: number; readonly bytes: number } {
  return {
    connections: listeners.reduce((sum, { connectionCount }) => sum + connectionCount, 0),
    bytes: listeners.reduce((sum, { inFlightBytes }) => sum + inFlightBytes, 0)
  }
}

/** Memory of buffers, after what nobody uses has been collected. */
function buffers(): number {
  collectGarbage()
  return process.memoryUsage().arrayBuffers
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
