import { release } from '../../common/lease.js'
import { baseOffsetAt, batchSizeAt, currentMagic, field, headerBytes, lastOffsetAt, lengthPrefixBytes } from '../../record/batch-header.js'
import type { StorageFile } from '../../storage/storage.js'
import { crcFaultAt } from '../append/batch-validation.js'
import type { ChainWalk } from './batch-chain.js'

/** The content of a segment's file, as far as it is whole. */
export interface SegmentScan {
  /** The end of the whole batches. */
  readonly end: number
  readonly nextOffset: number
  readonly batches: number
  /** The fault at `end`; undefined at the end of the file. */
  readonly fault: string | undefined
}

/**
 * Called with each whole batch: it stands in `bytes` at `position`, and in the file at
 * `filePosition`.
 */
export type ScannedBatch = (bytes: Uint8Array, position: number, filePosition: number) => void

const blockBytes = 1024 * 1024
const maxRelativeOffset = 2 ** 31 - 1

/**
 * Checks the batches of a segment in [from, length), as they follow each other in `chain`, up to
 * the first that is not as it should be.
 */
export async function scanSegment(
  file: StorageFile,
  chain: ChainWalk,
  from: number,
  visit: ScannedBatch,
  length = file.length
): Promise<SegmentScan> {
  let filePosition = from
  let wanted = blockBytes
  let batches = 0
  const scanned = (fault: string | undefined) => ({ end: filePosition, nextOffset: chain.nextOffset, batches, fault })
  while (filePosition < length) {
    const view = await file.read(filePosition, Math.min(wanted, length - filePosition))
    const asked = wanted
    let position = 0
    let fault: string | undefined
    wanted = blockBytes
    for (;;) {
      const left = view.length - position
      if (left === 0) break
      const isAllThere = filePosition + view.length === length
      const size = left < headerBytes ? headerBytes : batchSizeAt(view, position)
      if (left < size && !isAllThere && size >= headerBytes && filePosition + position + size <= length) {
        if (position === 0 && size <= asked) fault = 'a batch cannot be read in one piece'
        wanted = Math.max(blockBytes, size)
        break
      }
      fault = faultAt(view, position, size) ?? chain.faultOf(view, position)
      if (fault) break
      if (!chain.isPassed) visit(view, position, filePosition + position)
      batches++
      position += size
    }
    release(view)
    filePosition += position
    if (fault === undefined && position === 0 && view.length === 0) fault = 'it reads shorter than it is'
    if (fault) return scanned(fault)
  }
  return scanned(undefined)
}

/** Describes the fault of the batch at `position` by itself, if there is one. */
function faultAt(bytes: Uint8Array, position: number, size: number): string | undefined {
  const left = bytes.length - position
  if (left < headerBytes) return `${left} bytes are no batch`
  if (size === lengthPrefixBytes) return 'there are zeros where a batch should be'
  if (size < headerBytes) return `a batch of ${size} bytes is not possible`
  if (size > left) return `a batch of ${size} bytes is cut short`
  if (bytes[position + field.magic] !== currentMagic) return `magic ${bytes[position + field.magic]} is not known`
  return crcFaultAt(bytes, position)
}

/**
 * True if a whole batch that could belong here stands somewhere after `position`: then what lies
 * between was not torn by a crash.
 */
export async function hasBatchAfter(file: StorageFile, baseOffset: number, position: number, nextOffset: number): Promise<boolean> {
  let filePosition = position + 1
  const couldFollow = (bytes: Uint8Array, at: number, size: number) =>
    faultAt(bytes, at, size) === undefined &&
    lastOffsetAt(bytes, at) >= baseOffsetAt(bytes, at) &&
    lastOffsetAt(bytes, at) - baseOffset <= maxRelativeOffset
  while (filePosition + headerBytes <= file.length) {
    const view = await file.read(filePosition, blockBytes)
    let found = false
    let at = 0
    for (; !found && at + headerBytes <= view.length; at++) {
      if (view[at + field.magic] !== currentMagic) continue
      const size = batchSizeAt(view, at)
      if (size < headerBytes || filePosition + at + size > file.length) continue
      // Offsets that make sense are a matter of chance only once in a long while, checksums cost
      // time.
      if (baseOffsetAt(view, at) < nextOffset || baseOffsetAt(view, at) - baseOffset > maxRelativeOffset) continue
      if (at + size > view.length) {
        const whole = await file.read(filePosition + at, size)
        found = whole.length === size && couldFollow(whole, 0, size)
        release(whole)
      } else found = couldFollow(view.subarray(0, at + size), at, size)
    }
    release(view)
    if (found) return true
    filePosition += Math.max(at, 1)
  }
  return false
}

/** True if nothing but zeros stands from `position` on. */
export async function isZeroFrom(file: StorageFile, position: number): Promise<boolean> {
  while (position < file.length) {
    const view = await file.read(position, blockBytes)
    const isZero = view.length > 0 && view.every(byte => byte === 0)
    position += view.length
    release(view)
    if (!isZero) return false
  }
  return true
}
