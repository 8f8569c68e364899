import { parseArgs } from 'node:util'
import { type Plan, planOf } from './plan.js'
import { play } from './round.js'

/*
 * npm run rounds -- --rounds 1000          plays so many rounds, each from its seed
 * npm run rounds -- --seed 17              plays one again, leaves out what it does not take, and tells its story
 * --from N                                 the first seed; default: 1
 * --step N                                 the distance between seeds; default: 1
 * --keep                                   goes on after a failure
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '100' },
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    step: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
    whole: { type: 'boolean', default: false }
  }
})
process.removeAllListeners('warning')

if (values.seed !== undefined) await one(Number(values.seed))
else await many()

async function one(seed: number): Promise<void> {
  let plan = planOf(seed)
  const complaints = await play(plan)
  if (complaints.length > 0 && !values.whole) plan = await smallest(plan)
  const story: string[] = []
  const found = await play(plan, story)
  console.log(story.join('\n'))
  if (complaints.length === 0) return console.log(`Seed ${seed} is well`)
  console.log(`Seed ${seed}, ${plan.steps.length} steps:\n${found.join('\n')}`)
  process.exitCode = 1
}

/** Leaves out one step after the other, as long as something is still wrong. */
async function smallest(plan: Plan): Promise<Plan> {
  let least = plan
  for (let size = Math.ceil(least.steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < least.steps.length; ) {
      const steps = least.steps.filter((_, index) => index < at || index >= at + size)
      const candidate = { ...least, steps }
      if ((await play(candidate)).length > 0) least = candidate
      else at += size
    }
  }
  return least
}

async function many(): Promise<void> {
  const count = Number(values.rounds)
  const step = Number(values.step)
  const started = Date.now()
  const failed: number[] = []
  for (let i = 0; i < count; i++) {
    const seed = Number(values.from) + i * step
    const complaints = await play(planOf(seed))
    if (complaints.length === 0) continue
    failed.push(seed)
    console.log(`Seed ${seed}: ${complaints[0]}`)
    if (!values.keep) break
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  console.log(`${count} rounds in ${seconds} s, ${failed.length} failed${failed.length > 0 ? `: ${failed.join(' ')}` : ''}`)
  if (failed.length > 0) process.exitCode = 1
}
