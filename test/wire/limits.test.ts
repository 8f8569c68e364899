import { describe, expect, it } from 'vitest'
import { deferred } from '../../src/common/deferred.js'
import { Fetch } from '../../src/protocol/messages/fetch.js'
import { Heartbeat } from '../../src/protocol/messages/heartbeat.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { type Intercept, noAnswer } from '../../src/wire/intercept.js'
import { type Listener, listen } from '../../src/wire/listener.js'
import { RawClient, requestFrame } from './raw-client.js'
import { ScriptedNode } from './scripted-node.js'

const heartbeat = { groupId: 'g', generationId: 1, memberId: 'm' }
const fetchRequest = { maxWaitMs: 0, minBytes: 1, topics: [] }
const fetchResponse = (records: Uint8Array) => ({
  responses: [{ topic: 't', partitions: [{ partitionIndex: 0, errorCode: 0, highWatermark: 1, records }] }]
})
const produceRequest = (size: number) => ({
  acks: 1,
  timeoutMs: 1000,
  topicData: [{ name: 't', partitionData: [{ index: 0, records: new Uint8Array(size) }] }]
})

function reasons(listener: Listener): (string | undefined)[] {
  const seen: (string | undefined)[] = []
  listener.on('disconnected', ({ reason }) => seen.push(reason?.message))
  return seen
}

describe('the limits of a listener', () => {
  it('maxConnections: one more is closed at once', async () => {
    await using listener = await listen(
      new ScriptedNode().answer(Heartbeat, () => ({ errorCode: 0 })),
      { maxConnections: 2 }
    )
    const seen = reasons(listener)
    const hosts: string[] = []
    listener.on('disconnected', ({ clientHost }) => hosts.push(clientHost))
    using one = await RawClient.connect(listener.port)
    using _two = await RawClient.connect(listener.port)
    using three = await RawClient.connect(listener.port)
    await three.closed
    expect(seen).toEqual(['More than 2 connections (maxConnections)'])
    expect(hosts).toEqual(['/127.0.0.1'])
    one.request(Heartbeat, 0, heartbeat)
    await one.response(Heartbeat, 0)
    one.socket.destroy()
    while (listener.connectionCount > 1) await new Promise(resolve => setImmediate(resolve))
    using four = await RawClient.connect(listener.port)
    four.request(Heartbeat, 0, heartbeat)
    await four.response(Heartbeat, 0)
  })

  it('maxRequestBytes: a larger request closes its connection before it is read', async () => {
    await using listener = await listen(new ScriptedNode(), { maxRequestBytes: 1000 })
    const seen = reasons(listener)
    using client = await RawClient.connect(listener.port)
    client.send(requestFrame(Produce, 9, produceRequest(1000)).subarray(0, 6))
    await client.closed
    expect(seen).toEqual([expect.stringContaining('0 to 1000 are accepted')])
  })

  it('maxInFlightBytes: large requests wait for their turn, small ones do not', async () => {
    const gates = [deferred(), deferred()]
    const sizes: number[] = []
    const node = new ScriptedNode()
      .answer(Produce, async ({ topicData }) => {
        sizes.push(topicData[0].partitionData[0].records?.length ?? 0)
        await gates[sizes.length - 1].promise
        return { responses: [] }
      })
      .answer(Heartbeat, () => ({ errorCode: 0 }))
    await using listener = await listen(node, { maxInFlightBytes: 300_000 })
    using first = await RawClient.connect(listener.port)
    using second = await RawClient.connect(listener.port)
    using small = await RawClient.connect(listener.port)
    first.request(Produce, 9, produceRequest(200_000), 1)
    while (sizes.length === 0) await new Promise(resolve => setImmediate(resolve))
    second.request(Produce, 9, produceRequest(200_001), 2)
    small.request(Heartbeat, 0, heartbeat, 3)
    expect((await small.response(Heartbeat, 0)).correlationId).toBe(3)
    expect(sizes).toEqual([200_000])
    gates[0].resolve()
    expect((await first.response(Produce, 9)).correlationId).toBe(1)
    gates[1].resolve()
    expect((await second.response(Produce, 9)).correlationId).toBe(2)
    expect(sizes).toEqual([200_000, 200_001])
  })

  it('maxInFlightBytes: counts what has come of a request, whatever was announced', async () => {
    const node = new ScriptedNode().answer(Produce, () => ({ responses: [] })).answer(Fetch, () => fetchResponse(new Uint8Array(10)))
    await using listener = await listen(node, { maxInFlightBytes: 300_000 })
    const liars = await Promise.all([1, 2, 3, 4].map(() => RawClient.connect(listener.port)))
    for (const { socket } of liars) socket.write(Buffer.from([0x06, 0x40, 0, 0, 0]))
    using client = await RawClient.connect(listener.port)
    client.request(Produce, 9, produceRequest(290_000), 1)
    expect((await client.response(Produce, 9)).correlationId).toBe(1)
    client.request(Fetch, 12, fetchRequest, 2)
    expect((await client.response(Fetch, 12)).correlationId).toBe(2)
    for (const liar of liars) liar.socket.destroy()
  })

  it('stallTimeoutMs: a byte now and then of a large request is no progress', async () => {
    const clock = new VirtualClock()
    await using listener = await listen(new ScriptedNode(), { stallTimeoutMs: 5000, clock })
    const client = await RawClient.connect(listener.port)
    client.socket.on('error', () => {})
    client.socket.write(Buffer.from([0x06, 0x40, 0, 0]))
    let isOpen = true
    void client.closed.then(() => (isOpen = false))
    for (let i = 0; i < 20 && isOpen; i++) {
      client.socket.write(Buffer.from([0]))
      await new Promise(resolve => setImmediate(resolve))
      await clock.advance(1000)
    }
    await client.closed
  })

  it('maxInFlightBytes: a request beyond it is served alone', async () => {
    const node = new ScriptedNode().answer(Produce, () => ({ responses: [] }))
    await using listener = await listen(node, { maxInFlightBytes: 100_000 })
    using client = await RawClient.connect(listener.port)
    for (const size of [500_000, 400_000]) {
      client.request(Produce, 9, produceRequest(size), size)
      expect((await client.response(Produce, 9)).correlationId).toBe(size)
    }
  })

  it('maxInFlightBytes: a request that is never answered gives its room back when its client has gone', async () => {
    const node = new ScriptedNode().answer(Produce, () => ({ responses: [] }))
    const asked = deferred()
    const intercept: Intercept = async ({ clientId, signal }, answer) => {
      if (clientId !== 'leaves') return answer()
      asked.resolve()
      await new Promise(resolve => signal.addEventListener('abort', resolve))
      return noAnswer
    }
    await using listener = await listen(node, { maxInFlightBytes: 100_000, intercept })
    using gone = await RawClient.connect(listener.port)
    gone.request(Produce, 9, produceRequest(90_000), 1, 'leaves')
    await asked.promise
    gone.socket.destroy()
    using client = await RawClient.connect(listener.port)
    client.request(Produce, 9, produceRequest(90_000), 2)
    expect((await client.response(Produce, 9)).correlationId).toBe(2)
  })

  it('maxInFlightBytes: a fetch that is larger itself does not wait for itself', async () => {
    const node = new ScriptedNode().answer(Fetch, () => fetchResponse(new Uint8Array(10)))
    await using listener = await listen(node, { maxInFlightBytes: 100_000 })
    using client = await RawClient.connect(listener.port)
    const partitions = Array.from({ length: 10_000 }, (_, partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1 }))
    client.request(Fetch, 12, { ...fetchRequest, topics: [{ topic: 't', partitions }] }, 4)
    expect((await client.response(Fetch, 12)).correlationId).toBe(4)
  })

  it('maxInFlightBytes: answers that nobody takes hold up fetches, and nothing else, until their connection is given up', async () => {
    const clock = new VirtualClock()
    const node = new ScriptedNode()
      .answer(Fetch, () => fetchResponse(new Uint8Array(30_000_000)))
      .answer(Heartbeat, () => ({ errorCode: 0 }))
    await using listener = await listen(node, { maxInFlightBytes: 1_000_000, stallTimeoutMs: 5000, clock })
    const seen = reasons(listener)
    using deaf = await RawClient.connect(listener.port)
    using other = await RawClient.connect(listener.port)
    deaf.socket.pause()
    deaf.request(Fetch, 12, fetchRequest)
    while (node.seen.length === 0) await new Promise(resolve => setImmediate(resolve))
    other.request(Heartbeat, 0, heartbeat, 1)
    await other.response(Heartbeat, 0)
    other.request(Fetch, 12, fetchRequest, 2)
    await clock.advance(4000)
    expect(node.seen.map(({ api }) => api.name)).toEqual(['Fetch', 'Heartbeat'])
    await clock.advance(3000)
    expect((await other.response(Fetch, 12)).correlationId).toBe(2)
    expect(seen).toEqual(['The connection stalled for 5000 ms (stallTimeoutMs)'])
  })

  it('maxInFlightBytes: fetches at the same time share what is left', async () => {
    const answer = deferred()
    const asked: [number, number][] = []
    const node = new ScriptedNode().answer(Fetch, async ({ maxBytes, minBytes }) => {
      asked.push([maxBytes ?? -1, minBytes])
      await answer.promise
      return { responses: [] }
    })
    await using listener = await listen(node, { maxInFlightBytes: 3_600_000 })
    const clients = await Promise.all([1, 2, 3, 4, 5].map(() => RawClient.connect(listener.port)))
    const [small, ...large] = clients
    small.request(Fetch, 12, { ...fetchRequest, maxBytes: 1000 })
    for (const [i, client] of large.entries()) {
      while (asked.length <= i) await new Promise(resolve => setImmediate(resolve))
      client.request(Fetch, 12, { ...fetchRequest, maxBytes: 50_000_000, minBytes: 250_000 })
    }
    while (asked.length < 5) await new Promise(resolve => setImmediate(resolve))
    expect(asked).toEqual([
      [1000, 1],
      [450_000, 250_000],
      [300_000, 250_000],
      [225_000, 225_000],
      [180_000, 180_000]
    ])
    answer.resolve()
    for (const client of clients) await client.response(Fetch, 12)
    small.request(Fetch, 12, { ...fetchRequest, maxBytes: 50_000_000 })
    await small.response(Fetch, 12)
    expect(asked.at(-1)).toEqual([900_000, 1])
    for (const client of clients) client[Symbol.dispose]()
  })

  it('maxInFlightBytes: fetches of very many partitions count for as long as they wait, which is not long', async () => {
    const answer = deferred()
    const asked: number[] = []
    const node = new ScriptedNode().answer(Fetch, async ({ maxWaitMs }) => {
      asked.push(maxWaitMs)
      await answer.promise
      return { responses: [] }
    })
    await using listener = await listen(node, { maxInFlightBytes: 1_000_000 })
    using first = await RawClient.connect(listener.port)
    using second = await RawClient.connect(listener.port)
    using third = await RawClient.connect(listener.port)
    const partitions = Array.from({ length: 5000 }, (_, partition) => ({ partition, fetchOffset: 0, partitionMaxBytes: 1 }))
    const heavy = { ...fetchRequest, maxWaitMs: 60_000, topics: [{ topic: 't', partitions }] }
    first.request(Fetch, 12, heavy)
    while (asked.length < 1) await new Promise(resolve => setImmediate(resolve))
    second.request(Fetch, 12, heavy)
    third.request(Fetch, 12, { ...fetchRequest, maxWaitMs: 60_000 })
    for (let i = 0; i < 20; i++) await new Promise(resolve => setImmediate(resolve))
    expect(asked).toEqual([1000])
    answer.resolve()
    for (const client of [first, second, third]) await client.response(Fetch, 12)
    expect(asked.sort()).toEqual([1000, 1000, 60_000])
  })

  it('a request of more than a hundred thousand elements closes its connection', async () => {
    await using listener = await listen(new ScriptedNode())
    const seen = reasons(listener)
    using client = await RawClient.connect(listener.port)
    const partitions = Array.from({ length: 100_000 }, () => ({ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 }))
    client.request(Fetch, 12, { ...fetchRequest, topics: [{ topic: 't', partitions }] })
    await client.closed
    expect(seen).toEqual([expect.stringContaining('more than 100000 elements')])
  })

  it('stallTimeoutMs: a request that does not go on closes its connection', async () => {
    const clock = new VirtualClock()
    await using listener = await listen(
      new ScriptedNode().answer(Heartbeat, () => ({ errorCode: 0 })),
      { stallTimeoutMs: 5000, clock }
    )
    const seen = reasons(listener)
    using client = await RawClient.connect(listener.port)
    const frame = requestFrame(Heartbeat, 0, heartbeat)
    client.send(frame, frame.subarray(0, 10))
    await client.response(Heartbeat, 0)
    await clock.advance(4000)
    expect(seen).toEqual([])
    await clock.advance(3000)
    await client.closed
    expect(seen).toEqual(['The connection stalled for 5000 ms (stallTimeoutMs)'])
  })

  it('idleTimeoutMs: a silent connection is closed, one that waits for an answer is not', async () => {
    const clock = new VirtualClock()
    const answer = deferred()
    const node = new ScriptedNode().answer(Fetch, async () => {
      await answer.promise
      return { responses: [] }
    })
    await using listener = await listen(node, { idleTimeoutMs: 60_000, clock })
    const seen = reasons(listener)
    using idle = await RawClient.connect(listener.port)
    using waiting = await RawClient.connect(listener.port)
    waiting.request(Fetch, 12, fetchRequest, 9)
    while (node.seen.length === 0) await new Promise(resolve => setImmediate(resolve))
    await clock.advance(62_000)
    await idle.closed
    expect(seen).toEqual(['The connection was idle for 60000 ms (idleTimeoutMs)'])
    answer.resolve()
    expect((await waiting.response(Fetch, 12)).correlationId).toBe(9)
  })

  it('are checked when it is opened', async () => {
    await expect(listen(new ScriptedNode(), { port: 70000 })).rejects.toThrow('Expected `port` to be an integer from 0 to 65535')
    await expect(listen(new ScriptedNode(), { maxConnection: 3 } as never)).rejects.toThrow('Unknown option `maxConnection`')
    await expect(listen(new ScriptedNode(), { maxVersions: { Fech: 3 } })).rejects.toThrow(
      "Expected `maxVersions` to name APIs, got `'Fech'`"
    )
    for (const sasl of [{ users: 3 }, { users: {}, mechanisms: [] }, { users: {}, mechanisms: ['GSSAPI'] }, { users: {}, user: 'a' }])
      await expect(listen(new ScriptedNode(), { sasl: sasl as never })).rejects.toThrow(TypeError)
    await expect(listen({ node: undefined })).rejects.toThrow('Expected a cluster with a node in this process')
  })
})

describe('ten thousand requests on one connection', () => {
  it('are answered in order, whatever their sizes', async () => {
    const node = new ScriptedNode().answer(Produce, ({ topicData }) => ({
      responses: [
        {
          name: 't',
          partitionResponses: [{ index: 0, errorCode: 0, baseOffset: topicData[0].partitionData[0].records?.length ?? -1 }]
        }
      ]
    }))
    await using listener = await listen(node)
    using client = await RawClient.connect(listener.port)
    const sizes = Array.from({ length: 10_000 }, (_, i) => (i % 500 === 0 ? 150_000 : i % 200))
    const answered = (async () => {
      for (const [i, size] of sizes.entries()) {
        const { correlationId, body } = await client.response(Produce, 9)
        if (correlationId !== i || body.responses[0].partitionResponses[0].baseOffset !== size) throw new Error(`answer ${i} is wrong`)
      }
    })()
    for (const [i, size] of sizes.entries()) client.request(Produce, 9, produceRequest(size), i)
    await answered
  })
})
