import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { string } from '../../src/record/serde.js'
import { topic } from '../../src/record/topic.js'
import { fileStorage } from '../../src/storage/file/file-storage.js'

const orders = topic('orders', { value: string, partitions: 1 })
const log = 'orders-0/00000000000000000000.log'

const numberOf = (value: string) => Number(/^order (\d+) x+$/.exec(value)?.[1])

describe('a file that has changed since it was written', () => {
  let directory: string
  const values = Array.from({ length: 50 }, (_, number) => `order ${number} ${'x'.repeat(900)}`)

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-damaged-'))
    await using cluster = await Cluster.open({ storage: fileStorage(directory) })
    await using producer = cluster.producer()
    for (const value of values) await producer.send(orders, { value })
  })

  afterEach(async () => {
    vi.restoreAllMocks()
    await rm(directory, { recursive: true })
  })

  async function flipBitOf(text: string): Promise<void> {
    const bytes = await readFile(join(directory, log))
    bytes[bytes.indexOf(text)] ^= 1
    await writeFile(join(directory, log), bytes)
  }

  it.each(['records', 'batches'] as const)('is read up to the damage, and never with a wrong record: as %s', async way => {
    await flipBitOf('order 17 ')
    await using cluster = await Cluster.open({ storage: fileStorage(directory) })
    await using consumer = cluster.consumer({ topics: [orders], autoOffsetReset: 'earliest' })
    const read: number[] = []
    const reading = async () => {
      if (way === 'records') for await (const { value } of consumer) read.push(numberOf(value))
      else for await (const batch of consumer.batches()) for (const { value } of batch) read.push(numberOf(value))
    }
    await expect(reading()).rejects.toMatchObject({ code: 'CORRUPT_MESSAGE', topic: 'orders', partition: 0 })
    expect(read).toEqual(Array.from({ length: 17 }, (_, number) => number))
  })

  it('stops its partition when opening it finds the damage, and the process is warned where nobody listens', async () => {
    await flipBitOf('order 49 ')
    const warned = new Promise<Error>(resolve => vi.spyOn(process, 'emitWarning').mockImplementation(text => resolve(text as Error)))
    await using cluster = await Cluster.open({ storage: fileStorage(directory) })
    expect(await warned).toMatch(/^orders-0 is stopped: `orders-0\/00000000000000000000.log` is damaged at position \d+: /)
    expect(cluster.topic('orders').partitions[0].log.failure?.code).toBe('KAFKA_STORAGE_ERROR')
  })
})
