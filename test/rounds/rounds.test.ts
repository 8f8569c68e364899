import { describe, expect, it } from 'vitest'
import { planOf } from './plan.js'
import { play } from './round.js'

// The long run: npm run rounds -- --rounds 10000. One round again, with its story: npm run rounds -- --seed 17
describe('readers of every kind, under any sequence of sends, seeks, pauses, failures, commits, rebalances, deletions and full partitions', () => {
  for (let seed = 1; seed <= 60; seed += 10) {
    it(`get every record, once where nothing failed, and commit nothing that is not handled, seeds ${seed} to ${seed + 9}`, async () => {
      for (let i = seed; i < seed + 10; i++) expect(await play(planOf(i)), `seed ${i}`).toEqual([])
    })
  }

  it('are told of the records of a partition that the topic no longer has when it is created anew', async () => {
    expect(await play(planOf(11_890))).toEqual([])
  })
})
