import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { BrokerEvents, RecordsLost } from '../../src/broker/events.js'
import { Cluster, type ClusterOptions } from '../../src/cluster.js'
import { fileStorage } from '../../src/storage/file/index.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { textConsumer } from '../consumer/helpers.js'

const value = 'x'.repeat(1000)
const day = 86_400_000
const week = 7 * day

let cluster: Cluster
let clock: VirtualClock
let directory: string
let lost: RecordsLost[]
let expiring: Parameters<BrokerEvents['recordsExpiring']>[0][]
let offsetsExpiring: Parameters<BrokerEvents['offsetsExpiring']>[0][]

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-'))
  clock = new VirtualClock(Date.UTC(2026, 0, 1))
})

afterEach(async () => {
  await cluster.close()
  rmSync(directory, { recursive: true, force: true })
})

async function open(options: ClusterOptions = {}): Promise<void> {
  cluster = await Cluster.open({ clock, ...options })
  lost = []
  expiring = []
  offsetsExpiring = []
  cluster.on('recordsLost', event => lost.push(event))
  cluster.on('recordsExpiring', event => expiring.push(event))
  cluster.on('offsetsExpiring', event => offsetsExpiring.push(event))
}

async function send(topic: string, count: number): Promise<void> {
  const producer = cluster.producer({ batchSize: 1 })
  for (let i = 0; i < count; i++) await producer.send(topic, { value })
}

/** Reads some records in a group, commits them, and leaves. */
async function readAndLeave(topic: string, count: number, groupId = 'g'): Promise<void> {
  const consumer = textConsumer(cluster, { groupId, topics: [topic] })
  let seen = 0
  for await (const _ of consumer) {
    if (++seen < count) continue
    await consumer.commit()
    break
  }
  await consumer.close()
}

const small = { 'retention.bytes': 5000, 'segment.bytes': 2500 }
const partition = (topic: string) => cluster.topic(topic).partitions[0]

describe('records that retention removes before they were read', () => {
  describe.each<[string, () => ClusterOptions]>([
    ['in memory', () => ({})],
    ['on disk', () => ({ storage: fileStorage(directory) })]
  ])('%s', (_, options) => {
    it('are told for a group that has committed and is not there, with their number, and counted', async () => {
      await open(options())
      await cluster.admin().createTopic({ name: 'bus', configs: small })
      await send('bus', 4)
      await readAndLeave('bus', 3)
      await send('bus', 6)
      await cluster.housekeeping()
      const start = partition('bus').logStartOffset
      expect(start).toBeGreaterThan(3)
      expect(lost.length).toBeGreaterThan(0)
      for (const event of lost)
        expect(event).toMatchObject({ topic: 'bus', partition: 0, groupId: 'g', reader: 'the group `g`', reason: 'size' })
      expect(lost[0].from).toBe(3)
      expect(lost.reduce((sum, { records }) => sum + records, 0)).toBe(start - 3)
      expect(partition('bus').lostRecords).toBe(start - 3)
    })

    it('are told for a live reader where the quota evicts, but for what it has fetched', async () => {
      await open(options())
      const backlog = { policy: 'consumer_backlog_eviction' } as const
      await cluster.admin().createTopic({ name: 'bus', configs: small, backlog })
      const consumer = textConsumer(cluster, { groupId: 'slow', topics: ['bus'] })
      await consumer.start()
      await send('bus', 10)
      await cluster.housekeeping()
      expect(lost.length).toBeGreaterThan(0)
      expect(new Set(lost.map(({ groupId }) => groupId))).toEqual(new Set(['slow']))
    })

    it('are not told when everyone has read them, or somebody deleted them', async () => {
      await open(options())
      await cluster.admin().createTopic({ name: 'bus', configs: small })
      await send('bus', 4)
      await readAndLeave('bus', 4)
      await cluster.admin().deleteRecords([{ topic: 'bus', partition: 0, before: 2 }])
      await send('bus', 4)
      await readAndLeave('bus', 4)
      await cluster.housekeeping()
      expect(lost).toEqual([])
    })

    it('are told when they go for their age', async () => {
      await open(options())
      await cluster.admin().createTopic({ name: 'bus', configs: { 'retention.ms': 1000 } })
      await send('bus', 4)
      await readAndLeave('bus', 1)
      await clock.advance(2000)
      await cluster.housekeeping()
      expect(lost).toMatchObject([{ groupId: 'g', records: 3, from: 1, to: 4, reason: 'time' }])
    })
  })

  it('are told in memory when nobody has ever read the topic', async () => {
    await open()
    await cluster.admin().createTopic({ name: 'bus', configs: small })
    await send('bus', 10)
    expect(lost[0]).toMatchObject({ groupId: undefined, reader: 'anybody', from: 0, reason: 'size' })
  })

  it('become one warning of the process per topic where nobody listens', async () => {
    cluster = await Cluster.open({ clock })
    const warnings: string[] = []
    const onWarning = (warning: Error) => warnings.push(warning.message)
    process.on('warning', onWarning)
    for (const name of ['a', 'b']) await cluster.admin().createTopic({ name, configs: small })
    for (const name of ['a', 'b', 'a']) await send(name, 10)
    await new Promise(resolve => setImmediate(resolve))
    process.off('warning', onWarning)
    expect(warnings.length).toBe(2)
    expect(warnings[0]).toMatch(/^\d+ records of a-0 were removed for their size before anybody had read them/)
    expect(warnings[1]).toMatch(/of b-0 were removed/)
  })
})

describe('records that will be removed for their age', () => {
  it('are told a day before the first time, where nobody has chosen how long they are kept', async () => {
    await open()
    await send('events', 1)
    await readAndLeave('events', 1)
    await clock.advance(5 * day)
    expect(expiring).toEqual([])
    await clock.advance(day + 600_000)
    expect(expiring).toEqual([{ topic: 'events', partition: 0, records: 1, at: Date.UTC(2026, 0, 8), retentionMs: week, isRead: true }])
    expect(partition('events').logStartOffset).toBe(0)
    await clock.advance(2 * day)
    expect(partition('events').logStartOffset).toBe(1)
    expect(expiring.length).toBe(1)
  })

  it('are told where the time was chosen only if nobody has read them', async () => {
    await open()
    for (const name of ['read', 'unread']) await cluster.admin().createTopic({ name, keep: { forMs: 3 * day } })
    await send('read', 1)
    await send('unread', 1)
    await readAndLeave('read', 1)
    await clock.advance(4 * day)
    expect(expiring.map(({ topic, isRead }) => [topic, isRead])).toEqual([['unread', false]])
    expect([partition('read').logStartOffset, partition('unread').logStartOffset]).toEqual([1, 1])
  })

  it('are not removed by the round that tells so', async () => {
    await open({ storage: fileStorage(directory) })
    await send('events', 1)
    await cluster.close()
    await clock.advance(30 * day)
    await open({ storage: fileStorage(directory) })
    await clock.advance(300_000)
    expect(expiring.length).toBe(1)
    expect(partition('events').logStartOffset).toBe(0)
    await clock.advance(300_000)
    expect(partition('events').logStartOffset).toBe(1)
  })

  it('are none in a topic that is kept for ever, and neither do the offsets committed for it expire', async () => {
    await open()
    await cluster.admin().createTopics([
      { name: 'events', keep: 'forever' },
      { name: 'table', keep: 'latest' }
    ])
    for (const name of ['events', 'table']) {
      await cluster.producer().send(name, { key: 'k', value })
      await readAndLeave(name, 1, name)
    }
    await clock.advance(15 * day)
    await cluster.housekeeping()
    expect([expiring, offsetsExpiring, lost]).toEqual([[], [], []])
    expect(partition('events').logStartOffset).toBe(0)
    for (const name of ['events', 'table']) expect(await cluster.admin().listGroupOffsets(name)).toMatchObject([{ offset: 1 }])
  })
})

describe('offsets that will expire', () => {
  it('are told a day before', async () => {
    await open()
    await send('bus', 1)
    await readAndLeave('bus', 1)
    await clock.advance(5 * day)
    expect(offsetsExpiring).toEqual([])
    await clock.advance(day + 600_000)
    expect(offsetsExpiring).toMatchObject([{ groupId: 'g', topics: ['bus'], at: Date.UTC(2026, 0, 8) }])
    expect(await cluster.admin().listGroupOffsets('g')).toMatchObject([{ offset: 1 }])
    await clock.advance(day)
    expect(
      await cluster
        .admin()
        .listGroupOffsets('g')
        .catch(() => [])
    ).toEqual([])
    expect(offsetsExpiring.length).toBe(1)
  })

  it('are told again when the group was used in between', async () => {
    await open()
    await send('bus', 2)
    await readAndLeave('bus', 1)
    await clock.advance(6.5 * day)
    expect(offsetsExpiring.length).toBe(1)
    await readAndLeave('bus', 1)
    await clock.advance(3 * day)
    expect(offsetsExpiring.length).toBe(1)
    await clock.advance(4 * day)
    expect(offsetsExpiring.length).toBe(2)
  })
})

describe('records that a tombstone erases', () => {
  it('leave the disk once their segment is old enough, although nothing more is written', async () => {
    await open({ storage: fileStorage(directory) })
    const configs = { 'segment.ms': 100_000, 'min.cleanable.dirty.ratio': 0 }
    await cluster.admin().createTopic({ name: 'persons', keep: 'latest', configs })
    const producer = cluster.producer()
    await producer.send('persons', { key: 'ann', value: 'ann@secret.example' })
    await producer.send('persons', { key: 'ann', value: null })
    const isOnDisk = () => {
      const folder = join(directory, 'persons-0')
      const logs = readdirSync(folder).filter(name => name.endsWith('.log'))
      return logs.some(name => readFileSync(join(folder, name)).includes('ann@secret.example'))
    }
    await cluster.housekeeping()
    expect(isOnDisk()).toBe(true)
    await clock.advance(100_001)
    await cluster.housekeeping()
    expect(isOnDisk()).toBe(false)
  })
})
