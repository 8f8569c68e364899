import type { Clock, Timer } from '../common/clock.js'

/**
 * A clock that stands still until a test moves it, so that timeouts of hours pass in no time and in the same order every time.
 *
 * ```ts
 * const clock = new VirtualClock()
 * const cluster = await Cluster.open({ clock })
 * await clock.advance(45_000)
 * ```
 */
export class VirtualClock implements Clock {
  #now: number
  #nextId = 0
  readonly #timers: VirtualTimer[] = []

  /** Starts at `startMs`, milliseconds since 1970. Default: the first of January 2024. */
  constructor(startMs = Date.UTC(2024, 0, 1)) {
    this.#now = startMs
  }

  now(): number {
    return this.#now
  }

  /** How many timers are set. */
  get timerCount(): number {
    return this.#timers.length
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    // Like the machine's, this clock shows whole milliseconds, whatever chance has added to a delay.
    const timer = { due: this.#now + Math.max(0, Math.ceil(delayMs)), id: this.#nextId++, callback }
    let place = this.#timers.length
    while (place > 0 && this.#timers[place - 1].due > timer.due) place--
    this.#timers.splice(place, 0, timer)
    return {
      cancel: () => {
        const index = this.#timers.indexOf(timer)
        if (index >= 0) this.#timers.splice(index, 1)
      }
    }
  }

  /**
   * Moves time on by `ms`: fires every timer that falls due, each at its time and in order, those that timers set among them; and lets what
   * they set in motion settle in between, as far as it waits for promises and not for input or output.
   */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await settle()
    while (this.#timers.length > 0 && this.#timers[0].due <= end) {
      const timer = this.#timers.shift() as VirtualTimer
      this.#now = Math.max(this.#now, timer.due)
      timer.callback()
      await settle()
    }
    this.#now = end
    await settle()
  }
}

interface VirtualTimer {
  readonly due: number
  readonly id: number
  readonly callback: () => void
}

/** Taken when this module loads, so that it is real even under a test runner's fake timers. */
const { setTimeout: realTimeout, setImmediate: realImmediate } = globalThis

/** A turn of the real event loop: every chain of promises that waits for nothing else has run to its end by then. */
function settle(): Promise<void> {
  return new Promise(resolve => {
    if (realImmediate) realImmediate(resolve)
    else realTimeout(resolve, 0)
  })
}
