import type { ProtocolErrorCode } from '../errors.js'
import { isOwnConfig } from '../record/backlog-quota.js'
import { clientMetricsConfigs, groupConfigs, type ResourceConfig } from './client-configs.js'
import { type ClusterMetadata, resourceType } from './cluster-metadata.js'
import { configProblem } from './config-value.js'
import type { ControllerContext } from './create-topics.js'
import { refuse } from './refusal.js'
import { contradictionIn, topicConfig, topicConfigProblem } from './topic-configs.js'
import { isInternalTopic, topicNameProblem } from './topic-name.js'

/**
 * Something that has configs which can be changed: a topic, a broker, all brokers, a subscription
 * to client metrics, or a group.
 */
export interface ConfiguredResource {
  readonly type: number
  readonly name: string
  /** The word for one of its configs in messages. */
  readonly noun: string
  /** The configs that are set. */
  readonly configs: ReadonlyMap<string, string>
  /** True if a config is a list; undefined where there is none of this name. */
  isList(name: string): boolean | undefined
  /** The value that counts while the config is not set. */
  valueWithout(name: string): string
  /** Throws where nothing can have this name. */
  expectName?(): void
  /** Throws what is wrong with a value; null takes the config away. */
  expectValid(name: string, value: string | null): void
  /** Throws where configs that are fine each on its own do not go together. */
  expectConsistent?(configs: ReadonlyMap<string, string>): void
  /**
   * Throws where there is no such thing, or clients may not change it: with Kafka, this comes after
   * all that is wrong with the request.
   */
  expectThere?(): void
}

/** The most groups, and the most subscriptions to client metrics, that may have configs. */
const mostResources = 10_000

/** Finds the configs of a type and name. Throws Kafka's error where there is no such resource. */
export function configuredResource(metadata: ClusterMetadata, type: number, name: string, context: ControllerContext): ConfiguredResource {
  switch (type) {
    case resourceType.topic:
      return topicResource(metadata, name, context)
    case resourceType.broker:
      return brokerResource(metadata, name, context)
    case resourceType.clientMetrics:
      if (name === '') refuse('INVALID_REQUEST', 'A subscription to client metrics has a name')
      return clientResource(metadata, type, name, clientMetricsConfigs, 'Client metrics config', 'INVALID_REQUEST')
    case resourceType.group:
      if (name === '') refuse('INVALID_REQUEST', 'A group that has configs has a name')
      return clientResource(metadata, type, name, groupConfigs, 'Group config', 'INVALID_CONFIG')
    default:
      return refuse('INVALID_REQUEST', `Resources of type ${type} have no configs that can be changed`)
  }
}

function topicResource(metadata: ClusterMetadata, name: string, { configs, isRemote }: ControllerContext): ConfiguredResource {
  const own: ReadonlyMap<string, string> = metadata.topics.get(name)?.configs ?? new Map()
  return {
    type: resourceType.topic,
    name,
    noun: 'Topic config',
    configs: own,
    isList: config => topicConfig(config) && topicConfig(config)?.type === 'list',
    valueWithout: config => {
      const found = topicConfig(config)
      return found ? configs.topicDefault(found) : ''
    },
    expectName: () => {
      if (name === '') refuse('INVALID_REQUEST', 'A topic that has configs has a name')
      const problem = topicNameProblem(name)
      if (problem) refuse('INVALID_TOPIC_EXCEPTION', problem)
    },
    expectThere: () => {
      if (isInternalTopic(name)) refuse('POLICY_VIOLATION', `The configs of \`${name}\` are set by the cluster itself`)
      metadata.expectTopic(name)
    },
    expectValid: (config, value) => {
      const wrong = value === null ? unknownTopicConfig(config) : topicConfigProblem(config, value, isRemote)
      if (wrong) refuse('INVALID_CONFIG', wrong)
    },
    expectConsistent: all => {
      const contradiction = contradictionIn(all)
      if (contradiction) refuse('INVALID_CONFIG', contradiction)
    }
  }
}

function unknownTopicConfig(name: string): string | undefined {
  return topicConfig(name) ? undefined : topicConfigProblem(name, '')
}

/** The empty name stands for all brokers. */
function brokerResource(metadata: ClusterMetadata, name: string, { configs, nodeIds }: ControllerContext): ConfiguredResource {
  if (name !== '') expectNodeId(name, nodeIds)
  return {
    type: resourceType.broker,
    name,
    noun: 'Broker config',
    configs: metadata.configsOf(resourceType.broker, name),
    isList: config => configs.find(config) && configs.find(config)?.type === 'list',
    valueWithout: config => (configs.find(config) ? configs.text(config) : ''),
    expectValid: (config, value) => {
      const found = configs.find(config)
      if (value === null && !found?.isDynamic) return
      if (!found || isOwnConfig(config))
        return refuse('INVALID_REQUEST', `There is no broker config \`${config}\` here that can be changed`)
      if (!found.isDynamic) refuse('INVALID_REQUEST', `Broker config \`${config}\` is set when the broker is opened`)
      const { minForClients = found.min } = found.topicConfig ?? {}
      const problem =
        value === null ? undefined : configProblem({ ...found, ...(minForClients !== undefined && { min: minForClients }) }, value)
      if (problem) refuse('INVALID_REQUEST', `Broker config \`${config}\` is \`${value}\`: ${problem}`)
    }
  }
}

/** Throws where there is no such node, or the name is no number. */
export function expectNodeId(name: string, nodeIds: readonly number[]): void {
  if (!/^-?\d+$/.test(name)) refuse('INVALID_REQUEST', `Expected the id of a broker to be an integer, got \`${name}\``)
  if (!nodeIds.includes(Number(name))) refuse('INVALID_REQUEST', `There is no broker \`${name}\``)
}

function clientResource(
  metadata: ClusterMetadata,
  type: number,
  name: string,
  rules: ReadonlyMap<string, ResourceConfig>,
  noun: string,
  code: ProtocolErrorCode
): ConfiguredResource {
  const configs = metadata.configsOf(type, name)
  return {
    type,
    name,
    noun,
    configs,
    // Kafka adds to no list of these, as it does not know that they are some.
    isList: config => (rules.has(config) ? false : undefined),
    valueWithout: config => rules.get(config)?.default ?? '',
    expectValid: (config, value) => {
      const rule = rules.get(config)
      if (!rule) return refuse(code, `There is no ${noun.toLowerCase()} \`${config}\`; there are ${[...rules.keys()].join(', ')}`)
      const problem = value === null ? undefined : configProblem(rule, value)
      if (problem) refuse(rule.shape ? 'INVALID_CONFIG' : code, `${noun} \`${config}\` is \`${value}\`: ${problem}`)
    },
    expectConsistent: all => {
      if (all.size === 0 || configs.size > 0 || metadata.configuredNames(type).length < mostResources) return
      refuse('POLICY_VIOLATION', `There are ${mostResources} resources of this kind with configs already`)
    }
  }
}
