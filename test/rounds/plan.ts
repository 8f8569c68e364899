import { type Random, randomInteger, seededRandom } from '../../src/common/random.js'
import type { BacklogPolicy } from '../../src/index.js'
import type { Kind, ReaderOptions } from './reader.js'

export interface Setting {
  readonly storage: 'memory' | 'slow' | 'disk'
  readonly partitions: number
  readonly policy: BacklogPolicy | undefined
  readonly limitBytes: number | undefined
  readonly retentionBytes: number | undefined
}

export type Step =
  | {
      readonly do: 'send'
      readonly producer: number
      readonly topic: number
      readonly way: 'each' | 'batch' | 'inTurn'
      readonly keys: readonly (number | null)[]
      readonly bytes: number
    }
  | { readonly do: 'join'; readonly audience: number; readonly options: Omit<ReaderOptions, 'isCooperative'> }
  | { readonly do: 'leave' | 'vanish' | 'commit' | 'resume'; readonly which: number }
  | { readonly do: 'pause'; readonly which: number; readonly place: number }
  | { readonly do: 'seek' | 'commitGiven'; readonly which: number; readonly place: number; readonly fraction: number }
  | { readonly do: 'seekTo'; readonly which: number; readonly where: 'beginning' | 'end' | 'time'; readonly ms: number }
  | { readonly do: 'fail'; readonly which: number; readonly times: number }
  | { readonly do: 'leaveLoop'; readonly which: number; readonly how: 'unhandled' | 'committed' }
  | { readonly do: 'grow'; readonly topic: number }
  | { readonly do: 'recreate'; readonly topic: number; readonly ms: number }
  | { readonly do: 'deleteRecords'; readonly topic: number; readonly partition: number; readonly fraction: number }
  | { readonly do: 'wait'; readonly ms: number }

export interface Plan {
  readonly setting: Setting
  readonly steps: readonly Step[]
}

/** Each kind of step, and how often it comes. */
const weights: Record<Step['do'], number> = {
  send: 22,
  join: 11,
  wait: 18,
  leave: 4,
  vanish: 3,
  commit: 4,
  commitGiven: 3,
  pause: 5,
  resume: 5,
  seek: 6,
  seekTo: 4,
  fail: 5,
  leaveLoop: 4,
  grow: 1,
  recreate: 1,
  deleteRecords: 2
}

/** The plan that a seed stands for. */
export function planOf(seed: number): Plan {
  const random = seededRandom(seed)
  const setting = settingOf(random)
  const steps: Step[] = []
  const count = 5 + randomInteger(random, 45)
  while (steps.length < count) steps.push(stepOf(random))
  return { setting, steps }
}

function settingOf(random: Random): Setting {
  const isTight = random.next() < 0.5
  return {
    storage: pick(random, ['memory', 'memory', 'slow', 'disk']),
    partitions: 1 + randomInteger(random, 3),
    policy: pick(random, [undefined, 'producer_request_hold', 'producer_exception', 'consumer_backlog_eviction']),
    limitBytes: isTight ? 1000 + randomInteger(random, 2000) : undefined,
    retentionBytes: isTight ? 600 + randomInteger(random, 2000) : undefined
  }
}

function stepOf(random: Random): Step {
  const which = randomInteger(random, 12)
  const place = randomInteger(random, 8)
  const topic = randomInteger(random, 2)
  const fraction = random.next()
  const step = weighted(random)
  switch (step) {
    case 'send':
      return {
        do: step,
        producer: randomInteger(random, 3),
        topic,
        way: pick(random, ['each', 'batch', 'inTurn']),
        keys: Array.from({ length: 1 + randomInteger(random, 12) }, () => (random.next() < 0.2 ? null : randomInteger(random, 5))),
        bytes: random.next() < 0.3 ? 100 : 5
      }
    case 'join':
      return { do: step, audience: randomInteger(random, 3), options: readerOf(random) }
    case 'pause':
      return { do: step, which, place }
    case 'seek':
    case 'commitGiven':
      return { do: step, which, place, fraction }
    case 'seekTo':
      return { do: step, which, where: pick(random, ['beginning', 'end', 'time']), ms: randomInteger(random, 30_000) }
    case 'fail':
      return { do: step, which, times: 1 + randomInteger(random, 3) }
    case 'leaveLoop':
      return { do: step, which, how: pick(random, ['unhandled', 'committed']) }
    case 'grow':
      return { do: step, topic }
    case 'recreate':
      return { do: step, topic, ms: pick(random, [0, 0, 50, 3000, 8000]) }
    case 'deleteRecords':
      return { do: step, topic, partition: randomInteger(random, 4), fraction }
    case 'wait':
      return { do: step, ms: pick(random, [0, 1, 20, 100, 600, 3000, 12_000]) }
    default:
      return { do: step, which }
  }
}

function readerOf(random: Random): Omit<ReaderOptions, 'isCooperative'> {
  return {
    kind: pick(random, ['records', 'batches', 'byPartition', 'byKey', 'byKey', 'eachBatch'] satisfies Kind[]),
    autoCommit: random.next() < 0.85,
    concurrency: 1 + randomInteger(random, 3),
    pace: pick(random, [0, 0, -1, -3, 5, 40, 300]),
    attempts: pick(random, [1, 1, 2]),
    hasDeadLetter: random.next() < 0.3,
    maxPartitionFetchBytes: pick(random, [1, 200, 1000, 100_000]),
    maxPollRecords: 1 + randomInteger(random, 8)
  }
}

function weighted(random: Random): Step['do'] {
  const all = Object.entries(weights) as [Step['do'], number][]
  let dice = random.next() * all.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [name, weight] of all) if ((dice -= weight) < 0) return name
  return 'wait'
}

function pick<const T>(random: Random, values: readonly T[]): T {
  return values[randomInteger(random, values.length)]
}
