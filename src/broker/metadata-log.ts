import type { Clock } from '../common/clock.js'
import type { KafkaError } from '../errors.js'
import type { Log } from '../log/log.js'
import { clusterMetadataTopic } from '../metadata/topic-name.js'
import type { LogDirectory } from './log-directory.js'

/**
 * Large enough for the records of any one decision, which go into one batch so that they hold
 * together.
 */
const segmentBytes = 4 * 1024 * 1024

/**
 * `__cluster_metadata-0`: the log that keeps topics and configs. Its host bounds it by snapshots,
 * so it knows no retention of its own.
 */
export async function metadataLog(
  directory: LogDirectory,
  clock: Clock,
  onFailure: (failure: KafkaError) => void,
  onDamage: (damage: KafkaError) => void
): Promise<Log> {
  const log = await directory.openLog(`${clusterMetadataTopic}-0`, undefined, {
    clock,
    segmentBytes,
    maxMessageBytes: segmentBytes,
    segmentMs: Number.MAX_SAFE_INTEGER,
    retentionBytes: -1,
    retentionMs: -1,
    onFailure,
    onDamage
  })
  if (log.isStopped) throw log.failure?.cause
  return log
}
