import type { Contestant, Work } from '../contest.js'
import type { Setting } from '../setting.js'
import { percentile } from '../statistics.js'

/** Somebody who takes a message from here to there. What is carried is text; `onMessage` is told when it arrived, in nanoseconds. */
export interface Line {
  send(value: string): void
  close(): Promise<void>
}
export type OpenLine = (onMessage: (value: string, at?: number) => void, setting: Setting) => Promise<Line>

const ratePerSecond = 2000

/** Sends at a fixed rate, whatever becomes of it; the time of sending travels in the message. */
async function run(open: OpenLine, setting: Setting) {
  const count = Math.round(setting.amount(5, 0.05) * ratePerSecond)
  const early = Math.min(200, count >> 1)
  const latencies = new Float64Array(count - early)
  let seen = 0
  let finish = () => {}
  const done = new Promise<void>(resolve => (finish = resolve))
  const line = await open((value, at = now()) => {
    const number = seen++
    const comma = value.indexOf(',')
    if (Number(value.slice(0, comma)) !== number) throw new Error(`Number ${number} should come, but it is ${value.slice(0, comma)}`)
    if (number >= early) latencies[number - early] = (at - Number(value.slice(comma + 1))) / 1000
    if (seen === count) finish()
  }, setting)
  const pause = 1e9 / ratePerSecond
  const started = now()
  for (let sent = 0; sent < count; sent++) {
    while (now() < started + sent * pause) await new Promise(setImmediate)
    line.send(`${sent},${now()}`.padEnd(100))
  }
  await done
  await line.close()
  return {
    p50: percentile(latencies, 50),
    p99: percentile(latencies, 99),
    'p99.9': percentile(latencies, 99.9),
    max: latencies[latencies.length - 1]
  }
}

export function now(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e9 + nanoseconds
}

const contestant = (name: string, role: Contestant['role'], load: () => Promise<OpenLine>): Contestant => ({
  name,
  role,
  run: async setting => run(await load(), setting)
})

const memory = 'millrace: send → for await'
const servers = ['Redis Streams, XREAD BLOCK', 'NATS JetStream, push']

export const latency: Work = {
  name: 'latency',
  title: 'Latency at 2,000 messages a second',
  about:
    'One way, from the call of send to the subscriber’s code, for values of 100 bytes; the publisher keeps its pace and waits for nobody.',
  metrics: ['p50', 'p99', 'p99.9', 'max'].map(name => ({ name, title: name, unit: 'µs', better: 'less' })),
  contestants: [
    contestant('EventEmitter', 'floor', async () => (await import('../peers/lines.js')).eventEmitterLine),
    contestant(memory, 'us', async () => (await import('../peers/lines.js')).millraceLine('for await')),
    contestant('millrace: send → run, eachRecord', 'us', async () => (await import('../peers/lines.js')).millraceLine('run')),
    contestant('millrace on disk: send → for await', 'us', async () => (await import('../peers/lines.js')).millraceLine('for await', 'os')),
    contestant('millrace on disk, fsync: send → for await', 'us', async () =>
      (await import('../peers/lines.js')).millraceLine('for await', 'always')
    ),
    contestant('PassThrough → for await', 'peer', async () => (await import('../peers/lines.js')).passThroughLine),
    contestant('worker MessageChannel', 'peer', async () => (await import('../peers/lines.js')).messageChannelLine),
    contestant('Redis Streams, XREAD BLOCK', 'peer', async () => (await import('../peers/redis-line.js')).redisLine),
    contestant('NATS JetStream, push', 'peer', async () => (await import('../peers/nats-line.js')).natsLine)
  ],
  goals: [...servers.map(of => ({ row: memory, metric: 'p50', of, atMost: 0.05 })), { row: memory, metric: 'p99', atMost: 50 }]
}
