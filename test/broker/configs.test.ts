import { describe, expect, it } from 'vitest'
import type { Broker } from '../../src/protocol/broker.js'
import { AlterConfigs } from '../../src/protocol/messages/alter-configs.js'
import { DescribeConfigs } from '../../src/protocol/messages/describe-configs.js'
import { IncrementalAlterConfigs } from '../../src/protocol/messages/incremental-alter-configs.js'
import { batch, createTopic, fetch, openNode, produce, withError } from './helpers.js'

const topic = 2
const broker = 4
const operations = { set: 0, delete: 1, append: 2, subtract: 3 } as const

interface Alteration {
  readonly type?: number
  readonly resource?: string
  readonly validateOnly?: boolean
}

async function alter(
  client: Broker,
  changes: readonly [operation: keyof typeof operations | number, name: string, value: string | null][],
  { type = topic, resource = 'orders', validateOnly = false }: Alteration = {}
) {
  const configs = changes.map(([operation, name, value]) => ({
    name,
    value,
    configOperation: typeof operation === 'number' ? operation : operations[operation]
  }))
  const resources = [{ resourceType: type, resourceName: resource, configs }]
  return withError((await client.request(IncrementalAlterConfigs, { resources, validateOnly })).responses[0])
}

async function describeOf(client: Broker, type: number, resourceName: string, configurationKeys: string[] | null = null) {
  const resources = [{ resourceType: type, resourceName, configurationKeys }]
  const { results } = await client.request(DescribeConfigs, { resources, includeSynonyms: true, includeDocumentation: true })
  return withError(results[0])
}

async function currentValue(client: Broker, name: string) {
  const { configs } = await describeOf(client, topic, 'orders', [name])
  return [configs[0].value, configs[0].configSource]
}

describe('configs of topics', () => {
  it('tell where each value comes from, with what would count without it', async () => {
    const { client } = await openNode({ configs: { 'log.retention.ms': 1000 } })
    await createTopic(client, 'orders', 1, { 'segment.bytes': '2000' })
    const { configs } = await describeOf(client, topic, 'orders')
    const config = (name: string) => configs.find(found => found.name === name)
    expect(config('segment.bytes')).toMatchObject({ value: '2000', configSource: 1, readOnly: false, configType: 3 })
    expect(config('retention.ms')).toMatchObject({ value: '1000', configSource: 4, configType: 5 })
    expect(config('retention.ms')?.synonyms).toEqual([
      // Kafka has no default for it.
      { name: 'log.retention.ms', value: '1000', source: 4 }
    ])
    expect(config('segment.ms')?.synonyms).toEqual([])
    expect(config('index.interval.bytes')?.synonyms).toEqual([{ name: 'log.index.interval.bytes', value: '4096', source: 5 }])
    expect(config('retention.bytes')).toMatchObject({ value: '67108864', configSource: 5 })
    expect(config('retention.bytes')?.documentation).toContain('bytes')
  })

  it('take effect on running logs at once', async () => {
    const { client, node } = await openNode()
    await createTopic(client, 'orders', 2)
    expect(
      await alter(client, [
        ['set', 'max.message.bytes', '70'],
        ['set', 'retention.ms', '123']
      ])
    ).toMatchObject({ error: 'NONE' })
    expect(await produce(client, 'orders', 1, batch('x'.repeat(50)))).toMatchObject({ error: 'MESSAGE_TOO_LARGE' })
    const { options } = node.topics.get('orders')!.partitions[0].log
    expect(options).toMatchObject({ maxMessageBytes: 70, retentionMs: 123 })
    expect(await alter(client, [['delete', 'max.message.bytes', null]])).toMatchObject({ error: 'NONE' })
    expect(await produce(client, 'orders', 1, batch('x'.repeat(50)))).toMatchObject({ error: 'NONE' })
    expect(await currentValue(client, 'max.message.bytes')).toEqual(['1048588', 5])
    expect(await currentValue(client, 'retention.ms')).toEqual(['123', 1])
  })

  it('roll small segments and remove the oldest, and tell it', async () => {
    const { client, node } = await openNode()
    const removed: unknown[] = []
    node.events.on('segmentsRemoved', event => removed.push(event))
    await createTopic(client, 'orders', 1, { 'segment.bytes': '200', 'retention.bytes': '400' })
    for (let i = 0; i < 30; i++) await produce(client, 'orders', 0, batch(`value ${i}`))
    await node.housekeeping()
    const { logStartOffset, log } = node.topics.get('orders')!.partitions[0]
    expect(logStartOffset).toBeGreaterThan(20)
    expect(log.sizeInBytes).toBeLessThanOrEqual(600)
    expect(removed.at(-1)).toMatchObject({ topic: 'orders', partition: 0, logStartOffset })
    expect(await fetch(client, 'orders', [0], { offset: 0 })).toMatchObject([{ error: 'OFFSET_OUT_OF_RANGE', logStartOffset }])
  })

  it('remove what is too old, by the clock, without being asked', async () => {
    const { client, node, clock } = await openNode({ configs: { 'log.retention.check.interval.ms': 1000 } })
    await createTopic(client, 'orders', 1, { 'retention.ms': '5000' })
    await produce(client, 'orders', 0, batch('old'))
    await clock.advance(4000)
    expect(node.topics.get('orders')!.partitions[0].logStartOffset).toBe(0)
    await clock.advance(2000)
    expect(node.topics.get('orders')!.partitions[0].logStartOffset).toBe(1)
  })

  it('are changed all or not at all', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    expect(
      await alter(client, [
        ['set', 'retention.ms', '5'],
        ['set', 'retention.millis', '5']
      ])
    ).toMatchObject({ error: 'INVALID_CONFIG' })
    expect(await currentValue(client, 'retention.ms')).toEqual(['604800000', 5])
    expect(await alter(client, [['set', 'retention.ms', '5']], { validateOnly: true })).toMatchObject({ error: 'NONE' })
    expect(await currentValue(client, 'retention.ms')).toEqual(['604800000', 5])
  })

  it('refuse what is unknown or does not fit, by name', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    const refused: [string, string][] = [
      ['retention.millis', '1'],
      ['retention.ms', '1.5'],
      ['retention.ms', ''],
      ['retention.ms', '99999999999999999999'],
      ['segment.bytes', '3000000000'],
      ['compression.type', 'rar'],
      ['message.timestamp.type', 'createtime'],
      ['min.insync.replicas', '0'],
      ['cleanup.policy', 'keep'],
      ['cleanup.policy', 'compact,keep'],
      ['min.cleanable.dirty.ratio', '1.5'],
      ['min.cleanable.dirty.ratio', ''],
      ['delete.retention.ms', '-1'],
      ['max.compaction.lag.ms', '0']
    ]
    for (const [name, value] of refused) {
      const answer = await alter(client, [['set', name, value]])
      expect(answer.error, name).toBe('INVALID_CONFIG')
      expect(answer.errorMessage).toContain(name)
    }
    expect(await alter(client, [['set', 'retention.ms', null]])).toMatchObject({ error: 'INVALID_REQUEST' })
    expect(await alter(client, [['set', 'message.timestamp.before.max.ms', '9223372036854775807']])).toMatchObject({ error: 'NONE' })
  })

  it('add to lists and take from them', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders')
    expect(await alter(client, [['append', 'cleanup.policy', 'delete']])).toMatchObject({ error: 'NONE' })
    expect(await currentValue(client, 'cleanup.policy')).toEqual(['delete', 1])
    expect(await alter(client, [['append', 'cleanup.policy', 'compact']])).toMatchObject({ error: 'NONE' })
    expect(await currentValue(client, 'cleanup.policy')).toEqual(['delete,compact', 1])
    expect(await alter(client, [['subtract', 'cleanup.policy', 'delete']])).toMatchObject({ error: 'NONE' })
    expect(await currentValue(client, 'cleanup.policy')).toEqual(['compact', 1])
    // Without a policy, all is kept.
    expect(await alter(client, [['subtract', 'cleanup.policy', 'compact']])).toMatchObject({ error: 'NONE' })
    expect(await currentValue(client, 'cleanup.policy')).toEqual(['', 1])
    expect(await alter(client, [['append', 'retention.ms', '5']])).toMatchObject({ error: 'INVALID_CONFIG' })
    expect(await alter(client, [[9, 'retention.ms', '5']])).toMatchObject({ error: 'INVALID_REQUEST' })
    expect(
      await alter(client, [
        ['set', 'retention.ms', '5'],
        ['delete', 'retention.ms', null]
      ])
    ).toMatchObject({ error: 'INVALID_REQUEST' })
    // Kafka takes the deletion of a config that is not set, whatever its name.
    expect(await alter(client, [['delete', 'retention.millis', null]])).toMatchObject({ error: 'NONE' })
  })

  it('can be replaced as a whole, as older clients do', async () => {
    const { client } = await openNode()
    await createTopic(client, 'orders', 1, { 'retention.ms': '5', 'segment.bytes': '1000' })
    const configs = [{ name: 'segment.bytes', value: '2000' }]
    const resources = [{ resourceType: topic, resourceName: 'orders', configs }]
    const { responses } = await client.request(AlterConfigs, { resources, validateOnly: false })
    expect(withError(responses[0])).toMatchObject({ error: 'NONE' })
    expect(await currentValue(client, 'retention.ms')).toEqual(['604800000', 5])
    expect(await currentValue(client, 'segment.bytes')).toEqual(['2000', 1])
  })

  it('belong to topics that exist', async () => {
    const { client } = await openNode()
    expect(await alter(client, [['set', 'retention.ms', '5']])).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' })
    expect(await describeOf(client, topic, 'orders')).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION', configs: [] })
    expect(await describeOf(client, 77, 'orders')).toMatchObject({ error: 'INVALID_REQUEST' })
    expect(await alter(client, [], { type: 77 })).toMatchObject({ error: 'INVALID_REQUEST' })
  })
})

describe('configs of the broker', () => {
  it('are told, with what they were opened with', async () => {
    const { client } = await openNode({ configs: { 'num.partitions': 3 } })
    const { configs, error } = await describeOf(client, broker, '0')
    expect(error).toBe('NONE')
    expect(configs.find(({ name }) => name === 'num.partitions')).toMatchObject({ value: '3', configSource: 4, readOnly: true })
    expect(configs.find(({ name }) => name === 'auto.create.topics.enable')).toMatchObject({
      value: 'true',
      configSource: 5,
      configType: 1
    })
    expect(await describeOf(client, broker, '')).toMatchObject({ error: 'NONE', configs: [] })
    expect(await describeOf(client, broker, '9')).toMatchObject({ error: 'INVALID_REQUEST' })
  })

  it('that are set when it is opened cannot be changed while it runs', async () => {
    const { client } = await openNode()
    expect(await alter(client, [['set', 'num.partitions', '3']], { type: broker, resource: '0' })).toMatchObject({
      error: 'INVALID_REQUEST'
    })
  })

  it('are checked when it is opened', async () => {
    await expect(openNode({ configs: { 'num.partition': 3 } })).rejects.toThrowError(/Unknown config `num.partition`/)
    await expect(openNode({ configs: { 'num.partitions': 0 } })).rejects.toThrowError(TypeError)
    await expect(openNode({ configs: { 'log.cleanup.policy': 'compact,keep' } })).rejects.toThrowError(/log.cleanup.policy/)
    await expect(openNode({ nodeId: -1 })).rejects.toThrowError(/nodeId/)
  })
})
