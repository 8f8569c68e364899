import { expectInteger, expectKnownKeys, shown } from '../common/options.js'

/**
 * The use of a topic, which decides what of it is removed:
 *
 * - `'forever'`: the truth. Nothing is ever removed; neither are the offsets that groups commit for
 *   it.
 * - `'latest'`: a table. The last record of each key is kept, and nothing that it replaces; a
 *   record without a value deletes its key.
 * - `{ forMs, bytes }`: a stream. Records older than `forMs` milliseconds are removed, and the
 *   oldest ones beyond `bytes` of a partition; what is left out sets no limit.
 */
export type Keep = 'forever' | 'latest' | { readonly forMs?: number; readonly bytes?: number }

/** Kafka's topic configs that make it so. Throws a `TypeError` for anything else. */
export function keepConfigs(keep: Keep | undefined): { readonly [name: string]: string | number } {
  if (keep === undefined) return {}
  if (keep === 'forever') return { 'cleanup.policy': 'delete', 'retention.ms': -1, 'retention.bytes': -1 }
  if (keep === 'latest') return { 'cleanup.policy': 'compact' }
  if (typeof keep !== 'object' || keep === null || (keep.forMs === undefined && keep.bytes === undefined))
    throw new TypeError(`Expected \`keep\` to be 'forever', 'latest', or { forMs, bytes } with one of the two, got ${shown(keep)}`)
  expectKnownKeys('keep', keep, ['forMs', 'bytes'])
  const { forMs, bytes } = keep
  if (forMs !== undefined) expectInteger('keep.forMs', forMs, 1)
  if (bytes !== undefined) expectInteger('keep.bytes', bytes, 1)
  return { 'cleanup.policy': 'delete', 'retention.ms': forMs ?? -1, 'retention.bytes': bytes ?? -1 }
}

/**
 * The configs of a topic that says what it is, besides those that it sets by name. Throws a
 * `TypeError` where the two contradict each other.
 */
export function withKeep<C extends string | number | boolean>(
  keep: Keep | undefined,
  configs: { readonly [name: string]: C } | undefined
): { readonly [name: string]: C | string | number } | undefined {
  if (keep === undefined) return configs
  const kept = keepConfigs(keep)
  for (const [name, value] of Object.entries(kept)) {
    const given = configs?.[name]
    if (given !== undefined && String(given) !== String(value))
      throw new TypeError(`Expected \`keep\` and the config \`${name}\` to agree: one says \`${value}\`, the other \`${given}\``)
  }
  return { ...configs, ...kept }
}
