import { LocalBroker, nodeOf } from '../../src/broker/local-broker.js'
import type { LocalBrokerOptions } from '../../src/broker/local-broker-options.js'
import { seededRandom } from '../../src/common/random.js'
import { zeroUuid } from '../../src/common/uuid.js'
import { errorCodeOf } from '../../src/errors.js'
import { createTopics as decideTopics } from '../../src/metadata/create-topics.js'
import type { Broker } from '../../src/protocol/broker.js'
import type { RequestOf } from '../../src/protocol/message.js'
import { CreateTopics } from '../../src/protocol/messages/create-topics.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { batchesIn, RecordBatch } from '../../src/record/record-batch.js'
import { MemoryStorage } from '../../src/storage/memory/memory.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'

export interface OpenNode {
  readonly node: LocalBroker
  readonly client: Broker
  readonly clock: VirtualClock
  readonly storage: MemoryStorage
}

/** A node in memory on a clock that stands still, and a client of it. */
export async function openNode(
  options: Partial<LocalBrokerOptions> & { clock?: VirtualClock; storage?: MemoryStorage } = {}
): Promise<OpenNode> {
  const clock = options.clock ?? new VirtualClock()
  const storage = options.storage ?? new MemoryStorage()
  const node = await LocalBroker.open({ random: seededRandom(1), ...options, clock, storage })
  return { node, client: node.connect({ clientId: 'test' }), clock, storage }
}

export async function createTopic(client: Broker, name: string, numPartitions = 1, configs: Record<string, string> = {}): Promise<string> {
  const wanted = {
    name,
    numPartitions,
    replicationFactor: -1,
    configs: Object.entries(configs).map(([key, value]) => ({ name: key, value }))
  }
  const { topics } = await client.request(CreateTopics, { topics: [wanted] })
  if (topics[0].errorCode !== 0) throw new Error(`${errorCodeOf(topics[0].errorCode)}: ${topics[0].errorMessage}`)
  return topics[0].topicId ?? zeroUuid
}

/** One of the topics that the cluster keeps for itself, which only the node may create. */
export async function createInternalTopic(node: LocalBroker, name: string): Promise<void> {
  const request = { topics: [{ name, numPartitions: 1, replicationFactor: 1 }] }
  await nodeOf(node).controller.change(() =>
    decideTopics(nodeOf(node).metadata, request, { ...nodeOf(node).controller.context, isNode: true })
  )
}

/** A batch of records with these values. */
export function batch(...values: string[]): Uint8Array {
  return RecordBatch.of(values.map(value => ({ value, timestamp: Date.UTC(2024, 0, 1) }))).bytes
}

export function produceRequest(name: string, index: number, records: Uint8Array | null, acks = -1): RequestOf<typeof Produce> {
  return { acks, timeoutMs: 1000, topicData: [{ name, partitionData: [{ index, records }] }] }
}

/** Sends one batch to one partition and returns what the partition answered, its error by name. */
export async function produce(client: Broker, name: string, index: number, records: Uint8Array | null, acks?: number) {
  const { responses } = await client.request(Produce, produceRequest(name, index, records, acks))
  return withError(responses[0].partitionResponses[0])
}

export interface FetchWishes {
  readonly offset?: number
  readonly maxWaitMs?: number
  readonly minBytes?: number
  readonly maxBytes?: number
  readonly partitionMaxBytes?: number
  readonly isolationLevel?: number
  readonly currentLeaderEpoch?: number
}

export function fetchRequest(topic: string, partitions: readonly number[], wishes: FetchWishes = {}): RequestOf<typeof Fetch> {
  const {
    offset = 0,
    maxWaitMs = 0,
    minBytes = 1,
    maxBytes = 1_000_000,
    partitionMaxBytes = 1_000_000,
    isolationLevel = 0,
    currentLeaderEpoch = -1
  } = wishes
  const wanted = partitions.map(partition => ({ partition, fetchOffset: offset, partitionMaxBytes, currentLeaderEpoch }))
  return { maxWaitMs, minBytes, maxBytes, isolationLevel, topics: [{ topic, partitions: wanted }] }
}

/** Fetches from partitions of one topic and returns what each answered, its error by name and its records as text. */
export async function fetch(client: Broker, topic: string, partitions: readonly number[], wishes?: FetchWishes, signal?: AbortSignal) {
  const { responses } = await client.request(Fetch, fetchRequest(topic, partitions, wishes), signal)
  return responses.flatMap(response =>
    response.partitions.map(partition => ({ ...withError(partition), values: valuesIn(partition.records) }))
  )
}

export function valuesIn(records: Uint8Array | null): string[] {
  const all = [...batchesIn(records ?? new Uint8Array(0))].flatMap(found => [...found.records()])
  return all.map(({ value }) => Buffer.from(value ?? []).toString())
}

export function withError<T extends { readonly errorCode: number }>(answer: T): Omit<T, 'errorCode'> & { readonly error: string } {
  const { errorCode, ...rest } = answer
  return { ...rest, error: errorCodeOf(errorCode) }
}

/** True if a promise has resolved after some turns of the event loop. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false
  void promise.then(() => (settled = true))
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
  return settled
}
