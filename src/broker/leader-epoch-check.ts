import { errorNumber } from '../errors.js'
import type { EpochEnd } from '../log/history/leader-epochs.js'
import { historyOf } from '../log/log.js'
import type { Partition } from './partition.js'

const fenced = errorNumber('FENCED_LEADER_EPOCH')
const unknown = errorNumber('UNKNOWN_LEADER_EPOCH')

const storageError = errorNumber('KAFKA_STORAGE_ERROR')

/**
 * The error number for a client that has an older or newer idea of who leads than this node; 0 when
 * they agree, or the client (-1) does not say. For a partition that could not be opened it is
 * KAFKA_STORAGE_ERROR, whatever the client thinks.
 */
export function leaderEpochError(partition: Partition, currentLeaderEpoch: number): number {
  if (partition.log.isStopped && partition.log.segmentCount === 0) return storageError
  if (currentLeaderEpoch === -1 || currentLeaderEpoch === partition.leaderEpoch) return 0
  return currentLeaderEpoch < partition.leaderEpoch ? fenced : unknown
}

/**
 * The end of a leader epoch, for a log that ends at `logEnd`. A leader that has written nothing yet
 * still has an epoch, which ends where its log does.
 */
export function epochEnd({ log, leaderEpoch }: Partition, epoch: number, logEnd: number): EpochEnd {
  const { leaderEpochs } = historyOf(log)
  // Older than any: such an epoch ended where the first one began.
  if (epoch < -1) return { epoch, endOffset: leaderEpochs.entries[0]?.startOffset ?? log.logStartOffset }
  return epoch === leaderEpoch ? { epoch, endOffset: logEnd } : leaderEpochs.endOffsetFor(epoch, logEnd)
}
