import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { batchesIn } from '../../record/record-batch.js'
import { exclusively } from '../exclusively.js'
import type { LogState } from '../log-state.js'
import { replay } from '../recovery/recovery.js'
import { ProducerState } from './producer-state.js'
import { TransactionCheck } from './transaction-check.js'
import type { AbortedTransaction } from './transaction-index.js'

/** The aborted transactions of a log, as readers of what is committed must know them. */
export class AbortedTransactions {
  readonly #log: LogState
  readonly #check: TransactionCheck
  /**
   * Up to here files say it, which are not believed unseen; from here on the batches themselves
   * did.
   */
  #knownFrom: number

  constructor(log: LogState) {
    this.#log = log
    this.#check = new TransactionCheck(log)
    this.#knownFrom = log.history.start
  }

  /**
   * The transactions that concern readers of `bytes`, which were read at `offset`, ordered by their
   * first offset.
   */
  within(offset: number, bytes: Uint8Array): MaybePromise<readonly AbortedTransaction[]> {
    if (offset >= this.#knownFrom) return this.#listed(offset, bytes)
    const isRight = this.#check.holdsFor(bytes)
    if (isPromise(isRight)) return isRight.then(holds => this.#listedOnce(holds, offset, bytes))
    return this.#listedOnce(isRight, offset, bytes)
  }

  #listedOnce(isRight: boolean, offset: number, bytes: Uint8Array): MaybePromise<readonly AbortedTransaction[]> {
    return isRight ? this.#listed(offset, bytes) : this.#rebuild().then(() => this.#listed(offset, bytes))
  }

  #listed(offset: number, bytes: Uint8Array): readonly AbortedTransaction[] {
    const { transactions } = this.#log.history
    if (transactions.isEmpty) return []
    let end = 0
    for (const { nextOffset } of batchesIn(bytes)) end = nextOffset
    return transactions.between(offset, end)
  }

  #rebuild(): Promise<void> {
    return exclusively(this.#log, async () => {
      if (this.#knownFrom === 0) return
      const { storage, folder, segments, history, logEndOffset, isReadOnly } = this.#log
      const producers = new ProducerState()
      const aborted: AbortedTransaction[] = []
      await replay(segments.all, 0, logEndOffset, (bytes, position) => {
        const found = producers.note(bytes, position)
        if (found) aborted.push(found)
      })
      history.transactions.replace(aborted)
      this.#knownFrom = 0
      if (!storage.durable || isReadOnly) return
      for (const segment of segments.all) await history.transactions.write(segment)
      await storage.syncFolder(folder)
    })
  }
}
