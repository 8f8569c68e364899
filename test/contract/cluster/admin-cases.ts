import { expect, it } from 'vitest'
import { eventually } from '../broker/eventually.js'
import { fresh } from '../broker/world.js'
import type { ClusterStage } from './cluster-contract.js'
import { numbered, send, takeValues, textConsumer } from './reading.js'

export function adminCases(stage: ClusterStage): void {
  it('creates, lists, describes, grows and deletes topics', async () => {
    await using admin = stage.cluster.admin()
    const names = [fresh('a'), fresh('b')]
    const created = await admin.createTopics([{ name: names[0], partitions: 2 }, names[1]])
    expect(created).toMatchObject([
      { name: names[0], partitions: 2, replicationFactor: 1 },
      { name: names[1], partitions: 3, replicationFactor: 1 }
    ])
    expect((await admin.listTopics()).map(({ name }) => name)).toEqual(expect.arrayContaining(names))
    await admin.createPartitions(names[0], 4)
    await eventually(async () => {
      const [described] = await admin.describeTopics([names[0]])
      expect(described).toMatchObject({ id: created[0].id, isInternal: false })
      expect(described.partitions.map(({ partition }) => partition)).toEqual([0, 1, 2, 3])
    })
    await admin.deleteTopics(names)
    await eventually(async () => {
      const left = (await admin.listTopics()).map(({ name }) => name)
      expect(left.filter(name => names.includes(name))).toEqual([])
    })
  })

  it('tells and changes configs', async () => {
    await using admin = stage.cluster.admin()
    const name = fresh('configured')
    await admin.createTopic({ name, configs: { 'retention.ms': 1000 } })
    const tell = async (config: string) => (await admin.describeConfigs({ topic: name })).find(entry => entry.name === config)
    expect(await tell('retention.ms')).toMatchObject({ value: '1000', source: 'topic' })
    await admin.alterConfigs({ topic: name }, { 'retention.ms': null, 'max.message.bytes': 2000 })
    await eventually(async () => {
      expect(await tell('retention.ms')).toMatchObject({ value: '604800000', source: 'default' })
      expect(await tell('max.message.bytes')).toMatchObject({ value: '2000', source: 'topic' })
    })
  })

  it('looks after groups and their offsets', async () => {
    const { cluster } = stage
    await using admin = cluster.admin()
    const [name, groupId] = [fresh('grouped'), fresh('group')]
    await admin.createTopic({ name, partitions: 1 })
    await send(cluster, name, numbered('v', 10), 0)
    {
      await using consumer = textConsumer(cluster, { groupId, topics: [name] })
      await takeValues(consumer, 6)
      const [described] = await admin.describeGroups([groupId])
      expect(described).toMatchObject({ groupId, state: 'Stable', assignor: 'range', members: [{ clientId: 'millrace' }] })
      expect(described.members[0].assignment).toEqual([{ topic: name, partitions: [0] }])
      await expect(admin.deleteGroups([groupId])).rejects.toMatchObject({ code: 'NON_EMPTY_GROUP' })
      await expect(admin.resetGroupOffsets(groupId, { to: 'earliest' })).rejects.toMatchObject({ code: 'NON_EMPTY_GROUP' })
    }
    expect((await admin.listGroups()).find(group => group.groupId === groupId)).toMatchObject({ state: 'Empty', protocolType: 'consumer' })
    expect(await admin.listGroupOffsets(groupId)).toMatchObject([{ topic: name, partition: 0, offset: 6 }])
    await admin.resetGroupOffsets(groupId, { to: 2 })
    {
      await using again = textConsumer(cluster, { groupId, topics: [name] })
      expect(await takeValues(again, 1)).toEqual(['v2'])
    }
    await admin.resetGroupOffsets(groupId, { to: 'latest' })
    expect(await admin.listGroupOffsets(groupId)).toMatchObject([{ offset: 10 }])
    await admin.deleteGroupOffsets(groupId, [name])
    expect(await admin.listGroupOffsets(groupId)).toEqual([])
    await admin.resetGroupOffsets(groupId, { partitions: [name], to: 'earliest' })
    expect(await admin.listGroupOffsets(groupId)).toMatchObject([{ offset: 0 }])
    await admin.deleteGroups([groupId])
    await expect(admin.describeGroups([groupId])).rejects.toMatchObject({ code: 'GROUP_ID_NOT_FOUND' })
  })

  it('finds offsets and deletes records', async () => {
    const { cluster } = stage
    await using admin = cluster.admin()
    const name = fresh('trimmed')
    await admin.createTopic({ name, partitions: 2 })
    await send(cluster, name, numbered('v', 10), 1)
    const partition = { topic: name, partition: 1 }
    expect(await admin.deleteRecords([{ ...partition, before: 4 }])).toEqual([{ ...partition, logStartOffset: 4 }])
    expect((await admin.listOffsets([name], 'earliest')).map(({ offset }) => offset)).toEqual([0, 4])
    expect((await admin.listOffsets([name], 'latest')).map(({ offset }) => offset)).toEqual([0, 10])
    expect((await admin.listOffsets([name], new Date(0))).map(({ offset }) => offset)).toEqual([-1, 4])
    expect(await admin.deleteRecords([{ ...partition, before: 'highWatermark' }])).toEqual([{ ...partition, logStartOffset: 10 }])
  })

  it('knows the cluster', async () => {
    await using admin = stage.cluster.admin()
    const { clusterId, brokers, controllerId } = await admin.describeCluster()
    expect(clusterId).toMatch(/^[\w-]{22}$/)
    expect(brokers).toHaveLength(1)
    expect(controllerId).toBe(brokers[0].nodeId)
  })
}
