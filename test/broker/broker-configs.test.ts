import { describe, expect, it } from 'vitest'
import { nodeOf } from '../../src/broker/local-broker.js'
import type { Broker } from '../../src/protocol/broker.js'
import { AlterConfigs } from '../../src/protocol/messages/alter-configs.js'
import { DescribeConfigs } from '../../src/protocol/messages/describe-configs.js'
import { IncrementalAlterConfigs } from '../../src/protocol/messages/incremental-alter-configs.js'
import { ListConfigResources } from '../../src/protocol/messages/list-config-resources.js'
import { createTopic, openNode, withError } from './helpers.js'

/* The expected answers are those that Apache Kafka 4.3.0 gave to the same requests. */

const type = { topic: 2, broker: 4, logger: 8, clientMetrics: 16, group: 32 } as const
const operation = { set: 0, delete: 1, append: 2 } as const

async function alter(client: Broker, resourceType: number, resourceName: string, name: string, value: string | null, kind = 'set') {
  const configs = [{ name, value, configOperation: operation[kind as keyof typeof operation] }]
  const { responses } = await client.request(IncrementalAlterConfigs, {
    resources: [{ resourceType, resourceName, configs }],
    validateOnly: false
  })
  return withError(responses[0]).error
}

async function describeConfigs(client: Broker, resourceType: number, resourceName: string, keys: string[] | null = null) {
  const resources = [{ resourceType, resourceName, configurationKeys: keys }]
  return withError((await client.request(DescribeConfigs, { resources, includeSynonyms: true })).results[0])
}

async function originOf(client: Broker, resourceType: number, resourceName: string, name: string) {
  const { configs } = await describeConfigs(client, resourceType, resourceName, [name])
  return [configs[0].value, configs[0].configSource, configs[0].synonyms?.map(({ source }) => source)]
}

async function listed(client: Broker, ...resourceTypes: number[]) {
  return (await client.request(ListConfigResources, { resourceTypes })).configResources.map(({ resourceName }) => resourceName)
}

describe('configs of a broker', () => {
  it('that topics get from it are changed while it runs, for it before all', async () => {
    const { client, node } = await openNode({ nodeId: 1, configs: { 'message.max.bytes': 500 } })
    await createTopic(client, 'orders')
    const options = () => node.topics.get('orders')!.partitions[0].log.options
    expect(await alter(client, type.broker, '', 'message.max.bytes', '2000')).toBe('NONE')
    expect(options().maxMessageBytes).toBe(2000)
    expect(await originOf(client, type.topic, 'orders', 'max.message.bytes')).toEqual(['2000', 3, [3, 4, 5]])
    expect(await alter(client, type.broker, '1', 'message.max.bytes', '3000')).toBe('NONE')
    expect(options().maxMessageBytes).toBe(3000)
    expect(await originOf(client, type.broker, '1', 'message.max.bytes')).toEqual(['3000', 2, [2, 3, 4, 5]])
    expect((await describeConfigs(client, type.broker, '')).configs).toMatchObject([{ name: 'message.max.bytes', value: '2000' }])
    await alter(client, type.broker, '1', 'message.max.bytes', null, 'delete')
    await alter(client, type.broker, '', 'message.max.bytes', null, 'delete')
    expect(options().maxMessageBytes).toBe(500)
  })

  it('outlive a restart', async () => {
    const { client, node, storage } = await openNode()
    await createTopic(client, 'orders')
    await alter(client, type.broker, '0', 'log.retention.ms', '1000000')
    await alter(client, type.group, 'g', 'consumer.session.timeout.ms', '50000')
    const records = [...nodeOf(node).metadata.snapshot()].filter(record => record.type === 'config')
    expect(records).toMatchObject([
      { resourceType: 4, resourceName: '0', name: 'log.retention.ms', value: '1000000' },
      { resourceType: 32, resourceName: 'g', name: 'consumer.session.timeout.ms', value: '50000' }
    ])
    await node.close()
    const again = await openNode({ storage })
    expect(again.node.topics.get('orders')!.partitions[0].log.options.retentionMs).toBe(1_000_000)
    expect(await originOf(again.client, type.topic, 'orders', 'retention.ms')).toEqual(['1000000', 2, [2]])
    expect(await originOf(again.client, type.group, 'g', 'consumer.session.timeout.ms')).toEqual(['50000', 8, [8, 5]])
  })

  it('are refused as Kafka refuses them', async () => {
    const { client } = await openNode()
    const refused: [string, string, string | null][] = [
      ['0', 'num.partitions', '3'],
      ['0', 'broker.id', '0'],
      ['0', 'log.retention.ms', 'x'],
      ['0', 'log.segment.bytes', '1000x'],
      ['0', 'log.retention.ms', null],
      ['9', 'log.retention.ms', '5'],
      ['x', 'log.retention.ms', '5']
    ]
    for (const [name, config, value] of refused)
      expect(await alter(client, type.broker, name, config, value), `${name} ${config}`).toBe('INVALID_REQUEST')
    expect(await alter(client, type.broker, '0', 'log.retention.ms', '5', 'append')).toBe('INVALID_CONFIG')
    expect(await alter(client, type.broker, '0', 'log.cleanup.policy', 'compact', 'append')).toBe('NONE')
    expect((await originOf(client, type.broker, '0', 'log.cleanup.policy'))[0]).toBe('delete,compact')
    expect(await describeConfigs(client, type.broker, 'x')).toMatchObject({ error: 'INVALID_REQUEST' })
  })

  it('are replaced as a whole by older clients', async () => {
    const { client } = await openNode()
    await alter(client, type.broker, '0', 'message.max.bytes', '3000')
    const resources = [{ resourceType: type.broker, resourceName: '0', configs: [{ name: 'log.retention.ms', value: '7' }] }]
    const { responses } = await client.request(AlterConfigs, { resources, validateOnly: false })
    expect(withError(responses[0]).error).toBe('NONE')
    expect((await originOf(client, type.broker, '0', 'message.max.bytes'))[1]).toBe(5)
    expect(await originOf(client, type.broker, '0', 'log.retention.ms')).toEqual(['7', 2, [2]])
  })

  it('say what the node is', async () => {
    const { client } = await openNode({ nodeId: 3 })
    const values = new Map((await describeConfigs(client, type.broker, '3')).configs.map(({ name, value }) => [name, value]))
    expect(values.get('node.id')).toBe('3')
    expect(values.get('log.dirs')).toBe('memory')
    expect(values.get('listeners')).toBe(null)
    await expect(openNode({ configs: { 'node.id': 3 } })).rejects.toThrowError(/Unknown config `node.id`/)
  })
})

describe('loggers of a broker', () => {
  it('have a level that can be set', async () => {
    const { client } = await openNode()
    expect((await describeConfigs(client, type.logger, '0')).configs).toMatchObject([{ name: 'root', value: 'INFO', configSource: 6 }])
    expect(await alter(client, type.logger, '0', 'root', 'WARN')).toBe('NONE')
    expect((await describeConfigs(client, type.logger, '0')).configs).toMatchObject([{ name: 'root', value: 'WARN' }])
    expect(await alter(client, type.logger, '0', 'root', 'LOUD')).toBe('INVALID_CONFIG')
    expect(await alter(client, type.logger, '0', 'nobody', 'WARN')).toBe('INVALID_CONFIG')
    expect(await alter(client, type.logger, '0', 'root', null, 'delete')).toBe('INVALID_REQUEST')
    expect(await alter(client, type.logger, '9', 'root', 'WARN')).toBe('INVALID_REQUEST')
    expect(await describeConfigs(client, type.logger, '')).toMatchObject({ error: 'INVALID_REQUEST' })
    expect(await listed(client, type.logger)).toEqual(['0'])
  })
})

describe('subscriptions to client metrics', () => {
  it('are configured, listed and gone again', async () => {
    const { client } = await openNode()
    expect(await listed(client, type.clientMetrics)).toEqual([])
    expect(await alter(client, type.clientMetrics, 'm', 'interval.ms', '1000')).toBe('NONE')
    expect(await originOf(client, type.clientMetrics, 'm', 'interval.ms')).toEqual(['1000', 7, [7]])
    expect(await listed(client, type.clientMetrics)).toEqual(['m'])
    expect(await alter(client, type.clientMetrics, 'm', 'interval.ms', '99')).toBe('INVALID_REQUEST')
    expect(await alter(client, type.clientMetrics, 'm', 'match', 'client_id=x')).toBe('NONE')
    expect(await alter(client, type.clientMetrics, 'm', 'match', 'nonsense=x')).toBe('INVALID_CONFIG')
    expect(await alter(client, type.clientMetrics, 'm', 'match', 'client_id=[')).toBe('INVALID_CONFIG')
    expect(await alter(client, type.clientMetrics, 'm', 'no.such', '1')).toBe('INVALID_REQUEST')
    expect(await alter(client, type.clientMetrics, '', 'interval.ms', '1000')).toBe('INVALID_REQUEST')
    expect(await alter(client, type.clientMetrics, 'm', 'metrics', 'c', 'append')).toBe('INVALID_CONFIG')
    for (const name of ['interval.ms', 'match']) await alter(client, type.clientMetrics, 'm', name, null, 'delete')
    expect(await listed(client, type.clientMetrics)).toEqual([])
  })
})

describe('configs of groups', () => {
  it('are kept within the bounds of a Kafka', async () => {
    const { client } = await openNode()
    expect((await describeConfigs(client, type.group, 'g')).configs).toHaveLength(17)
    expect(await alter(client, type.group, 'g', 'consumer.session.timeout.ms', '5')).toBe('INVALID_CONFIG')
    expect(await alter(client, type.group, 'g', 'no.such', '5')).toBe('INVALID_CONFIG')
    expect(await alter(client, type.group, '', 'consumer.session.timeout.ms', '50000')).toBe('INVALID_REQUEST')
    expect(await alter(client, type.group, 'g', 'consumer.session.timeout.ms', '50000')).toBe('NONE')
    expect(await listed(client, type.group)).toEqual(['g'])
    expect(await describeConfigs(client, type.group, '')).toMatchObject({ error: 'INVALID_REQUEST' })
  })
})
