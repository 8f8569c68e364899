import type { TopicPartition } from '../assignor/assignor.js'
import { abortable } from '../common/deferred.js'
import { AssignedPartition } from './assigned-partition.js'
import { type Assignment, named } from './assignment.js'
import type { AutoCommit } from './auto-commit.js'
import type { ConsumerEvents } from './consumer-events.js'
import type { ConsumerSettings } from './consumer-options.js'
import type { ReaderSlot } from './reader-slot.js'
import type { TopicSerdes } from './subscription.js'

export interface HandoverContext {
  readonly settings: ConsumerSettings
  readonly assignment: Assignment
  readonly autoCommit: AutoCommit
  readonly slot: ReaderSlot
  readonly serdesOf: (topic: string) => TopicSerdes
  /** Aborts when the consumer closes for good. */
  readonly closing: AbortSignal
}

export interface HandoverOwner {
  /** Finds out where to read these partitions, then has them fetched. */
  position(partitions: readonly AssignedPartition[], reset?: ConsumerSettings['autoOffsetReset']): Promise<void>
  /** Something goes on in the background. */
  background(task: Promise<unknown>): void
  /** It is known where to read what is assigned. */
  onReady(): void
  onTrouble(error: unknown): void
  emit<E extends 'assigned' | 'revoked' | 'lost'>(event: E, ...details: Parameters<ConsumerEvents[E]>): void
}

/** Takes partitions on and gives them up: listeners are called, records in hand are finished, offsets are found and committed. */
export class Handover {
  readonly #context: HandoverContext
  readonly #owner: HandoverOwner

  constructor(context: HandoverContext, owner: HandoverOwner) {
    this.#context = context
    this.#owner = owner
  }

  owned(): TopicPartition[] {
    return this.#context.assignment.toArray()
  }

  withoutAssigned(partitions: readonly TopicPartition[]): TopicPartition[] {
    return partitions.filter(({ topic, partition }) => this.#context.assignment.get(topic, partition) === undefined)
  }

  /** Takes partitions on: the user hears of them, then their offsets are found, then they are fetched. */
  async take(partitions: readonly TopicPartition[], signal: AbortSignal, reset: ConsumerSettings['autoOffsetReset']): Promise<void> {
    const { settings, closing } = this.#context
    const added = partitions.map(({ topic, partition }) => this.#add(topic, partition))
    await call(settings.onAssigned, added, closing)
    const positioned = this.#owner.position(added, reset)
    this.#owner.background(positioned)
    await abortable(positioned, signal).catch(() => {})
    this.#owner.emit('assigned', { partitions: named(added) })
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
    this.#owner.background(this.#owner.position([...this.#context.assignment]).then(() => this.#owner.onReady()))
  }

  /** Gives partitions up that another member waits for: what is in hand of them is handled and committed first. */
  async revoke(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
    const { assignment, slot, autoCommit, settings } = this.#context
    const revoked = assignment.select(partitions)
    for (const partition of revoked) partition.revoke()
    slot.reader?.interrupt()
    const finished = slot.reader?.finish(new Set(revoked))
    if (finished) await abortable(finished, signal)
    await autoCommit.commit(revoked, { isInRebalance: true })
    await call(settings.onRevoked, revoked, signal)
    this.#remove(revoked, 'revoked')
  }

  /** These partitions have gone to other members already. */
  async lose(partitions: readonly TopicPartition[]): Promise<void> {
    if (partitions.length === 0) return
    const { assignment, slot, settings, closing } = this.#context
    const lost = assignment.select(partitions)
    slot.reader?.interrupt()
    for (const partition of lost) partition.revoke()
    await call(settings.onLost ?? settings.onRevoked, lost, closing)
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
  async revokeAll(signal: AbortSignal): Promise<void> {
    const { assignment, settings } = this.#context
    const owned = [...assignment]
    if (owned.length === 0) return
    await call(settings.onRevoked, owned, signal).catch(error => this.#owner.onTrouble(error))
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
    for (const partition of partitions) this.#context.assignment.remove(partition)
    this.#owner.emit(event, { partitions: named(partitions) })
  }
}

async function call(listener: ConsumerSettings['onAssigned'], partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
  if (listener === undefined || partitions.length === 0) return
  const called = listener(named(partitions))
  if (called) await abortable(called, signal)
}
