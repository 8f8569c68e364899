import type { Broker } from '../protocol/broker.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import { Produce } from '../protocol/messages/produce.js'
import type { PartitionQueue } from './partition-queue.js'
import type { ProducerBatch } from './producer-batch.js'

export type ProduceResponse = ResponseOf<typeof Produce>
export type PartitionResponse = ProduceResponse['responses'][number]['partitionResponses'][number]
type TopicData = RequestOf<typeof Produce>['topicData'][number]

const done = Promise.resolve()

/** One Produce request: at most one batch for each of some partitions that the same broker leads. */
export class ProduceCall {
  readonly leaderId: number
  readonly queues: PartitionQueue[] = []
  readonly batches: ProducerBatch[] = []
  /** Time on the clock after which the response is no longer waited for. */
  deadline = 0
  controller: AbortController | undefined
  sizeInBytes = 0
  readonly #leader: Broker
  readonly #body: RequestOf<typeof Produce>
  readonly #topics = new Map<string, TopicData>()

  constructor(leader: Broker, leaderId: number, acks: number, timeoutMs: number) {
    this.#leader = leader
    this.leaderId = leaderId
    this.#body = { transactionalId: null, acks, timeoutMs, topicData: [] }
  }

  add(queue: PartitionQueue, batch: ProducerBatch, records: Uint8Array): void {
    let data = this.#topics.get(queue.topic)
    if (!data) {
      data = { name: queue.topic, partitionData: [] }
      this.#topics.set(queue.topic, data)
      this.#body.topicData.push(data)
    }
    data.partitionData.push({ index: queue.partition, records })
    this.queues.push(queue)
    this.batches.push(batch)
    this.sizeInBytes += records.length
  }

  /** Sends it; exactly one of the two is called, later. */
  send(onResponse: (call: ProduceCall, response: ProduceResponse) => void, onFailure: (call: ProduceCall, error: unknown) => void): void {
    const fail = (error: unknown) => onFailure(this, error)
    try {
      this.#leader.request(Produce, this.#body, this.controller?.signal).then(response => onResponse(this, response), fail)
    } catch (error) {
      done.then(() => fail(error))
    }
  }
}

/** What a response says of each batch of a call, in the order of the call; undefined where it says nothing. */
export function responsesTo(call: ProduceCall, response: ProduceResponse): readonly (PartitionResponse | undefined)[] {
  const topics = response.responses
  if (call.queues.length === 1 && topics.length === 1 && topics[0].partitionResponses.length === 1) {
    const { topic, partition } = call.queues[0]
    const [only] = topics[0].partitionResponses
    return [topics[0].name === topic && only.index === partition ? only : undefined]
  }
  const found = new Map<string, PartitionResponse>()
  for (const { name, partitionResponses } of topics) for (const each of partitionResponses) found.set(`${name}/${each.index}`, each)
  return call.queues.map(({ topic, partition }) => found.get(`${topic}/${partition}`))
}
