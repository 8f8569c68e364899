import { gzipSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { crc32c } from '../../src/common/crc32c.js'
import { errorNumber } from '../../src/errors.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { RecordBatch } from '../../src/record/record-batch.js'
import { Connection } from '../../src/wire/connection.js'
import { listen } from '../../src/wire/listener.js'

/** A sound batch but for what its compressed records come to. */
function bomb(decompressedBytes: number): Uint8Array {
  const header = RecordBatch.of([{ value: 'x', timestamp: Date.now() }]).bytes.subarray(0, 61)
  const packed = gzipSync(new Uint8Array(decompressedBytes))
  const batch = new Uint8Array(header.length + packed.length)
  batch.set(header)
  batch.set(packed, header.length)
  const view = new DataView(batch.buffer)
  view.setInt32(8, batch.length - 12)
  view.setInt16(21, 1)
  view.setUint32(17, crc32c(batch, 21))
  return batch
}

it('a batch that is small only while it is compressed is refused, and nothing else is', async () => {
  await using cluster = await Cluster.open()
  await cluster.admin().createTopics([{ name: 'orders', partitions: 1 }])
  await using listener = await listen(cluster)
  const client = await Connection.open({ host: '127.0.0.1', port: listener.port })
  const produce = async (records: Uint8Array) => {
    const topicData = [{ name: 'orders', partitionData: [{ index: 0, records }] }]
    const { responses } = await client.send(Produce, 9, { acks: 1, timeoutMs: 1000, topicData })
    return responses[0].partitionResponses[0]
  }
  expect(await produce(bomb(200 * 1024 * 1024))).toMatchObject({
    errorCode: errorNumber('INVALID_RECORD'),
    errorMessage: expect.stringContaining('decompresses to more than 134217728 bytes')
  })
  expect(await produce(RecordBatch.of([{ value: 'y', timestamp: Date.now() }]).bytes)).toMatchObject({ errorCode: 0, baseOffset: 0 })
  client.close()
})
