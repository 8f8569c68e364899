import { MessageChannel } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { sleep, type TimerOptions } from '../../src/common/clock.js'
import { systemClock } from '../../src/common/system-clock.js'
import { turnsOf } from '../../src/common/turns.js'

/** Keeps the event loop busy, as a long computation or a breakpoint does. */
function block(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

const fired = (delayMs: number, options?: TimerOptions) =>
  new Promise<number>(resolve => systemClock.setTimer(delayMs, () => resolve(systemClock.monotonic()), options))

describe('the clock of the machine', () => {
  it('measures by a time that goes on while it is looked at, and never goes back', () => {
    let last = systemClock.monotonic()
    const start = last
    while (last < start + 2) {
      const now = systemClock.monotonic()
      expect(now).toBeGreaterThanOrEqual(last)
      last = now
    }
  })

  it('never fires a timer early', async () => {
    const delays = Array.from({ length: 200 }, (_, i) => i / 10)
    const start = systemClock.monotonic()
    const times = await Promise.all(delays.map(delayMs => fired(delayMs)))
    for (const [i, time] of times.entries()) expect(time - start).toBeGreaterThanOrEqual(delays[i])
  })

  it('does not fire at once what is set for longer than 31 bits of milliseconds', async () => {
    const long = [2 ** 31, 2 ** 40, Number.POSITIVE_INFINITY].map(delayMs => {
      const timer = systemClock.setTimer(delayMs, () => expect.fail('it fired'))
      return timer
    })
    await sleep(systemClock, 20)
    for (const timer of long) timer.cancel()
  })

  it('does not fire what was cancelled', async () => {
    const timers = [0, 5].flatMap(delayMs => [false, true].map(givesUp => systemClock.setTimer(delayMs, () => expect.fail(), { givesUp })))
    for (const timer of timers) {
      timer.cancel()
      timer.cancel()
    }
    await fired(20)
  })

  it('refuses a delay that is no number and a callback that is no function', () => {
    expect(() => systemClock.setTimer(Number.NaN, () => {})).toThrow(new TypeError('Expected `delayMs` to be a number, got `NaN`'))
    expect(() => systemClock.setTimer(1, 'x' as unknown as () => void)).toThrow(/^Expected `callback` to be a function/)
  })

  it('takes in what came while the process stood still before a timer gives up', async () => {
    const { port1, port2 } = new MessageChannel()
    const outcome = new Promise<string>(resolve => {
      const limit = systemClock.setTimer(10, () => resolve('gave up'), { givesUp: true })
      port1.on('message', () => {
        limit.cancel()
        resolve('answered')
      })
    })
    await new Promise(next => setImmediate(next))
    port2.postMessage('answer')
    block(30)
    expect(await outcome).toBe('answered')
    port1.close()
  })

  it('lets what a late timer sets in motion come before a timer that gives up', async () => {
    const outcome = new Promise<string>(resolve => {
      const limit = systemClock.setTimer(10, () => resolve('gave up'), { givesUp: true })
      systemClock.setTimer(15, async () => {
        await new Promise(next => setImmediate(next))
        limit.cancel()
        resolve('answered')
      })
    })
    block(30)
    expect(await outcome).toBe('answered')
  })

  it('lets all who wait for their turn go first before a timer gives up', async () => {
    const turns = turnsOf(systemClock)
    const outcome = new Promise<string>(resolve => {
      const limit = systemClock.setTimer(10, () => resolve('gave up'), { givesUp: true })
      systemClock.setTimer(15, async () => {
        for (let i = 0; i < 20; i++) turns.add({ resume: () => block(3) })
        await turns.yield()
        limit.cancel()
        resolve('answered')
      })
    })
    block(30)
    expect(await outcome).toBe('answered')
  })

  it('is checked where a user gives one', async () => {
    const clock = { now: () => 0, setTimer: systemClock.setTimer } as unknown as typeof systemClock
    const reason = 'Expected `clock` to have a function `monotonic`, got `an object` without one'
    await expect(Cluster.open({ clock })).rejects.toThrow(new TypeError(reason))
  })
})
