import { isPromise, type MaybePromise } from '../../common/deferred.js'
import type { AssignedPartition } from '../assigned-partition.js'
import type { FetchedRecords } from '../fetch/fetched-records.js'
import type { ReaderOwner } from '../loop/reader.js'
import { Runner } from './runner.js'

/** The kind of items that `run` handles: records, or batches. */
export interface ItemHandling {
  /**
   * Handles the item that starts at the current record and moves the partition's position past it.
   * Throws, or rejects, what ends `run`.
   */
  handle(partition: AssignedPartition, fetched: FetchedRecords): MaybePromise<void>
}

/**
 * Handles the items of each partition one after the other, and up to `concurrency` partitions at
 * once.
 */
export class PartitionRunner extends Runner {
  readonly #items: ItemHandling
  readonly #busy = new Set<AssignedPartition>()

  constructor(owner: ReaderOwner, items: ItemHandling, concurrency: number, handlers: AbortController, signal: AbortSignal | undefined) {
    super(owner, concurrency, handlers, signal)
    this.#items = items
  }

  protected override dispatch(): void {
    while (!this.isStopping && this.#busy.size < this.concurrency) {
      const partition = this.owner.assignment.nextReady()
      if (partition === undefined) return
      // One that is busy stands in line again when it is done.
      if (!this.#busy.has(partition)) void this.#work(partition)
    }
  }

  #call(partition: AssignedPartition, fetched: FetchedRecords): MaybePromise<void> {
    this.calls++
    try {
      return this.#items.handle(partition, fetched)
    } finally {
      this.calls--
    }
  }

  /** Goes through what was fetched of a partition, as long as it may. */
  readonly #work = this.mark.on(async (partition: AssignedPartition): Promise<void> => {
    this.#busy.add(partition)
    let number = -1
    try {
      if (partition.reading === undefined) {
        partition.take()
        this.owner.moveOn()
      }
      const fetched = partition.reading as FetchedRecords | undefined
      const { jumps } = partition
      while (fetched !== undefined && partition.jumps === jumps && this.mayHandOut(partition)) {
        if (this.owner.turn.isDue()) {
          const turn = this.owner.yieldWhenOver()
          if (turn !== undefined) {
            await turn
            continue
          }
        }
        if (!fetched.next()) {
          this.exhausted(partition, fetched)
          partition.handledUpTo(partition.position, jumps)
          break
        }
        const handled = this.#call(partition, fetched)
        // A handler that returns synchronously is never in hand.
        if (isPromise(handled)) {
          number = this.handedOut(partition)
          await handled
        }
        partition.handledUpTo(partition.position, jumps)
        if (number >= 0) this.handedBack(number)
        number = -1
      }
    } catch (error) {
      this.fail(error)
    } finally {
      this.#busy.delete(partition)
      this.handedBack(number)
      if (partition.isReady) this.owner.assignment.ready(partition)
      this.wake()
    }
  })
}
