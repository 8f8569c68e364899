import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { LocalBroker } from '../../src/broker/local-broker.js'
import { Log } from '../../src/log/log.js'
import type { Broker } from '../../src/protocol/broker.js'
import { DeleteRecords } from '../../src/protocol/messages/delete-records.js'
import { DeleteTopics } from '../../src/protocol/messages/delete-topics.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'
import { OffsetFetch } from '../../src/protocol/messages/offset-fetch.js'
import { RecordBatch } from '../../src/record/record-batch.js'
import { type FileStorage, type FileStorageOptions, fileStorage } from '../../src/storage/file/index.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { batch, createTopic, fetch, produce } from './helpers.js'

const homes: string[] = []
afterEach(() => {
  for (const home of homes.splice(0)) rmSync(home, { recursive: true, force: true })
})

function newDirectory(): string {
  const home = mkdtempSync(join(tmpdir(), 'millrace-'))
  homes.push(home)
  return join(home, 'with a space', 'data')
}

interface Opened {
  readonly node: LocalBroker
  readonly client: Broker
  readonly clock: VirtualClock
  readonly storage: FileStorage
  readonly events: [name: string, event: Record<string, unknown>][]
  close(): Promise<void>
}

async function open(directory: string, options: FileStorageOptions = {}): Promise<Opened> {
  const storage = fileStorage(directory, options)
  const clock = new VirtualClock()
  let node: LocalBroker
  try {
    node = await LocalBroker.open({ storage, clock, configs: { 'offsets.topic.num.partitions': 2 } })
  } catch (error) {
    await storage.close()
    throw error
  }
  const events: Opened['events'] = []
  for (const name of ['tornTail', 'logRecovered', 'partitionStopped', 'straySetAside', 'error'] as const) {
    node.events.on(name, (event: object) => void events.push([name, event as Record<string, unknown>]))
  }
  await clock.advance(0)
  const close = async () => {
    await node.close()
    await storage.close()
  }
  return { node, client: node.connect({ clientId: 'test' }), clock, storage, events, close }
}

const text = (...path: string[]) => readFileSync(join(...path), 'utf8')
const firstLog = '00000000000000000000.log'

/** A directory as a crash leaves it: a copy, taken while it is in use. */
function crashed(directory: string): string {
  const copy = newDirectory()
  cpSync(directory, copy, { recursive: true })
  rmSync(join(copy, '.lock'), { force: true })
  return copy
}

describe('a directory', () => {
  it('reads what was appended to its logs alone while no node had it open', async () => {
    const directory = newDirectory()
    const first = await open(directory)
    await createTopic(first.client, 'orders')
    await produce(first.client, 'orders', 0, batch('a', 'b'))
    await first.close()
    const storage = fileStorage(directory)
    const noOperation = RecordBatch.of([{ value: Uint8Array.of(1, 20, 0, 0) }]).bytes
    for (const [name, bytes] of [['__cluster_metadata-0', noOperation] as const, ['orders-0', batch('c')] as const]) {
      const alone = await Log.open(storage, name)
      await alone.append(bytes, { origin: 'coordinator' })
      await alone.close()
    }
    await storage.close()

    const second = await open(directory)
    expect((await fetch(second.client, 'orders', [0]))[0]).toMatchObject({ highWatermark: 3, values: ['a', 'b', 'c'] })
    await second.close()
  })

  it('has the files that Kafka has, and its marker only while it is closed', async () => {
    const directory = newDirectory()
    const { client, node, close } = await open(directory)
    const topicId = await createTopic(client, 'orders', 2, { 'segment.bytes': '1000' })
    await produce(client, 'orders', 0, batch('a', 'b'))
    await client.request(DeleteRecords, { topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, offset: 1 }] }], timeoutMs: 1 })
    expect(existsSync(join(directory, '.kafka_cleanshutdown'))).toBe(false)
    await node.housekeeping()
    expect(text(directory, 'log-start-offset-checkpoint')).toBe('0\n1\norders 0 1\n')
    expect(text(directory, 'replication-offset-checkpoint')).toContain('\norders 0 2\n')
    await close()
    expect(text(directory, '.kafka_cleanshutdown')).toBe('{"version":0,"brokerEpoch":-1}')
    expect(text(directory, 'meta.properties')).toMatch(/^version=1\ncluster\.id=[\w-]{22}\nnode\.id=0\ndirectory\.id=[\w-]{22}\n$/)
    expect(text(directory, 'recovery-point-offset-checkpoint')).toContain('\norders 0 2\n')
    expect(text(directory, 'orders-1', 'partition.metadata')).toBe(`version: 0\ntopic_id: ${topicId}`)
    expect(readdirSync(join(directory, 'orders-0')).sort()).toEqual(
      ['index', 'log', 'timeindex']
        .map(suffix => `00000000000000000000.${suffix}`)
        .concat('00000000000000000002.snapshot', 'leader-epoch-checkpoint', 'partition.metadata')
    )
    expect(statSync(join(directory, 'orders-0', firstLog)).mode & 0o777).toBe(0o600)
    expect(statSync(join(directory, 'orders-0')).mode & 0o777).toBe(0o700)

    const again = await open(directory)
    expect(existsSync(join(directory, '.kafka_cleanshutdown'))).toBe(false)
    expect(again.events).toEqual([])
    expect(await fetch(again.client, 'orders', [0], { offset: 1 })).toMatchObject([{ logStartOffset: 1, highWatermark: 2 }])
    expect(await fetch(again.client, 'orders', [0], { offset: 0 })).toMatchObject([{ error: 'OFFSET_OUT_OF_RANGE' }])
    await again.close()
  })

  it('writes its checkpoints from time to time', async () => {
    const directory = newDirectory()
    const { client, clock, close } = await open(directory, { durability: 'always' })
    await createTopic(client, 'orders')
    await produce(client, 'orders', 0, batch('a'))
    await clock.advance(5000)
    await expect
      .poll(() => existsSync(join(directory, 'replication-offset-checkpoint')) && text(directory, 'replication-offset-checkpoint'))
      .toContain('orders 0 1')
    await clock.advance(60_000)
    await expect.poll(() => text(directory, 'recovery-point-offset-checkpoint')).toContain('orders 0 1')
    await close()
  })

  it('brings everything back after a crash, tells what was torn and cuts it', async () => {
    const directory = newDirectory()
    const { client, close } = await open(directory)
    await createTopic(client, 'orders', 2)
    await produce(client, 'orders', 0, batch('a', 'b'))
    await produce(client, 'orders', 1, batch('c'))
    const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: 'm' }]
    await client.request(OffsetCommit, { groupId: 'g', memberId: '', topics: [{ name: 'orders', partitions }] })
    const copy = crashed(directory)
    await close()
    const log = join(copy, 'orders-0', firstLog)
    const { size } = statSync(log)
    writeFileSync(log, Buffer.alloc(20, 1), { flag: 'a' })

    const again = await open(copy)
    expect(again.events.find(([name]) => name === 'tornTail')?.[1]).toEqual({
      topic: 'orders',
      partition: 0,
      file: `orders-0/${firstLog}`,
      position: size,
      bytes: 20,
      reason: '20 bytes are no batch'
    })
    expect(
      again.events.filter(([name]) => name === 'logRecovered').map(([, { topic, partition, batches }]) => [topic, partition, batches])
    ).toContainEqual(['orders', 1, 1])
    expect(statSync(log).size).toBe(size)
    expect(await fetch(again.client, 'orders', [0, 1])).toMatchObject([{ values: ['a', 'b'] }, { values: ['c'] }])
    const { groups } = await again.client.request(OffsetFetch, { groups: [{ groupId: 'g', topics: null }] })
    expect(groups?.[0].topics).toMatchObject([{ partitions: [{ committedOffset: 1, metadata: 'm' }] }])
    await again.close()
  })

  it('stops a partition that is damaged, keeps its bytes, and lets the others work on', async () => {
    const directory = newDirectory()
    const { client, close } = await open(directory)
    await createTopic(client, 'orders', 2)
    for (const partition of [0, 1]) for (const value of ['a', 'b']) await produce(client, 'orders', partition, batch(value))
    await close()
    rmSync(join(directory, '.kafka_cleanshutdown'))
    const log = join(directory, 'orders-0', firstLog)
    const bytes = readFileSync(log)
    bytes[66] ^= 1
    writeFileSync(log, bytes)

    for (let life = 0; life < 2; life++) {
      const { client, events, close } = await open(directory)
      const stopped = events.filter(([name]) => name === 'partitionStopped').map(([, event]) => event)
      expect(stopped).toMatchObject([{ topic: 'orders', partition: 0, error: { code: 'CORRUPT_MESSAGE' } }])
      expect(String((stopped[0].error as Error).message)).toContain(`\`orders-0/${firstLog}\` is damaged at position 0`)
      expect(await produce(client, 'orders', 0, batch('c'))).toMatchObject({ error: 'KAFKA_STORAGE_ERROR' })
      expect(await fetch(client, 'orders', [0, 1])).toMatchObject([
        { error: 'KAFKA_STORAGE_ERROR' },
        { error: 'NONE', highWatermark: 2 + life }
      ])
      expect(await produce(client, 'orders', 1, batch('c'))).toMatchObject({ error: 'NONE' })
      await close()
      expect(existsSync(join(directory, '.kafka_cleanshutdown'))).toBe(false)
      expect(readFileSync(log)).toEqual(bytes)
    }
  })

  it('stops a partition whose file is shorter than what was safe', async () => {
    const directory = newDirectory()
    const { client, close } = await open(directory)
    await createTopic(client, 'orders')
    await produce(client, 'orders', 0, batch('a'))
    await close()
    truncateSync(join(directory, 'orders-0', firstLog), 0)
    const again = await open(directory)
    expect(again.events.map(([name]) => name)).toContain('partitionStopped')
    expect(await fetch(again.client, 'orders', [0])).toMatchObject([{ error: 'KAFKA_STORAGE_ERROR' }])
    await again.close()
  })

  it('removes the folders of deleted topics, also those that a crash has left, and sets strays aside', async () => {
    const directory = newDirectory()
    const { client, close } = await open(directory)
    await createTopic(client, 'orders')
    await produce(client, 'orders', 0, batch('a'))
    await client.request(DeleteTopics, { topics: [{ name: 'orders' }], timeoutMs: 1 })
    await createTopic(client, 'orders')
    expect(await fetch(client, 'orders', [0])).toMatchObject([{ highWatermark: 0 }])
    await close()
    expect(readdirSync(directory).filter(name => name.includes('-delete'))).toEqual([])
    cpSync(join(directory, 'orders-0'), join(directory, 'orders-0.0123456789abcdef0123456789abcdef-delete'), { recursive: true })
    cpSync(join(directory, 'orders-0'), join(directory, 'unknown-3'), { recursive: true })
    writeFileSync(join(directory, 'orders-0', 'partition.metadata'), 'version: 0\ntopic_id: 4L6g3nShT-eMCtK--X86sw')
    writeFileSync(join(directory, 'notes-1'), 'just a file')
    rmSync(join(directory, '.kafka_cleanshutdown'))

    const again = await open(directory)
    expect(again.events.filter(([name]) => name === 'straySetAside')).toHaveLength(2)
    await again.close()
    const names = readdirSync(directory).filter(name => /orders|unknown|notes/.test(name))
    expect(names.map(name => name.replace(/[0-9a-f]{32}/, 'uuid')).sort()).toEqual([
      'notes-1',
      'orders-0',
      'orders-0.uuid-stray',
      'unknown-3.uuid-stray'
    ])
  })

  it('can be looked at while another has it open, and is not touched', async () => {
    const directory = newDirectory()
    const { node, client, close } = await open(directory)
    await createTopic(client, 'orders', 1, { 'segment.bytes': '100', 'retention.ms': '1000' })
    for (const value of ['a', 'b', 'c']) await produce(client, 'orders', 0, batch(value))
    const partitions = [{ partitionIndex: 0, committedOffset: 2, committedMetadata: '' }]
    await client.request(OffsetCommit, { groupId: 'g', memberId: '', topics: [{ name: 'orders', partitions }] })
    await node.topics.get('orders')?.partitions[0].log.sync()
    const filesIn = () =>
      readdirSync(directory, { recursive: true }).map(name => `${name} ${statSync(join(directory, String(name))).mtimeMs}`)
    const before = filesIn()
    const onlooker = await open(directory, { readOnly: true })
    expect(await fetch(onlooker.client, 'orders', [0])).toMatchObject([{ values: ['a'] }])
    const { groups } = await onlooker.client.request(OffsetFetch, { groups: [{ groupId: 'g', topics: null }] })
    expect(groups?.[0].topics).toMatchObject([{ partitions: [{ committedOffset: 2 }] }])
    const refused = await produce(onlooker.client, 'orders', 0, batch('d'))
    expect([refused.error, refused.errorMessage]).toEqual(['POLICY_VIOLATION', 'The log `orders-0` was opened read-only'])
    await expect(createTopic(onlooker.client, 'users')).rejects.toMatchObject({ code: 'POLICY_VIOLATION' })
    await onlooker.clock.advance(1_000_000)
    await onlooker.node.housekeeping()
    expect(onlooker.events.filter(([name]) => name !== 'logRecovered')).toEqual([])
    expect(await fetch(onlooker.client, 'orders', [0], { offset: 2 })).toMatchObject([{ values: ['c'] }])
    await onlooker.close()
    expect(filesIn()).toEqual(before)
    await close()
  })

  it('tells an onlooker that records are gone whose segments the owner has removed', async () => {
    const directory = newDirectory()
    const { client, node, close } = await open(directory)
    await createTopic(client, 'orders', 1, { 'segment.bytes': '1048576' })
    for (let i = 0; i < 16; i++) await produce(client, 'orders', 0, batch('x'.repeat(600_000)))
    const onlooker = await open(directory, { readOnly: true, maxOpenFiles: 8 })
    // Others take the place of its first open files.
    for (let offset = 0; offset < 16; offset++) await fetch(onlooker.client, 'orders', [0], { offset })
    await client.request(DeleteRecords, { topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, offset: 2 }] }], timeoutMs: 1000 })
    await node.housekeeping()
    for (const offset of [0, 1]) {
      expect(await fetch(onlooker.client, 'orders', [0], { offset })).toMatchObject([{ error: 'OFFSET_OUT_OF_RANGE' }])
    }
    expect(await fetch(onlooker.client, 'orders', [0], { offset: 2 })).toMatchObject([{ error: 'NONE', logStartOffset: 2 }])
    expect(onlooker.events.filter(([name]) => name === 'error')).toEqual([])
    await onlooker.close()
    await close()
  })

  it('drops what was committed for a topic whose deletion a crash has cut short', async () => {
    const directory = newDirectory()
    const { client, close } = await open(directory)
    for (const name of ['orders', 'users']) {
      await createTopic(client, name)
      await produce(client, name, 0, batch('a', 'b'))
      const partitions = [{ partitionIndex: 0, committedOffset: 2, committedMetadata: '' }]
      await client.request(OffsetCommit, { groupId: 'g', memberId: '', topics: [{ name, partitions }] })
    }
    const before = crashed(directory)
    await client.request(DeleteTopics, { topics: [{ name: 'orders' }], timeoutMs: 1 })
    const copy = crashed(directory)
    await close()
    // The deletion is on the disk, what was to follow it not yet.
    for (const name of readdirSync(before).filter(name => name.startsWith('__consumer_offsets'))) {
      rmSync(join(copy, name), { recursive: true })
      cpSync(join(before, name), join(copy, name), { recursive: true })
    }
    for (let i = 0; i < 2; i++) {
      const again = await open(copy)
      if (i === 0) await createTopic(again.client, 'orders')
      const { groups } = await again.client.request(OffsetFetch, { groups: [{ groupId: 'g', topics: null }] })
      expect(groups?.[0].topics).toMatchObject([{ name: 'users', partitions: [{ committedOffset: 2 }] }])
      await again.close()
    }
  })

  it('stops a partition whose folder says, without a crash, that it belongs to another topic', async () => {
    const directory = newDirectory()
    const { client, close } = await open(directory)
    await createTopic(client, 'orders')
    await produce(client, 'orders', 0, batch('a'))
    await close()
    const file = join(directory, 'orders-0', 'partition.metadata')
    const before = readFileSync(file, 'utf8')
    writeFileSync(file, 'version: 0\ntopic_id: 4L6g3nShT-eMCtK--X86sw')
    const again = await open(directory)
    expect(again.events).toMatchObject([['partitionStopped', { topic: 'orders', error: { code: 'INCONSISTENT_TOPIC_ID' } }]])
    await again.close()
    writeFileSync(file, before)
    const mended = await open(directory)
    expect(await fetch(mended.client, 'orders', [0])).toMatchObject([{ values: ['a'] }])
    await mended.close()
  })

  it('stops a partition whose log is gone, though it was safe on the disk', async () => {
    const directory = newDirectory()
    const { client, close } = await open(directory)
    await createTopic(client, 'orders')
    await produce(client, 'orders', 0, batch('a'))
    await close()
    rmSync(join(directory, 'orders-0', '00000000000000000000.log'))
    const again = await open(directory)
    expect(again.events).toMatchObject([['partitionStopped', { topic: 'orders', error: { code: 'CORRUPT_MESSAGE' } }]])
    await again.close()
  })

  it('forgets what checkpoints say of logs that are gone before new ones of their names are begun', async () => {
    for (const name of ['recovery-point-offset-checkpoint', 'log-start-offset-checkpoint', 'cleaner-offset-checkpoint']) {
      const directory = newDirectory()
      await (await open(directory)).close()
      writeFileSync(join(directory, name), '0\n1\norders 0 22\n')
      const { client, close } = await open(directory)
      expect(text(directory, name)).not.toContain('orders')
      await createTopic(client, 'orders')
      await produce(client, 'orders', 0, batch('a'))
      const crashed = newDirectory()
      cpSync(directory, crashed, { recursive: true, filter: path => !path.includes('.lock') })
      const again = await open(crashed)
      expect(await fetch(again.client, 'orders', [0])).toMatchObject([{ values: ['a'] }])
      await again.close()
      await close()
    }
  })

  it('rebuilds checkpoints that are missing or damaged', async () => {
    const directory = newDirectory()
    const { client, close } = await open(directory)
    await createTopic(client, 'orders')
    await produce(client, 'orders', 0, batch('a'))
    await close()
    rmSync(join(directory, 'replication-offset-checkpoint'))
    writeFileSync(join(directory, 'recovery-point-offset-checkpoint'), 'nonsense')
    const again = await open(directory)
    expect(again.events).toMatchObject([['error', { during: 'reading `recovery-point-offset-checkpoint`, which will be written anew' }]])
    expect(await fetch(again.client, 'orders', [0])).toMatchObject([{ values: ['a'] }])
    await again.close()
    expect(text(directory, 'recovery-point-offset-checkpoint')).toContain('orders 0 1')
  })
})

describe('a text file of a directory with one damaged line', () => {
  /** Two topics with deleted records each, closed in order. */
  async function twoTopics(): Promise<string> {
    const directory = newDirectory()
    const { client, close } = await open(directory)
    for (const name of ['personal', 'orders']) {
      await createTopic(client, name)
      await produce(client, name, 0, batch('a', 'b', 'c'))
      await client.request(DeleteRecords, { topics: [{ name, partitions: [{ partitionIndex: 0, offset: 2 }] }], timeoutMs: 1 })
    }
    await close()
    return directory
  }

  const starts = ({ node }: Opened) => ['personal', 'orders'].map(name => node.topics.get(name)?.partitions[0].logStartOffset)

  for (const isClean of [true, false]) {
    it(`keeps what the other lines say, ${isClean ? 'closed in order' : 'left by a crash'}`, async () => {
      const directory = await twoTopics()
      if (!isClean) rmSync(join(directory, '.kafka_cleanshutdown'))
      const file = join(directory, 'log-start-offset-checkpoint')
      writeFileSync(file, text(file).replace('orders 0 2', 'orders 0 1.5'))
      const again = await open(directory)
      expect(starts(again)).toEqual([2, 0])
      expect(again.events.filter(([name]) => name === 'error')).toMatchObject([
        [
          'error',
          {
            error: { code: 'CORRUPT_MESSAGE', file: 'log-start-offset-checkpoint', line: 4 },
            during: 'reading `log-start-offset-checkpoint`, whose other lines are used'
          }
        ]
      ])
      await again.close()
      expect(text(file)).toBe('0\n1\npersonal 0 2\n')
    })
  }

  it('does not take a log for new whose recovery point cannot be read', async () => {
    const directory = await twoTopics()
    rmSync(join(directory, '.kafka_cleanshutdown'))
    const file = join(directory, 'recovery-point-offset-checkpoint')
    writeFileSync(file, text(file).replace('orders 0 3', 'orders 0 x'))
    const log = join(directory, 'orders-0', firstLog)
    const bytes = readFileSync(log)
    writeFileSync(log, Buffer.concat([bytes.subarray(0, 70), Buffer.of(bytes[70] ^ 1), bytes.subarray(71), bytes]))
    const before = readFileSync(log)
    const again = await open(directory)
    expect(again.events.map(([name]) => name)).toContain('partitionStopped')
    await again.close()
    expect(readFileSync(log)).toEqual(before)
  })

  it('does not lose its records to a start that lies beyond them, however often it is opened', async () => {
    const directory = await twoTopics()
    const file = join(directory, 'log-start-offset-checkpoint')
    const before = text(file)
    writeFileSync(file, before.replace('orders 0 2', 'orders 0 6'))
    // Where the high watermark is not known, the records may be those that are wrong.
    rmSync(join(directory, 'replication-offset-checkpoint'))
    for (let i = 0; i < 2; i++) {
      const again = await open(directory)
      expect(again.events).toMatchObject([['partitionStopped', { topic: 'orders', error: { file: `orders-0/${firstLog}` } }]])
      await again.close()
    }
    writeFileSync(file, before)
    const mended = await open(directory)
    expect(await fetch(mended.client, 'orders', [0], { offset: 2 })).toMatchObject([{ values: ['a', 'b', 'c'] }])
    await mended.close()
  })

  for (const isClean of [true, false]) {
    const lines = [
      ['recovery-point-offset-checkpoint', 'orders 0 3', 'orders 0 9', 'it says that orders-0 was safe up to offset 9, its log ends at 3'],
      ['log-start-offset-checkpoint', 'orders 0 2', 'orders 0 6', 'it says that orders-0 starts at offset 6, its log ends at 3'],
      [
        'cleaner-offset-checkpoint',
        '0\n0\n',
        '0\n1\norders 0 8\n',
        'it says that orders-0 was compacted up to offset 8, its log ends at 3'
      ],
      ['replication-offset-checkpoint', 'orders 0 3', 'orders 0 9', undefined],
      ['replication-offset-checkpoint', 'orders 0 3', 'orders 0 0', undefined]
    ] as const
    it.each(lines)(
      `is passed over where it does not fit its log: %s, ${isClean ? 'closed in order' : 'left by a crash'}`,
      async (name, line, wrong, reason) => {
        const directory = await twoTopics()
        if (!isClean) rmSync(join(directory, '.kafka_cleanshutdown'))
        const file = join(directory, name)
        expect(text(file)).toContain(line)
        writeFileSync(file, text(file).replace(line, wrong))
        for (let i = 0; i < 2; i++) {
          const again = await open(directory)
          const told = again.events.filter(([event]) => event === 'error' || event === 'partitionStopped')
          const error = { code: 'CORRUPT_MESSAGE', file: name, message: expect.stringContaining(`${reason}`) }
          expect(told).toMatchObject(reason !== undefined && i === 0 ? [['error', { error }]] : [])
          const start = name.startsWith('log-start') ? 0 : 2
          expect(starts(again)).toEqual([2, start])
          expect(await fetch(again.client, 'orders', [0], { offset: 2 })).toMatchObject([{ error: 'NONE', values: ['a', 'b', 'c'] }])
          if (i === 1) expect(await produce(again.client, 'orders', 0, batch('d'))).toMatchObject({ error: 'NONE', baseOffset: 3 })
          await again.close()
        }
      }
    )
  }

  it.each([
    ['version: 0', 'version: 1'],
    ['version: 0', 'versinn: 0'],
    ['topic_id: ', 'topic_if: '],
    [/(topic_id: .{3})./, '$1_'],
    [/(topic_id: .{3})./, '$1=']
  ])('is a partition.metadata that is told and made anew, whether or not there was a crash: %s becomes %s', async (from, to) => {
    for (const isClean of [true, false]) {
      const directory = await twoTopics()
      if (!isClean) rmSync(join(directory, '.kafka_cleanshutdown'))
      const file = join(directory, 'orders-0', 'partition.metadata')
      const before = text(file)
      writeFileSync(file, before.replace(from, to))
      if (text(file) === before) continue
      const again = await open(directory)
      expect(again.events.filter(([name]) => name !== 'logRecovered')).toMatchObject([
        ['error', { error: { code: 'CORRUPT_MESSAGE', file: 'orders-0/partition.metadata' } }]
      ])
      expect(await fetch(again.client, 'orders', [0], { offset: 2 })).toMatchObject([{ values: ['a', 'b', 'c'] }])
      await again.close()
      expect(text(file)).toBe(before)
    }
  })

  it.each(['versiom=1', 'version}1'])('is a meta.properties whose names can be made out: %s', async line => {
    const directory = await twoTopics()
    const file = join(directory, 'meta.properties')
    const before = text(file)
    const { node, close } = await open(directory)
    const { clusterId } = node
    await close()
    writeFileSync(file, before.replace('version=1', line))
    const again = await open(directory)
    expect(again.node.clusterId).toBe(clusterId)
    expect(again.events).toMatchObject([['error', { error: { file: 'meta.properties', line: 1 } }]])
    await again.close()
  })
})

describe('a directory that cannot be used', () => {
  const refused = (directory: string) => open(directory).then(({ close }) => close())

  it('is refused when it is a file', async () => {
    const directory = newDirectory()
    const { close } = await open(directory)
    await close()
    const message = expect.stringMatching(/^Opening the directory `.*meta.properties` failed: it is not a directory$/)
    await expect(refused(join(directory, 'meta.properties'))).rejects.toMatchObject({ code: 'STORAGE_FAILED', message })
  })

  const damages: [what: string, properties: string, message: string][] = [
    ['of a newer version', 'version=2\ncluster.id=4L6g3nShT-eMCtK--X86sw\nnode.id=0\n', 'its version is 2, only 1 is known'],
    ['of another node', 'version=1\ncluster.id=4L6g3nShT-eMCtK--X86sw\nnode.id=5\n', 'belongs to node 5, not to node 0'],
    ['of no cluster', 'version=1\nnode.id=0\n', 'names no `cluster.id`'],
    ['that nobody can read', '\u0000\u0001', 'it has no `version`']
  ]
  for (const [what, properties, message] of damages) {
    it(`is refused when it is ${what}`, async () => {
      const directory = newDirectory()
      const { close } = await open(directory)
      await close()
      writeFileSync(join(directory, 'meta.properties'), properties)
      await expect(refused(directory)).rejects.toThrow(message)
      await expect(refused(directory)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    })
  }

  it('is refused while another has it open', async () => {
    const directory = newDirectory()
    const { close } = await open(directory)
    await expect(refused(directory)).rejects.toThrow('is in use by this process')
    await close()
  })
})
