import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { seededRandom } from '../../src/common/random.js'
import { cuts, flips, meet, smallDirectory } from './damage.js'
import { type SimulationOptions, simulate, type Tally } from './simulation.js'

/*
 * npm run simulate -- --seeds 10000        lets so many clusters live, on two processors
 * npm run simulate -- --seed 17            lets one live again, and tells its story
 * --from N                                 the first seed; default: 1
 * --without power,faults,zeros                   leaves some of the trouble out
 * --keep                                   goes on after a failure
 * npm run simulate -- --damage             flips every bit and cuts every file of a small directory, at every length, instead
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    step: { type: 'string', default: '1' },
    without: { type: 'string', default: '' },
    damage: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false }
  }
})
const without = values.without.split(',')
// Trouble is what these lives are made of.
process.removeAllListeners('warning')
const options: SimulationOptions = {
  powerCuts: !without.includes('power'),
  faults: !without.includes('faults'),
  zeros: !without.includes('zeros')
}

if (values.damage) await damage()
else if (values.seed !== undefined) await one(Number(values.seed))
else if (Number(values.seeds) >= 200 && values.step === '1') await shared()
else await many()

async function one(seed: number): Promise<void> {
  const story: string[] = []
  try {
    const tally = await simulate(seed, { ...options, story })
    console.log(`${story.join('\n')}\nSeed ${seed} is well:`, JSON.stringify(tally))
  } catch (error) {
    console.log(`${story.join('\n')}\n${(error as Error).message}`)
    process.exitCode = 1
  }
}

async function many(): Promise<void> {
  const first = Number(values.from)
  const step = Number(values.step)
  const count = Math.floor(Number(values.seeds))
  const started = Date.now()
  const sum: Partial<Tally> & Record<string, number> = {}
  const failed: number[] = []
  for (let i = 0; i < count; i++) {
    const seed = first + i * step
    try {
      for (const [name, value] of Object.entries(await simulate(seed, options))) sum[name] = (sum[name] ?? 0) + value
    } catch (error) {
      failed.push(seed)
      console.log((error as Error).message)
      process.exitCode = 1
      if (!values.keep) break
    }
  }
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  console.log(
    `${count} seeds from ${first}${step > 1 ? `, every ${step}nd` : ''}, in ${seconds} s: ${failed.length} failed.`,
    JSON.stringify(sum)
  )
  if (failed.length > 0) console.log(`Failed: ${failed.join(' ')}. Again, with its story: npm run simulate -- --seed ${failed[0]}`)
}

/** Two processes take every second seed each. */
async function shared(): Promise<void> {
  const halves = [0, 1].map(async offset => {
    const count = Math.ceil((Number(values.seeds) - offset) / 2)
    const own = ['--from', String(Number(values.from) + offset), '--step', '2', '--seeds', String(count), '--without', values.without]
    const child = spawn(
      process.execPath,
      [...process.execArgv, fileURLToPath(import.meta.url), ...own, ...(values.keep ? ['--keep'] : [])],
      {
        stdio: 'inherit'
      }
    )
    const code = await new Promise(resolve => child.on('close', resolve))
    if (code !== 0) process.exitCode = 1
  })
  await Promise.all(halves)
}

async function damage(): Promise<void> {
  for (const isClean of [true, false]) {
    const directory = await smallDirectory(isClean)
    for (const [name, kind] of Object.entries({ flips, cuts })) {
      const outcomes: Record<string, number> = {}
      for (const one of kind(directory, 1, seededRandom(1))) {
        try {
          const outcome = await meet(directory, one)
          outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
        } catch (error) {
          console.log((error as Error).message)
          process.exitCode = 1
        }
      }
      console.log(`${name}, ${isClean ? 'closed in order' : 'left by a crash'}:`, JSON.stringify(outcomes))
    }
  }
}
