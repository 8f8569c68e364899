import { describe, expect, it } from 'vitest'
import { LocalBroker } from '../../src/broker/local-broker.js'
import { seededRandom } from '../../src/common/random.js'
import { systemClock } from '../../src/common/system-clock.js'
import { zeroUuid } from '../../src/common/uuid.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { RecordBatch } from '../../src/record/record-batch.js'
import { MemoryStorage } from '../../src/storage/memory/memory.js'

describe('a broker in this process', () => {
  it('creates a topic that is asked for, stores a batch and gives it back', async () => {
    const broker = await LocalBroker.open({ storage: new MemoryStorage(), clock: systemClock, random: seededRandom(1) })
    const client = broker.connect({ clientId: 'test' })
    const found = await client.request(Metadata, { topics: [{ topicId: zeroUuid, name: 'orders' }] })
    expect(found.topics[0]).toMatchObject({ errorCode: 0, name: 'orders', partitions: [{ leaderId: 0, leaderEpoch: 0 }] })
    const batch = RecordBatch.of([{ key: 'k', value: 'v' }]).bytes
    const fetching = client.request(Fetch, {
      maxWaitMs: 10_000,
      minBytes: 1,
      topics: [{ topic: 'orders', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }]
    })
    const written = await client.request(Produce, {
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: 'orders', partitionData: [{ index: 0, records: batch }] }]
    })
    expect(written.responses[0].partitionResponses[0]).toMatchObject({ errorCode: 0, baseOffset: 0 })
    const fetched = await fetching
    expect(fetched.responses[0].partitions[0].records?.length).toBe(batch.length)
    await broker.close()
  })
})
