import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Answer, Task } from './child.js'
import type { Work } from './contest.js'

export interface Plan {
  readonly rounds: number
  readonly scale: number
  readonly warmUp: number
  readonly scratch: string
  /** Contestants whose names contain one of these; empty for all. */
  readonly rows: readonly string[]
  /** Arguments of Node for the processes of the contestants, `--cpu-prof` for instance. */
  readonly nodeArguments: readonly string[]
  readonly timeoutMs: number
  /** How many processes at once. */
  readonly concurrency: number
}

/** What all rounds of one contestant gave. */
export interface Outcome {
  readonly contestant: string
  /** The readings of each round, by metric. */
  readonly readings: Readonly<Record<string, number[]>>
  readonly peakMiB: readonly number[]
  readonly stallMs: readonly number[]
  /** How much of a processor the process had, itself: well below 1 without waiting for anything, the machine was busy with others. */
  readonly cores: readonly number[]
  /** Why there are no readings, or not all. */
  readonly missing?: string
  readonly failed?: string
}

type OutcomeInTheMaking = { -readonly [K in keyof Outcome]: Outcome[K] } & {
  readings: Record<string, number[]>
  peakMiB: number[]
  stallMs: number[]
  cores: number[]
}

/**
 * Has all contestants do a work: each in a process of its own, one after the other, round by round, so that what else the machine does falls on
 * all alike; every other round goes backwards.
 */
export async function runWork(work: Work, plan: Plan, onProgress: (text: string) => void): Promise<Outcome[]> {
  const outcomes = new Map<string, OutcomeInTheMaking>()
  const contestants = work.contestants.filter(({ name }) => plan.rows.length === 0 || plan.rows.some(row => name.includes(row)))
  for (const { name } of contestants) outcomes.set(name, { contestant: name, readings: {}, peakMiB: [], stallMs: [], cores: [] })
  const rounds = Math.min(plan.rounds, work.rounds ?? plan.rounds)
  for (let round = 0; round < rounds; round++) {
    const queue = (round % 2 === 0 ? contestants : contestants.toReversed()).map(({ name }) => outcomes.get(name)!)
    const runQueue = async () => {
      for (let outcome: OutcomeInTheMaking | undefined; (outcome = queue.shift()); ) {
        if (outcome.missing !== undefined || outcome.failed !== undefined) continue
        onProgress(`${work.name}, round ${round + 1} of ${rounds}: ${outcome.contestant}`)
        note(outcome, await runChild(taskOf(work, outcome, plan), plan))
      }
    }
    await Promise.all(Array.from({ length: plan.concurrency }, runQueue))
  }
  return [...outcomes.values()]
}

function taskOf({ name: work }: Work, { contestant }: Outcome, { scale, warmUp, scratch }: Plan): Task {
  return { work, contestant, scale, warmUp, scratch }
}

function note(outcome: OutcomeInTheMaking, answer: Answer): void {
  if ('missing' in answer) outcome.missing = answer.missing
  else if ('failed' in answer) outcome.failed = answer.failed
  else {
    for (const [metric, figure] of Object.entries(answer.readings)) (outcome.readings[metric] ??= []).push(figure)
    outcome.peakMiB.push(answer.peakMiB)
    outcome.stallMs.push(answer.stallMs)
    outcome.cores.push(answer.cores)
  }
}

function runChild(task: Task, { nodeArguments, timeoutMs }: Plan): Promise<Answer> {
  return new Promise(resolve => {
    const child = fork(fileURLToPath(new URL('./child.js', import.meta.url)), [JSON.stringify(task)], {
      execArgv: ['--expose-gc', ...nodeArguments],
      stdio: ['ignore', 'inherit', 'pipe', 'ipc']
    })
    let answer: Answer | undefined
    let complaints = ''
    child.stderr?.on('data', chunk => (complaints = (complaints + chunk).slice(-4000)))
    child.on('message', message => (answer = message as Answer))
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.on('error', error => (answer ??= { failed: String(error) }))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      resolve(answer ?? { failed: `ended with ${signal ?? code} and no answer. ${complaints}` })
    })
  })
}
