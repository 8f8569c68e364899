import type { Storage } from '../../storage/storage.js'
import { finishSwaps } from '../compaction/swap-recovery.js'
import { leaderEpochFile, pathIn } from '../segment/file-names.js'

/** The files in the folder of a log, by the offsets in their names. */
export interface LogFolder {
  /** First offsets of the segments, ascending. */
  readonly segments: readonly number[]
  /** Segments whose two indexes are there. */
  readonly indexed: ReadonlySet<number>
  /** Segments with a list of their aborted transactions. */
  readonly withAborted: ReadonlySet<number>
  /** Offsets at which the producers were noted, ascending. */
  readonly snapshots: readonly number[]
  readonly hasLeaderEpochs: boolean
  /** Files that are named after an offset which no log can have. */
  readonly strays: readonly string[]
}

const numberedFile = /^(\d{20})\.(log|index|timeindex|txnindex|snapshot)$/
const unfinished = /\.(deleted|cleaned|swap|tmp)$/

/**
 * Lists a folder. Where it may be changed, what a crash has left half done is finished or undone
 * first, and indexes without a log are removed.
 */
export async function lookIntoFolder(storage: Storage, folder: string, mayChange: boolean): Promise<LogFolder> {
  let names = await storage.list(folder)
  if (mayChange && names.some(name => unfinished.test(name))) {
    await finishSwaps(storage, folder)
    for (const name of names) if (name.endsWith('.tmp')) await storage.remove(`${folder}/${name}`)
    names = await storage.list(folder)
  }
  const bySuffix = new Map<string, Set<number>>()
  const strays: string[] = []
  for (const name of names) {
    const match = numberedFile.exec(name)
    if (!match) continue
    if (Number.isSafeInteger(Number(match[1]))) setOf(bySuffix, match[2]).add(Number(match[1]))
    else if (match[2] === 'log') strays.push(name)
  }
  const segments = setOf(bySuffix, 'log')
  if (mayChange) {
    for (const suffix of ['index', 'timeindex', 'txnindex']) {
      for (const offset of setOf(bySuffix, suffix)) if (!segments.has(offset)) await storage.remove(`${pathIn(folder, offset)}.${suffix}`)
    }
  }
  const timed = setOf(bySuffix, 'timeindex')
  return {
    segments: ascending(segments),
    indexed: new Set([...setOf(bySuffix, 'index')].filter(offset => timed.has(offset))),
    withAborted: new Set([...setOf(bySuffix, 'txnindex')].filter(offset => segments.has(offset))),
    snapshots: ascending(setOf(bySuffix, 'snapshot')),
    hasLeaderEpochs: names.includes(leaderEpochFile),
    strays
  }
}

function setOf(sets: Map<string, Set<number>>, key: string): Set<number> {
  let set = sets.get(key)
  if (!set) sets.set(key, (set = new Set()))
  return set
}

function ascending(numbers: Iterable<number>): number[] {
  return [...numbers].sort((a, b) => a - b)
}
