import { type Deferred, deferred } from '../../common/deferred.js'
import { Pace, type Turns, type TurnTaker } from '../../common/turns.js'
import type { Assignment } from '../source/assignment.js'

/** A reader with more than this to read keeps back whoever writes what it reads. */
const behindBytes = 1024 * 1024

/**
 * One that has never had less to read than that reads what is old. With more than this it keeps
 * back nobody.
 */
const farBehindBytes = 16 * 1024 * 1024

/**
 * Nor does one that had, and has fallen so far behind since: what it does itself takes too long.
 */
const lostTouchBytes = 256 * 1024 * 1024

/** True if a reader keeps back writers, by how much it has to read. */
export class ReaderLag {
  #isInTouch = false

  isBehind(bytes: number): boolean {
    if (bytes <= behindBytes) {
      this.#isInTouch = true
      return false
    }
    if (bytes > lostTouchBytes) this.#isInTouch = false
    return this.#isInTouch || bytes <= farBehindBytes
  }
}

/**
 * Decides when the reader of a consumer goes on, and when it waits for its turn. It waits once,
 * however many handlers it has.
 */
export class ReaderTurn implements TurnTaker {
  readonly #turns: Turns
  readonly #assignment: Assignment
  readonly #logEndOffset: (topic: string, partition: number) => number | undefined
  readonly #pace: Pace
  readonly #lag: ReaderLag
  #waiting: Deferred<void> | undefined

  constructor(
    turns: Turns,
    assignment: Assignment,
    lag: ReaderLag,
    logEndOffset: (topic: string, partition: number) => number | undefined
  ) {
    this.#turns = turns
    this.#assignment = assignment
    this.#lag = lag
    this.#logEndOffset = logEndOffset
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
    return this.#lag.isBehind(this.#assignment.unreadBytes(this.#logEndOffset))
  }
}
