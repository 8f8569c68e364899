import { describe, expect, it } from 'vitest'
import { Pace, Turns, type TurnTaker } from '../../src/common/turns.js'

/** Turns by a time that a test moves. */
function timed() {
  const time = { now: 1 }
  return { time, turns: new Turns(() => time.now) }
}

const roundOfTheLoop = () => new Promise(resolve => setImmediate(resolve))

/** Begins the first slice and lets it grow old. */
function overdueSlice() {
  const { time, turns } = timed()
  turns.isOver()
  time.now += 1
  return { time, turns }
}

describe('turns', () => {
  it('are not asked for while nobody waits and the event loop has been round lately', () => {
    const { time, turns } = timed()
    expect(turns.isOver()).toBe(false)
    time.now += 4
    expect(turns.isOver()).toBe(false)
    time.now += 0.1
    expect(turns.isOver()).toBe(true)
  })

  it('are over after two milliseconds when somebody waits', () => {
    const { time, turns } = timed()
    expect(turns.isOver()).toBe(false)
    void turns.yield()
    time.now += 1.99
    expect(turns.isOver()).toBe(false)
    time.now += 0.02
    expect(turns.isOver()).toBe(true)
  })

  it('are shorter the more wait, down to a quarter of a millisecond', async () => {
    for (const { others, slice } of [
      { others: 4, slice: 0.5 },
      { others: 100, slice: 0.25 }
    ]) {
      const { time, turns } = overdueSlice()
      time.now += 2
      const first = turns.yield()
      for (let other = 0; other < others; other++) void turns.yield()
      await first
      time.now += slice - 0.01
      expect(turns.isOver()).toBe(false)
      time.now += 0.02
      expect(turns.isOver()).toBe(true)
    }
  })

  it('come one after the other: the next begins when the promises of the one before have nothing left to do', async () => {
    const { turns } = overdueSlice()
    const steps: string[] = []
    const go = async (name: string) => {
      await turns.yield()
      for (let step = 1; step <= 3; step++) {
        steps.push(name + step)
        await null
      }
    }
    await Promise.all([go('a'), go('b')])
    expect(steps).toEqual(['a1', 'a2', 'a3', 'b1', 'b2', 'b3'])
  })

  it('let the event loop go round after some milliseconds', async () => {
    const { time, turns } = overdueSlice()
    const gone: number[] = []
    for (const [number, takes] of [1, 1, 9, 1].entries()) {
      void turns.yield().then(() => {
        gone.push(number)
        time.now += takes
      })
    }
    await roundOfTheLoop()
    expect(gone).toEqual([0, 1, 2])
    await roundOfTheLoop()
    expect(gone).toEqual([0, 1, 2, 3])
  })

  it('come to those who wait although somebody never stops', async () => {
    const { time, turns } = overdueSlice()
    let isWaiting = true
    void turns.yield().then(() => (isWaiting = false))
    for (let step = 0; isWaiting && step < 100; step++) {
      time.now += 1
      // Somebody who asks, and does not wait.
      if (turns.isOver()) turns.add({ resume: () => {} })
      await null
    }
    expect(isWaiting).toBe(false)
  })

  it('are given to readers before the writer that they are behind', async () => {
    const { time, turns } = overdueSlice()
    const gone: string[] = []
    const reader = (topic: string): TurnTaker => ({
      resume: () => {
        gone.push(`reads ${topic}`)
        time.now += 0.1
        if (gone.length < 6) turns.add(reader(topic))
      },
      isBehind: topics => topics.includes(topic)
    })
    const writer = (topic: string): TurnTaker => ({
      resume: () => gone.push(`writes ${topic}`),
      written: { topics: [topic], bytes: 1024, since: 0 }
    })
    turns.add(writer('a'))
    turns.add(writer('b'))
    turns.add(reader('a'))
    await roundOfTheLoop()
    expect(gone).toEqual(['writes b', 'reads a', 'reads a', 'reads a', 'reads a', 'reads a', 'writes a'])
  })

  it('are given to a writer only once a reader has what it waits for on a disk', async () => {
    const { time, turns } = overdueSlice()
    const gone: string[] = []
    const reader = { isBehind: (topics: readonly string[]) => topics.includes('a') }
    turns.left(reader)
    turns.add({ resume: () => gone.push('writes a'), written: { topics: ['a'], bytes: 4096, since: 0 } })
    turns.add({ resume: () => gone.push('writes b'), written: { topics: ['b'], bytes: 4096, since: 0 } })
    for (let round = 0; round < 5; round++) await roundOfTheLoop()
    expect(gone).toEqual(['writes b'])
    turns.returned(reader)
    await roundOfTheLoop()
    expect(gone).toEqual(['writes b', 'writes a'])
    // Nor does it wait for longer than the reader needs for what it wrote.
    turns.left(reader)
    turns.add({ resume: () => gone.push('writes on'), written: { topics: ['a'], bytes: 4096, since: 0 } })
    time.now += 5
    for (let round = 0; round < 2; round++) await roundOfTheLoop()
    expect(gone).toEqual(['writes b', 'writes a', 'writes on'])
  })

  it('are given to a writer when those who are behind have had time for what it wrote', async () => {
    const { time, turns } = overdueSlice()
    const gone: string[] = []
    const reader: TurnTaker = {
      resume: () => {
        gone.push('read')
        time.now += 0.5
        if (gone.length < 6) turns.add(reader)
      },
      isBehind: () => true
    }
    turns.add({ resume: () => gone.push('write'), written: { topics: ['a'], bytes: 1024, since: 0 } })
    turns.add(reader)
    await roundOfTheLoop()
    expect(gone).toEqual(['read', 'read', 'write', 'read', 'read', 'read'])
  })
})

describe('a pace', () => {
  it('looks at the time for every item of those that take long, and seldom for others', () => {
    const { time, turns } = timed()
    const pace = new Pace(turns)
    const looks = (items: number, ms: number) => {
      let count = 0
      for (let item = 0; item < items; item++) {
        if (pace.isDue()) {
          pace.isOver()
          count++
        }
        time.now += ms
      }
      return count
    }
    expect(looks(10_000, 0.0001)).toBeLessThan(100)
    looks(200, 1)
    expect(looks(100, 1)).toBe(100)
  })
})
