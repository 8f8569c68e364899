import { describe, expect, it } from 'vitest'
import { LocalBroker } from '../../src/broker/local-broker.js'
import { seededRandom } from '../../src/common/random.js'
import { KafkaError } from '../../src/errors.js'
import { Heartbeat } from '../../src/protocol/messages/heartbeat.js'
import { ListOffsets } from '../../src/protocol/messages/list-offsets.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { RecordBatch } from '../../src/record/record-batch.js'
import { MemoryStorage } from '../../src/storage/memory/memory.js'
import { InterceptedBroker } from '../../src/testing/intercepted-broker.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'

const askForOrders = { topics: [{ name: 'orders' }], allowAutoTopicCreation: true }

async function intercepted() {
  const clock = new VirtualClock()
  const node = await LocalBroker.open({ storage: new MemoryStorage(), clock, random: seededRandom(1) })
  const broker = new InterceptedBroker(node.connect({ clientId: 'test' }), clock)
  await broker.request(Metadata, askForOrders)
  broker.reset()
  const endOffset = () => node.topics.get('orders')?.partitions[0].log.logEndOffset
  return { clock, node, broker, endOffset }
}

function produceRequest(value = 'x') {
  const { bytes } = RecordBatch.of([{ value, timestamp: Date.UTC(2024, 0, 1) }])
  return {
    transactionalId: null,
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name: 'orders', partitionData: [{ index: 0, records: bytes }] }]
  }
}

describe('an intercepted broker', () => {
  it('hands requests on as they are when there is no rule', async () => {
    const { broker, endOffset } = await intercepted()
    const response = await broker.request(Produce, produceRequest())
    expect(response.responses[0].partitionResponses[0]).toMatchObject({ errorCode: 0, baseOffset: 0 })
    expect(endOffset()).toBe(1)
  })

  it('remembers what it saw, in copies that later changes do not reach', async () => {
    const { broker } = await intercepted()
    const request = produceRequest()
    await broker.request(Produce, request)
    request.topicData[0].partitionData[0].records.fill(0)
    await broker.request(Metadata, askForOrders)
    expect(broker.seen().map(({ api }) => api.name)).toEqual(['Produce', 'Metadata'])
    const [seen] = broker.seen(Produce)
    expect(seen.request.topicData[0].partitionData[0].records?.[16]).toBe(2)
    expect((await seen.response).responses[0].partitionResponses[0].baseOffset).toBe(0)
  })

  it('fails requests before the broker sees them, as often as told', async () => {
    const { broker, endOffset } = await intercepted()
    broker.on(Produce).times(2).fail('NETWORK_EXCEPTION')
    for (let i = 0; i < 2; i++) await expect(broker.request(Produce, produceRequest())).rejects.toMatchObject({ code: 'NETWORK_EXCEPTION' })
    expect(endOffset()).toBe(0)
    await broker.request(Produce, produceRequest())
    expect(endOffset()).toBe(1)
  })

  it('fails with an error of the test’s own', async () => {
    const { broker } = await intercepted()
    const error = new KafkaError('NOT_CONTROLLER', 'moved')
    const rule = broker.on(Metadata).fail(error)
    await expect(broker.request(Metadata, askForOrders)).rejects.toBe(error)
    expect(rule.count).toBe(1)
    rule.remove()
    await broker.request(Metadata, askForOrders)
    expect(rule.count).toBe(1)
  })

  it('answers with an error for every partition that was asked for', async () => {
    const { broker, endOffset } = await intercepted()
    broker.on(Produce).once().answer('NOT_LEADER_OR_FOLLOWER')
    expect((await broker.request(Produce, produceRequest())).responses).toMatchObject([
      { name: 'orders', partitionResponses: [{ index: 0, errorCode: 6 }] }
    ])
    expect(endOffset()).toBe(0)
    broker.on(ListOffsets).answer('LEADER_NOT_AVAILABLE')
    const partitions = [
      { partitionIndex: 3, timestamp: -1 },
      { partitionIndex: 4, timestamp: -2 }
    ]
    const listed = await broker.request(ListOffsets, { replicaId: -1, isolationLevel: 0, topics: [{ name: 'orders', partitions }] })
    expect(listed.topics).toMatchObject([
      {
        name: 'orders',
        partitions: [
          { partitionIndex: 3, errorCode: 5 },
          { partitionIndex: 4, errorCode: 5 }
        ]
      }
    ])
  })

  it('answers with an error at the top where the api has it there, and in Metadata without inventing brokers', async () => {
    const { broker } = await intercepted()
    broker.on(Heartbeat).answer('REBALANCE_IN_PROGRESS')
    expect(await broker.request(Heartbeat, { groupId: 'g', generationId: 1, memberId: 'm' })).toMatchObject({ errorCode: 27 })
    broker.on(Metadata).answer('LEADER_NOT_AVAILABLE')
    const metadata = await broker.request(Metadata, askForOrders)
    expect(metadata.brokers).toEqual([])
    expect(metadata.topics).toMatchObject([{ name: 'orders', errorCode: 5, partitions: [] }])
  })

  it('delays a request by the clock', async () => {
    const { broker, clock, endOffset } = await intercepted()
    broker.on(Produce).delay(500)
    const response = broker.request(Produce, produceRequest())
    await clock.advance(499)
    expect(endOffset()).toBe(0)
    await clock.advance(1)
    expect(endOffset()).toBe(1)
    await response
  })

  it('delays a response by the clock', async () => {
    const { broker, clock, endOffset } = await intercepted()
    broker.on(Produce).delayResponse(500)
    let isAnswered = false
    const response = broker.request(Produce, produceRequest()).then(() => {
      isAnswered = true
    })
    await clock.advance(499)
    expect([endOffset(), isAnswered]).toEqual([1, false])
    await clock.advance(1)
    await response
  })

  it('holds requests until they are released', async () => {
    const { broker, endOffset } = await intercepted()
    const hold = broker.on(Produce).hold()
    const responses = [broker.request(Produce, produceRequest('a')), broker.request(Produce, produceRequest('b'))]
    await hold.held(2)
    expect([hold.heldCount, endOffset()]).toEqual([2, 0])
    hold.release()
    await Promise.all(responses)
    expect([hold.heldCount, endOffset()]).toEqual([0, 2])
    await broker.request(Produce, produceRequest('c'))
  })

  it('holds responses to what the broker has already done', async () => {
    const { broker, endOffset } = await intercepted()
    const hold = broker.on(Produce).once().holdResponse()
    const response = broker.request(Produce, produceRequest())
    await hold.held()
    expect(endOffset()).toBe(1)
    hold.release()
    await response
  })

  it('loses requests and responses: nothing comes back until the client gives up', async () => {
    const { broker, endOffset } = await intercepted()
    broker.on(Produce).once().loseRequest()
    broker.on(Produce).once().loseResponse()
    for (const expected of [0, 1]) {
      const giveUp = new AbortController()
      const response = broker.request(Produce, produceRequest(), giveUp.signal)
      await new Promise(setImmediate)
      giveUp.abort(new Error('enough'))
      await expect(response).rejects.toThrow('enough')
      expect(endOffset()).toBe(expected)
    }
  })

  it('rewrites requests and responses, some of them if told so', async () => {
    const { broker, endOffset } = await intercepted()
    broker
      .on(Produce)
      .when(({ acks }) => acks === 1)
      .rewriteRequest(request => ({ ...request, topicData: [] }))
    broker.on(Produce).rewriteResponse(response => ({ ...response, throttleTimeMs: 7 }))
    expect(await broker.request(Produce, { ...produceRequest(), acks: 1 })).toMatchObject({ responses: [], throttleTimeMs: 7 })
    expect(endOffset()).toBe(0)
    await broker.request(Produce, produceRequest())
    expect(endOffset()).toBe(1)
  })

  it('applies rules in the order in which they were added; one that is not reached is not used up', async () => {
    const { broker } = await intercepted()
    const first = broker.on(Metadata).once().fail('NETWORK_EXCEPTION')
    const second = broker.on(Metadata).once().fail('REQUEST_TIMED_OUT')
    await expect(broker.request(Metadata, askForOrders)).rejects.toMatchObject({ code: 'NETWORK_EXCEPTION' })
    expect([first.count, second.count]).toEqual([1, 0])
    await expect(broker.request(Metadata, askForOrders)).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' })
    await broker.request(Metadata, askForOrders)
  })

  it('stands before all brokers of a cluster, and tells which node a request went to', async () => {
    const { broker: inner } = await intercepted()
    const learnt: unknown[] = []
    const brokers = {
      any: () => inner,
      byId: (id: number) => (id === 0 ? inner : undefined),
      learn: (nodes: unknown) => learnt.push(nodes)
    }
    const broker = new InterceptedBroker(brokers)
    expect(broker.byId(5)).toBeUndefined()
    broker.learn([{ nodeId: 0, host: 'h', port: 1 }])
    expect(learnt).toHaveLength(1)
    await broker.any().request(Metadata, askForOrders)
    await broker.byId(0)?.request(Produce, produceRequest())
    expect(broker.seen().map(({ nodeId }) => nodeId)).toEqual([undefined, 0])
  })

  it('refuses rules that make no sense', async () => {
    const { broker } = await intercepted()
    expect(() => broker.on(Produce).times(0)).toThrow('Expected `times` to be a positive integer, got `0`')
    expect(() => broker.on(Produce).when('no' as never)).toThrow('Expected `when` to be a function')
  })
})
