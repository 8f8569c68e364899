import type { Clock, Timer } from '../../common/clock.js'
import type { AssignedPartition, PendingCommit } from '../assigned-partition.js'
import type { ConsumerSettings } from '../consumer-options.js'
import type { CommitOptions } from './committer.js'

export interface AutoCommitContext {
  readonly clock: Clock
  readonly settings: ConsumerSettings
  readonly partitions: Iterable<AssignedPartition>
  readonly commit: (commits: readonly PendingCommit[], options: CommitOptions) => Promise<unknown>
  readonly onTrouble: (error: unknown) => void
}

/**
 * Commits what has been handled, every `autoCommitIntervalMs` and when it is asked to. Does nothing
 * where `autoCommit` is off.
 */
export class AutoCommit {
  readonly #context: AutoCommitContext
  #timer: Timer | undefined
  #committing: Promise<void> | undefined
  #isStopped = false

  constructor(context: AutoCommitContext) {
    this.#context = context
  }

  start(): void {
    this.#timer?.cancel()
    this.#schedule()
  }

  /** Commits at no more intervals. */
  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
  }

  /**
   * Commits what has been handled of these partitions since the last commit; what goes wrong is
   * told as an `error` event.
   */
  async commit(partitions: Iterable<AssignedPartition>, options: CommitOptions = {}): Promise<void> {
    if (!this.#context.settings.autoCommit) return
    try {
      await this.#context.commit(commitsOf(partitions), options)
    } catch (error) {
      this.#context.onTrouble(error)
    }
  }

  /** Commits what has been handled without waiting for the interval, in a moment. */
  commitSoon(): void {
    if (!this.#context.settings.autoCommit || this.#isStopped) return
    this.#committing ??= Promise.resolve()
      .then(() => this.commit(this.#context.partitions))
      .finally(() => {
        this.#committing = undefined
      })
  }

  #schedule(): void {
    const { clock, settings, partitions } = this.#context
    if (!settings.autoCommit || this.#isStopped) return
    this.#timer = clock.setTimer(settings.autoCommitIntervalMs, () => {
      this.#committing ??= this.commit(partitions).finally(() => {
        this.#committing = undefined
      })
      this.#schedule()
    })
  }
}

/** Everything that has been handled and not yet been committed. */
export function commitsOf(partitions: Iterable<AssignedPartition>): PendingCommit[] {
  const commits: PendingCommit[] = []
  for (const partition of partitions) {
    const commit = partition.toCommit()
    if (commit !== undefined) commits.push(commit)
  }
  return commits
}
