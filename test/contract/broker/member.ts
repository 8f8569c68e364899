import { decodeAssignment, encodeAssignment, encodeSubscription } from '../../../src/assignor/consumer-protocol.js'
import { errorCodeOf } from '../../../src/errors.js'
import type { Broker } from '../../../src/protocol/broker.js'
import type { RequestOf } from '../../../src/protocol/message.js'
import { Heartbeat } from '../../../src/protocol/messages/heartbeat.js'
import { JoinGroup } from '../../../src/protocol/messages/join-group.js'
import { LeaveGroup } from '../../../src/protocol/messages/leave-group.js'
import { OffsetCommit } from '../../../src/protocol/messages/offset-commit.js'
import { SyncGroup } from '../../../src/protocol/messages/sync-group.js'
import { withError } from './waist-client.js'

export interface MemberOptions {
  readonly groupId: string
  readonly topics?: readonly string[]
  readonly protocols?: readonly string[]
  readonly protocolType?: string
  readonly sessionTimeoutMs?: number
  readonly rebalanceTimeoutMs?: number
  readonly groupInstanceId?: string | null
}

/** One member of a group, a request at a time; each returns the answer with its error by name. */
export class Member {
  readonly #coordinator: Broker
  readonly #options: Required<MemberOptions>
  memberId = ''
  generationId = -1
  topics: readonly string[]

  constructor(coordinator: Broker, options: MemberOptions) {
    this.#coordinator = coordinator
    this.#options = {
      topics: ['orders'],
      protocols: ['range'],
      protocolType: 'consumer',
      sessionTimeoutMs: 30_000,
      rebalanceTimeoutMs: 30_000,
      groupInstanceId: null,
      ...options
    }
    this.topics = this.#options.topics
  }

  /** One JoinGroup; takes over what it says about the member. */
  async joinOnce(changes: Partial<RequestOf<typeof JoinGroup>> = {}) {
    const { groupId, protocols, protocolType, sessionTimeoutMs, rebalanceTimeoutMs, groupInstanceId } = this.#options
    const metadata = encodeSubscription({ topics: [...this.topics] })
    const answer = withError(
      await this.#coordinator.request(JoinGroup, {
        groupId,
        memberId: this.memberId,
        groupInstanceId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        protocolType,
        protocols: protocols.map(name => ({ name, metadata })),
        ...changes
      })
    )
    if (answer.error === 'NONE' || answer.error === 'MEMBER_ID_REQUIRED') this.memberId = answer.memberId
    if (answer.error === 'NONE') this.generationId = answer.generationId ?? -1
    return answer
  }

  /** Joins, with the second round that a new member needs. */
  async join() {
    const first = await this.joinOnce()
    return first.error === 'MEMBER_ID_REQUIRED' ? this.joinOnce() : first
  }

  async sync(assignments: Readonly<Record<string, readonly number[]>> = {}, changes: Partial<RequestOf<typeof SyncGroup>> = {}) {
    const { groupId, groupInstanceId, protocolType, protocols } = this.#options
    const answer = withError(
      await this.#coordinator.request(SyncGroup, {
        groupId,
        memberId: this.memberId,
        generationId: this.generationId,
        groupInstanceId,
        protocolType,
        protocolName: protocols[0],
        assignments: Object.entries(assignments).map(([memberId, partitions]) => ({ memberId, assignment: assignmentOf(partitions) })),
        ...changes
      })
    )
    return { ...answer, partitions: partitionsIn(answer.assignment) }
  }

  async heartbeat(changes: Partial<RequestOf<typeof Heartbeat>> = {}): Promise<string> {
    const { groupId, groupInstanceId } = this.#options
    const { memberId, generationId } = this
    const answer = await this.#coordinator.request(Heartbeat, { groupId, memberId, generationId, groupInstanceId, ...changes })
    return errorCodeOf(answer.errorCode)
  }

  /** Leaves; the error of the group, or else that of the member. */
  async leave(changes: { readonly memberId?: string; readonly groupInstanceId?: string | null } = {}): Promise<string> {
    const { groupId, groupInstanceId } = this.#options
    const members = [{ memberId: this.memberId, groupInstanceId, ...changes }]
    const answer = await this.#coordinator.request(LeaveGroup, { groupId, members })
    return errorCodeOf(answer.errorCode || (answer.members?.[0]?.errorCode ?? 0))
  }

  async commit(name: string, partitionIndex: number, committedOffset: number, metadata = ''): Promise<string> {
    const { groupId, groupInstanceId } = this.#options
    const partitions = [{ partitionIndex, committedOffset, committedMetadata: metadata }]
    const { memberId, generationId: generationIdOrMemberEpoch } = this
    const request = { groupId, memberId, generationIdOrMemberEpoch, groupInstanceId, topics: [{ name, partitions }] }
    return errorCodeOf((await this.#coordinator.request(OffsetCommit, request)).topics[0].partitions[0].errorCode)
  }
}

export function assignmentOf(partitions: readonly number[]): Uint8Array {
  return encodeAssignment({ partitions: partitions.map(partition => ({ topic: 'orders', partition })) })
}

function partitionsIn(assignment: Uint8Array): number[] {
  return assignment.length === 0 ? [] : decodeAssignment(assignment).partitions.map(({ partition }) => partition)
}
