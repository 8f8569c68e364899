import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { backlogOf } from '../../src/broker/partition.js'
import { Cluster, type ClusterOptions } from '../../src/cluster.js'
import { KafkaError } from '../../src/errors.js'
import { topic } from '../../src/record/topic.js'
import { fileStorage } from '../../src/storage/file/index.js'
import { textConsumer, until } from '../consumer/helpers.js'

let cluster: Cluster
const directory = mkdtempSync(join(tmpdir(), 'millrace-'))

afterEach(async () => {
  await cluster.close()
  rmSync(directory, { recursive: true, force: true })
})

const value = 'x'.repeat(1000)
const limitBytes = 10_000

/** Sends records of a kilobyte, each in a batch of its own, and returns how many were taken before one was not. */
async function fill(name: string, most = 30): Promise<{ taken: number; last: Promise<unknown> }> {
  const producer = cluster.producer()
  for (let taken = 0; taken < most; taken++) {
    const sent = producer.send(name, { value }).catch(error => error)
    const outcome = await Promise.race([sent, isHeld(name)])
    if (outcome === undefined || outcome instanceof Error) return { taken, last: sent }
  }
  return { taken: most, last: Promise.resolve() }
}

/** Resolves when a batch waits for room in the topic. */
const isHeld = (name: string) => until(() => backlogOf(partition(name)).held.length > 0)

async function startReader(name: string) {
  const consumer = textConsumer(cluster, { groupId: 'slow', topics: [name] })
  await consumer.start()
  return consumer
}

const partition = (name: string) => cluster.topic(name).partitions[0]

describe.each<[string, () => ClusterOptions]>([
  ['in memory', () => ({})],
  ['on disk', () => ({ storage: fileStorage(directory) })]
])('a backlog quota %s', (where, options) => {
  it('holds the producer, where the topic says so', async () => {
    cluster = await Cluster.open(options())
    const bus = topic('bus', { backlog: { policy: 'producer_request_hold', limitBytes } })
    await cluster.admin().createTopics([bus])
    const consumer = await startReader('bus')
    const { taken, last } = await fill('bus')
    expect(taken).toBe(9)
    await until(() => backlogOf(partition('bus')).held.length === 1)
    let seen = 0
    for await (const _ of consumer) if (++seen === 10) break
    expect(await last).toMatchObject({ offset: 9 })
  })

  it('refuses the batch at once with an error that names the reader, where the topic says so', async () => {
    cluster = await Cluster.open(options())
    await cluster.admin().createTopic({ name: 'bus', backlog: { policy: 'producer_exception', limitBytes } })
    await startReader('bus')
    const { taken, last } = await fill('bus')
    const error = (await last) as KafkaError
    expect(taken).toBe(9)
    expect(error).toBeInstanceOf(KafkaError)
    expect([error.code, error.retriable]).toEqual(['POLICY_VIOLATION', false])
    expect(error.message).toMatch(
      /^The batch was refused: bus-0 keeps at most 10000 bytes that have not been read \(`millrace\.backlog\.bytes`\)/
    )
    expect(error.message).toMatch(/the group `slow` is 9 records, \d+ bytes, behind in bus-0/)
  })

  it('takes all and removes the oldest, read or not, where the topic says so', async () => {
    cluster = await Cluster.open(options())
    const configs = { 'retention.bytes': limitBytes, 'segment.bytes': 3000 }
    await cluster.admin().createTopic({ name: 'bus', backlog: { policy: 'consumer_backlog_eviction' }, configs })
    await startReader('bus')
    expect((await fill('bus')).taken).toBe(30)
    await cluster.housekeeping()
    expect(partition('bus').logStartOffset).toBeGreaterThan(0)
  })

  it('is that of the cluster where the topic does not say', async () => {
    cluster = await Cluster.open({ ...options(), backlog: { policy: 'producer_exception', limitBytes } })
    await cluster.admin().createTopic({ name: 'bus' })
    await startReader('bus')
    expect(((await (await fill('bus')).last) as KafkaError).code).toBe('POLICY_VIOLATION')
  })

  it('changes with the configs of a running topic', async () => {
    cluster = await Cluster.open(options())
    const admin = cluster.admin()
    await admin.createTopic({ name: 'bus', backlog: { policy: 'producer_request_hold', limitBytes } })
    await startReader('bus')
    const { last } = await fill('bus')
    await until(() => backlogOf(partition('bus')).held.length === 1)
    await admin.alterConfigs('bus', { 'millrace.backlog.bytes': 20_000 })
    expect(await last).toMatchObject({ offset: 9 })
    await admin.alterConfigs('bus', { 'millrace.backlog.policy': 'producer_exception' })
    expect(((await (await fill('bus')).last) as KafkaError).code).toBe('POLICY_VIOLATION')
  })

  it('is told among the configs only where it is set', async () => {
    cluster = await Cluster.open(options())
    const admin = cluster.admin()
    await admin.createTopics([{ name: 'plain' }, { name: 'bus', backlog: { policy: 'producer_exception' } }])
    const own = async (name: string) => (await admin.describeConfigs(name)).filter(config => config.name.startsWith('millrace.'))
    expect(await own('plain')).toEqual([])
    expect(await own('bus')).toMatchObject([{ name: 'millrace.backlog.policy', value: 'producer_exception', source: 'topic' }])
    await admin.alterConfigs('bus', { 'millrace.backlog.policy': null })
    expect(await own('bus')).toEqual([])
  })

  it('is refused where it is none', async () => {
    cluster = await Cluster.open(options())
    expect(() => topic('bus', { backlog: { policy: 'hold' as never } })).toThrow(/Expected `backlog.policy` to be one of/)
    expect(() => topic('bus', { backlog: { limitBytes: 0 } })).toThrow(/Expected `backlog.limitBytes` to be a positive integer, got `0`/)
    const wrong = cluster.admin().createTopic({ name: 'bus', configs: { 'millrace.backlog.policy': 'hold' } })
    await expect(wrong).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
    expect(where).toBeDefined()
  })
})

describe('a backlog quota in a data directory', () => {
  it('outlives the process, and stands in a file of its own, not in Kafka’s records', async () => {
    const bus = topic('bus', { backlog: { policy: 'producer_exception', limitBytes }, configs: { 'retention.ms': 1000 } })
    cluster = await Cluster.open({ storage: fileStorage(directory) })
    await cluster.admin().createTopics([bus, topic('gone', { backlog: { policy: 'producer_exception' } })])
    await cluster.admin().deleteTopics(['gone'])
    await cluster.admin().alterConfigs('bus', { 'retention.ms': 2000 })
    await cluster.close()
    const log = readFileSync(join(directory, '__cluster_metadata-0', '00000000000000000000.log'))
    expect(log.includes('retention.ms')).toBe(true)
    expect(log.includes('millrace.')).toBe(false)
    expect(readdirSync(directory)).toContain('millrace-topic-configs.json')
    cluster = await Cluster.open({ storage: fileStorage(directory) })
    expect(backlogOf(partition('bus')).quota).toMatchObject({ policy: 'producer_exception', limitBytes })
    const configs = await cluster.admin().describeConfigs('bus')
    expect(configs.find(({ name }) => name === 'retention.ms')?.value).toBe('2000')
  })
})

describe('a typed topic with a quota', () => {
  it('is created without it where the cluster is not of this library', async () => {
    const asked = await foreignCluster()
    expect(asked).toEqual([['millrace.backlog.policy', 'retention.ms'], ['retention.ms']])
  })
})

/** What a cluster that knows Kafka's configs alone is asked to create. */
async function foreignCluster(): Promise<string[][]> {
  const asked: string[][] = []
  cluster = await Cluster.open({
    intercept: brokers => {
      const broker = brokers.any()
      const foreign = {
        request: ((api, body, signal) => {
          if (api.name !== 'CreateTopics') return broker.request(api, body, signal)
          const [wanted] = (body as unknown as { topics: { name: string; configs: { name: string }[] }[] }).topics
          const names = wanted.configs.map(({ name }) => name).sort()
          asked.push(names)
          if (!names.some(name => name.startsWith('millrace.'))) return broker.request(api, body, signal)
          const refused = { errorCode: 40, errorMessage: 'Unknown topic config name: millrace.backlog.policy' }
          return { topics: [{ name: wanted.name, ...refused, numPartitions: -1, replicationFactor: -1, configs: [] }] }
        }) as typeof broker.request
      }
      return { any: () => foreign, byId: () => foreign }
    }
  })
  const bus = topic('bus', { backlog: { policy: 'producer_exception' }, configs: { 'retention.ms': 1000 } })
  await cluster.producer().send(bus, { value: 'x' })
  return asked
}
