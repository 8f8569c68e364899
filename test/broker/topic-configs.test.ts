import { describe, expect, it } from 'vitest'
import type { Broker } from '../../src/protocol/broker.js'
import { AlterConfigs } from '../../src/protocol/messages/alter-configs.js'
import { CreateTopics } from '../../src/protocol/messages/create-topics.js'
import { DescribeConfigs } from '../../src/protocol/messages/describe-configs.js'
import { IncrementalAlterConfigs } from '../../src/protocol/messages/incremental-alter-configs.js'
import { batch, createTopic, openNode, produce, withError } from './helpers.js'

/** What Apache Kafka 4.3.0 describes of a topic without any config of its own: value, type, and the name of the only synonym. */
const ofKafka: readonly [name: string, value: string, type: number, synonym?: string][] = [
  ['cleanup.policy', 'delete', 7, 'log.cleanup.policy'],
  ['compression.gzip.level', '-1', 3, 'compression.gzip.level'],
  ['compression.lz4.level', '9', 3, 'compression.lz4.level'],
  ['compression.type', 'producer', 2, 'compression.type'],
  ['compression.zstd.level', '3', 3, 'compression.zstd.level'],
  ['delete.retention.ms', '86400000', 5, 'log.cleaner.delete.retention.ms'],
  ['file.delete.delay.ms', '60000', 5, 'log.segment.delete.delay.ms'],
  ['flush.messages', '9223372036854775807', 5, 'log.flush.interval.messages'],
  ['flush.ms', '9223372036854775807', 5],
  ['follower.replication.throttled.replicas', '', 7],
  ['index.interval.bytes', '4096', 3, 'log.index.interval.bytes'],
  ['leader.replication.throttled.replicas', '', 7],
  ['local.retention.bytes', '-2', 5, 'log.local.retention.bytes'],
  ['local.retention.ms', '-2', 5, 'log.local.retention.ms'],
  ['max.compaction.lag.ms', '9223372036854775807', 5, 'log.cleaner.max.compaction.lag.ms'],
  ['max.message.bytes', '1048588', 3, 'message.max.bytes'],
  ['message.timestamp.after.max.ms', '3600000', 5, 'log.message.timestamp.after.max.ms'],
  ['message.timestamp.before.max.ms', '9223372036854775807', 5, 'log.message.timestamp.before.max.ms'],
  ['message.timestamp.type', 'CreateTime', 2, 'log.message.timestamp.type'],
  ['min.cleanable.dirty.ratio', '0.5', 6, 'log.cleaner.min.cleanable.ratio'],
  ['min.compaction.lag.ms', '0', 5, 'log.cleaner.min.compaction.lag.ms'],
  ['min.insync.replicas', '1', 3, 'min.insync.replicas'],
  ['preallocate', 'false', 1, 'log.preallocate'],
  ['remote.log.copy.disable', 'false', 1],
  ['remote.log.delete.on.disable', 'false', 1],
  ['remote.storage.enable', 'false', 1],
  ['retention.bytes', '-1', 5, 'log.retention.bytes'],
  ['retention.ms', '604800000', 5],
  ['segment.bytes', '1073741824', 3, 'log.segment.bytes'],
  ['segment.index.bytes', '10485760', 3, 'log.index.size.max.bytes'],
  ['segment.jitter.ms', '0', 5],
  ['segment.ms', '604800000', 5],
  ['unclean.leader.election.enable', 'false', 1, 'unclean.leader.election.enable']
]

/** Values that Apache Kafka 4.3.0 was asked to create a topic with, and whether it did. */
const tried: readonly [name: string, taken: readonly string[], refused: readonly string[]][] = [
  ['cleanup.policy', ['', 'delete,delete', 'delete, compact', ' compact '], ['keep', 'delete,keep']],
  ['compression.gzip.level', ['-1', '1', '9'], ['0', '10', 'x']],
  ['compression.lz4.level', ['1', '17'], ['0', '18']],
  ['compression.zstd.level', ['0', '22', '-131072'], ['23', '-131073']],
  ['follower.replication.throttled.replicas', ['', '*', '0:1', '0:1,1:2'], ['x', '0:1,*', '0']],
  ['flush.messages', ['1'], ['0']],
  ['flush.ms', ['0'], ['-1']],
  ['local.retention.bytes', ['-2', '5'], ['-3']],
  ['local.retention.ms', ['-2', '99999999999'], ['-3']],
  ['preallocate', ['True', ' false '], ['yes', '']],
  ['remote.log.copy.disable', ['true'], ['1']],
  ['remote.storage.enable', ['false'], ['true']],
  ['retention.bytes', ['-1', '-5'], ['x']],
  ['retention.ms', [' 5 ', '+5', '-1'], ['-2', '5.0', '0x10']],
  ['segment.index.bytes', ['4'], ['3']],
  ['segment.jitter.ms', ['999999999999'], ['-1']],
  ['unclean.leader.election.enable', ['true'], ['maybe']],
  ['message.downconversion.enable', [], ['true']],
  ['message.format.version', [], ['3.0']]
]

async function create(client: Broker, configs: { [name: string]: string }, name = 'orders') {
  const given = Object.entries(configs).map(([config, value]) => ({ name: config, value }))
  const topics = [{ name, numPartitions: 1, replicationFactor: 1, configs: given }]
  return withError((await client.request(CreateTopics, { topics })).topics[0])
}

async function described(client: Broker) {
  const resources = [{ resourceType: 2, resourceName: 'orders', configurationKeys: null }]
  return (await client.request(DescribeConfigs, { resources, includeSynonyms: true })).results[0].configs
}

describe('the configs of a topic', () => {
  it('are those of Apache Kafka 4.3, with its defaults and synonyms', async () => {
    // In memory, two have a default of their own.
    const { client } = await openNode({ configs: { 'log.retention.bytes': -1, 'log.segment.bytes': 1_073_741_824 } })
    await createTopic(client, 'orders')
    const configs = await described(client)
    const found = configs.map(({ name, value, configType, synonyms }) => [name, value, configType, synonyms?.at(-1)?.name])
    const expected = ofKafka.map(([name, value, type, synonym]) => [name, value, type, synonym])
    expect(found.sort()).toEqual(expected.sort())
    expect(configs.every(({ readOnly }) => !readOnly)).toBe(true)
  })

  it('are taken and refused as Apache Kafka 4.3 does it', async () => {
    const { client } = await openNode()
    let count = 0
    for (const [name, taken, refused] of tried) {
      for (const value of taken) expect((await create(client, { [name]: value }, `t${count++}`)).error, `${name}=${value}`).toBe('NONE')
      for (const value of refused)
        expect((await create(client, { [name]: value }, `t${count++}`)).error, `${name}=${value}`).toBe('INVALID_CONFIG')
    }
  })

  it('keep the values of those that have no effect here', async () => {
    const { client } = await openNode()
    await create(client, { 'flush.messages': '1000', 'unclean.leader.election.enable': 'true', 'cleanup.policy': 'compact' })
    const configs = new Map((await described(client)).map(({ name, value, configSource }) => [name, [value, configSource]]))
    expect(configs.get('flush.messages')).toEqual(['1000', 1])
    expect(configs.get('unclean.leader.election.enable')).toEqual(['true', 1])
    expect(configs.get('cleanup.policy')).toEqual(['compact', 1])
  })

  it('without a policy keep all records', async () => {
    const { client, node, clock } = await openNode()
    await create(client, { 'cleanup.policy': '', 'retention.ms': '1000', 'segment.bytes': '100' })
    for (let i = 0; i < 5; i++) await produce(client, 'orders', 0, batch(`value ${i}`))
    await clock.advance(3_600_000)
    await node.housekeeping()
    expect(node.topics.get('orders')?.partitions[0]).toMatchObject({ logStartOffset: 0, logEndOffset: 5 })
  })
})

describe('a segment of less than 1 MiB', () => {
  it('is refused to clients over the wire, and allowed in process', async () => {
    const { client, node } = await openNode()
    const remote = node.connect({ clientId: 'far', apiVersion: 7 })
    expect(await create(remote, { 'segment.bytes': '1048575' })).toMatchObject({ error: 'INVALID_CONFIG' })
    expect(await create(remote, { 'segment.bytes': '1048576' })).toMatchObject({ error: 'NONE' })
    expect(await create(client, { 'segment.bytes': '100' }, 'small')).toMatchObject({ error: 'NONE' })
    const resource = { resourceType: 2, resourceName: 'orders' }
    const changed = await remote.request(IncrementalAlterConfigs, {
      resources: [{ ...resource, configs: [{ name: 'segment.bytes', configOperation: 0, value: '10' }] }],
      validateOnly: false
    })
    expect(changed.responses.map(withError)).toMatchObject([{ error: 'INVALID_CONFIG' }])
    const replaced = await remote.request(AlterConfigs, {
      resources: [{ ...resource, configs: [{ name: 'segment.bytes', value: '10' }] }],
      validateOnly: false
    })
    expect(replaced.responses.map(withError)).toMatchObject([{ error: 'INVALID_CONFIG' }])
  })
})
