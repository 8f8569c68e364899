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
})
