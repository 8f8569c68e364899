import { nearestOf } from './nearest.js'

/**
 * The checks behind every argument and options object: a wrong value is a `TypeError` at the call
 * that gave it, naming the option.
 */

export function expectInteger(name: string, value: unknown, minimum: number, maximum: number = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && (value as number) >= minimum && (value as number) <= maximum) return
  const kind =
    maximum !== Number.MAX_SAFE_INTEGER
      ? `an integer from ${minimum} to ${maximum}`
      : minimum === 1
        ? 'a positive integer'
        : minimum === 0
          ? 'a non-negative integer'
          : `an integer of at least ${minimum}`
  throw new TypeError(`Expected \`${name}\` to be ${kind}, got ${shown(value)}`)
}

/**
 * Refuses two options that contradict each other; undefined stands for a default, which does not.
 */
export function expectNotAbove(lower: string, low: number | undefined, upper: string, high: number | undefined): void {
  if (low === undefined || high === undefined || low <= high) return
  throw new TypeError(`Expected \`${lower}\` to be at most \`${upper}\`, got ${shown(low)} and ${shown(high)}`)
}

export function expectFraction(name: string, value: unknown): void {
  if (typeof value === 'number' && value >= 0 && value <= 1) return
  throw new TypeError(`Expected \`${name}\` to be a number from 0 to 1, got ${shown(value)}`)
}

export function expectOneOf<T>(name: string, value: T, allowed: readonly T[]): void {
  if (allowed.includes(value)) return
  throw new TypeError(`Expected \`${name}\` to be one of ${allowed.map(shown).join(', ')}, got ${shown(value)}`)
}

export function expectBoolean(name: string, value: unknown): void {
  expectOneOf(name, value, [true, false])
}

export function expectString(name: string, value: unknown): void {
  if (typeof value === 'string' && value.length > 0) return
  throw new TypeError(`Expected \`${name}\` to be a non-empty string, got ${shown(value)}`)
}

export function expectFunction(name: string, value: unknown): void {
  if (typeof value === 'function') return
  throw new TypeError(`Expected \`${name}\` to be a function, got ${shown(value)}`)
}

export function expectBytes(name: string, value: unknown): void {
  if (value instanceof Uint8Array) return
  throw new TypeError(`Expected \`${name}\` to be a Uint8Array, got ${shown(value)}`)
}

/** Takes what is like an `AbortSignal`, too: those of other realms and of libraries are. */
export function expectSignal(name: string, value: unknown): void {
  const signal = value as Partial<AbortSignal> | null | undefined
  if (typeof signal?.aborted === 'boolean' && typeof signal.addEventListener === 'function') return
  throw new TypeError(`Expected \`${name}\` to be an AbortSignal, got ${shown(value)}`)
}

/** `expected` says what the list holds, in the plural. */
export function expectList(name: string, value: unknown, expected: string): void {
  if (Array.isArray(value)) return
  throw new TypeError(`Expected \`${name}\` to be an array of ${expected}, got ${shown(value)}`)
}

/** An object with these functions; `expected` says what it should be. */
export function expectFunctions(name: string, value: unknown, functions: readonly string[], expected: string): void {
  for (const each of functions) {
    if (typeof (value as Record<string, unknown> | null | undefined)?.[each] === 'function') continue
    throw new TypeError(`Expected \`${name}\` to be ${expected}, with a function \`${each}\`, got ${shown(value)}`)
  }
}

/** An object with names of its own: no list, date, promise or function. */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  return plainTags.has(Object.prototype.toString.call(value))
}

const plainTags: ReadonlySet<string> = new Set(['[object Object]', '[object Module]'])

/**
 * The part of a message that names the known name nearest to a misspelt one, with what is left to
 * say after it; empty when none is near.
 */
export function didYouMean(given: string, known: readonly string[]): string {
  const near = nearestOf(given, known)
  return near === undefined ? '' : `did you mean \`${near}\`? `
}

/** `what` is that which has the options. */
export function expectOptionsObject(what: string, given: unknown): void {
  if (!isPlainObject(given)) throw new TypeError(`Expected the options of ${what} to be an object, got ${shown(given)}`)
}

/**
 * Refuses options that are no object, and an option that does not exist, which is most often a
 * spelling mistake.
 */
export function expectKnownKeys(what: string, given: object, known: readonly string[]): void {
  expectOptionsObject(what, given)
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue
    throw new TypeError(`Unknown option \`${key}\` of ${what}; ${didYouMean(key, known)}it has ${known.join(', ')}`)
  }
}

/**
 * Refuses options that are no object, and those that do not exist; of the others, `checks` are
 * called for those that are not undefined.
 */
export function expectOptions(
  what: string,
  given: object,
  checks: { readonly [name: string]: (name: string, value: unknown) => void }
): void {
  expectKnownKeys(what, given, Object.keys(checks))
  for (const [name, check] of Object.entries(checks)) {
    const value = (given as Record<string, unknown>)[name]
    if (value !== undefined) check(name, value)
  }
}

/** The options that were given: `undefined` stands for the default. */
export function givenOptions<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}

/** Formats a value for a message: short, in backticks, never throwing. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return `\`'${value.length > 60 ? `${value.slice(0, 60)}…` : value}'\``
  if (typeof value === 'function') return `\`a function\``
  if (typeof value === 'bigint') return `\`${value}n\``
  if (typeof value !== 'object' || value === null) return `\`${String(value)}\``
  if (Array.isArray(value)) return '`an array`'
  if (value instanceof Date && Number.isNaN(value.getTime())) return '`an invalid Date`'
  const name = typeof value.constructor === 'function' ? value.constructor.name : undefined
  const kind = !name || name === 'Object' ? 'object' : name
  const text = `\`${/^[aeio]/i.test(kind) ? 'an' : 'a'} ${kind}\``
  return typeof (value as { then?: unknown }).then === 'function' ? `${text}: an \`await\` is missing` : text
}
