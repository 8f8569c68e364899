import { createSegment } from '../append/log-roll.js'
import { removeKeyFiles } from '../keys/key-checkpoint.js'
import { dropKeyFilesAfter, loadKeys } from '../keys/key-loading.js'
import type { LogState } from '../log-state.js'
import type { Segment } from '../segment/segment.js'
import { replay } from './recovery.js'

/*
 * Moving the end of a log back, while nothing else changes it.
 */

/** Removes all from `offset` on. Only whole batches go. */
export async function truncateTo(log: LogState, offset: number): Promise<void> {
  if (offset >= log.nextOffset) return
  const { segments } = log
  const index = segments.indexOf(offset)
  const segment = segments.at(index) as Segment
  if (offset < segment.baseOffset) return startAnew(log, offset)
  const cut = await segment.positionOf(offset)
  const end = cut ? Math.min(offset, cut.baseOffset) : offset
  if (cut) segment.forgetFrom(cut.position, end)
  log.endAt(end)
  await lowerRecoveryPoint(log, end)
  segments.remove(index + 1, Number.POSITIVE_INFINITY)
  await segment.cutFile()
  segments.recount()
  await segments.removals()
  await rememberUpTo(log, end)
  if (log.storage.durable) await log.flusher.wasCut(end)
  await dropKeyFilesAfter(log, end)
  await loadKeys(log)
}

/** Removes everything; the next record gets `offset`. */
export async function startAnew(log: LogState, offset: number): Promise<void> {
  const { segments, history } = log
  history.leaderEpochs.clear()
  history.producers.clear()
  history.transactions.forgetBefore(Number.POSITIVE_INFINITY)
  log.endAt(offset)
  log.forgetEnding()
  await lowerRecoveryPoint(log, 0)
  segments.remove(0, Number.POSITIVE_INFINITY)
  log.logStartOffset = offset
  log.highWatermark = offset
  await segments.removals()
  segments.push(await createSegment(log, offset))
  history.keys?.clear()
  if (!log.storage.durable) return
  await removeKeyFiles(log.storage, log.folder)
  await history.cutAt(-1)
  await log.flusher.wasCut(offset)
}

/** Cuts away what a write that failed for lack of room, and those after it, have left. */
export async function cutUnwritten(log: LogState): Promise<void> {
  const { segments, failures, flusher, storage } = log
  await log.writes.settled()
  if (failures.final) throw failures.final
  if (!failures.lackOfRoom) return
  try {
    await flusher.idle()
    const end = log.logEndOffset
    const index = segments.indexOf(end)
    const segment = segments.at(index) as Segment
    segment.forgetFrom(segment.readableBytes, end)
    const isRemoving = index + 1 < segments.count
    segments.remove(index + 1, Number.POSITIVE_INFINITY)
    log.nextOffset = end
    await segment.cutFile()
    // It may have been the sync that found no room: then nothing more can be known of the file.
    if (storage.syncsAppends) await segment.file.sync()
    segments.recount()
    await segments.removals()
    await rememberUpTo(log, end)
    log.history.remember(end)
    await dropKeyFilesAfter(log, end)
    if (log.history.keys?.rollBackTo(end) === false) await loadKeys(log)
    if (storage.durable && isRemoving) await flusher.wasCut(end)
  } catch (error) {
    throw failures.end(error)
  }
  failures.lackOfRoom = undefined
}

/** Records that are about to be cut away must not be missed after a crash. */
async function lowerRecoveryPoint(log: LogState, end: number): Promise<void> {
  if (!log.storage.durable) return
  log.flusher.lower(end)
  await log.events.saveRecoveryPoint?.()
}

/** Brings what is known of epochs and producers back to what it was when the log ended at `end`. */
async function rememberUpTo(log: LogState, end: number): Promise<void> {
  const { segments, history, logStartOffset } = log
  await log.keepingStable(async () => {
    const from = await history.cutAt(end)
    await replay(segments.all, Math.max(from, logStartOffset), end, (bytes, position) => history.replay(bytes, position))
  })
  history.settleEpochs()
}
