import type { CompleteLogOptions } from '../log-options.js'
import type { Segment } from '../segment.js'

const maxRelativeOffset = 2 ** 31 - 1

/** Divides segments into runs that fit one segment each, by their bytes and indexes as they are and the offsets they span, so that small ones are merged. */
export function segmentGroups(segments: readonly Segment[], endOffset: number, options: CompleteLogOptions): Segment[][] {
  const groups: Segment[][] = []
  let bytes = 0
  let offsetIndexBytes = 0
  let timeIndexBytes = 0
  for (let i = 0; i < segments.length; i++) {
    const segment = segments[i]
    const group = groups.at(-1)
    const lastOffset = (segments[i + 1]?.baseOffset ?? endOffset) - 1
    bytes += segment.sizeInBytes
    offsetIndexBytes += segment.offsetIndex.bytes.length
    timeIndexBytes += segment.timeIndex.bytes.length
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
    offsetIndexBytes = segment.offsetIndex.bytes.length
    timeIndexBytes = segment.timeIndex.bytes.length
  }
  return groups
}
