import { createServer, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/common/random.js'
import type { Api } from '../../src/protocol/message.js'
import { ApiVersions } from '../../src/protocol/messages/api-versions.js'
import { DescribeCluster } from '../../src/protocol/messages/describe-cluster.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { Heartbeat } from '../../src/protocol/messages/heartbeat.js'
import { JoinGroup } from '../../src/protocol/messages/join-group.js'
import { ListGroups } from '../../src/protocol/messages/list-groups.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { Connection } from '../../src/wire/connection.js'
import { cutAnswer, noAnswer } from '../../src/wire/intercept.js'
import { listen } from '../../src/wire/listener.js'
import { type RemoteBrokers, remoteBrokers } from '../../src/wire/remote-brokers.js'
import { ScriptedNode } from './scripted-node.js'

const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm' }
const fetchRequest = { maxWaitMs: 0, minBytes: 1, topics: [] }
const produceRequest = (acks: number) => ({ acks, timeoutMs: 1000, topicData: [] })
const node = () => new ScriptedNode().answer(Heartbeat, () => ({ errorCode: 0 }))
const at = (port: number) => ({ host: '127.0.0.1', port })

async function closing(brokers: RemoteBrokers, use: () => Promise<void>): Promise<void> {
  try {
    await use()
  } finally {
    await brokers.close()
  }
}

describe('a connection', () => {
  it('speaks the highest version that both sides know', async () => {
    const scripted = node()
    await using listener = await listen(scripted, { maxVersions: { Heartbeat: 2 } })
    const connection = await Connection.open(at(listener.port))
    await connection.request(Heartbeat, heartbeat)
    expect(scripted.seen[0].apiVersion).toBe(2)
    connection.close()
  })

  it('says which API has no version in common', async () => {
    await using listener = await listen(node(), { maxVersions: { DescribeCluster: -1 } })
    const connection = await Connection.open(at(listener.port))
    await expect(connection.request(DescribeCluster, { includeClusterAuthorizedOperations: false })).rejects.toMatchObject({
      code: 'UNSUPPORTED_VERSION',
      message: 'The broker does not serve DescribeCluster; this client speaks versions 0 to 2'
    })
    connection.close()
  })

  it('asks a broker that does not know our ApiVersions in one that it knows', async () => {
    await using listener = await listen(node(), { maxVersions: { ApiVersions: 1 } })
    const connection = await Connection.open(at(listener.port))
    expect(connection.versions.get(ApiVersions.key)).toEqual({ min: 0, max: 1 })
    connection.close()
  })

  it('sends requests one behind the other without waiting, and gives each its answer', async () => {
    let waiting = 0
    let most = 0
    const scripted = new ScriptedNode().answer(Heartbeat, ({ generationId }) => ({ errorCode: generationId }))
    await using listener = await listen(scripted)
    const connection = await Connection.open(at(listener.port))
    const answers = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const answer = connection.request(Heartbeat, { ...heartbeat, generationId: i })
        most = Math.max(most, ++waiting)
        return (await answer).errorCode
      })
    )
    expect(answers).toEqual(Array.from({ length: 100 }, (_, i) => i))
    expect(most).toBe(100)
    connection.close()
  })

  it('resolves a produce request without acknowledgement when it is sent', async () => {
    const scripted = node().answer(Produce, () => ({ responses: [] }))
    await using listener = await listen(scripted)
    const connection = await Connection.open(at(listener.port))
    expect(await connection.request(Produce, produceRequest(0))).toEqual({ responses: [] })
    await connection.request(Heartbeat, heartbeat)
    expect(scripted.seen.map(({ api }) => api.name)).toEqual(['Produce', 'Heartbeat'])
    connection.close()
  })

  it('gives up when no answer comes, and so do all that wait behind', async () => {
    const clock = new VirtualClock()
    await using listener = await listen(node(), { intercept: ({ api }, answer) => (api === (Heartbeat as Api) ? noAnswer : answer()) })
    const connection = await Connection.open(at(listener.port), { requestTimeoutMs: 5000, clock })
    const answers = Promise.allSettled([connection.request(Heartbeat, heartbeat), connection.request(ListGroups, {})])
    await clock.advance(5001)
    const timedOut = { code: 'REQUEST_TIMED_OUT', message: expect.stringContaining('did not answer Heartbeat within 5000 ms') }
    expect(await answers).toMatchObject([{ reason: timedOut }, { reason: timedOut }])
    expect(connection.isOpen).toBe(false)
  })

  it('fails what waits when the broker closes it, in mid-answer too', async () => {
    await using listener = await listen(node(), { intercept: ({ api }, answer) => (api === (Heartbeat as Api) ? cutAnswer(6) : answer()) })
    const connection = await Connection.open(at(listener.port))
    await expect(connection.request(Heartbeat, heartbeat)).rejects.toMatchObject({ code: 'NETWORK_EXCEPTION', retriable: true })
    expect(connection.isOpen).toBe(false)
    await expect(connection.request(Heartbeat, heartbeat)).rejects.toMatchObject({ code: 'NETWORK_EXCEPTION' })
  })

  it('closes itself after a time without requests', async () => {
    const clock = new VirtualClock()
    await using listener = await listen(node())
    const connection = await Connection.open(at(listener.port), { idleTimeoutMs: 1000, clock })
    await clock.advance(999)
    expect(connection.isOpen).toBe(true)
    await clock.advance(2)
    expect(connection.isOpen).toBe(false)
  })

  it.each([
    ['garbage', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['an answer to nothing', Buffer.from([0, 0, 0, 4, 0, 0, 0, 99])],
    ['half an answer', Buffer.from([0, 0, 0, 6, 0, 0, 0, 0, 0, 0])],
    ['an absurd size', Buffer.from([0x7f, 0xff, 0xff, 0xff])],
    ['an absurd count', Buffer.from([0, 0, 0, 14, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0])]
  ])('fails when a broker answers %s', async (_, answer) => {
    const sockets: Socket[] = []
    const server = createServer(socket => {
      sockets.push(socket)
      socket.on('error', () => {})
      socket.once('data', () => socket.write(answer))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    await expect(Connection.open(at(port), { connectTimeoutMs: 5000 })).rejects.toThrow()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
})

describe('the brokers of a cluster elsewhere', () => {
  it('begin at whichever bootstrap address answers', async () => {
    await using listener = await listen(node())
    const brokers = remoteBrokers({ brokers: ['127.0.0.1:1', listener.address] })
    await closing(brokers, async () => {
      expect(await brokers.any().request(Heartbeat, heartbeat)).toMatchObject({ errorCode: 0 })
    })
  })

  it('say so when none can be reached', async () => {
    const brokers = remoteBrokers({ brokers: ['127.0.0.1:1', '127.0.0.1:2'] })
    await closing(brokers, async () => {
      await expect(brokers.any().request(Heartbeat, heartbeat)).rejects.toMatchObject({
        code: 'NETWORK_EXCEPTION',
        retriable: true,
        message: 'No broker can be reached: 127.0.0.1:1, 127.0.0.1:2'
      })
    })
  })

  it('are known by id once they were learnt, and follow a move', async () => {
    const nodes = [node(), node()]
    await using first = await listen(nodes[0])
    await using second = await listen(nodes[1])
    const brokers = remoteBrokers({ brokers: [first.address] })
    await closing(brokers, async () => {
      expect(brokers.byId(7)).toBeUndefined()
      brokers.learn([{ nodeId: 7, host: '127.0.0.1', port: first.port }])
      await brokers.byId(7)?.request(Heartbeat, heartbeat)
      brokers.learn([{ nodeId: 7, host: '127.0.0.1', port: second.port }])
      await brokers.byId(7)?.request(Heartbeat, heartbeat)
      expect(nodes.map(({ seen }) => seen.length)).toEqual([1, 1])
    })
  })

  it('let a request be tried again that was under way when its broker moved', async () => {
    const scripted = node().answer(
      Fetch,
      (_, { signal }) => new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
    )
    await using first = await listen(scripted)
    await using second = await listen(node())
    const brokers = remoteBrokers({ brokers: [first.address] })
    await closing(brokers, async () => {
      brokers.learn([{ nodeId: 7, host: '127.0.0.1', port: first.port }])
      const waiting = brokers.byId(7)?.request(Fetch, fetchRequest)
      const refused = expect(waiting).rejects.toMatchObject({ code: 'NETWORK_EXCEPTION', retriable: true })
      while (scripted.seen.length === 0) await new Promise(setImmediate)
      brokers.learn([{ nodeId: 7, host: '127.0.0.1', port: second.port }])
      await refused
    })
  })

  it('do not let a waiting fetch or join hold up anything else', async () => {
    const scripted = node()
      .answer(Fetch, (_, { signal }) => new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))))
      .answer(JoinGroup, (_, { signal }) => new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))))
      .answer(Produce, () => ({ responses: [] }))
    await using listener = await listen(scripted)
    const brokers = remoteBrokers({ brokers: [listener.address] })
    await closing(brokers, async () => {
      const abort = new AbortController()
      const join = { groupId: 'g', sessionTimeoutMs: 1, memberId: '', protocolType: 'consumer', protocols: [] }
      const waiting = [
        brokers.any().request(Fetch, fetchRequest, abort.signal),
        brokers.any().request(Fetch, fetchRequest, abort.signal),
        brokers.any().request(JoinGroup, join, abort.signal)
      ]
      const ends = Promise.allSettled(waiting)
      await brokers.any().request(Heartbeat, heartbeat)
      await brokers.any().request(Produce, produceRequest(1))
      abort.abort(new RangeError('enough'))
      expect((await ends).map(end => (end as PromiseRejectedResult).reason)).toEqual(Array(3).fill(new RangeError('enough')))
    })
  })

  it('use a connection again when its fetch is answered', async () => {
    const scripted = new ScriptedNode().answer(Fetch, () => ({ responses: [] }))
    await using listener = await listen(scripted)
    const brokers = remoteBrokers({ brokers: [listener.address] })
    await closing(brokers, async () => {
      for (let i = 0; i < 10; i++) await brokers.any().request(Fetch, fetchRequest)
      expect(listener.connectionCount).toBe(2)
    })
  })

  it('connect again by themselves when the listener was stopped and started', async () => {
    const first = await listen(node())
    const { port } = first
    const brokers = remoteBrokers({ brokers: [first.address], random: seededRandom(1) })
    await closing(brokers, async () => {
      await brokers.any().request(Heartbeat, heartbeat)
      await first.close()
      await expect(brokers.any().request(Heartbeat, heartbeat)).rejects.toMatchObject({ code: 'NETWORK_EXCEPTION' })
      await using _again = await listen(node(), { port })
      expect(await brokers.any().request(Heartbeat, heartbeat)).toMatchObject({ errorCode: 0 })
    })
  })

  it('outlive a broker that closes every connection before it is open', async () => {
    let accepted = 0
    const server = createServer(socket => {
      accepted++
      socket.on('error', () => {})
      socket.once('data', () => socket.destroy())
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const brokers = remoteBrokers({ brokers: [`127.0.0.1:${(server.address() as { port: number }).port}`] })
    await closing(brokers, async () => {
      for (let i = 0; i < 3; i++) {
        await expect(brokers.any().request(Heartbeat, heartbeat)).rejects.toMatchObject({ code: 'NETWORK_EXCEPTION' })
      }
    })
    expect(accepted).toBe(3)
    server.close()
  })

  it('give up connecting when they are closed', async () => {
    const sockets: Socket[] = []
    const server = createServer(socket => sockets.push(socket))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const brokers = remoteBrokers({ brokers: [`127.0.0.1:${(server.address() as { port: number }).port}`] })
    const refused = expect(brokers.any().request(Heartbeat, heartbeat)).rejects.toMatchObject({ code: 'CLOSED' })
    while (sockets.length === 0) await new Promise(setImmediate)
    const left = new Promise(resolve => sockets[0].on('close', resolve).resume())
    await brokers.close()
    await Promise.all([refused, left])
    server.close()
  })

  it('reject what is under way when they are closed, and everything after', async () => {
    await using listener = await listen(node(), { intercept: ({ api }, answer) => (api === (Metadata as Api) ? noAnswer : answer()) })
    const brokers = remoteBrokers({ brokers: [listener.address] })
    await brokers.any().request(Heartbeat, heartbeat)
    const waiting = brokers.any().request(Metadata, { topics: null })
    const refused = expect(waiting).rejects.toMatchObject({ code: 'CLOSED' })
    await new Promise(resolve => setImmediate(resolve))
    await brokers.close()
    await refused
    await expect(brokers.any().request(Heartbeat, heartbeat)).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it.each([
    [{ brokers: [] }, 'a list of at least one host:port'],
    [{ brokers: ['localhost'] }, 'a broker as `host:port`'],
    [{ brokers: ['localhost:99999'] }, 'a broker as `host:port`'],
    [{ brokers: ['a:1'], sasl: { mechanism: 'GSSAPI', username: 'a', password: 'b' } }, '`sasl.mechanism` to be one of'],
    [{ brokers: ['a:1'], retries: 3 }, 'Unknown option `retries`']
  ])('are not made from %j', (options, message) => {
    expect(() => remoteBrokers(options as never)).toThrow(message)
  })
})
