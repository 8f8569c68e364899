import { type AnswerKind, answerOf } from './foreign.js'
import { shown } from './options.js'

/** The source of randomness for all of millrace, so that a seed replays a run. */
export interface Random {
  /** A number in [0, 1). */
  next(): number
}

/** Chance that nobody can foretell. */
export const systemRandom: Random = { next: () => Math.random() }

/** The same chance for the same seed: a 32-bit mulberry generator. Not for secrets. */
export function seededRandom(seed: number): Random {
  if (!Number.isSafeInteger(seed)) throw new TypeError(`Expected \`seed\` to be an integer, got ${shown(seed)}`)
  let state = seed | 0
  return {
    next() {
      state = (state + 0x6d2b79f5) | 0
      let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
    }
  }
}

/**
 * Chance that a user gave, checked. Where it throws or gives no number in [0, 1), other chance
 * stands in, and the process is warned.
 */
export function guardedRandom(random: Random): Random {
  expectRandom(random)
  return random === systemRandom || random instanceof GuardedRandom ? random : new GuardedRandom(random)
}

class GuardedRandom implements Random {
  readonly #ask: () => number

  constructor(random: Random) {
    this.#ask = () => random.next()
  }

  next(): number {
    return answerOf('random.next', fraction, this.#ask, systemRandom.next)
  }
}

const fraction: AnswerKind<number> = {
  name: 'a number in [0, 1)',
  fits: (answer): answer is number => typeof answer === 'number' && answer >= 0 && answer < 1
}

/** Checks chance that a user gave. */
export function expectRandom(random: Random): void {
  if (typeof random?.next === 'function') return
  throw new TypeError(`Expected \`random\` to have a function \`next\`, got ${shown(random)} without one`)
}

/** A whole number in [0, limit). */
export function randomInteger(random: Random, limit: number): number {
  return Math.floor(random.next() * limit)
}
