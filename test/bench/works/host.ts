import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Bus } from '../bus-run.js'
import type { Contestant, Work } from '../contest.js'
import { Inbox, messagesOf } from '../messages.js'
import type { Setting } from '../setting.js'
import { percentile } from '../statistics.js'

const timerMs = 10

/** How late a timer of the process is, each time. */
function watchTimer() {
  const late: number[] = []
  let due = performance.now() + timerMs
  const onTime = () => {
    late.push(performance.now() - due)
    due = performance.now() + timerMs
    timer = setTimeout(onTime, timerMs)
  }
  let timer = setTimeout(onTime, timerMs)
  return {
    end() {
      clearTimeout(timer)
      return Float64Array.from(late)
    }
  }
}

/** A web server in this process, and a client of it in another. */
async function serve() {
  const server = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = fork(fileURLToPath(new URL('../peers/http-client.js', import.meta.url)), [String(port)], { execArgv: [] })
  await once(client, 'message')
  return {
    async end() {
      const answered = once(client, 'message')
      client.send('stop')
      const [latencies] = await answered
      server.close()
      server.closeAllConnections()
      return Float64Array.from(latencies as number[])
    }
  }
}

/** Does something at full speed, and looks how the rest of the process fares. */
async function beside(setting: Setting, work: (setting: Setting) => Promise<number>) {
  const server = await serve()
  const timer = watchTimer()
  const rate = await work(setting)
  const late = timer.end()
  const latencies = await server.end()
  return {
    late: late.length > 0 ? percentile(late, 99) : 0,
    latest: late.length > 0 ? late[late.length - 1] : 0,
    p50: percentile(latencies, 50),
    p99: percentile(latencies, 99),
    rate
  }
}

async function throughBus(bus: Bus, setting: Setting, records: number, subscribers: number): Promise<number> {
  const count = setting.count(records)
  const inboxes = Array.from({ length: subscribers }, () => new Inbox(count))
  const elapsed = await bus({ messages: messagesOf(100), count, inboxes })
  return count / elapsed / 1000
}

const ours = (
  name: string,
  records: number,
  load: (part: typeof import('../peers/millrace-bus.js')) => Bus,
  subscribers = 1
): Contestant => ({
  name: `millrace: ${name}`,
  role: 'us',
  run: setting => beside(setting, async () => throughBus(load(await import('../peers/millrace-bus.js')), setting, records, subscribers))
})

const rows = [
  ours('sendBatch → batches', 6_000_000, m => m.millraceBus(m.sendBatches, m.readBatches)),
  ours('sendBatch → for await', 4_000_000, m => m.millraceBus(m.sendBatches, m.readRecords)),
  ours('await send → for await', 1_000_000, m => m.millraceBus(m.sendOneByOne, m.readRecords)),
  ours('sendBatch → for await, 20 groups', 400_000, m => m.millraceBus(m.sendBatches, m.readRecords), 20)
]

export const host: Work = {
  name: 'host',
  title: 'The rest of the process',
  about:
    'Beside a bus at full speed: how late a timer of 10 ms is, and how long a web server in the same process takes to answer a client in another, which asks every 2 ms.',
  metrics: [
    { name: 'latest', title: 'timer, most late', unit: 'ms', better: 'less' },
    { name: 'late', title: 'timer, p99 late', unit: 'ms', better: 'less' },
    { name: 'p50', title: 'HTTP p50', unit: 'ms', better: 'less' },
    { name: 'p99', title: 'HTTP p99', unit: 'ms', better: 'less' },
    { name: 'rate', title: 'records meanwhile', unit: 'M/s', better: 'more' }
  ],
  contestants: [
    {
      name: 'nothing else to do',
      role: 'floor',
      run: setting =>
        beside(setting, async () => {
          await new Promise(resolve => setTimeout(resolve, setting.amount(2000, 50)))
          return 0
        })
    },
    ...rows
  ],
  goals: rows.flatMap(({ name }) => [
    { row: name, metric: 'latest', atMost: 20 },
    { row: name, metric: 'p99', atMost: 25 }
  ])
}
