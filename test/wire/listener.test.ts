import { describe, expect, it } from 'vitest'
import { equalBytes } from '../../src/common/bytes.js'
import { deferred } from '../../src/common/deferred.js'
import { lend } from '../../src/common/lease.js'
import { apis } from '../../src/protocol/apis.js'
import { ApiVersions } from '../../src/protocol/messages/api-versions.js'
import { DescribeCluster } from '../../src/protocol/messages/describe-cluster.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { FindCoordinator } from '../../src/protocol/messages/find-coordinator.js'
import { Heartbeat } from '../../src/protocol/messages/heartbeat.js'
import { ListGroups } from '../../src/protocol/messages/list-groups.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { type ConnectionInfo, listen } from '../../src/wire/listener.js'
import { RawClient, requestFrame } from './raw-client.js'
import { ScriptedNode } from './scripted-node.js'

const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm' }
const fetchRequest = { maxWaitMs: 0, minBytes: 1, topics: [] }
const produceRequest = (acks: number) => ({
  acks,
  timeoutMs: 1000,
  topicData: [{ name: 't', partitionData: [{ index: 0, records: new Uint8Array(3) }] }]
})
const produceResponse = (errorCode: number) => ({
  responses: [{ name: 't', partitionResponses: [{ index: 0, errorCode, baseOffset: 7 }] }]
})
const fetchResponse = (records: Uint8Array) => ({
  responses: [{ topic: 't', partitions: [{ partitionIndex: 0, errorCode: 0, highWatermark: 1, records }] }]
})

describe('what a listener tells about itself', () => {
  it('is the range of every API, with Produce from version 0', async () => {
    await using listener = await listen(new ScriptedNode())
    using client = await RawClient.connect(listener.port)
    client.request(ApiVersions, 4, { clientSoftwareName: 'raw', clientSoftwareVersion: '1.0' }, 5)
    const { correlationId, body } = await client.response(ApiVersions, 4)
    expect(correlationId).toBe(5)
    expect(body.errorCode).toBe(0)
    const told = new Map(body.apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, [minVersion, maxVersion]]))
    expect(told.get(Produce.key)).toEqual([0, 13])
    expect(told.get(Fetch.key)).toEqual([4, 18])
    expect([...told.keys()].sort()).toEqual(apis.map(({ key }) => key).sort())
  })

  it('is given in version 0, with error 35, to a client that asks in a version that is not known', async () => {
    await using listener = await listen(new ScriptedNode())
    using client = await RawClient.connect(listener.port)
    const frame = requestFrame(ApiVersions, 4, { clientSoftwareName: 'raw', clientSoftwareVersion: '1.0' }, 9)
    frame[7] = 99
    client.send(frame)
    const { correlationId, body } = await client.response(ApiVersions, 0)
    expect(correlationId).toBe(9)
    expect(body).toMatchObject({ errorCode: 35, apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }] })
    client.request(ApiVersions, 0, {})
    expect((await client.response(ApiVersions, 0)).body.errorCode).toBe(0)
  })

  it('is refused to a client with an impossible name', async () => {
    await using listener = await listen(new ScriptedNode())
    using client = await RawClient.connect(listener.port)
    client.request(ApiVersions, 3, { clientSoftwareName: '-', clientSoftwareVersion: '1.0' })
    expect((await client.response(ApiVersions, 3)).body.errorCode).toBe(42)
  })

  it('is that of an older Kafka when it pretends to be one', async () => {
    await using listener = await listen(new ScriptedNode(), { maxVersions: { Fetch: 11, DescribeCluster: -1 } })
    using client = await RawClient.connect(listener.port)
    client.request(ApiVersions, 0, {})
    const { apiKeys } = (await client.response(ApiVersions, 0)).body
    expect(apiKeys.find(({ apiKey }) => apiKey === Fetch.key)).toEqual({ apiKey: 1, minVersion: 4, maxVersion: 11 })
    expect(apiKeys.find(({ apiKey }) => apiKey === DescribeCluster.key)).toBeUndefined()
    client.send(requestFrame(Fetch, 12, fetchRequest))
    expect(await client.frame()).toBeUndefined()
  })
})

describe('a connection of a listener', () => {
  it('says who asks, from where and in which version', async () => {
    const node = new ScriptedNode().answer(Heartbeat, () => ({ errorCode: 27 }))
    await using listener = await listen(node)
    using client = await RawClient.connect(listener.port)
    client.request(Heartbeat, 4, heartbeat, 3, 'me')
    expect(await client.response(Heartbeat, 4)).toMatchObject({ correlationId: 3, body: { errorCode: 27 } })
    expect(node.seen[0]).toMatchObject({ clientId: 'me', clientHost: '/127.0.0.1', apiVersion: 4, body: heartbeat })
  })

  it('answers in the order of asking, one request at a time, while others go on', async () => {
    const first = deferred()
    const node = new ScriptedNode()
      .answer(Fetch, async () => {
        await first.promise
        return { responses: [] }
      })
      .answer(Heartbeat, () => ({ errorCode: 0 }))
    await using listener = await listen(node)
    using slow = await RawClient.connect(listener.port)
    using quick = await RawClient.connect(listener.port)
    slow.request(Fetch, 12, fetchRequest, 1)
    slow.request(Heartbeat, 0, heartbeat, 2)
    quick.request(Heartbeat, 0, heartbeat, 3)
    expect((await quick.response(Heartbeat, 0)).correlationId).toBe(3)
    expect(node.seen.map(({ api }) => api.name)).toEqual(['Fetch', 'Heartbeat'])
    first.resolve()
    expect((await slow.response(Fetch, 12)).correlationId).toBe(1)
    expect((await slow.response(Heartbeat, 0)).correlationId).toBe(2)
  })

  it('takes requests in whatever pieces they arrive', async () => {
    const node = new ScriptedNode().answer(Heartbeat, () => ({ errorCode: 0 }))
    await using listener = await listen(node)
    using client = await RawClient.connect(listener.port)
    for (const byte of requestFrame(Heartbeat, 4, heartbeat, 8)) {
      client.send(Uint8Array.of(byte))
      await new Promise(resolve => setImmediate(resolve))
    }
    expect((await client.response(Heartbeat, 4)).correlationId).toBe(8)
  })

  it('tells clients the address of the listener, whatever the node thinks', async () => {
    const node = new ScriptedNode()
      .answer(Metadata, () => ({ brokers: [{ nodeId: 4, host: 'inside', port: 1 }], topics: [] }))
      .answer(FindCoordinator, ({ coordinatorKeys }) => ({
        nodeId: 4,
        host: 'inside',
        port: 1,
        coordinators: (coordinatorKeys ?? []).map(key => ({ key, nodeId: 4, host: 'inside', port: 1, errorCode: 0 }))
      }))
      .answer(DescribeCluster, () => ({ errorCode: 0, clusterId: 'c', brokers: [{ brokerId: 4, host: 'inside', port: 1 }] }))
    await using listener = await listen(node, { advertisedHost: 'outside' })
    const at = { host: 'outside', port: listener.port }
    expect(listener.address).toBe(`outside:${listener.port}`)
    using client = await RawClient.connect(listener.port)
    client.request(Metadata, 12, { topics: null })
    expect((await client.response(Metadata, 12)).body.brokers).toMatchObject([{ nodeId: 4, ...at }])
    client.request(FindCoordinator, 2, { key: 'g' })
    expect((await client.response(FindCoordinator, 2)).body).toMatchObject({ nodeId: 4, ...at })
    client.request(FindCoordinator, 4, { coordinatorKeys: ['g'] })
    expect((await client.response(FindCoordinator, 4)).body.coordinators).toMatchObject([{ key: 'g', ...at }])
    client.request(DescribeCluster, 0, { includeClusterAuthorizedOperations: false })
    expect((await client.response(DescribeCluster, 0)).body.brokers).toMatchObject([{ brokerId: 4, ...at }])
  })

  it('never answers a produce request without acknowledgement, and closes when it failed', async () => {
    const errors = [0, 3]
    const node = new ScriptedNode().answer(Produce, () => produceResponse(errors.shift() ?? 0)).answer(Heartbeat, () => ({ errorCode: 0 }))
    await using listener = await listen(node)
    using client = await RawClient.connect(listener.port)
    client.request(Produce, 9, produceRequest(0), 1)
    client.request(Heartbeat, 0, heartbeat, 2)
    expect((await client.response(Heartbeat, 0)).correlationId).toBe(2)
    client.request(Produce, 9, produceRequest(0), 3)
    expect(await client.frame()).toBeUndefined()
  })

  it('gives lent record bytes back when the socket has taken them', async () => {
    const released = deferred()
    const expected = new Uint8Array(3_000_000).fill(7)
    const records = lend(expected.slice(), () => released.resolve())
    const node = new ScriptedNode().answer(Fetch, () => fetchResponse(records))
    await using listener = await listen(node)
    using client = await RawClient.connect(listener.port)
    client.request(Fetch, 12, fetchRequest)
    const { body } = await client.response(Fetch, 12)
    expect(equalBytes(body.responses[0].partitions[0].records as Uint8Array, expected)).toBe(true)
    await released.promise
  })

  it('ends with an event that says why when a request can not be read', async () => {
    await using listener = await listen(new ScriptedNode())
    const reasons: (string | undefined)[] = []
    listener.on('disconnected', ({ reason }) => reasons.push(reason?.code))
    for (const bytes of [
      Uint8Array.of(0x7f, 0xff, 0xff, 0xff), // more than is accepted
      Uint8Array.of(0xff, 0xff, 0xff, 0xff), // a negative size
      Uint8Array.of(0, 0, 0, 0), // no header
      Uint8Array.of(0, 0, 0, 10, 0x7f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff), // an API that there is not
      requestFrame(ListGroups, 3, {}).map((byte, i) => (i === 7 ? 77 : byte)) // a version that there is not
    ]) {
      using client = await RawClient.connect(listener.port)
      client.send(bytes)
      expect(await client.frame()).toBeUndefined()
    }
    expect(reasons).toEqual(['INVALID_REQUEST', 'INVALID_REQUEST', 'INVALID_REQUEST', 'UNSUPPORTED_VERSION', 'UNSUPPORTED_VERSION'])
  })

  it('ends when the node fails to answer, and says what failed', async () => {
    const node = new ScriptedNode().answer(Heartbeat, () => {
      throw new RangeError('no')
    })
    await using listener = await listen(node)
    const errors: unknown[] = []
    listener.on('error', error => errors.push(error))
    using client = await RawClient.connect(listener.port)
    client.request(Heartbeat, 0, heartbeat)
    expect(await client.frame()).toBeUndefined()
    expect(errors).toEqual([new RangeError('no')])
  })

  it('stops what the node is doing when the client leaves', async () => {
    const left = deferred<unknown>()
    const asked = deferred()
    const node = new ScriptedNode().answer(
      Fetch,
      (_, { signal }) =>
        new Promise((_, reject) => {
          asked.resolve()
          signal?.addEventListener('abort', () => {
            left.resolve(signal.reason)
            reject(signal.reason)
          })
        })
    )
    await using listener = await listen(node)
    const client = await RawClient.connect(listener.port)
    client.request(Fetch, 12, fetchRequest)
    await asked.promise
    client.socket.destroy()
    expect(await left.promise).toMatchObject({ code: 'NETWORK_EXCEPTION' })
  })
})

describe('closing a listener', () => {
  it('lets an answer that is being made go out, ends long polls, and leaves nothing open', async () => {
    const wait = deferred()
    const asked = [deferred(), deferred()]
    const node = new ScriptedNode()
      .answer(Heartbeat, async () => {
        asked[0].resolve()
        await wait.promise
        return { errorCode: 0 }
      })
      .answer(Fetch, (_, { signal }) => {
        asked[1].resolve()
        return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
      })
    const listener = await listen(node)
    using answered = await RawClient.connect(listener.port)
    using polling = await RawClient.connect(listener.port)
    using idle = await RawClient.connect(listener.port)
    answered.request(Heartbeat, 0, heartbeat, 4)
    polling.request(Fetch, 12, fetchRequest)
    await Promise.all(asked.map(({ promise }) => promise))
    const closed = listener.close()
    await Promise.all([polling.closed, idle.closed])
    wait.resolve()
    expect((await answered.response(Heartbeat, 0)).correlationId).toBe(4)
    await Promise.all([answered.closed, closed])
    expect(listener.connectionCount).toBe(0)
    await expect(RawClient.connect(listener.port)).rejects.toThrow('ECONNREFUSED')
    await listener.close()
  })

  it('tells of connections that come and go', async () => {
    const listener = await listen(new ScriptedNode())
    const events: [string, ConnectionInfo][] = []
    listener.on('connection', info => events.push(['connection', info]))
    listener.on('disconnected', info => events.push(['disconnected', info]))
    const client = await RawClient.connect(listener.port)
    client.request(ApiVersions, 0, {})
    await client.response(ApiVersions, 0)
    await listener.close()
    await client.closed
    const info = { id: 1, clientHost: '/127.0.0.1' }
    expect(events).toEqual([
      ['connection', info],
      ['disconnected', { ...info, reason: undefined }]
    ])
  })
})
