import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Accumulator } from '../../src/producer/accumulator.js'
import type { PartitionQueue } from '../../src/producer/partition-queue.js'
import type { ProducerBatch } from '../../src/producer/producer-batch.js'
import type { Receipt } from '../../src/producer/receipt.js'
import { batchesIn } from '../../src/record/record-batch.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { text } from './workbench.js'

/** An accumulator whose records say which they are, and a receipt that notes what becomes of them. */
function bench(options: { readonly lingerMs?: number; readonly bufferMemory?: number } = {}) {
  const clock = new VirtualClock()
  let readyCount = 0
  const accumulator = new Accumulator({
    clock,
    compression: 'none',
    batchSize: 1000,
    lingerMs: 0,
    bufferMemory: 1_000_000,
    deliveryTimeoutMs: 1000,
    onReady: () => readyCount++,
    ...options
  })
  const fates = new Map<number, string>()
  const receipt: Receipt = {
    delivered: () => {},
    failed: (_partition, indexes) => {
      for (const index of indexes) fates.set(index, 'failed')
    },
    refused: () => {}
  }
  let sent = 0
  const append = (queue: PartitionQueue, count = 1) => {
    for (let i = 0; i < count; i++) {
      const batch = accumulator.openBatch(queue)
      batch.append(receipt, sent, 0, null, `${sent++}`, [])
      accumulator.appended(queue, batch)
    }
  }
  const drain = () => {
    const drained: ProducerBatch[] = []
    accumulator.drain(clock.monotonic(), (_queue, batch) => drained.push(batch))
    return drained
  }
  const valuesOf = (batch: ProducerBatch) => {
    const bytes = batch.lend().slice()
    batch.giveBack()
    return [...batchesIn(bytes)].flatMap(each => [...each.records()].map(({ value }) => text(value)))
  }
  return { accumulator, clock, append, drain, valuesOf, fates, readyCount: () => readyCount }
}

it('a batch that is put back goes before all that were opened after it', () => {
  const { accumulator, append, drain, valuesOf } = bench()
  const queue = accumulator.queueOf('orders', 0)
  append(queue, 2)
  const [first] = drain()
  append(queue, 1)
  accumulator.closeAll()
  append(queue, 1)
  queue.ended(first)
  accumulator.putBack(queue, first)
  const seen: (string | null)[] = []
  for (accumulator.goOn(queue); accumulator.isReady; accumulator.goOn(queue)) {
    for (const batch of drain()) {
      seen.push(...valuesOf(batch))
      queue.ended(batch)
    }
  }
  expect(seen).toEqual(['0', '1', '2', '3'])
})

it('the halves of a batch take its place, in order', () => {
  const { accumulator, append, drain, valuesOf } = bench()
  const queue = accumulator.queueOf('orders', 0)
  append(queue, 8)
  const [whole] = drain()
  append(queue, 1)
  accumulator.lend(queue, whole)
  whole.giveBack()
  queue.ended(whole)
  accumulator.split(queue, whole)
  const seen: (string | null)[][] = []
  for (accumulator.goOn(queue); accumulator.isReady; accumulator.goOn(queue)) {
    for (const batch of drain()) {
      seen.push(valuesOf(batch))
      queue.ended(batch)
    }
  }
  expect(seen.flat()).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8'])
  expect(seen).toHaveLength(3)
})

it('a batch that is under way keeps its memory until its call has ended, whatever becomes of it before', () => {
  const { accumulator, append, drain } = bench()
  const queue = accumulator.queueOf('orders', 0)
  append(queue)
  const [batch] = drain()
  batch.fail(0, new Error('given up'))
  accumulator.complete(queue, batch)
  expect(batch.isDone).toBe(true)
  expect(batch.countedBytes).toBeGreaterThan(0)
  append(queue)
  expect(queue.open).not.toBe(batch)
  queue.ended(batch)
  accumulator.complete(queue, batch)
  expect(batch.countedBytes).toBe(0)
  const other = accumulator.queueOf('orders', 1)
  append(other)
  expect(other.open, 'the batch is used again').toBe(batch)
})

it('a batch cannot be completed with another fate, put back while it is under way, or used again while it is lent', () => {
  const { accumulator, append, drain } = bench()
  const queue = accumulator.queueOf('orders', 0)
  append(queue)
  const [batch] = drain()
  expect(() => accumulator.putBack(queue, batch)).toThrow('neither done nor under way')
  batch.lend()
  queue.ended(batch)
  expect(() => queue.ended(batch)).toThrow('under way')
  batch.deliver(0, 0, -1)
  expect(() => batch.deliver(0, 0, -1)).toThrow('one fate')
  accumulator.complete(queue, batch)
  append(queue)
  expect(queue.open, 'a request still holds its bytes').not.toBe(batch)
  expect(() => batch.reset()).toThrow('given back')
})

it('batches expire where they wait, and those under way stay in their place until their call ends', () => {
  const { accumulator, clock, append, drain } = bench()
  const queue = accumulator.queueOf('orders', 0)
  append(queue)
  const [first] = drain()
  append(queue)
  accumulator.closeAll()
  append(queue)
  expect(accumulator.nextDeadline).toBe(first.deadline)
  const expired: ProducerBatch[] = []
  accumulator.expire(clock.monotonic() + 999, (_queue, batch) => expired.push(batch))
  expect(expired).toHaveLength(0)
  accumulator.expire(clock.monotonic() + 1000, (_queue, batch) => expired.push(batch))
  expect(expired).toHaveLength(3)
  expect(queue.isInFlight(first)).toBe(true)
  expect(queue.length).toBe(0)
})

it('whatever is drained, put back, split and expired, each record leaves once and in order', () => {
  const step = fc.constantFrom('append', 'close', 'drain', 'deliver', 'putBack', 'split')
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const { accumulator, append, drain, valuesOf } = bench()
      const queue = accumulator.queueOf('orders', 0)
      const delivered: (string | null)[] = []
      let underWay: ProducerBatch | undefined
      const deliver = (batch: ProducerBatch) => {
        delivered.push(...valuesOf(batch))
        queue.ended(batch)
        batch.deliver(0, 0, -1)
        accumulator.complete(queue, batch)
        accumulator.goOn(queue)
      }
      let appended = 0
      for (const each of steps) {
        if (each === 'append') {
          append(queue, 3)
          appended += 3
        } else if (each === 'close') accumulator.closeAll()
        else if (each === 'drain') {
          const [batch] = drain()
          expect(batch === undefined || underWay === undefined, 'one is under way at a time').toBe(true)
          underWay = batch ?? underWay
        } else if (underWay) {
          if (each === 'deliver') deliver(underWay)
          else {
            queue.ended(underWay)
            if (each === 'putBack' || underWay.recordCount === 1) accumulator.putBack(queue, underWay)
            else accumulator.split(queue, underWay)
            accumulator.goOn(queue)
          }
          underWay = undefined
        }
      }
      if (underWay) deliver(underWay)
      for (let [batch] = drain(); batch; [batch] = drain()) deliver(batch)
      expect(delivered).toEqual(Array.from({ length: appended }, (_, i) => `${i}`))
      expect(accumulator.hasRoomFor(accumulator.bufferMemory), 'no memory is counted for what has left').toBe(true)
    })
  )
})
