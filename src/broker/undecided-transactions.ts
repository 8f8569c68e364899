import { readInt16, readInt64 } from '../common/bytes.js'
import { release } from '../common/lease.js'
import type { Log } from '../log/log.js'
import { transactionStateTopic } from '../metadata/topic-name.js'
import { batchesIn } from '../record/record-batch.js'
import { endTransaction } from './end-transaction.js'
import type { Partition } from './partition.js'
import type { Topic } from './topic.js'

/** What a coordinator had decided about a transaction, and not yet written to all partitions. */
const prepareCommit = 2
const readBytes = 1024 * 1024

/**
 * Ends the transactions that an Apache Kafka has left open in its directory, as it would itself: those whose commit it had decided are committed, all others
 * are aborted, for nobody goes on with them here. Until then nobody could say whether their records count.
 */
export async function endUndecidedTransactions(topics: ReadonlyMap<string, Topic>, timestamp: number): Promise<void> {
  const undecided = [...partitionsOf(topics)].filter(({ log }) => log.producers.hasOpenTransactions && !log.failure)
  if (undecided.length === 0) return
  const statuses = new Map<number, number>()
  for (const { log } of topics.get(transactionStateTopic)?.partitions ?? []) await readStatuses(log, statuses)
  for (const partition of undecided) {
    for (const { producerId, epoch, coordinatorEpoch, transactionStart } of [...partition.log.producers.entries]) {
      if (transactionStart < 0) continue
      const type = statuses.get(producerId) === prepareCommit ? 'COMMIT' : 'ABORT'
      const marker = { type, producerId, producerEpoch: epoch, coordinatorEpoch: Math.max(0, coordinatorEpoch), timestamp } as const
      await endTransaction(partition, marker, 1)
    }
  }
}

function* partitionsOf(topics: ReadonlyMap<string, Topic>): Generator<Partition, void, undefined> {
  for (const { name, partitions } of topics.values()) if (name !== transactionStateTopic) yield* partitions
}

/**
 * The last known status of each transaction, by its producer:
 *     value := version: int16 (0 or 1), producerId: int64, producerEpoch: int16, timeoutMs: int32, status: int8, …
 */
async function readStatuses(log: Log, statuses: Map<number, number>): Promise<void> {
  for (let offset = log.logStartOffset; offset < log.logEndOffset; ) {
    const bytes = await log.read(offset, readBytes)
    const from = offset
    for (const batch of batchesIn(bytes)) {
      batch.verify()
      for (const { value } of batch.isControl ? [] : batch.records()) {
        if (value && value.length >= 17 && readInt16(value, 0) <= 1) statuses.set(readInt64(value, 2), value[16])
      }
      offset = batch.nextOffset
    }
    release(bytes)
    if (offset <= from) return
  }
}
