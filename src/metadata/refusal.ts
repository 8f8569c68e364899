import { errorNumberOf, KafkaError, type ProtocolErrorCode } from '../errors.js'

/** Throws a refusal, which `refusalOf` turns into the entry of a response. */
export function refuse(code: ProtocolErrorCode, message: string): never {
  throw new KafkaError(code, message)
}

/** Makes the entry of a response of a refusal. Other errors are thrown on. */
export function refusalOf(error: unknown): { readonly errorCode: number; readonly errorMessage: string } {
  if (!(error instanceof KafkaError)) throw error
  return { errorCode: errorNumberOf(error), errorMessage: error.message }
}

/** The entries that a request repeats, which makes them ambiguous. */
export function repeatedIn<T>(names: Iterable<T>): ReadonlySet<T> {
  const all = new Set<T>()
  const repeated = new Set<T>()
  for (const name of names) {
    if (all.has(name)) repeated.add(name)
    all.add(name)
  }
  return repeated
}

export function expectOnce(name: string, repeated: ReadonlySet<string>): void {
  if (repeated.has(name)) throw new KafkaError('INVALID_REQUEST', `The request has \`${name}\` twice`)
}

/** The first entry of each name: a name that comes twice gets one answer. */
export function eachNameOnce<T extends { readonly name: string }>(entries: readonly T[]): T[] {
  const seen = new Set<string>()
  return entries.filter(({ name }) => !seen.has(name) && seen.add(name))
}
