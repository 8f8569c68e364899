/** The checks behind every options object: a wrong value is a `TypeError` at the call that gave it, naming the option. */

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

export function expectFraction(name: string, value: unknown): void {
  if (typeof value === 'number' && value >= 0 && value <= 1) return
  throw new TypeError(`Expected \`${name}\` to be a number from 0 to 1, got ${shown(value)}`)
}

export function expectOneOf<T>(name: string, value: T, allowed: readonly T[]): void {
  if (allowed.includes(value)) return
  throw new TypeError(`Expected \`${name}\` to be one of ${allowed.map(shown).join(', ')}, got ${shown(value)}`)
}

export function expectString(name: string, value: unknown): void {
  if (typeof value === 'string' && value.length > 0) return
  throw new TypeError(`Expected \`${name}\` to be a non-empty string, got ${shown(value)}`)
}

export function expectFunction(name: string, value: unknown): void {
  if (typeof value === 'function') return
  throw new TypeError(`Expected \`${name}\` to be a function, got ${shown(value)}`)
}

/** Refuses an option that does not exist, which is most often a spelling mistake. */
export function expectKnownKeys(what: string, given: object, known: readonly string[]): void {
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) throw new TypeError(`Unknown option \`${key}\` of ${what}; it has ${known.join(', ')}`)
  }
}

/** The options that were given: `undefined` stands for the default. */
export function givenOptions<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}

/** How a value appears in a message: short, in backticks, and never throwing. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return `\`'${value.length > 60 ? `${value.slice(0, 60)}…` : value}'\``
  if (typeof value === 'object' && value !== null)
    return `\`${Array.isArray(value) ? 'an array' : `a ${value.constructor?.name ?? 'object'}`}\``
  return `\`${String(value)}\``
}
