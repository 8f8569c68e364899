import type { Clock } from '../common/clock.js'
import { Alarm } from './alarm.js'
import type { PartitionQueue } from './partition-queue.js'

/**
 * Partitions that have something to send and let a time pass before: they linger, or a try has
 * failed.
 */
export class WaitingQueues {
  readonly #clock: Clock
  readonly #onDue: (queue: PartitionQueue) => void
  readonly #alarm: Alarm
  readonly #until = new Map<PartitionQueue, number>()

  constructor(clock: Clock, onDue: (queue: PartitionQueue) => void) {
    this.#clock = clock
    this.#onDue = onDue
    this.#alarm = new Alarm(clock, () => this.#ring(), { keepAlive: true })
  }

  [Symbol.iterator](): Iterator<PartitionQueue> {
    return this.#until.keys()
  }

  /** Lets a partition wait until then, whatever it waited for before. */
  add(queue: PartitionQueue, until: number): void {
    this.#until.set(queue, until)
    this.#alarm.set(until)
  }

  /** Ends the wait of a partition now. */
  end(queue: PartitionQueue): void {
    if (this.#until.delete(queue)) this.#onDue(queue)
  }

  stop(): void {
    this.#alarm.cancel()
    this.#until.clear()
  }

  #ring(): void {
    const now = this.#clock.monotonic()
    for (const [queue, until] of this.#until) {
      if (until > now) this.#alarm.set(until)
      else this.end(queue)
    }
  }
}
