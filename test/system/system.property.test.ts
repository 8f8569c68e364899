import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Scene, type Step } from './scene.js'

const key = fc.option(fc.nat(4))
const some = fc.nat(11)

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      producer: fc.nat(2),
      keys: fc.array(key, { minLength: 1, maxLength: 12, size: 'max' })
    })
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('sendTo' as const), producer: fc.nat(2), place: some, count: fc.integer({ min: 1, max: 20 }) })
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('join' as const), group: fc.nat(1), isStatic: fc.boolean(), pace: fc.nat(2) })
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('leave' as const, 'vanish' as const), which: some }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('commit' as const, 'pause' as const, 'resume' as const), which: some }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('seek' as const), which: some, fraction: fc.double({ min: 0, max: 1, noNaN: true }) })
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('grow' as const, 'loseAnswer' as const, 'flush' as const) }) },
  { weight: 7, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(0, 50, 600, 3000, 12_000, 60_000) }) }
)

describe('a cluster under any sequence of sends, joins, leaves, crashes, commits, seeks, pauses and new partitions', () => {
  it.each([
    ['in memory', false],
    ['on a storage that takes its time', true]
  ])(
    'loses nothing, doubles only what was not committed, keeps the order, and comes to rest: %s',
    async (_, isSlow) => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async steps => {
          const scene = new Scene()
          await scene.open(isSlow)
          try {
            for (const each of steps) await scene.apply(each)
            expect(scene.complaints).toEqual([])
            await scene.settle()
            await scene.expectLogToFit()
          } finally {
            await scene.close()
          }
        }),
        { numRuns: 40, interruptAfterTimeLimit: 20_000 }
      )
      // Long enough for a failure to be shrunk.
    },
    120_000
  )
})
