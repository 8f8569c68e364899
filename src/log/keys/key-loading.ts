import { isPromise } from '../../common/deferred.js'
import { KafkaError } from '../../errors.js'
import { baseOffsetAt, batchSizeAt, crcAt, lastOffsetAt } from '../../record/batch-header.js'
import { reasonOf } from '../append/write-failures.js'
import { Slices } from '../compaction/slices.js'
import { expectSound } from '../compaction/survey.js'
import type { LogState } from '../log-state.js'
import { replay } from '../recovery/recovery.js'
import { damageError } from '../segment/damage.js'
import type { Segment } from '../segment/segment.js'
import { type KeyFileHeader, keyFileOf, keyFilesIn, readKeyFile } from './key-checkpoint.js'
import { KeyIndex } from './key-index.js'

/**
 * Gives a log its index of keys where its options ask for one, or takes it away. Returns whether it
 * has to be loaded.
 */
export function setUpKeys(log: LogState): boolean {
  const { history, options, folder, chain } = log
  if (!options.keyIndex) {
    history.keys = undefined
    return false
  }
  const before = history.keys
  history.keys ??= new KeyIndex(folder, chain, options.keyIndexMaxBytes)
  const isEnough = before !== undefined && !(before.isGivenUp && options.keyIndexMaxBytes > before.maxBytes)
  history.keys.maxBytes = options.keyIndexMaxBytes
  if (!isEnough) history.keys.failure = new KafkaError('KAFKA_STORAGE_ERROR', `The index of the keys of \`${folder}\` is being built`)
  return !isEnough
}

/**
 * Removes what was written beside the log about batches that have been cut away: others may stand
 * there next.
 */
export async function dropKeyFilesAfter({ storage, folder, history }: LogState, end: number): Promise<void> {
  if (!history.keys || !storage.durable) return
  const later = (await keyFilesIn(storage, folder)).filter(offset => offset > end)
  for (const offset of later) await storage.remove(keyFileOf(folder, offset))
  if (later.length > 0) await storage.syncFolder(folder)
}

/**
 * Fills the index of keys from what was written beside the log, as far as that fits the log, and
 * from the batches that came since. While nothing else changes the log. Without the batches it
 * cannot be: then it says why when it is asked.
 */
export async function loadKeys(log: LogState): Promise<void> {
  const { keys } = log.history
  if (!keys) return
  keys.clear()
  try {
    await log.segments.holding(held => load(log, keys, held))
  } catch (error) {
    keys.clear()
    const damage = error instanceof KafkaError && error.code === 'CORRUPT_MESSAGE'
    keys.failure = new KafkaError(
      damage ? 'CORRUPT_MESSAGE' : 'KAFKA_STORAGE_ERROR',
      `The index of the keys of \`${log.folder}\` could not be built: ${reasonOf(error)}`,
      { cause: error }
    )
    if (damage) log.chain.damage.tell(error)
  }
}

async function load(log: LogState, keys: KeyIndex, segments: readonly Segment[]): Promise<void> {
  const from = Math.max(await takeNewestFile(log, keys, segments), log.logStartOffset)
  const slices = new Slices()
  for (const segment of segments) {
    if (segment.nextOffset <= from) continue
    await segment.walk(Math.max(from, segment.baseOffset), (bytes, position, filePosition) => {
      if (lastOffsetAt(bytes, position) < from) return
      // A key that is damaged must not pass for another.
      expectSound(segment, bytes, position, filePosition)
      keys.note(bytes, position)
      const turn = slices.spend(batchSizeAt(bytes, position))
      return isPromise(turn) ? turn.then(() => false) : undefined
    })
    log.segments.touch(segment)
  }
}

/**
 * Takes over the newest file that fits the log. Returns from where on the batches have to be noted.
 */
async function takeNewestFile(log: LogState, keys: KeyIndex, segments: readonly Segment[]): Promise<number> {
  const { storage, folder } = log
  if (!storage.durable) return 0
  for (const offset of await keyFilesIn(storage, folder)) {
    const file = keyFileOf(folder, offset)
    try {
      const header = await readKeyFile(storage, folder, offset, keys, found => fits(log, found, segments))
      if (header) return header.replayFrom
    } catch (error) {
      if (!(error instanceof KafkaError && error.code === 'CORRUPT_MESSAGE')) throw error
      log.chain.damage.tell(damageError({ file, reason: `${error.message}; the log is read instead` }))
    }
    keys.clear()
    if (!log.isReadOnly) await storage.remove(file)
  }
  return 0
}

/**
 * True if the log still has the batch with which a file ended, and starts no earlier than it did.
 */
async function fits(log: LogState, { offset, startOffset, lastBatch }: KeyFileHeader, segments: readonly Segment[]): Promise<boolean> {
  if (offset > log.nextOffset || startOffset > log.logStartOffset) return false
  let isThere = false
  await replay(segments, offset - 1, offset, (bytes, position) => {
    const nextOffset = lastOffsetAt(bytes, position) + 1
    if (nextOffset < offset) return false
    isThere = nextOffset === offset && baseOffsetAt(bytes, position) === lastBatch.baseOffset && crcAt(bytes, position) === lastBatch.crc
    return true
  })
  return isThere
}
