import { afterEach, describe, expect, it } from 'vitest'
import { type LocalBroker, nodeOf } from '../../src/broker/local-broker.js'
import { backlogOf } from '../../src/broker/partition.js'
import { release } from '../../src/common/lease.js'
import { zeroUuid } from '../../src/common/uuid.js'
import type { Broker } from '../../src/protocol/broker.js'
import { DeleteTopics } from '../../src/protocol/messages/delete-topics.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { MemoryStorage } from '../../src/storage/memory/memory.js'
import type { VirtualClock } from '../../src/testing/virtual-clock.js'
import { settle } from '../consumer/helpers.js'
import { batch, createTopic, openNode, produceRequest, withError } from './helpers.js'

const kibibyte = 1024
const mebibyte = 1024 * kibibyte

let node: LocalBroker
let client: Broker
let clock: VirtualClock

async function open(maxMemoryBytes?: number): Promise<void> {
  const storage = new MemoryStorage({ maxFreeBytes: 0 })
  ;({ node, client, clock } = await openNode({ storage, ...(maxMemoryBytes !== undefined && { maxMemoryBytes }) }))
}

afterEach(() => node.close())

/** A reader of a partition, whose mark the test moves. */
function reader(topic: string, partition = 0, mark = 0, clientId = 'slow') {
  const reading = {
    topic,
    partition,
    at: mark,
    commits: 0,
    mark: () => reading.at,
    fetched: () => reading.at,
    commitSoon: () => void reading.commits++,
    handled: () => reading.at,
    deleted: () => {},
    watch: () => {}
  }
  const gone = nodeOf(node).backlog.readers.reads({ clientId, groupId: undefined, isMember: false, memberId: () => '' }, reading)
  return {
    reading,
    gone,
    moveTo(offset: number) {
      reading.at = offset
      nodeOf(node).backlog.readers.moved()
    }
  }
}

/** Sends a batch of one record of this size; the answer tells the error by name. */
async function send(topic: string, bytes: number, timeoutMs = 10_000, signal?: AbortSignal) {
  const request = { ...produceRequest(topic, 0, batch('x'.repeat(bytes))), timeoutMs }
  const { responses } = await client.request(Produce, request, signal)
  return withError(responses[0].partitionResponses[0])
}

async function fill(topic: string, count: number, bytes = 10 * kibibyte): Promise<void> {
  for (let i = 0; i < count; i++) expect((await send(topic, bytes)).error).toBe('NONE')
}

const logOf = (topic: string) => node.topics.get(topic)!.partitions[0].log

describe('a partition in memory', () => {
  const configs = { 'segment.bytes': String(20 * kibibyte), 'retention.bytes': String(50 * kibibyte) }

  it('keeps what its live reader has yet to read, and removes what it has read', async () => {
    await open()
    await createTopic(client, 'bus', 1, { 'segment.bytes': configs['segment.bytes'] })
    const { moveTo } = reader('bus')
    await fill('bus', 20)
    expect(logOf('bus').logStartOffset).toBe(0)
    moveTo(15)
    node.topics.get('bus')!.partitions[0].log.configure({ retentionBytes: 50 * kibibyte })
    await fill('bus', 1)
    expect(logOf('bus').logStartOffset).toBe(15)
  })

  it('holds a batch that would go beyond its limit, and appends it once the reader has moved on', async () => {
    await open()
    await createTopic(client, 'bus', 1, configs)
    const { moveTo } = reader('bus')
    await fill('bus', 4)
    const sent = send('bus', 15 * kibibyte)
    await settle()
    expect(logOf('bus').logEndOffset).toBe(4)
    moveTo(2)
    expect(await sent).toMatchObject({ error: 'NONE', baseOffset: 4 })
    expect(logOf('bus').logStartOffset).toBe(0)
  })

  it('appends held batches in the order in which they came, also when a later one would fit', async () => {
    await open()
    await createTopic(client, 'bus', 1, configs)
    const { moveTo } = reader('bus')
    await fill('bus', 4)
    const large = send('bus', 15 * kibibyte)
    const small = send('bus', 10)
    await settle()
    expect(logOf('bus').logEndOffset).toBe(4)
    moveTo(4)
    expect((await large).baseOffset).toBe(4)
    expect((await small).baseOffset).toBe(5)
  })

  it('answers a batch that was held for too long with an error that names the reader, and never appends it', async () => {
    await open()
    await createTopic(client, 'bus', 1, configs)
    const { moveTo } = reader('bus', 0, 1)
    await fill('bus', 5)
    const sent = send('bus', 15 * kibibyte, 10_000)
    await settle()
    await clock.advance(7999)
    expect(logOf('bus').logEndOffset).toBe(5)
    await clock.advance(1)
    const { error, errorMessage } = await sent
    expect(error).toBe('REQUEST_TIMED_OUT')
    expect(errorMessage).toMatch(/held for 8000 ms and not appended: bus-0 keeps at most 51200 bytes/)
    expect(errorMessage).toMatch(/`retention\.bytes`.*the consumer `slow` is 4 records, \d+ bytes, behind in bus-0/)
    moveTo(5)
    await settle()
    await clock.advance(60_000)
    expect(logOf('bus').logEndOffset).toBe(5)
  })

  it('never appends a batch whose request was given up', async () => {
    await open()
    await createTopic(client, 'bus', 1, configs)
    const { moveTo } = reader('bus')
    await fill('bus', 4)
    const controller = new AbortController()
    const sent = send('bus', 15 * kibibyte, 10_000, controller.signal)
    const next = send('bus', 10)
    await settle()
    controller.abort(new Error('given up'))
    await sent
    expect((await next).baseOffset).toBe(4)
    moveTo(5)
    await settle()
    expect(logOf('bus').logEndOffset).toBe(5)
  })

  it('takes a batch that is larger than its limit when everything has been read', async () => {
    await open()
    await createTopic(client, 'bus', 1, configs)
    const { moveTo } = reader('bus')
    await fill('bus', 1)
    moveTo(1)
    expect((await send('bus', 60 * kibibyte)).error).toBe('RECORD_LIST_TOO_LARGE') // larger than a segment
    await createTopic(client, 'small', 1, { 'retention.bytes': '1000' })
    reader('small')
    expect((await send('small', 2000)).error).toBe('NONE')
  })

  it('is not held by a reader that is gone', async () => {
    await open()
    await createTopic(client, 'bus', 1, configs)
    const { gone } = reader('bus')
    await fill('bus', 4)
    const sent = send('bus', 15 * kibibyte)
    await settle()
    gone()
    expect((await sent).error).toBe('NONE')
  })

  it('refuses what is held when its topic is deleted, and when the node closes', async () => {
    await open()
    await createTopic(client, 'bus', 1, configs)
    await createTopic(client, 'other', 1, configs)
    reader('bus')
    reader('other')
    await fill('bus', 4)
    await fill('other', 4)
    const sent = send('bus', 15 * kibibyte)
    const other = send('other', 15 * kibibyte)
    await settle()
    await client.request(DeleteTopics, { topics: [{ name: 'bus', topicId: zeroUuid }], timeoutMs: 1000 })
    expect((await sent).error).toBe('UNKNOWN_TOPIC_OR_PARTITION')
    await node.close()
    expect((await other).error).not.toBe('NONE')
  })
})

describe('the memory of a node', () => {
  it('bounds unread records, and says which reader is furthest behind', async () => {
    await open(8 * mebibyte)
    await createTopic(client, 'bus')
    reader('bus')
    let sent = 0
    let answer = send('bus', 400 * kibibyte)
    for (;;) {
      const done = await Promise.race([answer, settle()])
      if (!done) break
      sent++
      answer = send('bus', 400 * kibibyte)
    }
    expect(sent).toBeGreaterThan(10)
    expect(nodeOf(node).storage.memoryBytes).toBeLessThanOrEqual(8 * mebibyte)
    await clock.advance(8000)
    const { error, errorMessage } = await answer
    expect(error).toBe('REQUEST_TIMED_OUT')
    expect(errorMessage).toMatch(
      /the memory of the cluster, 8388608 bytes \(`maxMemoryBytes`\), is used up; furthest behind: the consumer `slow` is/
    )
  })

  it('is not asked for by what groups commit, which readers need to make room', async () => {
    await open(8 * mebibyte)
    await createTopic(client, 'bus')
    reader('bus')
    let held: ReturnType<typeof send> | undefined
    while (backlogOf(node.topics.get('bus')!.partitions[0]).held.length === 0) {
      held = send('bus', 400 * kibibyte)
      await Promise.race([held, settle()])
    }
    const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }]
    const { topics } = await client.request(OffsetCommit, { groupId: 'g', memberId: '', topics: [{ name: 'bus', partitions }] })
    expect(topics[0].partitions[0].errorCode).toBe(0)
    await clock.advance(8000)
    expect((await held)?.error).toBe('REQUEST_TIMED_OUT')
  })

  it('is made by removing what every live reader has read, the largest partition first', async () => {
    await open(8 * mebibyte)
    const small = { 'segment.bytes': String(500 * kibibyte) }
    for (const topic of ['large', 'little', 'unread']) await createTopic(client, topic, 1, small)
    await fill('large', 8, 400 * kibibyte)
    await fill('little', 2, 400 * kibibyte)
    reader('large').moveTo(8)
    reader('little').moveTo(2)
    reader('unread')
    await fill('unread', 10, 400 * kibibyte)
    expect(logOf('unread').logStartOffset).toBe(0)
    expect(logOf('little').logStartOffset).toBe(0)
    expect(logOf('large').logStartOffset).toBeGreaterThan(0)
    expect(nodeOf(node).storage.memoryBytes).toBeLessThanOrEqual(8 * mebibyte)
  })

  it('is made by shrinking logs that nobody reads before a producer is held', async () => {
    await open(8 * mebibyte)
    await createTopic(client, 'nobody')
    await createTopic(client, 'bus')
    reader('bus')
    await fill('nobody', 10, 400 * kibibyte)
    await fill('bus', 8, 400 * kibibyte)
    expect(logOf('nobody').logStartOffset).toBeGreaterThan(0)
    expect(logOf('bus').logStartOffset).toBe(0)
  })

  it('never takes what a topic is to keep for ever, and says so', async () => {
    await open(8 * mebibyte)
    await createTopic(client, 'events', 1, { 'retention.bytes': '-1' })
    const answers = Array.from({ length: 20 }, () => send('events', 400 * kibibyte))
    await settle()
    await clock.advance(8000)
    const last = await answers[19]
    expect(last.error).toBe('REQUEST_TIMED_OUT')
    expect(last.errorMessage).toMatch(/is used up, by records that their topics are to keep/)
    expect(logOf('events').logStartOffset).toBe(0)
  })

  it('leaves room to partitions with a small backlog when one has used up its share', async () => {
    await open(16 * mebibyte)
    await createTopic(client, 'large')
    await createTopic(client, 'little')
    reader('large')
    reader('little')
    const answers = Array.from({ length: 100 }, () => send('large', 400 * kibibyte))
    await settle()
    expect(backlogOf(node.topics.get('large')!.partitions[0]).held.length).toBeGreaterThan(0)
    await fill('little', 2, 400 * kibibyte)
    await clock.advance(8000)
    await Promise.all(answers)
  })

  it('counts what is lent of removed segments until it is given back', () => {
    const storage = new MemoryStorage({ maxFreeBytes: 0 })
    const file = storage.open('a')
    file.append(new Uint8Array(4096))
    const before = storage.memoryBytes
    const view = file.read(0, 4096) as Uint8Array
    file.close()
    storage.remove('a')
    expect(storage.memoryBytes).toBe(before)
    release(view)
    expect(storage.memoryBytes).toBe(0)
    return open()
  })
})
