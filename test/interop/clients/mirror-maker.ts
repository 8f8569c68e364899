import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Admin } from '../../../src/admin/admin.js'
import type { ClusterClient } from '../../../src/cluster-client.js'
import { connect } from '../../../src/wire/connect.js'
import { missingKafka, startKafkaBroker } from '../kafka/apache-kafka.js'
import { expectEqual, type ForeignClient, Round } from './client-round.js'
import { classPath, inFolder, javaOptions, missingJars, versionOf } from './jvm.js'

/**
 * Kafka Connect, which runs MirrorMaker 2 between an Apache Kafka (`ka`) and the listener (`mr`), in
 * both directions.
 */
export const mirrorMaker: ForeignClient = {
  name: 'Kafka Connect with MirrorMaker 2',
  missing: async () => (await missingKafka()) ?? (await missingJars('kafka')),
  version: () => versionOf('kafka'),
  round: address =>
    inFolder(async folder => {
      const round = new Round(({ what, problem }) =>
        console.log(`${problem === undefined ? 'ok' : 'failed'}: ${what}${problem === undefined ? '' : ` (${problem})`}`)
      )
      await using kafka = await startKafkaBroker()
      await using theirs = await connect({ brokers: [kafka.address] })
      await using ours = await connect({ brokers: [address] })
      const [there, here] = [theirs.admin(), ours.admin()]
      const configs = { 'cleanup.policy': 'compact', 'flush.messages': 1000, 'segment.jitter.ms': 5 }
      await there.createTopic({ name: 'orders', partitions: 3, configs })
      await here.createTopic({ name: 'returns', partitions: 2, configs })
      await send(theirs, 'orders', 300)
      await send(ours, 'returns', 200)
      await there.resetGroupOffsets('billing', { partitions: ['orders'], to: 'latest' })
      await using _ = await startMirrorMaker(folder, kafka.address, address)

      await round.check('mirror records from Apache Kafka, partition by partition', () =>
        eventually(async () => expectEqual(await endOffsets(here, 'ka.orders'), await endOffsets(there, 'orders')))
      )
      await round.check('mirror records to Apache Kafka', () =>
        eventually(async () => expectEqual(await endOffsets(there, 'mr.returns'), await endOffsets(here, 'returns')))
      )
      await round.check('create topics with all configs of their sources', async () => {
        const wanted = Object.values(configs).map(String)
        expectEqual(await configsOf(here, 'ka.orders', Object.keys(configs)), wanted)
        expectEqual(await configsOf(there, 'mr.returns', Object.keys(configs)), wanted)
      })
      await round.check('follow changes of configs', async () => {
        await there.alterConfigs('orders', { 'retention.ms': 123_456_789, 'cleanup.policy': null })
        await eventually(async () =>
          expectEqual(await configsOf(here, 'ka.orders', ['retention.ms', 'cleanup.policy']), ['123456789', 'delete'])
        )
      })
      await round.check('add partitions where the source got more', async () => {
        await there.createPartitions('orders', 5)
        await eventually(async () => expectEqual((await here.describeTopics(['ka.orders']))[0].partitions.length, 5))
      })
      await round.check('carry over the offsets of groups', () =>
        eventually(async () => {
          const offsets = await here.listGroupOffsets('billing')
          expectEqual(
            offsets.filter(({ topic }) => topic === 'ka.orders').map(({ offset }) => offset),
            await endOffsets(there, 'orders', 3)
          )
        })
      )
      return round.checks
    })
}

async function startMirrorMaker(folder: string, kafka: string, millrace: string): Promise<AsyncDisposable> {
  const intervals = ['refresh.topics', 'refresh.groups', 'sync.topic.configs', 'emit.checkpoints', 'sync.group.offsets']
  const replicated = ['replication.factor', 'checkpoints.topic.replication.factor', 'heartbeats.topic.replication.factor']
  const stored = ['offset-syncs.topic', 'offset.storage', 'config.storage', 'status.storage']
  const properties = {
    clusters: 'ka, mr',
    'ka.bootstrap.servers': kafka,
    'mr.bootstrap.servers': millrace,
    'ka->mr.enabled': 'true',
    'mr->ka.enabled': 'true',
    'ka->mr.topics': 'orders',
    'mr->ka.topics': 'returns',
    'sync.group.offsets.enabled': 'true',
    'offset.lag.max': '0',
    ...Object.fromEntries(intervals.map(name => [`${name}.interval.seconds`, '1'])),
    ...Object.fromEntries([...replicated, ...stored.map(name => `${name}.replication.factor`)].map(name => [name, '1']))
  }
  const file = join(folder, 'mm2.properties')
  const lines = Object.entries(properties).map(entry => entry.join(' = '))
  await writeFile(file, lines.join('\n'))
  const args = [...javaOptions, '-cp', classPath('kafka'), 'org.apache.kafka.connect.mirror.MirrorMaker', file]
  const child = spawn('java', args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(child, 'close')
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    }
  }
}

async function send(cluster: ClusterClient, topic: string, count: number): Promise<void> {
  await using producer = cluster.producer()
  await Promise.all(Array.from({ length: count }, (_, i) => producer.send(topic, { key: `k${i}`, value: `v${i}` })))
}

async function endOffsets(admin: Admin, topic: string, partitions = Number.POSITIVE_INFINITY): Promise<number[]> {
  const offsets = await admin.listOffsets([topic], 'latest')
  return offsets.filter(({ partition }) => partition < partitions).map(({ offset }) => offset)
}

async function configsOf(admin: Admin, topic: string, names: readonly string[]): Promise<unknown[]> {
  const entries = await admin.describeConfigs(topic)
  return names.map(name => entries.find(entry => entry.name === name)?.value)
}

/** Tries until it goes well, for 40 seconds. */
async function eventually(attempt: () => Promise<void>): Promise<void> {
  const end = Date.now() + 40_000
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > end) throw error
      await delay(500)
    }
  }
}
