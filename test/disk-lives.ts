import { type Random, seededRandom } from '../src/common/random.js'
import { SimulatedDisk } from '../src/testing/simulated-disk.js'

/** The lives of clusters on one disk, from one seed. */
export interface DiskWorld<Counts> {
  readonly disk: SimulatedDisk
  readonly random: Random
  /** The moves of whose end somebody was told, and whether each was committed. */
  readonly outcomes: Map<string, boolean>
  readonly counts: Counts
}

/** Leads the lives of each seed; an error names the seed. SEED=… SEEDS=… run others. */
export async function eachSeed<Counts>(
  seeds: number,
  newCounts: () => Counts,
  lead: (world: DiskWorld<Counts>) => Promise<void>
): Promise<void> {
  const first = Number(process.env.SEED ?? 1)
  const count = Number(process.env.SEEDS ?? seeds)
  for (let seed = first; seed < first + count; seed++) {
    const random = seededRandom(seed)
    const counts = newCounts()
    try {
      await lead({ disk: new SimulatedDisk({ random }), random, outcomes: new Map(), counts })
    } catch (error) {
      throw new Error(`seed ${seed}, ${JSON.stringify(counts)}: ${(error as Error).stack}`)
    }
  }
}

/**
 * True once the work is done, false where the disk stops first. An error of the work is no fault
 * where the disk has stopped.
 */
export async function doneBeforeStop(disk: SimulatedDisk, work: Promise<unknown>): Promise<boolean> {
  let isSettled = false
  const done = work.then(() => true).finally(() => (isSettled = true))
  done.catch(() => {})
  while (!isSettled && !disk.hasStopped) await new Promise(resolve => setImmediate(resolve))
  if (!isSettled) return false
  return done.catch(error => {
    if (disk.hasStopped) return false
    throw error
  })
}
