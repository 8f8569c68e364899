import { setTimeout as realTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Cluster } from '../../../src/cluster.js'
import type { Consumer } from '../../../src/consumer/consumer.js'
import type { TopicSelector } from '../../../src/consumer/source/subscription.js'
import { InterceptedBroker } from '../../../src/testing/intercepted-broker.js'
import { VirtualClock } from '../../../src/testing/virtual-clock.js'
import { numbered, openCluster, send, settle, takeValues, textConsumer, until } from '../helpers.js'

type TextConsumer = Consumer<TopicSelector, string, string>

let cluster: Cluster
beforeEach(async () => {
  cluster = await openCluster()
})
afterEach(() => cluster.close({ timeoutMs: 500 }))

const groupOptions = { groupId: 'g', topics: ['orders'] }
const never = new Promise<never>(() => {})

/** Milliseconds that something takes. */
async function duration(act: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await act()
  return performance.now() - start
}

async function committedOffset(partition = 0): Promise<number | undefined> {
  const offsets = await cluster.admin().listGroupOffsets('g')
  return offsets.find(offset => offset.partition === partition)?.offset
}

describe('close, while handlers are at work', () => {
  it('aborts their signal as it begins, and waits for them', async () => {
    await send(cluster, 'orders', ['v'], 0)
    const consumer = textConsumer(cluster, groupOptions)
    const steps: string[] = []
    const running = consumer.run({
      async eachRecord(_, { signal }) {
        steps.push('at work')
        await new Promise(resolve => signal.addEventListener('abort', resolve))
        steps.push('told')
        await settle()
        steps.push('done')
      }
    })
    await until(() => steps.length === 1)
    await consumer.close()
    steps.push('closed')
    await running
    expect(steps).toEqual(['at work', 'told', 'done', 'closed'])
    expect(await committedOffset()).toBe(1)
  })

  it('does not take one that its signal cut short for a failure: the record comes again', async () => {
    await send(cluster, 'orders', ['v'], 0)
    const consumer = textConsumer(cluster, groupOptions)
    let isAtWork = false
    const running = consumer.run({
      async eachRecord(_, { signal }) {
        isAtWork = true
        await realTimeout(60_000, undefined, { signal })
      }
    })
    await until(() => isAtWork)
    await consumer.close()
    await running
    expect(await takeValues(textConsumer(cluster, groupOptions), 1)).toEqual(['v'])
  })

  it('has run reject with what a handler threw of its own', async () => {
    await send(cluster, 'orders', ['v'], 0)
    const consumer = textConsumer(cluster, groupOptions)
    let isAtWork = false
    const running = consumer.run({
      async eachRecord(_, { signal }) {
        isAtWork = true
        await new Promise(resolve => signal.addEventListener('abort', resolve))
        throw new Error('of its own')
      }
    })
    const outcome = expect(running).rejects.toThrow('of its own')
    await until(() => isAtWork)
    await consumer.close()
    await outcome
  })

  it.each(['partition', 'key'] as const)('does not wait for the backoff of a retry, ordered by %s', async orderBy => {
    await send(cluster, 'orders', numbered('v', 5), 0)
    const consumer = textConsumer(cluster, groupOptions)
    let tries = 0
    const running = consumer.run({
      orderBy,
      eachRecord() {
        tries++
        throw new Error('down')
      },
      retry: { attempts: 9, backoffMs: 60_000 }
    })
    await until(() => tries === 1)
    await settle()
    expect(await duration(() => consumer.close())).toBeLessThan(1000)
    await running
    expect(await committedOffset()).toBe(0)
  })

  it.each([
    ['a handler', { eachRecord: () => never }],
    ['a batch handler', { eachBatch: () => never }],
    [
      'a dead letter sink',
      {
        eachRecord() {
          throw new Error('down')
        },
        deadLetter: () => never
      }
    ]
  ])('ends in its time when %s hangs, and so does run', async (_, options) => {
    await send(cluster, 'orders', ['v'], 0)
    const consumer = textConsumer(cluster, groupOptions)
    const running = consumer.run(options)
    await consumer.start()
    await until(() => consumer.position({ topic: 'orders', partition: 0 }) === 1)
    expect(await duration(() => consumer.close({ timeoutMs: 400 }))).toBeLessThan(1500)
    await running
    expect(await takeValues(textConsumer(cluster, groupOptions), 1)).toEqual(['v'])
  })

  it('may be brought forward by another call', async () => {
    await send(cluster, 'orders', ['v'], 0)
    const consumer = textConsumer(cluster, groupOptions)
    let isAtWork = false
    const running = consumer.run({
      eachRecord() {
        isAtWork = true
        return never
      }
    })
    await until(() => isAtWork)
    const closed = consumer.close({ timeoutMs: 60_000 })
    expect(await duration(() => consumer.close({ timeoutMs: 100 }))).toBeLessThan(1500)
    await closed
    await running
  })

  it('lets them commit, and nobody else', async () => {
    await send(cluster, 'orders', ['v'], 0)
    const consumer = textConsumer(cluster, { ...groupOptions, autoCommit: false })
    let isAtWork = false
    const running = consumer.run({
      async eachRecord({ topic, partition, offset }, { signal }) {
        isAtWork = true
        await new Promise(resolve => signal.addEventListener('abort', resolve))
        await consumer.commit([{ topic, partition, offset: offset + 1 }])
      }
    })
    await until(() => isAtWork)
    await consumer.close()
    await running
    expect(await committedOffset()).toBe(1)
    await expect(consumer.commit()).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('close, awaited by a handler that it would wait for', () => {
  const ways: [string, (close: () => Promise<void>) => unknown][] = [
    ['at once', close => close()],
    [
      'after a while',
      async close => {
        await settle()
        await close()
      }
    ],
    [
      'by a function that it calls',
      async close => {
        await (async function shutDown() {
          await settle()
          await Promise.all([close(), settle()])
        })()
      }
    ],
    ['in a chain of promises', close => settle().then(() => close())]
  ]
  const runs: [string, (consumer: TextConsumer, handle: () => unknown) => Promise<void>][] = [
    ['eachRecord', (consumer, handle) => consumer.run({ eachRecord: handle })],
    ['eachBatch', (consumer, handle) => consumer.run({ eachBatch: handle })],
    ['eachRecord, ordered by key', (consumer, handle) => consumer.run({ eachRecord: handle, orderBy: 'key', concurrency: 3 })],
    [
      'a later try',
      (consumer, handle) => {
        const eachRecord = (_: unknown, { attempt }: { attempt: number }) => {
          if (attempt === 1) throw new Error('once')
          return handle()
        }
        return consumer.run({ eachRecord, retry: { backoffMs: 1 } })
      }
    ],
    [
      'a dead letter sink',
      (consumer, handle) => {
        const eachRecord = () => {
          throw new Error('down')
        }
        return consumer.run({ eachRecord, deadLetter: handle })
      }
    ]
  ]
  const cases = ways.flatMap(([way, act]) => runs.map(([what, run]) => ({ way, act, what, run })))

  it.each(cases)('ends at once, and the record counts as handled: $what, $way', async ({ act, run }) => {
    await send(cluster, 'orders', ['v'], 0)
    const consumer = textConsumer(cluster, groupOptions)
    expect(await duration(() => run(consumer, () => act(() => consumer.close())))).toBeLessThan(5000)
    await consumer.close()
    expect(await committedOffset()).toBe(1)
  })

  it('also by closing the cluster', async () => {
    const other = await openCluster()
    await send(other, 'orders', ['v'], 0)
    const consumer = textConsumer(other, groupOptions)
    const running = consumer.run({
      async eachRecord() {
        await settle()
        await other.close()
      }
    })
    expect(await duration(() => running)).toBeLessThan(5000)
    await other.close()
    await expect(consumer.run({ eachRecord() {} })).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('does not count the record as handled when the handler fails after that', async () => {
    await send(cluster, 'orders', ['v'], 0)
    const consumer = textConsumer(cluster, groupOptions)
    const running = consumer.run({
      async eachRecord() {
        await consumer.close()
        throw new Error('after all')
      }
    })
    await expect(running).rejects.toThrow('after all')
    await consumer.close()
    expect(await takeValues(textConsumer(cluster, groupOptions), 1)).toEqual(['v'])
  })

  it('waits for the handlers of others', async () => {
    await send(cluster, 'orders', ['v'], 0)
    const [closed, closing] = [textConsumer(cluster, groupOptions), textConsumer(cluster, { ...groupOptions, groupId: 'other' })]
    const steps: string[] = []
    let finish = () => {}
    const finished = new Promise<void>(resolve => {
      finish = resolve
    })
    const running = [
      closed.run({
        async eachRecord() {
          steps.push('at work')
          await finished
          steps.push('finished')
        }
      }),
      closing.run({
        async eachRecord() {
          await until(() => steps.length === 1)
          const ended = closed.close().then(() => steps.push('closed'))
          finish()
          await ended
          await closing.close()
        }
      })
    ]
    await Promise.all(running)
    expect(steps).toEqual(['at work', 'finished', 'closed'])
  })
})

describe('listeners', () => {
  it.each(['onAssigned', 'onRevoked'] as const)('do not keep close from ending in its time: %s hangs', async name => {
    await send(cluster, 'orders', ['v'], 0)
    const consumer = textConsumer(cluster, { ...groupOptions, [name]: () => never })
    const loop = takeValues(consumer, 2)
    if (name === 'onRevoked') await consumer.start()
    else await settle()
    expect(await duration(() => consumer.close({ timeoutMs: 400 }))).toBeLessThan(1500)
    await loop
  })

  it.each(['onAssigned', 'onRevoked'] as const)('may await close, which ends at once: %s', async name => {
    await send(cluster, 'orders', ['v'], 0)
    let isCalled = false
    const listener = async () => {
      await settle()
      isCalled = true
      await consumer.close()
    }
    const consumer: TextConsumer = textConsumer(cluster, { ...groupOptions, [name]: listener })
    const loop = takeValues(consumer, 2)
    if (name === 'onRevoked') await consumer.start()
    else await until(() => isCalled)
    expect(await duration(() => consumer.close())).toBeLessThan(5000)
    await loop
    expect(isCalled).toBe(true)
  })

  it('may await unsubscribe', async () => {
    await send(cluster, 'orders', ['v'], 0)
    const unsubscribed: Promise<void>[] = []
    const listener = async () => {
      await settle()
      unsubscribed.push(consumer.unsubscribe())
      await unsubscribed[0]
    }
    const consumer: TextConsumer = textConsumer(cluster, { ...groupOptions, onAssigned: listener })
    consumer.start().catch(() => {})
    await until(() => unsubscribed.length === 1)
    await unsubscribed[0]
    expect(await duration(() => consumer.close())).toBeLessThan(5000)
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('boom')
      }
    ],
    ['rejects', () => Promise.reject(new Error('boom'))]
  ])('that fail are told, and end no rebalance: it %s', async (_, listener) => {
    await send(cluster, 'orders', ['v'], 0)
    const consumer = textConsumer(cluster, { ...groupOptions, onAssigned: listener, onRevoked: listener })
    const errors: unknown[] = []
    consumer.on('error', error => errors.push(error))
    expect(await takeValues(consumer, 1)).toEqual(['v'])
    expect(errors).toEqual([new Error('boom')])
    await consumer.close()
    expect(errors).toEqual([new Error('boom'), new Error('boom')])
    expect(await committedOffset()).toBe(1)
  })

  it('that hang are waited for no longer than a rebalance may take', async () => {
    const clock = new VirtualClock()
    await using own = await openCluster({ clock })
    await send(own, 'orders', ['v'], 0)
    const consumer = textConsumer(own, { ...groupOptions, onAssigned: () => never, rebalanceTimeoutMs: 5000 })
    const errors: unknown[] = []
    consumer.on('error', error => errors.push(error))
    const loop = takeValues(consumer, 1)
    await clock.advance(5000)
    await clock.advance(5000)
    expect(await loop).toEqual(['v'])
    expect(errors).toEqual([expect.objectContaining({ code: 'REQUEST_TIMED_OUT', message: expect.stringContaining('`onAssigned`') })])
    await consumer.close()
  })
})

describe('a call of next that waits', () => {
  const loops: [string, (consumer: TextConsumer, signal?: AbortSignal) => AsyncIterator<unknown>][] = [
    ['records', (consumer, signal) => consumer.records(signal && { signal }) as AsyncIterator<unknown>],
    ['batches', (consumer, signal) => consumer.batches(signal && { signal }) as AsyncIterator<unknown>]
  ]
  const end = { done: true, value: undefined }

  it.each(loops)('gets done when the loop is left: %s', async (_, loop) => {
    const consumer = textConsumer(cluster, groupOptions)
    const iterator = loop(consumer)
    const waiting = [iterator.next(), iterator.next(), iterator.next()]
    await settle()
    expect(await iterator.return?.()).toEqual(end)
    expect(await Promise.all(waiting)).toEqual([end, end, end])
    expect(await iterator.next()).toEqual(end)
  })

  it.each(loops)('gets done when the consumer, or the cluster, is closed: %s', async (_, loop) => {
    for (const close of [(consumer: TextConsumer) => consumer.close(), () => cluster.close()]) {
      const consumer = textConsumer(cluster, groupOptions)
      const iterator = loop(consumer)
      const waiting = [iterator.next(), iterator.next()]
      await settle()
      await close(consumer)
      expect(await Promise.all(waiting)).toEqual([end, end])
    }
  })

  it.each(loops)('rejects, the first of them, when its signal aborts: %s', async (_, loop) => {
    const controller = new AbortController()
    const iterator = loop(textConsumer(cluster, groupOptions), controller.signal)
    const waiting = [iterator.next(), iterator.next()]
    const outcome = expect(waiting[0]).rejects.toThrow('enough')
    await settle()
    controller.abort(new Error('enough'))
    await outcome
    expect(await waiting[1]).toEqual(end)
  })

  it.each(loops)('gets done when nothing is subscribed to any more: %s', async (_, loop) => {
    const consumer = textConsumer(cluster, groupOptions)
    const iterator = loop(consumer)
    const waiting = iterator.next()
    await settle()
    await consumer.unsubscribe()
    expect(await waiting).toEqual(end)
    await expect(loop(consumer).next()).rejects.toThrow('nothing to read')
  })

  it.each(loops)('rejects with CLOSED when the consumer was closed before: %s', async (_, loop) => {
    const consumer = textConsumer(cluster, groupOptions)
    const iterator = loop(consumer)
    const closing = consumer.close()
    await expect(iterator.next()).rejects.toMatchObject({ code: 'CLOSED' })
    await closing
    expect(await iterator.next()).toEqual(end)
  })

  it('is answered in order, and each says that the record before has been handled', async () => {
    await send(cluster, 'orders', numbered('v', 3), 0)
    const consumer = textConsumer(cluster, groupOptions)
    const iterator = consumer.records()
    const records = await Promise.all([iterator.next(), iterator.next(), iterator.next()])
    expect(records.map(({ value }) => value?.value)).toEqual(numbered('v', 3))
    await iterator.return()
    expect(await committedOffset()).toBe(2)
  })

  it.each(loops)('is not held up by whoever was handed a rejected record and hangs: %s', async (name, loop) => {
    await send(cluster, 'orders', ['v'], 0)
    const unreadable = {
      serialize: () => new Uint8Array(),
      deserialize(): string {
        throw new Error('unreadable')
      }
    }
    const consumer = textConsumer(cluster, { ...groupOptions, value: unreadable, rejection: () => never })
    const iterator = loop(consumer)
    if (name === 'batches') for (const _ of (await iterator.next()).value as Iterable<unknown>);
    const waiting = iterator.next()
    await until(() => consumer.assignment().length > 0)
    await settle()
    await consumer.close()
    expect(await waiting).toEqual(end)
  })
})

describe('unsubscribe', () => {
  it.each(['in the body', 'from elsewhere'])('under a loop that goes on with other topics: %s', async where => {
    await send(cluster, 'a', numbered('a', 5), 0)
    await send(cluster, 'b', numbered('b', 5), 0)
    const consumer = textConsumer(cluster, { groupId: 'g', topics: ['a'] })
    const seen: string[] = []
    const exchange = async () => {
      await consumer.unsubscribe()
      consumer.subscribe(['b'])
    }
    const loop = (async () => {
      for await (const { value } of consumer) {
        seen.push(value)
        if (where === 'in the body' && value === 'a2') await exchange()
      }
    })()
    if (where === 'from elsewhere') {
      await until(() => seen.length === 5)
      await exchange()
    }
    await until(() => seen.includes('b4'))
    await consumer.close()
    await loop
    expect(seen).toEqual([...numbered('a', where === 'in the body' ? 3 : 5), ...numbered('b', 5)])
  })

  it('under run, which goes on with other topics, or with partitions that are assigned', async () => {
    await send(cluster, 'a', numbered('a', 5), 0)
    await send(cluster, 'b', numbered('b', 5), 0)
    await send(cluster, 'c', numbered('c', 5), 0)
    const consumer = textConsumer(cluster, { groupId: 'g', topics: ['a'] })
    const seen: string[] = []
    const running = consumer.run({ eachRecord: ({ value }) => seen.push(value) })
    await until(() => seen.length === 5)
    await consumer.unsubscribe()
    consumer.subscribe(['b'])
    await until(() => seen.length === 10)
    // Without waiting for the end of what was read before.
    const unsubscribed = consumer.unsubscribe()
    consumer.assign([{ topic: 'c', partition: 0 }])
    await unsubscribed
    await until(() => seen.length === 15)
    expect(consumer.assignment()).toEqual([{ topic: 'c', partition: 0 }])
    await consumer.close()
    await running
    expect(seen).toEqual([...numbered('a', 5), ...numbered('b', 5), ...numbered('c', 5)])
  })

  it('in a handler, which goes on with other topics when it is done', async () => {
    await send(cluster, 'a', ['a0'], 0)
    await send(cluster, 'b', ['b0'], 0)
    const consumer = textConsumer(cluster, { groupId: 'g', topics: ['a'] })
    const seen: string[] = []
    const running = consumer.run({
      async eachRecord({ value }) {
        seen.push(value)
        if (value !== 'a0') return
        await consumer.unsubscribe()
        await settle()
        await settle()
        consumer.subscribe(['b'])
      }
    })
    await until(() => seen.includes('b0'))
    await consumer.close()
    await running
  })

  it('ends run, where nothing else is subscribed to', async () => {
    const consumer = textConsumer(cluster, groupOptions)
    const running = consumer.run({ eachRecord() {} })
    await settle()
    await consumer.unsubscribe()
    await running
    await consumer.close()
  })

  it('rejects a start that is under way', async () => {
    const consumer = textConsumer(cluster, { ...groupOptions, onAssigned: () => settle() })
    const started = consumer.start()
    const outcome = expect(started).rejects.toMatchObject({ code: 'CLOSED' })
    await consumer.unsubscribe()
    await outcome
    consumer.subscribe(['orders'])
    await consumer.start()
    expect(consumer.assignment()).toHaveLength(3)
  })
})

describe('what begins while a consumer closes', () => {
  const calls: [string, (consumer: TextConsumer) => unknown][] = [
    ['run', consumer => consumer.run({ eachRecord() {} })],
    ['start', consumer => consumer.start()],
    ['subscribe', consumer => consumer.subscribe(['other'])],
    ['unsubscribe', consumer => consumer.unsubscribe()],
    ['assign', consumer => consumer.assign([])],
    ['pause', consumer => consumer.pause()],
    ['resume', consumer => consumer.resume()],
    ['seek', consumer => consumer.seek({ topic: 'orders', partition: 0, offset: 0 })],
    ['seekToBeginning', consumer => consumer.seekToBeginning()],
    ['seekToEnd', consumer => consumer.seekToEnd()],
    ['seekToTimestamp', consumer => consumer.seekToTimestamp(0)],
    ['position', consumer => consumer.position({ topic: 'orders', partition: 0 })],
    ['beginningOffsets', consumer => consumer.beginningOffsets()],
    ['endOffsets', consumer => consumer.endOffsets()],
    ['offsetsForTimestamp', consumer => consumer.offsetsForTimestamp(0)],
    ['lag', consumer => consumer.lag()],
    ['commit', consumer => consumer.commit()],
    ['committed', consumer => consumer.committed()],
    ['next', consumer => consumer.records().next()]
  ]

  it.each(calls)('is refused with CLOSED: %s', async (_, call) => {
    const consumer = textConsumer(cluster, groupOptions)
    await consumer.start()
    const closing = consumer.close()
    const during = (async () => call(consumer))()
    await expect(during).rejects.toMatchObject({ code: 'CLOSED' })
    await closing
    await expect((async () => call(consumer))()).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('is no second run of whoever starts it again', async () => {
    await send(cluster, 'orders', ['v'], 0)
    const consumer = textConsumer(cluster, groupOptions)
    let runs = 0
    const supervised = (async () => {
      for (;;) {
        runs++
        await consumer.run({ eachRecord() {} })
      }
    })()
    const outcome = expect(supervised).rejects.toMatchObject({ code: 'CLOSED' })
    await consumer.start()
    await consumer.close()
    await outcome
    expect(runs).toBe(2)
  })
})

describe('close, where brokers do not answer', () => {
  const ways = ['loseRequest', 'fail'] as const

  it.each(ways)('ends in its time: %s', async way => {
    let broker: InterceptedBroker | undefined
    const cut = await openCluster({
      intercept(brokers, clientId) {
        if (clientId !== 'cut') return brokers
        broker = new InterceptedBroker(brokers)
        return broker
      }
    })
    await send(cut, 'orders', ['v'], 0)
    const consumer = textConsumer(cut, { ...groupOptions, clientId: 'cut', autoCommitIntervalMs: 60_000 })
    const iterator = consumer.records()
    await iterator.next()
    const waiting = iterator.next()
    await settle()
    const seen = new Set((broker as InterceptedBroker).seen().map(({ api }) => api))
    for (const api of seen) {
      const rule = (broker as InterceptedBroker).on(api)
      if (way === 'fail') rule.fail('NETWORK_EXCEPTION')
      else rule.loseRequest()
    }
    expect(await duration(() => consumer.close({ timeoutMs: 400 }))).toBeLessThan(1500)
    expect(await waiting).toEqual({ done: true, value: undefined })
    await cut.close()
  })
})
