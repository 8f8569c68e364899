import { errorCodeOf } from '../../src/errors.js'
import type { Broker } from '../../src/protocol/broker.js'
import { AddOffsetsToTxn } from '../../src/protocol/messages/add-offsets-to-txn.js'
import { AddPartitionsToTxn } from '../../src/protocol/messages/add-partitions-to-txn.js'
import { EndTxn } from '../../src/protocol/messages/end-txn.js'
import { InitProducerId } from '../../src/protocol/messages/init-producer-id.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { TxnOffsetCommit } from '../../src/protocol/messages/txn-offset-commit.js'
import { RecordBatch } from '../../src/record/record-batch.js'

/** A producer with a transactional id that does what it is told, one request after the other. */
export class TransactionalClient {
  readonly #broker: Pick<Broker, 'request'>
  readonly #id: string
  readonly #sequences = new Map<string, number>()
  producerId = -1
  producerEpoch = -1

  constructor(broker: Pick<Broker, 'request'>, transactionalId: string) {
    this.#broker = broker
    this.#id = transactionalId
  }

  static async begun(broker: Pick<Broker, 'request'>, transactionalId: string): Promise<TransactionalClient> {
    const client = new TransactionalClient(broker, transactionalId)
    const error = await client.init()
    if (error !== 'NONE') throw new Error(error)
    return client
  }

  async init(transactionTimeoutMs = 60_000, goesOn = false): Promise<string> {
    const { producerId, producerEpoch } = this
    const request = { transactionalId: this.#id, transactionTimeoutMs, ...(goesOn && { producerId, producerEpoch }) }
    const answer = await this.#broker.request(InitProducerId, request)
    if (answer.errorCode === 0) this.#become(answer.producerId ?? -1, answer.producerEpoch)
    return errorCodeOf(answer.errorCode)
  }

  async add(...topics: string[]): Promise<string> {
    const { resultsByTopicV3AndBelow } = await this.#broker.request(AddPartitionsToTxn, {
      v3AndBelowTransactionalId: this.#id,
      v3AndBelowProducerId: this.producerId,
      v3AndBelowProducerEpoch: this.producerEpoch,
      v3AndBelowTopics: topics.map(name => ({ name, partitions: [0] }))
    })
    return errorCodeOf(resultsByTopicV3AndBelow?.[0].resultsByPartition[0].partitionErrorCode ?? -1)
  }

  async send(topic: string, value: string): Promise<string> {
    const { producerId, producerEpoch } = this
    const baseSequence = this.#sequences.get(topic) ?? 0
    const { bytes } = RecordBatch.of([{ value, key: value }], { producerId, producerEpoch, baseSequence, transactional: true })
    const topicData = [{ name: topic, partitionData: [{ index: 0, records: bytes }] }]
    const { responses } = await this.#broker.request(Produce, { transactionalId: this.#id, acks: -1, timeoutMs: 1000, topicData })
    const { errorCode } = responses[0].partitionResponses[0]
    if (errorCode === 0) this.#sequences.set(topic, baseSequence + 1)
    return errorCodeOf(errorCode)
  }

  async addOffsets(groupId: string): Promise<string> {
    const { producerId, producerEpoch } = this
    const request = { transactionalId: this.#id, producerId, producerEpoch, groupId }
    return errorCodeOf((await this.#broker.request(AddOffsetsToTxn, request)).errorCode)
  }

  async commitOffset(
    groupId: string,
    topic: string,
    offset: number,
    member: { memberId?: string; generationId?: number } = {}
  ): Promise<string> {
    const { producerId, producerEpoch } = this
    const topics = [{ name: topic, partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: '' }] }]
    const request = { transactionalId: this.#id, producerId, producerEpoch, groupId, topics, ...member }
    const answer = await this.#broker.request(TxnOffsetCommit, request)
    return errorCodeOf(answer.topics[0].partitions[0].errorCode)
  }

  async end(committed: boolean): Promise<string> {
    const { producerId, producerEpoch } = this
    const answer = await this.#broker.request(EndTxn, { transactionalId: this.#id, producerId, producerEpoch, committed })
    if (answer.errorCode === 0) this.#become(answer.producerId ?? -1, answer.producerEpoch ?? -1)
    return errorCodeOf(answer.errorCode)
  }

  #become(producerId: number, producerEpoch: number): void {
    // Below version 5 of EndTxn the answer has neither.
    if (producerId < 0) return
    if (producerId !== this.producerId || producerEpoch !== this.producerEpoch) this.#sequences.clear()
    this.producerId = producerId
    this.producerEpoch = producerEpoch
  }
}
