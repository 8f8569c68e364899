/**
 * What happens to a batch that a partition has no room for, because live readers have yet to read what is there. The names are those of Apache Pulsar's
 * backlog quotas.
 *
 * - `'producer_request_hold'`: the Produce request waits until readers have made room, or its time is over: REQUEST_TIMED_OUT.
 * - `'producer_exception'`: the batch is refused at once: POLICY_VIOLATION.
 * - `'consumer_backlog_eviction'`: the batch is taken, and the oldest records go, read or not. That is Kafka's way.
 */
export type BacklogPolicy = 'producer_request_hold' | 'producer_exception' | 'consumer_backlog_eviction'

export const backlogPolicies: readonly BacklogPolicy[] = ['producer_request_hold', 'producer_exception', 'consumer_backlog_eviction']

/** What bounds the records of a partition that its live readers have yet to read. */
export interface BacklogQuota {
  readonly policy: BacklogPolicy
  /** In bytes; infinite where only the memory of the cluster is the limit. */
  readonly limitBytes: number
  /** What sets the limit, as messages name it. */
  readonly limitName: string
}

/** Takes everything: partitions that the cluster keeps for itself are bounded by what they hold. */
export const noQuota: BacklogQuota = { policy: 'consumer_backlog_eviction', limitBytes: Number.POSITIVE_INFINITY, limitName: '' }
