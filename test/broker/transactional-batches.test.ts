import { describe, expect, it } from 'vitest'
import { appendToPartition } from '../../src/broker/partition.js'
import { errorCodeOf } from '../../src/errors.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { RecordBatch } from '../../src/record/record-batch.js'
import { batch, createTopic, openNode, produceRequest } from './helpers.js'

const options = { transactional: true, producerId: 7, producerEpoch: 0, baseSequence: 0 }
const transactional = () => RecordBatch.of([{ value: 'a' }], options).bytes

describe('a batch with the transactional bit, where there is no transaction', () => {
  it('is refused with the whole request where that names no transactional id', async () => {
    const { client, node } = await openNode()
    await createTopic(client, 'orders', 2)
    const partitionData = [
      { index: 0, records: batch('plain') },
      { index: 1, records: transactional() }
    ]
    const { responses } = await client.request(Produce, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: 'orders', partitionData }]
    })
    const codes = responses[0].partitionResponses.map(({ errorCode }) => errorCodeOf(errorCode))
    expect(codes).toEqual(['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED'])
    expect(node.topics.get('orders')?.partitions.map(({ logEndOffset }) => logEndOffset)).toEqual([0, 0])
  })

  it('is refused alone where the request names a transactional id that has no transaction', async () => {
    const { client, node } = await openNode()
    await createTopic(client, 'orders')
    const { responses } = await client.request(Produce, { ...produceRequest('orders', 0, transactional()), transactionalId: 'payments' })
    expect(errorCodeOf(responses[0].partitionResponses[0].errorCode)).toBe('INVALID_TXN_STATE')
    expect(node.topics.get('orders')?.partitions[0].logEndOffset).toBe(0)
  })

  it('is refused by the partition itself', async () => {
    const { client, node } = await openNode()
    await createTopic(client, 'orders')
    expect(() => appendToPartition(node.topics.get('orders')!.partitions[0], transactional())).toThrow(
      expect.objectContaining({ code: 'INVALID_TXN_STATE' })
    )
  })
})
