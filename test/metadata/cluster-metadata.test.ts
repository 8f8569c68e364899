import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/common/random.js'
import { errorCodeOf } from '../../src/errors.js'
import { incrementalAlterConfigs } from '../../src/metadata/alter-configs.js'
import { BrokerConfigs } from '../../src/metadata/broker-configs.js'
import { ClusterMetadata } from '../../src/metadata/cluster-metadata.js'
import { createPartitions } from '../../src/metadata/create-partitions.js'
import { type ControllerContext, createTopics } from '../../src/metadata/create-topics.js'
import { deleteTopics } from '../../src/metadata/delete-topics.js'
import { decodeMetadataRecord, encodeMetadataRecord, type MetadataRecord } from '../../src/metadata/records.js'
import { describeUserScramCredentials } from '../../src/metadata/scram-credentials.js'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** What can be seen of the state. */
function seen(metadata: ClusterMetadata) {
  return [...metadata.topics.values()].map(({ name, id, partitions, configs }) => ({
    name,
    id,
    partitions: [...partitions],
    configs: [...configs].sort()
  }))
}

const name = fc.constantFrom('a', 'a.b', 'a_b', 'c', 'd')
const step = fc.oneof(
  fc.record({ do: fc.constant('create' as const), name, count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constant('delete' as const), name }),
  fc.record({ do: fc.constant('grow' as const), name, count: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ do: fc.constant('set' as const), name, value: fc.option(fc.integer({ min: -1, max: 99 }), { nil: null }) })
)

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

function decide(metadata: ClusterMetadata, action: Step, context: ControllerContext): readonly MetadataRecord[] {
  switch (action.do) {
    case 'create':
      return createTopics(metadata, { topics: [{ name: action.name, numPartitions: action.count, replicationFactor: 1 }] }, context).records
    case 'delete':
      return deleteTopics(metadata, { topics: [{ name: action.name }], timeoutMs: 1 }, context).records
    case 'grow':
      return createPartitions(
        metadata,
        { topics: [{ name: action.name, count: action.count }], timeoutMs: 1, validateOnly: false },
        context
      ).records
    case 'set': {
      const value = action.value === null ? null : String(action.value)
      const configs = [{ name: 'retention.ms', configOperation: value === null ? 1 : 0, value }]
      return incrementalAlterConfigs(
        metadata,
        { resources: [{ resourceType: 2, resourceName: action.name, configs }], validateOnly: false },
        context
      ).records
    }
  }
}

describe('the metadata of a cluster', () => {
  it('are the same after a replay of all records, of a snapshot, and of both', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.integer(), (steps, seed) => {
        const context = { random: seededRandom(seed), nodeIds: [0], configs: new BrokerConfigs({}, false) }
        const metadata = new ClusterMetadata()
        const log: Uint8Array[] = []
        const model = new Map<string, { partitions: number; retention: string | undefined }>()
        for (const action of steps) {
          for (const record of decide(metadata, action, context)) {
            metadata.replay(record)
            log.push(encodeMetadataRecord(record))
          }
          const known = model.get(action.name)
          const collides = [...model.keys()].some(other => other.replace('.', '_') === action.name.replace('.', '_'))
          if (action.do === 'create' && !collides) model.set(action.name, { partitions: action.count, retention: undefined })
          if (action.do === 'delete') model.delete(action.name)
          if (action.do === 'grow' && known) known.partitions = Math.max(known.partitions, action.count)
          if (action.do === 'set' && known) known.retention = action.value === null ? undefined : String(action.value)
        }
        const shown = seen(metadata).map(({ name, partitions, configs }) => [name, partitions.length, configs[0]?.[1]])
        expect(shown).toEqual([...model].map(([name, { partitions, retention }]) => [name, partitions, retention]))

        const replayed = new ClusterMetadata()
        for (const bytes of log) replayed.replay(decodeMetadataRecord(bytes) as MetadataRecord)
        expect(seen(replayed)).toEqual(seen(metadata))
        const restored = new ClusterMetadata()
        for (const record of metadata.snapshot()) restored.replay(record)
        expect(seen(restored)).toEqual(seen(metadata))
        for (const record of metadata.snapshot()) replayed.replay(record)
        expect(seen(replayed)).toEqual(seen(metadata))
      })
    )
  })

  it('refuse records of topics that do not exist', () => {
    const metadata = new ClusterMetadata()
    const config: MetadataRecord = { type: 'config', resourceType: 2, resourceName: 'a', name: 'retention.ms', value: '1' }
    expect(() => metadata.replay(config)).toThrowError(expect.objectContaining({ code: 'INVALID_RECORD' }))
  })
})

describe('a request to the controller', () => {
  const context: ControllerContext = { random: seededRandom(1), nodeIds: [0], configs: new BrokerConfigs({}, false) }
  const codes = (answers: readonly { readonly errorCode: number }[]) => answers.map(({ errorCode }) => errorCodeOf(errorCode))

  it('gets no more than ten thousand new partitions, over however many topics they are spread', () => {
    const metadata = new ClusterMetadata()
    const wanted = (name: string, numPartitions: number) => ({ name, numPartitions, replicationFactor: 1 })
    const topics = [wanted('a', 6000), wanted('b', 6000), wanted('c', 4000)]
    const { response, records } = createTopics(metadata, { topics }, context)
    expect(codes(response.topics)).toEqual(['NONE', 'POLICY_VIOLATION', 'NONE'])
    for (const record of records) metadata.replay(record)
    const more = ['a', 'c'].map(name => ({ name, count: 12_000 }))
    const grown = createPartitions(metadata, { topics: more, timeoutMs: 1, validateOnly: false }, context)
    expect(codes(grown.response.results)).toEqual(['NONE', 'POLICY_VIOLATION'])
  })

  it('is answered without comparing each of its topics with each', () => {
    const topics = Array.from({ length: 100_000 }, (_, i) => ({ name: `t${i >> 1}`, numPartitions: 1, replicationFactor: 1 }))
    const { response } = createTopics(new ClusterMetadata(), { topics }, context)
    expect(new Set(codes(response.topics))).toEqual(new Set(['INVALID_REQUEST']))
    const names = topics.map(({ name }) => ({ name }))
    expect(deleteTopics(new ClusterMetadata(), { topics: names, timeoutMs: 1 }, context).records).toEqual([])
    const users = describeUserScramCredentials(new Map(), { users: names })
    expect(new Set(codes(users.results))).toEqual(new Set(['DUPLICATE_RESOURCE']))
  })
})

describe('records of the metadata', () => {
  const topicId = 'AQIDBAUGBwgJCgsMDQ4PEA'
  const idBytes = '0102030405060708090a0b0c0d0e0f10'

  it('stand as Kafka writes them: frame, number, version, body', () => {
    expect(hex(encodeMetadataRecord({ type: 'topic', name: 'foo', topicId }))).toBe(`010200${'04666f6f'}${idBytes}00`)
    expect(hex(encodeMetadataRecord({ type: 'removeTopic', topicId }))).toBe(`010900${idBytes}00`)
    expect(hex(encodeMetadataRecord({ type: 'featureLevel', name: 'metadata.version', featureLevel: 30 }))).toBe(
      `010c00${'11'}${hex(Buffer.from('metadata.version'))}001e00`
    )
    expect(hex(encodeMetadataRecord({ type: 'config', resourceType: 2, resourceName: 'f', name: 'g', value: null }))).toBe(
      '0104000202660267' + '0000'
    )
    const partition: MetadataRecord = {
      type: 'partition',
      partitionId: 1,
      topicId,
      replicas: [0],
      isr: [0],
      leader: 0,
      leaderEpoch: 3,
      partitionEpoch: 0
    }
    const arrays = ['0200000000', '0200000000', '01', '01'].join('')
    expect(hex(encodeMetadataRecord(partition))).toBe(`01030000000001${idBytes}${arrays}00000000${'00000003'}0000000000`)
  })

  it('that are not known stop whoever reads them', () => {
    for (const bytes of ['026300', '010201', '016300'])
      expect(() => decodeMetadataRecord(new Uint8Array(Buffer.from(bytes, 'hex')))).toThrowError(
        expect.objectContaining({ code: 'INVALID_RECORD' })
      )
  })
})
