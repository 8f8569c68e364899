import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Cluster } from '../../../src/cluster.js'
import { AlterUserScramCredentials } from '../../../src/protocol/messages/alter-user-scram-credentials.js'
import { fileStorage } from '../../../src/storage/file/file-storage.js'
import { dumpLogSegment, missingKafka } from './apache-kafka.js'

it.skipIf(await missingKafka())(
  'Kafka reads what stands in the metadata log: topics, configs, quotas that were set and taken back, and users who were made and removed',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-'))
    const cluster = await Cluster.open({ storage: fileStorage(folder) })
    await cluster.admin().createTopics([{ name: 'orders', partitions: 1, configs: { 'retention.ms': 60_000 } }])
    await cluster.admin().alterClientQuotas([{ entity: { user: 'ann', clientId: null }, quotas: { producer_byte_rate: 1024 } }])
    await cluster.admin().alterClientQuotas([{ entity: { user: 'ann', clientId: null }, quotas: { producer_byte_rate: null } }])
    const client = cluster.node!.connect({ clientId: 'test' })
    const salt = Uint8Array.of(1, 2, 3)
    const upsertions = [{ name: 'ann', mechanism: 2, iterations: 8192, salt, saltedPassword: new Uint8Array(64).fill(7) }]
    await client.request(AlterUserScramCredentials, { deletions: [], upsertions })
    await client.request(AlterUserScramCredentials, { deletions: [{ name: 'ann', mechanism: 2 }], upsertions: [] })
    await cluster.close()
    const dumped = await dumpLogSegment(join(folder, '__cluster_metadata-0/00000000000000000000.log'), '--cluster-metadata-decoder')
    await rm(folder, { recursive: true })
    const records = [...dumped.matchAll(/payload: (\{.*\})$/gm)].map(([, json]) => JSON.parse(json))
    const types = records.map(({ type }) => type)
    expect(types).toEqual([
      ...Array(5).fill('FEATURE_LEVEL_RECORD'),
      'TOPIC_RECORD',
      'PARTITION_RECORD',
      'CONFIG_RECORD',
      'CLIENT_QUOTA_RECORD',
      'CLIENT_QUOTA_RECORD',
      'USER_SCRAM_CREDENTIAL_RECORD',
      'REMOVE_USER_SCRAM_CREDENTIAL_RECORD'
    ])
    const entity = [
      { entityType: 'client-id', entityName: null },
      { entityType: 'user', entityName: 'ann' }
    ]
    expect(records.at(-4).data).toMatchObject({ entity, key: 'producer_byte_rate', value: 1024, remove: false })
    expect(records.at(-3).data).toMatchObject({ entity, key: 'producer_byte_rate', remove: true })
    expect(records.at(-2).data).toMatchObject({ name: 'ann', mechanism: 2, iterations: 8192 })
    expect(records.at(-1).data).toMatchObject({ name: 'ann', mechanism: 2 })
  },
  60_000
)

it.skipIf(await missingKafka())(
  'Kafka reads ACLs in the metadata log, and that they were removed',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-'))
    const cluster = await Cluster.open({ storage: fileStorage(folder) })
    const admin = cluster.admin()
    const resource = { topic: 'orders-' }
    await admin.createAcls([
      { resource, pattern: 'prefixed', principal: 'User:ann', host: '10.0.0.1', operation: 'write', permission: 'deny' }
    ])
    await admin.deleteAcls([{}])
    await cluster.close()
    const dumped = await dumpLogSegment(join(folder, '__cluster_metadata-0/00000000000000000000.log'), '--cluster-metadata-decoder')
    await rm(folder, { recursive: true })
    const [added, removed] = [...dumped.matchAll(/payload: (\{.*\})$/gm)].map(([, json]) => JSON.parse(json)).slice(-2)
    const numbers = { resourceType: 2, patternType: 4, operation: 4, permissionType: 2 }
    expect(added).toMatchObject({
      type: 'ACCESS_CONTROL_ENTRY_RECORD',
      data: { resourceName: 'orders-', principal: 'User:ann', host: '10.0.0.1', ...numbers }
    })
    expect(removed).toMatchObject({ type: 'REMOVE_ACCESS_CONTROL_ENTRY_RECORD', data: { id: added.data.id } })
  },
  60_000
)
