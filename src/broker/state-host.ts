import type { Clock } from '../common/clock.js'
import { type Deferred, deferred, isPromise, type MaybePromise } from '../common/deferred.js'
import type { Decision, ReplayedRecord, StateMachine, StateRecord, TransactionEnd } from '../common/state-machine.js'
import { systemClock } from '../common/system-clock.js'
import { turnsOf } from '../common/turns.js'
import { KafkaError } from '../errors.js'
import { BatchBuilder } from '../record/batch-builder.js'
import { CommittedRecords } from '../record/committed-records.js'
import { controlTypeOf, transactionMarkerBatch } from '../record/control-record.js'
import { batchesIn, type RecordBatch } from '../record/record-batch.js'

/** The parts of a log that a host needs for its machine's records; a `Log` has them. */
export interface StateLog {
  readonly logStartOffset: number
  readonly logEndOffset: number
  append(batch: Uint8Array, options: { readonly origin: 'coordinator' }): MaybePromise<{ readonly baseOffset: number }>
  read(offset: number, maxBytes: number, options: { readonly checkCrcs: boolean }): MaybePromise<Uint8Array>
  deleteRecordsBefore(offset: number): MaybePromise<unknown>
}

export interface StateHostOptions {
  readonly clock?: Clock
  /**
   * The number of bytes of records after a snapshot of the state before the next one is taken and
   * the log before it is deleted. The log takes at most about this, the snapshot itself and one
   * segment. A state that is larger is written anew when it has doubled. Infinite where the log is
   * compacted instead. Default: 1 MiB.
   */
  readonly snapshotBytes?: number
  /**
   * Writes the state to a place of its own, for all records before `endOffset`, and resolves with
   * its size in bytes. Default: the state is written to the end of the log.
   */
  readonly writeSnapshot?: (endOffset: number, records: Iterable<StateRecord>) => Promise<number>
  /** The offset up to which the machine was replayed already. Default: none. */
  readonly replayFrom?: number
}

const readBytes = 1024 * 1024
/** Replaying more records than these takes milliseconds. */
const many = 1000
/** Snapshots go into the log in batches of about this size, well below what a log accepts. */
const snapshotBatchBytes = 256 * 1024

/**
 * Binds a replayed state machine to the log of one internal partition: brings the state back at
 * open, writes what the machine decides, replays it, and then answers. Decisions are taken one at a
 * time, so each sees the state that the one before has left.
 */
export class StateHost {
  readonly #log: StateLog
  readonly #machine: StateMachine
  readonly #clock: Clock
  readonly #snapshotBytes: number
  readonly #writeSnapshot: StateHostOptions['writeSnapshot']
  readonly #builder = new BatchBuilder({ initialBytes: 1024 })
  /** Decisions that wait for one whose records are being written. */
  readonly #queue: (() => void)[] = []
  #deciding = false
  #writing = false
  #draining = false
  #idle: Deferred<void> | undefined
  #bytesSinceSnapshot = 0
  #lastSnapshotBytes = 0
  #closed = false

  private constructor(log: StateLog, machine: StateMachine, options: StateHostOptions) {
    this.#log = log
    this.#machine = machine
    this.#clock = options.clock ?? systemClock
    this.#snapshotBytes = options.snapshotBytes ?? 1024 * 1024
    this.#writeSnapshot = options.writeSnapshot
  }

  /**
   * Replays the log into the machine. Rejects when the log cannot be read, or holds what the
   * machine cannot.
   */
  static async open(log: StateLog, machine: StateMachine, options: StateHostOptions = {}): Promise<StateHost> {
    const host = new StateHost(log, machine, options)
    await host.#load(options.replayFrom ?? 0)
    return host
  }

  /**
   * Carries out a decision. Answers at once when the log does. When the log refuses the records,
   * nothing has changed: the decision's `failed` answers, or the error is thrown.
   */
  run<T>(decide: () => Decision<MaybePromise<T>>): MaybePromise<T> {
    if (!this.#deciding && !this.#writing) return this.#perform(decide)
    return new Promise<T>((resolve, reject) => {
      this.#queue.push(() => {
        try {
          resolve(this.#perform(decide))
        } catch (error) {
          reject(error)
        }
      })
    })
  }

  /** Waits for what is under way and refuses everything after it; idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    if (!this.#deciding && !this.#writing) return
    this.#idle ??= deferred()
    await this.#idle.promise
  }

  #perform<T>(decide: () => Decision<MaybePromise<T>>): MaybePromise<T> {
    if (this.#closed) throw new KafkaError('NOT_COORDINATOR')
    this.#deciding = true
    try {
      const decision = decide()
      if (decision.records.length === 0 && !decision.ends) return decision.committed()
      const written = attempt(() => (decision.ends ? this.#end(decision.ends) : this.#write(decision)))
      if (!isPromise(written)) return settle(decision, written)
      this.#writing = true
      return new Promise<T>((resolve, reject) => {
        written.then(failure => {
          this.#writing = false
          this.#deciding = true
          try {
            resolve(settle(decision, failure))
          } catch (error) {
            reject(error)
          }
          this.#next()
        })
      })
    } finally {
      this.#next()
    }
  }

  /** Goes on with what waits, as far as it need not wait any more. */
  #next(): void {
    this.#deciding = false
    if (this.#draining) return
    this.#draining = true
    while (!this.#writing && this.#queue.length > 0) this.#queue.shift()!()
    this.#draining = false
    if (this.#writing) return
    this.#idle?.resolve()
    this.#idle = undefined
  }

  #end(end: TransactionEnd): MaybePromise<void> {
    const batch = transactionMarkerBatch({ ...end, timestamp: this.#clock.now() })
    const ended = () => {
      this.#bytesSinceSnapshot += batch.length
      this.#machine.replayEnd?.(end.producerId, end.type)
    }
    const appended = this.#log.append(batch, { origin: 'coordinator' })
    return isPromise(appended) ? appended.then(ended) : ended()
  }

  #write({ records, transactionOf }: Decision<unknown>): MaybePromise<void> {
    const added = this.#append(records, transactionOf)
    // The append may fail while others have their turn, so it is waited for first.
    const turn = records.length > many ? turnsOf(this.#clock).yieldWhenOver() : undefined
    const appended = !turn ? added : isPromise(added) ? added.then(replayed => turn.then(() => replayed)) : turn.then(() => added)
    const done = isPromise(appended) ? appended.then(replayed => this.#replay(replayed)) : this.#replay(appended)
    if (this.#machine.hasUndecided || this.#bytesSinceSnapshot <= Math.max(this.#snapshotBytes, this.#lastSnapshotBytes)) return done
    // The records are safe already: a snapshot that fails costs space, not truth, and is tried
    // again.
    return isPromise(done) ? done.then(() => this.#snapshot()).catch(ignore) : this.#snapshot().catch(ignore)
  }

  #replay(records: readonly ReplayedRecord[]): void {
    for (const record of records) this.#machine.replay(record)
  }

  /** Appends the records as one batch and gives them back with their offsets. */
  #append(records: readonly StateRecord[], transactionOf?: Decision<unknown>['transactionOf']): MaybePromise<ReplayedRecord[]> {
    const timestamp = this.#clock.now()
    this.#builder.reset()
    for (const { key, value } of records) this.#builder.append(timestamp, key, value)
    const batch = this.#builder.build(transactionOf && { ...transactionOf, transactional: true })
    const undecided = transactionOf && { producerId: transactionOf.producerId }
    const numbered = ({ baseOffset }: { readonly baseOffset: number }) => {
      this.#bytesSinceSnapshot += batch.length
      return records.map(({ key, value }, index) => ({ offset: baseOffset + index, timestamp, key, value, ...undecided }))
    }
    const appended = this.#log.append(batch, { origin: 'coordinator' })
    return isPromise(appended) ? appended.then(numbered) : numbered(appended)
  }

  /** Writes the state, and removes the log before it. */
  async #snapshot(): Promise<void> {
    const start = this.#log.logEndOffset
    this.#bytesSinceSnapshot = 0
    if (this.#writeSnapshot) {
      this.#lastSnapshotBytes = await this.#writeSnapshot(start, this.#machine.snapshot())
      await this.#log.deleteRecordsBefore(start)
      return
    }
    let chunk: StateRecord[] = []
    let chunkBytes = 0
    for (const record of this.#machine.snapshot()) {
      chunk.push(record)
      chunkBytes += (record.key?.length ?? 0) + (record.value?.length ?? 0)
      if (chunkBytes < snapshotBatchBytes) continue
      await this.#append(chunk)
      await turnsOf(this.#clock).yieldWhenOver()
      chunk = []
      chunkBytes = 0
    }
    if (chunk.length > 0) await this.#append(chunk)
    this.#lastSnapshotBytes = this.#bytesSinceSnapshot
    this.#bytesSinceSnapshot = 0
    await this.#log.deleteRecordsBefore(start)
  }

  async #load(replayFrom: number): Promise<void> {
    const start = Math.max(this.#log.logStartOffset, replayFrom)
    const committed = new CommittedRecords()
    let offset = start
    while (offset < this.#log.logEndOffset) {
      const bytes = await this.#log.read(offset, readBytes, { checkCrcs: true })
      let next = offset
      for (const batch of batchesIn(bytes)) {
        next = batch.nextOffset
        this.#bytesSinceSnapshot += batch.sizeInBytes
        // A log that was closed in order is not checked when it is opened; state built from damage
        // would be believed for good.
        batch.verify()
        if (this.#machine.replayEnd && batch.isTransactional) this.#replayTransactional(batch, start)
        else for (const record of committed.take(batch)) if (record.offset >= start) this.#machine.replay(record)
      }
      // They are not given back: the machine may keep parts of them.
      if (next <= offset)
        throw new KafkaError('CORRUPT_MESSAGE', `The log ends at ${this.#log.logEndOffset} but reads no further than ${offset}`)
      offset = next
    }
  }

  #replayTransactional(batch: RecordBatch, start: number): void {
    const { producerId } = batch
    for (const record of batch.records()) {
      if (record.offset < start) continue
      if (!batch.isControl) this.#machine.replay({ ...record, producerId })
      else {
        const type = controlTypeOf(record.key)
        if (type === 'COMMIT' || type === 'ABORT') this.#machine.replayEnd?.(producerId, type)
      }
    }
  }
}

interface Failure {
  readonly error: unknown
}

function settle<T>(decision: Decision<T>, failure: Failure | undefined): T {
  if (!failure) return decision.committed()
  if (decision.failed) return decision.failed(failure.error)
  throw failure.error
}

/** The failure of writing; undefined when there was none. */
function attempt(write: () => MaybePromise<void>): MaybePromise<Failure | undefined> {
  try {
    const written = write()
    return isPromise(written) ? written.then(ignore, failureOf) : undefined
  } catch (error) {
    return failureOf(error)
  }
}

function failureOf(error: unknown): Failure {
  if (error instanceof KafkaError) return { error }
  return { error: new KafkaError('KAFKA_STORAGE_ERROR', 'The records of an internal topic could not be written', { cause: error }) }
}

function ignore(): undefined {}
