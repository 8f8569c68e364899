import type { Clock } from './clock.js'
import { afterLoop } from './host.js'

const longestTurnMs = 4

const done = Promise.resolve()

/**
 * Keeps clients from starving the process. In memory the next answer is always there already, a promise away, and as long as promises
 * resolve neither timers nor sockets get their turn. After four milliseconds in one turn of the event loop clients wait for the next: in line,
 * so that a producer does not run ahead of a consumer that is taking its breath, and one after the other, so that a hundred of them do not go on
 * at the same moment.
 */
class Turn {
  readonly #clock: Clock
  readonly #waiting: (() => void)[] = []
  readonly #onRelease = () => this.#release()
  readonly #onNext = () => {
    this.#isRunning = false
    if (this.#waiting.length > 0) this.#release()
  }
  #isRunning = false
  #startedAt = -1

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A promise of a place in the next turn when this one has lasted long enough, else undefined. `now` is what the monotonic clock has said just now. */
  breath(now = this.#clock.monotonic()): Promise<void> | undefined {
    return this.#isOver(now) ? this.place() : undefined
  }

  /** A promise of a place in line, for those who would all go on at this moment otherwise. */
  place(): Promise<void> {
    return new Promise(resolve => {
      if (this.#waiting.push(resolve) === 1) done.then(this.#onRelease)
    })
  }

  #isOver(now: number): boolean {
    if (!this.#isRunning) {
      this.#isRunning = true
      this.#startedAt = now
      afterLoop(this.#onNext)
    }
    return now - this.#startedAt > longestTurnMs
  }

  /** Lets the first in line go on, and once it has, the next; the rest stays in line when the turn is over before. */
  #release(): void {
    if (this.#isOver(this.#clock.monotonic())) return
    this.#waiting.shift()?.()
    if (this.#waiting.length > 0) done.then(this.#onRelease)
  }
}

export type { Turn }

const turns = new WeakMap<Clock, Turn>()

/** The turn that all who go by this clock share. */
export function turnOf(clock: Clock): Turn {
  let turn = turns.get(clock)
  if (!turn) turns.set(clock, (turn = new Turn(clock)))
  return turn
}
