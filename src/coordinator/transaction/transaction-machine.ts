import type { Clock } from '../../common/clock.js'
import { answer, type Decision, type ReplayedRecord, type StateRecord } from '../../common/state-machine.js'
import type { ProtocolErrorCode } from '../../errors.js'
import type { CoordinatorMachine } from '../coordinator-runtime.js'
import { Tombstones } from '../tombstones.js'
import { readTransactionRecord, transactionRecord } from './transaction-records.js'
import {
  epochBumpVersion,
  hasAll,
  hasPartition,
  isEpochExhausted,
  isIdle,
  isPrepared,
  noPartitions,
  type Partitions,
  type TransactionState,
  union
} from './transaction-state.js'

/** The producer that asks about a transactional id. */
export interface Asker {
  readonly transactionalId: string
  readonly producerId: number
  readonly producerEpoch: number
}

/** The answer to a producer: an error, or its id and epoch. */
export interface ProducerAnswer {
  readonly error: ProtocolErrorCode
  readonly producerId: number
  readonly producerEpoch: number
}

/** A fresh producer id is needed for an answer, or the end of the transaction under way. */
export type Outcome = ProducerAnswer | 'needsProducerId' | 'aborting'

export interface MachineParts {
  readonly clock: Clock
  /** Shared by the machines of all partitions: what is known by producer id. */
  readonly byProducer: Map<number, TransactionState>
  /** True if the node ended in a crash: what was undecided then is aborted. */
  readonly isAfterCrash: boolean
  readonly maxTransactionalIds: number
  readonly expirationMs: number
  /** Tells the partitions how a transaction ends, and then the machine that it is complete. */
  finish(state: TransactionState): void
  /** A transaction has begun. */
  begun(): void
  /** There is a transactional id. */
  known(): void
}

/**
 * The coordinator of the transactional ids in one partition of `__transaction_state` (KIP-98,
 * KIP-360, KIP-890). Each request becomes a decision: a record with the new state of its id, and an
 * answer for when it is written. Only replayed records change what is stored.
 */
export class TransactionMachine implements CoordinatorMachine {
  readonly #parts: MachineParts
  readonly #states = new Map<string, TransactionState>()
  /** The ends of the time that transactions under way have, by the monotonic clock. */
  readonly #deadlines = new Map<string, number>()
  /**
   * The epochs that producers had before the present ones, by which a request that comes again is
   * known. Lost with the process, as in Kafka.
   */
  readonly #lastEpochs = new Map<string, number>()

  constructor(parts: MachineParts) {
    this.#parts = parts
  }

  replay(record: ReplayedRecord): void {
    const change = readTransactionRecord(record)
    if (!change) return
    const { transactionalId, value: state } = change
    const before = this.#states.get(transactionalId)
    const { byProducer, clock } = this.#parts
    if (before && before.producerId !== state?.producerId) byProducer.delete(before.producerId)
    if (!state || state.status === 'Dead') {
      this.#states.delete(transactionalId)
      this.#deadlines.delete(transactionalId)
      this.#lastEpochs.delete(transactionalId)
      return
    }
    if (!before) this.#parts.known()
    this.#states.set(transactionalId, state)
    byProducer.set(state.producerId, state)
    if (state.status !== 'Ongoing') this.#deadlines.delete(transactionalId)
    else if (before?.status !== 'Ongoing') {
      const spentMs = Math.max(0, clock.now() - state.startTimestamp)
      this.#deadlines.set(transactionalId, clock.monotonic() + Math.max(0, state.timeoutMs - spentMs))
      this.#parts.begun()
    }
  }

  *snapshot(): Generator<StateRecord> {
    for (const [transactionalId, state] of this.#states) yield transactionRecord(transactionalId, state)
  }

  /** Finishes decided transactions and, after a crash, aborts undecided ones. */
  loaded(): Decision<void> {
    const fenced: TransactionState[] = []
    if (this.#parts.isAfterCrash)
      for (const state of this.#states.values()) if (state.status === 'Ongoing') fenced.push(this.#fenced(state))
    return {
      records: fenced.map(recordOf),
      committed: () => {
        for (const state of this.#states.values()) if (isPrepared(state)) this.#parts.finish(state)
      }
    }
  }

  unload(): void {
    for (const { producerId } of this.#states.values()) this.#parts.byProducer.delete(producerId)
  }

  get(transactionalId: string): TransactionState | undefined {
    return this.#states.get(transactionalId)
  }

  states(): Iterable<TransactionState> {
    return this.#states.values()
  }

  /**
   * Gives the producer of a transactional id its id and a new epoch, by which one before it is
   * fenced. A producer that names the id and epoch that it has goes on with them (KIP-360).
   * `freshId` is a producer id that nobody has, for when one is needed.
   */
  initProducerId(asker: Asker, timeoutMs: number, freshId: number | undefined): Decision<Outcome> {
    const { transactionalId, producerId: expectedId, producerEpoch: expectedEpoch } = asker
    const isExpected = expectedId >= 0
    const state = this.#states.get(transactionalId)
    const now = this.#parts.clock.now()
    if (!state) {
      if (this.#parts.byProducer.size >= this.#parts.maxTransactionalIds) return refuse('POLICY_VIOLATION')
      if (freshId === undefined) return answer('needsProducerId')
      return this.#become(emptyState(transactionalId, freshId, timeoutMs, now), -1)
    }
    const isRotated = expectedId === state.previousProducerId && isEpochExhausted(expectedEpoch)
    if (isExpected && expectedId !== state.producerId && !isRotated) return refuse('PRODUCER_FENCED')
    if (isPrepared(state)) return refuse('CONCURRENT_TRANSACTIONS')
    if (state.status === 'Ongoing') return this.#abort(state)
    const empty = { ...emptyState(transactionalId, state.producerId, timeoutMs, now), producerEpoch: state.producerEpoch }
    const { producerEpoch } = state
    if (isEpochExhausted(producerEpoch) && (!isExpected || expectedEpoch === producerEpoch)) {
      if (freshId === undefined) return answer('needsProducerId')
      const rotated = { ...empty, producerId: freshId, previousProducerId: state.producerId, producerEpoch: 0 }
      return this.#become(rotated, isExpected ? producerEpoch : -1)
    }
    const lastEpoch = this.#lastEpochs.get(transactionalId) ?? -1
    if (isExpected && expectedEpoch !== producerEpoch) {
      if (expectedEpoch !== lastEpoch || lastEpoch < 0) return refuse('PRODUCER_FENCED')
      // The answer to the same request was lost.
      return this.#become({ ...empty, previousProducerId: state.previousProducerId }, lastEpoch)
    }
    return this.#become({ ...empty, producerEpoch: producerEpoch + 1 }, isExpected ? producerEpoch : -1)
  }

  /** Lets partitions take part in the transaction, which begins with the first of them. */
  addPartitions(asker: Asker, partitions: Partitions, clientVersion: number): Decision<ProtocolErrorCode> {
    const state = this.#openTo(asker)
    if (typeof state === 'string') return answer(state)
    if (state.status === 'Ongoing' && hasAll(state.partitions, partitions)) return answer('NONE')
    const now = this.#parts.clock.now()
    const isFirst = state.status !== 'Ongoing'
    const added: TransactionState = {
      ...state,
      status: 'Ongoing',
      partitions: union(isFirst ? noPartitions : state.partitions, partitions),
      startTimestamp: isFirst ? now : state.startTimestamp,
      lastUpdateTimestamp: now,
      clientVersion
    }
    return { records: [recordOf(added)], committed: () => 'NONE' }
  }

  /**
   * True if partitions take part in the transaction; TRANSACTION_ABORTABLE for one that does not.
   */
  verifyPartition(asker: Asker, topic: string, partition: number): ProtocolErrorCode {
    const state = this.#openTo(asker)
    if (typeof state === 'string') return state
    return state.status === 'Ongoing' && hasPartition(state, topic, partition) ? 'NONE' : 'TRANSACTION_ABORTABLE'
  }

  /**
   * Decides how a transaction ends. From version 2 on the producer gets a new epoch for the next
   * one, and may end one to which nothing was added. The answer comes once all partitions have been
   * told, or the first try failed.
   */
  endTransaction(asker: Asker, isCommitted: boolean, clientVersion: number, freshId: number | undefined): Decision<Outcome> {
    const { transactionalId, producerId, producerEpoch } = asker
    const state = this.#states.get(transactionalId)
    if (!state) return refuse('INVALID_PRODUCER_ID_MAPPING')
    const bumps = state.clientVersion >= epochBumpVersion
    const isOverflown = bumps && state.previousProducerId === producerId && isEpochExhausted(producerEpoch) && state.producerEpoch === 0
    const isBumped = bumps && state.producerId === producerId && state.producerEpoch === producerEpoch + 1
    const comesAgain = !state.status.startsWith('Prepare') && (isBumped || isOverflown)
    if (state.producerId !== producerId && !isOverflown) return refuse('INVALID_PRODUCER_ID_MAPPING')
    const isCurrent = state.producerEpoch === producerEpoch && !(bumps && isPrepared(state))
    const isKnown = isCurrent || (isPrepared(state) && isBumped) || (isIdle(state) && state.status !== 'Empty' && comesAgain)
    if (!isKnown) return refuse('PRODUCER_FENCED')
    const fits = state.status.endsWith(isCommitted ? 'Commit' : 'Abort')
    if (isPrepared(state)) return refuse(fits ? 'CONCURRENT_TRANSACTIONS' : 'INVALID_TXN_STATE')
    if (state.status !== 'Ongoing') {
      const isSecond = state.status !== 'Empty' && (comesAgain || clientVersion < epochBumpVersion)
      if (isSecond) return fits ? answer(producerOf(state)) : refuse('INVALID_TXN_STATE')
      if (isCommitted || clientVersion < epochBumpVersion) return refuse('INVALID_TXN_STATE')
    }
    const isLastEpoch = clientVersion >= epochBumpVersion && isEpochExhausted(producerEpoch)
    if (isLastEpoch && freshId === undefined) return answer('needsProducerId')
    const now = this.#parts.clock.now()
    const isOngoing = state.status === 'Ongoing'
    return this.#decide({
      ...state,
      status: isCommitted ? 'PrepareCommit' : 'PrepareAbort',
      partitions: isOngoing ? state.partitions : noPartitions,
      startTimestamp: isOngoing ? state.startTimestamp : now,
      lastUpdateTimestamp: now,
      clientVersion,
      producerEpoch: clientVersion >= epochBumpVersion ? producerEpoch + 1 : producerEpoch,
      nextProducerId: isLastEpoch && freshId !== undefined ? freshId : -1
    })
  }

  /** All partitions know how a transaction ended; nothing happens where it is another by now. */
  complete({ transactionalId, producerId, producerEpoch, status }: TransactionState): Decision<void> {
    const state = this.#states.get(transactionalId)
    if (!state || state.status !== status || state.producerId !== producerId || state.producerEpoch !== producerEpoch)
      return answer(undefined)
    const isRotated = state.nextProducerId >= 0
    const completed: TransactionState = {
      ...state,
      status: status === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort',
      partitions: noPartitions,
      lastUpdateTimestamp: this.#parts.clock.now(),
      ...(isRotated && { producerId: state.nextProducerId, previousProducerId: state.producerId, nextProducerId: -1, producerEpoch: 0 })
    }
    return {
      records: [recordOf(completed)],
      committed: () => {
        if (state.clientVersion >= epochBumpVersion) this.#lastEpochs.set(transactionalId, state.producerEpoch)
      }
    }
  }

  /** Aborts the transactions whose time is over, and fences their producers. */
  abortOverdue(): Decision<void> {
    const now = this.#parts.clock.monotonic()
    return this.#abortWhere((_, deadline) => deadline <= now)
  }

  /** Aborts the transactions of these producers, and fences them. */
  abortOf(producerIds: ReadonlySet<number>): Decision<void> {
    return this.#abortWhere(({ producerId }) => producerIds.has(producerId))
  }

  #abortWhere(isChosen: (state: TransactionState, deadline: number) => boolean): Decision<void> {
    const chosen: TransactionState[] = []
    for (const [transactionalId, deadline] of this.#deadlines) {
      const state = this.#states.get(transactionalId)
      if (state?.status === 'Ongoing' && isChosen(state, deadline)) chosen.push(this.#fenced(state))
    }
    return {
      records: chosen.map(recordOf),
      committed: () => {
        for (const state of chosen) this.#fence(state)
      }
    }
  }

  /** True if a transaction is under way. */
  get hasOngoing(): boolean {
    return this.#deadlines.size > 0
  }

  /** Forgets ids that nobody has used for long; true when there are more. */
  expire(): Decision<boolean> {
    const latest = this.#parts.clock.now() - this.#parts.expirationMs
    const tombstones = new Tombstones()
    for (const state of this.#states.values()) {
      if (!isIdle(state) || state.lastUpdateTimestamp > latest) continue
      if (!tombstones.add(transactionRecord(state.transactionalId, null))) return tombstones.andMore()
    }
    return { records: tombstones.records, committed: () => false }
  }

  /** The state of an id whose producer may add to its transaction, or why it may not. */
  #openTo({ transactionalId, producerId, producerEpoch }: Asker): TransactionState | ProtocolErrorCode {
    const state = this.#states.get(transactionalId)
    if (!state || state.producerId !== producerId) return 'INVALID_PRODUCER_ID_MAPPING'
    if (state.producerEpoch !== producerEpoch) return 'PRODUCER_FENCED'
    return isPrepared(state) ? 'CONCURRENT_TRANSACTIONS' : state
  }

  #become(state: TransactionState, lastEpoch: number): Decision<Outcome> {
    return {
      records: [recordOf(state)],
      committed: () => {
        this.#lastEpochs.set(state.transactionalId, lastEpoch)
        return producerOf(state)
      }
    }
  }

  #decide(state: TransactionState): Decision<Outcome> {
    return {
      records: [recordOf(state)],
      committed: () => {
        this.#parts.finish(state)
        return producerOf(state)
      }
    }
  }

  #abort(state: TransactionState): Decision<Outcome> {
    const fenced = this.#fenced(state)
    return {
      records: [recordOf(fenced)],
      committed: () => {
        this.#fence(fenced)
        return 'aborting'
      }
    }
  }

  #fence(fenced: TransactionState): void {
    this.#lastEpochs.set(fenced.transactionalId, -1)
    this.#parts.finish(fenced)
  }

  /**
   * The transaction aborted under an epoch that no producer was given. It counts as of the first
   * version, so that the producer before cannot end it again.
   */
  #fenced(state: TransactionState): TransactionState {
    return {
      ...state,
      status: 'PrepareAbort',
      producerEpoch: state.producerEpoch + 1,
      lastUpdateTimestamp: this.#parts.clock.now(),
      clientVersion: epochBumpVersion - 1
    }
  }
}

function recordOf(state: TransactionState): StateRecord {
  return transactionRecord(state.transactionalId, state)
}

function emptyState(transactionalId: string, producerId: number, timeoutMs: number, now: number): TransactionState {
  return {
    transactionalId,
    producerId,
    previousProducerId: -1,
    nextProducerId: -1,
    producerEpoch: 0,
    timeoutMs,
    status: 'Empty',
    partitions: noPartitions,
    startTimestamp: -1,
    lastUpdateTimestamp: now,
    clientVersion: 0
  }
}

/** The id and epoch that a producer goes on with. */
function producerOf({ producerId, nextProducerId, producerEpoch }: TransactionState): ProducerAnswer {
  return nextProducerId < 0 ? { error: 'NONE', producerId, producerEpoch } : { error: 'NONE', producerId: nextProducerId, producerEpoch: 0 }
}

export function refused(error: ProtocolErrorCode): ProducerAnswer {
  return { error, producerId: -1, producerEpoch: -1 }
}

function refuse(error: ProtocolErrorCode): Decision<Outcome> {
  return answer(refused(error))
}
