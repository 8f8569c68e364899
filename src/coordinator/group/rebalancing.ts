import { isPromise } from '../../common/deferred.js'
import type { StateRecord } from '../../common/state-machine.js'
import { errorNumber, KafkaError, type ProtocolErrorCode } from '../../errors.js'
import type { ClassicGroup } from './classic-group.js'
import { type ClassicMember, type JoinResponse, noBytes } from './classic-member.js'
import { groupRecord } from './group-records.js'
import type { GroupWorld } from './group-world.js'
import type { LiveGroups } from './live-groups.js'

/**
 * The step of a group from one generation to the next. A rebalance begins (`prepare`) when members
 * or their subscriptions change; it waits until all known members have joined again, or the time
 * for that is over; then (`#completeJoin`) everyone learns the new generation, and the leader what
 * it needs to assign. What has to be stored on the way is added to the `records` that are passed
 * along.
 */
export class Rebalancing {
  readonly #world: GroupWorld
  readonly #groups: LiveGroups

  constructor(world: GroupWorld, groups: LiveGroups) {
    this.#world = world
    this.#groups = groups
  }

  /** Starts a rebalance, or, where one is under way, completes it if nobody is missing any more. */
  prepareOrComplete(group: ClassicGroup, reason: string, records: StateRecord[]): void {
    if (group.canRebalance) this.prepare(group, reason, records)
    else this.completeIfAllJoined(group, records)
  }

  prepare(group: ClassicGroup, reason: string, records: StateRecord[]): void {
    if (group.state === 'CompletingRebalance') this.resetAssignments(group, errorNumber('REBALANCE_IN_PROGRESS'))
    group.unsynced.clear()
    group.syncAlarm.cancel()
    const isFirst = group.state === 'Empty'
    group.transitionTo('PreparingRebalance')
    this.#world.emit({ type: 'rebalancing', groupId: group.groupId, generationId: group.generationId, reason })
    if (isFirst) this.#awaitFirstMembers(group, records)
    else if (group.hasAllMembersJoined) this.#completeJoin(group, records)
    else this.#awaitJoins(group)
  }

  /**
   * Goes on when everyone has joined; but the first rebalance of a group waits out its time, as
   * more may come.
   */
  completeIfAllJoined(group: ClassicGroup, records: StateRecord[]): void {
    if (group.state !== 'PreparingRebalance' || group.previousState === 'Empty') return
    if (group.hasAllMembersJoined) this.#completeJoin(group, records)
  }

  /** Takes a member out for good, answering whatever it waits for. */
  remove(group: ClassicGroup, memberId: string, reason: string): void {
    const member = group.remove(memberId)
    if (!member) return
    dismiss(member, 'UNKNOWN_MEMBER_ID')
    const { groupId } = group
    this.#world.emit({ type: 'memberLeft', groupId, memberId, groupInstanceId: member.groupInstanceId, reason })
  }

  /** Does what the group has to do after members were taken out. */
  afterRemoval(group: ClassicGroup, reason: string, records: StateRecord[]): void {
    if (group.state === 'Stable' || group.state === 'CompletingRebalance') this.prepareOrComplete(group, reason, records)
    else if (group.state === 'PreparingRebalance' && group.hasAllMembersJoined) this.#completeJoin(group, records)
  }

  /** Gives a new member id time to come back with it. */
  expectPending(group: ClassicGroup, memberId: string, alarmMs: number): void {
    const alarm = group.pendingMembers.get(memberId)
    alarm?.set(alarmMs, () =>
      this.#onTimeout(group, records => {
        group.removePending(memberId)
        if (group.state === 'PreparingRebalance' && group.hasAllMembersJoined) this.#completeJoin(group, records)
      })
    )
  }

  /** A sign of life: the session starts anew. */
  renewSession(group: ClassicGroup, member: ClassicMember, timeoutMs = member.sessionTimeoutMs): void {
    member.session.set(timeoutMs, () =>
      this.#onTimeout(group, records => {
        // It may have been heard of while this waited for its turn.
        if (member.session.isSet || group.members.get(member.memberId) !== member || member.isExcusedFromHeartbeat) return
        const reason = `nothing was heard of member ${member.memberId} for ${timeoutMs} ms`
        this.remove(group, member.memberId, reason)
        this.afterRemoval(group, reason, records)
      })
    )
  }

  /**
   * The requester of a parked JoinGroup is gone: a member that never got an answer goes with it,
   * any other has just not joined.
   */
  abandonJoin(group: ClassicGroup, member: ClassicMember): void {
    this.#onTimeout(group, records => {
      if (!member.join?.isAborted || group.members.get(member.memberId) !== member) return
      member.join = null
      if (!member.isNew) return this.renewSession(group, member)
      this.remove(group, member.memberId, 'it gave up joining')
      this.afterRemoval(group, `member ${member.memberId} gave up joining`, records)
    })
  }

  abandonSync(group: ClassicGroup, member: ClassicMember): void {
    this.#onTimeout(group, () => {
      if (!member.sync?.isAborted || group.members.get(member.memberId) !== member) return
      member.sync = null
      this.renewSession(group, member)
    })
  }

  /** The generation has its assignment: everyone who waits for theirs gets it. */
  becomeStable(group: ClassicGroup): void {
    group.transitionTo('Stable')
    const { groupId, generationId } = group
    this.#world.emit({ type: 'rebalanced', groupId, generationId, memberIds: [...group.members.keys()] })
    for (const member of group.members.values()) {
      if (!member.sync) continue
      const { protocolType, protocolName } = group
      member.sync.complete({ errorCode: 0, protocolType, protocolName, assignment: member.assignment })
      member.sync = null
      this.renewSession(group, member)
    }
  }

  /** Takes all assignments back and sends everyone who waits for one away with an error. */
  resetAssignments(group: ClassicGroup, errorCode: number): void {
    for (const member of group.members.values()) {
      group.assign(member, noBytes)
      if (!member.sync) continue
      member.sync.complete({ errorCode, protocolType: null, protocolName: null, assignment: noBytes })
      member.sync = null
      this.renewSession(group, member)
    }
  }

  #awaitFirstMembers(group: ClassicGroup, records: StateRecord[]): void {
    const delayMs = this.#world.options.initialRebalanceDelayMs
    if (delayMs === 0) return this.#completeJoin(group, records)
    const wait = (waitMs: number, remainingMs: number) => {
      group.joinAlarm.set(waitMs, () =>
        this.#onTimeout(group, later => {
          if (group.joinAlarm.isSet || group.state !== 'PreparingRebalance') return
          if (!group.newMemberAdded || remainingMs === 0) return this.#completeJoin(group, later)
          group.newMemberAdded = false
          wait(Math.min(delayMs, remainingMs), Math.max(remainingMs - waitMs, 0))
        })
      )
    }
    wait(delayMs, Math.max(group.rebalanceTimeoutMs - delayMs, 0))
  }

  #awaitJoins(group: ClassicGroup): void {
    group.joinAlarm.set(group.rebalanceTimeoutMs, () =>
      this.#onTimeout(group, records => {
        if (!group.joinAlarm.isSet && group.state === 'PreparingRebalance') this.#completeJoin(group, records)
      })
    )
  }

  #completeJoin(group: ClassicGroup, records: StateRecord[]): void {
    group.joinAlarm.cancel()
    group.newMemberAdded = false
    for (const member of [...group.members.values()]) {
      if (!member.join && member.groupInstanceId === null) this.remove(group, member.memberId, 'it did not join the rebalance in time')
    }
    // Only static members are left, and none of them joined: wait for them, or for their sessions
    // to end.
    if (!group.electJoinedLeader() && group.members.size > 0) return this.#awaitJoins(group)
    group.startGeneration()
    const { groupId, generationId } = group
    if (group.state === 'Empty') {
      records.push(groupRecord(groupId, group.toMetadata()))
      this.#world.emit({ type: 'empty', groupId, generationId })
      return
    }
    for (const member of group.members.values()) {
      member.join?.complete(joinedResponse(group, member))
      member.join = null
      member.isNew = false
      this.renewSession(group, member)
      group.unsynced.add(member.memberId)
    }
    this.#awaitSyncs(group)
  }

  #awaitSyncs(group: ClassicGroup): void {
    const { generationId } = group
    group.syncAlarm.set(group.rebalanceTimeoutMs, () =>
      this.#onTimeout(group, records => {
        if (group.syncAlarm.isSet || group.generationId !== generationId || group.unsynced.size === 0) return
        if (group.state !== 'CompletingRebalance' && group.state !== 'Stable') return
        const missing = [...group.unsynced]
        for (const memberId of missing) this.remove(group, memberId, 'it did not ask for its assignment in time')
        this.prepare(group, `${missing.join(', ')} did not ask for the assignment in time`, records)
      })
    )
  }

  /** Lets a timeout have its effect, in its turn, if the group is still there. */
  #onTimeout(group: ClassicGroup, act: (records: StateRecord[]) => void): void {
    const decide = () => {
      const records: StateRecord[] = []
      if (group.state !== 'Dead' && this.#groups.find(group.groupId) === group) act(records)
      return { records, committed: () => {} }
    }
    try {
      const outcome = this.#world.run(decide)
      if (isPromise(outcome)) outcome.catch(ignoreStorage)
    } catch (error) {
      ignoreStorage(error)
    }
  }
}

/**
 * A timeout only stores that a group is empty now. If that fails, a restart finds the last
 * generation, whose members then time out again.
 */
function ignoreStorage(error: unknown): void {
  if (!(error instanceof KafkaError)) throw error
}

/** Answers whatever a member that is taken out waits for. */
export function dismiss(member: ClassicMember, code: ProtocolErrorCode): void {
  const { memberId } = member
  member.join?.complete(joinError(code === 'UNKNOWN_MEMBER_ID' ? '' : memberId, code))
  member.sync?.complete({ errorCode: errorNumber(code), protocolType: null, protocolName: null, assignment: noBytes })
  member.join = null
  member.sync = null
}

export function joinError(memberId: string, code: ProtocolErrorCode | number): JoinResponse {
  const errorCode = typeof code === 'number' ? code : errorNumber(code)
  return { errorCode, generationId: -1, protocolType: null, protocolName: null, leader: '', memberId, members: [] }
}

/** The answer to JoinGroup in the current generation; only the leader learns who the others are. */
export function joinedResponse(group: ClassicGroup, member: ClassicMember): JoinResponse {
  const { generationId, protocolType, protocolName, leaderId } = group
  const members = leaderId === member.memberId ? currentMembers(group) : []
  return {
    errorCode: 0,
    generationId,
    protocolType,
    protocolName,
    leader: leaderId ?? '',
    skipAssignment: false,
    memberId: member.memberId,
    members
  }
}

export function currentMembers(group: ClassicGroup): JoinResponse['members'] {
  return Array.from(group.members.values(), ({ memberId, groupInstanceId, protocols }) => ({
    memberId,
    groupInstanceId,
    metadata: protocols.find(({ name }) => name === group.protocolName)?.metadata ?? noBytes
  }))
}
