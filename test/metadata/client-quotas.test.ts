import { describe, expect, it } from 'vitest'
import { errorCodeOf } from '../../src/errors.js'
import { alterClientQuotas, describeClientQuotas } from '../../src/metadata/alter-client-quotas.js'
import { ClientQuotaStore } from '../../src/metadata/client-quotas.js'
import { ClusterMetadata } from '../../src/metadata/cluster-metadata.js'
import { decodeMetadataRecord, encodeMetadataRecord } from '../../src/metadata/records.js'
import type { ClientQuotaKey } from '../../src/protocol/quotas.js'
import { type QuotaChange, quotaEntity, quotaEntry } from './quota-entry.js'

/** Makes a change as a client asks for it, and returns the code and message of each error. */
function alter(metadata: ClusterMetadata, changes: QuotaChange[], most?: number) {
  const entries = changes.map(quotaEntry)
  const { records, response } = alterClientQuotas(metadata.clientQuotas, { entries, validateOnly: false }, most)
  for (const record of records) {
    const read = decodeMetadataRecord(encodeMetadataRecord(record))
    expect(read).toEqual(record)
    metadata.replay(record)
  }
  return response.entries.map(({ errorCode }) => (errorCode === 0 ? 'ok' : errorCodeOf(errorCode)))
}

function described(metadata: ClusterMetadata, filter = '', strict = false) {
  const components = (filter === '' ? [] : filter.split(',')).map(part => {
    const [entityType, match] = part.split('=')
    return match === '?' || match === '*'
      ? { entityType, matchType: match === '?' ? 2 : 1, match: null }
      : { entityType, matchType: 0, match }
  })
  const { errorCode, entries } = describeClientQuotas(metadata.clientQuotas, { components, strict })
  if (errorCode !== 0) return errorCodeOf(errorCode)
  return entries!.map(({ entity }) => entity.map(({ entityType, entityName }) => `${entityType}=${entityName ?? '*'}`).join(','))
}

describe('the quotas of a cluster', () => {
  it('count for a client in the order of Kafka, each kind by itself', () => {
    const metadata = new ClusterMetadata()
    const limit = (key: ClientQuotaKey = 'producer_byte_rate') => metadata.clientQuotas.applying(key, 'ann', 'web')?.limit
    const order = [
      'client-id=*',
      'client-id=web',
      'user=*',
      'user=*,client-id=*',
      'user=*,client-id=web',
      'user=ann',
      'user=ann,client-id=*',
      'user=ann,client-id=web'
    ]
    expect(limit()).toBeUndefined()
    order.forEach((entity, i) => {
      alter(metadata, [[entity, 'producer_byte_rate', i + 1]])
      expect([entity, limit()]).toEqual([entity, i + 1])
    })
    expect(limit('consumer_byte_rate')).toBeUndefined()
    alter(metadata, [['client-id=*', 'consumer_byte_rate', 9]])
    expect(limit('consumer_byte_rate')).toBe(9)
    for (const entity of [...order].reverse()) alter(metadata, [[entity, 'producer_byte_rate', null]])
    expect(limit()).toBeUndefined()
    expect(metadata.clientQuotas.size).toBe(1)
  })

  it('are shared by all clients of a user, of a client id, or of both', () => {
    const store = new ClientQuotaStore()
    const sharedBy = (user: string, clientId: string) => store.applying('producer_byte_rate', user, clientId)?.sharedBy
    store.set(quotaEntity('client-id=*'), 'producer_byte_rate', 1)
    expect(sharedBy('ann', 'web')).toBe(sharedBy('bob', 'web'))
    expect(sharedBy('ann', 'web')).not.toBe(sharedBy('ann', 'app'))
    store.set(quotaEntity('user=*'), 'producer_byte_rate', 1)
    expect(sharedBy('ann', 'web')).toBe(sharedBy('ann', 'app'))
    expect(sharedBy('ann', 'web')).not.toBe(sharedBy('bob', 'web'))
    store.set(quotaEntity('user=ann,client-id=*'), 'producer_byte_rate', 1)
    expect(sharedBy('ann', 'web')).not.toBe(sharedBy('ann', 'app'))
  })

  it('for addresses do not depend on how the address is written', () => {
    const metadata = new ClusterMetadata()
    alter(metadata, [
      ['ip=*', 'connection_creation_rate', 100],
      ['ip=10.0.0.1', 'connection_creation_rate', 5],
      ['ip=2001:db8::0:1', 'connection_creation_rate', 6]
    ])
    const rates = ['10.0.0.1', '::ffff:10.0.0.1', '2001:DB8:0:0:0:0:0:1', '10.0.0.2'].map(ip => metadata.clientQuotas.connectionRate(ip))
    expect(rates).toEqual([5, 5, 6, 100])
  })

  it('are refused where Kafka refuses them', () => {
    const metadata = new ClusterMetadata()
    const bad: [string, string, number | null][] = [
      ['', 'producer_byte_rate', 1],
      ['group=g', 'producer_byte_rate', 1],
      ['user=', 'producer_byte_rate', 1],
      ['user=ann', 'connection_creation_rate', 1],
      ['user=ann', 'nothing', 1],
      ['user=ann', 'producer_byte_rate', 0],
      ['user=ann', 'producer_byte_rate', -1],
      ['user=ann', 'producer_byte_rate', Number.NaN],
      ['user=ann', 'producer_byte_rate', 1.5],
      ['user=ann', 'producer_byte_rate', 1e30],
      ['user=ann', 'producer_byte_rate+producer_byte_rate', 1],
      ['ip=10.0.0.1', 'producer_byte_rate', 1],
      ['ip=10.0.0.1', 'connection_creation_rate', 2 ** 31],
      ['ip=10.0.0.1,user=ann', 'connection_creation_rate', 1],
      ['ip=300.0.0.1', 'connection_creation_rate', 1]
    ]
    for (const change of bad) expect([change, alter(metadata, [change])]).toEqual([change, ['INVALID_REQUEST']])
    expect(alter(metadata, [bad[1], ['user=bob', 'request_percentage', 0.5], bad[2]])).toEqual(['INVALID_REQUEST', 'ok', 'INVALID_REQUEST'])
    const twice = ['user=ann', 'producer_byte_rate', 1] as [string, string, number]
    expect(alter(metadata, [twice, twice])).toEqual(['INVALID_REQUEST'])
    expect(described(metadata)).toEqual(['user=bob'])
  })

  it('are for so many entities as the node allows; those that are there can be changed', () => {
    const metadata = new ClusterMetadata()
    expect(
      alter(
        metadata,
        ['a', 'b', 'c'].map(name => [`user=${name}`, 'producer_byte_rate', 1]),
        2
      )
    ).toEqual(['ok', 'ok', 'POLICY_VIOLATION'])
    expect(alter(metadata, [['user=b', 'consumer_byte_rate', 1]], 2)).toEqual(['ok'])
    expect(alter(metadata, [[`user=${'x'.repeat(1001)}`, 'consumer_byte_rate', 1]])).toEqual(['POLICY_VIOLATION'])
  })

  it('are found by name, by default, by type, and by all that an entity has', () => {
    const metadata = new ClusterMetadata()
    const entities = ['user=ann', 'user=*', 'client-id=web,user=ann', 'client-id=*,user=*', 'client-id=web', 'ip=10.0.0.1']
    for (const entity of entities)
      alter(metadata, [[entity, entity.startsWith('ip') ? 'connection_creation_rate' : 'producer_byte_rate', 1]])
    expect(described(metadata)).toEqual(entities)
    expect(described(metadata, 'user=ann')).toEqual(['user=ann', 'client-id=web,user=ann'])
    expect(described(metadata, 'user=ann', true)).toEqual(['user=ann'])
    expect(described(metadata, 'user=*')).toEqual(['user=*', 'client-id=*,user=*'])
    expect(described(metadata, 'client-id=?')).toEqual(['client-id=web,user=ann', 'client-id=*,user=*', 'client-id=web'])
    expect(described(metadata, 'user=?,client-id=web')).toEqual(['client-id=web,user=ann'])
    expect(described(metadata, 'ip=?')).toEqual(['ip=10.0.0.1'])
    expect(described(metadata, 'ip=?,user=?')).toBe('INVALID_REQUEST')
    expect(described(metadata, 'user=ann,user=*')).toBe('INVALID_REQUEST')
    expect(described(metadata, 'group=g')).toBe('UNSUPPORTED_VERSION')
  })

  it('go through a snapshot', () => {
    const metadata = new ClusterMetadata()
    alter(metadata, [
      ['user=ann,client-id=*', 'producer_byte_rate+consumer_byte_rate', 1024],
      ['client-id=web', 'request_percentage', 12.5]
    ])
    const other = new ClusterMetadata()
    for (const record of metadata.snapshot()) other.replay(record)
    expect(described(other)).toEqual(described(metadata))
    expect(other.clientQuotas.applying('request_percentage', 'x', 'web')?.limit).toBe(12.5)
  })
})
