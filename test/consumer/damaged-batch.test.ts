import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Cluster, KafkaError } from '../../src/index.js'
import { fileStorage } from '../../src/storage/file/index.js'

it('a batch whose checksum is wrong ends the loop with topic, partition, offset, file and position, and `seek` goes on after it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-damaged-batch-'))
  try {
    {
      await using cluster = await Cluster.open({ storage: fileStorage(directory) })
      await cluster.admin().createTopic({ name: 'orders', configs: { 'segment.bytes': 250 } })
      const producer = cluster.producer()
      for (let i = 0; i < 12; i++) await producer.send('orders', { value: `value ${i}` })
    }
    // The fifth record, in the middle of a middle segment.
    const folder = join(directory, 'orders-0')
    const logs = readdirSync(folder).filter(name => name.endsWith('.log'))
    const name = logs.find(name => readFileSync(join(folder, name)).includes('value 4')) as string
    const bytes = readFileSync(join(folder, name))
    let position = 0
    while (bytes.readBigInt64BE(position) < 4n) position += 12 + bytes.readInt32BE(position + 8)
    bytes[bytes.indexOf('value 4')] ^= 1
    writeFileSync(join(folder, name), bytes)

    await using cluster = await Cluster.open({ storage: fileStorage(directory) })
    cluster.on('error', () => {})
    const consumer = cluster.consumer({ topics: ['orders'], autoOffsetReset: 'earliest' })
    consumer.on('error', () => {})
    const read: string[] = []
    const readUntil = async (count: number) => {
      for await (const record of consumer) {
        read.push(String.fromCharCode(...record.value))
        if (read.length === count) return
      }
    }
    const error = (await readUntil(12).catch(error => error)) as KafkaError
    expect(error).toBeInstanceOf(KafkaError)
    expect(error).toMatchObject({
      code: 'CORRUPT_MESSAGE',
      topic: 'orders',
      partition: 0,
      offset: 4,
      file: `orders-0/${name}`,
      position
    })
    expect(error.message).toContain('`seek` beyond the damage, to offset 5')
    consumer.seek({ topic: 'orders', partition: 0, offset: 5 })
    await readUntil(11)
    expect(read).toEqual([0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11].map(i => `value ${i}`))
  } finally {
    await rm(directory, { recursive: true })
  }
})
