import { describe, expect, it } from 'vitest'
import { simulate } from './simulation.js'

// The long run: npm run simulate -- --seeds 10000. One life again, with its story: npm run simulate -- --seed 17
describe('a cluster on a disk that fails, stops and loses power', () => {
  for (let seed = 1; seed <= 60; seed += 10) {
    it(`keeps what it promised, seeds ${seed} to ${seed + 9}`, async () => {
      for (let i = seed; i < seed + 10; i++) {
        const { lives } = await simulate(i)
        expect(lives).toBeGreaterThan(2)
      }
    })
  }

  it('lives the same life again from the same seed', async () => {
    const stories: string[][] = [[], []]
    for (const story of stories) await simulate(5, { story })
    expect(stories[0].length).toBeGreaterThan(50)
    expect(stories[0]).toEqual(stories[1])
  })
})
