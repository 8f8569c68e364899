import { describe, expect, it } from 'vitest'
import { Cluster } from '../../src/index.js'
import { VirtualClock } from '../../src/testing/index.js'

const count = 50_000

/** Records, and how many of them were taken at most while the event loop did not go round. */
function watched() {
  const watch = { taken: 0, most: 0, isDone: false }
  let takenBefore = 0
  const round = () => {
    watch.most = Math.max(watch.most, watch.taken - takenBefore)
    takenBefore = watch.taken
    if (!watch.isDone) setImmediate(round)
  }
  function* records() {
    for (let number = 0; number < count; number++) {
      watch.taken++
      yield { value: `${number}` }
    }
    watch.isDone = true
  }
  setImmediate(round)
  return { watch, records: records() }
}

describe('sendBatch of very many records', () => {
  it('lets the event loop go round while it takes them in, and sends all of them in order', async () => {
    // Time that grows with each look.
    await using cluster = await Cluster.open({ clock: new VirtualClock() })
    await cluster.admin().createTopic({ name: 't', partitions: 1 })
    const producer = cluster.producer()
    const { watch, records } = watched()
    const [first, second] = await Promise.all([producer.sendBatch('t', records), producer.send('t', { value: 'last' })])
    await new Promise(resolve => setImmediate(resolve))
    expect(first.count).toBe(count)
    expect(second.offset).toBe(count)
    expect(watch.most).toBeLessThan(count / 8)
  })

  it('takes no more once it was aborted while others had their turn', async () => {
    await using cluster = await Cluster.open({ clock: new VirtualClock() })
    await cluster.admin().createTopic({ name: 't', partitions: 1 })
    const producer = cluster.producer()
    await producer.send('t', { value: 'first' })
    const { watch, records } = watched()
    const controller = new AbortController()
    const sending = producer.sendBatch('t', records, { signal: controller.signal })
    const taken = watch.taken
    controller.abort(new Error('Enough'))
    await expect(sending).rejects.toThrow()
    await expect(producer.send('t', { value: 'next' })).resolves.toMatchObject({ partition: 0 })
    expect(taken).toBeLessThan(count)
    expect(watch.taken).toBe(taken)
    watch.isDone = true
  })
})
