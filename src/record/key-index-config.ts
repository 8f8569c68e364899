import { expectBoolean } from '../common/options.js'

/**
 * The configs by which a topic keeps an index from each key to its last offset. Kafka does not have
 * them.
 */
export const keyIndexConfig = 'millrace.key.index'
export const keyIndexLimitConfig = 'millrace.key.index.max.bytes'

/**
 * The config of a topic that is described with or without such an index. Throws a `TypeError` for a
 * wrong one.
 */
export function keyIndexConfigs(keyIndex: boolean | undefined): { readonly [name: string]: boolean } {
  if (keyIndex === undefined) return {}
  expectBoolean('keyIndex', keyIndex)
  return { [keyIndexConfig]: keyIndex }
}
