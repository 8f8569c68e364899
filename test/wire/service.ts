import { Cluster } from '../../src/cluster.js'
import { string } from '../../src/record/serde.js'
import { topic } from '../../src/record/topic.js'
import { connect } from '../../src/wire/connect.js'
import { listen } from '../../src/wire/listener.js'

export interface ServiceOptions {
  /** How many clients, half of them producers. */
  readonly clients: number
  readonly seconds: number
  /** How often the listener is stopped and started under them. */
  readonly restarts: number
}

export interface ServiceReport {
  readonly sent: number
  /** By consumer group: how many different records arrived. */
  readonly received: readonly number[]
  readonly errors: readonly unknown[]
  /** Resident memory in MiB, about once a second. */
  readonly memory: readonly number[]
}

const groupCount = 4
const news = topic('news', { key: string, value: string, partitions: 12 })

/** A cluster behind a listener, and many clients that write and read for a time, each over connections of its own. */
export async function runService({ clients, seconds, restarts }: ServiceOptions): Promise<ServiceReport> {
  const cluster = await Cluster.open()
  const { node } = cluster
  if (!node) throw new Error('Expected a node')
  let listener = await listen(node)
  const { port, address } = listener
  const errors: unknown[] = []
  const memory: number[] = []
  const received = Array.from({ length: groupCount }, () => new Arrivals())
  const wished = new AbortController()
  let sent = 0
  let open = 0

  const produce = async (name: string) => {
    const remote = await connect({ brokers: [address], clientId: name })
    const producer = remote.producer({ clientId: name })
    for (let i = 0; !wished.signal.aborted; i++) {
      await producer.send(news, { key: name, value: String(i) })
      sent++
      await pause(2)
    }
    await remote.close()
  }
  const consume = async (name: string, group: number, until: () => boolean) => {
    const remote = await connect({ brokers: [address], clientId: name })
    const consumer = remote.consumer({ clientId: name, groupId: `group-${group}`, topics: [news], autoOffsetReset: 'earliest' })
    const watch = setInterval(() => until() && void consumer.close(), 50)
    open++
    for await (const record of consumer) received[group].add(record.key, Number(record.value))
    clearInterval(watch)
    await remote.close()
  }
  const failing = (work: Promise<void>) => work.catch(error => void errors.push(error))

  const admin = cluster.admin()
  await admin.createTopics([news])
  const half = Math.floor(clients / 2)
  const isDone = () => wished.signal.aborted && received.every(({ count }) => count >= sent)
  let finished = false
  const consumers = Array.from({ length: half }, (_, i) => failing(consume(`c${i}`, i % groupCount, () => finished)))
  while (open < half && errors.length === 0) await pause(20)
  const producers = Array.from({ length: half }, (_, i) => failing(produce(`p${i}`)))
  const end = Date.now() + seconds * 1000
  let left = restarts
  while (Date.now() < end) {
    await pause(Math.min(1000, seconds * 250))
    memory.push(Math.round(process.memoryUsage().rss / 2 ** 20))
    if (left > 0 && Date.now() > end - (seconds * 1000 * left) / (restarts + 1)) {
      left--
      await listener.close()
      listener = await listen(node, { port })
    }
  }
  wished.abort()
  await Promise.all(producers)
  for (const late = Date.now() + 30_000; !isDone() && Date.now() < late; ) await pause(50)
  finished = true
  await Promise.all(consumers)
  await listener.close()
  await cluster.close()
  return { sent, received: received.map(({ count }) => count), errors, memory }
}

/** Which of the numbered records of each producer have arrived: a bit for each, so that what is measured is not the measuring. */
class Arrivals {
  readonly #bits = new Map<string, Uint8Array>()
  count = 0

  add(producer: string, number: number): void {
    let bits = this.#bits.get(producer)
    if (!bits || bits.length * 8 <= number) {
      const larger = new Uint8Array(Math.max(256, (number >> 3) * 2))
      if (bits) larger.set(bits)
      this.#bits.set(producer, (bits = larger))
    }
    const mask = 1 << (number & 7)
    if ((bits[number >> 3] & mask) === 0) this.count++
    bits[number >> 3] |= mask
  }
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
