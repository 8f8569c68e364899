import type { CompleteLogOptions } from '../log-options.js'
import type { Segment } from '../segment/segment.js'

const maxRelativeOffset = 2 ** 31 - 1

/** A segment with the sizes of its indexes, which need not stay in memory. */
export interface MeasuredSegment {
  readonly segment: Segment
  readonly offsetIndexBytes: number
  readonly timeIndexBytes: number
}

/**
 * Divides segments into runs that fit one segment each, by their bytes and indexes as they are and
 * the offsets they span, so that small ones are merged.
 */
export function segmentGroups(measured: readonly MeasuredSegment[], endOffset: number, options: CompleteLogOptions): Segment[][] {
  const groups: Segment[][] = []
  let bytes = 0
  let offsetIndexBytes = 0
  let timeIndexBytes = 0
  for (let i = 0; i < measured.length; i++) {
    const { segment } = measured[i]
    const group = groups.at(-1)
    const lastOffset = (measured[i + 1]?.segment.baseOffset ?? endOffset) - 1
    bytes += segment.sizeInBytes
    offsetIndexBytes += measured[i].offsetIndexBytes
    timeIndexBytes += measured[i].timeIndexBytes
    const fits =
      bytes <= options.segmentBytes &&
      Math.max(offsetIndexBytes, timeIndexBytes) <= options.segmentIndexBytes &&
      (segment.sizeInBytes === 0 || (group !== undefined && lastOffset - group[0].baseOffset <= maxRelativeOffset))
    if (group && fits) {
      group.push(segment)
      continue
    }
    groups.push([segment])
    bytes = segment.sizeInBytes
    offsetIndexBytes = measured[i].offsetIndexBytes
    timeIndexBytes = measured[i].timeIndexBytes
  }
  return groups
}
