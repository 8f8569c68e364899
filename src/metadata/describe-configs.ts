import { KafkaError } from '../errors.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import type { DescribeConfigs } from '../protocol/messages/describe-configs.js'
import { isOwnConfig } from '../record/backlog-quota.js'
import type { BrokerConfig, BrokerConfigs, ConfigOrigin } from './broker-configs.js'
import { type ClusterMetadata, resourceType } from './cluster-metadata.js'
import { configSource, configType } from './config-value.js'
import type { ControllerContext } from './create-topics.js'
import { refusalOf } from './refusal.js'
import type { TopicConfig } from './topic-config-table.js'
import { defaultTopicConfig, shownTopicConfigs } from './topic-configs.js'
import { topicNameProblem } from './topic-name.js'

type Request = RequestOf<typeof DescribeConfigs>
type Response = ResponseOf<typeof DescribeConfigs>
type Result = Response['results'][number]
type Config = Result['configs'][number]

/** Tells what topics and brokers are configured to, and where each value comes from. */
export function describeConfigs(metadata: ClusterMetadata, request: Request, context: ControllerContext): Response {
  const results = request.resources.map(({ resourceType: type, resourceName, configurationKeys }) => {
    try {
      // No keys at all and an empty list of them both mean every config.
      const wanted = (config: Config) => !configurationKeys?.length || configurationKeys.includes(config.name)
      const configs = configsOf(metadata, type, resourceName, context)
        .filter(wanted)
        .map(config => trimmed(config, request))
      return { errorCode: 0, errorMessage: null, resourceType: type, resourceName, configs }
    } catch (error) {
      return { ...refusalOf(error), resourceType: type, resourceName, configs: [] }
    }
  })
  return { throttleTimeMs: 0, results }
}

function configsOf(metadata: ClusterMetadata, type: number, name: string, { configs, nodeIds }: ControllerContext): Config[] {
  switch (type) {
    case resourceType.topic: {
      const problem = topicNameProblem(name)
      if (problem) throw new KafkaError('INVALID_TOPIC_EXCEPTION', problem)
      const topic = metadata.expectTopic(name)
      const isSet = (config: TopicConfig) => topic.configs.has(config.name) || configs.isGiven(config.synonym)
      return shownTopicConfigs(isSet).map(config => ofTopic(config, topic.configs.get(config.name), configs))
    }
    case resourceType.broker:
      // The empty name stands for what is set for all brokers at run time, which is nothing.
      if (name === '') return []
      if (!nodeIds.includes(Number(name))) throw new KafkaError('INVALID_REQUEST', `There is no broker \`${name}\``)
      return configs.all.filter(({ name }) => !isOwnConfig(name) || configs.isGiven(name)).map(config => ofBroker(config, configs))
    default:
      throw new KafkaError('INVALID_REQUEST', `Resources of type ${type} have no configs here`)
  }
}

function ofTopic(config: TopicConfig, own: string | undefined, configs: BrokerConfigs): Config {
  const synonyms: ConfigOrigin[] = own === undefined ? [] : [{ name: config.name, value: own, source: configSource.topic }]
  synonyms.push(...configs.topicOrigins(config))
  return described(config, defaultTopicConfig(config, configs.durable), synonyms, false)
}

function ofBroker(config: BrokerConfig, configs: BrokerConfigs): Config {
  return described(config, config.default, configs.origins(config), true)
}

/** The first of the synonyms is the one that counts. */
function described(config: TopicConfig | BrokerConfig, fallback: string | null, synonyms: ConfigOrigin[], readOnly: boolean): Config {
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
