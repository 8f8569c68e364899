import { shown } from './options.js'
import { reasonOf, Warnings } from './warnings.js'

const done = Promise.resolve()
const warnings = new Warnings()

/** Has somebody told when what code of the user's returned is a promise, and rejects. */
export function tellRejection(returned: unknown, tell: (error: unknown) => void): void {
  if (typeof (returned as PromiseLike<unknown> | undefined)?.then !== 'function') return
  Promise.resolve(returned as PromiseLike<unknown>).catch(tell)
}

/**
 * Lets a promise fail unheard that code of the user's returned in the place of an answer: that it
 * is none is told already.
 */
export function ignoreRejection(returned: unknown): void {
  tellRejection(returned, ignore)
}

function ignore(): void {}

/** Tells that code of the user's failed where nobody waits for it: by a warning of the process. */
export function tellFailed(name: string, error: unknown): void {
  warnings.warn(`During \`${name}\`: ${reasonOf(error)}`, 'CALLBACK_FAILED', error)
}

/**
 * A callback of the user's, made harmless: it is called a moment later, when nothing is half done,
 * and what it throws, or rejects with, becomes a warning of the process. `name` says which it is.
 */
export function harmless<A extends unknown[]>(name: string, callback: (...args: A) => unknown): (...args: A) => void {
  const tell = (error: unknown) => tellFailed(name, error)
  return (...args) => {
    done.then(() => tellRejection(callback(...args), tell)).catch(tell)
  }
}

/**
 * Calls code of the user's at once; what it throws, or rejects with, becomes a warning of the
 * process.
 */
export function contained(name: string, call: () => unknown): void {
  const tell = (error: unknown) => tellFailed(name, error)
  try {
    tellRejection(call(), tell)
  } catch (error) {
    tell(error)
  }
}

/** The error for an answer of the user's code that is not as expected. */
export function wrongAnswer(expected: string, given: unknown): TypeError {
  ignoreRejection(given)
  return new TypeError(`${expected}, got ${shown(given)}`)
}

/** The kind of answer that a function has to give. */
export interface AnswerKind<T> {
  readonly name: string
  readonly fits: (answer: unknown) => answer is T
}

/**
 * The answer of a function of the user's, given at once; `otherwise` where it throws or answers
 * with another kind, which is a warning of the process.
 */
export function answerOf<T>(name: string, kind: AnswerKind<T>, ask: () => T, otherwise: () => T): T {
  try {
    const answer: unknown = ask()
    if (kind.fits(answer)) return answer
    throw wrongAnswer(`Expected \`${name}\` to return ${kind.name}`, answer)
  } catch (error) {
    tellFailed(name, error)
  }
  return otherwise()
}

const number: AnswerKind<number> = {
  name: 'a number',
  fits: (answer): answer is number => typeof answer === 'number' && !Number.isNaN(answer)
}

export function numberOf(name: string, ask: () => number, otherwise: () => number): number {
  return answerOf(name, number, ask, otherwise)
}
