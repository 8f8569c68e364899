/** The states of a transaction, by Kafka's numbers. */
export const transactionStatuses = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'Dead',
  'PrepareEpochFence'
] as const

export type TransactionStatus = (typeof transactionStatuses)[number]

/** Partitions by topic. */
export type Partitions = ReadonlyMap<string, ReadonlySet<number>>

export const noPartitions: Partitions = new Map()

/** The state of a transactional id. */
export interface TransactionState {
  readonly transactionalId: string
  readonly producerId: number
  /** The id that it had before this one, whose epochs were used up; -1 for none. */
  readonly previousProducerId: number
  /** The id that it gets when the transaction has ended; -1 for the same. */
  readonly nextProducerId: number
  readonly producerEpoch: number
  readonly timeoutMs: number
  readonly status: TransactionStatus
  /** The partitions in the transaction. */
  readonly partitions: Partitions
  /**
   * The time at which the transaction began, in milliseconds since 1970; -1 where there was none
   * since the producer came.
   */
  readonly startTimestamp: number
  readonly lastUpdateTimestamp: number
  /** The version of transactions by which the producer ended, or takes part in, the transaction. */
  readonly clientVersion: number
}

/**
 * From this version on every end of a transaction raises the epoch, and partitions take part with
 * their first batch (KIP-890).
 */
export const epochBumpVersion = 2

/** The last epoch that a producer may be given: one is left to fence it. */
const lastEpoch = 2 ** 15 - 2

export function isEpochExhausted(producerEpoch: number): boolean {
  return producerEpoch >= lastEpoch
}

/** True if it was decided how a transaction ends, and not all its partitions have been told. */
export function isPrepared({ status }: TransactionState): boolean {
  return status === 'PrepareCommit' || status === 'PrepareAbort'
}

/** True if it has no transaction: there was none, or the last one has ended. */
export function isIdle({ status }: TransactionState): boolean {
  return status === 'Empty' || status === 'CompleteCommit' || status === 'CompleteAbort'
}

export function hasPartition({ partitions }: TransactionState, topic: string, partition: number): boolean {
  return partitions.get(topic)?.has(partition) ?? false
}

/** True if all of `added` are among `partitions`. */
export function hasAll(partitions: Partitions, added: Partitions): boolean {
  for (const [topic, indexes] of added) for (const index of indexes) if (!partitions.get(topic)?.has(index)) return false
  return true
}

export function union(partitions: Partitions, added: Partitions): Partitions {
  const all = new Map(partitions)
  for (const [topic, indexes] of added) all.set(topic, new Set([...(all.get(topic) ?? []), ...indexes]))
  return all
}
