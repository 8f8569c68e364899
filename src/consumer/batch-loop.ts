import type { AssignedPartition } from './assigned-partition.js'
import { ConsumerBatch } from './consumer-batch.js'
import type { FetchedRecords } from './fetched-records.js'
import { LoopReader } from './loop-reader.js'
import type { ReaderOwner } from './reader.js'

/** `for await` over batches. */
export class BatchLoop<K, V> extends LoopReader<ConsumerBatch<K, V>> {
  #batch: ConsumerBatch<K, V> | undefined

  override next(): Promise<IteratorResult<ConsumerBatch<K, V>, undefined>> {
    const batch = this.#batch
    if (batch === undefined) return super.next()
    this.#batch = undefined
    try {
      const finished = batch.finish()
      if (finished instanceof Promise) return finished.then(() => super.next()).catch(error => this.#stop(error))
    } catch (error) {
      return this.#stop(error)
    }
    return super.next()
  }

  override async return(): Promise<IteratorReturnResult<undefined>> {
    return super.return()
  }

  protected override handOut(partition: AssignedPartition, fetched: FetchedRecords): ConsumerBatch<K, V> {
    this.#batch = batchAt<K, V>(this.owner, partition, fetched)
    return this.#batch
  }

  /** What went wrong with the batch in hand leaves it unhandled. */
  async #stop(error: unknown): Promise<never> {
    await super.return()
    throw error
  }
}

/** The batch that starts at the current record. */
export function batchAt<K, V>(owner: ReaderOwner, partition: AssignedPartition, fetched: FetchedRecords): ConsumerBatch<K, V> {
  const { recordCount, endOffset } = fetched.stretch(owner.settings.maxPollRecords)
  partition.handedOut(endOffset, fetched.leaderEpoch, partition.jumps)
  return new ConsumerBatch(owner, partition, fetched, recordCount, endOffset)
}
