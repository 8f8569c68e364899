/**
 * Notices what stays in hand for too long, without a look at the clock for every record: only as
 * often as it is asked.
 */
export class StuckWatch {
  readonly #limitMs: number
  #seen = new Map<number, number>()

  constructor(limitMs: number) {
    this.#limitMs = limitMs
  }

  /**
   * True if one of the things in hand, given by their numbers, has been there for as long as the
   * limit; -1 stands for nothing. `missedMs` is for how long the process stood still since the last
   * look: that counts for nobody, as nobody could go on.
   */
  isStuck(inHand: Iterable<number>, now: number, missedMs = 0): boolean {
    const seen = new Map<number, number>()
    let isStuck = false
    for (const number of inHand) {
      if (number < 0) continue
      const seenAt = this.#seen.get(number)
      const since = seenAt === undefined ? now : Math.min(now, seenAt + missedMs)
      seen.set(number, since)
      if (now - since >= this.#limitMs) isStuck = true
    }
    this.#seen = seen
    return isStuck
  }
}
