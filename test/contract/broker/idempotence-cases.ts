import { expect, it } from 'vitest'
import { InitProducerId } from '../../../src/protocol/messages/init-producer-id.js'
import { RecordBatch } from '../../../src/record/record-batch.js'
import type { Stage } from './broker-contract.js'
import { eventually } from './eventually.js'
import { withError } from './waist-client.js'
import { fresh } from './world.js'

export function idempotenceCases(stage: Stage): void {
  const newProducer = async () => {
    const request = { transactionalId: null, transactionTimeoutMs: 60_000 }
    return eventually(async () => {
      const producer = withError(await stage.client.node.request(InitProducerId, request))
      expect(producer.error).toBe('NONE')
      return producer
    })
  }

  it('gives every producer an id of its own', async () => {
    const [one, two] = [await newProducer(), await newProducer()]
    expect(one).toMatchObject({ error: 'NONE', producerEpoch: 0 })
    expect(two).toMatchObject({ error: 'NONE', producerEpoch: 0 })
    expect(two.producerId).not.toBe(one.producerId)
  })

  it('gives a new id to who has one already, and refuses half of an identity', async () => {
    const { producerId = 0 } = await newProducer()
    const init = async (given: { producerId?: number; producerEpoch?: number }) =>
      withError(await stage.client.node.request(InitProducerId, { transactionalId: null, transactionTimeoutMs: 60_000, ...given }))
    const again = await init({ producerId, producerEpoch: 0 })
    expect(again).toMatchObject({ error: 'NONE', producerEpoch: 0 })
    expect(again.producerId).not.toBe(producerId)
    expect(await init({ producerId })).toMatchObject({ error: 'INVALID_REQUEST', producerId: -1 })
    expect(await init({ producerEpoch: 3 })).toMatchObject({ error: 'INVALID_REQUEST', producerId: -1 })
  })

  it('takes a batch that is sent again for the one it has', async () => {
    const { client } = stage
    const name = fresh('again')
    await client.createTopic(name)
    const { producerId = 0 } = await newProducer()
    const batches = [0, 2, 4].map(baseSequence => sequenced(producerId, 0, baseSequence))
    for (const [index, sent] of batches.entries()) {
      expect(await client.produce(name, 0, sent)).toMatchObject({ error: 'NONE', baseOffset: index * 2 })
    }
    for (const [index, sent] of batches.entries()) {
      expect(await client.produce(name, 0, sent)).toMatchObject({ error: 'NONE', baseOffset: index * 2 })
    }
    expect(await client.listOffset(name, 0, -1)).toMatchObject({ offset: 6 })
  })

  it('refuses a gap, and what comes twice but is not the same', async () => {
    const { client } = stage
    const name = fresh('gap')
    await client.createTopic(name)
    const { producerId = 0 } = await newProducer()
    expect(await client.produce(name, 0, sequenced(producerId, 0, 0))).toMatchObject({ error: 'NONE' })
    expect(await client.produce(name, 0, sequenced(producerId, 0, 5))).toMatchObject({ error: 'OUT_OF_ORDER_SEQUENCE_NUMBER' })
    expect(await client.produce(name, 0, sequenced(producerId, 0, 1))).toMatchObject({ error: 'OUT_OF_ORDER_SEQUENCE_NUMBER' })
    expect(await client.produce(name, 0, sequenced(producerId, 0, 2))).toMatchObject({ error: 'NONE', baseOffset: 2 })
  })

  it('begins anew with a new epoch, and refuses the old one', async () => {
    const { client } = stage
    const name = fresh('epoch')
    await client.createTopic(name)
    const { producerId = 0 } = await newProducer()
    expect(await client.produce(name, 0, sequenced(producerId, 0, 0))).toMatchObject({ error: 'NONE' })
    expect(await client.produce(name, 0, sequenced(producerId, 1, 2))).toMatchObject({ error: 'OUT_OF_ORDER_SEQUENCE_NUMBER' })
    expect(await client.produce(name, 0, sequenced(producerId, 1, 0))).toMatchObject({ error: 'NONE', baseOffset: 2 })
    expect(await client.produce(name, 0, sequenced(producerId, 0, 2))).toMatchObject({ error: 'INVALID_PRODUCER_EPOCH' })
  })

  it('takes any sequence number from a producer that it does not know', async () => {
    const { client } = stage
    const name = fresh('unknown')
    await client.createTopic(name)
    const { producerId = 0 } = await newProducer()
    expect(await client.produce(name, 0, sequenced(producerId, 0, 1000))).toMatchObject({ error: 'NONE' })
    expect(await client.produce(name, 0, sequenced(producerId, 0, 1002))).toMatchObject({ error: 'NONE' })
  })
}

/** Two records of a producer. */
function sequenced(producerId: number, producerEpoch: number, baseSequence: number): Uint8Array {
  const records = ['a', 'b'].map(value => ({ value, timestamp: Date.now() }))
  return RecordBatch.of(records, { producerId, producerEpoch, baseSequence }).bytes
}
