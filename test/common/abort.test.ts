import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { firstToAbort, onAbort } from '../../src/common/abort.js'
import { sleep } from '../../src/common/clock.js'
import { abortable } from '../../src/common/deferred.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'

const listenerCount = (signal: AbortSignal) => getEventListeners(signal, 'abort').length

describe('a signal that many wait for', () => {
  it('carries one listener, and none when all have stopped', () => {
    const { signal } = new AbortController()
    const stops = Array.from({ length: 100 }, () => onAbort(signal, () => {}))
    expect(listenerCount(signal)).toBe(1)
    for (const stop of stops) stop()
    expect(listenerCount(signal)).toBe(0)
  })

  it('calls all of them once, in the order in which they came', () => {
    const controller = new AbortController()
    const calls: number[] = []
    for (let i = 0; i < 3; i++) onAbort(controller.signal, () => calls.push(i))
    const stop = onAbort(controller.signal, () => calls.push(-1))
    stop()
    stop()
    controller.abort()
    expect(calls).toEqual([0, 1, 2])
    expect(listenerCount(controller.signal)).toBe(0)
  })

  it('calls a function twice that came twice', () => {
    const controller = new AbortController()
    let count = 0
    const add = () => count++
    const stop = onAbort(controller.signal, add)
    onAbort(controller.signal, add)
    stop()
    controller.abort()
    expect(count).toBe(1)
  })

  it('keeps nothing of waits that are over, however they ended', async () => {
    const controller = new AbortController()
    const { signal } = controller
    const clock = new VirtualClock()
    const slept = sleep(clock, 10, signal)
    const waited = [abortable(Promise.resolve(), signal), abortable(Promise.reject(new Error('failed')), signal).catch(() => {})]
    expect(listenerCount(signal)).toBe(1)
    await clock.advance(10)
    await Promise.all([slept, ...waited])
    expect(listenerCount(signal)).toBe(0)
    const cut = sleep(clock, 10, signal)
    controller.abort(new Error('enough'))
    await expect(cut).rejects.toThrow('enough')
    expect(clock.timerCount).toBe(0)
  })
})

describe('merged signals', () => {
  it('abort with the first, for its reason, until they are ended', () => {
    const [first, second] = [new AbortController(), new AbortController()]
    const merged = firstToAbort(first.signal, undefined, second.signal)
    const ended = firstToAbort(first.signal, second.signal)
    ended.end()
    second.abort('second')
    first.abort('first')
    expect(merged.signal.reason).toBe('second')
    expect(ended.signal.aborted).toBe(false)
    expect(firstToAbort(first.signal).signal.reason).toBe('first')
  })
})
