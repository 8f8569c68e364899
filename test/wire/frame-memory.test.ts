import { describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { RecordBatch } from '../../src/record/record-batch.js'
import { Connection } from '../../src/wire/connection.js'
import { FrameMemory } from '../../src/wire/frame-memory.js'
import { listen } from '../../src/wire/listener.js'

describe('memory for frames', () => {
  it('is used again when it was given back, and only then', () => {
    const memory = new FrameMemory()
    const first = memory.take(100_000)
    const second = memory.take(100_000)
    expect(second.buffer).not.toBe(first.buffer)
    memory.give(first.subarray(0, 100_000))
    expect(memory.take(70_000).buffer).toBe(first.buffer)
    expect(memory.take(100_000).buffer).not.toBe(second.buffer)
  })

  it('is not taken twice, nor from elsewhere', () => {
    const memory = new FrameMemory()
    const frame = memory.take(20_000)
    const foreign = new Uint8Array(32 * 1024)
    for (const bytes of [frame, frame, foreign]) memory.give(bytes)
    expect(memory.take(20_000).buffer).toBe(frame.buffer)
    expect([frame.buffer, foreign.buffer]).not.toContain(memory.take(20_000).buffer)
  })

  it('keeps the four largest that are free', () => {
    const memory = new FrameMemory()
    const frames = [17, 200, 300, 400, 500].map(kibibytes => memory.take(kibibytes * 1024))
    for (const frame of frames) memory.give(frame)
    const kept = frames.slice(1).map(({ buffer }) => buffer)
    for (let i = 0; i < 4; i++) expect(kept).toContain(memory.take(17 * 1024).buffer)
    expect(kept).not.toContain(memory.take(17 * 1024).buffer)
  })
})

describe('produce requests of which many arrive at once', () => {
  it('are each written as they were sent, though they share memory', async () => {
    await using cluster = await Cluster.open()
    await cluster.admin().createTopics([{ name: 'orders', partitions: 4 }])
    await using listener = await listen(cluster)
    const clients = await Promise.all([1, 2, 3].map(() => Connection.open({ host: '127.0.0.1', port: listener.port })))
    const sent: { index: number; value: string; ended: Promise<unknown> }[] = []
    for (let i = 0; i < 60; i++) {
      const value = `${i} `.repeat(10_000 + i * 300)
      const records = RecordBatch.of([{ value, timestamp: Date.now() }]).bytes
      const topicData = [{ name: 'orders', partitionData: [{ index: i % 4, records }] }]
      sent.push({ index: i % 4, value, ended: clients[i % 3].send(Produce, 9, { acks: -1, timeoutMs: 1000, topicData }) })
    }
    await Promise.all(sent.map(({ ended }) => ended))
    for (const client of clients) client.close()
    for (const { partition, log } of cluster.topic('orders').partitions) {
      const values: string[] = []
      while (values.length < log.logEndOffset) {
        const batch = new RecordBatch(await log.read(values.length, 1))
        batch.verify()
        for (const { value } of batch.records()) values.push(new TextDecoder().decode(value ?? undefined))
      }
      const expected = sent.filter(({ index }) => index === partition).map(({ value }) => value)
      expect(values.sort()).toEqual(expected.sort())
    }
  })
})
