import { type Deferred, deferred } from '../common/deferred.js'
import { Pace, type Turns, type TurnTaker } from '../common/turns.js'
import type { Assignment } from './assignment.js'
import type { ClusterNews } from './topic-watch.js'

/** A reader with more than this to read keeps back whoever writes what it reads. */
const behindBytes = 1024 * 1024

/** One with more than this reads what is old, and keeps back nobody. */
const farBehindBytes = 16 * 1024 * 1024

/** When the reader of a consumer goes on, and when it waits for its next turn. It waits once, however many handlers it has. */
export class ReaderTurn implements TurnTaker {
  readonly #turns: Turns
  readonly #assignment: Assignment
  readonly #logEndOffset: (topic: string, partition: number) => number | undefined
  readonly #pace: Pace
  #waiting: Deferred<void> | undefined

  constructor(turns: Turns, assignment: Assignment, news: ClusterNews | undefined) {
    this.#turns = turns
    this.#assignment = assignment
    this.#logEndOffset = (topic, partition) => news?.logEndOffset?.(topic, partition)
    this.#pace = new Pace(turns)
  }

  /** Counts an item that is handed out. Returns whether it is time to ask `yieldWhenOver`. */
  isDue(): boolean {
    return this.#pace.isDue()
  }

  /** A promise of the next turn when the slice is over, else undefined. */
  yieldWhenOver(): Promise<void> | undefined {
    if (this.#waiting !== undefined) return this.#waiting.promise
    if (!this.#pace.isOver()) return undefined
    this.#waiting = deferred()
    this.#turns.add(this)
    return this.#waiting.promise
  }

  resume(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.resolve()
  }

  isBehind(topics: readonly string[]): boolean {
    if (!topics.some(topic => this.#assignment.includes(topic))) return false
    const bytes = this.#assignment.unreadBytes(this.#logEndOffset)
    return bytes > behindBytes && bytes <= farBehindBytes
  }
}
