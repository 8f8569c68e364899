import { describe, expect, it } from 'vitest'
import type { Clock } from '../../src/common/clock.js'
import { turnOf } from '../../src/common/turn.js'

function handClock() {
  const hands = { now: 0 }
  const clock: Clock = { now: () => 0, monotonic: () => hands.now, setTimer: () => ({ cancel() {} }) }
  return { hands, turn: turnOf(clock) }
}

const nextTurn = () => new Promise(resolve => setImmediate(resolve))

describe('a turn of the event loop', () => {
  it('holds nobody up while it is young', () => {
    const { hands, turn } = handClock()
    expect(turn.breath()).toBeUndefined()
    hands.now = 4
    expect(turn.breath()).toBeUndefined()
    hands.now = 5
    expect(turn.breath()).toBeInstanceOf(Promise)
  })

  it('lets those who waited go on in order, and no more of them than there is time for', async () => {
    const { hands, turn } = handClock()
    turn.breath()
    hands.now = 5
    const gone: number[] = []
    for (const [number, takes] of [1, 1, 9, 1].entries()) {
      void turn.breath()?.then(() => {
        gone.push(number)
        hands.now += takes
      })
    }
    await nextTurn()
    expect(gone).toEqual([0, 1, 2])
    await nextTurn()
    expect(gone).toEqual([0, 1, 2, 3])
  })

  it('gives places in line to those who would go on at the same moment', async () => {
    const { hands, turn } = handClock()
    const gone: number[] = []
    const places = [0, 1, 2].map(number =>
      turn.place().then(() => {
        gone.push(number)
        hands.now += 5
      })
    )
    await nextTurn()
    expect(gone).toEqual([0])
    await Promise.all(places)
    expect(gone).toEqual([0, 1, 2])
  })
})
