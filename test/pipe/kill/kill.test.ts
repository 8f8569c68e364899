import { expect, it } from 'vitest'
import { killPipe } from './kill.js'

/* `npm run kill-pipe` is the long form. */

it('a pipe that is killed again and again moves every record once', async () => {
  const tally = await killPipe({ records: 8000, kills: 3, seed: 7 })
  expect(tally).toMatchObject({ records: 8000, kills: 3, isFinished: true })
  expect(tally.midway).toBeGreaterThan(0)
}, 120_000)
