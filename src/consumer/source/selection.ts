import type { MetadataCache } from '../../client/metadata-cache.js'
import { isSameTopic } from '../assigned-partition.js'
import type { ConsumerSettings } from '../consumer-options.js'
import { FirstSight } from './first-sight.js'
import type { SubscribedTopics } from './subscribed-topics.js'
import { Subscription, type TopicSelector, type TopicSerdes } from './subscription.js'
import type { ClusterNews } from './topic-watch.js'

/** Milliseconds until a topic that is missing is looked for again. */
const lookAgainMs = 1000

interface SelectionParts {
  readonly settings: ConsumerSettings
  readonly metadata: MetadataCache
  readonly news: ClusterNews | undefined
  readonly topics: SubscribedTopics
}

/**
 * The topics that a consumer is to read: what was subscribed to, what of it exists, and how it was
 * when it was first seen.
 */
export class Selection {
  readonly firstSight = new FirstSight()
  readonly #parts: SelectionParts
  #subscription = new Subscription([])

  constructor(parts: SelectionParts) {
    this.#parts = parts
  }

  /** Topics that were named, in order. */
  get names(): readonly string[] {
    return this.#subscription.names
  }

  /** Milliseconds until topics are looked up again. */
  get lookIntervalMs(): number {
    const { settings, topics } = this.#parts
    return topics.areMissing ? Math.min(lookAgainMs, settings.metadataMaxAgeMs) : settings.metadataMaxAgeMs
  }

  subscribe(selectors: readonly TopicSelector[]): void {
    const subscription = new Subscription(selectors)
    this.#subscription = subscription
    const candidates = subscription.hasPatterns ? this.#parts.news?.topics?.names() : subscription.names
    this.#look(topic => subscription.includes(topic), candidates)
  }

  unsubscribe(): void {
    this.#subscription = new Subscription([])
    this.firstSight.begin(() => false)
  }

  /** Partitions of these topics are read, without a subscription. */
  assign(topics: ReadonlySet<string>): void {
    this.#look(topic => topics.has(topic), topics)
  }

  isSubscribed(topic: string): boolean {
    return this.#subscription.includes(topic)
  }

  /** The topics that the subscription means at present. */
  async find(signal: AbortSignal): Promise<string[]> {
    const { firstSight } = this
    const subscription = this.#subscription
    const topics = await this.#parts.topics.find(subscription, signal)
    // Topics of an earlier subscription are not the first sight of this one.
    if (firstSight.isOver || subscription !== this.#subscription) return topics
    for (const topic of topics) {
      const known = this.#parts.metadata.topic(topic)
      if (known) firstSight.see(topic, { topicId: known.id, ends: known.partitions.map(() => undefined) })
    }
    firstSight.end()
    return topics
  }

  /** The serdes of a topic. */
  serdesOf(topic: string): TopicSerdes {
    const { key, value } = this.#parts.settings
    return this.#subscription.serdesOf(topic, { key, value })
  }

  /** True if the topic with this id is still there, as far as that is known. */
  exists(topic: string, topicId: string | undefined): boolean {
    const topics = this.#parts.news?.topics
    if (topics) return topics.idOf(topic) !== undefined && isSameTopic(topicId, topics.idOf(topic))
    const known = this.#parts.metadata.topic(topic)
    return known !== undefined && isSameTopic(topicId, known.id)
  }

  /** The subscription changed: a consumer that starts at the latest reads from here on. */
  #look(isRead: (topic: string) => boolean, candidates: Iterable<string> = []): void {
    const { news, settings } = this.#parts
    this.firstSight.begin(isRead)
    if (!news?.topics) return
    for (const topic of candidates) {
      const seen = isRead(topic) ? news.topics.endsOf(topic, settings.isolationLevel === 'read_committed') : undefined
      if (seen === undefined) continue
      this.firstSight.see(topic, seen)
      this.#parts.topics.saw(topic)
    }
    this.firstSight.end()
  }
}
