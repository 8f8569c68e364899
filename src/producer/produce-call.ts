import type { MaybePromise } from '../common/deferred.js'
import { type Broker, tellsFate } from '../protocol/broker.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import { Produce } from '../protocol/messages/produce.js'
import type { PartitionQueue } from './partition-queue.js'
import type { ProducerBatch } from './producer-batch.js'

export type ProduceResponse = ResponseOf<typeof Produce>
export type PartitionResponse = ProduceResponse['responses'][number]['partitionResponses'][number]
type TopicData = RequestOf<typeof Produce>['topicData'][number] & { readonly name: string }

/**
 * One Produce request: at most one batch for each of some partitions that the same broker leads.
 */
export class ProduceCall {
  readonly leaderId: number
  readonly queues: PartitionQueue[]
  readonly batches: ProducerBatch[]
  /** Time of the monotonic clock after which the response is no longer waited for. */
  deadline = 0
  controller: AbortController | undefined
  /** Its place in the list of calls under way; -1 when it is not in it. */
  slot = -1
  sizeInBytes: number
  readonly #leader: Broker
  readonly #topicData: TopicData[]
  readonly #body: RequestOf<typeof Produce>
  /** True if no other batch may join it. */
  readonly isAlone: boolean
  #topics: Map<string, TopicData> | undefined

  /**
   * A call with its first batch. Most have no other, and these arrays of one cost less than empty
   * ones that grow.
   */
  constructor(
    leader: Broker,
    leaderId: number,
    { acks, transactionalId }: { readonly acks: number; readonly transactionalId: string | null },
    queue: PartitionQueue,
    batch: ProducerBatch,
    records: Uint8Array
  ) {
    const { topic: name, topicId, partition: index } = queue
    this.#leader = leader
    this.leaderId = leaderId
    this.isAlone = queue.isHeld
    this.queues = [queue]
    this.batches = [batch]
    this.sizeInBytes = records.length
    this.#topicData = [{ name, topicId, partitionData: [{ index, records }] }]
    this.#body = { transactionalId, acks, timeoutMs: 0, topicData: this.#topicData }
  }

  /** True if its promise tells what becomes of the batches although it is aborted. */
  get tellsFate(): boolean {
    return this.controller !== undefined && tellsFate(this.controller.signal)
  }

  get topics(): string[] {
    return this.#topicData.map(({ name }) => name)
  }

  add(queue: PartitionQueue, batch: ProducerBatch, records: Uint8Array): void {
    this.#dataOf(queue).partitionData.push({ index: queue.partition, records })
    this.queues.push(queue)
    this.batches.push(batch)
    this.sizeInBytes += records.length
  }

  #dataOf({ topic, topicId }: PartitionQueue): TopicData {
    const last = this.#topicData[this.#topicData.length - 1]
    if (last.name === topic) return last
    // Few calls have more than one topic.
    this.#topics ??= new Map([[last.name, last]])
    let data = this.#topics.get(topic)
    if (data) return data
    data = { name: topic, topicId, partitionData: [] }
    this.#topicData.push(data)
    this.#topics.set(topic, data)
    return data
  }

  /**
   * Sends it; the response may be there at once. `timeoutMs` is what the broker may take for it.
   */
  send(timeoutMs: number): MaybePromise<ProduceResponse> {
    this.#body.timeoutMs = timeoutMs
    try {
      return this.#leader.request(Produce, this.#body, this.controller?.signal)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The broker's promise has settled: it does not use the batches any more. */
  end(): void {
    for (let i = 0; i < this.batches.length; i++) this.batches[i].giveBack()
  }

  /**
   * The outcome of each batch, in the order of the batches; undefined where the response lacks it.
   */
  answersIn({ responses }: ProduceResponse): readonly (PartitionResponse | undefined)[] {
    if (this.queues.length === 1 && responses.length === 1 && responses[0].partitionResponses.length === 1) {
      const [answer] = responses[0].partitionResponses
      return [answer.index === this.queues[0].partition ? answer : undefined]
    }
    const found = new Map<string, PartitionResponse>()
    for (const { name, topicId, partitionResponses } of responses) {
      // From version 13 on, responses name topics by their ids.
      const topic = name || this.#topicData.find(data => data.topicId === topicId)?.name
      for (const answer of partitionResponses) found.set(`${topic}/${answer.index}`, answer)
    }
    return this.queues.map(({ topic, partition }) => found.get(`${topic}/${partition}`))
  }
}
