import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { chartOf } from './charts.js'
import type { Work } from './contest.js'
import { shownMachine, thisMachine } from './machine.js'
import { goalsOf, markdownTable, type Result, shownGoals, shownTable, summaryTable, tableOf } from './report.js'
import { type Plan, runWork } from './runner.js'
import { works } from './works/index.js'

const help = `Measures millrace against what people embed today, and against the floor of the machine.

    npm run bench [-- options]

    --quick             one short round of each, under three minutes in all
    --smoke             only prove that everything runs: tiny, ours and what needs no install
    --only NAME         only this work; may be given several times: ${Object.keys(works).join(', ')}
    --row TEXT          only the rows whose names contain this; may be given several times
    --rounds N          rounds of each work (5)
    --scale X           the part of the full number of records (1)
    --json FILE         also write all figures to a file
    --out DIR           write tables (Markdown) and charts (SVG) there, as docs/bench has them
    --scratch DIR       where to put files that are measured (test/bench/.bench/scratch)
    --library DIR       measure the build in this folder in place of dist
    --profile DIR       have Node write a CPU profile of every process there
`

const { values: given } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    row: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string' },
    scale: { type: 'string' },
    json: { type: 'string' },
    out: { type: 'string' },
    scratch: { type: 'string' },
    library: { type: 'string' },
    profile: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false }
  }
})

if (given.help) {
  console.log(help)
  process.exit(0)
}
const unknown = given.only.filter(name => !(name in works))
if (unknown.length > 0) {
  console.error(`There is no work called ${unknown.join(', ')}. There are ${Object.keys(works).join(', ')}.`)
  process.exit(2)
}

const benchFolder = fileURLToPath(new URL('../../', import.meta.url))
if (given.library) process.env.MILLRACE_LIBRARY = resolve(given.library)
const scratchHome = resolve(given.scratch ?? join(benchFolder, '.bench/scratch'))
mkdirSync(scratchHome, { recursive: true })
const scratch = mkdtempSync(join(scratchHome, 'bench-'))

const pace = given.smoke
  ? { rounds: 1, scale: 0.002, warmUp: 0 }
  : given.quick
    ? { rounds: 1, scale: 0.15, warmUp: 0.1 }
    : { rounds: 5, scale: 1, warmUp: 0.6 }
const scale = Number(given.scale ?? pace.scale)
const plan: Plan = {
  rounds: Number(given.rounds ?? pace.rounds),
  scale,
  warmUp: Math.min(pace.warmUp, scale),
  scratch,
  rows: given.row,
  nodeArguments: given.profile ? ['--cpu-prof', '--cpu-prof-dir', resolve(given.profile)] : [],
  timeoutMs: given.smoke ? 30_000 : 600_000,
  // Figures want a machine of their own; a smoke test only wants to be over.
  concurrency: given.smoke ? availableParallelism() : 1
}

const [load] = loadavg()
if (load > 0.5 && !given.smoke) console.error(`This machine is busy (load ${load.toFixed(1)}): read the ratios with care.`)

const results: Result[] = []
const started = performance.now()
for (const [name, load] of Object.entries(works)) {
  if (given.only.length > 0 && !given.only.includes(name)) continue
  const work = await load()
  if (given.only.length === 0 && !isWanted(work)) continue
  const outcomes = await runWork(given.smoke ? smokeOf(work) : work, plan, progress)
  progress('')
  const result = { work, outcomes }
  results.push(result)
  console.log(`\n${work.title} (${name})\n${work.about}\n\n${shownTable(tableOf(result))}`)
  const goals = shownGoals(goalsOf(result))
  if (goals && !given.smoke) console.log(`\n${goals}`)
  for (const { contestant, failed } of outcomes) if (failed !== undefined) console.error(`\n${contestant} failed: ${failed}`)
}
rmSync(scratch, { recursive: true, force: true })

const machine = thisMachine(benchFolder, JSON.parse(readFileSync(join(benchFolder, '../../package.json'), 'utf8')).version)
console.log(
  `\n${shownMachine(machine)}\n${Math.round((performance.now() - started) / 1000)} s, ${plan.rounds} ${plan.rounds === 1 ? 'round' : 'rounds'} at scale ${plan.scale}`
)
if (given.json) {
  const figures = results.map(({ work: { name, title, metrics }, outcomes }) => ({ name, title, metrics, outcomes }))
  writeFileSync(
    given.json,
    `${JSON.stringify({ machine, rounds: plan.rounds, scale, works: figures, goals: results.flatMap(goalsOf) }, null, 2)}\n`
  )
}
if (given.out) writePages(resolve(given.out))
process.exitCode = results.some(({ outcomes }) => outcomes.some(({ failed }) => failed !== undefined)) ? 1 : 0

function isWanted({ when }: Work): boolean {
  return when === undefined || (when === 'full' && !given.quick && !given.smoke) || (when === 'quick' && !given.smoke)
}

/** What is enough to see that a work can be done. */
function smokeOf(work: Work): Work {
  const floors = work.contestants.filter(({ role }) => role === 'floor')
  const ours = work.contestants.filter(({ role }) => role === 'us')
  return { ...work, contestants: [...floors.slice(0, 1), ...ours.slice(0, 3)] }
}

/** Says on a terminal what is going on, in one line that is written again and again. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

function writePages(folder: string): void {
  mkdirSync(folder, { recursive: true })
  const sections = results.map(result => {
    const { work } = result
    const chart = chartOf(result)
    if (chart) writeFileSync(join(folder, `${work.name}.svg`), chart)
    const goals = goalsOf(result)
    return [
      `## ${work.title}`,
      work.about,
      chart ? `![${work.title}](${work.name}.svg)` : '',
      markdownTable(tableOf(result)),
      goals.length > 0 ? `\`\`\`text\n${shownGoals(goals)}\n\`\`\`` : ''
    ]
      .filter(Boolean)
      .join('\n\n')
  })
  const head = `# Measured\n\nMade by \`npm run bench\`: ${plan.rounds === 1 ? 'a single round' : `medians of ${plan.rounds} rounds`}, everyone in a process of its own, one after the other, in turns. Read the ratios: absolute figures move with the machine and the day.\n\n${shownMachine(machine)}`
  writeFileSync(
    join(folder, 'README.md'),
    `${[head, markdownTable(summaryTable(results)).replaceAll('---:', '---'), ...sections].join('\n\n')}\n`
  )
  console.log(`Tables and charts are in ${basename(folder)}/`)
}
