import { reasonOf, Warnings } from './warnings.js'

const done = Promise.resolve()
const warnings = new Warnings()

/** Has somebody told when what code of the user's returned is a promise, and rejects. */
export function tellRejection(returned: unknown, tell: (error: unknown) => void): void {
  if (typeof (returned as PromiseLike<unknown> | undefined)?.then !== 'function') return
  Promise.resolve(returned as PromiseLike<unknown>).catch(tell)
}

/**
 * A callback of the user's, made harmless: it is called a moment later, when nothing is half done, and what it throws, or rejects with, becomes a
 * warning of the process. `name` says which it is.
 */
export function harmless<A extends unknown[]>(name: string, callback: (...args: A) => unknown): (...args: A) => void {
  const tell = (error: unknown) => warnings.warn(`During \`${name}\`: ${reasonOf(error)}`, 'CALLBACK_FAILED', error)
  return (...args) => {
    done.then(() => tellRejection(callback(...args), tell)).catch(tell)
  }
}

/** Calls a function of the user's and returns its answer; `otherwise` if it throws, which becomes a warning of the process. */
export function answerOf<T>(name: string, ask: () => T, otherwise: T): T {
  try {
    return ask()
  } catch (error) {
    warnings.warn(`During \`${name}\`: ${reasonOf(error)}`, 'CALLBACK_FAILED', error)
    return otherwise
  }
}
