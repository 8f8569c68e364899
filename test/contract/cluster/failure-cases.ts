import { expect, it } from 'vitest'
import { json, KafkaError, type RejectedRecord, RejectedRecordError, string, topic } from '../../../src/index.js'
import { fresh } from '../broker/world.js'
import type { ClusterStage } from './cluster-contract.js'
import { send, take, takeValues, textConsumer } from './reading.js'

export function failureCases(stage: ClusterStage): void {
  it('of a topic that is not there say so', async () => {
    const { cluster } = stage
    const name = fresh('missing')
    await using producer = cluster.producer({ allowAutoTopicCreation: false, retryBackoffMs: 1 })
    await expect(producer.send(name, { value: 'v' })).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION', topic: name })
    await using admin = cluster.admin()
    await expect(admin.describeTopics([name])).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION', topic: name })
    await expect(admin.deleteTopics([name])).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION', topic: name })
    expect((await admin.listTopics()).map(listed => listed.name)).not.toContain(name)
  })

  it('of a partition that is not there say so', async () => {
    const { cluster } = stage
    const name = fresh('small')
    await send(cluster, name, ['v'], 0)
    await using producer = cluster.producer({ retryBackoffMs: 1 })
    await expect(producer.send(name, { value: 'v', partition: 99 })).rejects.toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
      topic: name,
      partition: 99
    })
  })

  it('of records that are too large say so, and others go on', async () => {
    const { cluster } = stage
    const small = topic(fresh('small'), { value: string, partitions: 1, configs: { 'max.message.bytes': 1000 } })
    await using producer = cluster.producer()
    await producer.send(small, { value: 'fits' })
    const refused = producer.send(small, { value: 'x'.repeat(2000) })
    await expect(refused).rejects.toBeInstanceOf(KafkaError)
    await expect(refused).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE', retriable: false, topic: small.name })
    expect(await producer.send(small, { value: 'fits too' })).toMatchObject({ offset: 1 })
  })

  it('of timestamps say so', async () => {
    const { cluster } = stage
    await using producer = cluster.producer()
    const future = producer.send(fresh('future'), { value: 'v', timestamp: Date.now() + 10 * 3_600_000 })
    await expect(future).rejects.toMatchObject({ code: 'INVALID_TIMESTAMP' })
  })

  it('to decode a record end the loop with the record, unless it is to be skipped or handed over', async () => {
    const { cluster } = stage
    const typed = topic(fresh('typed'), { value: json<{ n: number }>(), partitions: 1 })
    await using producer = cluster.producer()
    await producer.send(typed, { value: { n: 1 } })
    await producer.send(typed.name, { key: 'k', value: 'no json' })
    await producer.send(typed, { value: { n: 2 } })

    const options = { topics: [typed], autoOffsetReset: 'earliest' } as const
    await using failing = cluster.consumer(options)
    const error = await take(failing, 3).catch(reason => reason)
    expect(error).toBeInstanceOf(RejectedRecordError)
    expect(error).toMatchObject({ code: 'DESERIALIZATION', topic: typed.name, partition: 0, record: { offset: 1 } })
    expect(Buffer.from(error.record.value).toString()).toBe('no json')

    await using skipping = cluster.consumer({ ...options, rejection: 'skip' })
    expect((await take(skipping, 2)).map(({ value }) => value.n)).toEqual([1, 2])

    const rejected: RejectedRecord[] = []
    await using handing = cluster.consumer({ ...options, rejection: record => void rejected.push(record) })
    expect((await take(handing, 2)).map(({ value }) => value.n)).toEqual([1, 2])
    expect(rejected).toMatchObject([{ topic: typed.name, partition: 0, offset: 1 }])
  })

  it('of offsets are errors where no reset is wanted', async () => {
    const { cluster } = stage
    const name = fresh('none')
    await send(cluster, name, ['a', 'b'], 0)
    await using uncommitted = textConsumer(cluster, { groupId: fresh('group'), topics: [name], autoOffsetReset: 'none' })
    await expect(takeValues(uncommitted, 1)).rejects.toMatchObject({ code: 'NO_OFFSET_FOR_PARTITION', topic: name })
    await using outside = textConsumer(cluster, { autoOffsetReset: 'none' })
    outside.assign([{ topic: name, partition: 0 }])
    outside.seek({ topic: name, partition: 0, offset: 50 })
    await expect(takeValues(outside, 1)).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE', topic: name, partition: 0 })
  })

  it('of admins have a name', async () => {
    const { cluster } = stage
    const name = fresh('admin')
    await using admin = cluster.admin()
    await admin.createTopic(name)
    await expect(admin.createTopic(name)).rejects.toMatchObject({ code: 'TOPIC_ALREADY_EXISTS', topic: name })
    await expect(admin.createTopic({ name: fresh('t'), partitions: 1, replicationFactor: 3 })).rejects.toMatchObject({
      code: 'INVALID_REPLICATION_FACTOR'
    })
    await expect(admin.alterConfigs({ topic: name }, { 'no.such.config': 1 })).rejects.toMatchObject({ code: 'INVALID_CONFIG' })
    await expect(admin.createPartitions(name, 1)).rejects.toMatchObject({ code: 'INVALID_PARTITIONS' })
    await expect(admin.describeGroups([fresh('group')])).rejects.toMatchObject({ code: 'GROUP_ID_NOT_FOUND' })
    await expect(admin.deleteGroups([fresh('group')])).rejects.toMatchObject({ code: 'GROUP_ID_NOT_FOUND' })
    await expect(admin.deleteRecords([{ topic: name, partition: 0, before: 5 }])).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
  })

  it('come after close, to all who go on', async () => {
    const { cluster } = stage
    const name = fresh('closed')
    await send(cluster, name, ['a'], 0)
    const [producer, consumer, admin] = [cluster.producer(), textConsumer(cluster, { topics: [name] }), cluster.admin()]
    expect(await takeValues(consumer, 1)).toEqual(['a'])
    for (const client of [producer, consumer, admin]) {
      await client.close()
      await client.close()
    }
    await expect(producer.send(name, { value: 'v' })).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(takeValues(consumer, 1)).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(admin.listTopics()).rejects.toMatchObject({ code: 'CLOSED' })
  })
}
