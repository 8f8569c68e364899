import { encodeSubscription } from '../../../src/assignor/consumer-protocol.js'
import { StateHost, type StateHostOptions } from '../../../src/broker/state-host.js'
import { seededRandom } from '../../../src/common/random.js'
import type { JoinRequest, JoinResponse, SyncResponse } from '../../../src/coordinator/group/classic-member.js'
import { GroupCoordinator } from '../../../src/coordinator/group/group-coordinator.js'
import type { GroupEvent } from '../../../src/coordinator/group/group-event.js'
import type { GroupMachine } from '../../../src/coordinator/group/group-machine.js'
import type { GroupOptions } from '../../../src/coordinator/group/group-options.js'
import type { GroupCaller } from '../../../src/coordinator/group/group-world.js'
import { errorCodeOf } from '../../../src/errors.js'
import { Log } from '../../../src/log/log.js'
import { memoryStorage } from '../../../src/storage/memory/memory.js'
import type { Storage } from '../../../src/storage/storage.js'
import { VirtualClock } from '../../../src/testing/virtual-clock.js'

export const newest = Number.MAX_SAFE_INTEGER

export interface GroupsOptions extends GroupOptions {
  readonly storage?: Storage
  readonly clock?: VirtualClock
  readonly snapshotBytes?: number
  readonly segmentBytes?: number
  readonly seed?: number
  /** Called with every log, to make trouble in it. */
  readonly wrapLog?: (log: Log) => Parameters<typeof StateHost.open>[0]
  /** The topics that there are, with their ids. Default: not known to the coordinator. */
  readonly topicIds?: ReadonlyMap<string, string>
}

/** A coordinator over logs on a storage, with a clock that tests turn. */
export class Groups {
  readonly clock: VirtualClock
  readonly storage: Storage
  readonly events: GroupEvent[] = []
  readonly logs = new Map<number, Log>()
  readonly machines = new Map<number, GroupMachine>()
  readonly coordinator: GroupCoordinator

  constructor({
    storage = memoryStorage(),
    clock = new VirtualClock(),
    snapshotBytes,
    segmentBytes = 64 * 1024,
    seed = 1,
    wrapLog,
    topicIds,
    ...options
  }: GroupsOptions = {}) {
    this.clock = clock
    this.storage = storage
    const hostOptions: StateHostOptions = { clock, ...(snapshotBytes === undefined ? {} : { snapshotBytes }) }
    this.coordinator = new GroupCoordinator({
      clock,
      random: seededRandom(seed),
      options: { offsetsTopicPartitions: 1, minSessionTimeoutMs: 10, ...options },
      openHost: async (partition, machine) => {
        const log = await Log.open(storage, `__consumer_offsets-${partition}`, {
          clock,
          retentionMs: -1,
          retentionBytes: -1,
          segmentBytes
        })
        this.logs.set(partition, log)
        this.machines.set(partition, machine)
        return StateHost.open(wrapLog?.(log) ?? log, machine, hostOptions)
      },
      ...(topicIds && { topicIdOf: topic => topicIds.get(topic) }),
      onEvent: event => this.events.push(event)
    })
  }

  get log(): Log {
    return this.logs.get(0)!
  }

  /** Ends this coordinator and starts another on what it left in the storage, as after a restart. */
  async restart(options: GroupsOptions = {}): Promise<Groups> {
    await this.coordinator.close()
    for (const log of this.logs.values()) await log.close()
    const next = new Groups({ ...options, storage: this.storage, clock: this.clock })
    await next.coordinator.load([0])
    return next
  }

  member(options: MemberOptions = {}): TestMember {
    return new TestMember(this, options)
  }

  async stateOf(groupId = 'g'): Promise<string> {
    return (await this.coordinator.describeGroup(groupId, false)).groupState
  }

  async heartbeat(member: TestMember): Promise<string> {
    const { memberId, generationId, groupId, instanceId } = member
    return nameOf(await this.coordinator.heartbeat({ groupId, memberId, generationId, groupInstanceId: instanceId }))
  }
}

export interface MemberOptions {
  readonly groupId?: string
  readonly instanceId?: string | null
  readonly protocols?: readonly string[]
  readonly topics?: readonly string[]
  readonly sessionTimeoutMs?: number
  readonly rebalanceTimeoutMs?: number
  readonly apiVersion?: number
  readonly clientId?: string
  readonly protocolType?: string
}

/** A member as a client would be it, one request at a time. */
export class TestMember {
  readonly groups: Groups
  readonly groupId: string
  readonly instanceId: string | null
  readonly options: MemberOptions
  topics: readonly string[]
  memberId = ''
  generationId = -1
  joined: JoinResponse | undefined
  assignment: string | undefined

  constructor(groups: Groups, options: MemberOptions) {
    this.groups = groups
    this.options = options
    this.groupId = options.groupId ?? 'g'
    this.instanceId = options.instanceId ?? null
    this.topics = options.topics ?? ['t']
  }

  get caller(): GroupCaller {
    return { clientId: this.options.clientId ?? 'c', clientHost: '/here', apiVersion: this.options.apiVersion ?? newest }
  }

  get request(): JoinRequest {
    const { protocols = ['range'], sessionTimeoutMs = 10_000, rebalanceTimeoutMs = 60_000, protocolType = 'consumer' } = this.options
    const metadata = encodeSubscription({ topics: this.topics })
    return {
      groupId: this.groupId,
      memberId: this.memberId,
      groupInstanceId: this.instanceId,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      protocolType,
      protocols: protocols.map(name => ({ name, metadata }))
    }
  }

  /** One JoinGroup. */
  async joinOnce(signal?: AbortSignal): Promise<string> {
    const response = await this.groups.coordinator.joinGroup(this.request, this.caller, signal)
    if (response.errorCode === 0 || nameOf(response) === 'MEMBER_ID_REQUIRED') this.memberId = response.memberId
    if (response.errorCode === 0) {
      this.joined = response
      this.generationId = response.generationId ?? -1
    }
    return nameOf(response)
  }

  /** JoinGroup, and again where the first only gave an id. */
  async join(signal?: AbortSignal): Promise<string> {
    const first = await this.joinOnce(signal)
    return first === 'MEMBER_ID_REQUIRED' ? this.joinOnce(signal) : first
  }

  get isLeader(): boolean {
    return this.joined?.leader === this.memberId
  }

  /** SyncGroup; the leader gives each member its own id and the generation as assignment. */
  async sync(signal?: AbortSignal): Promise<string> {
    const { groupId, memberId, generationId } = this
    const assignments = this.isLeader
      ? this.joined!.members.map(each => ({ memberId: each.memberId, assignment: Buffer.from(`${each.memberId}@${generationId}`) }))
      : []
    const request = { groupId, memberId, generationId, groupInstanceId: this.instanceId, assignments }
    const response: SyncResponse = await this.groups.coordinator.syncGroup(request, signal)
    if (response.errorCode === 0) this.assignment = Buffer.from(response.assignment).toString()
    return nameOf(response)
  }

  heartbeat(): Promise<string> {
    return this.groups.heartbeat(this)
  }

  async leave(): Promise<string> {
    const { groupId, memberId, instanceId } = this
    const { members = [] } = await this.groups.coordinator.leaveGroup(groupId, [{ memberId, groupInstanceId: instanceId }])
    return nameOf(members[0])
  }

  async commit(offset: number, topic = 't', partition = 0, metadata = ''): Promise<string> {
    const { groupId, memberId, generationId, instanceId } = this
    const partitions = [{ partitionIndex: partition, committedOffset: offset, committedMetadata: metadata }]
    const request = {
      groupId,
      memberId,
      groupInstanceId: instanceId,
      generationIdOrMemberEpoch: generationId,
      topics: [{ name: topic, partitions }]
    }
    return nameOf((await this.groups.coordinator.commitOffsets(request, this.caller)).topics[0].partitions[0])
  }

  async committed(topic = 't', partition = 0): Promise<number> {
    const { topics } = await this.groups.coordinator.fetchOffsets(this.groupId, [{ name: topic, partitionIndexes: [partition] }])
    return topics[0].partitions[0].committedOffset
  }
}

/** Brings members into one stable generation. */
export async function stabilise(...members: TestMember[]): Promise<void> {
  for (const member of members) if (member.memberId === '') await member.joinOnce()
  const joins = members.map(member => (member.generationId < 0 || members.length > 1 ? member.join() : member.join()))
  await Promise.all(joins)
  const last = Math.max(...members.map(member => member.generationId))
  const behind = members.filter(member => member.generationId < last)
  if (behind.length > 0) throw new Error('Some members were left behind')
  await Promise.all(members.map(member => member.sync()))
}

export function nameOf({ errorCode }: { errorCode: number }): string {
  return errorCodeOf(errorCode)
}

/** Lets everything run that waits for promises only. */
export function turn(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 0))
}
