import { expect, it } from 'vitest'
import { Cluster } from '../../src/index.js'
import { VirtualClock } from '../../src/testing/index.js'

it('a reader of what is committed holds up no producer whose transaction it may not read yet', async () => {
  const clock = new VirtualClock()
  const cluster = await Cluster.open({ clock })
  const producer = cluster.producer({ transactionalId: 't' })
  const consumer = cluster.consumer({ topics: ['orders'], isolationLevel: 'read_committed', autoOffsetReset: 'earliest' })
  const value = 'x'.repeat(10_000)
  const records = Array.from({ length: 600 }, () => ({ value }))
  await producer.transaction(tx => tx.send('orders', { value: 'first' }))
  let count = 0
  const reading = (async () => {
    for await (const _ of consumer) if (++count === 1 + 2 * records.length) break
  })()
  const before = clock.sliceTime()
  for (let i = 0; i < 2; i++) await producer.transaction(tx => tx.sendBatch('orders', records))
  await reading
  // Of the time that the turns go by, which counts looks at it: a producer that waits for a reader
  // takes up to 1000.
  expect(clock.sliceTime() - before).toBeLessThan(500)
  expect(count).toBe(1201)
  await consumer.close()
  await cluster.close()
})
