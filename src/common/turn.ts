import type { Clock } from './clock.js'

const longestTurnMs = 4

const nextTurn: (callback: () => void) => void =
  typeof setImmediate === 'function' ? callback => setImmediate(callback) : callback => setTimeout(callback, 0)

/**
 * Keeps clients from starving the process. In memory the next answer is always there already, a promise away, and as long as promises
 * resolve neither timers nor sockets get their turn. After four milliseconds in one turn of the event loop clients wait for the next: all of
 * them together, so that a producer does not run ahead of a consumer that is taking its breath.
 */
class Turn {
  readonly #clock: Clock
  #startedAt = -1
  #next: Promise<void> | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A promise of the next turn when this one has lasted long enough, else undefined. */
  breath(): Promise<void> | undefined {
    const now = this.#clock.now()
    if (this.#next === undefined) {
      this.#startedAt = now
      this.#next = new Promise(resolve =>
        nextTurn(() => {
          this.#next = undefined
          resolve()
        })
      )
    }
    return now - this.#startedAt > longestTurnMs ? this.#next : undefined
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
