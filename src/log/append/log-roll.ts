import { isPromise, type MaybePromise } from '../../common/deferred.js'
import type { LogState } from '../log-state.js'
import { Segment } from '../segment/segment.js'

/**
 * Makes sure that the active segment takes a batch, if need be by beginning the next one with it.
 */
export function rollFor(
  log: LogState,
  size: number,
  maxTimestamp: number,
  baseOffset: number,
  lastOffset: number,
  now: number
): MaybePromise<void> {
  if (log.segments.active.mustRollFor(size, maxTimestamp, lastOffset, log.options, now)) return roll(log, baseOffset)
}

/** Ends the active segment and begins the next one at `baseOffset`. */
export function roll(log: LogState, baseOffset: number): MaybePromise<void> {
  let next: MaybePromise<Segment>
  try {
    next = createSegment(log, baseOffset)
  } catch (error) {
    throw log.failures.ofWrite(error)
  }
  if (!isPromise(next)) return activate(log, next)
  return next.then(
    created => activate(log, created),
    error => {
      throw log.failures.ofWrite(error)
    }
  )
}

export function createSegment(log: LogState, baseOffset: number): MaybePromise<Segment> {
  const { storage, folder, options, clock, flusher, chain } = log
  const created = (segment: Segment) => {
    if (storage.durable) flusher.nameIsNew()
    return segment
  }
  const opened = Segment.open(storage, folder, baseOffset, options, clock.now(), chain)
  return isPromise(opened) ? opened.then(created) : created(opened)
}

function activate(log: LogState, segment: Segment): void {
  const { segments } = log
  const ended = segments.active
  ended.indexer.seal()
  if (log.storage.durable) log.flusher.rolled(ended, segment.baseOffset)
  // An empty segment whose relative offsets do not reach far enough gives way to the new one.
  if (ended.sizeInBytes === 0) segments.remove(segments.count - 1, 1)
  segments.push(segment)
  log.events.onRoll?.(segment.baseOffset)
}
