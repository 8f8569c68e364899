/** Kafka's types of config values, by the numbers they have in DescribeConfigs responses. */
export const configType = { boolean: 1, string: 2, int: 3, long: 5, double: 6, list: 7 } as const

export type ConfigType = keyof typeof configType

/** Where a config's value comes from, by Kafka's numbers. */
export const configSource = { topic: 1, staticBroker: 4, default: 5 } as const

/** What may stand in a config. */
export interface ConfigRule {
  readonly type: ConfigType
  /** The smallest value that is taken; for numbers. */
  readonly min?: number
  /** The largest value that is taken; for numbers. Default: what the type holds. */
  readonly max?: number
  /** The values that are taken; for text and the elements of lists. */
  readonly oneOf?: readonly string[]
}

const largestInt = 2 ** 31 - 1
/** Kafka's way to write "no limit" where it counts in 64 bits. */
export const largestLong = '9223372036854775807'

/** Why a value does not fit, as the end of a sentence, or undefined when it fits. */
export function configProblem(rule: ConfigRule, value: string): string | undefined {
  switch (rule.type) {
    case 'boolean':
      return value === 'true' || value === 'false' ? undefined : 'must be true or false'
    case 'int':
    case 'long': {
      const { min = Number.MIN_SAFE_INTEGER, max = rule.type === 'int' ? largestInt : Number.POSITIVE_INFINITY } = rule
      const number = /^[+-]?\d{1,19}$/.test(value.trim()) ? Number(value) : Number.NaN
      if (number >= min && number <= max && BigInt(value.trim().replace('+', '')) <= BigInt(largestLong)) return undefined
      return max === Number.POSITIVE_INFINITY ? `must be an integer of at least ${min}` : `must be an integer from ${min} to ${max}`
    }
    case 'double': {
      const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = rule
      const number = value.trim() === '' ? Number.NaN : Number(value)
      return number >= min && number <= max && Number.isFinite(number) ? undefined : `must be a number from ${min} to ${max}`
    }
    case 'string':
      return !rule.oneOf || rule.oneOf.includes(value) ? undefined : `must be one of ${rule.oneOf.join(', ')}`
    case 'list': {
      const elements = listOf(value)
      const fits = !rule.oneOf || (elements.length > 0 && elements.every(element => rule.oneOf?.includes(element)))
      return fits ? undefined : `must be a list of ${rule.oneOf?.join(', ')}`
    }
  }
}

/** The elements of a value of type list. */
export function listOf(value: string): string[] {
  return value
    .split(',')
    .map(element => element.trim())
    .filter(element => element !== '')
}

/** A number for what Kafka counts in 64 bits: what is beyond 2^53 reads as infinity. */
export function numberOf(value: string): number {
  const number = Number(value)
  return number > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : number
}
