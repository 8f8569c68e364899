import type { BrokerConfigs } from '../../metadata/broker-configs.js'
import type { TopicState } from '../../metadata/cluster-metadata.js'
import { isInternalTopic } from '../../metadata/topic-name.js'
import { type BacklogPolicy, backlogLimitConfig, backlogPolicyConfig } from '../../record/backlog-quota.js'

/** The backlog quota of a topic, with all defaults filled in. */
export interface TopicQuota {
  readonly policy: BacklogPolicy
  /** In bytes; infinite where only the memory of the cluster is the limit. */
  readonly limitBytes: number
  /** The config that sets the limit, as messages name it. */
  readonly limitName: string
  /**
   * True if the cluster keeps the topic for itself: it is bounded by what it holds, and nobody is
   * held for it.
   */
  readonly isExempt: boolean
}

export const exempt: TopicQuota = Object.freeze({
  policy: 'consumer_backlog_eviction',
  limitBytes: Number.POSITIVE_INFINITY,
  limitName: '',
  isExempt: true
})

const retentionBytes = 'retention.bytes'

/** The quota of a topic by its own configs, or else by those of the broker. */
export function quotaOf({ name, configs: own }: TopicState, configs: BrokerConfigs): TopicQuota {
  if (isInternalTopic(name)) return exempt
  const policy = (own.get(backlogPolicyConfig) ?? configs.text(backlogPolicyConfig)) as BacklogPolicy
  const limitBytes = Number(own.get(backlogLimitConfig) ?? configs.text(backlogLimitConfig))
  if (limitBytes >= 0) return { policy, limitBytes, limitName: backlogLimitConfig, isExempt: false }
  const isGiven = own.has(retentionBytes) || configs.isGiven(`log.${retentionBytes}`)
  const retained = isGiven ? Number(own.get(retentionBytes) ?? configs.text(`log.${retentionBytes}`)) : -1
  return { policy, limitBytes: retained < 0 ? Number.POSITIVE_INFINITY : retained, limitName: retentionBytes, isExempt: false }
}
