import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { LocalBroker } from '../../src/broker/local-broker.js'
import { deferred } from '../../src/common/deferred.js'
import { seededRandom } from '../../src/common/random.js'
import { fileStorage } from '../../src/storage/file/index.js'
import type { Storage } from '../../src/storage/storage.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { batch, createTopic, fetch, produce } from './helpers.js'

const home = mkdtempSync(join(tmpdir(), 'millrace-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

async function open(storage: Storage) {
  const node = await LocalBroker.open({ storage, clock: new VirtualClock(), random: seededRandom(1) })
  const told: { error: unknown; during: string }[] = []
  node.events.on('error', event => void told.push(event))
  return { node, client: node.connect({ clientId: 'test' }), told }
}

type Opened = Awaited<ReturnType<typeof open>>

/** Produces until it is refused; returns the values that were acknowledged. */
async function produceUntilRefused({ client }: Opened): Promise<string[]> {
  const acknowledged: string[] = []
  for (let i = 0; i < 100; i++) {
    const { error, errorMessage } = await produce(client, 'orders', 0, batch(`${i}`))
    if (error !== 'NONE') {
      expect([error, errorMessage]).toEqual([
        'KAFKA_STORAGE_ERROR',
        expect.stringMatching(/`orders-0` takes no more writes since one failed: .*(EIO|EINVAL)/)
      ])
      return acknowledged
    }
    acknowledged.push(`${i}`)
    // What is done behind the appends is done.
    await new Promise(setImmediate)
  }
  throw new Error('It went on for ever')
}

/** Whatever the disk can do by now: nothing more is written to the partition, all else goes on. */
async function expectStopped({ node, client, told }: Opened, acknowledged: readonly string[]): Promise<void> {
  for (let i = 0; i < 3; i++) expect(await produce(client, 'orders', 0, batch('more'))).toMatchObject({ error: 'KAFKA_STORAGE_ERROR' })
  expect(node.topics.get('orders')?.partitions[0].log.failure).toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
  expect(told.length).toBeGreaterThan(0)
  const read: string[] = []
  while (read.length < acknowledged.length) {
    const [{ error, values }] = await fetch(client, 'orders', [0], { offset: read.length })
    expect(error).toBe('NONE')
    read.push(...values)
  }
  expect(read).toEqual(acknowledged)
  expect(await produce(client, 'orders', 1, batch('other'))).toMatchObject({ error: 'NONE' })
  expect(await fetch(client, 'orders', [1])).toMatchObject([{ values: ['other'] }])
}

describe('a sync that fails', () => {
  for (const durability of ['os', 'always'] as const) {
    for (const end of ['process', 'close', ...(durability === 'always' ? (['power'] as const) : [])] as const) {
      it(`stops its partition for good, durability ${durability}; opened again after ${end}, it goes on`, async () => {
        const disk = new SimulatedDisk({ random: seededRandom(7) })
        const mount = () => disk.mount({ syncEachAppend: durability === 'always' })
        const opened = await open(mount())
        await createTopic(opened.client, 'orders', 2, { 'segment.bytes': '300' })
        disk.fail({ operation: 'sync', name: /orders-0\/\d+\.log$/, after: durability === 'always' ? 7 : 1 })
        const acknowledged = await produceUntilRefused(opened)
        expect(acknowledged.length).toBeGreaterThan(5)
        await expectStopped(opened, acknowledged)
        if (end === 'close') await opened.node.close()
        else disk.crash(end)
        expect(disk.content('.kafka_cleanshutdown')).toBeUndefined()

        const again = await open(mount())
        const [{ values }] = await fetch(again.client, 'orders', [0], { maxBytes: 1 })
        expect(values[0]).toBe('0')
        const { log } = again.node.topics.get('orders')?.partitions[0] ?? {}
        expect(log?.logEndOffset).toBeGreaterThanOrEqual(acknowledged.length)
        expect(log?.failure).toBeUndefined()
        expect(await produce(again.client, 'orders', 0, batch('again'))).toMatchObject({ error: 'NONE' })
        await again.node.close()
      })
    }
  }

  it('stops its partition for good, durability interval', async () => {
    const storage = fileStorage(home, { durability: 'interval', syncIntervalMs: 5 })
    const opened = await open(storage)
    await createTopic(opened.client, 'orders', 2, { 'segment.bytes': String(4 * batch('0').length) })
    const failed = deferred<string>()
    const tell = storage.onError
    storage.onError = (error, name) => {
      tell?.(error, name)
      failed.resolve(name)
    }
    // The second segment; no sync of it can succeed.
    const broken = 'orders-0/00000000000000000004.log'
    symlinkSync('/dev/null', join(home, broken))
    const acknowledged = ['0', '1', '2', '3', '4']
    for (const value of acknowledged) expect(await produce(opened.client, 'orders', 0, batch(value))).toMatchObject({ error: 'NONE' })
    expect(await failed.promise).toBe(broken)
    expect(await produceUntilRefused(opened)).toEqual([])
    await expectStopped(opened, acknowledged)
    await opened.node.close()
    await storage.close()
    expect(existsSync(join(home, '.kafka_cleanshutdown'))).toBe(false)
  })
})
