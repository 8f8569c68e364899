import { expect, it } from 'vitest'
import { connectionsEach, runHostile } from './hostile/hour.js'

it('strangers who announce, dribble, guess and send junk are not let in, and keep no honest client out', async () => {
  const report = await runHostile({
    strangers: 200,
    honest: 10,
    rounds: 1,
    calmSeconds: 0.5,
    hostileSeconds: 3,
    pauseMs: 400,
    everyMs: 100,
    maxConnections: 160
  })
  expect(report.errors).toEqual([])
  expect(report.received).toBe(report.sent)
  expect(report.strangers).toMatchObject({ letIn: 0 })
  expect(report.strangers.guesses).toBeGreaterThan(0)
  expect(report.hostile.entries).toBeGreaterThan(0)
  expect(report.after.bytes).toBe(0)
  expect(report.after.connections).toBeLessThanOrEqual(connectionsEach * 11)
  expect(report.bufferGrowth).toBeLessThan(16 * 1024 * 1024)
  expect(report.topics).toEqual(['news'])
}, 60_000)
