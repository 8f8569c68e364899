import { ConflictError, KafkaError } from '../../errors.js'
import type { LogState } from '../log-state.js'
import type { AppendCondition } from '../log-types.js'

/**
 * The reason why a batch of `producerId` may not be appended now, if its condition does not hold.
 * Counts what is being written as written. Raises `ReservedError` where that is not decided:
 * another transaction is under way there.
 */
export function conflictWith(log: LogState, { endOffset, keys = [] }: AppendCondition, producerId: number): KafkaError | undefined {
  const { nextOffset } = log
  const index = log.history.keys
  if (keys.length > 0 && !index)
    throw new KafkaError(
      'INVALID_CONFIG',
      `\`${log.folder}\` keeps no index of its keys (\`millrace.key.index\`), which conditions on keys need`
    )
  const { reservations } = log.history
  if (!reservations.isEmpty) {
    if (endOffset !== undefined) reservations.expectFreeEnd(producerId)
    reservations.expectFreeKeys(keys, producerId)
  }
  const found = index && keys.length > 0 ? index.conflictsWith(keys, producerId) : []
  const endsElsewhere = endOffset !== undefined && endOffset !== nextOffset
  if (!endsElsewhere && found.length === 0) return undefined
  const conflicts = found.map(({ index, lastOffset }) => ({ key: keys[index].key, lastOffset }))
  const [first] = found
  const message = first
    ? `Expected the last offset of the key to be ${keys[first.index].lastOffset}, it is ${first.lastOffset}`
    : `Expected the partition to end at ${endOffset}, it ends at ${nextOffset}`
  return new ConflictError(`${message}; nothing was written`, { endOffset: nextOffset, keys: conflicts })
}
