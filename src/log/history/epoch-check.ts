import { baseOffsetAt, leaderEpochAt } from '../../record/batch-header.js'
import type { LogState } from '../log-state.js'
import { replay } from '../recovery/recovery.js'
import { damageError } from '../segment/damage.js'
import { leaderEpochFile } from '../segment/file-names.js'
import { EpochReplay } from './epoch-replay.js'
import { LeaderEpochs } from './leader-epochs.js'

/**
 * Makes sure of the leader epochs, of which a file told, by all batches of the log, since one of
 * these has another. Where the batches agree among themselves the file was wrong, and is written
 * anew.
 */
export async function confirmEpochs(log: LogState): Promise<void> {
  const { chain, history, segments, logStartOffset, logEndOffset, storage, folder } = log
  if (chain.areEpochsSure) return
  const found = new LeaderEpochs()
  const epochs = new EpochReplay(found)
  try {
    await segments.holding(held =>
      replay(held, logStartOffset, logEndOffset, (bytes, position) => {
        epochs.note(leaderEpochAt(bytes, position), baseOffsetAt(bytes, position))
      })
    )
  } catch (error) {
    // Damaged batches prove nothing about the file.
    chain.epochsAreSure()
    throw chain.damage.tell(error)
  }
  chain.epochsAreSure()
  const { leaderEpochs: known } = history
  const { candidate } = epochs
  if (candidate && known.epochOf(candidate.startOffset) === candidate.epoch) epochs.settle()
  const starts = [...found.entries, ...known.entries].map(({ startOffset }) => startOffset).filter(offset => offset < logEndOffset)
  const contradicted = starts.find(offset => found.epochOf(offset) >= 0 && found.epochOf(offset) !== known.epochOf(offset))
  if (contradicted === undefined) return
  history.replaceEpochs(found, logEndOffset)
  const reason = `the batches at offset ${contradicted} have epoch ${found.epochOf(contradicted)}; it is made anew`
  chain.damage.tell(damageError({ file: `${folder}/${leaderEpochFile}`, reason }))
  if (storage.durable && !log.isReadOnly) await history.writeEpochs()
}
