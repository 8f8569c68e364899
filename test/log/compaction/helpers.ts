import { release } from '../../../src/common/lease.js'
import { Log } from '../../../src/log/log.js'
import type { LogOpenOptions } from '../../../src/log/log-types.js'
import type { LogRecord } from '../../../src/record/record.js'
import { batchesIn, RecordBatch, type RecordBatchOptions } from '../../../src/record/record-batch.js'
import { memoryStorage } from '../../../src/storage/memory/memory.js'
import type { Storage } from '../../../src/storage/storage.js'
import { VirtualClock } from '../../../src/testing/virtual-clock.js'
import { noon } from '../helpers.js'

export const hour = 3_600_000

/** A compacted log whose segments hold one batch each, unless told otherwise, on a clock of its own. */
export async function openCompacted(options: LogOpenOptions & { storage?: Storage; clock?: VirtualClock } = {}) {
  const { storage = memoryStorage(), clock = new VirtualClock(noon), ...rest } = options
  const log = await Log.open(storage, 'orders-0', {
    cleanupPolicy: 'compact',
    segmentBytes: 100,
    minCleanableDirtyRatio: 0,
    messageTimestampAfterMaxMs: -1,
    clock,
    ...rest
  })
  return { log, clock, storage }
}

/** Appends batches given as texts: `a=1 b=2` is a batch of two records, `a=` deletes `a`, `a` has an empty value. */
export async function write(log: Log, ...batches: string[]): Promise<void> {
  for (const text of batches) await log.append(batchOf(text))
}

export function batchOf(text: string, options?: RecordBatchOptions, timestamp = noon): Uint8Array {
  const records = text.split(' ').map(record => {
    const [key, value] = record.split('=')
    return { key, value: value === '' ? null : (value ?? ''), timestamp }
  })
  return RecordBatch.of(records, options).bytes
}

/** The records of the log as `offset:key=value`. */
export async function contents(log: Log, from = log.logStartOffset): Promise<string[]> {
  return (await recordsOf(log, from)).map(({ offset, key, value }) => `${offset}:${textOf(key)}=${value === null ? '' : textOf(value)}`)
}

export async function recordsOf(log: Log, from = log.logStartOffset): Promise<LogRecord[]> {
  return (await batchesOf(log, from)).flatMap(batch => (batch.isControl ? [] : [...batch.records()])).filter(({ offset }) => offset >= from)
}

/** Copies of the batches of the log. */
export async function batchesOf(log: Log, from = log.logStartOffset): Promise<RecordBatch[]> {
  const batches: RecordBatch[] = []
  for (let next = from; next < log.logEndOffset; ) {
    const bytes = await log.read(next, 1_000_000)
    if (bytes.length === 0) throw new Error(`Nothing can be read at ${next}, the log ends at ${log.logEndOffset}`)
    for (const batch of batchesIn(bytes)) {
      batch.verify()
      batches.push(new RecordBatch(batch.bytes.slice()))
      next = batch.nextOffset
    }
    release(bytes)
  }
  return batches
}

function textOf(bytes: Uint8Array | null): string {
  return bytes === null ? 'null' : new TextDecoder().decode(bytes)
}
