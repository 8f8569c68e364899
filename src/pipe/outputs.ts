import type { Transaction } from '../producer/transaction.js'
import type { AnyTopic } from '../record/topic.js'
import type { Output } from './transformation.js'

/** The records that go to a topic together. */
const recordsAtOnce = 500
/** So many such sends may be under way: the buffer of the producer then has the next ones. */
const mostUnderWay = 8

/** Sends the outputs of one transaction, those of each topic in their order. */
export class Outputs {
  readonly #transaction: Transaction
  readonly #waiting = new Map<AnyTopic | string, Output['record'][]>()
  readonly #underWay: Promise<unknown>[] = []
  #count = 0
  #failure: { readonly error: unknown } | undefined

  constructor(transaction: Transaction) {
    this.#transaction = transaction
  }

  /** The number of records. */
  get count(): number {
    return this.#count
  }

  /** True if one could not be delivered. */
  get hasFailed(): boolean {
    return this.#failure !== undefined
  }

  /**
   * Takes outputs in. Returns a promise where the caller should wait. Throws what an earlier one
   * has failed with.
   */
  add(outputs: readonly Output[]): Promise<unknown> | undefined {
    if (this.#failure) throw this.#failure.error
    for (const { topic, record } of outputs) {
      this.#count++
      let waiting = this.#waiting.get(topic)
      if (!waiting) this.#waiting.set(topic, (waiting = []))
      if (waiting.push(record) >= recordsAtOnce) this.#send(topic)
    }
    return this.#underWay.length > mostUnderWay ? this.#underWay.shift() : undefined
  }

  /** Resolves when all have been delivered. Rejects with why one was not. */
  async delivered(): Promise<void> {
    for (const topic of [...this.#waiting.keys()]) this.#send(topic)
    await Promise.all(this.#underWay)
    if (this.#failure) throw this.#failure.error
  }

  #send(topic: AnyTopic | string): void {
    const records = this.#waiting.get(topic) ?? []
    this.#waiting.delete(topic)
    const sent = this.#transaction.sendBatch(topic, records).catch(error => {
      this.#failure ??= { error }
    })
    this.#underWay.push(sent)
  }
}
