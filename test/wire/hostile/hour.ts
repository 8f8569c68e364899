import { fork } from 'node:child_process'
import { once } from 'node:events'
import { monitorEventLoopDelay } from 'node:perf_hooks'
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
  /** Times that the strangers come and go. */
  readonly rounds: number
  /**
   * The time that honest clients are among themselves in a round, before the strangers come; once
   * more in the end.
   */
  readonly calmSeconds: number
  /** The time that the strangers are there in a round. */
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
  /** The 99th percentile of the delay of the event loop beyond 1 ms, in milliseconds. */
  readonly loopDelay: number
  /** The part of one processor's time that the process took. */
  readonly load: number
}

export interface HostileReport {
  /** Without strangers, in all rounds. */
  readonly calm: Phase
  readonly hostile: Phase
  readonly strangers: {
    readonly connections: number
    readonly refused: number
    readonly letIn: number
    readonly guesses: number
    readonly closedByListener: number
    /** Milliseconds of processor time that their process took. */
    readonly cpuMs: number
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
  const { honest, rounds, calmSeconds, hostileSeconds, maxConnections, pauseMs, everyMs } = options
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
  const [calm, hostile, between] = [new Stopwatch(), new Stopwatch(), new Stopwatch()]
  let watch = between
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
      watch.latencies.push(performance.now() - from)
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
      watch.entries.push(performance.now() - from)
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
  const measured = async (stopwatch: Stopwatch, during: () => Promise<void>) => {
    watch = stopwatch
    stopwatch.start()
    await during()
    stopwatch.stop()
    watch = between
  }
  while (inside < honest && errors.length === 0) await pause(20)
  await pause(Math.min(2000, calmSeconds * 500))
  const before = held(listeners)
  let after = before
  const buffersBefore = buffers()
  const memory: number[] = []
  const child = fork(new URL('./strangers.mjs', import.meta.url), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [],
    detached: true
  })
  const setting = {
    port: plain.port,
    tlsPort: secured.port,
    count: options.strangers,
    users: [...Object.keys(users), 'nobody', 'root'],
    pauseMs
  }
  for (let round = 1; round <= rounds; round++) {
    await measured(calm, () => pause(calmSeconds * 1000))
    child.send(round === 1 ? setting : 'come')
    await pause(Math.min(5000, hostileSeconds * 250))
    await measured(hostile, async () => {
      for (const end = Date.now() + hostileSeconds * 1000; Date.now() < end; ) {
        await pause(Math.min(1000, hostileSeconds * 100))
        memory.push(Math.round(process.memoryUsage().rss / 2 ** 20))
      }
      // On a busy machine it takes longer until newcomers are in.
      await untilLate(() => hostile.entries.length >= 2 * round || errors.length > 0)
    })
    child.send('go')
    await untilLate(() => held(listeners).connections <= connectionsEach * (honest + 1))
    after = held(listeners)
    await pause(Math.min(2000, calmSeconds * 500))
  }
  child.send('end')
  const [strangers] = await once(child, 'message')
  if (child.exitCode === null) await once(child, 'exit')
  const bufferGrowth = buffers() - buffersBefore
  await measured(calm, () => pause(calmSeconds * 1000))
  wished.abort()
  await Promise.all(working)
  await untilLate(() => counts.received >= counts.sent)
  await reader.close()
  await reading
  const topics = (await cluster.admin().listTopics()).map(({ name }) => name)
  for (const listener of listeners) await listener.close()
  await cluster.close()
  return { calm: calm.phase, hostile: hostile.phase, strangers, errors, ...counts, memory, before, after, bufferGrowth, topics }
}

/** A honest client has one to the address that it was given, and two to the node. */
export const connectionsEach = 3

/** Adds up what is measured between each start and stop. */
class Stopwatch {
  readonly latencies: number[] = []
  readonly entries: number[] = []
  readonly #loop = monitorEventLoopDelay({ resolution: 1 })
  #cpu = process.cpuUsage()
  #since = 0
  #cpuMs = 0
  #timeMs = 0

  start(): void {
    this.#cpu = process.cpuUsage()
    this.#since = performance.now()
    this.#loop.enable()
  }

  stop(): void {
    this.#loop.disable()
    const { user, system } = process.cpuUsage(this.#cpu)
    this.#cpuMs += (user + system) / 1000
    this.#timeMs += performance.now() - this.#since
  }

  get phase(): Phase {
    const latencies = [...this.latencies].sort((a, b) => a - b)
    const at = (share: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? Number.NaN
    return {
      requests: latencies.length,
      p50: at(0.5),
      p99: at(0.99),
      longest: at(1),
      longestEntry: Math.max(0, ...this.entries),
      entries: this.entries.length,
      loopDelay: this.#loop.percentile(99) / 1e6 - 1,
      load: this.#cpuMs / this.#timeMs
    }
  }
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

/** Waits until something is so, but for no longer than 20 seconds. */
async function untilLate(condition: () => boolean): Promise<void> {
  for (const late = Date.now() + 20_000; !condition() && Date.now() < late; ) await pause(20)
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
