import type { MaybePromise } from '../../common/deferred.js'
import { KafkaError } from '../../errors.js'
import type { LogState } from '../log-state.js'
import { cutUnwritten } from '../recovery/log-truncation.js'

/** The last offsets of keys, of what is written: while nothing else changes the log. */
export function lastOffsetsOf(log: LogState, keys: readonly Uint8Array[]): MaybePromise<(number | 'none')[]> {
  const { writes, failures, history } = log
  const index = history.keys
  if (!index) throw new KafkaError('INVALID_CONFIG', `\`${log.folder}\` keeps no index of its keys (\`millrace.key.index\`)`)
  // A write under way may fail.
  if (!writes.areOver) return writes.settled().then(() => lastOffsetsOf(log, keys))
  if (failures.lackOfRoom && !failures.final) return cutUnwritten(log).then(() => lastOffsetsOf(log, keys))
  return keys.map(key => index.lastOffset(key))
}
