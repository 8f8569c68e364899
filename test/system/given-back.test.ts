import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { lend, release } from '../../src/common/lease.js'
import { poisonByte } from '../../src/common/poison.js'
import { Cluster } from '../../src/index.js'
import { BatchBuilder } from '../../src/record/batch-builder.js'
import { fileStorage } from '../../src/storage/file/index.js'
import { connect, listen } from '../../src/wire/index.js'
import { poisonAll } from '../poison.js'

let end: () => void
beforeAll(() => {
  end = poisonAll()
})
afterAll(() => end())

describe('with all that is given back overwritten at once', () => {
  it('a loan that has ended, and a batch whose builder was reset, show it', () => {
    const memory = Uint8Array.of(1, 2, 3)
    const lent = lend(memory, () => {})
    expect([...lent]).toEqual([1, 2, 3])
    release(lent)
    expect([...lent]).toEqual([poisonByte, poisonByte, poisonByte])
    expect([...memory], 'others may still read it').toEqual([1, 2, 3])
    const builder = new BatchBuilder()
    builder.append(0, null, 'x')
    const built = builder.build()
    builder.reset()
    expect(built.every(byte => byte === poisonByte)).toBe(true)
  })

  it.each(['in memory', 'on a disk', 'over the wire'] as const)('records %s arrive as they were sent', async where => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-given-back-'))
    try {
      const storage = where === 'on a disk' ? { storage: fileStorage(folder, { maxOpenFiles: 8 }) } : {}
      await using node = await Cluster.open({ ...storage })
      await using listener = where === 'over the wire' ? await listen(node, { port: 0 }) : undefined
      await using remote = listener && (await connect({ brokers: [`127.0.0.1:${listener.port}`] }))
      const cluster = remote ?? node
      await using admin = cluster.admin()
      await admin.createTopics([{ name: 't', partitions: 3, configs: { 'segment.bytes': 1048576 } }])
      const sent: string[] = []
      for (const [i, compression] of (['none', 'lz4', 'gzip'] as const).entries()) {
        await using producer = cluster.producer({ compression, batchSize: 3000 })
        const values = Array.from({ length: 300 }, (_, j) => `${i}/${j}/${'é'.repeat(j % 50)}${'x'.repeat((j * 37) % 900)}`)
        sent.push(...values)
        await producer.sendBatch(
          't',
          values.map((value, j) => ({ key: `${j}`, value }))
        )
      }
      await using consumer = cluster.consumer({ groupId: 'g', topics: ['t'], autoOffsetReset: 'earliest', fetchMaxBytes: 20_000 })
      const values: Uint8Array[] = []
      for await (const { value } of consumer) {
        values.push(value as Uint8Array)
        if (values.length === sent.length) break
      }
      expect(values.map(value => new TextDecoder().decode(value)).sort()).toEqual(sent.sort())
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
