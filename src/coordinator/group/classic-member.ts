import { equalBytes } from '../../common/bytes.js'
import type { Clock } from '../../common/clock.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { JoinGroup } from '../../protocol/messages/join-group.js'
import type { SyncGroup } from '../../protocol/messages/sync-group.js'
import { Timeout } from '../timeout.js'
import type { MemberMetadata } from './group-records.js'
import type { Parked } from './parked.js'

export type JoinRequest = RequestOf<typeof JoinGroup>
export type JoinResponse = ResponseOf<typeof JoinGroup>
export type SyncRequest = RequestOf<typeof SyncGroup>
export type SyncResponse = ResponseOf<typeof SyncGroup>

/** One way in which a member is ready to assign partitions, with what it has to say for it. */
export interface MemberProtocol {
  readonly name: string
  readonly metadata: Uint8Array
}

export const noBytes = new Uint8Array(0)

/** One member of a live group. */
export class ClassicMember {
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  rebalanceTimeoutMs: number
  sessionTimeoutMs: number
  /** In the order in which the member prefers them. */
  protocols: readonly MemberProtocol[]
  assignment: Uint8Array
  /** True if no JoinGroup of this member has been answered yet. */
  isNew = false
  join: Parked<JoinResponse> | null = null
  sync: Parked<SyncResponse> | null = null
  /** Goes off when nothing has been heard of the member for too long. */
  readonly session: Timeout

  constructor(member: Omit<MemberMetadata, 'subscription'> & { readonly protocols: readonly MemberProtocol[] }, clock: Clock) {
    this.memberId = member.memberId
    this.groupInstanceId = member.groupInstanceId
    this.clientId = member.clientId
    this.clientHost = member.clientHost
    this.rebalanceTimeoutMs = member.rebalanceTimeoutMs
    this.sessionTimeoutMs = member.sessionTimeoutMs
    this.protocols = member.protocols
    this.assignment = member.assignment
    this.session = new Timeout(clock)
  }

  /** Its metadata for a protocol; empty for one that it does not support. */
  metadataFor(protocolName: string | null): Uint8Array {
    return this.protocols.find(({ name }) => name === protocolName)?.metadata ?? noBytes
  }

  /** Bytes of what is known of it. */
  get sizeInBytes(): number {
    const ids = this.memberId.length + this.clientId.length + this.clientHost.length + (this.groupInstanceId?.length ?? 0)
    return ids + sizeOfProtocols(this.protocols) + this.assignment.length
  }

  /** True if a request names the same protocols, with the same metadata and in the same order. */
  matches(protocols: readonly MemberProtocol[]): boolean {
    return (
      protocols.length === this.protocols.length &&
      protocols.every(({ name, metadata }, i) => name === this.protocols[i].name && equalBytes(metadata, this.protocols[i].metadata))
    )
  }

  /** Takes over what a new JoinGroup says. */
  update(request: JoinRequest): void {
    this.protocols = copiedProtocols(request.protocols)
    this.rebalanceTimeoutMs = rebalanceTimeoutOf(request)
    this.sessionTimeoutMs = request.sessionTimeoutMs
  }

  /**
   * True if it is known to be there although it sends no heartbeats: because it waits for us. A new
   * one is given only so much time.
   */
  get isExcusedFromHeartbeat(): boolean {
    return !this.isNew && (this.join !== null || this.sync !== null)
  }

  toMetadata(protocolName: string | null, assignment = this.assignment): MemberMetadata {
    return {
      memberId: this.memberId,
      groupInstanceId: this.groupInstanceId,
      clientId: this.clientId,
      clientHost: this.clientHost,
      rebalanceTimeoutMs: this.rebalanceTimeoutMs,
      sessionTimeoutMs: this.sessionTimeoutMs,
      subscription: this.metadataFor(protocolName),
      assignment
    }
  }
}

/** The size of the objects of a protocol besides its bytes. */
const bytesPerProtocol = 256

/** Bytes of the protocols that a member names. */
export function sizeOfProtocols(protocols: readonly MemberProtocol[]): number {
  return protocols.reduce((bytes, { name, metadata }) => bytes + bytesPerProtocol + name.length + metadata.length, 0)
}

/**
 * The protocols of a request, which is only borrowed, to keep (`slice` of a `Buffer` would be no
 * copy). Of two with one name the first counts.
 */
export function copiedProtocols(protocols: readonly MemberProtocol[]): MemberProtocol[] {
  const copies = new Map<string, MemberProtocol>()
  for (const { name, metadata } of protocols) if (!copies.has(name)) copies.set(name, { name, metadata: new Uint8Array(metadata) })
  return [...copies.values()]
}

/** Version 0 of JoinGroup knew one timeout only. */
export function rebalanceTimeoutOf({ rebalanceTimeoutMs = -1, sessionTimeoutMs }: JoinRequest): number {
  return rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs
}
