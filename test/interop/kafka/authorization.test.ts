import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Cluster } from '../../../src/cluster.js'
import { zeroUuid } from '../../../src/common/uuid.js'
import { errorNumber } from '../../../src/errors.js'
import { clusterName } from '../../../src/protocol/access.js'
import { ownApis } from '../../../src/protocol/apis.js'
import type { Broker } from '../../../src/protocol/broker.js'
import type { Api, RequestOf } from '../../../src/protocol/message.js'
import { AlterClientQuotas } from '../../../src/protocol/messages/alter-client-quotas.js'
import { CreateAcls } from '../../../src/protocol/messages/create-acls.js'
import { CreateTopics } from '../../../src/protocol/messages/create-topics.js'
import { DeleteAcls } from '../../../src/protocol/messages/delete-acls.js'
import { DeleteTopics } from '../../../src/protocol/messages/delete-topics.js'
import { DescribeAcls } from '../../../src/protocol/messages/describe-acls.js'
import { DescribeClientQuotas } from '../../../src/protocol/messages/describe-client-quotas.js'
import { DescribeCluster } from '../../../src/protocol/messages/describe-cluster.js'
import { DescribeGroups } from '../../../src/protocol/messages/describe-groups.js'
import { DescribeTopicPartitions } from '../../../src/protocol/messages/describe-topic-partitions.js'
import { FindCoordinator } from '../../../src/protocol/messages/find-coordinator.js'
import { InitProducerId } from '../../../src/protocol/messages/init-producer-id.js'
import { ListGroups } from '../../../src/protocol/messages/list-groups.js'
import { Metadata } from '../../../src/protocol/messages/metadata.js'
import { OffsetCommit } from '../../../src/protocol/messages/offset-commit.js'
import { OffsetFetch } from '../../../src/protocol/messages/offset-fetch.js'
import { Produce } from '../../../src/protocol/messages/produce.js'
import { fileStorage } from '../../../src/storage/file/file-storage.js'
import { Connection } from '../../../src/wire/connection.js'
import { type Listener, listen } from '../../../src/wire/listener.js'
import { aclFrom } from '../../broker/access.js'
import { accessTable, anyAcl, commit, errorsIn, type Known } from '../../broker/access-asks.js'
import { batch, produceRequest } from '../../broker/helpers.js'
import { freePort } from '../../free-port.js'
import { type QuotaChange, quotaEntry } from '../../metadata/quota-entry.js'
import { type KafkaBroker, kafkaTool, missingKafka, securedListener, startKafkaBroker } from './apache-kafka.js'

const users = { admin: 'admins', ann: 'anns' }
const why = await missingKafka()

/** One of the two clusters: the super user, the user who is allowed this and that, and what both have to know. */
interface Side {
  readonly admin: Client
  readonly ann: Client
  readonly known: Known
}

type Client = Pick<Broker, 'request'>

/** Sends each request in the newest version in which it can be said, as topics are called by name before some version and by id after it. */
function clientOf(connection: Connection): Client {
  return {
    request: <A extends Api>(api: A, body: RequestOf<A>) => {
      const version = newestFor(api, body as never)
      return version === undefined ? connection.request(api, body) : connection.send(api, version, body)
    }
  }
}

function newestFor(api: Api, body: { topicData?: { topicId?: string }[]; groups?: unknown[]; key?: string }): number | undefined {
  if (api === OffsetFetch) return body.groups ? 9 : 7
  if (api === FindCoordinator) return body.key === undefined ? undefined : 3
  if (api === Produce) return body.topicData?.some(({ topicId }) => topicId !== undefined) ? undefined : 12
  return ({ Fetch: 12, OffsetCommit: 9 } as Record<string, number>)[api.name]
}

async function sideOf(address: string): Promise<Side> {
  const [host, port] = address.split(':')
  const comeIn = async (username: keyof typeof users) =>
    clientOf(await Connection.open({ host, port: Number(port) }, { sasl: { mechanism: 'PLAIN', username, password: users[username] } }))
  const [admin, ann] = [await comeIn('admin'), await comeIn('ann')]
  const topics = ['orders', 'secret', 'kept'].map(name => ({ name, numPartitions: 1, replicationFactor: 1 }))
  await admin.request(CreateTopics, { topics })
  const troubles = async () => {
    await admin.request(FindCoordinator, { coordinatorKeys: ['g', 'h'] })
    const id = await admin.request(InitProducerId, { transactionalId: null, transactionTimeoutMs: 1000 })
    const transactions = await admin.request(FindCoordinator, { keyType: 1, coordinatorKeys: ['t'] })
    const metadata = await admin.request(Metadata, { topics: topics.map(({ name }) => ({ name })) })
    return errorsIn([id, transactions, metadata, await commit(admin, 'g'), await commit(admin, 'h')])
  }
  await vi.waitFor(async () => expect(await troubles()).toEqual([]), 30_000)
  await admin.request(Produce, produceRequest('orders', 0, batch('a', 'b')))
  const { topics: described } = await admin.request(Metadata, { topics: [{ name: 'orders' }] })
  return { admin, ann, known: { ordersId: described[0].topicId!, nodeId: '1' } }
}

/** Makes these the only ACLs, and waits until they hold. */
async function allow({ admin }: Side, acls: readonly string[]): Promise<void> {
  await admin.request(DeleteAcls, { filters: [{ ...anyAcl, patternTypeFilter: 1 }] })
  const creations = acls.map(text => {
    const { patternType, ...acl } = aclFrom(text)
    return { ...acl, resourcePatternType: patternType }
  })
  const { results } = await admin.request(CreateAcls, { creations })
  expect(errorsIn(results)).toEqual([])
  const count = async () => {
    const { resources } = await admin.request(DescribeAcls, { ...anyAcl, patternTypeFilter: 1 })
    return resources.reduce((sum, resource) => sum + resource.acls.length, 0)
  }
  await vi.waitFor(async () => expect(await count()).toBe(new Set(acls).size), { timeout: 10_000, interval: 5 })
}

describe.skipIf(why)(`authorization, beside that of Apache Kafka 4.3${why ? ` (${why})` : ''}`, () => {
  let kafka: KafkaBroker
  let cluster: Cluster
  let listener: Listener
  let theirs: Side
  let ours: Side
  let home: string

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'millrace-'))
    const secured = `127.0.0.1:${await freePort()}`
    const passwords = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`)
    kafka = await startKafkaBroker(own => ({
      ...securedListener(own, secured, ['PLAIN']),
      'listener.name.secured.plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${passwords.join(' ')};`,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:admin;User:ANONYMOUS'
    }))
    cluster = await Cluster.open({ nodeId: 1, storage: fileStorage(join(home, 'data')), configs: { 'offsets.topic.num.partitions': 1 } })
    listener = await listen(cluster, { sasl: { users }, superUsers: ['admin'] })
    theirs = await sideOf(secured)
    ours = await sideOf(listener.address)
  }, 90_000)

  afterAll(async () => {
    await listener?.close()
    await cluster?.close()
    await kafka?.[Symbol.asyncDispose]()
    await rm(home, { recursive: true, force: true })
  })

  /** The answers of both, with the same ACLs. */
  async function both<T>(acls: readonly string[], ask: (side: Side) => Promise<T>): Promise<[ours: T, theirs: T]> {
    await Promise.all([allow(ours, acls), allow(theirs, acls)])
    return [await ask(ours), await ask(theirs)]
  }

  const ownNames = ownApis.map(({ name }) => name)

  it.each(accessTable.filter(([what]) => !ownNames.includes(what)))(
    '%s',
    async (_what, ask, _denied, allowedBy) => {
      const rounds = [[], ['describe topic *', 'describe group *', 'describe cluster kafka-cluster'], ...allowedBy]
      for (const acls of allowedBy) rounds.push([...acls, ...acls.map(acl => `!${acl}`)])
      for (const acls of rounds) {
        const [mine, kafkas] = await both(acls, async ({ ann, known }) => errorsIn(await ask(ann, known)))
        expect([acls, mine]).toEqual([acls, kafkas])
      }
    },
    60_000
  )

  const hidden = (answers: readonly { name?: string | null; topicId?: string; errorCode: number }[]) =>
    answers
      .map(({ name = '', topicId = zeroUuid, errorCode }) => `${name} ${topicId === zeroUuid ? 'no id' : 'id'} ${errorCode}`)
      .filter(line => !line.startsWith('__'))
      .sort()

  it('hides the same topics and groups', async () => {
    for (const acls of [
      [],
      ['describe topic orders'],
      ['read topic k*', 'describe group g'],
      ['describe cluster kafka-cluster', '!all topic *', 'all topic *']
    ]) {
      const [mine, kafkas] = await both(acls, async ({ ann, known }) => {
        const asked = ['orders', 'secret', 'not there'].map(name => ({ name }))
        const named = await ann.request(Metadata, { topics: asked, allowAutoTopicCreation: false })
        const byId = await ann.request(Metadata, { topics: [{ name: null, topicId: known.ordersId }] })
        const all = await ann.request(Metadata, { topics: null, includeTopicAuthorizedOperations: true })
        const described = await ann.request(DescribeTopicPartitions, { topics: [] })
        const describedByName = await ann.request(DescribeTopicPartitions, { topics: asked })
        const groups = await ann.request(ListGroups, {})
        const describedGroups = await ann.request(DescribeGroups, { groups: ['g', 'h'], includeAuthorizedOperations: true })
        const ofCluster = await ann.request(DescribeCluster, { includeClusterAuthorizedOperations: true })
        const fetched = await ann.request(OffsetFetch, { groups: [{ groupId: 'g', topics: null }] })
        const operations = (topics: readonly { name?: string | null; topicAuthorizedOperations?: number }[]) =>
          topics
            .map(({ name, topicAuthorizedOperations }) => `${name} ${topicAuthorizedOperations}`)
            .filter(line => !line.startsWith('__'))
            .sort()
        return {
          named: hidden(named.topics),
          byId: hidden(byId.topics),
          all: hidden(all.topics),
          operations: operations(all.topics),
          described: hidden(described.topics),
          describedOperations: operations(described.topics),
          describedByName: hidden(describedByName.topics),
          groups: groups.groups.map(({ groupId }) => groupId).sort(),
          describedGroups: describedGroups.groups
            .map(({ groupId, errorCode, authorizedOperations }) => [groupId, errorCode, authorizedOperations])
            .sort(),
          cluster: ofCluster.clusterAuthorizedOperations,
          offsets: fetched.groups!.map(({ errorCode, topics }) => [errorCode, topics.map(({ name }) => name).sort()])
        }
      })
      expect([acls, mine]).toEqual([acls, kafkas])
    }
  }, 60_000)

  it('answers for each part of a request as Kafka does', async () => {
    const acls = [
      'write topic orders',
      'read topic orders',
      'read group g',
      'delete topic gone*',
      'describe topic kept',
      'create topic gone*'
    ]
    const [mine, kafkas] = await both(acls, async ({ ann, admin }) => {
      const parts = ['secret', 'orders', 'not there'].map(name => ({ name, partitionData: [{ index: 0, records: batch('d') }] }))
      const produced = await ann.request(Produce, { acks: -1, timeoutMs: 1000, topicData: parts })
      const offsets = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }]
      const topics = ['secret', 'orders', 'not there'].map(name => ({ name, partitions: offsets }))
      const committed = await ann.request(OffsetCommit, { groupId: 'g', memberId: '', generationIdOrMemberEpoch: -1, topics })
      const wanted = ['gone', 'secret', 'other'].map(name => ({ name, numPartitions: 1, replicationFactor: 1 }))
      const created = await ann.request(CreateTopics, { topics: wanted })
      const ids = new Map((await admin.request(Metadata, { topics: null })).topics.map(({ name, topicId }) => [name, topicId]))
      const named = ['gone', 'kept', 'secret', 'not there', 'gone too'].map(name => ({ name }))
      const byId = ['kept', 'secret'].map(name => ({ name: null, topicId: ids.get(name) }))
      const deleted = await ann.request(DeleteTopics, { topics: [...named, ...byId], timeoutMs: 5000 })
      return {
        produced: produced.responses.map(({ name, partitionResponses }) => `${name} ${partitionResponses[0].errorCode}`).sort(),
        committed: committed.topics.map(({ name, partitions }) => `${name} ${partitions[0].errorCode}`).sort(),
        created: created.topics.map(({ topicId: _, ...topic }) => JSON.stringify(Object.entries(topic).sort())).sort(),
        deleted: hidden(deleted.responses)
      }
    })
    expect(mine).toEqual(kafkas)
  }, 60_000)

  it('takes and refuses the same ACLs', async () => {
    const good = {
      resourceType: 2,
      resourceName: 'x',
      resourcePatternType: 3,
      principal: 'User:b',
      host: '*',
      operation: 3,
      permissionType: 3
    }
    const changes = [
      {},
      { resourceType: 1 },
      { resourceName: '' },
      { resourceType: 4 },
      { resourceType: 4, resourceName: clusterName },
      { resourcePatternType: 1 },
      { resourcePatternType: 2 },
      { operation: 1 },
      { operation: 15 },
      { permissionType: 1 },
      { resourceType: 7, resourceName: 'User:c', operation: 13 },
      { principal: 'b' },
      { host: '' }
    ]
    const [mine, kafkas] = await both([], async ({ admin }) => {
      const codes: (number | string)[] = []
      for (const change of changes) {
        const answer = await Promise.resolve(admin.request(CreateAcls, { creations: [{ ...good, ...change }] })).then(
          ({ results }) => results[0].errorCode,
          (error: Error) => error.message
        )
        codes.push(answer)
      }
      return changes.map((change, i) => [change, codes[i]])
    })
    // Kafka takes what stands for several ACLs for a failure of its own, -1; it is the client's mistake.
    expect(mine).toEqual(kafkas.map(([change, code]) => [change, code === -1 ? errorNumber('INVALID_REQUEST') : code]))
  })

  it('takes, refuses and finds the same quotas', async () => {
    const changes: QuotaChange[] = [
      ['user=ann', 'producer_byte_rate+consumer_byte_rate', 1024],
      ['user=*,client-id=*', 'request_percentage', 12.5],
      ['client-id=web', 'controller_mutation_rate', 0.5],
      ['client-id=*', 'producer_byte_rate', 2 ** 63],
      ['ip=10.0.0.1', 'connection_creation_rate', 5],
      ['ip=*', 'connection_creation_rate', 2 ** 31 - 1],
      ['', 'producer_byte_rate', 1],
      ['group=g', 'producer_byte_rate', 1],
      ['user=', 'producer_byte_rate', 1],
      ['user=ann,user=bob', 'producer_byte_rate', 1],
      ['user=eve', 'connection_creation_rate', 1],
      ['user=eve', 'nothing', 1],
      ['user=eve', 'nothing', null],
      ['user=eve', 'producer_byte_rate', 0],
      ['user=eve', 'producer_byte_rate', -1],
      ['user=eve', 'producer_byte_rate', 1.5],
      ['user=eve', 'producer_byte_rate', 1e30],
      ['user=eve', 'producer_byte_rate+producer_byte_rate', 1],
      ['ip=10.0.0.1', 'producer_byte_rate', 1],
      ['ip=10.0.0.1', 'connection_creation_rate', 2 ** 31],
      ['ip=10.0.0.1', 'connection_creation_rate', 0],
      ['ip=10.0.0.1,user=ann', 'connection_creation_rate', 1],
      ['ip=no.address.example.invalid', 'connection_creation_rate', 1],
      ['user=ann', 'consumer_byte_rate', null]
    ]
    const filters: [string, number, string | null][][] = [
      [],
      [['user', 0, 'ann']],
      [['user', 1, null]],
      [['user', 2, null]],
      [['client-id', 2, null]],
      [
        ['user', 1, null],
        ['client-id', 1, null]
      ],
      [['ip', 0, '10.0.0.1']],
      [['user', 0, null]],
      [['user', 1, 'ann']],
      [['user', 2, 'ann']],
      [['user', 3, 'ann']],
      [['', 0, 'ann']],
      [['group', 0, 'ann']],
      [
        ['user', 0, 'ann'],
        ['user', 1, null]
      ],
      [
        ['ip', 2, null],
        ['user', 2, null]
      ]
    ]
    const [mine, kafkas] = await both([], async ({ admin }) => {
      const altered: unknown[] = []
      for (const change of changes) {
        const { entries } = await admin.request(AlterClientQuotas, { entries: [quotaEntry(change)], validateOnly: false })
        altered.push([change, entries.map(({ errorCode, entity }) => [errorCode, entity.map(({ entityName }) => entityName).sort()])])
      }
      const describe = async (filter: [string, number, string | null][], strict: boolean) => {
        const components = filter.map(([entityType, matchType, match]) => ({ entityType, matchType, match }))
        const { errorCode, entries } = await admin.request(DescribeClientQuotas, { components, strict })
        const shown = entries?.map(({ entity, values }) => {
          const names = entity.map(({ entityType, entityName }) => `${entityType}=${entityName}`).sort()
          return `${names} ${values.map(({ key, value }) => `${key}=${value}`).sort()}`
        })
        return [filter, strict, errorCode, shown?.sort()]
      }
      // What was decided is shown a moment later.
      await vi.waitFor(async () => expect((await describe([], false))[3]).not.toContainEqual(expect.stringMatching('consumer')), 5000)
      const described: unknown[] = []
      for (const filter of filters) for (const strict of [false, true]) described.push(await describe(filter, strict))
      return { altered, described }
    })
    expect(mine.altered).toEqual(kafkas.altered)
    expect(mine.described).toEqual(kafkas.described)
  }, 60_000)

  it('kafka-configs sets, shows and takes back quotas', async () => {
    const login = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="admins";'
    const file = join(home, 'configs.properties')
    await writeFile(file, `security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=${login}\n`)
    const configs = (...args: string[]) =>
      kafkaTool('kafka.admin.ConfigCommand', ['--bootstrap-server', listener.address, '--command-config', file, ...args])
    const ofCarl = ['--entity-type', 'users', '--entity-name', 'carl', '--entity-type', 'clients', '--entity-default']
    const admin = cluster.admin()
    await admin.alterClientQuotas([{ entity: { user: 'carl', clientId: null }, quotas: { consumer_byte_rate: 1 } }])
    const changes = ['--add-config', 'producer_byte_rate=1024,request_percentage=7.5', '--delete-config', 'consumer_byte_rate']
    await Promise.all([
      configs('--alter', ...changes, ...ofCarl),
      configs('--alter', '--add-config', 'connection_creation_rate=9', '--entity-type', 'ips', '--entity-name', '10.0.0.7')
    ])
    expect([...(await admin.describeClientQuotas({ user: 'carl' })), ...(await admin.describeClientQuotas({ ip: '10.0.0.7' }))]).toEqual([
      { entity: { user: 'carl', clientId: null }, quotas: { producer_byte_rate: 1024, request_percentage: 7.5 } },
      { entity: { ip: '10.0.0.7' }, quotas: { connection_creation_rate: 9 } }
    ])
    expect(await configs('--describe', ...ofCarl)).toMatch(/user-principal 'carl'.*producer_byte_rate=1024\.0/)
  }, 120_000)

  it('kafka-acls adds, lists and removes ACLs, which Kafka reads in the metadata', async () => {
    await allow(ours, [])
    const login = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="admins";'
    const file = join(home, 'admin.properties')
    await writeFile(file, `security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config=${login}\n`)
    const acls = (...args: string[]) =>
      kafkaTool('org.apache.kafka.tools.AclCommand', ['--bootstrap-server', listener.address, '--command-config', file, ...args])
    await acls(
      '--add',
      '--allow-principal',
      'User:ann',
      '--consumer',
      '--topic',
      'or',
      '--group',
      'g',
      '--resource-pattern-type',
      'prefixed'
    )
    await acls('--add', '--deny-principal', 'User:bob', '--deny-host', '10.0.0.1', '--operation', 'Write', '--topic', 'orders')
    const listed = await acls('--list', '--topic', 'orders', '--resource-pattern-type', 'match')
    expect(listed).toMatch(/principal=User:ann, host=\*, operation=READ, permissionType=ALLOW/)
    expect(listed).toMatch(/principal=User:bob, host=10.0.0.1, operation=WRITE, permissionType=DENY/)
    const { topics } = await ours.ann.request(Metadata, { topics: null })
    expect(topics.map(({ name }) => name)).toEqual(['orders'])
    await acls('--remove', '--force', '--topic', 'orders')
    expect((await cluster.admin().describeAcls({ principal: 'User:bob' })).length).toBe(0)
    expect((await cluster.admin().describeAcls()).length).toBe(3)
  }, 60_000)
})
