import { LocalBroker } from '../../src/broker/local-broker.js'
import { sleep } from '../../src/common/clock.js'
import { type Random, randomInteger, seededRandom } from '../../src/common/random.js'
import { errorNumber, KafkaError, type ProtocolErrorCode } from '../../src/errors.js'
import type { ProducerOptions } from '../../src/producer/options.js'
import { Producer } from '../../src/producer/producer.js'
import type { Broker } from '../../src/protocol/broker.js'
import type { RequestOf, ResponseOf } from '../../src/protocol/message.js'
import { CreateTopics } from '../../src/protocol/messages/create-topics.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { batchesIn } from '../../src/record/record-batch.js'
import { InterceptedBroker } from '../../src/testing/intercepted-broker.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { refusedInPart, text } from './workbench.js'

type Request = RequestOf<typeof Produce>
type Response = ResponseOf<typeof Produce>

/** Errors that a leader may give before it writes anything, and that pass. */
const passing: ProtocolErrorCode[] = ['NOT_LEADER_OR_FOLLOWER', 'NOT_ENOUGH_REPLICAS', 'LEADER_NOT_AVAILABLE', 'CORRUPT_MESSAGE']

/** One node on a simulated disk that is closed, killed and opened again, behind a network that loses, delays, doubles and reorders requests and answers. */
export class UnreliableCluster {
  readonly clock = new VirtualClock()
  readonly disk: SimulatedDisk
  readonly random: Random
  readonly broker: InterceptedBroker
  /** How often each thing has happened. */
  readonly met = new Map<string, number>()
  #node: LocalBroker | undefined
  /** The most batches of a partition that have been on the network at a time, with those that the producer had given up. */
  mostInFlight = 0
  readonly #trace: (line: string) => void
  readonly #inFlight = new Map<number, number>()

  constructor(seed: number, trace: (line: string) => void = () => {}) {
    this.#trace = trace
    this.random = seededRandom(seed)
    this.disk = new SimulatedDisk({ random: seededRandom(seed + 1) })
    const reached: Broker = { request: async (api, body, signal) => this.#direct().request(api, body, signal) }
    this.broker = new InterceptedBroker(reached, this.clock)
    this.broker.on(Produce).do((request, _forward, signal) => this.#counted(request, this.#produce(request, signal)))
  }

  async open(partitions: number): Promise<void> {
    await this.#start()
    const topics = [
      { name: 'orders', numPartitions: partitions, replicationFactor: -1, configs: [{ name: 'segment.bytes', value: '2000' }] }
    ]
    await this.#direct().request(CreateTopics, { topics })
  }

  producer(options: ProducerOptions): Producer {
    return new Producer({ brokers: this.broker, clock: this.clock, random: this.random }, options)
  }

  /** The values of a partition, in order. */
  async values(partition: number): Promise<(string | null)[]> {
    const log = this.#node!.topics.get('orders')!.partitions[partition].log
    const found: (string | null)[] = []
    while (found.length < log.logEndOffset) {
      const bytes = await log.read(found.length, 1_000_000)
      for (const batch of batchesIn(bytes)) for (const { value } of batch.records()) found.push(text(value))
    }
    return found
  }

  /** Closes the node in order, or kills it, and opens it on what is on the disk. */
  async restart(): Promise<void> {
    const node = this.#node
    if (!node) return
    this.#node = undefined
    if (this.#chance(0.5)) {
      this.#meet('closed')
      await node.close()
    } else {
      this.#meet('killed')
      this.disk.crash('process')
      await node.close().catch(() => {})
    }
    await this.#start()
  }

  async close(): Promise<void> {
    await this.#node?.close()
  }

  async #start(): Promise<void> {
    this.#node = await LocalBroker.open({ storage: this.disk.mount(), clock: this.clock, random: this.random })
  }

  #direct(): Broker {
    const node = this.#node
    if (!node) throw new KafkaError('NETWORK_EXCEPTION', 'The node is down')
    return node.connect({ clientId: 'test' })
  }

  #chance(probability: number): boolean {
    return this.random.next() < probability
  }

  #meet(what: string): void {
    this.#trace(what)
    this.met.set(what, (this.met.get(what) ?? 0) + 1)
  }

  async #counted(request: Request, response: Promise<Response>): Promise<Response> {
    const partitions = request.topicData.flatMap(({ partitionData }) => partitionData.map(({ index }) => index))
    for (const index of partitions) {
      const count = (this.#inFlight.get(index) ?? 0) + 1
      this.#inFlight.set(index, count)
      this.mostInFlight = Math.max(this.mostInFlight, count)
    }
    return response.finally(() => {
      for (const index of partitions) this.#inFlight.set(index, this.#inFlight.get(index)! - 1)
    })
  }

  async #produce(request: Request, signal?: AbortSignal): Promise<Response> {
    // What is on the network stays as it was sent.
    const sent = structuredClone(request)
    this.#trace(`sent ${shown(sent)}`)
    if (this.#chance(0.4)) return this.#write(sent)
    const faults: Record<string, () => Promise<Response>> = {
      'lost request': () => never(signal),
      'lost answer': () => this.#write(sent).then(() => never(signal)),
      'connection broken before': async () => {
        throw new KafkaError('NETWORK_EXCEPTION')
      },
      'connection broken after': async () => {
        await this.#write(sent)
        throw new KafkaError('NETWORK_EXCEPTION')
      },
      'late request': async () => {
        await sleep(this.clock, randomInteger(this.random, 3000))
        return this.#write(sent)
      },
      'late answer': async () => {
        const answer = await this.#write(sent)
        await sleep(this.clock, randomInteger(this.random, 3000))
        return answer
      },
      'request twice': async () => {
        const late = structuredClone(sent)
        void sleep(this.clock, randomInteger(this.random, 5000)).then(() => this.#write(late).catch(() => {}))
        return this.#write(sent)
      },
      'refused for now': () => this.#refuse(sent)
    }
    const names = Object.keys(faults)
    const name = names[randomInteger(this.random, names.length)]
    this.#meet(name)
    return faults[name]()
  }

  async #write(request: Request): Promise<Response> {
    const response = await this.#direct().request(Produce, request)
    this.#trace(`${shown(request)} gives ${JSON.stringify(response.responses.flatMap(each => each.partitionResponses))}`)
    return response
  }

  /** Writes some of the batches and refuses the others, without a word about those that are left out. */
  #refuse(request: Request): Promise<Response> {
    const errorCode = errorNumber(passing[randomInteger(this.random, passing.length)])
    return refusedInPart(
      request,
      () => this.#chance(0.3),
      errorCode,
      taken => this.#write(taken)
    )
  }
}

function never(signal: AbortSignal | undefined): Promise<Response> {
  return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason), { once: true }))
}

/** The batches of a request: partition, epoch, sequence and values. */
function shown({ topicData }: Request): string {
  const batches = topicData.flatMap(({ partitionData }) =>
    partitionData.map(({ index, records }) => {
      const [batch] = batchesIn(records!)
      const values = [...batch.records()].map(({ value }) => text(value))
      return `${index}: ${batch.producerId}/${batch.producerEpoch}/${batch.baseSequence} ${values}`
    })
  )
  return batches.join('; ')
}
