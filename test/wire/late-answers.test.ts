import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { deferred } from '../../src/common/deferred.js'
import { batchesIn } from '../../src/record/record-batch.js'
import { connect } from '../../src/wire/connect.js'
import type { Exchange } from '../../src/wire/intercept.js'
import { listen } from '../../src/wire/listener.js'

/** Stands between clients and a listener, and can stop taking what clients send. */
async function valve() {
  const sockets = new Set<Socket>()
  let isShut = false
  let target = 0
  const server = createServer(client => {
    const upstream = connectTcp(target, '127.0.0.1')
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    upstream.pipe(client)
    client.on('data', chunk => {
      if (!upstream.write(chunk)) client.pause()
    })
    upstream.on('drain', () => {
      if (!isShut) client.resume()
    })
    if (isShut) client.pause()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    port,
    leadTo(to: number) {
      target = to
    },
    shut() {
      isShut = true
      for (const socket of sockets) socket.pause()
    },
    open() {
      isShut = false
      for (const socket of sockets) socket.resume()
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => server.close(resolve))
    }
  }
}

/** For each batch of a Produce request, the byte that all of its records consist of; `damaged` where it is another one's in part. */
function produced({ body }: Exchange): string[] {
  const { topicData } = body as { topicData: { partitionData: { records: Uint8Array }[] }[] }
  return topicData.flatMap(({ partitionData }) =>
    partitionData.map(({ records }) => {
      try {
        const [batch] = batchesIn(records)
        batch.verify()
        const [{ value }] = batch.records()
        return String.fromCharCode(value?.[0] as number)
      } catch {
        return 'damaged'
      }
    })
  )
}

it('a batch that is given up while the socket still sends it is never mixed with the one that takes its memory', async () => {
  await using here = await Cluster.open()
  await here.admin().createTopic({ name: 'orders', partitions: 1, configs: { 'max.message.bytes': '40000000' } })
  const seen: string[] = []
  await using between = await valve()
  await using listener = await listen(here, {
    port: 0,
    advertisedPort: between.port,
    maxRequestBytes: 50_000_000,
    intercept(exchange, answer) {
      if (exchange.api.name === 'Produce') seen.push(...produced(exchange))
      return answer()
    }
  })
  between.leadTo(listener.port)
  await using cluster = await connect({ brokers: [`127.0.0.1:${between.port}`] })
  await using producer = cluster.producer({
    batchSize: 20_000_000,
    maxRequestSize: 40_000_000,
    bufferMemory: 200_000_000,
    deliveryTimeoutMs: 400,
    requestTimeoutMs: 200,
    retryBackoffMs: 1500,
    retryBackoffMaxMs: 1500
  })
  await producer.send('orders', { value: 'first' })
  between.shut()
  await expect(producer.send('orders', { value: new Uint8Array(16_000_000).fill(97) })).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT' })
  const next = producer.send('orders', { value: new Uint8Array(8_000_000).fill(98) })
  between.open()
  await next.catch(() => {})
  await cluster.producer({ maxRequestSize: 40_000_000 }).send('orders', { value: 'last' })
  expect(seen).not.toContain('damaged')
})

it('an answer that comes late counts for no other request', async () => {
  await using here = await Cluster.open()
  await here.admin().createTopic({ name: 'orders', partitions: 1 })
  const held = deferred()
  const asked = deferred()
  let produceRequests = 0
  await using listener = await listen(here, {
    async intercept(exchange, answer) {
      const written = await answer()
      if (exchange.api.name === 'Produce' && ++produceRequests === 1) {
        asked.resolve()
        await held.promise
      }
      return written
    }
  })
  await using cluster = await connect({ brokers: [listener.address] })
  await using producer = cluster.producer({ requestTimeoutMs: 200, retryBackoffMs: 10 })
  const retried = deferred()
  producer.on('retry', () => retried.resolve())
  const sent = producer.send('orders', { value: 'a' })
  await asked.promise
  await retried.promise
  held.resolve()
  const { offset } = await sent
  const others = await Promise.all(['b', 'c'].map(value => producer.send('orders', { value })))
  const values: string[] = []
  const consumer = here.consumer({ topics: ['orders'], autoOffsetReset: 'earliest' })
  for await (const record of consumer) {
    values[record.offset] = Buffer.from(record.value).toString()
    if (record.offset === others[1].offset) break
  }
  await consumer.close()
  expect([values[offset], ...others.map(other => values[other.offset])]).toEqual(['a', 'b', 'c'])
  expect(values).toEqual(['a', ...Array(others[0].offset - 1).fill('a'), 'b', 'c'])
})
