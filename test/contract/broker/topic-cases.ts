import { expect, it } from 'vitest'
import { errorCodeOf } from '../../../src/errors.js'
import type { RequestOf } from '../../../src/protocol/message.js'
import { CreatePartitions } from '../../../src/protocol/messages/create-partitions.js'
import { CreateTopics } from '../../../src/protocol/messages/create-topics.js'
import { DeleteTopics } from '../../../src/protocol/messages/delete-topics.js'
import type { Stage } from './broker-contract.js'
import { eventually } from './eventually.js'
import { batch } from './waist-client.js'
import { fresh } from './world.js'

type NewTopic = RequestOf<typeof CreateTopics>['topics'][number]

const missingId = 'AAAAAAAAAAAAAAAAAAAAAQ'

export function topicCases(stage: Stage): void {
  const create = async (topics: readonly Partial<NewTopic>[], validateOnly = false) => {
    const wanted = topics.map(topic => ({ name: fresh('topic'), numPartitions: 1, replicationFactor: -1, ...topic }))
    return (await stage.client.node.request(CreateTopics, { topics: wanted, timeoutMs: 10_000, validateOnly })).topics
  }
  const createOne = async (topic: Partial<NewTopic>) => errorCodeOf((await create([topic]))[0].errorCode)
  const remove = async (topics: readonly { name?: string; topicId?: string }[]) => {
    const wanted = topics.map(({ name = null, topicId }) => ({ name, ...(topicId && { topicId }) }))
    return (await stage.client.node.request(DeleteTopics, { topics: wanted, timeoutMs: 10_000 })).responses
  }
  const grow = async (name: string, count: number, validateOnly = false) => {
    const request = { topics: [{ name, count }], timeoutMs: 10_000, validateOnly }
    return errorCodeOf((await stage.client.node.request(CreatePartitions, request)).results[0].errorCode)
  }

  it('are created with partitions and configs, and the answer tells them', async () => {
    const name = fresh('created')
    const [created] = await create([{ name, numPartitions: 2, configs: [{ name: 'retention.ms', value: '1234' }] }])
    expect(created).toMatchObject({ name, errorCode: 0, numPartitions: 2, replicationFactor: 1 })
    expect(created.configs).toContainEqual({
      name: 'retention.ms',
      value: '1234',
      readOnly: false,
      configSource: 1,
      isSensitive: false
    })
    expect(created.configs?.find(config => config.name === 'max.message.bytes')).toMatchObject({ value: '1048588', configSource: 5 })
    await eventually(async () => {
      expect(await stage.client.describeTopic(name)).toMatchObject({ error: 'NONE', topicId: created.topicId })
    })
    expect((await stage.client.describeTopic(name)).partitions).toHaveLength(2)
  })

  it('get the default number of partitions when none is given', async () => {
    expect((await create([{ numPartitions: -1 }]))[0]).toMatchObject({ errorCode: 0, numPartitions: 3, replicationFactor: 1 })
  })

  it('can have their replicas assigned by hand', async () => {
    const { nodeId } = stage.client
    const byHand = { numPartitions: -1, replicationFactor: -1 }
    const assigned = (...brokerIds: number[][]) => brokerIds.map((ids, partitionIndex) => ({ partitionIndex, brokerIds: ids }))
    expect((await create([{ ...byHand, assignments: assigned([nodeId], [nodeId]) }]))[0]).toMatchObject({ errorCode: 0, numPartitions: 2 })
    expect(await createOne({ ...byHand, assignments: assigned([nodeId + 1]) })).toBe('INVALID_REPLICA_ASSIGNMENT')
    expect(await createOne({ ...byHand, assignments: assigned([nodeId, nodeId]) })).toBe('INVALID_REPLICA_ASSIGNMENT')
    expect(await createOne({ ...byHand, assignments: assigned([]) })).toBe('INVALID_REPLICA_ASSIGNMENT')
    expect(await createOne({ ...byHand, assignments: [{ partitionIndex: 1, brokerIds: [nodeId] }] })).toBe('INVALID_REPLICA_ASSIGNMENT')
    expect(await createOne({ numPartitions: 1, assignments: assigned([nodeId]) })).toBe('INVALID_REQUEST')
  })

  it.each<[string, Partial<NewTopic>, string]>([
    ['an impossible name', { name: 'a/b' }, 'INVALID_TOPIC_EXCEPTION'],
    ['no name', { name: '' }, 'INVALID_TOPIC_EXCEPTION'],
    ['no partitions', { numPartitions: 0 }, 'INVALID_PARTITIONS'],
    ['fewer than no partitions', { numPartitions: -2 }, 'INVALID_PARTITIONS'],
    ['no replicas', { replicationFactor: 0 }, 'INVALID_REPLICATION_FACTOR'],
    ['more replicas than brokers', { replicationFactor: 2 }, 'INVALID_REPLICATION_FACTOR'],
    ['a config that does not exist', { configs: [{ name: 'no.such.config', value: '1' }] }, 'INVALID_CONFIG'],
    ['a config that does not fit', { configs: [{ name: 'retention.ms', value: 'soon' }] }, 'INVALID_CONFIG'],
    ['a config without a value', { configs: [{ name: 'retention.ms', value: null }] }, 'INVALID_CONFIG']
  ])('are refused with %s', async (_, topic, error) => {
    expect(await createOne(topic)).toBe(error)
  })

  it('are refused when the name is taken, or looks like one that is', async () => {
    const name = fresh('taken')
    await stage.client.createTopic(`${name}.a`)
    expect(await createOne({ name: `${name}.a` })).toBe('TOPIC_ALREADY_EXISTS')
    expect(await createOne({ name: `${name}_a` })).toBe('INVALID_TOPIC_EXCEPTION')
  })

  it('are created each on its own; one that is named twice is not', async () => {
    const [good, twice] = [fresh('good'), fresh('twice')]
    const created = await create([{ name: good }, { name: twice }, { name: twice }, { name: 'a/b' }])
    const errors = new Map(created.map(({ name, errorCode }) => [name, errorCodeOf(errorCode)]))
    expect(Object.fromEntries(errors)).toEqual({ [good]: 'NONE', [twice]: 'INVALID_REQUEST', 'a/b': 'INVALID_TOPIC_EXCEPTION' })
  })

  it('are not created when that is only to be validated', async () => {
    const name = fresh('validated')
    expect((await create([{ name }, { name: 'a/b' }], true)).map(({ errorCode }) => errorCodeOf(errorCode)).sort()).toEqual([
      'INVALID_TOPIC_EXCEPTION',
      'NONE'
    ])
    expect(await stage.client.describeTopic(name)).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' })
  })

  it('are deleted by name or by id, with all that is in them', async () => {
    const { client } = stage
    const names = [fresh('deleted'), fresh('deleted')]
    const ids = [await client.createTopic(names[0]), await client.createTopic(names[1])]
    await client.produce(names[0], 0, batch(['a']))
    const deleted = await remove([{ name: names[0] }, { topicId: ids[1] }])
    const answers = deleted.map(({ name, topicId, errorCode }) => [name, topicId, errorCodeOf(errorCode)])
    expect(answers).toEqual(expect.arrayContaining([0, 1].map(i => [names[i], ids[i], 'NONE'])))
    for (const name of names) {
      await eventually(async () => expect(await client.describeTopic(name)).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' }))
      expect(await client.produce(name, 0, batch(['b']))).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' })
    }
    const again = await client.createTopic(names[0])
    expect(again).not.toBe(ids[0])
    expect(await client.listOffset(names[0], 0, -1)).toMatchObject({ error: 'NONE', offset: 0 })
  })

  it('cannot be deleted when they are not there, or are named twice', async () => {
    const { client } = stage
    const [missing, twice] = [fresh('missing'), fresh('twice')]
    await client.createTopic(twice)
    const answers = (await remove([{ name: missing }, { topicId: missingId }])).map(({ errorCode }) => errorCodeOf(errorCode))
    expect(answers.sort()).toEqual(['UNKNOWN_TOPIC_ID', 'UNKNOWN_TOPIC_OR_PARTITION'])
    const doubled = await remove([{ name: twice }, { name: twice }])
    expect(new Set(doubled.map(({ errorCode }) => errorCodeOf(errorCode)))).toEqual(new Set(['INVALID_REQUEST']))
    expect(await client.describeTopic(twice)).toMatchObject({ error: 'NONE' })
  })

  it('can be given more partitions, and keep what they have', async () => {
    const { client } = stage
    const name = fresh('grown')
    await client.createTopic(name)
    await client.produce(name, 0, batch(['a']))
    expect(await grow(name, 3, true)).toBe('NONE')
    expect((await client.describeTopic(name)).partitions).toHaveLength(1)
    expect(await grow(name, 3)).toBe('NONE')
    await client.usable(name, 3)
    expect(await client.produce(name, 2, batch(['b']))).toMatchObject({ error: 'NONE', baseOffset: 0 })
    expect((await client.fetch(name, [0, 1, 2])).map(({ values }) => values)).toEqual([['a'], [], ['b']])
  })

  it('cannot be given fewer partitions, or as many as they have', async () => {
    const name = fresh('shrunk')
    await stage.client.createTopic(name, 2)
    expect(await grow(name, 1)).toBe('INVALID_PARTITIONS')
    expect(await grow(name, 2)).toBe('INVALID_PARTITIONS')
    expect(await grow(name, 0)).toBe('INVALID_PARTITIONS')
    expect(await grow(fresh('missing'), 2)).toBe('UNKNOWN_TOPIC_OR_PARTITION')
  })

  it('wake who waits for their records when they are deleted', async () => {
    const { client } = stage
    const name = fresh('waited')
    await client.createTopic(name)
    const waiting = client.fetch(name, [0], { maxWaitMs: 2000 })
    await remove([{ name }])
    expect(['UNKNOWN_TOPIC_OR_PARTITION', 'NOT_LEADER_OR_FOLLOWER', 'NONE']).toContain((await waiting)[0].error)
  })
}
