import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/common/random.js'
import { cuts, type Damage, flips, meet, type Outcome, smallDirectory } from './damage.js'

// All of it, every bit flipped and every length: npm run simulate -- --damage
describe('a directory with one thing wrong', () => {
  for (const isClean of [true, false]) {
    it(`opens with everything right, or says what is wrong; ${isClean ? 'closed in order' : 'left by a crash'}`, {
      timeout: 240_000
    }, async () => {
      const directory = await smallDirectory(isClean)
      const seed = Math.floor(Math.random() * 1_000_000)
      console.log(`damage by seed ${seed}`)
      const random = seededRandom(seed)
      const damages: Damage[] = [...flips(directory, 11, random), ...cuts(directory, 11, random)]
      const outcomes = new Map<Outcome, number>()
      for (const damage of damages) {
        const outcome = await meet(directory, damage)
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
      }
      expect(outcomes.get('unharmed')).toBeGreaterThan(50)
      expect(outcomes.get('partition stopped')).toBeGreaterThan(10)
      if (!isClean) expect(outcomes.get('cut and reported')).toBeGreaterThan(50)
    })
  }
})
