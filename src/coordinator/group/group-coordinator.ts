import type { Clock } from '../../common/clock.js'
import type { MaybePromise } from '../../common/deferred.js'
import { microtask } from '../../common/host.js'
import { type Random, systemRandom } from '../../common/random.js'
import { answer, type Decision, type Run, type TransactionEnd } from '../../common/state-machine.js'
import { systemClock } from '../../common/system-clock.js'
import { zeroUuid } from '../../common/uuid.js'
import { errorNumber } from '../../errors.js'
import { type CoordinatorHost, CoordinatorRuntime } from '../coordinator-runtime.js'
import { Timeout } from '../timeout.js'
import type { JoinRequest, JoinResponse, SyncRequest, SyncResponse } from './classic-member.js'
import {
  type CommitRequest,
  type CommitResponse,
  commitError,
  type DeleteOffsetsRequest,
  type DeleteOffsetsResponse,
  type FetchedTopic,
  type RequestedTopic,
  type TransactionalCommitRequest
} from './committing.js'
import type { GroupEvent } from './group-event.js'
import { type DescribedGroup, GroupMachine, type ListedGroup, type LiveMember, missingGroup } from './group-machine.js'
import { type CompleteGroupOptions, completeGroupOptions, type GroupOptions } from './group-options.js'
import { GroupTally } from './group-tally.js'
import type { GroupCaller } from './group-world.js'
import { type HeartbeatRequest, type HeartbeatResponse, type LeaveResponse, type LeavingMember, syncError } from './membership.js'
import { joinError } from './rebalancing.js'

export interface GroupCoordinatorParts {
  readonly clock?: Clock
  readonly random?: Random
  readonly options?: GroupOptions
  /**
   * Binds a machine to a partition, creating it where it is not there yet, and replays what it
   * holds. Called at most once per partition at a time.
   */
  openHost(partition: number, machine: GroupMachine): MaybePromise<CoordinatorHost>
  /**
   * True if a topic keeps its records for ever, so that offsets committed for it do not age.
   * Default: none does.
   */
  keepsForever?(topic: string): boolean
  /**
   * The id of the topic that has a name at present. Default: not known, and offsets count for any
   * topic of the name.
   */
  topicIdOf?(topic: string): string | undefined
  /** Told of what happens to groups, after it has; may ask the coordinator in turn. */
  onEvent?(event: GroupEvent): void
}

/**
 * Kafka's coordinator of classic consumer groups (KIP-62, KIP-345, KIP-394, KIP-814): who is in
 * which group, which generation it is in, and how far it has read. Groups are spread over
 * partitions by their id; a partition is opened when a group in it is first asked for.
 *
 * Size: one method for each request about groups.
 */
export class GroupCoordinator {
  readonly options: CompleteGroupOptions
  readonly #clock: Clock
  readonly #random: Random
  readonly #parts: GroupCoordinatorParts
  readonly #runtime: CoordinatorRuntime<GroupMachine>
  readonly #tally = new GroupTally()
  readonly #events: GroupEvent[] = []
  readonly #expiry: Timeout

  constructor(parts: GroupCoordinatorParts) {
    this.#parts = parts
    this.#clock = parts.clock ?? systemClock
    this.#random = parts.random ?? systemRandom
    this.options = completeGroupOptions(parts.options)
    this.#runtime = new CoordinatorRuntime({
      partitionCount: this.options.offsetsTopicPartitions,
      createMachine: run => this.#createMachine(run),
      openHost: (partition, machine) => parts.openHost(partition, machine)
    })
    this.#expiry = new Timeout(this.#clock)
    this.#expireLater()
  }

  /**
   * Opens partitions that hold something already, so that their groups are listed, time out and
   * expire. Those whose log is damaged stay closed.
   */
  async load(partitions: Iterable<number>): Promise<void> {
    await this.#runtime.load(partitions)
  }

  joinGroup(request: JoinRequest, caller: GroupCaller, signal?: AbortSignal): MaybePromise<JoinResponse> {
    const { groupId, memberId, sessionTimeoutMs } = request
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.options
    if (groupId === '') return joinError(memberId, 'INVALID_GROUP_ID')
    if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs)
      return joinError(memberId, 'INVALID_SESSION_TIMEOUT')
    return this.#runtime.ask(
      groupId,
      signal,
      machine => machine.join(request, caller, signal),
      code => joinError(memberId, code)
    )
  }

  syncGroup(request: SyncRequest, signal?: AbortSignal): MaybePromise<SyncResponse> {
    if (request.groupId === '') return syncError('INVALID_GROUP_ID')
    return this.#runtime.ask(request.groupId, signal, machine => machine.sync(request, signal), syncError)
  }

  heartbeat(request: HeartbeatRequest): MaybePromise<HeartbeatResponse> {
    if (request.groupId === '') return { errorCode: errorNumber('INVALID_GROUP_ID') }
    return this.#runtime.ask(
      request.groupId,
      undefined,
      machine => machine.members.heartbeat(request),
      errorCode => ({ errorCode })
    )
  }

  leaveGroup(groupId: string, members: readonly LeavingMember[]): MaybePromise<LeaveResponse> {
    if (groupId === '') return { errorCode: errorNumber('INVALID_GROUP_ID'), members: [] }
    return this.#runtime.ask(
      groupId,
      undefined,
      machine => machine.members.leave(groupId, members),
      errorCode => ({ errorCode, members: [] })
    )
  }

  /**
   * Topics go by their names here; ids are for the caller to translate. They are compared at the
   * moment of the decision, since a topic may be deleted, and its offsets dropped, while the
   * request waits.
   */
  commitOffsets(request: CommitRequest, caller: GroupCaller): MaybePromise<CommitResponse> {
    return this.#runtime.ask(
      request.groupId,
      undefined,
      machine => machine.offsets.commit(request, caller),
      code => commitError(request, code)
    )
  }

  /**
   * The same for offsets that are committed with the transaction of a producer. `refusal` is asked
   * at the moment of the decision, since the transaction may have ended while the request waited.
   */
  commitInTransaction(request: TransactionalCommitRequest, refusal: () => number): MaybePromise<CommitResponse> {
    if (request.groupId === '') return commitError(request, errorNumber('INVALID_GROUP_ID'))
    return this.#runtime.ask(
      request.groupId,
      undefined,
      machine => {
        const errorCode = refusal()
        return errorCode === 0 ? machine.offsets.commitInTransaction(request) : answer(commitError(request, errorCode))
      },
      code => commitError(request, code)
    )
  }

  /** The partition of `__consumer_offsets` that keeps a group. */
  partitionOf(groupId: string): number {
    return this.#runtime.partitionOf(groupId)
  }

  /**
   * Ends the transaction of a producer in one partition of `__consumer_offsets`: what it commits
   * counts from then on, or never.
   */
  endTransaction(partition: number, end: TransactionEnd): MaybePromise<void> {
    return this.#runtime.run(partition, machine => machine.end(end))
  }

  /**
   * The committed offsets of a group; `null` asks for all. Where nothing is committed the offset is
   * -1, and where that is about to change with a transaction, an error if `requireStable`.
   */
  fetchOffsets(
    groupId: string,
    topics: readonly RequestedTopic[] | null,
    requireStable = false
  ): MaybePromise<{ errorCode: number; topics: FetchedTopic[] }> {
    return this.#runtime.ask(
      groupId,
      undefined,
      machine => answer({ errorCode: 0, topics: machine.offsets.fetch(groupId, topics, requireStable) }),
      errorCode => ({ errorCode, topics: [] })
    )
  }

  /**
   * The topics that the live members of a group subscribe to; undefined for a group without live
   * members.
   */
  liveTopics(groupId: string): ReadonlySet<string> | undefined {
    return this.#runtime.machineOf(groupId)?.liveTopics(groupId)
  }

  /** The members of a group with the partitions that were assigned to them. */
  liveMembers(groupId: string): readonly LiveMember[] {
    return this.#runtime.machineOf(groupId)?.liveMembers(groupId) ?? []
  }

  /** The groups that have members. */
  *liveGroups(): Generator<string> {
    for (const machine of this.#runtime.machines()) yield* machine.liveGroups()
  }

  /** The offset that a group has committed; -1 for none. */
  committedOffset(groupId: string, topic: string, partition: number): number {
    return this.#runtime.machineOf(groupId)?.committedOffset(groupId, topic, partition) ?? -1
  }

  /** The groups that have committed an offset of a partition, with that offset. */
  *committedOffsets(topic: string, partition: number): Generator<[groupId: string, offset: number]> {
    for (const machine of this.#runtime.machines()) yield* machine.committedOffsets(topic, partition)
  }

  deleteOffsets(request: DeleteOffsetsRequest): MaybePromise<DeleteOffsetsResponse> {
    if (request.groupId === '') return { errorCode: errorNumber('INVALID_GROUP_ID'), topics: [] }
    return this.#runtime.ask(
      request.groupId,
      undefined,
      machine => machine.offsets.delete(request),
      errorCode => ({ errorCode, topics: [] })
    )
  }

  /**
   * `sayMissing` is whether a group that does not exist is an error (as from version 6 of
   * DescribeGroups on) or a dead group.
   */
  describeGroup(groupId: string, sayMissing: boolean): MaybePromise<DescribedGroup> {
    const failed = (errorCode: number) => ({ ...missingGroup(groupId, false), errorCode, groupState: '' })
    return this.#runtime.ask(groupId, undefined, machine => answer(machine.describe(groupId) ?? missingGroup(groupId, sayMissing)), failed)
  }

  /**
   * The groups of all partitions that are open, in these states (whatever their case), or in any.
   */
  async listGroups(states: readonly string[]): Promise<ListedGroup[]> {
    const wanted = new Set(states.map(state => state.trim().toLowerCase()))
    const lists = await this.#runtime.everywhere(machine => answer(machine.list(wanted)))
    return lists.flat()
  }

  /** The number of the error, 0 when the group is gone. */
  async deleteGroup(groupId: string): Promise<number> {
    for (;;) {
      const failed = (errorCode: number) => errorCode
      const decide = (machine: GroupMachine) => mapped(machine.offsets.deleteGroup(groupId), code => code && errorNumber(code))
      const errorCode = await this.#runtime.ask<number | null>(groupId, undefined, decide, failed)
      if (errorCode !== null) return errorCode
    }
  }

  /**
   * Drops what was committed for topics that no longer exist. Does not wait for partitions that are
   * being opened: one that was not open holds nothing, and opening it may have to wait for the
   * caller.
   */
  async topicsDeleted(names: Iterable<string>): Promise<void> {
    const gone = new Set(names)
    await this.#runtime.untilDoneWhereOpen(machine => machine.offsets.dropTopics(topic => gone.has(topic)))
  }

  /**
   * Drops what was committed for all but these topics: a crash may have come between the end of a
   * topic and the end of its offsets.
   */
  async keepTopics(topics: { get(name: string): { readonly id: string } | undefined }): Promise<void> {
    const isGone = (topic: string, topicId: string) => {
      const id = topics.get(topic)?.id
      return id === undefined || (topicId !== zeroUuid && topicId !== id)
    }
    await this.#runtime.untilDone(machine => machine.offsets.dropTopics(isGone))
  }

  /**
   * Drops offsets and groups that have outlived the retention; happens by itself every
   * `offsetsRetentionCheckIntervalMs`.
   */
  async expireOffsets(): Promise<void> {
    await this.#runtime.untilDone(machine => machine.offsets.expire())
  }

  /**
   * The same, but for groups of which it was not told before that their offsets are about to
   * expire.
   */
  async #expireForetold(): Promise<void> {
    await this.#runtime.untilDone(machine => machine.offsets.expire(false))
  }

  /**
   * Answers everyone who waits with NOT_COORDINATOR, and everyone after that with
   * COORDINATOR_NOT_AVAILABLE; idempotent.
   */
  async close(): Promise<void> {
    this.#expiry.cancel()
    await this.#runtime.close()
  }

  #createMachine(run: Run): GroupMachine {
    return new GroupMachine({
      clock: this.#clock,
      random: this.#random,
      options: this.options,
      tally: this.#tally,
      run,
      emit: event => this.#emit(event),
      keepsForever: topic => this.#parts.keepsForever?.(topic) ?? false,
      topicIdOf: this.#parts.topicIdOf && (topic => this.#parts.topicIdOf?.(topic))
    })
  }

  /**
   * Passes on what happens once nothing is half-way any more, so that a listener may ask the
   * coordinator in turn.
   */
  #emit(event: GroupEvent): void {
    this.#events.push(event)
    if (this.#events.length > 1) return
    microtask(() => {
      for (const each of this.#events.splice(0)) this.#parts.onEvent?.(each)
    })
  }

  #expireLater(): void {
    this.#expiry.set(this.options.offsetsRetentionCheckIntervalMs, () => {
      // Offsets that cannot be dropped now are dropped the next time.
      this.#expireForetold().catch(() => {})
      this.#expireLater()
    })
  }
}

function mapped<T, U>(decision: Decision<T>, map: (value: T) => U): Decision<U> {
  return { records: decision.records, committed: () => map(decision.committed()) }
}
