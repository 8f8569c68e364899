import { expect, it } from 'vitest'
import { unreliableRun } from './unreliable-run.js'

const runs = 8

it('each record is in its partition once, in the order of sending, whatever becomes of requests, answers and the node', async () => {
  const met = new Set<string>()
  let mostInFlight = 0
  const first = Math.floor(Math.random() * 2 ** 30)
  for (let seed = first; seed < first + runs; seed++) {
    const run = await unreliableRun(seed, 1 + (seed % 3))
    expect(run.written, `what is in the log, with the seed ${seed}`).toEqual(run.sent)
    expect(run.answered, `what is answered, with the seed ${seed}`).toEqual(run.sent)
    mostInFlight = Math.max(mostInFlight, run.mostInFlight)
    for (const what of run.met.keys()) met.add(what)
  }
  expect(met.size, 'all that can happen has happened').toBe(10)
  expect(mostInFlight).toBeGreaterThanOrEqual(5)
}, 60_000)
