import { parseArgs } from 'node:util'
import { killRepeatedly } from './kill.js'

/* npm run kill -- --kills 500: kills a working process that often, in directories of 25 lives each, and looks after each kill whether anything is lost. */
const { values } = parseArgs({ options: { kills: { type: 'string' }, seed: { type: 'string' }, quiet: { type: 'boolean' } } })
const kills = Number(values.kills ?? 25)
const sum = { kills: 0, records: 0, commits: 0 }
for (let seed = Number(values.seed ?? 1); sum.kills < kills; seed++) {
  const tally = await killRepeatedly(Math.min(25, kills - sum.kills), seed, values.quiet ? undefined : line => console.log(line))
  sum.kills += tally.kills
  sum.records += tally.records
  sum.commits += tally.commits
  console.log(`up to seed ${seed}:`, JSON.stringify(sum), 'nothing lost')
}
