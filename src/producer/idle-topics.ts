import type { PartitionQueue } from './partition-queue.js'

interface Seen {
  readonly openedCount: number
  readonly at: number
}

/**
 * Finds the topics of a producer that nothing is sent to any more. Nothing is noted per record:
 * batches are counted, whenever it looks.
 */
export class IdleTopics {
  readonly #maxIdleMs: number
  readonly #seen = new Map<string, Seen>()

  constructor(maxIdleMs: number) {
    this.#maxIdleMs = maxIdleMs
  }

  /** The idle ones of these topics, which are no longer watched. */
  find(topics: Iterable<string>, queuesOf: (topic: string) => readonly (PartitionQueue | undefined)[], now: number): string[] {
    const idle: string[] = []
    for (const topic of topics) {
      const queues = queuesOf(topic)
      const openedCount = queues.reduce((count, queue) => count + (queue?.openedCount ?? 0), 0)
      const seen = this.#seen.get(topic)
      if (seen?.openedCount !== openedCount || queues.some(queue => queue?.hasUnsettled)) this.#seen.set(topic, { openedCount, at: now })
      else if (now - seen.at >= this.#maxIdleMs) idle.push(topic)
    }
    for (const topic of idle) this.#seen.delete(topic)
    return idle
  }
}
