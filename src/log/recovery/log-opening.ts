import { guardedClock } from '../../common/guarded-clock.js'
import { expectInteger } from '../../common/options.js'
import { systemClock } from '../../common/system-clock.js'
import type { KafkaError } from '../../errors.js'
import type { Storage } from '../../storage/storage.js'
import { createSegment } from '../append/log-roll.js'
import { LogHistory } from '../history/log-history.js'
import { loadKeys, setUpKeys } from '../keys/key-loading.js'
import { type CompleteLogOptions, completeLogOptions, durableLogDefaults, memoryLogDefaults } from '../log-options.js'
import { type LogParts, LogState } from '../log-state.js'
import type { LogOpenOptions } from '../log-types.js'
import { BatchChain } from '../segment/batch-chain.js'
import { DamageReports, damageError } from '../segment/damage.js'
import { cleanerFile, logStartFile } from '../segment/file-names.js'
import type { Segment } from '../segment/segment.js'
import { lookIntoFolder } from './log-folder.js'
import { startAnew } from './log-truncation.js'
import { type LogOpening, openSegments, openUpToDamage, type RecoveryReport } from './recovery.js'

/** A log whose segments were found, and what is left to do before it can be used. */
export interface OpenedLog {
  readonly state: LogState
  readonly report: RecoveryReport
  /**
   * Places its start and end, and fills the index of keys. After a failure the log must be closed.
   */
  makeReady(): Promise<void>
}

/** Finds the segments of a log, and checks what a crash may have damaged. */
export async function openLog(storage: Storage, folder: string, openOptions: LogOpenOptions): Promise<OpenedLog> {
  const options = optionsIn(openOptions, storage)
  const { logStartOffset = 0, recoveryPoint, highWatermark, isClean = false } = openOptions
  const clock = guardedClock(openOptions.clock ?? systemClock)
  if (storage.prepare) await storage.prepare()
  const mayChange = !storage.readOnly
  const parts = partsOf(storage, folder, openOptions, options)
  const files = await lookIntoFolder(storage, folder, mayChange)
  const opening = { storage, folder, files, options, ...parts, now: clock.now(), isClean, recoveryPoint, highWatermark, mayChange }
  const { segments, report, trusted } = await openSegments(opening)
  const start = believedStart(opening, segments, logStartOffset)
  const last = segments.at(-1)
  if (last) forgetCompactionBeyond(last.nextOffset, opening)
  const state = new LogState(storage, folder, openOptions, options, segments, parts)
  const makeReady = async () => {
    if (isClean && last) expectToReach(last, start)
    await begin(state, report, start, isClean && report.batches === 0 ? segments.length : trusted)
    if (setUpKeys(state)) await loadKeys(state)
  }
  return { state, report, makeReady }
}

/** The state of a log that answers everything with the reason given. */
export function stoppedLog(storage: Storage, folder: string, failure: KafkaError, openOptions: LogOpenOptions): LogState {
  const options = optionsIn(openOptions, storage)
  const state = new LogState(storage, folder, openOptions, options, [], partsOf(storage, folder, openOptions, options))
  state.stop(failure)
  return state
}

/** The state of a log whose segments can be read up to `damage`. Nothing is changed. */
export async function damagedLog(storage: Storage, folder: string, damage: KafkaError, openOptions: LogOpenOptions): Promise<LogState> {
  const options = optionsIn(openOptions, storage)
  const { recoveryPoint, logStartOffset = 0 } = openOptions
  const clock = guardedClock(openOptions.clock ?? systemClock)
  const parts = partsOf(storage, folder, openOptions, options)
  // The refused caller knows of it.
  parts.chain.damage.isNew(damage)
  const files = await lookIntoFolder(storage, folder, false)
  const opening = { storage, folder, files, options, ...parts, now: clock.now(), isClean: true, recoveryPoint, mayChange: false }
  const segments = await openUpToDamage(opening, damage)
  if (segments.every(({ readableBytes }) => readableBytes === 0)) {
    for (const { file } of segments) await file.close()
    return stoppedLog(storage, folder, damage, openOptions)
  }
  const state = new LogState(storage, folder, openOptions, options, segments, parts)
  state.stop(damage)
  state.endAt(segments.at(-1)?.nextOffset ?? 0)
  state.logStartOffset = Math.max(logStartOffset, segments.at(0)?.baseOffset ?? 0)
  state.highWatermark = state.logEndOffset
  return state
}

/** State that the segments of a log share. */
function partsOf(storage: Storage, folder: string, openOptions: LogOpenOptions, options: CompleteLogOptions): LogParts {
  const { logStartOffset = 0, recoveryPoint, highWatermark, firstDirtyOffset: compactedUpTo, onDamage } = openOptions
  expectInteger('logStartOffset', logStartOffset, 0)
  if (recoveryPoint !== undefined) expectInteger('recoveryPoint', recoveryPoint, 0)
  if (highWatermark !== undefined) expectInteger('highWatermark', highWatermark, 0)
  if (compactedUpTo !== undefined) expectInteger('firstDirtyOffset', compactedUpTo, 0)
  const damage = new DamageReports(onDamage)
  const history = new LogHistory(storage, folder, damage, openOptions.producerRoom)
  const { leaderEpochs } = history
  const chain = new BatchChain({ isChecked: storage.durable, leaderEpochs, damage, compactedUpTo }, options)
  chain.startOffset = logStartOffset
  return { history, chain }
}

/** The options that can change later. */
function optionsIn(openOptions: LogOpenOptions, storage: Storage): CompleteLogOptions {
  const {
    clock,
    autoHighWatermark,
    logStartOffset,
    recoveryPoint,
    highWatermark,
    isClean,
    firstDirtyOffset,
    onRoll,
    onSegmentsRemoved,
    keepFrom,
    onFailure,
    onRoom,
    onDamage,
    saveRecoveryPoint,
    producerRoom,
    isOwned,
    ...options
  } = openOptions
  return completeLogOptions(options, storage.durable ? durableLogDefaults : memoryLogDefaults)
}

/**
 * The start offset of a log: no record behind its high watermark can have been deleted, so that a
 * start behind that and the end of the log is wrong.
 */
function believedStart({ folder, highWatermark, chain }: LogOpening, segments: readonly Segment[], logStartOffset: number): number {
  const end = segments.at(-1)?.nextOffset ?? 0
  if (logStartOffset <= Math.max(end, highWatermark ?? logStartOffset)) return logStartOffset
  const reason = `it says that ${folder} starts at offset ${logStartOffset}, its log ends at ${end}`
  chain.damage.tell(damageError({ file: logStartFile, reason }))
  chain.startOffset = 0
  return 0
}

/**
 * Nothing behind its end was compacted in a log. What is before it is looked at again, as in Kafka.
 */
function forgetCompactionBeyond(end: number, { folder, chain }: LogOpening): void {
  const { compactedUpTo = 0 } = chain
  if (compactedUpTo <= end) return
  const reason = `it says that ${folder} was compacted up to offset ${compactedUpTo}, its log ends at ${end}`
  chain.damage.tell(damageError({ file: cleanerFile, reason }))
  chain.endsAt(end)
}

/**
 * Only a power cut can take records away that come after deleted ones, so a start beyond the end is
 * wrong where there was none.
 */
function expectToReach({ name, nextOffset }: Segment, logStartOffset: number): void {
  if (logStartOffset <= nextOffset) return
  const reason = `it ends at offset ${nextOffset}, though the log is said to start at ${logStartOffset}; nothing was changed`
  throw damageError({ file: name, reason })
}

/** Makes a log that was found ready: the first of its segments are safe on the disk. */
async function begin(log: LogState, { tornTail }: RecoveryReport, logStartOffset: number, safeSegments: number): Promise<void> {
  const { segments, flusher, isReadOnly } = log
  const first = segments.at(0)
  log.endAt(first ? segments.active.nextOffset : logStartOffset)
  // Offsets up to the start were given out even where all records were deleted.
  if (logStartOffset > log.nextOffset && !isReadOnly) return startAnew(log, logStartOffset)
  if (!first && !isReadOnly) segments.push(await createSegment(log, logStartOffset))
  log.logStartOffset = Math.max(logStartOffset, first?.baseOffset ?? 0)
  log.highWatermark = log.autoHighWatermark ? log.logEndOffset : log.logStartOffset
  log.history.cutStartAt(log.logStartOffset)
  if (!log.storage.durable || isReadOnly) return
  if (!first) flusher.isFresh(log.logEndOffset)
  else if (safeSegments === segments.count) flusher.allIsSafe(log.logEndOffset, segments.sizeInBytes === 0)
  else await flusher.recovered(segments.all.slice(safeSegments), log.logEndOffset, tornTail !== undefined)
}
