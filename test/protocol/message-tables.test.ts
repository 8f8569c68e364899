import { describe, expect, it } from 'vitest'
import { apis } from '../../src/protocol/apis.js'
import { type Api, type Field, type Fields, includesVersion } from '../../src/protocol/message.js'

interface Place {
  readonly path: string
  readonly field: Field
  /** The versions in which what holds the field can occur. */
  readonly min: number
  readonly max: number
}

function* placesIn(fields: Fields, path: string, min: number, max: number): Generator<Place> {
  for (const [name, field] of Object.entries(fields)) {
    const place = { path: `${path}.${name}`, field, min, max }
    yield place
    const inner = field.fields ?? field.element?.fields
    if (inner) yield* placesIn(inner, place.path, Math.max(min, field.versions.min), Math.min(max, field.versions.max))
  }
}

function placesOf({ name, versions, request, response }: Api): Place[] {
  return [
    ...placesIn(request.fields, `${name}Request`, versions.min, versions.max),
    ...placesIn(response.fields, `${name}Response`, versions.min, versions.max)
  ]
}

const everywhere = apis.flatMap(placesOf)
const paths = (places: readonly Place[]) => places.map(({ path }) => path)

describe('the tables of messages', () => {
  it('have each API once, under its own number', () => {
    expect(new Set(apis.map(({ key }) => key)).size).toBe(apis.length)
    expect(new Set(apis.map(({ name }) => name)).size).toBe(apis.length)
  })

  it('have a range of versions that is not empty, and turn flexible within it or never', () => {
    for (const { name, versions, flexible } of apis) {
      expect(versions.max, name).toBeGreaterThanOrEqual(versions.min)
      expect(Number.isFinite(versions.max), name).toBe(true)
      expect(flexible.min <= versions.max || flexible.max < flexible.min, name).toBe(true)
    }
  })

  it('have the versions of Kafka 4.3', () => {
    const expected: Record<string, string> = {
      Produce: '3-13',
      Fetch: '4-18',
      ListOffsets: '1-11',
      Metadata: '0-13',
      OffsetCommit: '2-10',
      OffsetFetch: '1-10',
      FindCoordinator: '0-6',
      JoinGroup: '0-9',
      Heartbeat: '0-4',
      LeaveGroup: '0-5',
      SyncGroup: '0-5',
      DescribeGroups: '0-6',
      ListGroups: '0-5',
      CreateTopics: '2-7',
      DeleteTopics: '1-6',
      DeleteRecords: '0-2',
      OffsetForLeaderEpoch: '2-4',
      DescribeClientQuotas: '0-1',
      AlterClientQuotas: '0-1',
      DescribeAcls: '1-3',
      CreateAcls: '1-3',
      DeleteAcls: '1-3',
      DescribeConfigs: '1-4',
      AlterConfigs: '0-2',
      CreatePartitions: '0-3',
      DeleteGroups: '0-2',
      IncrementalAlterConfigs: '0-1',
      OffsetDelete: '0-0',
      DescribeCluster: '0-2',
      AlterReplicaLogDirs: '1-2',
      ElectLeaders: '0-2',
      AlterPartitionReassignments: '0-1',
      ListPartitionReassignments: '0-0',
      DescribeQuorum: '0-2',
      UpdateFeatures: '0-2',
      DescribeProducers: '0-0'
    }
    const actual = Object.fromEntries(
      apis.filter(({ name }) => name in expected).map(({ name, versions }) => [name, `${versions.min}-${versions.max}`])
    )
    expect(actual).toEqual(expected)
  })

  it('have no field that no version has', () => {
    expect(paths(everywhere.filter(({ field, min, max }) => field.versions.max < min || field.versions.min > max))).toEqual([])
  })

  it('give a default to every field that some versions do not have, so that it can be left out in process', () => {
    const partial = everywhere.filter(({ field, min, max }) => field.versions.min > min || field.versions.max < max)
    const withoutDefault = partial.filter(({ field }) => field.default === undefined && field.kind !== 'struct')
    expect(partial.length).toBeGreaterThan(80)
    expect(paths(withoutDefault)).toEqual([])
  })

  it('let null be a default only where the field can be null in every version that has it', () => {
    const nullByDefault = everywhere.filter(({ field }) => field.default === null)
    const broken = nullByDefault.filter(({ field, min, max }) => {
      for (let version = Math.max(min, field.versions.min); version <= Math.min(max, field.versions.max); version++)
        if (includesVersion(field.nullable, version)) return false
      return true
    })
    expect(paths(broken)).toEqual([])
  })

  it('tag fields only in flexible versions, and no two of a struct alike', () => {
    for (const api of apis) {
      for (const { path, field } of placesOf(api)) {
        if (field.tag !== undefined) expect(field.tagged.min, path).toBeGreaterThanOrEqual(api.flexible.min)
        const inner = Object.values(field.fields ?? field.element?.fields ?? {})
        const tags = inner.map(({ tag }) => tag).filter(tag => tag !== undefined)
        expect(new Set(tags).size, path).toBe(tags.length)
      }
    }
  })
})
