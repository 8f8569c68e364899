import type { Setting } from './setting.js'

/** One kind of work, done in the same way by everybody who takes part. */
export interface Work {
  readonly name: string
  readonly title: string
  /** What exactly is done, for whoever reads the table. */
  readonly about: string
  readonly metrics: readonly Metric[]
  readonly contestants: readonly Contestant[]
  /** What the project wants to reach, as ratios within one run. */
  readonly goals?: readonly Goal[]
  /** The metric that the chart shows, or none. Default: the first one. */
  readonly chart?: string | null
  /** Shows how `metric` of some contestants goes with a quantity that their names carry (`1000 partitions`), in place of bars. */
  readonly curve?: { readonly over: string }
  /** How often to do it, where once is plenty. Default: what the command line says. */
  readonly rounds?: number
  /** Left out of `--smoke`, of `--quick` as well, or of everything but `--only`. */
  readonly when?: 'quick' | 'full' | 'asked'
}

export interface Metric {
  readonly name: string
  readonly title: string
  readonly unit: string
  readonly better: 'more' | 'less'
}

export interface Contestant {
  readonly name: string
  /** The floor is what the machine can do without a library that keeps anything. */
  readonly role: 'us' | 'peer' | 'floor'
  /** The part of the work's records that is enough for this one, which is slow. Default: 1. */
  readonly effort?: number
  /** Whether to do it once, smaller, before it counts. Default: `true`. */
  readonly warmsUp?: boolean
  /** Ratios are taken within a family, where a work has several. */
  readonly family?: string
  /** What stands beside the row when it does something else than the others. */
  readonly note?: string
  /** Does the work once, in a process of its own. Throws `Missing` where what it needs is not installed. */
  run(setting: Setting): Promise<Readings>
}

/** What a run measured, by the names of the work's metrics. */
export type Readings = Readonly<Record<string, number>>

/** The median of `row` is to be at least, or at most, so many times that of `of`, the best of them where there are several. */
export interface Goal {
  readonly row: string
  readonly metric: string
  readonly of?: string | readonly string[]
  readonly atLeast?: number
  readonly atMost?: number
}

/** Thrown by a contestant that cannot take part on this machine. */
export class Missing extends Error {}

export const million: Metric = { name: 'rate', title: 'records', unit: 'M/s', better: 'more' }
