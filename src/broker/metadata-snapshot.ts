import type { StateMachine } from '../common/state-machine.js'
import { KafkaError } from '../errors.js'
import type { Log } from '../log/log.js'
import { readSmallFile } from '../log/small-file.js'
import { controlTypeOf } from '../record/control-record.js'
import { batchesIn } from '../record/record-batch.js'
import type { Storage } from '../storage/storage.js'

const snapshotName = /^(\d{20})-\d{10}\.checkpoint$/

/**
 * Apache Kafka keeps what the records of `__cluster_metadata` before an offset come to in a file beside the log, `<offset>-<epoch>.checkpoint`, made of
 * batches as well, and removes the beginning of the log after a while. Replays the newest of these where the log lacks its beginning. Returns from which
 * offset on the log itself is to be replayed.
 */
export async function replaySnapshot(storage: Storage, log: Log, machine: StateMachine): Promise<number> {
  if (!storage.durable || log.logStartOffset === 0) return log.logStartOffset
  const found: { readonly name: string; readonly offset: number }[] = []
  for (const name of await storage.list(log.folder)) {
    const offset = Number(snapshotName.exec(name)?.[1] ?? -1)
    if (offset >= log.logStartOffset && offset <= log.logEndOffset) found.push({ name: `${log.folder}/${name}`, offset })
  }
  // Where there is none, millrace wrote the log: it has its snapshots in it.
  const newest = found.sort((a, b) => a.offset - b.offset).at(-1)
  if (!newest) return log.logStartOffset
  const bytes = await readSmallFile(storage, newest.name)
  let isWhole = false
  for (const batch of batchesIn(bytes)) {
    batch.verify()
    for (const record of batch.records()) {
      if (batch.isControl) isWhole = controlTypeOf(record.key) === 'SNAPSHOT_FOOTER'
      else machine.replay(record)
    }
  }
  if (!isWhole) throw new KafkaError('CORRUPT_MESSAGE', `The snapshot of metadata \`${newest.name}\` is cut short; nothing was changed`)
  return newest.offset
}
