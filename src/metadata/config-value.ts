/** Kafka's types of config values, by the numbers they have in DescribeConfigs responses. */
export const configType = { boolean: 1, string: 2, int: 3, short: 4, long: 5, double: 6, list: 7 } as const

export type ConfigType = keyof typeof configType

/** The sources of a config's value, by Kafka's numbers. */
export const configSource = {
  topic: 1,
  broker: 2,
  allBrokers: 3,
  staticBroker: 4,
  default: 5,
  brokerLogger: 6,
  clientMetrics: 7,
  group: 8
} as const

/** The type of a config, with its valid values. */
export interface ConfigRule {
  readonly type: ConfigType
  /** The smallest value that is taken; for numbers. */
  readonly min?: number
  /** The largest value that is taken; for numbers. Default: what the type holds. */
  readonly max?: number
  /** A number that is taken besides those from `min` to `max`. */
  readonly also?: number
  /** The values that are taken; for text and the elements of lists. */
  readonly oneOf?: readonly string[]
  /**
   * Checks the rest: why a value does not fit, as the end of a sentence, or undefined when it fits.
   */
  readonly shape?: (value: string) => string | undefined
}

const largestOf = { short: 2 ** 15 - 1, int: 2 ** 31 - 1, long: 2 ** 63 }
/** Kafka's way to write "no limit" where it counts in 64 bits. */
export const largestLong = '9223372036854775807'

/** Characters of a value; without a limit a topic's configs could be of any size. */
const longestValue = 256
const longestList = 4096

/**
 * The reason why a value does not fit, as the end of a sentence, or undefined when it fits. Space
 * around a value does not count, as in Kafka.
 */
export function configProblem(rule: ConfigRule, value: string): string | undefined {
  const longest = rule.type === 'list' ? longestList : longestValue
  if (value.length > longest) return `must have at most ${longest} characters`
  return typeProblem(rule, value.trim()) ?? rule.shape?.(value)
}

function typeProblem(rule: ConfigRule, value: string): string | undefined {
  switch (rule.type) {
    case 'boolean':
      return /^(true|false)$/i.test(value) ? undefined : 'must be true or false'
    case 'int':
    case 'short':
    case 'long':
      return integerProblem(rule, rule.type, value)
    case 'double': {
      const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = rule
      const number = value === '' ? Number.NaN : Number(value)
      return number >= min && number <= max && Number.isFinite(number) ? undefined : `must be a number from ${min} to ${max}`
    }
    case 'string':
      return !rule.oneOf || rule.oneOf.includes(value) ? undefined : `must be one of ${rule.oneOf.join(', ')}`
    case 'list':
      return !rule.oneOf || listOf(value).every(element => rule.oneOf?.includes(element))
        ? undefined
        : `must be a list of ${rule.oneOf.join(', ')}`
  }
}

function integerProblem({ min, max, also }: ConfigRule, type: 'int' | 'short' | 'long', value: string): string | undefined {
  const isInteger = /^[+-]?\d{1,19}$/.test(value)
  const number = isInteger ? Number(value) : Number.NaN
  const [least, most] = [min ?? -largestOf[type] - 1, max ?? largestOf[type]]
  const isExact = isInteger && BigInt(value.replace('+', '')) <= BigInt(largestLong)
  if (isExact && ((number >= least && number <= most) || number === also)) return undefined
  const range =
    max === undefined && type === 'long'
      ? min === undefined
        ? 'an integer'
        : `an integer of at least ${min}`
      : `an integer from ${least} to ${most}`
  return `must be ${range}${also === undefined ? '' : `, or ${also}`}`
}

/**
 * The elements of a value of type list. As in Kafka, a comma at an end, or two together, make an
 * empty element.
 */
export function listOf(value: string): string[] {
  return value.trim() === '' ? [] : value.split(',').map(element => element.trim())
}

/** The value of a config of type boolean. */
export function isTrue(value: string): boolean {
  return value.trim().toLowerCase() === 'true'
}

/** A number for what Kafka counts in 64 bits: what is beyond 2^53 reads as infinity. */
export function numberOf(value: string): number {
  const number = Number(value)
  return number > Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : number
}
