import type { Clock } from '../../common/clock.js'
import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { microtask } from '../../common/host.js'
import { type Random, systemRandom } from '../../common/random.js'
import { answer, type Decision, type Run } from '../../common/state-machine.js'
import { systemClock } from '../../common/system-clock.js'
import { zeroUuid } from '../../common/uuid.js'
import { errorNumber, KafkaError } from '../../errors.js'
import { Alarm } from './alarm.js'
import {
  type CommitRequest,
  type CommitResponse,
  commitError,
  type DeleteOffsetsRequest,
  type DeleteOffsetsResponse,
  type FetchedTopic,
  type IsCurrent,
  type RequestedTopic
} from './committing.js'
import type { GroupEvent } from './group-event.js'
import { type DescribedGroup, GroupMachine, type ListedGroup, type LiveMember, missingGroup } from './group-machine.js'
import type { JoinRequest, JoinResponse, SyncRequest, SyncResponse } from './group-member.js'
import { type CompleteGroupOptions, completeGroupOptions, type GroupOptions } from './group-options.js'
import { partitionOfGroup } from './group-partition.js'
import { GroupTally } from './group-tally.js'
import { coordinatorErrorNumber, type GroupCaller } from './group-world.js'
import { type HeartbeatRequest, type HeartbeatResponse, type LeaveResponse, type LeavingMember, syncError } from './membership.js'
import { joinError } from './rebalancing.js'

/** Where the state of the groups is kept: one partition of `__consumer_offsets` each. A `StateHost` stands behind it. */
export interface GroupHost {
  readonly run: Run
  close(): Promise<void>
}

export interface GroupCoordinatorParts {
  readonly clock?: Clock
  readonly random?: Random
  readonly options?: GroupOptions
  /** Binds a machine to a partition, creating it where it is not there yet, and replays what it holds. Called at most once per partition at a time. */
  openHost(partition: number, machine: GroupMachine): MaybePromise<GroupHost>
  /** Whether a topic keeps its records for ever, so that offsets committed for it do not age. Default: none does. */
  keepsForever?(topic: string): boolean
  /** The id of the topic that has a name at present. Default: not known, and offsets count for any topic of the name. */
  topicIdOf?(topic: string): string | undefined
  /** Told of what happens to groups, after it has; may ask the coordinator in turn. */
  onEvent?(event: GroupEvent): void
}

/**
 * Kafka's coordinator of classic consumer groups (KIP-62, KIP-345, KIP-394, KIP-814): who is in which group, which generation it is in, and how far it
 * has read. Groups are spread over partitions by their id; a partition is opened when a group in it is first asked for.
 */
export class GroupCoordinator {
  readonly options: CompleteGroupOptions
  readonly #clock: Clock
  readonly #random: Random
  readonly #parts: GroupCoordinatorParts
  readonly #partitions = new Map<number, MaybePromise<OpenPartition>>()
  readonly #tally = new GroupTally()
  readonly #events: GroupEvent[] = []
  readonly #expiry: Alarm
  #closed = false

  constructor(parts: GroupCoordinatorParts) {
    this.#parts = parts
    this.#clock = parts.clock ?? systemClock
    this.#random = parts.random ?? systemRandom
    this.options = completeGroupOptions(parts.options)
    this.#expiry = new Alarm(this.#clock)
    this.#expireLater()
  }

  /** Opens partitions that hold something already, so that their groups are listed, time out and expire. Those whose log is damaged stay closed. */
  async load(partitions: Iterable<number>): Promise<void> {
    const openings = await Promise.allSettled(Array.from(partitions, partition => this.#open(partition)))
    for (const opening of openings) if (opening.status === 'rejected' && !isUnavailable(opening.reason)) throw opening.reason
  }

  joinGroup(request: JoinRequest, caller: GroupCaller, signal?: AbortSignal): MaybePromise<JoinResponse> {
    const { groupId, memberId, sessionTimeoutMs } = request
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.options
    if (groupId === '') return joinError(memberId, 'INVALID_GROUP_ID')
    if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs)
      return joinError(memberId, 'INVALID_SESSION_TIMEOUT')
    return this.#ask(
      groupId,
      signal,
      machine => machine.join(request, caller, signal),
      code => joinError(memberId, code)
    )
  }

  syncGroup(request: SyncRequest, signal?: AbortSignal): MaybePromise<SyncResponse> {
    if (request.groupId === '') return syncError('INVALID_GROUP_ID')
    return this.#ask(request.groupId, signal, machine => machine.sync(request, signal), syncError)
  }

  heartbeat(request: HeartbeatRequest): MaybePromise<HeartbeatResponse> {
    if (request.groupId === '') return { errorCode: errorNumber('INVALID_GROUP_ID') }
    return this.#ask(
      request.groupId,
      undefined,
      machine => machine.members.heartbeat(request),
      errorCode => ({ errorCode })
    )
  }

  leaveGroup(groupId: string, members: readonly LeavingMember[]): MaybePromise<LeaveResponse> {
    if (groupId === '') return { errorCode: errorNumber('INVALID_GROUP_ID'), members: [] }
    return this.#ask(
      groupId,
      undefined,
      machine => machine.members.leave(groupId, members),
      errorCode => ({ errorCode, members: [] })
    )
  }

  /**
   * Topics go by their names here; ids are for the caller to translate. `isCurrent` is asked at the moment of the decision, since a topic
   * may be deleted, and its offsets dropped, while the request waits.
   */
  commitOffsets(request: CommitRequest, caller: GroupCaller, isCurrent: IsCurrent = () => true): MaybePromise<CommitResponse> {
    return this.#ask(
      request.groupId,
      undefined,
      machine => machine.offsets.commit(request, caller, isCurrent),
      code => commitError(request, code)
    )
  }

  /** The committed offsets of a group; `null` asks for all. Where nothing is committed the offset is -1. */
  fetchOffsets(groupId: string, topics: readonly RequestedTopic[] | null): MaybePromise<{ errorCode: number; topics: FetchedTopic[] }> {
    return this.#ask(
      groupId,
      undefined,
      machine => answer({ errorCode: 0, topics: machine.offsets.fetch(groupId, topics) }),
      errorCode => ({ errorCode, topics: [] })
    )
  }

  /** The topics that the live members of a group subscribe to; undefined for a group without live members. */
  liveTopics(groupId: string): ReadonlySet<string> | undefined {
    return this.#machineOf(groupId)?.liveTopics(groupId)
  }

  /** The members of a group with the partitions that were assigned to them. */
  liveMembers(groupId: string): readonly LiveMember[] {
    return this.#machineOf(groupId)?.liveMembers(groupId) ?? []
  }

  /** The groups that have members. */
  *liveGroups(): Generator<string> {
    for (const machine of this.#machines()) yield* machine.liveGroups()
  }

  /** The offset that a group has committed; -1 for none. */
  committedOffset(groupId: string, topic: string, partition: number): number {
    return this.#machineOf(groupId)?.committedOffset(groupId, topic, partition) ?? -1
  }

  /** The groups that have committed an offset of a partition, with that offset. */
  *committedOffsets(topic: string, partition: number): Generator<[groupId: string, offset: number]> {
    for (const machine of this.#machines()) yield* machine.committedOffsets(topic, partition)
  }

  deleteOffsets(request: DeleteOffsetsRequest): MaybePromise<DeleteOffsetsResponse> {
    if (request.groupId === '') return { errorCode: errorNumber('INVALID_GROUP_ID'), topics: [] }
    return this.#ask(
      request.groupId,
      undefined,
      machine => machine.offsets.delete(request),
      errorCode => ({ errorCode, topics: [] })
    )
  }

  /** `sayMissing` is whether a group that does not exist is an error (as from version 6 of DescribeGroups on) or a dead group. */
  describeGroup(groupId: string, sayMissing: boolean): MaybePromise<DescribedGroup> {
    const failed = (errorCode: number) => ({ ...missingGroup(groupId, false), errorCode, groupState: '' })
    return this.#ask(groupId, undefined, machine => answer(machine.describe(groupId) ?? missingGroup(groupId, sayMissing)), failed)
  }

  /** The groups of all partitions that are open, in these states (whatever their case), or in any. */
  async listGroups(states: readonly string[]): Promise<ListedGroup[]> {
    const wanted = new Set(states.map(state => state.trim().toLowerCase()))
    const lists = await this.#everywhere(machine => answer(machine.list(wanted)))
    return lists.flat()
  }

  /** The number of the error, 0 when the group is gone. */
  async deleteGroup(groupId: string): Promise<number> {
    for (;;) {
      const failed = (errorCode: number) => errorCode
      const decide = (machine: GroupMachine) => mapped(machine.offsets.deleteGroup(groupId), code => code && errorNumber(code))
      const errorCode = await this.#ask<number | null>(groupId, undefined, decide, failed)
      if (errorCode !== null) return errorCode
    }
  }

  /**
   * Drops what was committed for topics that no longer exist. Does not wait for partitions that are being opened: one that was not open
   * holds nothing, and opening it may have to wait for the caller.
   */
  async topicsDeleted(names: Iterable<string>): Promise<void> {
    const gone = new Set(names)
    const open = [...this.#partitions.values()].filter((partition): partition is OpenPartition => !isPromise(partition))
    for (const { machine, host } of open) {
      let more = true
      while (more && !this.#closed) more = await host.run(() => machine.offsets.dropTopics(topic => gone.has(topic)))
    }
  }

  /** Drops what was committed for all but these topics: a crash may have come between the end of a topic and the end of its offsets. */
  async keepTopics(topics: { get(name: string): { readonly id: string } | undefined }): Promise<void> {
    const isGone = (topic: string, topicId: string) => {
      const id = topics.get(topic)?.id
      return id === undefined || (topicId !== zeroUuid && topicId !== id)
    }
    await this.#untilDone(machine => machine.offsets.dropTopics(isGone))
  }

  /** Drops offsets and groups that have outlived the retention; happens by itself every `offsetsRetentionCheckIntervalMs`. */
  async expireOffsets(): Promise<void> {
    await this.#untilDone(machine => machine.offsets.expire())
  }

  /** The same, but for groups of which it was not told before that their offsets are about to expire. */
  async #expireForetold(): Promise<void> {
    await this.#untilDone(machine => machine.offsets.expire(false))
  }

  /** Answers everyone who waits with NOT_COORDINATOR, and everyone after that with COORDINATOR_NOT_AVAILABLE; idempotent. */
  async close(): Promise<void> {
    this.#closed = true
    this.#expiry.cancel()
    const opened = await Promise.allSettled(this.#partitions.values())
    this.#partitions.clear()
    for (const result of opened) {
      if (result.status !== 'fulfilled') continue
      const { machine, host } = result.value
      await host.close()
      machine.unload()
    }
  }

  /** Lets the machine of a group decide; whatever goes wrong below becomes an error number in the answer. An aborted request rejects. */
  #ask<T>(
    groupId: string,
    signal: AbortSignal | undefined,
    decide: (machine: GroupMachine) => Decision<MaybePromise<T>>,
    failed: (errorCode: number) => T
  ): MaybePromise<T> {
    if (this.#closed) return failed(errorNumber('COORDINATOR_NOT_AVAILABLE'))
    const onError = (error: unknown) => {
      if (signal?.aborted && error === signal.reason) throw error
      return failed(coordinatorErrorNumber(error))
    }
    const ask = ({ machine, host }: OpenPartition): MaybePromise<T> => {
      return host.run(() => {
        signal?.throwIfAborted()
        return decide(machine)
      })
    }
    try {
      const partition = this.#open(partitionOfGroup(groupId, this.options.offsetsTopicPartitions))
      const answered = isPromise(partition) ? partition.then(ask) : ask(partition)
      return isPromise(answered) ? answered.catch(onError) : answered
    } catch (error) {
      return onError(error)
    }
  }

  async #everywhere<T>(decide: (machine: GroupMachine) => Decision<T>): Promise<Awaited<T>[]> {
    const answers: Awaited<T>[] = []
    for (const partition of [...this.#partitions.values()]) {
      // One that cannot be opened has told whoever asked for it.
      const opened = await Promise.resolve(partition).catch(() => undefined)
      if (!opened) continue
      const { machine, host } = opened
      answers.push((await host.run(() => decide(machine) as Decision<MaybePromise<T>>)) as Awaited<T>)
    }
    return answers
  }

  /** Decides everywhere, and again as long as somewhere there is more to do. */
  async #untilDone(decide: (machine: GroupMachine) => Decision<boolean>): Promise<void> {
    let more = true
    while (more && !this.#closed) more = (await this.#everywhere(decide)).includes(true)
  }

  #machineOf(groupId: string): GroupMachine | undefined {
    const opened = this.#partitions.get(partitionOfGroup(groupId, this.options.offsetsTopicPartitions))
    return opened === undefined || isPromise(opened) ? undefined : opened.machine
  }

  *#machines(): Generator<GroupMachine> {
    for (const opened of this.#partitions.values()) if (!isPromise(opened)) yield opened.machine
  }

  #open(partition: number): MaybePromise<OpenPartition> {
    const known = this.#partitions.get(partition)
    if (known) return known
    const opening = this.#openPartition(partition).then(
      opened => {
        this.#partitions.set(partition, opened)
        return opened
      },
      error => {
        this.#partitions.delete(partition)
        throw error
      }
    )
    this.#partitions.set(partition, opening)
    return opening
  }

  async #openPartition(partition: number): Promise<OpenPartition> {
    let host: GroupHost | undefined
    const machine = new GroupMachine({
      clock: this.#clock,
      random: this.#random,
      options: this.options,
      tally: this.#tally,
      run: decide => {
        if (!host) throw new KafkaError('COORDINATOR_LOAD_IN_PROGRESS')
        return host.run(decide)
      },
      emit: event => this.#emit(event),
      keepsForever: topic => this.#parts.keepsForever?.(topic) ?? false,
      topicIdOf: topic => this.#parts.topicIdOf?.(topic)
    })
    host = await this.#parts.openHost(partition, machine)
    await host.run(() => machine.loaded())
    return { machine, host }
  }

  /** Passes on what happens once nothing is half-way any more, so that a listener may ask the coordinator in turn. */
  #emit(event: GroupEvent): void {
    this.#events.push(event)
    if (this.#events.length > 1) return
    microtask(() => {
      for (const each of this.#events.splice(0)) this.#parts.onEvent?.(each)
    })
  }

  #expireLater(): void {
    this.#expiry.set(this.options.offsetsRetentionCheckIntervalMs, () => {
      // What cannot be dropped now is dropped the next time.
      this.#expireForetold().catch(() => {})
      this.#expireLater()
    })
  }
}

interface OpenPartition {
  readonly machine: GroupMachine
  readonly host: GroupHost
}

function mapped<T, U>(decision: Decision<T>, map: (value: T) => U): Decision<U> {
  return { records: decision.records, committed: () => map(decision.committed()) }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof KafkaError && error.code === 'COORDINATOR_NOT_AVAILABLE'
}
