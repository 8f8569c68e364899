import { readText } from '../../common/bytes.js'
import { isPromise } from '../../common/deferred.js'
import type { AssignedPartition } from '../assigned-partition.js'
import type { ConsumerRecord } from '../consumer-record.js'
import type { FetchedRecords } from '../fetch/fetched-records.js'
import { decodeRecord } from '../fetch/record-decoder.js'
import type { ReaderOwner } from '../loop/reader.js'
import type { Handling } from './handling.js'
import { Runner } from './runner.js'

/** A record on its way to a handler. */
interface Task {
  readonly partition: AssignedPartition
  readonly offset: number
  /**
   * The jumps of its partition when it was taken: a jump since then means that it no longer counts.
   */
  readonly jumps: number
  /** Undefined for one that was rejected. */
  readonly record: ConsumerRecord<unknown, unknown> | undefined
  readonly lane: string
  /** True if a handler has, or had, it in hand. */
  isBegun: boolean
  isHandled: boolean
}

/** Records that may wait for a handler, per handler. */
const waitingPerHandler = 16

/**
 * Handles the records of each key, within a partition, one after the other, and up to `concurrency`
 * keys at once. A partition counts as handled up to its first record that is not: what was handled
 * beyond that comes again after a crash. A partition that is given up in peace leaves no such gap:
 * what lies before the last record begun is handled first.
 */
export class KeyRunner extends Runner {
  readonly #handling: Handling<ConsumerRecord<unknown, unknown>>
  /** By partition and key: the one that is being handled comes first. */
  readonly #lanes = new Map<string, Task[]>()
  /** First tasks of lanes that wait for a handler. */
  readonly #waiting: Task[] = []
  /** First tasks of lanes whose partitions are paused. */
  #held: Task[] = []
  /** Tasks of paused partitions, which leave room for those of others. */
  #pausedCount = 0
  /** The batches taken of each partition that are not all handled, in order. */
  readonly #taken = new Map<AssignedPartition, Task[]>()
  /** Partitions with a record that closing cut short: what comes after it counts for nothing. */
  readonly #abandoned = new Set<AssignedPartition>()
  #taskCount = 0
  #rejecting = 0
  #isStarting = false

  constructor(
    owner: ReaderOwner,
    handling: Handling<ConsumerRecord<unknown, unknown>>,
    concurrency: number,
    handlers: AbortController,
    signal: AbortSignal | undefined
  ) {
    super(owner, concurrency, handlers, signal)
    this.#handling = handling
  }

  override interrupt(): void {
    for (const partition of this.#taken.keys()) if (!this.owner.assignment.has(partition)) this.#taken.delete(partition)
    this.#countPaused()
    this.#startWaiting()
  }

  /**
   * Records that were taken before their partition was paused stay where they are until it is
   * resumed.
   */
  #countPaused(): void {
    this.#pausedCount = 0
    for (const [partition, tasks] of this.#taken) if (partition.isPaused) this.#pausedCount += tasks.length
  }

  protected override dispatch(): void {
    if (this.#pausedCount > 0) this.#countPaused()
    this.#startWaiting()
    while (!this.isStopping && this.#taskCount - this.#pausedCount < this.concurrency * waitingPerHandler) {
      // Handlers may all be done at once, and then this goes on for as long as there are records.
      if (this.owner.turn.isDue()) return this.wake()
      const partition = this.owner.assignment.nextReady()
      if (partition === undefined) return
      const fetched = partition.take() as FetchedRecords
      if (!fetched.next()) {
        this.exhausted(partition, fetched)
        if (this.#takenOf(partition) === undefined) partition.handledAll()
        continue
      }
      this.#take(partition, fetched)
      this.owner.assignment.ready(partition)
    }
  }

  #take(partition: AssignedPartition, fetched: FetchedRecords): void {
    const { cursor } = fetched
    const { offset } = cursor
    const { jumps } = partition
    const lane = `${partition.name}/${laneOf(cursor.bytes, cursor.keyStart, cursor.keyLength, offset)}`
    let record: ConsumerRecord<unknown, unknown> | undefined
    let rejected: Promise<void> | undefined
    try {
      record = decodeRecord(partition, fetched)
      partition.handedOut(offset + 1, fetched.leaderEpoch, jumps)
    } catch (error) {
      partition.handedOut(offset + 1, fetched.leaderEpoch, jumps)
      const pending = this.owner.reject(partition, fetched, error)
      if (isPromise(pending)) rejected = pending
    }
    const task: Task = { partition, offset, jumps, record, lane, isBegun: record === undefined, isHandled: false }
    const taken = this.#takenOf(partition)
    if (taken) taken.push(task)
    else this.#taken.set(partition, [task])
    this.#taskCount++
    if (record === undefined) return this.#settleRejected(task, rejected)
    const queue = this.#lanes.get(lane)
    if (queue) queue.push(task)
    else {
      this.#lanes.set(lane, [task])
      this.#waiting.push(task)
      this.#startWaiting()
    }
  }

  #settleRejected(task: Task, rejected: Promise<void> | undefined): void {
    if (rejected === undefined) this.#handled(task)
    else void this.#awaitRejected(task, rejected)
  }

  readonly #awaitRejected = this.mark.on(async (task: Task, rejected: Promise<void>): Promise<void> => {
    const number = this.handedOut(task.partition)
    this.#rejecting++
    try {
      await rejected
      this.#handled(task)
    } catch (error) {
      this.#abandoned.add(task.partition)
      this.fail(error)
    } finally {
      this.#rejecting--
      this.handedBack(number)
      this.wake()
    }
  })

  taken(partition: AssignedPartition): { readonly from: number; readonly count: number } | undefined {
    const waiting = this.#takenOf(partition)?.filter(({ isBegun }) => !isBegun) ?? []
    return waiting.length > 0 ? { from: waiting[0].offset, count: waiting.length } : undefined
  }

  protected override handOutMore(): void {
    this.#startWaiting()
  }

  protected override owes(partition: AssignedPartition): boolean {
    if (this.#abandoned.has(partition)) return false
    const begun = this.#takenOf(partition)?.map(({ isBegun }) => isBegun) ?? []
    return begun.includes(false) && begun.lastIndexOf(true) > begun.indexOf(false)
  }

  #startWaiting(): void {
    // A handler that is done at once ends up here again; the loop below goes on with the next.
    if (this.#isStarting) return
    this.#isStarting = true
    this.#releaseHeld()
    while (!this.hasGivenUp && this.#waiting.length > 0 && this.activeCount - this.#rejecting < this.concurrency) {
      const task = this.#waiting.shift() as Task
      if (this.#isHeld(task)) this.#held.push(task)
      else void this.#work(task)
    }
    this.#isStarting = false
  }

  #releaseHeld(): void {
    if (this.#held.length === 0) return
    this.#waiting.push(...this.#held.filter(task => !this.#isHeld(task)))
    this.#held = this.#held.filter(task => this.#isHeld(task))
  }

  /**
   * True if the partition of a task is paused. One that is given up has to leave no gap, paused or
   * not.
   */
  #isHeld({ partition, jumps }: Task): boolean {
    if (!partition.isPaused || partition.isRevoking || this.isStopping) return false
    return jumps === partition.jumps && this.owner.assignment.has(partition)
  }

  #mayBegin(task: Task): boolean {
    const { partition, jumps } = task
    if (jumps !== partition.jumps || !this.owner.assignment.has(partition)) return false
    return (!this.isStopping && !partition.isRevoking) || this.#isGap(task)
  }

  /** True if a record after this one has been begun, and none before it was left unhandled. */
  #isGap({ partition, offset }: Task): boolean {
    if (this.#abandoned.has(partition)) return false
    return this.#takenOf(partition)?.some(later => later.isBegun && later.offset > offset) ?? false
  }

  readonly #work = this.mark.on(async (task: Task): Promise<void> => {
    const { partition } = task
    let number = -1
    try {
      if (this.#mayBegin(task)) {
        task.isBegun = true
        number = this.handedOut(partition)
        const handled = this.#handling.handle(task.record as ConsumerRecord<unknown, unknown>)
        if (isPromise(handled)) await handled
        this.#handled(task)
      } else this.#taskCount--
    } catch (error) {
      this.#abandoned.add(partition)
      this.fail(error)
    } finally {
      this.#nextOf(task.lane)
      this.handedBack(number)
      this.wake()
    }
  })

  #nextOf(lane: string): void {
    const queue = this.#lanes.get(lane) as Task[]
    queue.shift()
    if (queue.length === 0) this.#lanes.delete(lane)
    else this.#waiting.push(queue[0])
  }

  /** Moves what counts as handled up to the first record that is not. */
  #handled(task: Task): void {
    const { partition } = task
    task.isHandled = true
    this.#taskCount--
    const taken = this.#takenOf(partition)
    if (taken === undefined) return
    let count = 0
    while (count < taken.length && taken[count].isHandled) count++
    if (count === 0) return
    const last = taken[count - 1]
    taken.splice(0, count)
    partition.handledUpTo(taken.length > 0 ? last.offset + 1 : partition.position, last.jumps)
  }

  /**
   * The records of a partition that were taken since its last jump and are not all handled;
   * undefined when there are none.
   */
  #takenOf(partition: AssignedPartition): Task[] | undefined {
    const taken = this.#taken.get(partition)
    if (taken === undefined || (taken.length > 0 && taken[0].jumps === partition.jumps)) return taken
    this.#taken.delete(partition)
    return undefined
  }
}

/** Records without a key need not wait for each other. */
function laneOf(bytes: Uint8Array, start: number, length: number, offset: number): string {
  return length < 0 ? `#${offset}` : `=${readText(bytes, start, start + length)}`
}
