import { describe, expect, it } from 'vitest'
import { sleep } from '../../src/common/clock.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'

describe('a virtual clock', () => {
  it('stands still until it is moved', async () => {
    const clock = new VirtualClock(1000)
    let fired = false
    clock.setTimer(0, () => {
      fired = true
    })
    await Promise.resolve()
    expect([clock.now(), fired]).toEqual([1000, false])
    await clock.advance(0)
    expect([clock.now(), fired]).toEqual([1000, true])
  })

  it('fires timers in order, each at its own time', async () => {
    const clock = new VirtualClock(0)
    const seen: string[] = []
    const note = (name: string) => () => seen.push(`${name}@${clock.now()}`)
    clock.setTimer(30, note('c'))
    clock.setTimer(10, note('a'))
    clock.setTimer(10, note('b'))
    clock.setTimer(31, note('d'))
    await clock.advance(30)
    expect(seen).toEqual(['a@10', 'b@10', 'c@30'])
    expect([clock.now(), clock.timerCount]).toEqual([30, 1])
  })

  it('fires timers that timers and promises set on the way', async () => {
    const clock = new VirtualClock(0)
    const seen: number[] = []
    const walk = async () => {
      for (let i = 0; i < 3; i++) {
        await sleep(clock, 10)
        await Promise.resolve()
        seen.push(clock.now())
      }
    }
    const walking = walk()
    await clock.advance(30)
    await walking
    expect(seen).toEqual([10, 20, 30])
  })

  it('shows whole milliseconds, as the clock of a machine does', async () => {
    const clock = new VirtualClock(0)
    const seen: number[] = []
    clock.setTimer(9.4, () => seen.push(clock.now()))
    await clock.advance(20)
    expect(seen).toEqual([10])
  })

  it('does not fire what was cancelled', async () => {
    const clock = new VirtualClock()
    let fired = false
    const timer = clock.setTimer(5, () => {
      fired = true
    })
    timer.cancel()
    timer.cancel()
    await clock.advance(10)
    expect(fired).toBe(false)
  })

  it('never runs backwards when calls of advance overlap: each goes to the time that it was made for', async () => {
    const clock = new VirtualClock(0)
    const seen: number[] = []
    for (const delay of [500, 1000, 3000]) clock.setTimer(delay, () => seen.push(clock.monotonic()))
    await Promise.all([clock.advance(5000), clock.advance(1000)])
    expect([clock.now(), clock.monotonic()]).toEqual([5000, 5000])
    expect(seen).toEqual([500, 1000, 3000])
  })

  it('goes on where a timer advances it', async () => {
    const clock = new VirtualClock(0)
    const reached: number[] = []
    clock.setTimer(10, () => void clock.advance(100).then(() => reached.push(clock.now())))
    await clock.advance(50)
    expect([reached, clock.now()]).toEqual([[110], 110])
  })

  it('steps the wall clock without letting time pass', async () => {
    const clock = new VirtualClock(Date.UTC(2024, 0, 1))
    let fired = false
    clock.setTimer(10, () => {
      fired = true
    })
    clock.stepWallClock(365 * 24 * 3_600_000)
    await clock.advance(0)
    expect([new Date(clock.now()).toISOString(), clock.monotonic(), fired]).toEqual(['2024-12-31T00:00:00.000Z', 0, false])
    clock.stepWallClock(-3_600_000)
    await clock.advance(10)
    expect([new Date(clock.now()).toISOString(), clock.monotonic(), fired]).toEqual(['2024-12-30T23:00:00.010Z', 10, true])
  })

  it('refuses what is not a number of milliseconds, and then stays as it was', async () => {
    expect(() => new VirtualClock(Number.NaN)).toThrow(new TypeError('Expected `startMs` to be a non-negative integer, got `NaN`'))
    const clock = new VirtualClock(1000)
    for (const ms of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '5' as unknown as number]) {
      await expect(clock.advance(ms)).rejects.toThrow(/^Expected `ms` to be a non-negative integer, got /)
    }
    expect(() => clock.stepWallClock(-1001)).toThrow(/^Expected `ms` to be an integer from -1000 to /)
    expect(() => clock.setTimer(Number.NaN, () => {})).toThrow(new TypeError('Expected `delayMs` to be a number, got `NaN`'))
    expect(() => clock.setTimer(1, undefined as unknown as () => void)).toThrow(/^Expected `callback` to be a function/)
    expect([clock.now(), clock.monotonic(), clock.timerCount]).toEqual([1000, 0, 0])
  })
})
