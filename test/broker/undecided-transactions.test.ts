import { describe, expect, it } from 'vitest'
import { writeInt16, writeInt64 } from '../../src/common/bytes.js'
import { controlTypeOf, transactionMarkerBatch } from '../../src/record/control-record.js'
import { batchesIn, RecordBatch } from '../../src/record/record-batch.js'
import { MemoryStorage } from '../../src/storage/memory.js'
import { createInternalTopic, createTopic, openNode } from './helpers.js'

type Node = Awaited<ReturnType<typeof openNode>>['node']

const options = (producerId: number) => ({ producerId, producerEpoch: 3, baseSequence: 0, transactional: true })

function write(node: Node, topic: string, batch: Uint8Array): void {
  node.topics.get(topic)?.partitions[0].append(batch, 'coordinator')
}

/** What the coordinator of another Kafka would have noted: the id of the producer, and how far its transaction had come. */
function stateOf(producerId: number, status: number): Uint8Array {
  const value = new Uint8Array(40)
  writeInt64(value, 2, producerId)
  writeInt16(value, 10, 3)
  value[16] = status
  return RecordBatch.of([{ key: `t${producerId}`, value }]).bytes
}

/** The markers of a partition: whose, and what they say. */
async function markersIn(node: Node, topic: string): Promise<string[]> {
  const bytes = await node.topics.get(topic)!.partitions[0].log.read(0, 100_000)
  return [...batchesIn(bytes)].flatMap(batch => {
    const [record] = batch.records()
    return batch.isControl ? [`${batch.producerId}/${batch.producerEpoch} ${controlTypeOf(record.key)}`] : []
  })
}

describe('transactions that another Kafka has left open', () => {
  it('are ended as it had decided, or aborted', async () => {
    const storage = new MemoryStorage()
    const { node, client } = await openNode({ storage })
    for (const topic of ['orders', 'calm']) await createTopic(client, topic)
    await createInternalTopic(node, '__transaction_state')
    write(node, '__transaction_state', stateOf(6, 1))
    write(node, '__transaction_state', stateOf(7, 1))
    write(node, '__transaction_state', stateOf(7, 2))
    for (const producerId of [5, 6, 7, 8]) write(node, 'orders', RecordBatch.of([{ value: 'a' }], options(producerId)).bytes)
    const marker = { type: 'COMMIT', producerId: 8, producerEpoch: 3, coordinatorEpoch: 0, timestamp: 0 } as const
    write(node, 'orders', transactionMarkerBatch(marker))
    await node.close()
    for (let i = 0; i < 2; i++) {
      const again = await openNode({ storage })
      expect(await markersIn(again.node, 'orders')).toEqual(['8/3 COMMIT', '5/3 ABORT', '6/3 ABORT', '7/3 COMMIT'])
      expect(again.node.topics.get('calm')?.partitions[0].logEndOffset).toBe(0)
      await again.node.close()
    }
  })
})
