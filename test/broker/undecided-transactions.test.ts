import { describe, expect, it } from 'vitest'
import { appendToPartition } from '../../src/broker/partition.js'
import { transactionRecord } from '../../src/coordinator/transaction/transaction-records.js'
import type { TransactionStatus } from '../../src/coordinator/transaction/transaction-state.js'
import { controlTypeOf, transactionMarkerBatch } from '../../src/record/control-record.js'
import { batchesIn, RecordBatch } from '../../src/record/record-batch.js'
import { MemoryStorage } from '../../src/storage/memory/memory.js'
import { createInternalTopic, createTopic, openNode } from './helpers.js'

type Node = Awaited<ReturnType<typeof openNode>>['node']

const options = (producerId: number) => ({ producerId, producerEpoch: 3, baseSequence: 0, transactional: true })

function write(node: Node, topic: string, batch: Uint8Array): void {
  appendToPartition(node.topics.get(topic)!.partitions[0], batch, 'coordinator')
}

/** What the coordinator of another Kafka would have noted. */
function stateOf(producerId: number, status: TransactionStatus, topics: string[] = ['orders']): Uint8Array {
  const { key, value } = transactionRecord(`t${producerId}`, {
    transactionalId: `t${producerId}`,
    producerId,
    previousProducerId: -1,
    nextProducerId: -1,
    producerEpoch: 3,
    timeoutMs: 60_000,
    status,
    partitions: new Map(topics.map(topic => [topic, new Set([0])])),
    startTimestamp: 0,
    lastUpdateTimestamp: 0,
    clientVersion: 1
  })
  return RecordBatch.of([{ key, value }]).bytes
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
    write(node, '__transaction_state', stateOf(6, 'Ongoing', ['calm']))
    write(node, '__transaction_state', stateOf(7, 'Ongoing'))
    write(node, '__transaction_state', stateOf(7, 'PrepareCommit'))
    for (const producerId of [5, 6, 7, 8]) write(node, 'orders', RecordBatch.of([{ value: 'a' }], options(producerId)).bytes)
    const marker = { type: 'COMMIT', producerId: 8, producerEpoch: 3, coordinatorEpoch: 0, timestamp: 0 } as const
    write(node, 'orders', transactionMarkerBatch(marker))
    await node.close()
    for (let i = 0; i < 2; i++) {
      const again = await openNode({ storage })
      expect(await markersIn(again.node, 'orders')).toEqual(['8/3 COMMIT', '7/3 COMMIT', '5/3 ABORT', '6/3 ABORT'])
      expect(again.node.topics.get('calm')?.partitions[0].logEndOffset).toBe(0)
      await again.node.close()
    }
  })
})
