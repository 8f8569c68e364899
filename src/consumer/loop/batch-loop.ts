import type { MaybePromise } from '../../common/deferred.js'
import type { AssignedPartition } from '../assigned-partition.js'
import { ConsumerBatch } from '../consumer-batch.js'
import type { FetchedRecords } from '../fetch/fetched-records.js'
import { LoopReader } from './loop-reader.js'
import type { ReaderOwner } from './reader.js'

/** `for await` over batches. */
export class BatchLoop<K, V> extends LoopReader<ConsumerBatch<K, V>> {
  #batch: ConsumerBatch<K, V> | undefined

  override next(): Promise<IteratorResult<ConsumerBatch<K, V>, undefined>> {
    return this.nextSlowly()
  }

  protected override finishItem(): MaybePromise<void> {
    const batch = this.#batch
    this.#batch = undefined
    return batch?.finish()
  }

  protected override forgetItem(): void {
    this.#batch = undefined
  }

  protected override handOut(partition: AssignedPartition, fetched: FetchedRecords): ConsumerBatch<K, V> {
    this.#batch = batchAt<K, V>(this.owner, partition, fetched)
    return this.#batch
  }
}

/** The batch that starts at the current record. */
export function batchAt<K, V>(owner: ReaderOwner, partition: AssignedPartition, fetched: FetchedRecords): ConsumerBatch<K, V> {
  const { recordCount, endOffset } = fetched.stretch(owner.settings.maxPollRecords)
  partition.handedOut(endOffset, fetched.leaderEpoch, partition.jumps)
  return new ConsumerBatch(owner, partition, fetched, recordCount, endOffset)
}
