import { shown } from '../../common/options.js'
import type { Serde } from '../../record/serde.js'
import { type AnyTopic, expectTopic } from '../../record/topic.js'

/** A subscription: a topic by name or with its types, or all topics whose names match a pattern. */
export type TopicSelector = string | RegExp | AnyTopic

/** The serdes of the keys and values of a topic. */
export interface TopicSerdes {
  readonly key: Serde<unknown>
  readonly value: Serde<unknown>
}

/** The subscription of a consumer, with the serdes of each topic. */
export class Subscription {
  /** Topics that were named, in order. */
  readonly names: readonly string[]
  readonly typedTopics: readonly AnyTopic[]
  readonly #patterns: readonly RegExp[]

  constructor(selectors: readonly TopicSelector[]) {
    const typed: AnyTopic[] = []
    const names = new Set<string>()
    const patterns: RegExp[] = []
    for (const selector of selectors) {
      // A pattern that is global or sticky would remember where it last matched.
      if (selector instanceof RegExp) patterns.push(new RegExp(selector.source, selector.flags.replace(/[gy]/g, '')))
      else if (typeof selector === 'string') names.add(selector)
      else {
        typed.push(selector)
        names.add(selector.name)
      }
    }
    this.names = [...names]
    this.typedTopics = typed
    this.#patterns = patterns
  }

  get hasPatterns(): boolean {
    return this.#patterns.length > 0
  }

  includes(topic: string): boolean {
    return this.names.includes(topic) || this.matches(topic)
  }

  /** True if a pattern takes the topic in. */
  matches(topic: string): boolean {
    return this.#patterns.some(pattern => pattern.test(topic))
  }

  serdesOf(topic: string, otherwise: TopicSerdes): TopicSerdes {
    return this.typedTopics.find(({ name }) => name === topic) ?? otherwise
  }
}

/** Throws a `TypeError` unless this is a list of topics to subscribe to. */
export function expectSelectors(name: string, selectors: readonly TopicSelector[]): void {
  if (!Array.isArray(selectors) || selectors.length === 0) {
    throw new TypeError(`Expected \`${name}\` to be a non-empty list of topic names, typed topics or patterns, got ${shown(selectors)}`)
  }
  for (const selector of selectors) if (!(selector instanceof RegExp)) expectTopic(name, selector, 'deserialize')
}
