import { didYouMean } from '../common/options.js'
import { isOwnConfig } from '../record/backlog-quota.js'
import { configProblem, numberOf } from './config-value.js'
import { type TopicConfig, topicConfigs } from './topic-config-table.js'

const byName = new Map(topicConfigs.map(config => [config.name, config]))

/**
 * The configs that a topic is told to have: those that Kafka does not know only where they are set.
 */
export function shownTopicConfigs(isSet: (config: TopicConfig) => boolean): TopicConfig[] {
  return topicConfigs.filter(config => !isOwnConfig(config.name) || isSet(config))
}

export function topicConfig(name: string): TopicConfig | undefined {
  return byName.get(name)
}

/**
 * Describes a contradiction in the configs of a topic, if there is one; defaults stand in for those
 * left out.
 */
export function contradictionIn(given: ReadonlyMap<string, string>): string | undefined {
  const [least, most] = ['min.compaction.lag.ms', 'max.compaction.lag.ms'].map(name => given.get(name) ?? topicConfig(name)?.default ?? '0')
  if (numberOf(least) <= numberOf(most)) return undefined
  return `\`min.compaction.lag.ms\` is ${least}, more than \`max.compaction.lag.ms\`, which is ${most}`
}

/**
 * The reason why a topic cannot have this config, as a sentence, or undefined when it can. Clients
 * over the wire are held to the limits that Kafka has for them; in process, smaller segments are
 * allowed.
 */
export function topicConfigProblem(name: string, value: string, isRemote = false): string | undefined {
  const config = byName.get(name)
  if (!config) {
    const names = topicConfigs.map(known => known.name)
    return `There is no topic config \`${name}\` here; ${didYouMean(name, names)}there are ${names.join(', ')}`
  }
  const rule = isRemote && config.minForClients !== undefined ? { ...config, min: config.minForClients } : config
  const problem = configProblem(rule, value)
  return problem === undefined ? undefined : `Topic config \`${name}\` is \`${value}\`: ${problem}`
}

/** The default of a topic config. */
export function defaultTopicConfig(config: TopicConfig, durable: boolean): string {
  return durable ? config.default : (config.inMemory ?? config.default)
}

/** The log's options for a topic, given what each config is worth for it. */
export function logOptionsOf(current: (config: TopicConfig) => string): { [option: string]: unknown } {
  const options: { [option: string]: unknown } = {}
  for (const config of topicConfigs) if (config.logOption) options[config.logOption[0]] = config.logOption[1](current(config))
  return options
}
