import type { TopicPartition } from '../../assignor/assignor.js'
import { limitedBy } from '../../client/retry.js'
import { CallMark } from '../../common/call-mark.js'
import type { Clock } from '../../common/clock.js'
import { abortable } from '../../common/deferred.js'
import { KafkaError } from '../../errors.js'
import { AssignedPartition } from '../assigned-partition.js'
import type { ConsumerEvents, RecordsMissed } from '../consumer-events.js'
import type { ConsumerSettings } from '../consumer-options.js'
import type { Reader } from '../loop/reader.js'
import type { ReaderSlot } from '../loop/reader-slot.js'
import type { AutoCommit } from '../offsets/auto-commit.js'
import type { StartOffsets } from '../offsets/start-offsets.js'
import { type Assignment, named } from './assignment.js'
import type { FirstSight } from './first-sight.js'
import type { TopicSerdes } from './subscription.js'

export interface HandoverContext {
  readonly settings: ConsumerSettings
  readonly assignment: Assignment
  readonly autoCommit: AutoCommit
  readonly slot: ReaderSlot
  readonly firstSight: FirstSight
  readonly startOffsets: StartOffsets
  readonly serdesOf: (topic: string) => TopicSerdes
  /**
   * True if the topic of a partition is known not to exist any more, or to have been created anew.
   */
  readonly isGone: (partition: AssignedPartition) => boolean
  /** Aborts when closing no longer waits for listeners. */
  readonly givingUp: AbortSignal
  readonly clock: Clock
  /** The consumer, as users see it. */
  readonly consumer: object
}

export interface HandoverOwner {
  /** Finds out where to read these partitions, then has them fetched. */
  position(partitions: readonly AssignedPartition[]): Promise<void>
  /** Something goes on in the background. */
  background(task: Promise<unknown>): void
  /** It is known where to read what is assigned. */
  onReady(): void
  /** A listener of the user's, which is named, threw or rejected. */
  onUserError(error: unknown, who: string): void
  onMissed(missed: RecordsMissed): void
  emit<E extends 'assigned' | 'revoked' | 'lost'>(event: E, ...details: Parameters<ConsumerEvents[E]>): void
}

/**
 * Takes partitions on and gives them up: listeners are called, records in hand are finished,
 * offsets are found and committed.
 */
export class Handover {
  readonly #context: HandoverContext
  readonly #owner: HandoverOwner
  readonly #mark: CallMark
  readonly #listen: (listener: Listener, partitions: TopicPartition[]) => Promise<void>

  constructor(context: HandoverContext, owner: HandoverOwner) {
    this.#context = context
    this.#owner = owner
    this.#mark = new CallMark(context.consumer)
    this.#listen = this.#mark.on(async (listener, partitions) => {
      await listener(partitions)
    })
  }

  /** True if a listener of the user's is waited for. */
  get isListening(): boolean {
    return this.#mark.isCalled
  }

  /** True if the running code is inside of one of the user's listeners. */
  isCalling(): boolean {
    return CallMark.running().has(this.#mark)
  }

  owned(): TopicPartition[] {
    return this.#context.assignment.toArray()
  }

  withoutAssigned(partitions: readonly TopicPartition[]): TopicPartition[] {
    return partitions.filter(({ topic, partition }) => this.#context.assignment.get(topic, partition) === undefined)
  }

  /**
   * Takes partitions on: the user hears of them, then their offsets are found, then they are
   * fetched.
   */
  async take(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
    const { givingUp } = this.#context
    const added = partitions.map(({ topic, partition }) => this.#add(topic, partition))
    await this.#call('onAssigned', added, givingUp)
    // Another rebalance does not wait for the offsets, but whoever waits for the start does.
    const positioned = this.#position(added)
    await abortable(positioned, signal).catch(() => {})
    this.#owner.emit('assigned', { partitions: named(added) })
    if (added.length === 0) this.#tellWhenReady()
  }

  #position(partitions: readonly AssignedPartition[]): Promise<void> {
    const positioned = this.#owner.position(partitions)
    this.#owner.background(
      positioned.then(() => {
        if (partitions.some(partition => this.#context.assignment.has(partition))) this.#tellWhenReady()
      })
    )
    return positioned
  }

  #tellWhenReady(): void {
    for (const { position } of this.#context.assignment) if (position < 0) return
    this.#owner.onReady()
  }

  /** Reads these partitions and no others, without a word to the user, whose list it is. */
  replace(partitions: readonly TopicPartition[]): void {
    const { assignment, slot } = this.#context
    const kept = new Set(partitions.map(({ topic, partition }) => assignment.get(topic, partition)))
    slot.reader?.interrupt()
    for (const partition of [...assignment]) if (!kept.has(partition)) assignment.remove(partition)
    for (const { topic, partition } of this.withoutAssigned(partitions)) this.#add(topic, partition)
  }

  /** Finds out where to read what has no position yet. */
  positionAll(): void {
    const partitions = [...this.#context.assignment]
    if (partitions.length === 0) this.#owner.onReady()
    else void this.#position(partitions)
  }

  /**
   * Gives partitions up that another member waits for: what is in hand of them is handled and
   * committed first.
   */
  async revoke(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
    const { assignment, slot, autoCommit } = this.#context
    const revoked = assignment.select(partitions)
    for (const partition of revoked) partition.revoke()
    slot.reader?.interrupt()
    const finished = slot.reader?.finish(new Set(revoked))
    if (finished) await abortable(finished, signal)
    await autoCommit.commit(revoked, { isInRebalance: true })
    await this.#call('onRevoked', revoked, signal)
    this.#remove(revoked, 'revoked')
  }

  /** These partitions have gone to other members already. */
  async lose(partitions: readonly TopicPartition[]): Promise<void> {
    if (partitions.length === 0) return
    const { assignment, slot, settings, givingUp } = this.#context
    const lost = assignment.select(partitions)
    slot.reader?.interrupt()
    for (const partition of lost) partition.revoke()
    await this.#call(settings.onLost ? 'onLost' : 'onRevoked', lost, givingUp)
    this.#remove(lost, 'lost')
  }

  /** These partitions are gone: nothing of them is left to be finished. */
  drop(isGone: (partition: AssignedPartition) => boolean): void {
    const { assignment, slot } = this.#context
    const gone = [...assignment].filter(isGone)
    if (gone.length === 0) return
    slot.reader?.interrupt()
    this.#remove(gone, 'revoked')
  }

  /** Hands out nothing more, and commits what has been handled. */
  async holdBackAll(timeoutMs: number | undefined): Promise<void> {
    const { assignment, slot, autoCommit } = this.#context
    for (const partition of assignment) partition.revoke()
    slot.reader?.interrupt()
    await autoCommit.commit(assignment, { timeoutMs })
  }

  /** Gives up all partitions, and lets the user know. */
  async revokeAll(): Promise<void> {
    const { assignment, givingUp } = this.#context
    const owned = [...assignment]
    if (owned.length === 0) return
    await this.#call('onRevoked', owned, givingUp)
    this.#owner.emit('revoked', { partitions: named(owned) })
    this.removeAll()
  }

  removeAll(): void {
    const { assignment } = this.#context
    for (const partition of [...assignment]) assignment.remove(partition)
  }

  #add(topic: string, partition: number): AssignedPartition {
    const added = new AssignedPartition(topic, partition, this.#context.serdesOf(topic))
    this.#context.assignment.add(added)
    return added
  }

  #remove(partitions: readonly AssignedPartition[], event: 'revoked' | 'lost'): void {
    for (const partition of partitions) {
      if (this.#context.isGone(partition)) this.#tellOfMissed(partition)
      this.#context.startOffsets.givenUp(partition)
      this.#context.firstSight.leave(partition)
      this.#context.assignment.remove(partition)
    }
    this.#owner.emit(event, { partitions: named(partitions) })
  }

  /** The topic was deleted with records that were not read. */
  #tellOfMissed(assigned: AssignedPartition): void {
    const { topic, partition } = assigned
    const { from, count } = unread(assigned, this.#context.slot.reader)
    if (from >= 0 && count > 0) this.#owner.onMissed({ topic, partition, from, to: -1, count, reason: 'topicDeleted' })
  }

  /**
   * Calls a listener of the user's, if there is one, and waits for it. What it throws, or that it
   * takes too long, is told, and does not stop what it was told of. Rejects only with the reason of
   * the signal.
   */
  async #call(name: ListenerName, partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
    const { settings, clock, givingUp } = this.#context
    const { [name]: listener, rebalanceTimeoutMs } = settings
    if (listener === undefined || partitions.length === 0) return
    const limit = limitedBy(clock, rebalanceTimeoutMs, signal, givingUp)
    const tell = (error: unknown) => this.#owner.onUserError(error, `\`${name}\``)
    this.#mark.begin()
    try {
      await abortable(this.#listen(listener, named(partitions)).catch(tell), limit.signal)
    } catch {
      if (givingUp.aborted) return
      if (signal.aborted) throw signal.reason
      tell(tooSlow(name, rebalanceTimeoutMs))
    } finally {
      this.#mark.end()
      limit.end()
    }
  }
}

/** The records of a partition that were not handed out: their first offset, and their number. */
export function unread(partition: AssignedPartition, reader: Reader | undefined): { readonly from: number; readonly count: number } {
  const { position, ends } = partition
  const taken = reader?.taken?.(partition)
  const left = Math.max(0, ends.highWatermark - position)
  return taken ? { from: taken.from, count: taken.count + left } : { from: position, count: left }
}

type Listener = NonNullable<ConsumerSettings['onAssigned']>
type ListenerName = 'onAssigned' | 'onRevoked' | 'onLost'

function tooSlow(name: ListenerName, timeoutMs: number): KafkaError {
  return new KafkaError(
    'REQUEST_TIMED_OUT',
    `\`${name}\` did not settle within ${timeoutMs} ms (rebalanceTimeoutMs), and is no longer waited for`
  )
}
