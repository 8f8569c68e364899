import { existsSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { clusterMetadataTopic } from '../../metadata/topic-name.js'
import { propertiesIn } from '../look/checkpoint-files.js'
import { compactedTopics } from '../look/compacted-topics.js'
import { checkpointsIn, partitionFolderAt, partitionFolders } from '../look/data-directory.js'
import { type Finding, Findings } from './findings.js'
import { verifyOffsets, verifyPartition, verifyWhole } from './verify-partition.js'

/** The result of verifying a data directory. */
export interface DirectoryReport {
  readonly partitions: number
  readonly segments: number
  readonly batches: number
  readonly records: number
  readonly bytes: number
  readonly problems: readonly Finding[]
  /** Findings that are unusual but may be right. */
  readonly notes: readonly Finding[]
}

export interface VerifyOptions {
  readonly signal?: AbortSignal
  /**
   * The time that an unfinished batch at the end of a log may take until it is finished, in ms:
   * someone may just be writing it. Default: 200.
   */
  readonly patienceMs?: number
}

const checkpointNames = [
  'recovery-point-offset-checkpoint',
  'log-start-offset-checkpoint',
  'replication-offset-checkpoint',
  'cleaner-offset-checkpoint'
]

/** Kafka's own topics that are tables. */
const alwaysCompacted: ReadonlySet<string> = new Set(['__consumer_offsets', '__transaction_state', '__share_group_state'])

/**
 * Holds every file of a data directory, or of one partition's folder, against the others, without
 * touching any: another process may have them open. Memory does not grow with what is in them.
 */
export async function verifyDirectory(path: string, { signal, patienceMs = 200 }: VerifyOptions = {}): Promise<DirectoryReport> {
  const directory = resolve(path)
  const single = partitionFolderAt(directory)
  const folders = single ? [single] : partitionFolders(directory)
  const findings = new Findings()
  const reporter = {
    patience: { ms: patienceMs, signal },
    problem: (file: string, message: string) => findings.problem(relative(directory, file), message),
    note: (file: string, message: string) => findings.note(relative(directory, file), message)
  }
  const checkpoints = new Map(single ? [] : checkpointNames.map(name => [name, verifyOffsets(join(directory, name), reporter)]))
  if (!single) verifyWhole(join(directory, 'meta.properties'), propertiesIn, reporter)
  const top = single ? dirname(directory) : directory
  const cleaned = checkpointsIn(top, 'cleaner-offset-checkpoint')
  const starts = checkpointsIn(top, 'log-start-offset-checkpoint')
  let compacted: ReadonlySet<string> | undefined
  const isClean = existsSync(join(top, '.kafka_cleanshutdown'))
  const recoveryPoints = checkpointsIn(top, 'recovery-point-offset-checkpoint')
  const total = { partitions: 0, segments: 0, batches: 0, records: 0, bytes: 0 }
  for (const folder of folders) {
    const safeUpTo = isClean ? Number.POSITIVE_INFINITY : (recoveryPoints.get(basename(folder.path)) ?? 0)
    const name = basename(folder.path)
    const explanations = {
      logStartOffset: starts.get(name) ?? 0,
      compactedUpTo: cleaned.get(name) ?? 0,
      isCompacted: async () => {
        if (alwaysCompacted.has(folder.topic)) return true
        if (!existsSync(join(top, `${clusterMetadataTopic}-0`))) return undefined
        compacted ??= await compactedTopics(top, signal)
        return compacted.has(folder.topic)
      }
    }
    const { logEndOffset, missingOffsets, unreadableBatches, ...counts } = await verifyPartition(folder, safeUpTo, explanations, reporter)
    total.partitions++
    for (const name of Object.keys(counts) as (keyof typeof counts)[]) total[name] += counts[name]
    for (const [name, entries] of checkpoints) {
      const entry = entries.find(({ topic, partition }) => topic === folder.topic && partition === folder.partition)
      if (!entry || entry.offset <= logEndOffset) continue
      const text = `${folder.topic}-${folder.partition} has offset ${entry.offset} in it, its log ends at ${logEndOffset}`
      findings.problem(name, text)
    }
    if (unreadableBatches > 0)
      findings.note(basename(folder.path), `the records of ${unreadableBatches} batches were not looked at: this Node has no zstd`)
    if (missingOffsets > 0 && !cleaned.has(name)) findings.note(name, `${missingOffsets} offsets are missing, as compaction leaves it`)
  }
  return { ...total, problems: findings.problems, notes: findings.notes }
}
