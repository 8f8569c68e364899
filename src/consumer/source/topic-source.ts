import { isRetriable } from '../../client/retry.js'
import { abortable } from '../../common/deferred.js'
import type { PartitionSource, PartitionSourceContext, PartitionSourceEvents } from './partition-source.js'
import { TopicWatch } from './topic-watch.js'

/** Every partition of the topics, for a consumer without a group. */
export class TopicSource implements PartitionSource {
  readonly #context: PartitionSourceContext
  readonly #events: PartitionSourceEvents
  #watch: TopicWatch | undefined
  #hasFollowed = false

  constructor(context: PartitionSourceContext, events: PartitionSourceEvents) {
    this.#context = context
    this.#events = events
  }

  start(): void {
    const { clock, news, selection } = this.#context
    this.#watch = new TopicWatch(clock, news, { look: signal => this.#look(signal), intervalMs: () => selection.lookIntervalMs })
    this.#watch.look()
  }

  subscriptionChanged(): void {
    this.#watch?.lookAnew()
  }

  async stop(timeoutMs: number | undefined): Promise<void> {
    await this.#watch?.stop()
    await this.#context.handover.holdBackAll(timeoutMs)
    this.#context.handover.removeAll()
  }

  async #look(signal: AbortSignal): Promise<void> {
    try {
      await this.#follow(signal)
    } catch (error) {
      if (signal.aborted) return
      if (isRetriable(error) || this.#hasFollowed) this.#events.onTrouble(error)
      else this.#events.onFatal(error)
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { metadata, handover, selection } = this.#context
    for (const name of selection.names) metadata.forget(name)
    const topics = await abortable(selection.find(signal), signal)
    if (signal.aborted) return
    handover.drop(({ topic, partition }) => !topics.includes(topic) || metadata.partition(topic, partition) === undefined)
    const all = topics.flatMap(topic => metadata.topic(topic)?.partitions.map(({ partition }) => ({ topic, partition })) ?? [])
    const added = handover.withoutAssigned(all)
    if (added.length > 0 || !this.#hasFollowed) await handover.take(added, signal)
    this.#hasFollowed = true
  }
}
