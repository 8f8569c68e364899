import type { Clock } from '../../common/clock.js'
import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { answer, type TransactionEnd } from '../../common/state-machine.js'
import { systemClock } from '../../common/system-clock.js'
import { errorCodeOf, type ProtocolErrorCode } from '../../errors.js'
import { type CoordinatorHost, CoordinatorRuntime } from '../coordinator-runtime.js'
import { Timeout } from '../timeout.js'
import { type Asker, type Outcome, type ProducerAnswer, refused, TransactionMachine } from './transaction-machine.js'
import {
  epochBumpVersion,
  hasPartition,
  type Partitions,
  type TransactionState,
  type TransactionStatus,
  transactionStatuses
} from './transaction-state.js'

export interface TransactionOptions {
  /** Partitions of `__transaction_state`. */
  readonly partitionCount: number
  /** The longest timeout that a producer may ask for, in milliseconds. */
  readonly maxTimeoutMs: number
  /** The interval between searches for transactions that timed out, in ms. */
  readonly abortIntervalMs: number
  /** The time for which an unused transactional id is kept, in ms. */
  readonly idExpirationMs: number
  /** The interval between searches for expired ids, in ms. */
  readonly expirationIntervalMs: number
  readonly maxTransactionalIds: number
}

export interface TransactionCoordinatorParts {
  readonly clock?: Clock
  readonly options: TransactionOptions
  /** True if the node ended in a crash: what was undecided then is aborted. */
  readonly isAfterCrash?: boolean
  openHost(partition: number, machine: TransactionMachine): MaybePromise<CoordinatorHost>
  /** The epoch of this coordinator in a partition of `__transaction_state`. */
  coordinatorEpoch(partition: number): number
  nextProducerId(): MaybePromise<number>
  /** Writes how a transaction ends to a partition; done too where the partition does not exist. */
  writeMarker(topic: string, partition: number, end: TransactionEnd, transactionVersion: number): MaybePromise<unknown>
  /** A marker could not be written, and is tried again. */
  onFailed(error: unknown, topic: string, partition: number): void
}

/** A transactional id as clients are told of it. */
export type DescribedTransaction = Pick<
  TransactionState,
  'transactionalId' | 'status' | 'timeoutMs' | 'startTimestamp' | 'producerId' | 'producerEpoch' | 'partitions'
>

export interface TransactionFilter {
  readonly states: readonly string[]
  readonly producerIds: readonly number[]
  /** Only those that began longer ago than so many milliseconds; negative for any. */
  readonly durationMs: number
  /** Only ids that match all of it; null for any. */
  readonly pattern: { test(text: string): boolean } | null
}

const retryMs = 100
/** An InitProducerId that has to abort a transaction first looks so often whether that is done. */
const mostAborts = 3

/**
 * Kafka's coordinator of transactions (KIP-98): which producer a transactional id has, which
 * partitions take part in its transaction, and how that ends. The end of a transaction is decided
 * by one record in `__transaction_state`; then all partitions are told by markers, as often as it
 * takes. Ids are spread over partitions; a partition is opened when an id in it is first asked for.
 */
export class TransactionCoordinator {
  readonly options: TransactionOptions
  readonly #clock: Clock
  readonly #parts: TransactionCoordinatorParts
  readonly #runtime: CoordinatorRuntime<TransactionMachine>
  readonly #byProducer = new Map<number, TransactionState>()
  /** Transactions whose partitions are being told, by id. */
  readonly #finishing = new Map<string, Finishing>()
  readonly #aborts: Timeout
  readonly #expiry: Timeout
  #reservesNoMore = false

  constructor(parts: TransactionCoordinatorParts) {
    this.#parts = parts
    this.#clock = parts.clock ?? systemClock
    this.options = parts.options
    this.#aborts = new Timeout(this.#clock)
    this.#expiry = new Timeout(this.#clock)
    this.#runtime = new CoordinatorRuntime({
      partitionCount: this.options.partitionCount,
      createMachine: (_run, partition) => this.#createMachine(partition),
      openHost: (partition, machine) => parts.openHost(partition, machine)
    })
  }

  /**
   * Opens partitions that hold something already. Resolves once what they had decided is finished,
   * or could not be; with whether all could be opened.
   */
  async load(partitions: Iterable<number>): Promise<boolean> {
    const areAll = await this.#runtime.load(partitions)
    await this.#allTried()
    return areAll
  }

  /**
   * Gives the producer of a transactional id its id and epoch. A transaction of the producer before
   * is aborted first.
   */
  async initProducerId(asker: Asker, timeoutMs: number): Promise<ProducerAnswer> {
    if (asker.transactionalId === '' || asker.producerId < 0 !== asker.producerEpoch < 0) return refused('INVALID_REQUEST')
    if (!(timeoutMs > 0 && timeoutMs <= this.options.maxTimeoutMs)) return refused('INVALID_TRANSACTION_TIMEOUT')
    for (let tries = 0; tries < mostAborts; tries++) {
      const outcome = await this.#withProducerId(asker.transactionalId, (machine, freshId) =>
        machine.initProducerId(asker, timeoutMs, freshId)
      )
      if (outcome !== 'aborting') return outcome
      const finishing = this.#finishing.get(asker.transactionalId)
      if (finishing && !(await finishing.firstTry)) break
    }
    return refused('CONCURRENT_TRANSACTIONS')
  }

  /**
   * Lets partitions take part in the transaction of a producer. `clientVersion` is the version of
   * transactions that it speaks.
   */
  addPartitions(asker: Asker, partitions: Partitions, clientVersion: number): MaybePromise<ProtocolErrorCode> {
    if (asker.transactionalId === '') return 'INVALID_REQUEST'
    return this.#runtime.ask(
      asker.transactionalId,
      undefined,
      machine => machine.addPartitions(asker, partitions, clientVersion),
      errorCodeOf
    )
  }

  /**
   * True if a partition takes part in the transaction of a producer: TRANSACTION_ABORTABLE where it
   * does not.
   */
  verifyPartition(asker: Asker, topic: string, partition: number): MaybePromise<ProtocolErrorCode> {
    if (asker.transactionalId === '') return 'INVALID_REQUEST'
    return this.#runtime.ask(
      asker.transactionalId,
      undefined,
      machine => answer(machine.verifyPartition(asker, topic, partition)),
      errorCodeOf
    )
  }

  /** True if a partition takes part in the transaction of a producer, at this moment. */
  includes(producerId: number, producerEpoch: number, topic: string, partition: number): boolean {
    const state = this.#byProducer.get(producerId)
    return state?.status === 'Ongoing' && state.producerEpoch === producerEpoch && hasPartition(state, topic, partition)
  }

  /** The state of the transaction of a producer. */
  ofProducer(producerId: number): TransactionState | undefined {
    return this.#byProducer.get(producerId)
  }

  /**
   * Commits or aborts; answered when all partitions have been told, or could not be at the first
   * try.
   */
  async endTransaction(asker: Asker, isCommitted: boolean, clientVersion: number): Promise<ProducerAnswer> {
    if (asker.transactionalId === '') return refused('INVALID_REQUEST')
    const outcome = await this.#withProducerId(asker.transactionalId, (machine, freshId) =>
      machine.endTransaction(asker, isCommitted, clientVersion, freshId)
    )
    if (outcome === 'aborting') return refused('CONCURRENT_TRANSACTIONS')
    if (outcome.error === 'NONE') await this.#finishing.get(asker.transactionalId)?.firstTry
    return outcome
  }

  /** `undefined` where there is no such id. */
  describe(transactionalId: string): MaybePromise<DescribedTransaction | ProtocolErrorCode | undefined> {
    return this.#runtime.ask<DescribedTransaction | ProtocolErrorCode | undefined>(
      transactionalId,
      undefined,
      machine => answer(machine.get(transactionalId)),
      errorCodeOf
    )
  }

  /** The ids in all partitions that are open, and the names of states that there are not. */
  list(filter: TransactionFilter): { readonly unknownStates: string[]; readonly transactions: DescribedTransaction[] } {
    const unknownStates = filter.states.filter(state => !transactionStatuses.includes(state as TransactionStatus))
    const now = this.#clock.now()
    const passes = ({ status, producerId, startTimestamp, transactionalId }: TransactionState) =>
      (filter.states.length === 0 || filter.states.includes(status)) &&
      (filter.producerIds.length === 0 || filter.producerIds.includes(producerId)) &&
      (filter.durationMs < 0 || (startTimestamp >= 0 && now - startTimestamp > filter.durationMs)) &&
      (filter.pattern === null || filter.pattern.test(transactionalId))
    const transactions: DescribedTransaction[] = []
    for (const machine of this.#runtime.machines()) for (const state of machine.states()) if (passes(state)) transactions.push(state)
    return { unknownStates, transactions }
  }

  /** Aborts what is over its time, now; happens by itself every `abortIntervalMs`. */
  async abortOverdue(): Promise<void> {
    await this.#runtime.everywhere(machine => machine.abortOverdue())
    await this.#allTried()
  }

  /**
   * True if what a transaction reserves in a partition, at this moment, is free again when it has
   * ended: its marker will come there.
   */
  mayReserve(producerId: number, producerEpoch: number, topic: string, partition: number): boolean {
    return !this.#reservesNoMore && this.includes(producerId, producerEpoch, topic, partition)
  }

  /**
   * Aborts the transactions of these producers, which have reserved something, and fences them.
   * None reserves anything from now on.
   */
  async endReserving(producerIds: ReadonlySet<number>): Promise<void> {
    this.#reservesNoMore = true
    if (producerIds.size === 0) return
    await this.#runtime.everywhere(machine => machine.abortOf(producerIds))
    await this.#allTried()
  }

  /** Forgets ids that nobody uses, now; happens by itself every `expirationIntervalMs`. */
  async expireIds(): Promise<void> {
    await this.#runtime.untilDone(machine => machine.expire())
  }

  /** Idempotent. What is decided and not finished is finished when it is opened again. */
  async close(): Promise<void> {
    this.#aborts.cancel()
    this.#expiry.cancel()
    for (const finishing of this.#finishing.values()) finishing.stop()
    await Promise.all(Array.from(this.#finishing.values(), ({ done }) => done))
    await this.#runtime.close()
  }

  #createMachine(partition: number): TransactionMachine {
    const { options, isAfterCrash = false } = this.#parts
    return new TransactionMachine({
      clock: this.#clock,
      byProducer: this.#byProducer,
      isAfterCrash,
      maxTransactionalIds: options.maxTransactionalIds,
      expirationMs: options.idExpirationMs,
      finish: state => this.#finish(partition, state),
      begun: () => this.#abortLater(),
      known: () => this.#expireLater()
    })
  }

  /** Asks, and once more with a producer id where one is needed. */
  async #withProducerId(
    transactionalId: string,
    decide: (machine: TransactionMachine, freshId: number | undefined) => ReturnType<TransactionMachine['endTransaction']>
  ): Promise<Exclude<Outcome, 'needsProducerId'>> {
    const ask = (freshId?: number) =>
      this.#runtime.ask<Outcome>(
        transactionalId,
        undefined,
        machine => decide(machine, freshId),
        code => refused(errorCodeOf(code))
      )
    const outcome = await ask()
    if (outcome !== 'needsProducerId') return outcome
    const again = await ask(await this.#parts.nextProducerId())
    return again === 'needsProducerId' ? refused('CONCURRENT_TRANSACTIONS') : again
  }

  #finish(partition: number, state: TransactionState): void {
    const { transactionalId } = state
    const finishing = new Finishing(this.#clock, {
      tell: () => this.#tellPartitions(partition, state),
      complete: () => this.#runtime.run(partition, machine => machine.complete(state))
    })
    this.#finishing.set(transactionalId, finishing)
    void finishing.done.then(() => {
      if (this.#finishing.get(transactionalId) === finishing) this.#finishing.delete(transactionalId)
    })
  }

  /** Resolves when all that is decided is finished, or could not be at the first try. */
  async #allTried(): Promise<void> {
    await Promise.all(Array.from(this.#finishing.values(), ({ firstTry }) => firstTry))
  }

  /** Returns a try to tell those partitions that have not been told: whether all are. */
  #tellPartitions(partition: number, state: TransactionState): () => Promise<boolean> {
    const { producerId, producerEpoch, clientVersion } = state
    const coordinatorEpoch = this.#parts.coordinatorEpoch(partition)
    const type = state.status === 'PrepareCommit' ? 'COMMIT' : 'ABORT'
    const end = { type, producerId, producerEpoch, coordinatorEpoch } as const
    const left = Array.from(state.partitions, ([topic, indexes]) => Array.from(indexes, index => [topic, index] as const)).flat()
    return async () => {
      const failed: (typeof left)[number][] = []
      const telling: Promise<unknown>[] = []
      for (const each of left) {
        const [topic, index] = each
        const onError = (error: unknown) => {
          failed.push(each)
          this.#parts.onFailed(error, topic, index)
        }
        try {
          const told = this.#parts.writeMarker(topic, index, end, clientVersion)
          if (isPromise(told)) telling.push(told.catch(onError))
        } catch (error) {
          onError(error)
        }
      }
      await Promise.all(telling)
      left.splice(0, left.length, ...failed)
      return left.length === 0
    }
  }

  #abortLater(): void {
    if (this.#aborts.isSet || this.#runtime.isClosed) return
    this.#aborts.set(this.options.abortIntervalMs, () => {
      // A transaction that cannot be aborted now is aborted the next time.
      this.abortOverdue()
        .catch(() => {})
        .finally(() => {
          for (const machine of this.#runtime.machines()) if (machine.hasOngoing) return this.#abortLater()
        })
    })
  }

  #expireLater(): void {
    if (this.#expiry.isSet || this.#runtime.isClosed) return
    this.#expiry.set(this.options.expirationIntervalMs, () => {
      // An id that cannot be forgotten now is forgotten the next time.
      this.expireIds()
        .catch(() => {})
        .finally(() => this.#byProducer.size > 0 && this.#expireLater())
    })
  }
}

interface FinishingSteps {
  /** Makes the tries to tell all partitions. */
  tell(): () => Promise<boolean>
  complete(): MaybePromise<void>
}

/** The end of a transaction on its way to all its partitions. */
class Finishing {
  /** True if the first try has succeeded. */
  readonly firstTry: Promise<boolean>
  /** Resolves when it is complete, or was stopped. */
  readonly done: Promise<void>
  readonly #clock: Clock
  #isStopped = false
  #wake: () => void = () => {}

  constructor(clock: Clock, steps: FinishingSteps) {
    this.#clock = clock
    const tell = steps.tell()
    const once = async () => {
      if (!(await tell())) return false
      await steps.complete()
      return true
    }
    const attempt = () => once().catch(() => false)
    this.firstTry = attempt()
    this.done = this.firstTry.then(async told => {
      while (!told && !this.#isStopped) {
        await this.#pause()
        if (!this.#isStopped) told = await attempt()
      }
    })
  }

  stop(): void {
    this.#isStopped = true
    this.#wake()
  }

  #pause(): Promise<void> {
    return new Promise(resolve => {
      const timer = this.#clock.setTimer(retryMs, resolve)
      this.#wake = () => {
        timer.cancel()
        resolve()
      }
    })
  }
}

/** The version of transactions that the version of an EndTxn stands for. */
export function versionOfEndTxn(apiVersion: number): number {
  return apiVersion >= firstBumpingEndTxn ? epochBumpVersion : 0
}

const firstBumpingEndTxn = 5
