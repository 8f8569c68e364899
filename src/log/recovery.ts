import { release } from '../common/lease.js'
import { KafkaError } from '../errors.js'
import {
  baseOffsetAt,
  batchSizeAt,
  currentMagic,
  field,
  headerBytes,
  lastOffsetAt,
  leaderEpochAt,
  maxTimestampAt
} from '../record/batch-header.js'
import type { Storage } from '../storage/storage.js'
import { checkChecksum } from './batch-validation.js'
import type { LeaderEpochs } from './leader-epochs.js'
import type { CompleteLogOptions } from './log-options.js'
import { Segment } from './segment.js'

/** What opening a log found out. */
export interface RecoveryReport {
  readonly segments: number
  readonly batches: number
  /** A last append that was cut short, and was taken away. */
  readonly tornTail?: { readonly file: string; readonly position: number; readonly bytes: number }
}

const blockBytes = 1024 * 1024
const segmentName = /^(\d{20})\.log$/

/** Opens the segments in `folder` and reads them through. A torn tail is cut; for other damage see `scanSegment`. */
export async function recoverSegments(
  storage: Storage,
  folder: string,
  options: CompleteLogOptions,
  epochs: LeaderEpochs,
  now: number
): Promise<{ readonly segments: Segment[]; readonly report: RecoveryReport }> {
  const baseOffsets: number[] = []
  for (const name of await storage.list(folder)) {
    const match = segmentName.exec(name)
    if (match) baseOffsets.push(Number(match[1]))
  }
  baseOffsets.sort((a, b) => a - b)
  const segments: Segment[] = []
  let batches = 0
  let tornTail: RecoveryReport['tornTail']
  try {
    for (const baseOffset of baseOffsets) segments.push(await Segment.open(storage, folder, baseOffset, options, now))
    for (const segment of segments) {
      const isLast = segments.every(later => later.baseOffset <= segment.baseOffset || later.file.length === 0)
      const scanned = await scanSegment(segment, isLast, epochs, now)
      batches += scanned.batches
      const { file } = segment
      if (scanned.end < file.length) {
        tornTail = { file: `${segment.path}.log`, position: scanned.end, bytes: file.length - scanned.end }
        await file.truncate(scanned.end)
      }
      if (segment !== segments.at(-1)) segment.seal()
    }
  } catch (error) {
    for (const segment of segments) await segment.file.close()
    throw error
  }
  return { segments, report: { segments: segments.length, batches, tornTail } }
}

/**
 * Reads a segment from its start, checks every batch and builds the indexes. Returns where the whole batches end. Raises
 * `CORRUPT_MESSAGE` for damage that a crash during an append does not explain: in a segment that is not the last, or before a whole batch.
 */
async function scanSegment(
  segment: Segment,
  isLast: boolean,
  epochs: LeaderEpochs,
  now: number
): Promise<{ readonly end: number; readonly batches: number }> {
  const { file } = segment
  const length = file.length
  let filePosition = 0
  let wanted = blockBytes
  let nextOffset = segment.baseOffset
  let batches = 0
  while (filePosition < length) {
    const view = await file.read(filePosition, Math.min(wanted, length - filePosition))
    const asked = wanted
    let position = 0
    let fault: string | undefined
    wanted = blockBytes
    for (;;) {
      const left = view.length - position
      const isAllThere = filePosition + view.length === length
      if (left === 0) break
      const size = left < headerBytes ? headerBytes : batchSizeAt(view, position)
      if (left < size && !isAllThere && size >= headerBytes && filePosition + position + size <= length) {
        if (position === 0 && size <= asked) fault = 'a batch cannot be read in one piece'
        wanted = Math.max(blockBytes, size)
        break
      }
      fault = faultAt(view, position, size, nextOffset, segment)
      if (fault) break
      const lastOffset = lastOffsetAt(view, position)
      epochs.assign(leaderEpochAt(view, position), baseOffsetAt(view, position))
      segment.note(filePosition + position, lastOffset, maxTimestampAt(view, position), now)
      nextOffset = lastOffset + 1
      batches++
      position += size
    }
    release(view)
    filePosition += position
    if (fault) {
      if (isLast && !(await hasBatchAfter(segment, filePosition, nextOffset))) break
      throw new KafkaError(
        'CORRUPT_MESSAGE',
        `\`${segment.path}.log\` is damaged at position ${filePosition}: ${fault}; nothing was changed`
      )
    }
  }
  segment.publish(filePosition, nextOffset)
  return { end: filePosition, batches }
}

/** What is wrong with the batch at `position`, if anything. */
function faultAt(bytes: Uint8Array, position: number, size: number, nextOffset: number, segment: Segment): string | undefined {
  const left = bytes.length - position
  if (left < headerBytes) return `${left} bytes are no batch`
  if (size < headerBytes) return `a batch of ${size} bytes is not possible`
  if (size > left) return `a batch of ${size} bytes is cut short`
  if (bytes[position + field.magic] !== currentMagic) return `magic ${bytes[position + field.magic]} is not known`
  try {
    checkChecksum(bytes, position)
  } catch {
    return 'the checksum of a batch does not fit its bytes'
  }
  const baseOffset = baseOffsetAt(bytes, position)
  const lastOffset = lastOffsetAt(bytes, position)
  if (baseOffset < nextOffset || lastOffset < baseOffset || !segment.offsetIndex.canHold(lastOffset) || !Number.isSafeInteger(lastOffset)) {
    return `offsets ${baseOffset} to ${lastOffset} cannot follow ${nextOffset - 1}`
  }
  return undefined
}

/** Whether a whole batch that could belong here stands somewhere after `position`: then what lies between was not torn by a crash. */
async function hasBatchAfter(segment: Segment, position: number, nextOffset: number): Promise<boolean> {
  const { file } = segment
  let filePosition = position + 1
  while (filePosition + headerBytes <= file.length) {
    const view = await file.read(filePosition, blockBytes)
    let found = false
    let at = 0
    for (; !found && at + headerBytes <= view.length; at++) {
      if (view[at + field.magic] !== currentMagic) continue
      const size = batchSizeAt(view, at)
      if (size < headerBytes || filePosition + at + size > file.length) continue
      if (at + size > view.length) {
        const whole = await file.read(filePosition + at, size)
        found = whole.length === size && faultAt(whole, 0, size, nextOffset, segment) === undefined
        release(whole)
      } else found = faultAt(view.subarray(0, at + size), at, size, nextOffset, segment) === undefined
    }
    release(view)
    if (found) return true
    filePosition += Math.max(at, 1)
  }
  return false
}
