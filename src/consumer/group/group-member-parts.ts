import type { TopicPartition } from '../../assignor/assignor.js'
import type { GroupConnection } from '../../client/group-connection.js'
import type { MetadataCache } from '../../client/metadata-cache.js'
import type { Backoff } from '../../client/retry.js'
import type { Clock } from '../../common/clock.js'
import type { ConsumerSettings } from '../consumer-options.js'

/** Calls of a member to its consumer. The promises are awaited before the member goes on. */
export interface GroupMemberOwner {
  /** The topics to ask for, as far as they are known. */
  topics(signal: AbortSignal): Promise<readonly string[]>
  isSubscribed(topic: string): boolean
  owned(): readonly TopicPartition[]
  /**
   * Stops reading these partitions, waits until what is in hand of them has been handled and
   * committed, and gives them up.
   */
  revoke(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void>
  /** These partitions have gone to others already. */
  lose(partitions: readonly TopicPartition[]): Promise<void>
  /** Starts to read these partitions. Stops waiting for their offsets when the signal aborts. */
  assign(partitions: readonly TopicPartition[], signal: AbortSignal): Promise<void>
  onJoined(generation: GenerationInfo): void
  /** The member cannot go on. */
  onFatal(error: unknown): void
  /** Something failed and is tried again. */
  onTrouble(error: unknown): void
  /**
   * True if the user has had something in hand for too long. `missedMs` is how much too late the
   * question comes.
   */
  isStuck(missedMs: number): boolean
  /** Resolves when the user asks for the next record. */
  nextPoll(signal: AbortSignal): Promise<void>
}

/** The result of a rebalance. */
export interface GenerationInfo {
  readonly memberId: string
  readonly generationId: number
  /** The name of the assignor that the members agreed on. */
  readonly protocol: string
  readonly isLeader: boolean
}

/** The parts of a consumer that a member needs. */
export interface GroupMemberContext {
  readonly coordinator: GroupConnection
  readonly metadata: MetadataCache
  readonly clock: Clock
  readonly backoff: Backoff
  readonly settings: ConsumerSettings
}
