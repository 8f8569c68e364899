import { errorCodeOf } from '../../../src/errors.js'
import type { Broker, Brokers } from '../../../src/protocol/broker.js'
import type { RequestOf } from '../../../src/protocol/message.js'
import { CreateTopics } from '../../../src/protocol/messages/create-topics.js'
import { Fetch } from '../../../src/protocol/messages/fetch.js'
import { FindCoordinator } from '../../../src/protocol/messages/find-coordinator.js'
import { ListOffsets } from '../../../src/protocol/messages/list-offsets.js'
import { Metadata } from '../../../src/protocol/messages/metadata.js'
import { OffsetFetch } from '../../../src/protocol/messages/offset-fetch.js'
import { Produce } from '../../../src/protocol/messages/produce.js'
import type { CompressionType } from '../../../src/record/compression/codec.js'
import type { RecordFields } from '../../../src/record/record.js'
import { batchesIn, RecordBatch } from '../../../src/record/record-batch.js'
import { eventually } from './eventually.js'

export interface FetchWishes {
  readonly offset?: number
  readonly maxWaitMs?: number
  readonly minBytes?: number
  readonly maxBytes?: number
  readonly partitionMaxBytes?: number
  readonly isolationLevel?: number
  readonly currentLeaderEpoch?: number
}

/** The verbs that the cases are told in: requests at the waist to the broker that they belong to, answers with their errors by name. */
export class WaistClient {
  readonly brokers: Brokers
  readonly nodeId: number

  private constructor(brokers: Brokers, nodeId: number) {
    this.brokers = brokers
    this.nodeId = nodeId
  }

  /** Finds its way to the one broker, which must be ready to lead partitions and to coordinate groups. */
  static async of(brokers: Brokers): Promise<WaistClient> {
    const { brokers: known } = await brokers.any().request(Metadata, { topics: [] })
    brokers.learn?.(known)
    const client = new WaistClient(brokers, known[0].nodeId)
    await eventually(async () => {
      const { coordinators = [], errorCode = 0 } = await client.node.request(FindCoordinator, {
        key: 'g',
        keyType: 0,
        coordinatorKeys: ['g']
      })
      expectNone(coordinators[0]?.errorCode ?? errorCode)
      const { groups = [] } = await client.node.request(OffsetFetch, { groups: [{ groupId: 'g', topics: null }] })
      expectNone(groups[0].errorCode ?? 0)
    })
    return client
  }

  /** The broker that leads all partitions and coordinates all groups. */
  get node(): Broker {
    const broker = this.brokers.byId(this.nodeId)
    if (!broker) throw new Error(`There is no way to broker ${this.nodeId}`)
    return broker
  }

  /** Creates a topic and waits until its partitions can be used. Returns its id. */
  async createTopic(name: string, numPartitions = 1, configs: Record<string, string> = {}): Promise<string> {
    const wanted = {
      name,
      numPartitions,
      replicationFactor: -1,
      configs: Object.entries(configs).map(([key, value]) => ({ name: key, value }))
    }
    const { topics } = await this.node.request(CreateTopics, { topics: [wanted] })
    expectNone(topics[0].errorCode, topics[0].errorMessage)
    await this.usable(name, numPartitions)
    return (await this.describeTopic(name)).topicId ?? ''
  }

  /** Waits until all partitions of a topic answer. */
  async usable(name: string, numPartitions: number): Promise<void> {
    await eventually(async () => {
      const { error, partitions } = await this.describeTopic(name)
      if (error !== 'NONE' || partitions.length !== numPartitions) throw new Error(`${name}: ${error}, ${partitions.length} partitions`)
      for (const { errorCode, partitionIndex } of partitions) {
        expectNone(errorCode)
        const { error: unusable } = await this.listOffset(name, partitionIndex, -1)
        if (unusable !== 'NONE') throw new Error(unusable)
      }
    })
  }

  async describeTopic(name: string, allowAutoTopicCreation = false) {
    const { topics } = await this.node.request(Metadata, { topics: [{ name }], allowAutoTopicCreation })
    return withError(topics[0])
  }

  /** Sends one batch to one partition and returns what the partition answered. */
  async produce(name: string, index: number, records: Uint8Array | null, acks = -1) {
    const { responses } = await this.node.request(Produce, produceRequest(name, index, records, acks))
    return withError(responses[0].partitionResponses[0])
  }

  /** Fetches from partitions of one topic and returns what each answered, with the values of its records as text. */
  async fetch(topic: string, partitions: readonly number[], wishes?: FetchWishes, signal?: AbortSignal) {
    const { responses } = await this.node.request(Fetch, fetchRequest(topic, partitions, wishes), signal)
    return responses.flatMap(response =>
      response.partitions.map(partition => ({ ...withError(partition), values: valuesIn(partition.records) }))
    )
  }

  async listOffset(name: string, partitionIndex: number, timestamp: number, currentLeaderEpoch = -1) {
    const partitions = [{ partitionIndex, timestamp, currentLeaderEpoch }]
    const { topics } = await this.node.request(ListOffsets, { replicaId: -1, topics: [{ name, partitions }] })
    return withError(topics[0].partitions[0])
  }
}

/** A batch of records with these values, an hour old at most. */
export function batch(values: readonly string[], timestamp = Date.now(), compression: CompressionType = 'none'): Uint8Array {
  return batchOf(
    values.map(value => ({ value, timestamp })),
    compression
  )
}

export function batchOf(records: readonly RecordFields[], compression: CompressionType = 'none'): Uint8Array {
  return RecordBatch.of(records, { compression }).bytes
}

export function produceRequest(name: string, index: number, records: Uint8Array | null, acks = -1): RequestOf<typeof Produce> {
  return { acks, timeoutMs: 10_000, topicData: [{ name, partitionData: [{ index, records }] }] }
}

export function fetchRequest(topic: string, partitions: readonly number[], wishes: FetchWishes = {}): RequestOf<typeof Fetch> {
  const { offset = 0, maxWaitMs = 0, minBytes = 1, maxBytes = 1_000_000, partitionMaxBytes = 1_000_000 } = wishes
  const { isolationLevel = 0, currentLeaderEpoch = -1 } = wishes
  const wanted = partitions.map(partition => ({ partition, fetchOffset: offset, partitionMaxBytes, currentLeaderEpoch }))
  return { maxWaitMs, minBytes, maxBytes, isolationLevel, topics: [{ topic, partitions: wanted }] }
}

export function batchesOf(records: Uint8Array | null): RecordBatch[] {
  return [...batchesIn(records ?? new Uint8Array(0))]
}

export function valuesIn(records: Uint8Array | null): string[] {
  return batchesOf(records).flatMap(found => [...found.records()].map(({ value }) => Buffer.from(value ?? []).toString()))
}

export function withError<T extends { readonly errorCode: number }>(answer: T): Omit<T, 'errorCode'> & { readonly error: string } {
  const { errorCode, ...rest } = answer
  return { ...rest, error: errorCodeOf(errorCode) }
}

export function errorsOf(results: readonly { readonly errorCode: number }[]): string[] {
  return results.map(({ errorCode }) => errorCodeOf(errorCode))
}

export function expectNone(errorCode: number, message?: string | null): void {
  if (errorCode !== 0) throw new Error(`${errorCodeOf(errorCode)}: ${message ?? ''}`)
}
