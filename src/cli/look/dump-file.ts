import { basename, dirname, resolve } from 'node:path'
import { KafkaError } from '../../errors.js'
import { snapshotEntries } from '../../log/history/producer-snapshot.js'
import { abortedTransactionsIn } from '../../log/history/transaction-index.js'
import { batchSizeAt } from '../../record/batch-header.js'
import { RecordBatch } from '../../record/record-batch.js'
import { RecordCursor } from '../../record/record-cursor.js'
import type { Output } from '../output.js'
import { jsonBytes, jsonRecord, shownBytes, shownRecord, shownTime } from '../shown.js'
import { compressionIn, isUnreadable, problemOfBatch } from '../verify/batch-check.js'
import { leaderEpochCheckpoint, offsetCheckpoint } from './checkpoint-files.js'
import { checkpointsIn, contentOf, partitionIn } from './data-directory.js'
import { offsetIndexEntries, timeIndexEntries } from './index-entries.js'
import { meaningOf } from './internal-records.js'
import { LogFileReader } from './log-file-reader.js'

export interface DumpOptions {
  readonly output: Output
  readonly records: boolean
  readonly json: boolean
  readonly signal: AbortSignal
}

/** Shows what a file holds. Resolves with the number of things in it that are wrong. */
export function dumpFile(path: string, options: DumpOptions): Promise<number> {
  const reader = readerOf(path)
  if (!reader) throw new Error(`${path} is of no known kind`)
  return reader(path, options)
}

/** True for files that can be shown. */
export function isDumpable(path: string): boolean {
  return readerOf(path) !== undefined
}

type Reader = (path: string, options: DumpOptions) => Promise<number>

function readerOf(path: string): Reader | undefined {
  const name = basename(path)
  const baseOffset = Number(/^\d{20}/.exec(name)?.[0])
  if (/^\d{20}\.log$|^\d{20}-\d{10}\.checkpoint$/.test(name)) return dumpBatches
  if (/^\d{20}\.index$/.test(name)) return entriesReader(bytes => offsetIndexEntries(bytes, baseOffset))
  if (/^\d{20}\.timeindex$/.test(name)) return entriesReader(bytes => timeIndexEntries(bytes, baseOffset))
  if (/^\d{20}\.txnindex$/.test(name)) return entriesReader(abortedTransactionsIn)
  if (/^\d{20}\.snapshot$/.test(name)) return entriesReader(snapshotEntries)
  if (name === 'leader-epoch-checkpoint') return entriesReader(leaderEpochCheckpoint)
  if (name.endsWith('-offset-checkpoint')) return dumpOffsets
  return undefined
}

function entriesReader(entriesIn: (bytes: Buffer) => Iterable<object>): Reader {
  return async (path, { output, json, signal }) => {
    const bytes = contentOf(path) ?? Buffer.alloc(0)
    try {
      for (const entry of entriesIn(bytes)) {
        signal.throwIfAborted()
        const line = json ? output.json(entry) : output.line(fieldsOf(entry))
        if (line) await line
      }
      return 0
    } catch (error) {
      if (signal.aborted) throw error
      await wrong(output, json, (error as Error).message)
      return 1
    }
  }
}

async function dumpOffsets(path: string, { output, json }: DumpOptions): Promise<number> {
  const { entries, faults } = offsetCheckpoint(contentOf(path) ?? Buffer.alloc(0))
  for (const entry of entries) await (json ? output.json(entry) : output.line(fieldsOf(entry)))
  for (const { line, reason } of faults) await wrong(output, json, `line ${line}: ${reason}`)
  return faults.length
}

async function dumpBatches(path: string, { output, records, json, signal }: DumpOptions): Promise<number> {
  const folder = dirname(resolve(path))
  const topic = partitionIn(basename(folder))?.topic ?? ''
  const startOffset = topic ? (checkpointsIn(dirname(folder), 'log-start-offset-checkpoint').get(basename(folder)) ?? 0) : 0
  const cursor = new RecordCursor()
  let problems = 0
  await using reader = await LogFileReader.open(path, 0, signal)
  try {
    for (;;) {
      const start = reader.position
      const block = await reader.next()
      if (block.length === 0) break
      for (let at = 0; at < block.length; at += batchSizeAt(block, at)) {
        signal.throwIfAborted()
        const batch = new RecordBatch(block, at)
        const problem = problemOfBatch(batch, cursor)
        if (problem && !isUnreadable(problem)) problems++
        const shown = { ...describe(batch, start + at, problem), ...(batch.lastOffset < startOffset && { isDeleted: true }) }
        const line = json ? output.json(shown) : output.line(batchLine(shown))
        if (line) await line
        if (records && !problem) await dumpRecords(batch, topic, startOffset, { output, json, signal })
      }
    }
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error
    await wrong(output, json, `position ${reader.position}: ${error.message}`)
    return problems + 1
  }
  const rest = await reader.remaining()
  if (rest === 0) return problems
  if (await reader.onlyZerosRemain()) {
    // A writer makes room ahead of its end.
    const message = `the last ${rest} bytes are zeros: room for what comes`
    await (json ? output.json({ type: 'note', message }) : output.line(`NOTE: position ${reader.position}: ${message}`))
    return problems
  }
  await wrong(output, json, `position ${reader.position}: the last ${rest} bytes are not a whole batch`)
  return problems + 1
}

/** Records before `startOffset` were deleted, and are only still in the files. */
async function dumpRecords(
  batch: RecordBatch,
  topic: string,
  startOffset: number,
  { output, json, signal }: Omit<DumpOptions, 'records'>
): Promise<void> {
  for (const record of batch.records()) {
    signal.throwIfAborted()
    if (record.offset < startOffset) continue
    const meaning = meaningOf(topic, record, batch.isControl)
    const line = json
      ? output.json({ type: 'record', ...jsonRecord(record), ...(meaning && { meaning: withTextOf(meaning) }) })
      : output.line(`    ${meaning ? `${record.offset}  ${shownTime(record.timestamp)}  ${meaningLine(meaning)}` : shownRecord(record)}`)
    if (line) await line
  }
}

function describe(batch: RecordBatch, position: number, problem: KafkaError | undefined) {
  return {
    type: 'batch',
    position,
    sizeInBytes: batch.sizeInBytes,
    baseOffset: batch.baseOffset,
    lastOffset: batch.lastOffset,
    recordCount: batch.recordCount,
    leaderEpoch: batch.leaderEpoch,
    crc: batch.crc,
    isValid: problem === undefined || isUnreadable(problem),
    ...(problem && { problem: problem.message }),
    compression: compressionIn(batch) ?? 'unknown',
    timestampType: batch.timestampType,
    baseTimestamp: batch.baseTimestamp,
    maxTimestamp: batch.maxTimestamp,
    ...(batch.deleteHorizon !== undefined && { deleteHorizon: batch.deleteHorizon }),
    producerId: batch.producerId,
    producerEpoch: batch.producerEpoch,
    baseSequence: batch.baseSequence,
    lastSequence: batch.lastSequence,
    isTransactional: batch.isTransactional,
    isControl: batch.isControl
  }
}

function batchLine(batch: ReturnType<typeof describe> & { readonly isDeleted?: boolean }): string {
  const parts = [
    `offsets ${batch.baseOffset}-${batch.lastOffset}`,
    `position ${batch.position}`,
    `${batch.sizeInBytes} bytes`,
    `${batch.recordCount} records`,
    batch.compression,
    `${batch.timestampType} ${shownTime(batch.maxTimestamp)}`,
    `leader epoch ${batch.leaderEpoch}`,
    batch.producerId >= 0 && `producer ${batch.producerId}/${batch.producerEpoch} sequence ${batch.baseSequence}-${batch.lastSequence}`,
    batch.isTransactional && 'transactional',
    batch.isControl && 'control',
    batch.isDeleted && 'deleted',
    batch.deleteHorizon !== undefined && `delete horizon ${shownTime(batch.deleteHorizon)}`,
    `crc ${batch.crc}`,
    batch.problem !== undefined && `${batch.isValid ? 'NOTE' : 'WRONG'}: ${batch.problem}`
  ]
  return parts.filter(Boolean).join('  ')
}

function wrong(output: Output, json: boolean, message: string): Promise<void> | undefined {
  return json ? output.json({ type: 'problem', message }) : output.line(`WRONG: ${message}`)
}

function fieldsOf(entry: object): string {
  return Object.entries(entry)
    .map(([name, value]) => `${name} ${value}`)
    .join('  ')
}

function meaningLine(meaning: object): string {
  return JSON.stringify(meaning, (_, value) => (value instanceof Uint8Array ? shownBytes(value, 64) : value))
}

function withTextOf(meaning: object): object {
  return JSON.parse(JSON.stringify(meaning, (_, value) => (value instanceof Uint8Array ? jsonBytes(value) : value)))
}
