import { expect, it } from 'vitest'
import { errorCodeOf } from '../../../src/errors.js'
import { AlterConfigs } from '../../../src/protocol/messages/alter-configs.js'
import { DescribeConfigs } from '../../../src/protocol/messages/describe-configs.js'
import { IncrementalAlterConfigs } from '../../../src/protocol/messages/incremental-alter-configs.js'
import type { Stage } from './broker-contract.js'
import { eventually } from './eventually.js'
import { batch, withError } from './waist-client.js'
import { fresh } from './world.js'

const topicType = 2
const brokerType = 4
const [set, remove, append, subtract] = [0, 1, 2, 3]
const [fromTopic, fromDefault] = [1, 5]

type Change = readonly [name: string, operation: number, value: string | null]

export function configCases(stage: Stage): void {
  const describe = async (resourceType: number, resourceName: string, keys: string[] | null = null, includeSynonyms = false) => {
    const resources = [{ resourceType, resourceName, configurationKeys: keys }]
    return withError((await stage.client.node.request(DescribeConfigs, { resources, includeSynonyms })).results[0])
  }
  const configOf = async (topic: string, name: string) => {
    const { configs } = await describe(topicType, topic, [name])
    return [configs[0]?.value, configs[0]?.configSource]
  }
  const alter = async (resourceName: string, changes: readonly Change[], validateOnly = false) => {
    const configs = changes.map(([name, configOperation, value]) => ({ name, configOperation, value }))
    const resources = [{ resourceType: topicType, resourceName, configs }]
    return errorCodeOf((await stage.client.node.request(IncrementalAlterConfigs, { resources, validateOnly })).responses[0].errorCode)
  }
  const topic = async (configs: Record<string, string> = {}) => {
    const name = fresh('configured')
    await stage.client.createTopic(name, 1, configs)
    return name
  }

  it('are told with where they come from', async () => {
    const name = await topic({ 'retention.ms': '1000' })
    const { error, configs } = await describe(topicType, name)
    expect(error).toBe('NONE')
    const told = new Map(configs.map(config => [config.name, config]))
    expect(told.get('retention.ms')).toMatchObject({
      value: '1000',
      configSource: fromTopic,
      readOnly: false,
      isSensitive: false,
      configType: 5
    })
    expect(told.get('max.message.bytes')).toMatchObject({ value: '1048588', configSource: fromDefault, configType: 3 })
    expect(told.get('cleanup.policy')).toMatchObject({ value: 'delete', configSource: fromDefault, configType: 7 })
    expect(told.get('compression.type')).toMatchObject({ value: 'producer', configSource: fromDefault, configType: 2 })
  })

  it('are told by name, with what would stand in their place', async () => {
    const name = await topic({ 'max.message.bytes': '1000' })
    const { configs } = await describe(topicType, name, ['max.message.bytes', 'no.such.config'], true)
    expect(configs.map(config => config.name)).toEqual(['max.message.bytes'])
    expect(configs[0].synonyms).toEqual([
      { name: 'max.message.bytes', value: '1000', source: fromTopic },
      { name: 'message.max.bytes', value: '1048588', source: fromDefault }
    ])
  })

  it('of a broker are told too', async () => {
    const { error, configs } = await describe(brokerType, String(stage.client.nodeId), ['num.partitions', 'auto.create.topics.enable'])
    expect(error).toBe('NONE')
    expect(configs.map(config => [config.name, config.value, config.configSource]).sort()).toEqual([
      ['auto.create.topics.enable', 'true', fromDefault],
      ['num.partitions', '3', 4]
    ])
  })

  it('of what is not there cannot be told', async () => {
    expect(await describe(topicType, fresh('missing'))).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION', configs: [] })
    expect(await describe(topicType, 'a/b')).toMatchObject({ error: 'INVALID_TOPIC_EXCEPTION', configs: [] })
    expect(await describe(brokerType, '99')).toMatchObject({ error: 'INVALID_REQUEST', configs: [] })
    expect(await describe(brokerType, 'x')).toMatchObject({ error: 'INVALID_REQUEST', configs: [] })
    expect(await describe(77, 'x')).toMatchObject({ error: 'INVALID_REQUEST', configs: [] })
  })

  it('that are set take effect, and go back to their defaults when they are removed', async () => {
    const { client } = stage
    const name = await topic()
    const large = batch(['x'.repeat(500)])
    expect(await alter(name, [['max.message.bytes', set, '300']])).toBe('NONE')
    await eventually(async () => {
      expect(await configOf(name, 'max.message.bytes')).toEqual(['300', fromTopic])
      expect(await client.produce(name, 0, large)).toMatchObject({ error: 'MESSAGE_TOO_LARGE' })
    })
    expect(await alter(name, [['max.message.bytes', remove, null]])).toBe('NONE')
    await eventually(async () => {
      expect(await configOf(name, 'max.message.bytes')).toEqual(['1048588', fromDefault])
      expect(await client.produce(name, 0, large)).toMatchObject({ error: 'NONE' })
    })
  })

  it('change only where they are named', async () => {
    const name = await topic({ 'retention.ms': '1000', 'max.message.bytes': '2000' })
    expect(await alter(name, [['retention.ms', set, '5000']])).toBe('NONE')
    await eventually(async () => expect(await configOf(name, 'retention.ms')).toEqual(['5000', fromTopic]))
    expect(await configOf(name, 'max.message.bytes')).toEqual(['2000', fromTopic])
  })

  it.each<[string, readonly Change[], string]>([
    ['an unknown name', [['no.such.config', set, '1']], 'INVALID_CONFIG'],
    ['a value that does not fit', [['retention.ms', set, 'soon']], 'INVALID_CONFIG'],
    ['a value out of range', [['retention.ms', set, '-2']], 'INVALID_CONFIG'],
    ['no value', [['retention.ms', set, null]], 'INVALID_REQUEST'],
    ['something added to what is no list', [['retention.ms', append, '1']], 'INVALID_CONFIG'],
    ['something taken from what is no list', [['retention.ms', subtract, '1']], 'INVALID_CONFIG'],
    [
      'a name twice',
      [
        ['retention.ms', set, '1'],
        ['retention.ms', set, '2']
      ],
      'INVALID_REQUEST'
    ]
  ])('are refused with %s, and with them all others of the topic', async (_, changes, error) => {
    const name = await topic()
    expect(await alter(name, [['max.message.bytes', set, '300'], ...changes])).toBe(error)
    expect(await configOf(name, 'max.message.bytes')).toEqual(['1048588', fromDefault])
  })

  it('cannot be set for a topic that is not there', async () => {
    expect(await alter(fresh('missing'), [['retention.ms', set, '1']])).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  })

  it('do not change when that is only to be validated', async () => {
    const name = await topic()
    expect(await alter(name, [['retention.ms', set, '1']], true)).toBe('NONE')
    expect(await alter(name, [['retention.ms', set, 'soon']], true)).toBe('INVALID_CONFIG')
    expect((await configOf(name, 'retention.ms'))[1]).toBe(fromDefault)
  })

  it('that are given whole replace all others', async () => {
    const name = await topic({ 'retention.ms': '1000' })
    const resource = { resourceType: topicType, resourceName: name, configs: [{ name: 'max.message.bytes', value: '2000' }] }
    const { responses } = await stage.client.node.request(AlterConfigs, { resources: [resource], validateOnly: false })
    expect(responses.map(({ errorCode }) => errorCodeOf(errorCode))).toEqual(['NONE'])
    await eventually(async () => {
      expect(await configOf(name, 'max.message.bytes')).toEqual(['2000', fromTopic])
      expect((await configOf(name, 'retention.ms'))[1]).toBe(fromDefault)
    })
  })
}
