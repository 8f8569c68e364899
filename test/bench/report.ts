import type { Goal, Metric, Work } from './contest.js'
import type { Outcome } from './runner.js'
import { median, shown } from './statistics.js'

/** A work that has been done by all. */
export interface Result {
  readonly work: Work
  readonly outcomes: readonly Outcome[]
}

export interface GoalReached extends Goal {
  readonly of?: string
  readonly reached: number
  readonly isMet: boolean
}

/** The table of one work, the first line being its head. */
export function tableOf({ work, outcomes }: Result): string[][] {
  const [us, floor] = (['us', 'floor'] as const).map(role => references(work, outcomes, role))
  const [first] = work.metrics
  const rounds = Math.max(0, ...outcomes.map(({ peakMiB }) => peakMiB.length))
  const head = ['', ...work.metrics.map(({ title, unit }) => `${title}, ${unit}`)]
  if (rounds > 1) head.splice(2, 0, 'from, to')
  if (us.size > 0) head.push('to us')
  if (floor.size > 0) head.push('to the floor')
  head.push('peak MiB', 'cores used', 'longest stall, ms')
  const rows = outcomes.map(outcome => {
    const { contestant, readings, missing, failed } = outcome
    const { note, family } = work.contestants.find(({ name }) => name === contestant)!
    const name = note ? `${contestant} (${note})` : contestant
    if (Object.keys(readings).length === 0)
      return [name, missing !== undefined ? `skipped: ${missing}` : `failed: ${failed?.split('\n')[0]}`]
    const cells = [name, ...work.metrics.map(metric => shownMedian(readings, metric))]
    if (rounds > 1) cells.splice(2, 0, shownSpread(readings[first.name] ?? []))
    if (us.size > 0) cells.push(shownRatio(outcome, us.get(family), first))
    if (floor.size > 0) cells.push(shownRatio(outcome, floor.get(family), first))
    cells.push(shown(median(outcome.peakMiB)), shown(median(outcome.cores)), shown(Math.max(...outcome.stallMs)))
    return cells
  })
  return [head, ...rows]
}

/** For how long, in milliseconds, we may hold up the event loop at a time, whatever the work. */
const longestStall = 20

/** Which goals were reached, among those whose contestants all took part. */
export function goalsOf(result: Result): GoalReached[] {
  return [...ratiosOf(result), ...stallsOf(result)]
}

/** The worst of our rows. A machine that was busy elsewhere in one of the rounds does not count. */
function stallsOf({ work, outcomes }: Result): GoalReached[] {
  const isOurs = (row: string) => work.contestants.find(({ name }) => name === row)?.role === 'us'
  const stalls = outcomes
    .filter(({ contestant, stallMs }) => isOurs(contestant) && stallMs.length > 0)
    .map(({ contestant, stallMs }) => ({ row: contestant, reached: median(stallMs) }))
    .sort((a, b) => b.reached - a.reached)
    .slice(0, 1)
  return stalls.map(stall => ({ ...stall, metric: 'longest stall, ms', atMost: longestStall, isMet: stall.reached <= longestStall }))
}

function ratiosOf({ work, outcomes }: Result): GoalReached[] {
  const figure = (row: string, metric: string) => {
    const readings = outcomes.find(({ contestant }) => contestant === row)?.readings[metric]
    return readings === undefined ? undefined : median(readings)
  }
  return (work.goals ?? []).flatMap(goal => {
    const ours = figure(goal.row, goal.metric)
    if (ours === undefined) return []
    const { better } = work.metrics.find(({ name }) => name === goal.metric)!
    const rivals = [goal.of ?? []].flat().flatMap(row => {
      const theirs = figure(row, goal.metric)
      return theirs === undefined ? [] : [{ row, theirs }]
    })
    if (goal.of !== undefined && rivals.length === 0) return []
    rivals.sort((a, b) => (better === 'more' ? b.theirs - a.theirs : a.theirs - b.theirs))
    const reached = rivals.length > 0 ? ours / rivals[0].theirs : ours
    const isMet = reached >= (goal.atLeast ?? Number.NEGATIVE_INFINITY) && reached <= (goal.atMost ?? Number.POSITIVE_INFINITY)
    return [{ ...goal, of: rivals[0]?.row, reached, isMet }]
  })
}

/** What is asked for first: works and metrics of the short table. */
const summary = [
  ['bus', 'rate'],
  ['disk', 'append'],
  ['disk', 'replay'],
  ['fsync-1', 'rate'],
  ['fsync-100', 'rate'],
  ['latency', 'p50'],
  ['socket', 'produce'],
  ['socket', 'consume']
] as const

/** A line for each, ours and everybody else's from the best on; the first line is the head. */
export function summaryTable(results: readonly Result[]): string[][] {
  const lines = summary.flatMap(([name, metricName]) => {
    const result = results.find(({ work }) => work.name === name)
    const metric = result?.work.metrics.find(each => each.name === metricName)
    if (!result || !metric) return []
    const { work, outcomes } = result
    const cell = (isOurs: boolean) =>
      work.contestants
        .filter(({ role }) => (role === 'us') === isOurs)
        .flatMap(({ name }) => {
          const figures = outcomes.find(({ contestant }) => contestant === name)?.readings[metricName]
          return figures ? [{ name: name.replace(/^millrace(?:: | )/, ''), figure: median(figures) }] : []
        })
        .sort((a, b) => (metric.better === 'more' ? b.figure - a.figure : a.figure - b.figure))
        .map(({ name, figure }) => `${name} **${shown(figure)}**`)
        .join('; ')
    return [[`${work.title}: ${metric.title}, ${metric.unit}`, cell(true), cell(false)]]
  })
  return [['', 'millrace', 'others'], ...lines]
}

/** For a terminal. */
export function shownTable(table: readonly string[][]): string {
  const widths = table[0].map((_, column) =>
    Math.max(...table.filter(row => row.length > 2 || column === 0).map(row => row[column]?.length ?? 0))
  )
  return table
    .map(row =>
      row
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : row.length === 2 ? cell : cell.padStart(widths[column])))
        .join('  ')
        .trimEnd()
    )
    .join('\n')
}

export function shownGoals(goals: readonly GoalReached[]): string {
  return goals
    .map(({ row, metric, of, atLeast, atMost, reached, isMet }) => {
      const wanted = atLeast !== undefined ? `at least ${atLeast}` : `at most ${atMost}`
      return `${isMet ? 'met   ' : 'MISSED'}  ${row}, ${metric}: ${shown(reached)}${of === undefined ? '' : ` × ${of}`}, wanted ${wanted}`
    })
    .join('\n')
}

export function markdownTable(table: readonly string[][]): string {
  const [head, ...rows] = table
  const line = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [
    line(head),
    `|${head.map((_, column) => (column === 0 ? '---|' : '---:|')).join('')}`,
    ...rows.map(row => line([...row, ...head.slice(row.length).fill('')]))
  ].join('\n')
}

/** The first row with a role, of each family, by the first metric. */
function references(work: Work, outcomes: readonly Outcome[], role: 'us' | 'floor'): Map<string | undefined, Outcome> {
  const first = new Map<string | undefined, Outcome>()
  for (const { name, family, role: itsRole } of work.contestants) {
    const outcome = outcomes.find(({ contestant, readings }) => contestant === name && readings[work.metrics[0].name] !== undefined)
    if (itsRole === role && outcome && !first.has(family)) first.set(family, outcome)
  }
  return first
}

function shownMedian(readings: Outcome['readings'], { name }: Metric): string {
  return readings[name] === undefined ? '' : shown(median(readings[name]))
}

function shownSpread(figures: readonly number[]): string {
  if (figures.length === 0) return ''
  return `${shown(Math.min(...figures))}, ${shown(Math.max(...figures))}`
}

function shownRatio(outcome: Outcome, to: Outcome | undefined, { name }: Metric): string {
  const figures = outcome.readings[name]
  return figures === undefined || to === undefined ? '' : shown(median(figures) / median(to.readings[name]))
}
