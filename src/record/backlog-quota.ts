import { expectInteger, expectKnownKeys, expectOneOf, shown } from '../common/options.js'

/**
 * The treatment of a batch for which a partition has no room, because live readers have yet to read
 * what is there. The names are those of Apache Pulsar's backlog quotas.
 *
 * - `'producer_request_hold'`: the Produce request waits until readers have made room, or until its
 *   time is over: REQUEST_TIMED_OUT, which producers try again.
 * - `'producer_exception'`: the batch is refused at once: POLICY_VIOLATION.
 * - `'consumer_backlog_eviction'`: the batch is taken, and the oldest records go by
 *   `retention.bytes` and `retention.ms`, read or not. That is Kafka's way.
 */
export type BacklogPolicy = 'producer_request_hold' | 'producer_exception' | 'consumer_backlog_eviction'

export const backlogPolicies: readonly BacklogPolicy[] = ['producer_request_hold', 'producer_exception', 'consumer_backlog_eviction']

/** The limit of the records of a partition that its live readers have yet to read. */
export interface BacklogQuota {
  /** Default: `'producer_request_hold'` in memory, `'consumer_backlog_eviction'` on disk. */
  readonly policy?: BacklogPolicy
  /**
   * In bytes per partition. Default: `retention.bytes`, where that was set; otherwise in memory
   * what the cluster may take, on disk no limit.
   */
  readonly limitBytes?: number
}

/** The configs in which topics and brokers keep a backlog quota. Kafka does not have them. */
export const backlogPolicyConfig = 'millrace.backlog.policy'
export const backlogLimitConfig = 'millrace.backlog.bytes'

/** The configs of a quota. Throws a `TypeError` for a wrong one. */
export function backlogConfigs(quota: BacklogQuota | undefined): { readonly [name: string]: string | number } {
  if (quota === undefined) return {}
  if (typeof quota !== 'object' || quota === null)
    throw new TypeError(`Expected \`backlog\` to be { policy, limitBytes }, got ${shown(quota)}`)
  expectKnownKeys('a backlog quota', quota, ['policy', 'limitBytes'])
  const { policy, limitBytes } = quota
  if (policy !== undefined) expectOneOf('backlog.policy', policy, backlogPolicies)
  if (limitBytes !== undefined) expectInteger('backlog.limitBytes', limitBytes, 1)
  return {
    ...(policy !== undefined && { [backlogPolicyConfig]: policy }),
    ...(limitBytes !== undefined && { [backlogLimitConfig]: limitBytes })
  }
}

/** True if a config is one that Kafka does not have. */
export function isOwnConfig(name: string): boolean {
  return name.startsWith('millrace.')
}
