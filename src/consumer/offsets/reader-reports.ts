import type { TopicPartition } from '../../assignor/assignor.js'

/** The reader of a partition. */
export interface ReaderIdentity {
  readonly clientId: string
  readonly groupId: string | undefined
  /** True if the partition is this consumer's share of what its group subscribes to. */
  readonly isMember: boolean
  /** The id of the member that it is at present. */
  memberId(): string
}

/** A partition that a consumer reads, as the node sees it that keeps what is still to be read. */
export interface ReadPartition extends TopicPartition {
  /**
   * The offset below which neither the consumer nor who follows it in its group needs anything; -1
   * while that is not known.
   */
  mark(): number
  /** The offset below which the consumer has fetched everything; -1 while that is not known. */
  fetched(): number
  /**
   * The committed offset that will follow from the handled records, where commits are automatic; -1
   * while that is not known.
   */
  handled(): number
  /** Commits what was handled beyond the mark, where handling is what commits it. */
  commitSoon(): void
  /** Calls back whenever the mark may have moved, until it is called with undefined. */
  watch(onMoved: (() => void) | undefined): void
  /** The topic with this id was deleted, and readers could read up to this offset. */
  deleted(topicId: string, highWatermark: number): void
}

/**
 * Tells the node of this process how far its consumers are, so that it keeps what they have yet to
 * read and holds producers back. Nothing is told per record: the node asks for a mark when it needs
 * one.
 */
export interface ReaderReports {
  /** Says that a partition is read from now on. Returns what says that it no longer is. */
  reads(reader: ReaderIdentity, partition: ReadPartition): () => void
  /** Says that marks have moved, once in a while. */
  moved(): void
}
