import type { Clock } from '../common/clock.js'
import { type Turns, turnsOf } from '../common/turns.js'
import type { ForetoldExpiry } from './backlog/foretold-expiry.js'
import type { Topic } from './topic.js'

interface RetentionParts {
  readonly topics: ReadonlyMap<string, Topic>
  readonly clock: Clock
  readonly foretold: ForetoldExpiry
  readonly onFailed: (error: unknown, during: string) => void
}

/** Removes from all partitions of a node what their retention no longer keeps. */
export class TopicRetention {
  readonly #parts: RetentionParts
  readonly #turns: Turns
  #isClosed = false

  constructor(parts: RetentionParts) {
    this.#parts = parts
    this.#turns = turnsOf(parts.clock)
  }

  /**
   * With `isFirstWordEnough`, records that are due go at once even where `recordsExpiring` was not
   * emitted for them before.
   */
  async run(isFirstWordEnough = true): Promise<void> {
    for (const topic of this.#parts.topics.values()) {
      for (const partition of topic.partitions) {
        if (this.#isClosed) return
        const turn = this.#turns.yieldWhenOver()
        if (turn) await turn
        try {
          const wasForetold = await this.#parts.foretold.tellOf(partition)
          if (wasForetold || isFirstWordEnough) await partition.log.applyRetention()
        } catch (error) {
          if (!partition.isDeleted && !this.#isClosed) this.#parts.onFailed(error, `retention of ${topic.name}-${partition.partition}`)
        }
      }
    }
  }

  /** Ends a round before its next partition. */
  close(): void {
    this.#isClosed = true
  }
}
