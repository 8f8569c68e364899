import type { MetadataCache } from '../../client/metadata-cache.js'
import { ensureTopic } from '../../client/topic-creation.js'
import { isPromise } from '../../common/deferred.js'
import { KafkaError } from '../../errors.js'
import type { Brokers } from '../../protocol/broker.js'
import type { Subscription } from './subscription.js'

export interface SubscribedTopicsContext {
  readonly brokers: Brokers
  readonly metadata: MetadataCache
  readonly allowAutoTopicCreation: boolean
  /** A topic that was named does not exist; told once, as it may come later. */
  readonly onMissing: (error: KafkaError) => void
}

/**
 * Finds out which topics a subscription means. Creates those that it names and that have never
 * existed, where that is allowed.
 */
export class SubscribedTopics {
  readonly #context: SubscribedTopicsContext
  readonly #missing = new Set<string>()
  /**
   * Topics that existed once: if they are gone, somebody has deleted them, and they are not created
   * again.
   */
  readonly #seen = new Set<string>()

  constructor(context: SubscribedTopicsContext) {
    this.#context = context
  }

  /** True if a topic that was named did not exist when it was last looked for. */
  get areMissing(): boolean {
    return this.#missing.size > 0
  }

  /** The topic exists, or has existed. */
  saw(topic: string): void {
    this.#seen.add(topic)
  }

  /** True if asking for the topic may create it. */
  mayCreate(topic: string): boolean {
    return this.#context.allowAutoTopicCreation && !this.#seen.has(topic)
  }

  async find(subscription: Subscription, signal: AbortSignal): Promise<string[]> {
    const { typedTopics, names } = subscription
    const plainNames = names.filter(name => !typedTopics.some(typed => typed.name === name))
    await Promise.all([...typedTopics, ...plainNames].map(topic => this.#ensure(topic, signal)))
    if (!subscription.hasPatterns) return [...names]
    const all = await this.#context.metadata.all({ signal })
    const matching = all.filter(({ name, isInternal }) => !isInternal && subscription.matches(name))
    return [...new Set([...names, ...matching.map(({ name }) => name)])]
  }

  async #ensure(topic: Subscription['typedTopics'][number] | string, signal: AbortSignal): Promise<void> {
    const { brokers, metadata, onMissing } = this.#context
    const name = typeof topic === 'string' ? topic : topic.name
    const allowAutoTopicCreation = this.mayCreate(name)
    const options = { allowAutoTopicCreation, signal, ...(!allowAutoTopicCreation && { unknownTopicRetries: 0 }) }
    try {
      const known = ensureTopic(topic, brokers, metadata, options)
      if (isPromise(known)) await known
      this.#seen.add(name)
      this.#missing.delete(name)
    } catch (error) {
      if (signal.aborted || !(error instanceof KafkaError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION')) throw error
      if (!this.#missing.has(name)) onMissing(error)
      this.#missing.add(name)
    }
  }
}
