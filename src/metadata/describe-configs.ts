import { KafkaError } from '../errors.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import type { DescribeConfigs } from '../protocol/messages/describe-configs.js'
import { isOwnConfig } from '../record/backlog-quota.js'
import type { BrokerConfig, BrokerConfigs, ConfigOrigin } from './broker-configs.js'
import type { BrokerLoggers } from './broker-loggers.js'
import { clientMetricsConfigs, groupConfigs, type ResourceConfig } from './client-configs.js'
import { type ClusterMetadata, resourceType } from './cluster-metadata.js'
import { configSource, configType } from './config-value.js'
import type { ControllerContext } from './create-topics.js'
import { refusalOf } from './refusal.js'
import { expectNodeId } from './resource-configs.js'
import type { TopicConfig } from './topic-config-table.js'
import { defaultTopicConfig, shownTopicConfigs } from './topic-configs.js'
import { topicNameProblem } from './topic-name.js'

type Request = RequestOf<typeof DescribeConfigs>
type Response = ResponseOf<typeof DescribeConfigs>
type Result = Response['results'][number]
type Config = Result['configs'][number]

/** Tells what topics and brokers are configured to, and where each value comes from. */
export function describeConfigs(metadata: ClusterMetadata, request: Request, context: ControllerContext, loggers: BrokerLoggers): Response {
  const kinds: readonly number[] = Object.values(resourceType)
  const unknown = request.resources.find(({ resourceType: type }) => !kinds.includes(type))
  const results = request.resources.map(({ resourceType: type, resourceName, configurationKeys }) => {
    try {
      if (unknown) throw new KafkaError('INVALID_REQUEST', `Resources of type ${unknown.resourceType} have no configs here`)
      // No keys at all and an empty list of them both mean every config.
      const wanted = (config: Config) => !configurationKeys?.length || configurationKeys.includes(config.name)
      const configs = configsOf(metadata, type, resourceName, context, loggers)
        .filter(wanted)
        .map(config => trimmed(config, request))
      // Kafka says nothing in so many words.
      return { errorCode: 0, errorMessage: '', resourceType: type, resourceName, configs }
    } catch (error) {
      return { ...refusalOf(error), resourceType: type, resourceName, configs: [] }
    }
  })
  return { throttleTimeMs: 0, results }
}

function configsOf(
  metadata: ClusterMetadata,
  type: number,
  name: string,
  { configs, nodeIds }: ControllerContext,
  loggers: BrokerLoggers
): Config[] {
  switch (type) {
    case resourceType.topic: {
      const problem = topicNameProblem(name)
      if (problem) throw new KafkaError('INVALID_TOPIC_EXCEPTION', problem)
      const topic = metadata.expectTopic(name)
      const isSet = (config: TopicConfig) => topic.configs.has(config.name) || configs.isGiven(config.synonym)
      return shownTopicConfigs(isSet).map(config => ofTopic(config, topic.configs.get(config.name), configs))
    }
    case resourceType.broker:
      if (name === '') return ofAllBrokers(metadata, configs)
      expectNodeId(name, nodeIds)
      return configs.all.filter(({ name }) => !isOwnConfig(name) || configs.isGiven(name)).map(config => ofBroker(config, configs))
    case resourceType.brokerLogger:
      if (name === '') throw new KafkaError('INVALID_REQUEST', 'Expected the id of a broker, got nothing')
      expectNodeId(name, nodeIds)
      return loggers.all.map(ofLogger)
    case resourceType.clientMetrics:
      if (name === '') throw new KafkaError('INVALID_REQUEST', 'A subscription to client metrics has a name')
      return ofResource(clientMetricsConfigs, metadata.configsOf(type, name), configSource.clientMetrics)
    case resourceType.group:
      if (name === '') throw new KafkaError('INVALID_REQUEST', 'A group that has configs has a name')
      return ofResource(groupConfigs, metadata.configsOf(type, name), configSource.group)
    default:
      throw new KafkaError('INVALID_REQUEST', `Resources of type ${type} have no configs here`)
  }
}

/** The configs that were set for all brokers while they run. */
function ofAllBrokers(metadata: ClusterMetadata, configs: BrokerConfigs): Config[] {
  return [...metadata.configsOf(resourceType.broker, '')].flatMap(([name, value]) => {
    const config = configs.find(name)
    return config ? [described(config, null, [{ name, value, source: configSource.allBrokers }], false)] : []
  })
}

function ofLogger({ name, level }: { readonly name: string; readonly level: string }): Config {
  return {
    name,
    value: level,
    readOnly: false,
    configSource: configSource.brokerLogger,
    isSensitive: false,
    synonyms: [],
    configType: 0,
    documentation: 'The level of a logger. Nothing is logged here: what a node has to tell is an event.'
  }
}

function ofResource(rules: ReadonlyMap<string, ResourceConfig>, set: ReadonlyMap<string, string>, source: number): Config[] {
  return [...rules.values()].map(config => {
    const { name, synonym } = config
    const value = set.get(name)
    const origins: ConfigOrigin[] = value === undefined ? [] : [{ name, value, source }]
    if (synonym !== undefined) origins.push({ name: synonym, value: config.default, source: configSource.default })
    return described(config, config.default, origins, false)
  })
}

function ofTopic(config: TopicConfig, own: string | undefined, configs: BrokerConfigs): Config {
  const synonyms: ConfigOrigin[] = own === undefined ? [] : [{ name: config.name, value: own, source: configSource.topic }]
  synonyms.push(...configs.topicOrigins(config))
  return described(config, defaultTopicConfig(config, configs.durable), synonyms, false)
}

function ofBroker(config: BrokerConfig, configs: BrokerConfigs): Config {
  return described(config, config.default, configs.origins(config), !config.isDynamic)
}

/** The first of the synonyms is the one that counts. */
function described(
  config: TopicConfig | BrokerConfig | ResourceConfig,
  fallback: string | null,
  synonyms: ConfigOrigin[],
  readOnly: boolean
): Config {
  const [{ value, source } = { value: fallback, source: configSource.default }] = synonyms
  return {
    name: config.name,
    value,
    readOnly,
    configSource: source,
    isSensitive: false,
    synonyms,
    configType: configType[config.type],
    documentation: config.documentation
  }
}

function trimmed(config: Config, { includeSynonyms, includeDocumentation }: Request): Config {
  return { ...config, synonyms: includeSynonyms ? config.synonyms : [], documentation: includeDocumentation ? config.documentation : null }
}
