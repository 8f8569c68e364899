import type { Clock, Timer } from '../common/clock.js'
import { KafkaError } from '../errors.js'
import type { CompactionReport } from '../log/compaction/compactor.js'
import { compacts } from '../log/log-options.js'
import type { Partition } from './partition.js'
import type { Topic } from './topic.js'

export interface LogCleanerParts {
  readonly clock: Clock
  readonly topics: ReadonlyMap<string, Topic>
  /** The pause when all is clean, in ms. */
  readonly backoffMs: () => number
  /** The most memory that the keys of a log take, in bytes; one log is compacted at a time. */
  readonly maxKeyBytes: () => number
  readonly onCompacted: (partition: Partition, report: CompactionReport) => void
  readonly onFailed: (partition: Partition, error: unknown) => void
}

/** A log that could not be compacted is left alone for so long: a full disk may have room again. */
const failureBackoffMs = 5 * 60_000

/**
 * Compacts the logs of a node, one after the other, the dirtiest first; then rests, and looks
 * again. It does not keep the process alive.
 */
export class LogCleaner {
  readonly #parts: LogCleanerParts
  readonly #stop = new AbortController()
  readonly #restUntil = new WeakMap<Partition, number>()
  #timer: Timer | undefined
  #isAwake = false
  #sweeps: Promise<void> = Promise.resolve()

  constructor(parts: LogCleanerParts) {
    this.#parts = parts
    this.#rest(parts.backoffMs())
  }

  /** Compacts all that is due now. */
  clean(): Promise<void> {
    this.#sweeps = this.#sweeps.then(() => this.#sweep())
    return this.#sweeps
  }

  /** Ends the rest: there is something to do that should not wait. */
  wake(): void {
    if (this.#isAwake) return
    this.#isAwake = true
    this.#rest(0)
  }

  /** Ends the compaction under way, if any; idempotent. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#timer?.cancel()
    await this.#sweeps
  }

  #rest(ms: number): void {
    this.#timer?.cancel()
    this.#timer = this.#parts.clock.setTimer(ms, async () => {
      await this.clean()
      this.#isAwake = false
      if (!this.#stop.signal.aborted) this.#rest(this.#parts.backoffMs())
    })
  }

  async #sweep(): Promise<void> {
    for (const partition of await this.#dirtyPartitions()) {
      if (this.#stop.signal.aborted) return
      await this.#compact(partition)
    }
  }

  /** The logs that are due, the dirtiest first. */
  async #dirtyPartitions(): Promise<Partition[]> {
    const found: { readonly partition: Partition; readonly ratio: number }[] = []
    for (const { partitions } of this.#parts.topics.values()) {
      for (const partition of partitions) {
        const { log } = partition
        if (!compacts(log.options) || !this.#mayTry(partition)) continue
        try {
          await log.rollWhenDue()
          if (log.segmentCount === 1) continue
          const { isDue, ratio } = await log.dirtiness()
          if (isDue) found.push({ partition, ratio })
        } catch (error) {
          this.#failed(partition, error)
        }
      }
    }
    return found.sort((a, b) => b.ratio - a.ratio).map(({ partition }) => partition)
  }

  /** Rounds that end early, for want of memory for the keys, are followed by more. */
  async #compact(partition: Partition): Promise<void> {
    const { maxKeyBytes, onCompacted } = this.#parts
    try {
      for (;;) {
        const report = await partition.log.compact({ maxKeyBytes: maxKeyBytes(), signal: this.#stop.signal })
        if (!report) return
        onCompacted(partition, report)
      }
    } catch (error) {
      this.#failed(partition, error)
    }
  }

  #mayTry(partition: Partition): boolean {
    return !partition.isDeleted && !((this.#restUntil.get(partition) ?? 0) > this.#parts.clock.monotonic())
  }

  #failed(partition: Partition, error: unknown): void {
    const isOver = partition.isDeleted || this.#stop.signal.aborted || (error instanceof KafkaError && error.code === 'CLOSED')
    if (isOver) return
    this.#restUntil.set(partition, this.#parts.clock.monotonic() + failureBackoffMs)
    this.#parts.onFailed(partition, error)
  }
}
