import type { Partition } from '../../src/broker/partition.js'
import { readText } from '../../src/common/bytes.js'
import { controlTypeOf } from '../../src/record/control-record.js'
import { batchesIn } from '../../src/record/record-batch.js'

export interface CommittedRecord {
  readonly key: string
  readonly value: string
  readonly offset: number
}

/** The records that a reader of what is committed finds in a partition. */
export async function committedRecords({ log, lastStableOffset }: Partition): Promise<CommittedRecord[]> {
  const found: CommittedRecord[] = []
  const bytes = lastStableOffset > 0 ? await log.read(0, 10_000_000, { upTo: lastStableOffset }) : new Uint8Array(0)
  const aborted = [...(await log.abortedTransactions(0, bytes))]
  const active = new Set<number>()
  for (const batch of batchesIn(bytes)) {
    while (aborted.length > 0 && aborted[0].firstOffset <= batch.lastOffset) active.add(aborted.shift()!.producerId)
    for (const { key, value, offset } of batch.records()) {
      if (batch.isControl && controlTypeOf(key) === 'ABORT') active.delete(batch.producerId)
      if (!batch.isControl && !active.has(batch.producerId)) found.push({ key: textOf(key), value: textOf(value), offset })
    }
  }
  return found
}

function textOf(bytes: Uint8Array | null): string {
  return bytes ? readText(bytes, 0, bytes.length) : ''
}
