import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export type Place = 'memory' | 'disk' | 'wire'

/** The library, as it was loaded. */
export interface Library {
  readonly core: typeof import('../../../src/index.js')
  readonly file: typeof import('../../../src/storage/file/index.js')
  readonly wire: typeof import('../../../src/wire/index.js')
}

/** A cluster in that place; `closing` gets what ends it, the last first. */
export async function opened({ core, file, wire }: Library, place: Place, closing: (() => unknown)[]) {
  if (place === 'disk') {
    const directory = mkdtempSync(join(tmpdir(), 'millrace-fakes-'))
    closing.push(() => rmSync(directory, { recursive: true, force: true }))
    const cluster = await core.Cluster.open({ storage: file.fileStorage(directory, { durability: 'always' }) })
    closing.push(() => cluster.close())
    return cluster
  }
  const cluster = await core.Cluster.open()
  closing.push(() => cluster.close())
  if (place === 'memory') return cluster
  const listener = await wire.listen(cluster, { port: 0 })
  closing.push(() => listener.close())
  const remote = await wire.connect({ brokers: [listener.address] })
  closing.push(() => remote.close())
  return remote
}

/** All that waits: lingering, a fetch until its time is over, a group, many turns of the event loop, and `close`. */
export async function live(library: Library, place: Place): Promise<void> {
  const closing: (() => unknown)[] = []
  const cluster = await opened(library, place, closing)
  const producer = cluster.producer({ lingerMs: 20 })
  await producer.send('orders', { value: 'first' })
  const alone = cluster.consumer({ topics: ['orders'], autoOffsetReset: 'earliest', fetchMinBytes: 1_000_000, fetchMaxWaitMs: 50 })
  const { value: first } = await alone.records().next()
  assert.deepEqual(first?.value, new TextEncoder().encode('first'))
  await alone.close()
  const group = cluster.consumer({ topics: ['orders'], groupId: 'clerks', autoOffsetReset: 'earliest' })
  await Promise.all([sendMany(producer), readMany(group)])
  while (closing.length > 0) await closing.pop()?.()
}

const many = 2000

async function sendMany(producer: { sendBatch(topic: string, records: { value: string }[]): Promise<unknown> }): Promise<void> {
  const batch = Array.from({ length: many / 10 }, () => ({ value: 'more' }))
  for (let i = 0; i < 10; i++) await producer.sendBatch('orders', batch)
}

async function readMany(records: AsyncIterable<unknown>): Promise<void> {
  let count = 0
  for await (const _ of records) if (++count === many + 1) break
}
