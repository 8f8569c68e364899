import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { offsetsByFolder } from '../../log/history/checkpoint.js'
import { batchSizeAt, lastOffsetAt } from '../../record/batch-header.js'
import { UsageError } from '../command.js'
import { offsetCheckpoint, topicIdIn } from './checkpoint-files.js'
import { offsetIndexEntries } from './index-entries.js'
import { LogFileReader } from './log-file-reader.js'

/** A folder with the log of one partition. */
export interface PartitionFolder {
  readonly topic: string
  readonly partition: number
  readonly path: string
}

/** A `.log` file, which names its first offset. */
export interface SegmentFile {
  readonly baseOffset: number
  readonly path: string
}

export interface OffsetRange {
  readonly start: number
  readonly end: number
}

const partitionName = /^([a-zA-Z0-9._-]+)-(\d+)$/
const segmentName = /^(\d{20})\.log$/

/** The topic and the partition that a folder's name stands for. */
export function partitionIn(name: string): { readonly topic: string; readonly partition: number } | undefined {
  const match = partitionName.exec(name)
  return match ? { topic: match[1], partition: Number(match[2]) } : undefined
}

/**
 * The partitions in a data directory, by topic and number. Complains, to its user, of what is no
 * such directory.
 */
export function partitionFolders(directory: string): PartitionFolder[] {
  expectDirectory(directory)
  const folders: PartitionFolder[] = []
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const named = partitionIn(entry.name)
    const path = join(directory, entry.name)
    if (named && statSync(path, { throwIfNoEntry: false })?.isDirectory()) folders.push({ ...named, path })
  }
  if (folders.length === 0 && !existsSync(join(directory, 'meta.properties')))
    throw new UsageError(`${resolve(directory)} is no data directory: it has neither partitions nor a meta.properties`)
  return folders.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1))
}

export function expectDirectory(directory: string): void {
  const found = statSync(directory, { throwIfNoEntry: false })
  if (!found) throw new UsageError(`there is no directory ${resolve(directory)}`)
  if (!found.isDirectory()) throw new UsageError(`${resolve(directory)} is not a directory`)
}

/** The partition whose folder this is; undefined for a directory of many. */
export function partitionFolderAt(directory: string): PartitionFolder | undefined {
  const path = resolve(directory)
  const named = partitionIn(basename(path))
  return named && segmentFiles(path).length > 0 ? { ...named, path } : undefined
}

/** The segments of a partition, oldest first. */
export function segmentFiles(folder: string): SegmentFile[] {
  const names = readdirSync(folder).filter(name => segmentName.test(name))
  return names.sort().map(name => ({ baseOffset: Number(name.slice(0, 20)), path: join(folder, name) }))
}

export function filesBeside(segment: SegmentFile) {
  const stem = segment.path.slice(0, -'.log'.length)
  return { index: `${stem}.index`, timeIndex: `${stem}.timeindex`, transactionIndex: `${stem}.txnindex` }
}

/** The content of a file, or undefined when there is none. */
export function contentOf(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * The offsets that a checkpoint file of the directory has, by folder name; of lines that can be
 * read. `millrace verify` tells of the others.
 */
export function checkpointsIn(directory: string, name: string): ReadonlyMap<string, number> {
  return offsetsByFolder(offsetCheckpoint(contentOf(join(directory, name)) ?? new Uint8Array(0)).entries)
}

export function topicIdOf(folder: string): string | undefined {
  try {
    return topicIdIn(contentOf(join(folder, 'partition.metadata')) ?? new Uint8Array(0))
  } catch {
    return undefined
  }
}

/**
 * The offsets from the first record of a partition that is not deleted to its end. `checkpointed`
 * is its log start offset in the checkpoint file.
 */
export async function offsetRangeOf(folder: string, checkpointed = 0, signal?: AbortSignal): Promise<OffsetRange> {
  const start = Math.max(checkpointed, segmentFiles(folder)[0]?.baseOffset ?? 0)
  // A log of deleted records only may end before it starts until it is opened again.
  return { start, end: Math.max(start, await logEndOffset(folder, signal)) }
}

/** A position at or before the batch of `offset`, from which to search. */
export function positionBefore(segment: SegmentFile, offset: number): number {
  let position = 0
  const bytes = contentOf(filesBeside(segment).index) ?? new Uint8Array(0)
  for (const entry of offsetIndexEntries(bytes, segment.baseOffset)) {
    if (entry.offset > offset) break
    position = entry.position
  }
  return position
}

/** The offset after the last whole batch of a partition. Reads the end of its last segment only. */
export async function logEndOffset(folder: string, signal?: AbortSignal): Promise<number> {
  const segment = segmentFiles(folder).at(-1)
  if (!segment) return 0
  let end = segment.baseOffset
  await using reader = await LogFileReader.open(segment.path, positionBefore(segment, Number.MAX_SAFE_INTEGER), signal)
  for (let block = await reader.next(); block.length > 0; block = await reader.next()) end = lastOffsetIn(block) + 1
  return end
}

/** The last offset of the whole batches in `bytes`. */
function lastOffsetIn(bytes: Uint8Array): number {
  let position = 0
  for (;;) {
    const next = position + batchSizeAt(bytes, position)
    if (next >= bytes.length) return lastOffsetAt(bytes, position)
    position = next
  }
}
