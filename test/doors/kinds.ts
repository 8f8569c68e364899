/** What a place in a call takes, so that everything else can be tried there. */
export interface Kind {
  /** Whether the value is one of those that the place takes, as it is documented. */
  readonly takes: (value: unknown) => boolean
  /** What the error must say; by default the place's own name. */
  readonly mention?: string
  /** Codes of a `KafkaError` that may stand for the `TypeError`: the value is the cluster's matter. */
  readonly codes?: readonly string[]
  /** The places in it, where it is an object of options. */
  readonly options?: { readonly [name: string]: Kind }
  /** What makes the options whole, besides the one that is tried. */
  readonly rest?: object
}

export function int(minimum: number, maximum = Number.MAX_SAFE_INTEGER): Kind {
  return { takes: value => Number.isSafeInteger(value) && (value as number) >= minimum && (value as number) <= maximum }
}

const isObject = (value: unknown) => Object.prototype.toString.call(value) === '[object Object]'

export const text: Kind = { takes: value => typeof value === 'string' && value !== '' }
export const anyText: Kind = { takes: value => typeof value === 'string' }
export const flag: Kind = { takes: value => typeof value === 'boolean' }
export const func: Kind = { takes: value => typeof value === 'function' }
export const bytes: Kind = { takes: value => value instanceof Uint8Array }
export const signal: Kind = { takes: value => value instanceof AbortSignal }
export const fraction: Kind = { takes: value => typeof value === 'number' && value >= 0 && value <= 1 }
export const pattern: Kind = { takes: value => value instanceof RegExp }
export const bag: Kind = { takes: isObject }
export const nothing: Kind = { takes: () => false }
export const anything: Kind = { takes: () => true }
/** An offset: numbers outside of the log are told by code. */
export const offset: Kind = { ...int(0), codes: ['OFFSET_OUT_OF_RANGE'] }
export const list: Kind = { takes: value => Array.isArray(value) }
export const field: Kind = { takes: value => value === null || typeof value === 'string' || value instanceof Uint8Array }

export function oneOf(...values: unknown[]): Kind {
  return { takes: value => values.includes(value) }
}

/** May be left out. */
export function opt(kind: Kind): Kind {
  return { ...kind, takes: value => value === undefined || kind.takes(value) }
}

export function saying(mention: string, kind: Kind): Kind {
  return { ...kind, mention }
}

/** Options, each of which may be left out unless it is `needed`. */
export function options(named: { readonly [name: string]: Kind }, rest: object = {}): Kind {
  return { takes: value => value === undefined || isObject(value), mention: 'the options of', options: named, rest }
}

export function needed(kind: Kind): Kind {
  return { ...kind, takes: value => value !== undefined && kind.takes(value) }
}

/** What users hand in by mistake. */
export const mistakes: readonly (readonly [string, unknown])[] = [
  ['undefined', undefined],
  ['null', null],
  ['NaN', Number.NaN],
  ['-1', -1],
  ['3.5', 3.5],
  ['2**53', 2 ** 53],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['an empty text', ''],
  ['a text', 'a text'],
  ['a long text', 'x'.repeat(300)],
  ['true', true],
  ['{}', {}],
  ['[]', []],
  ['a symbol', Symbol('s')],
  ['a bigint', 10n],
  ['a function', () => undefined],
  ['an invalid date', new Date(Number.NaN)],
  ['a promise', Promise.resolve('late')]
]
