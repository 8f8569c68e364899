import { release } from '../../src/common/lease.js'
import { Log } from '../../src/log/log.js'
import type { LogOpenOptions } from '../../src/log/log-types.js'
import { transactionMarkerBatch } from '../../src/record/control-record.js'
import type { LogRecord, RecordFields } from '../../src/record/record.js'
import { batchesIn, RecordBatch, type RecordBatchOptions } from '../../src/record/record-batch.js'
import { memoryStorage } from '../../src/storage/memory/memory.js'
import type { Storage } from '../../src/storage/storage.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'

/** Noon of some day; what the virtual clock of these tests shows. */
export const noon = 1_700_000_000_000

/** The bytes of a batch with these values; one record per value. */
export function batch(...values: string[]): Uint8Array {
  return RecordBatch.of(values.map(value => ({ value, timestamp: noon }))).bytes
}

export function batchAt(timestamp: number, ...values: string[]): Uint8Array {
  return RecordBatch.of(values.map(value => ({ value, timestamp }))).bytes
}

export function batchOf(records: readonly RecordFields[], options?: RecordBatchOptions): Uint8Array {
  return RecordBatch.of(records, options).bytes
}

const asCoordinator = { origin: 'coordinator' } as const

/** Appends a record of a transaction that the coordinator knows of. */
export async function writeTransactional(log: Log, producerId: number, value = 'a', key: string | null = null): Promise<void> {
  const options = { producerId, producerEpoch: 0, baseSequence: 0, transactional: true }
  await log.append(batchOf([{ key, value, timestamp: noon }], options), asCoordinator)
}

export async function endTransaction(log: Log, producerId: number, type: 'COMMIT' | 'ABORT' = 'COMMIT'): Promise<void> {
  await log.append(transactionMarkerBatch({ type, producerId, producerEpoch: 0, coordinatorEpoch: 3, timestamp: noon }), asCoordinator)
}

export async function openLog(options: LogOpenOptions & { storage?: Storage } = {}): Promise<Log> {
  const { storage = memoryStorage(), ...rest } = options
  return Log.open(storage, 'orders-0', { clock: new VirtualClock(noon), ...rest })
}

/** All records from `offset` on, read in pieces of `maxBytes`. */
export async function readRecords(log: Log, offset = log.logStartOffset, maxBytes = 1_000_000): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  let next = offset
  while (next < log.logEndOffset) {
    const bytes = await log.read(next, maxBytes)
    if (bytes.length === 0) break
    for (const found of batchesIn(bytes)) {
      found.verify()
      for (const record of found.records()) if (record.offset >= offset) records.push(record)
      next = found.nextOffset
    }
    release(bytes)
  }
  return records
}

/** What `readRecords` finds, as `offset:value`. */
export async function readValues(log: Log, offset?: number, maxBytes?: number): Promise<string[]> {
  const records = await readRecords(log, offset, maxBytes)
  return records.map(({ offset, value }) => `${offset}:${value && new TextDecoder().decode(value)}`)
}

/** The base offsets of the batches in `bytes`. */
export function baseOffsets(bytes: Uint8Array): number[] {
  return [...batchesIn(bytes)].map(({ baseOffset }) => baseOffset)
}

/** The code of the error that a call gives, thrown or rejected. */
export async function codeOf(call: () => unknown): Promise<string | undefined> {
  try {
    await call()
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
  return undefined
}
