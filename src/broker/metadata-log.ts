import type { Clock } from '../common/clock.js'
import { Log } from '../log/log.js'
import { clusterMetadataTopic } from '../metadata/topic-name.js'
import type { Storage } from '../storage/storage.js'

/** Large enough for the records of any one decision, which go into one batch so that they hold together. */
const segmentBytes = 4 * 1024 * 1024

/** `__cluster_metadata-0`: the log that keeps topics and configs. Its host bounds it by snapshots, so it knows no retention of its own. */
export function metadataLog(storage: Storage, clock: Clock): Promise<Log> {
  return Log.open(storage, `${clusterMetadataTopic}-0`, {
    clock,
    segmentBytes,
    maxMessageBytes: segmentBytes,
    segmentMs: Number.MAX_SAFE_INTEGER,
    retentionBytes: -1,
    retentionMs: -1
  })
}
