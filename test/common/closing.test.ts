import { describe, expect, it } from 'vitest'
import { closeTimeoutMs, Deadline, endOf, lastStep } from '../../src/common/closing.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'

const never = new Promise<void>(() => {})

describe('the time to close', () => {
  it('is 30 seconds, unless it is said', () => {
    expect([closeTimeoutMs({}), closeTimeoutMs({ timeoutMs: 5 }), closeTimeoutMs({}, 7)]).toEqual([30_000, 5, 7])
    expect(() => closeTimeoutMs({ timeoutMs: -1 })).toThrow('Expected `timeoutMs` to be a non-negative integer, got `-1`')
    expect(() => closeTimeoutMs({ timeout: 1 } as never)).toThrow('Unknown option `timeout` of close')
  })

  it('can be brought forward, and not put off', async () => {
    const clock = new VirtualClock()
    const deadline = new Deadline(clock, 1000)
    deadline.limitTo(2000)
    expect(deadline.leftMs).toBe(1000)
    deadline.limitTo(100)
    await clock.advance(99)
    expect([deadline.leftMs, deadline.signal.aborted]).toEqual([1, false])
    await clock.advance(1)
    expect([deadline.leftMs, deadline.signal.aborted, clock.timerCount]).toEqual([0, true, 0])
  })

  it('ends a closing that does not end, and says what it was', async () => {
    const clock = new VirtualClock()
    const ended = endOf(never, clock, 1000, 'The log `orders-0`').catch(error => error)
    await clock.advance(1000)
    expect(await ended).toMatchObject({
      code: 'REQUEST_TIMED_OUT',
      message: expect.stringContaining('The log `orders-0` did not close in time')
    })
  })

  it('leaves no timer where it was not needed', async () => {
    const clock = new VirtualClock()
    const deadline = new Deadline(clock, 1000)
    await endOf(Promise.resolve(), clock, 1000, 'It')
    await lastStep(Promise.resolve(), clock, deadline, 'It')
    await expect(endOf(Promise.reject(new Error('failed')), clock, 1000, 'It')).rejects.toThrow('failed')
    deadline.end()
    expect(clock.timerCount).toBe(0)
  })
})
