import { type ConfigRule, type ConfigType, listOf } from './config-value.js'

/** A config of something that is neither topic nor broker. */
export interface ResourceConfig extends ConfigRule {
  readonly name: string
  readonly default: string
  readonly documentation: string
  /** The config of a Kafka broker that gives the default. */
  readonly synonym?: string
}

const matched = [
  'client_id',
  'client_instance_id',
  'client_software_name',
  'client_software_version',
  'client_source_address',
  'client_source_port'
]

function clientPatterns(value: string): string | undefined {
  const isPattern = (text: string) => {
    const [name, pattern, ...more] = text.split('=').map(part => part.trim())
    return matched.includes(name) && pattern !== undefined && more.length === 0 && isRegExp(pattern)
  }
  return listOf(value).every(isPattern) ? undefined : `must be a list of \`name=regular expression\`, with names of ${matched.join(', ')}`
}

function isRegExp(pattern: string): boolean {
  try {
    new RegExp(pattern)
    return true
  } catch {
    return false
  }
}

/**
 * The configs of subscriptions to client metrics (KIP-714), by name. They are kept; no metrics are
 * collected.
 */
export const clientMetricsConfigs: ReadonlyMap<string, ResourceConfig> = byName([
  {
    name: 'interval.ms',
    type: 'int',
    default: '300000',
    min: 100,
    max: 3_600_000,
    documentation: 'How often clients are to push metrics.'
  },
  {
    name: 'match',
    type: 'list',
    default: '',
    shape: clientPatterns,
    documentation: 'Which clients are meant: all of these patterns fit them.'
  },
  { name: 'metrics', type: 'list', default: '', documentation: 'The prefixes of the metrics that are wanted.' }
])

function group(
  name: string,
  type: ConfigType,
  fallback: number | string | boolean,
  documentation: string,
  rule: Partial<ResourceConfig> = {}
) {
  return { name, type, default: String(fallback), synonym: `group.${name}`, documentation, ...rule } satisfies ResourceConfig
}

const session = { min: 45_000, max: 60_000 }
const heartbeat = { min: 5_000, max: 15_000 }
const assignment = { min: 0, max: 15_000 }

function offsetReset(value: string): string | undefined {
  return /^(latest|earliest|by_duration:P.+)$/.test(value.trim()) ? undefined : 'must be latest, earliest or by_duration:P…'
}

const groups = [
  group('consumer.assignment.interval.ms', 'int', 1000, 'How long assignments of a consumer group are kept apart.', assignment),
  group('consumer.heartbeat.interval.ms', 'int', 5000, 'How often members of a consumer group report.', heartbeat),
  group('consumer.session.timeout.ms', 'int', 45_000, 'After what silence a member of a consumer group is removed.', session),
  group('share.assignment.interval.ms', 'int', 1000, 'How long assignments of a share group are kept apart.', assignment),
  group('share.auto.offset.reset', 'string', 'latest', 'Where a share group begins.', {
    shape: offsetReset,
    synonym: 'share.auto.offset.reset'
  }),
  group('share.delivery.count.limit', 'int', 5, 'How often a record is delivered at most.', { min: 2, max: 10 }),
  group('share.heartbeat.interval.ms', 'int', 5000, 'How often members of a share group report.', heartbeat),
  group('share.isolation.level', 'string', 'read_uncommitted', 'Whether records of open transactions are delivered.', {
    oneOf: ['read_uncommitted', 'read_committed'],
    synonym: 'share.isolation.level'
  }),
  group('share.partition.max.record.locks', 'int', 2000, 'How many records of a partition may be locked at a time.', {
    min: 100,
    max: 4000
  }),
  group('share.record.lock.duration.ms', 'int', 30_000, 'How long a record stays locked.', { min: 15_000, max: 60_000 }),
  group('share.renew.acknowledge.enable', 'boolean', true, 'Whether locks can be renewed.', { synonym: 'share.renew.acknowledge.enable' }),
  group('share.session.timeout.ms', 'int', 45_000, 'After what silence a member of a share group is removed.', session),
  group('streams.assignment.interval.ms', 'int', 1000, 'How long assignments of a streams group are kept apart.', assignment),
  group('streams.heartbeat.interval.ms', 'int', 5000, 'How often members of a streams group report.', heartbeat),
  group('streams.initial.rebalance.delay.ms', 'int', 3000, 'How long the first rebalance of a streams group waits.', { min: 0 }),
  group('streams.num.standby.replicas', 'int', 0, 'How many standby replicas a task has.', { min: 0, max: 2 }),
  group('streams.session.timeout.ms', 'int', 45_000, 'After what silence a member of a streams group is removed.', session)
]

/**
 * The configs of groups (KIP-1071, KIP-848), by name. They are kept for a Kafka that takes the
 * directory over: groups here follow the classic protocol.
 */
export const groupConfigs: ReadonlyMap<string, ResourceConfig> = byName(groups)

function byName(configs: readonly ResourceConfig[]): ReadonlyMap<string, ResourceConfig> {
  return new Map(configs.map(config => [config.name, config]))
}
