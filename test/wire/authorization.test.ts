import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { encodeSubscription } from '../../src/assignor/consumer-protocol.js'
import { nodeOf } from '../../src/broker/local-broker.js'
import { Cluster } from '../../src/cluster.js'
import { errorCodeOf } from '../../src/errors.js'
import type { AuthorizeRequest } from '../../src/protocol/access.js'
import type { RequestOf } from '../../src/protocol/message.js'
import { AlterUserScramCredentials } from '../../src/protocol/messages/alter-user-scram-credentials.js'
import { CreateAcls } from '../../src/protocol/messages/create-acls.js'
import { DeleteAcls } from '../../src/protocol/messages/delete-acls.js'
import { DescribeAcls } from '../../src/protocol/messages/describe-acls.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { JoinGroup } from '../../src/protocol/messages/join-group.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { SyncGroup } from '../../src/protocol/messages/sync-group.js'
import { fileStorage } from '../../src/storage/file/file-storage.js'
import { connect } from '../../src/wire/connect.js'
import { Connection } from '../../src/wire/connection.js'
import { type Listener, listen } from '../../src/wire/listener.js'
import type { ListenOptions } from '../../src/wire/listener-options.js'
import { saltPassword } from '../../src/wire/sasl/scram-keys.js'

const users = { admin: 'admins', ann: 'anns', zed: 'zeds' }
const sasl = { users, mechanisms: ['PLAIN'] as const }
const salt = new TextEncoder().encode('some salt')

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function open(options: ListenOptions = {}, storage?: string): Promise<{ cluster: Cluster; listener: Listener }> {
  const cluster = await Cluster.open(storage === undefined ? {} : { storage: fileStorage(storage) })
  ends.push(() => cluster.close())
  await cluster.admin().createTopics(['orders', 'secret'])
  const listener = await listen(cluster, { sasl, ...options })
  ends.push(() => listener.close())
  return { cluster, listener }
}

async function comeIn({ port }: Listener, username: keyof typeof users | 'carol', password: string = `${username}s`): Promise<Connection> {
  const connection = await Connection.open({ host: '127.0.0.1', port }, { sasl: { mechanism: 'PLAIN', username, password } })
  ends.push(() => connection.close())
  return connection
}

const topicsSeenBy = async (client: Connection) => (await client.request(Metadata, { topics: null })).topics.map(({ name }) => name)

const readOrders = { resourceType: 2, resourceName: 'orders', principal: 'User:ann', host: '*', operation: 3, permissionType: 3 }
const anyAcl: RequestOf<typeof DescribeAcls> = {
  resourceTypeFilter: 1,
  resourceNameFilter: null,
  patternTypeFilter: 1,
  principalFilter: null,
  hostFilter: null,
  operation: 1,
  permissionType: 1
}

describe('a listener with ACLs', () => {
  it('lets super users do everything, and others what super users have allowed them', async () => {
    const { listener } = await open({ superUsers: ['admin'] })
    const [admin, ann] = [await comeIn(listener, 'admin'), await comeIn(listener, 'ann')]
    expect(await topicsSeenBy(ann)).toEqual([])
    expect(await topicsSeenBy(admin)).toEqual(['orders', 'secret'])
    expect((await admin.request(CreateAcls, { creations: [readOrders] })).results).toEqual([{ errorCode: 0, errorMessage: null }])
    expect(await topicsSeenBy(ann)).toEqual(['orders'])
    const { resources } = await admin.request(DescribeAcls, anyAcl)
    const { resourceType, resourceName, ...entry } = readOrders
    expect(resources).toEqual([{ resourceType, resourceName, patternType: 3, acls: [entry] }])
    const { filterResults } = await admin.request(DeleteAcls, { filters: [{ ...anyAcl, principalFilter: 'User:ann' }, anyAcl] })
    expect(filterResults.map(({ matchingAcls }) => matchingAcls.length)).toEqual([1, 1])
    expect(await topicsSeenBy(ann)).toEqual([])
  })

  it('knows clients without authentication as one anonymous user', async () => {
    const { cluster, listener } = await open({ sasl: undefined, acls: true })
    await using elsewhere = await connect({ brokers: [listener.address] })
    expect((await elsewhere.admin().listTopics()).map(({ name }) => name)).toEqual([])
    await cluster.admin().createAcls([{ resource: { topic: 'orders' }, principal: 'User:ANONYMOUS', operation: 'read' }])
    expect((await elsewhere.admin().listTopics()).map(({ name }) => name)).toEqual(['orders'])
  })

  it('refuses ACLs that stand for several or for none, and takes one that is there already for done', async () => {
    const { listener } = await open({ superUsers: ['User:admin'] })
    const admin = await comeIn(listener, 'admin')
    const wrong = [
      { ...readOrders, resourceType: 1 },
      { ...readOrders, operation: 1 },
      { ...readOrders, permissionType: 1 },
      { ...readOrders, resourcePatternType: 1 },
      { ...readOrders, resourcePatternType: 2 },
      { ...readOrders, resourceName: '' },
      { ...readOrders, resourceType: 4, resourceName: 'cluster' },
      { ...readOrders, principal: 'ann' },
      { ...readOrders, resourceName: 'x'.repeat(1001) }
    ]
    const { results } = await admin.request(CreateAcls, { creations: [...wrong, readOrders, readOrders] })
    const codes = results.map(({ errorCode }) => errorCode && errorCodeOf(errorCode))
    expect(codes).toEqual([...Array(8).fill('INVALID_REQUEST'), 'POLICY_VIOLATION', 0, 0])
    expect((await admin.request(CreateAcls, { creations: [readOrders] })).results[0].errorCode).toBe(0)
    expect((await admin.request(DescribeAcls, anyAcl)).resources.flatMap(({ acls }) => acls)).toHaveLength(1)
  })

  it('finds nothing for an operation that is not known, and ends the connection of a client that asks for operation 0', async () => {
    const { listener } = await open({ superUsers: ['admin'] })
    const admin = await comeIn(listener, 'admin')
    expect((await admin.request(DescribeAcls, { ...anyAcl, operation: 99 })).resources).toEqual([])
    await expect(admin.request(DescribeAcls, { ...anyAcl, operation: 0 })).rejects.toThrow()
  })

  it('finds ACLs by every filter', async () => {
    const { cluster, listener } = await open({ superUsers: ['admin'] })
    const admin = await comeIn(listener, 'admin')
    const creations = [
      readOrders,
      { ...readOrders, resourceName: 'or', resourcePatternType: 4, principal: 'User:bob' },
      { ...readOrders, resourceName: '*', host: '10.0.0.1', permissionType: 2 },
      { ...readOrders, resourceType: 3, operation: 2 }
    ]
    await admin.request(CreateAcls, { creations })
    expect(nodeOf(cluster.node!).metadata.acls.size).toBe(4)
    const found = async (filter: Partial<typeof anyAcl>) =>
      (await admin.request(DescribeAcls, { ...anyAcl, ...filter })).resources
        .flatMap(({ resourceType, resourceName, acls }) => acls.map(() => `${resourceType} ${resourceName}`))
        .sort()
    expect(await found({ resourceTypeFilter: 3 })).toEqual(['3 orders'])
    expect(await found({ resourceNameFilter: 'orders' })).toEqual(['2 orders', '3 orders'])
    expect(await found({ resourceNameFilter: 'orders', patternTypeFilter: 3 })).toEqual(['2 orders', '3 orders'])
    expect(await found({ resourceNameFilter: 'orders', patternTypeFilter: 2, resourceTypeFilter: 2 })).toEqual(['2 *', '2 or', '2 orders'])
    expect(await found({ patternTypeFilter: 4 })).toEqual(['2 or'])
    expect(await found({ resourceNameFilter: 'or', patternTypeFilter: 4 })).toEqual(['2 or'])
    expect(await found({ resourceNameFilter: 'orders', patternTypeFilter: 4 })).toEqual([])
    expect(await found({ principalFilter: 'User:bob' })).toEqual(['2 or'])
    expect(await found({ hostFilter: '10.0.0.1' })).toEqual(['2 *'])
    expect(await found({ operation: 2 })).toEqual(['3 orders'])
    expect(await found({ permissionType: 2 })).toEqual(['2 *'])
  })

  it('has as many ACLs as are allowed', async () => {
    await using cluster = await Cluster.open({ configs: { 'millrace.max.acls': 2 } })
    const admin = cluster.admin()
    const acl = (topic: string) => ({ resource: { topic }, principal: 'User:ann', operation: 'read' }) as const
    await admin.createAcls([acl('a'), acl('b')])
    await expect(admin.createAcls([acl('c')])).rejects.toMatchObject({
      code: 'POLICY_VIOLATION',
      message: expect.stringMatching(/`millrace.max.acls` allows 2/)
    })
    await admin.createAcls([acl('a')])
  })

  it('keeps them over a restart, and forgets those that were removed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-'))
    ends.push(() => rm(folder, { recursive: true }))
    {
      await using cluster = await Cluster.open({ storage: fileStorage(folder) })
      const admin = cluster.admin()
      await admin.createAcls([
        { resource: { topic: 'orders' }, principal: 'User:ann', operation: 'read' },
        { resource: { group: 'g' }, pattern: 'prefixed', principal: 'User:*', host: '10.0.0.1', operation: 'all', permission: 'deny' }
      ])
      await admin.deleteAcls([{ resourceType: 'topic' }])
    }
    await using cluster = await Cluster.open({ storage: fileStorage(folder) })
    expect(await cluster.admin().describeAcls()).toEqual([
      { resource: { group: 'g' }, pattern: 'prefixed', principal: 'User:*', host: '10.0.0.1', operation: 'all', permission: 'deny' }
    ])
  })
})

describe('a listener without an authorizer', () => {
  const upsertion = async (name: string, password: string) => {
    const saltedPassword = await saltPassword('SCRAM-SHA-256', password, salt, 4096)
    return { name, mechanism: 1, iterations: 4096, salt, saltedPassword }
  }
  async function alter(client: Connection, change: Partial<RequestOf<typeof AlterUserScramCredentials>>): Promise<(string | number)[]> {
    const { results } = await client.request(AlterUserScramCredentials, { deletions: [], upsertions: [], ...change })
    return results.map(({ errorCode }) => errorCode && errorCodeOf(errorCode))
  }

  it('says that there are no ACLs to be told or changed', async () => {
    const { listener } = await open()
    const ann = await comeIn(listener, 'ann')
    const described = await ann.request(DescribeAcls, anyAcl)
    const { results } = await ann.request(CreateAcls, { creations: [readOrders] })
    const { filterResults } = await ann.request(DeleteAcls, { filters: [anyAcl] })
    const codes = [described, ...results, ...filterResults].map(({ errorCode }) => errorCodeOf(errorCode))
    expect(codes).toEqual(Array(3).fill('SECURITY_DISABLED'))
  })

  it('lets nobody take over the user of another', async () => {
    const { listener } = await open()
    const [ann, zed] = [await comeIn(listener, 'ann'), await comeIn(listener, 'zed')]
    expect(await alter(ann, { upsertions: [await upsertion('carol', 'carols')] })).toEqual([0])
    const denied = ['CLUSTER_AUTHORIZATION_FAILED']
    expect(await alter(zed, { upsertions: [await upsertion('carol', 'stolen')] })).toEqual(denied)
    expect(await alter(zed, { upsertions: [{ ...(await upsertion('carol', 'stolen')), mechanism: 2 }] })).toEqual(denied)
    expect(await alter(zed, { deletions: [{ name: 'carol', mechanism: 1 }] })).toEqual(denied)
    expect(await alter(zed, { upsertions: [await upsertion('ANONYMOUS', 'nobodys')] })).toEqual(denied)
    const carol = await comeIn(listener, 'carol')
    await expect(comeIn(listener, 'carol', 'stolen')).rejects.toMatchObject({ code: 'SASL_AUTHENTICATION_FAILED' })
    expect(await alter(carol, { upsertions: [await upsertion('carol', 'new')] })).toEqual([0])
    await comeIn(listener, 'carol', 'new')
    expect(await alter(ann, { deletions: [{ name: 'carol', mechanism: 1 }] })).toEqual([0])
    expect(await alter(zed, { upsertions: [await upsertion('carol', 'zeds')] })).toEqual([0])
    expect(await alter(ann, { upsertions: [await upsertion('carol', 'anns')] })).toEqual(denied)
  })

  it('lets only those change users who may alter the cluster, once there are ACLs', async () => {
    const { listener } = await open({ superUsers: ['admin'] })
    const [ann, admin] = [await comeIn(listener, 'ann'), await comeIn(listener, 'admin')]
    expect(await alter(ann, { upsertions: [await upsertion('carol', 'carols')] })).toEqual(['CLUSTER_AUTHORIZATION_FAILED'])
    expect(await alter(ann, { upsertions: [await upsertion('admin', 'anns')] })).toEqual(['CLUSTER_AUTHORIZATION_FAILED'])
    expect(await alter(admin, { upsertions: [await upsertion('admin', 'anns')] })).toEqual(['UNACCEPTABLE_CREDENTIAL'])
    expect(await alter(admin, { upsertions: [await upsertion('carol', 'carols')] })).toEqual([0])
    expect(await alter(admin, { upsertions: [await upsertion('carol', 'new')] })).toEqual([0])
  })
})

describe('a rule of the user’s own', () => {
  it('is asked about each thing that a client wants, and decides', async () => {
    const asked: AuthorizeRequest[] = []
    const { listener } = await open({
      authorize: request => {
        asked.push(request)
        return request.principal === 'User:ann' && request.resource.name === 'orders'
      }
    })
    expect(await topicsSeenBy(await comeIn(listener, 'ann'))).toEqual(['orders'])
    expect(await topicsSeenBy(await comeIn(listener, 'zed'))).toEqual([])
    const orders = {
      host: '127.0.0.1',
      clientId: 'millrace',
      api: 'Metadata',
      operation: 'describe',
      resource: { type: 'topic', name: 'orders' }
    }
    expect(asked[0]).toEqual({ principal: 'User:ann', ...orders })
    expect(asked).toHaveLength(4)
  })

  it('is told the API for whatever a Fetch needs, of a client that fetches as a replica too', async () => {
    const asked: AuthorizeRequest[] = []
    const { cluster, listener } = await open({
      authorize: request => {
        asked.push(request)
        return true
      }
    })
    const topics = [{ topicId: cluster.topic('orders').id, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }]
    const client = await comeIn(listener, 'ann')
    const fetchAs = (replicaId: number) =>
      client.request(Fetch, { maxWaitMs: 0, minBytes: 1, topics, replicaState: { replicaId, replicaEpoch: -1 } })
    await fetchAs(-1)
    await fetchAs(1)
    expect(asked.map(({ api, operation }) => [api, operation])).toEqual([
      ['Fetch', 'read'],
      ['Fetch', 'clusterAction']
    ])
  })

  it('may take its time', async () => {
    const { listener } = await open({ authorize: async ({ resource }) => Promise.resolve(resource.name !== 'secret') })
    const address = { brokers: [listener.address], sasl: { mechanism: 'PLAIN', username: 'ann', password: 'anns' } as const }
    await using elsewhere = await connect(address)
    await using producer = elsewhere.producer()
    await producer.send('orders', { value: 'v' })
    await expect(producer.send('secret', { value: 'v' })).rejects.toMatchObject({ code: 'TOPIC_AUTHORIZATION_FAILED' })
    await using consumer = elsewhere.consumer({ topics: ['orders'], groupId: 'g', autoOffsetReset: 'earliest' })
    for await (const record of consumer) {
      expect(record.topic).toBe('orders')
      break
    }
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('no rules today')
      },
      /no rules today/
    ],
    ['rejects', () => Promise.reject(new Error('no rules today')), /no rules today/],
    ['takes too long', () => new Promise<boolean>(() => {}), /longer than 20 ms/],
    ['says neither yes nor no', () => 'yes' as unknown as boolean, /true or false, got .'yes'/]
  ])('that %s refuses, and is told', async (_how, authorize, message) => {
    const { cluster, listener } = await open({ authorize, authorizeTimeoutMs: 20 })
    const told: [string, string][] = []
    cluster.on('error', ({ error, during }) => told.push([(error as Error).message, during ?? '']))
    expect(await topicsSeenBy(await comeIn(listener, 'ann'))).toEqual([])
    // Two questions whose time is over at once are told in either order.
    expect(told.map(([, during]) => during).sort()).toEqual([
      '`authorize`, asked whether User:ann may describe the topic `orders`',
      '`authorize`, asked whether User:ann may describe the topic `secret`'
    ])
    for (const [text] of told) expect(text).toMatch(message)
  })

  it('decides beside the ACLs: both have to allow, and super users need neither', async () => {
    const authorize = ({ resource }: AuthorizeRequest) => resource.name !== 'secret'
    const { cluster, listener } = await open({ superUsers: ['admin'], authorize })
    await cluster.admin().createAcls([{ resource: { topic: 'secret' }, principal: 'User:ann', operation: 'read' }])
    const ann = await comeIn(listener, 'ann')
    expect(await topicsSeenBy(ann)).toEqual([])
    await cluster.admin().createAcls([{ resource: { topic: '*' }, principal: 'User:ann', operation: 'read' }])
    expect(await topicsSeenBy(ann)).toEqual(['orders'])
    expect(await topicsSeenBy(await comeIn(listener, 'admin'))).toEqual(['orders', 'secret'])
  })
})

it('options of access control are checked where they are given', async () => {
  await using cluster = await Cluster.open()
  const wrong: [object, RegExp][] = [
    [{ superUsers: 'admin' }, /Expected `superUsers` to be an array of names, got .'admin'/],
    [{ superUsers: [7] }, /Expected `superUsers`/],
    [{ acls: 'yes' }, /Expected `acls`/],
    [{ authorize: true }, /Expected `authorize` to be a function/],
    [{ authorizeTimeoutMs: 0 }, /Expected `authorizeTimeoutMs`/],
    [{ acls: false, allowEveryoneIfNoAclFound: true }, /allowEveryoneIfNoAclFound/]
  ]
  for (const [options, message] of wrong) await expect(listen(cluster, options as ListenOptions)).rejects.toThrow(message)
})

describe('a group whose members may not read a topic', () => {
  it('does not hold up the producers of that topic, and one of a member that may read it does', async () => {
    const { cluster, listener } = await open({ superUsers: ['admin'] })
    const admin = cluster.admin()
    await admin.createAcls([{ resource: { group: '*' }, principal: 'User:ann', operation: 'read' }])
    const readersOf = () =>
      nodeOf(cluster.node!)
        .backlog.readers.of('secret', 0, 0, 1, [])
        .map(({ name }) => name)
    const ann = await comeIn(listener, 'ann')
    const joinWith = async (groupId: string) => {
      const { memberId } = await joinGroup(ann, groupId, '')
      const { generationId = -1 } = await joinGroup(ann, groupId, memberId)
      await ann.request(SyncGroup, { groupId, generationId, memberId, protocolType: 'consumer', protocolName: 'range', assignments: [] })
    }
    await joinWith('denied')
    expect(readersOf()).toEqual([])
    await admin.createAcls([{ resource: { topic: 'secret' }, principal: 'User:ann', operation: 'read' }])
    await joinWith('allowed')
    expect(readersOf()).toEqual(['the group `allowed`'])
  })

  function joinGroup(client: Connection, groupId: string, memberId: string) {
    const protocols = [{ name: 'range', metadata: encodeSubscription({ topics: ['secret'] }) }]
    return client.request(JoinGroup, { groupId, sessionTimeoutMs: 10_000, memberId, protocolType: 'consumer', protocols })
  }
})
