import { expect, it } from 'vitest'
import { errorCodeOf } from '../../../src/errors.js'
import { Metadata } from '../../../src/protocol/messages/metadata.js'
import type { Stage } from './broker-contract.js'
import { eventually } from './eventually.js'
import { fresh } from './world.js'

const missingId = 'AAAAAAAAAAAAAAAAAAAAAQ'

export function metadataCases(stage: Stage): void {
  it('tells about all topics, about none, or about those that are asked for', async () => {
    const { client } = stage
    const names = [fresh('one'), fresh('two')]
    for (const name of names) await client.createTopic(name)
    const ask = async (topics: { name: string }[] | null) => {
      return (await client.node.request(Metadata, { topics, allowAutoTopicCreation: false })).topics.map(({ name }) => name)
    }
    expect(await ask(null)).toEqual(expect.arrayContaining(names))
    expect(await ask([])).toEqual([])
    expect((await ask([{ name: names[1] }, { name: names[0] }])).sort()).toEqual([...names].sort())
  })

  it('tells who leads each partition and who has replicas', async () => {
    const { client } = stage
    const name = fresh('led')
    await client.createTopic(name, 3)
    const { partitions, isInternal, error } = await client.describeTopic(name)
    expect({ isInternal, error }).toEqual({ isInternal: false, error: 'NONE' })
    const { nodeId } = client
    const inOrder = [...partitions].sort((a, b) => a.partitionIndex - b.partitionIndex)
    expect(inOrder).toMatchObject(
      [0, 1, 2].map(partitionIndex => ({
        errorCode: 0,
        partitionIndex,
        leaderId: nodeId,
        leaderEpoch: 0,
        replicaNodes: [nodeId],
        isrNodes: [nodeId],
        offlineReplicas: []
      }))
    )
  })

  it('says that a topic is not there, and does not create it unless that is allowed', async () => {
    const name = fresh('missing')
    expect(await stage.client.describeTopic(name)).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION', name, partitions: [] })
    expect(await stage.client.describeTopic(name)).toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' })
  })

  it('creates a topic that is asked for, with the default number of partitions', async () => {
    const name = fresh('automatic')
    await eventually(async () => {
      const { error, partitions } = await stage.client.describeTopic(name, true)
      expect(['NONE', 'UNKNOWN_TOPIC_OR_PARTITION']).toContain(error)
      expect(error).toBe('NONE')
      expect(partitions).toHaveLength(3)
    })
  })

  it.each(['a/b', '..', 'x'.repeat(250)])('refuses the name %s', async name => {
    expect(await stage.client.describeTopic(name, true)).toMatchObject({ error: 'INVALID_TOPIC_EXCEPTION', partitions: [] })
    expect(await stage.client.describeTopic(name, false)).toMatchObject({ error: 'INVALID_TOPIC_EXCEPTION', partitions: [] })
  })

  it('finds topics by their ids', async () => {
    const { client } = stage
    const name = fresh('by-id')
    const topicId = await client.createTopic(name)
    expect(topicId).toMatch(/^[\w-]{22}$/)
    const { topics } = await client.node.request(Metadata, {
      topics: [
        { topicId, name: null },
        { topicId: missingId, name: null }
      ]
    })
    const found = topics.map(topic => [errorCodeOf(topic.errorCode), topic.name, topic.topicId])
    expect(found).toContainEqual(['NONE', name, topicId])
    expect(found).toContainEqual(['UNKNOWN_TOPIC_ID', null, missingId])
  })

  it('marks the topics that the cluster keeps for itself', async () => {
    expect(await stage.client.describeTopic('__consumer_offsets')).toMatchObject({ error: 'NONE', isInternal: true })
  })
}
