import { firstToAbort } from '../../common/abort.js'
import type { Clock, Timer } from '../../common/clock.js'
import { KafkaError } from '../../errors.js'

/**
 * News from a node in this process, which spares a consumer the wait for the next heartbeat, fetch
 * or metadata refresh. Brokers elsewhere send none. To listen returns how to stop listening.
 */
export interface ClusterNews {
  /** A topic was created or deleted, or got more partitions. */
  onTopicsChanged(listener: () => void): () => void
  /** A group has called its members to join again. */
  onGroupRebalancing(listener: (groupId: string) => void): () => void
  /**
   * The offset after the last record of a partition, now; with `committedOnly`, after the last that
   * readers of committed records may see. A consumer that knows how far it is behind can keep back
   * a producer of this process. Default: what its last fetch told.
   */
  logEndOffset?(topic: string, partition: number, committedOnly?: boolean): number | undefined
  /**
   * The topics there are at this moment, and where their partitions end. Default: that is not
   * known.
   */
  readonly topics?: TopicNews
}

/** The topics of a node in this process, told at once. */
export interface TopicNews {
  names(): Iterable<string>
  /** Undefined when there is no such topic. */
  idOf(topic: string): string | undefined
  /**
   * Undefined when there is no such topic. `committedOnly` is whether records of open transactions
   * come after the end.
   */
  endsOf(topic: string, committedOnly: boolean): { readonly topicId: string; readonly ends: readonly number[] } | undefined
}

export interface TopicWatchOwner {
  /** Must not reject. */
  look(signal: AbortSignal): Promise<void>
  /** Milliseconds until the next look. */
  intervalMs(): number
}

/** Looks at topics again: at intervals, and when there is news of them. One look at a time. */
export class TopicWatch {
  readonly #clock: Clock
  readonly #owner: TopicWatchOwner
  readonly #unlisten: (() => void) | undefined
  #timer: Timer | undefined
  #looking: Promise<void> | undefined
  #isLookWanted = false
  #look: ReturnType<typeof firstToAbort> | undefined
  readonly #stopping = new AbortController()

  constructor(clock: Clock, news: ClusterNews | undefined, owner: TopicWatchOwner) {
    this.#clock = clock
    this.#owner = owner
    this.#unlisten = news?.onTopicsChanged(() => this.look())
    this.#schedule()
  }

  look(): void {
    if (this.#stopping.signal.aborted) return
    this.#isLookWanted = true
    this.#looking ??= this.#lookUntilContent()
  }

  /** Other topics are looked for from now on: a look under way finds nothing any more. */
  lookAnew(): void {
    this.#look?.abort(new KafkaError('CLOSED', 'Other topics are looked for'))
    this.look()
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new KafkaError('CLOSED'))
    this.#unlisten?.()
    this.#timer?.cancel()
    await this.#looking
  }

  async #lookUntilContent(): Promise<void> {
    this.#timer?.cancel()
    while (this.#isLookWanted && !this.#stopping.signal.aborted) {
      this.#isLookWanted = false
      const look = firstToAbort(this.#stopping.signal)
      this.#look = look
      await this.#owner.look(look.signal)
      look.end()
    }
    this.#look = undefined
    this.#looking = undefined
    if (!this.#stopping.signal.aborted) this.#schedule()
  }

  #schedule(): void {
    this.#timer = this.#clock.setTimer(this.#owner.intervalMs(), () => this.look())
  }
}
