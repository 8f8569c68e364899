import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/common/random.js'
import { Producer } from '../../src/producer/producer.js'
import { Metadata } from '../../src/protocol/messages/metadata.js'
import { Produce } from '../../src/protocol/messages/produce.js'
import { stateOf, workbench } from './workbench.js'

describe('flush', () => {
  it('resolves when the fate of all that was sent before is known', async () => {
    const { producer, broker, values } = await workbench({ partitions: 2 })
    const sender = producer({ lingerMs: 1000 })
    const hold = broker.on(Produce).hold()
    const sent = [0, 1].map(partition => sender.send('orders', { value: 'v', partition }))
    const flushed = sender.flush()
    await hold.held()
    expect(await stateOf(flushed)).toBe('pending')
    hold.release()
    await flushed
    expect([values('orders', 0), values('orders', 1)]).toEqual([['v'], ['v']])
    await Promise.all(sent)
  })

  it('does not reject for records that fail', async () => {
    const { producer, broker } = await workbench()
    broker.on(Produce).answer('INVALID_RECORD')
    const sender = producer()
    const sent = sender.send('orders', { value: 'v' })
    sent.catch(() => {})
    await sender.flush()
    expect(await stateOf(sent)).toBe('rejected')
  })

  it('resolves at once when nothing is under way', async () => {
    const { producer, clock } = await workbench()
    const sender = producer()
    await sender.flush()
    await sender.send('orders', { value: 'v' })
    await sender.flush()
    expect(clock.now()).toBe(Date.UTC(2024, 0, 1))
  })

  it('waits for those who wait for memory or for their topic', async () => {
    const { producer, values } = await workbench()
    const sender = producer({ bufferMemory: 3000, lingerMs: 1000 })
    const records = Array.from({ length: 20 }, (_, i) => ({ value: `${i}`.padEnd(1000) }))
    const sent = sender.sendBatch('orders', records)
    await sender.flush()
    expect(values()).toHaveLength(20)
    await sent
  })

  it('waits for all parts of a batch that had to be split', async () => {
    const { producer, values } = await workbench({ configs: { 'max.message.bytes': '500' } })
    const sender = producer()
    await sender.send('orders', { value: 'v' })
    const sent = sender.sendBatch(
      'orders',
      Array.from({ length: 20 }, () => ({ value: 'x'.repeat(100) }))
    )
    await sender.flush()
    expect(values()).toHaveLength(21)
    await sent
  })

  it('does not wait for what is sent later', async () => {
    const { producer, broker, clock } = await workbench()
    const sender = producer()
    await sender.send('orders', { value: 'v' })
    broker
      .on(Produce)
      .when(({ topicData }) => topicData[0].name === 'later')
      .hold()
    const sent = sender.send('orders', { value: 'v' })
    const flushed = sender.flush()
    void sender.send('later', { value: 'v' })
    await clock.advance(0)
    await flushed
    await sent
  })

  it('can be given up by a signal, while delivery goes on', async () => {
    const { producer, broker } = await workbench()
    const hold = broker.on(Produce).hold()
    const sender = producer()
    const sent = sender.send('orders', { value: 'v' })
    const controller = new AbortController()
    const flushed = sender.flush({ signal: controller.signal })
    await hold.held()
    controller.abort(new Error('enough'))
    await expect(flushed).rejects.toThrow('enough')
    hold.release()
    await sent
    await expect(sender.flush({ signal: controller.signal })).rejects.toThrow('enough')
  })
})

describe('close', () => {
  it('delivers what has been sent, then refuses more', async () => {
    const { producer, values } = await workbench()
    const sender = producer({ lingerMs: 60_000 })
    const sent = sender.send('orders', { value: 'v' })
    const closed = sender.close()
    await expect(sender.send('orders', { value: 'w' })).rejects.toMatchObject({ code: 'CLOSED', message: 'The producer is closed' })
    await expect(sender.sendBatch('orders', [])).rejects.toMatchObject({ code: 'CLOSED' })
    await closed
    await sent
    expect(values()).toEqual(['v'])
  })

  it('may be called again, and waits for the same end', async () => {
    const { producer, broker } = await workbench()
    const sender = producer()
    const hold = broker.on(Produce).hold()
    const sent = sender.send('orders', { value: 'v' })
    const first = sender.close()
    await hold.held()
    expect(await stateOf(sender.close())).toBe('pending')
    hold.release()
    await Promise.all([first, sender.close(), sent])
    await sender.close()
  })

  it('fails what is left after its timeout', async () => {
    const { producer, broker, clock } = await workbench()
    const sender = producer({ bufferMemory: 3000 })
    broker.on(Produce).answer('NOT_ENOUGH_REPLICAS')
    const sent = Array.from({ length: 5 }, () => sender.send('orders', { value: 'x'.repeat(1000) }))
    const outcomes = Promise.allSettled(sent)
    const closed = sender.close({ timeoutMs: 1000 })
    await clock.advance(999)
    expect(await stateOf(closed)).toBe('pending')
    await clock.advance(1)
    await closed
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { code: 'CLOSED', message: 'The producer was closed before the record was delivered' }
      })
  })

  it('tries at once what waits for its next try', async () => {
    const { producer, broker, clock, values } = await workbench()
    const sender = producer({ retryBackoffMs: 5000, retryBackoffMaxMs: 5000 })
    broker.on(Produce).once().answer('NOT_ENOUGH_REPLICAS')
    const sent = sender.send('orders', { value: 'v' })
    await clock.advance(100)
    const before = clock.monotonic()
    await sender.close()
    await sent
    expect([values(), clock.monotonic() - before]).toEqual([['v'], 0])
  })

  it('looks at once for topics that are being looked for', async () => {
    const { producer, broker, clock, values } = await workbench()
    const sender = producer({ retryBackoffMs: 5000, retryBackoffMaxMs: 5000 })
    broker.on(Metadata).once().answer('LEADER_NOT_AVAILABLE')
    const sent = sender.send('orders', { value: 'v' })
    await clock.advance(100)
    const before = clock.monotonic()
    await sender.close()
    await sent
    expect([values(), clock.monotonic() - before]).toEqual([['v'], 0])
  })

  it('does not wait for a topic that is not there', async () => {
    const { producer, clock } = await workbench()
    const sender = producer({ allowAutoTopicCreation: false, retryBackoffMs: 5000 })
    const sent = sender.send('absent', { value: 'v' })
    await clock.advance(100)
    const outcome = expect(sent).rejects.toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION' })
    await sender.close()
    await outcome
  })

  it('has 30 seconds where nothing is said', async () => {
    const { producer, broker, clock } = await workbench()
    const sender = producer()
    broker.on(Produce).loseRequest()
    const sent = sender.send('orders', { value: 'v' })
    sent.catch(() => {})
    const closed = sender.close()
    await clock.advance(29_999)
    expect(await stateOf(closed)).toBe('pending')
    await clock.advance(1)
    await closed
    await expect(sent).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('may be brought forward by another call', async () => {
    const { producer, broker, clock } = await workbench()
    const before = clock.timerCount
    const sender = producer()
    broker.on(Produce).loseRequest()
    const sent = sender.send('orders', { value: 'v' })
    sent.catch(() => {})
    const closed = [sender.close({ timeoutMs: 10_000 }), sender.close({ timeoutMs: 100 })]
    await clock.advance(100)
    await Promise.all(closed)
    expect(clock.timerCount).toBe(before)
  })

  it('ends when what stands before the brokers does not', async () => {
    const { clock, broker } = await workbench()
    const hanging = { any: () => broker, byId: () => broker, close: () => new Promise<void>(() => {}) }
    const sender = new Producer({ brokers: hanging, clock, random: seededRandom(1) })
    const closed = sender.close({ timeoutMs: 1000 }).catch(error => error)
    await clock.advance(1000)
    expect(await closed).toMatchObject({ code: 'REQUEST_TIMED_OUT' })
  })

  it('with a timeout of 0 fails at once what is under way, and ends its requests', async () => {
    const { producer, broker, clock } = await workbench()
    const sender = producer()
    broker.on(Produce).loseRequest()
    const sent = sender.sendBatch('orders', [{ value: 'a' }, { value: 'b' }])
    sent.catch(() => {})
    await clock.advance(1)
    const closed = sender.close({ timeoutMs: 0 })
    await clock.advance(0)
    await closed
    await expect(sent).rejects.toMatchObject({ code: 'DELIVERY_FAILED', delivered: { count: 0 }, cause: { code: 'CLOSED' } })
    await expect(broker.seen(Produce)[0].response).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('turns away those who still wait for their topic', async () => {
    const { producer, broker, clock } = await workbench()
    const sender = producer()
    broker.on(Metadata).answer('LEADER_NOT_AVAILABLE')
    const sent = sender.send('orders', { value: 'v' })
    sent.catch(() => {})
    const closed = sender.close({ timeoutMs: 100 })
    await clock.advance(100)
    await closed
    await expect(sent).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('leaves no timer behind', async () => {
    const { producer, clock, broker } = await workbench()
    const before = clock.timerCount
    const sender = producer({ lingerMs: 10 })
    broker.on(Produce).once().answer('NOT_LEADER_OR_FOLLOWER')
    const sent = sender.send('orders', { value: 'v' })
    await clock.advance(1000)
    await sent
    void sender.send('orders', { value: 'v' })
    await sender.close()
    expect(clock.timerCount).toBe(before)
  })

  it('happens at the end of `await using`', async () => {
    const { producer, values } = await workbench()
    {
      await using sender = producer({ lingerMs: 1000 })
      void sender.send('orders', { value: 'v' })
    }
    expect(values()).toEqual(['v'])
  })

  it('refuses options that make no sense, and stays open', async () => {
    const { producer } = await workbench()
    const sender = producer()
    await expect(sender.close({ timeoutMs: -1 })).rejects.toThrow('Expected `timeoutMs` to be a non-negative integer, got `-1`')
    await expect(sender.close({ timeout: 1 } as never)).rejects.toThrow('Unknown option `timeout` of close')
    await sender.send('orders', { value: 'v' })
  })
})

describe('a signal', () => {
  it('that has aborted refuses the call', async () => {
    const { producer, broker } = await workbench()
    const signal = AbortSignal.abort(new Error('too late'))
    await expect(producer().send('orders', { value: 'v' }, { signal })).rejects.toThrow('too late')
    await expect(producer().sendBatch('orders', [{ value: 'v' }], { signal })).rejects.toThrow('too late')
    expect(broker.seen()).toEqual([])
  })

  it('ends the wait for a topic', async () => {
    const { producer, broker } = await workbench()
    broker.on(Metadata).hold()
    const controller = new AbortController()
    const sent = producer().send('orders', { value: 'v' }, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(sent).rejects.toThrow('enough')
  })

  it('does not call back a record that is on its way', async () => {
    const { producer, broker, values } = await workbench()
    const sender = producer()
    await sender.send('orders', { value: 'a' })
    const hold = broker.on(Produce).hold()
    const controller = new AbortController()
    const sent = sender.send('orders', { value: 'b' }, { signal: controller.signal })
    controller.abort()
    await hold.held()
    hold.release()
    expect(await sent).toMatchObject({ offset: 1 })
    expect(values()).toEqual(['a', 'b'])
  })
})

describe('a listener that fails', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('in a listener')
      }
    ],
    ['rejects', () => Promise.reject(new Error('in a listener'))]
  ])('%s: it does not stop the producer, and an `error` event tells of it', async (_, fail) => {
    const { producer, values } = await workbench()
    const sender = producer()
    const errors: unknown[] = []
    sender.on('error', error => errors.push(error))
    sender.once('delivered', fail)
    await sender.send('orders', { value: 'a' })
    await sender.send('orders', { value: 'b' })
    expect(values()).toEqual(['a', 'b'])
    expect(errors).toEqual([new Error('in a listener')])
  })

  it('may send, flush and close in turn', async () => {
    const { producer, values } = await workbench()
    const sender = producer()
    const ended: Promise<unknown>[] = []
    sender.once('delivered', () => {
      ended.push(sender.send('orders', { value: 'b' }), sender.flush(), sender.close())
    })
    await sender.send('orders', { value: 'a' })
    await Promise.all(ended)
    expect(values()).toEqual(['a', 'b'])
  })
})
