import type { MaybePromise } from '../common/deferred.js'
import { KafkaError } from '../errors.js'
import { historyOf } from '../log/log.js'
import type { AppendInfo } from '../log/log-types.js'
import { type TransactionMarker, transactionMarkerBatch } from '../record/control-record.js'
import { appendToPartition, type Partition } from './partition.js'

/**
 * Writes the marker that ends the transaction of a producer in a partition. From version 2 of
 * transactions on (KIP-890) the marker has a later epoch than the batches before it, so that one
 * which comes again cannot end the next transaction. Raises INVALID_PRODUCER_EPOCH for a producer
 * that another has replaced, and TRANSACTION_COORDINATOR_FENCED for a coordinator that has been.
 */
export function endTransaction(partition: Partition, marker: TransactionMarker, transactionVersion: number): MaybePromise<AppendInfo> {
  expectEnds(partition, marker, transactionVersion)
  return appendToPartition(partition, transactionMarkerBatch(marker), 'coordinator')
}

/** Raises what `endTransaction` raises where a marker is too old. */
export function expectEnds(
  partition: Partition,
  { producerId, producerEpoch, coordinatorEpoch }: Omit<TransactionMarker, 'timestamp'>,
  transactionVersion: number
): void {
  const known = historyOf(partition.log).producers.get(producerId)
  const isOpen = known !== undefined && known.transactionStart >= 0
  if (known && (producerEpoch < known.epoch || (transactionVersion >= 2 && isOpen && producerEpoch === known.epoch)))
    throw new KafkaError(
      'INVALID_PRODUCER_EPOCH',
      `Producer ${producerId} has gone on to epoch ${known.epoch} in ${partition.topic}-${partition.partition}; this marker is of ${producerEpoch}`
    )
  if (known && coordinatorEpoch < known.coordinatorEpoch)
    throw new KafkaError(
      'TRANSACTION_COORDINATOR_FENCED',
      `A coordinator of epoch ${known.coordinatorEpoch} has ended transactions of producer ${producerId}; this one is of ${coordinatorEpoch}`
    )
}
