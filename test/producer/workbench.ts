import { LocalBroker } from '../../src/broker/local-broker.js'
import { readText } from '../../src/common/bytes.js'
import { seededRandom } from '../../src/common/random.js'
import type { ProducerOptions } from '../../src/producer/options.js'
import { Producer } from '../../src/producer/producer.js'
import type { RequestOf, ResponseOf } from '../../src/protocol/message.js'
import { CreateTopics } from '../../src/protocol/messages/create-topics.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { batchesIn, type RecordBatch } from '../../src/record/record-batch.js'
import { MemoryStorage } from '../../src/storage/memory/memory.js'
import { InterceptedBroker } from '../../src/testing/intercepted-broker.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'

export interface WorkbenchOptions {
  readonly partitions?: number
  readonly configs?: { readonly [name: string]: string }
  readonly seed?: number
}

/** A node in memory with a topic `orders`, a broker that can be interfered with, and a clock that a test moves. */
export async function workbench({ partitions = 1, configs = {}, seed = 1 }: WorkbenchOptions = {}) {
  const clock = new VirtualClock()
  const node = await LocalBroker.open({ storage: new MemoryStorage(), clock, random: seededRandom(seed) })
  const direct = node.connect({ clientId: 'test' })
  const broker = new InterceptedBroker(direct, clock)

  async function create(name: string, numPartitions: number, topicConfigs: { readonly [name: string]: string } = {}) {
    const wanted = Object.entries(topicConfigs).map(([key, value]) => ({ name: key, value }))
    const { topics } = await direct.request(CreateTopics, {
      topics: [{ name, numPartitions, replicationFactor: -1, configs: wanted }]
    })
    if (topics[0].errorCode) throw new Error(`${topics[0].errorMessage}`)
  }
  await create('orders', partitions, configs)

  function batches(topic = 'orders', partition = 0): RecordBatch[] {
    const log = node.topics.get(topic)?.partitions[partition].log
    if (!log) return []
    const found: RecordBatch[] = []
    // One read may end where a segment, or a piece of its memory, does.
    for (let offset = log.logStartOffset; offset < log.logEndOffset; offset = (found.at(-1) as RecordBatch).nextOffset) {
      found.push(...batchesIn((log.read(offset, 2 ** 30) as Uint8Array).slice()))
    }
    return found
  }

  function records(topic = 'orders', partition = 0) {
    return batches(topic, partition).flatMap(batch => [...batch.records()])
  }

  return {
    clock,
    node,
    broker,
    create,
    batches,
    records,
    /** A producer behind the intercepted broker. */
    producer: (options?: ProducerOptions) => new Producer({ brokers: broker, clock, random: seededRandom(seed) }, options),
    /** The values in a partition, as text, in order. */
    values: (topic = 'orders', partition = 0) => records(topic, partition).map(({ value }) => text(value)),
    /** How many records each Produce request brought, by partition of `orders`. */
    requests: () =>
      broker
        .seen(Produce)
        .map(({ request }) =>
          Object.fromEntries(
            request.topicData.flatMap(({ partitionData }) =>
              partitionData.map(({ index, records }) => [index, countIn(records as Uint8Array)])
            )
          )
        )
  }
}

/**
 * The answer of a leader that writes only those batches of a request that `isTaken` draws, and
 * refuses the others with `errorCode`.
 */
export async function refusedInPart(
  request: RequestOf<typeof Produce>,
  isTaken: () => boolean,
  errorCode: number,
  write: (taken: RequestOf<typeof Produce>) => Promise<ResponseOf<typeof Produce>>
): Promise<ResponseOf<typeof Produce>> {
  const topicData = request.topicData.map(topic => ({ ...topic, partitionData: topic.partitionData.filter(isTaken) }))
  const { responses } = await write({ ...request, topicData })
  return {
    responses: request.topicData.map((topic, i) => ({
      ...responses[i],
      partitionResponses: topic.partitionData.map(
        ({ index }) => responses[i].partitionResponses.find(each => each.index === index) ?? { index, errorCode, baseOffset: -1 }
      )
    }))
  }
}

export function text(bytes: Uint8Array | null): string | null {
  return bytes && readText(bytes, 0, bytes.length)
}

/** How a promise stands, without waiting for it. */
export async function stateOf(promise: Promise<unknown>): Promise<'pending' | 'resolved' | 'rejected'> {
  let state: 'pending' | 'resolved' | 'rejected' = 'pending'
  promise.then(
    () => {
      state = 'resolved'
    },
    () => {
      state = 'rejected'
    }
  )
  await new Promise(setImmediate)
  return state
}

function countIn(records: Uint8Array): number {
  return [...batchesIn(records)].reduce((sum, batch) => sum + [...batch.records()].length, 0)
}
