import { readText, textBytes } from '../../common/bytes.js'
import { KafkaError } from '../../errors.js'
import type { LineFault } from '../segment/damage.js'
import type { LeaderEpoch } from './leader-epochs.js'

/*
 * Kafka's checkpoint files: text, one entry per line, its fields parted by spaces.
 *     file := "0\n", count "\n", entry*          entry := field (" " field)* "\n"
 * The fields of `leader-epoch-checkpoint` are epoch and start offset; those of the checkpoints of
 * offsets at the top of a directory are topic, partition and offset.
 */

/** Offsets by the folder of a partition: `orders-0`. */
export type PartitionOffsets = ReadonlyMap<string, number>

export function encodeOffsets(offsets: PartitionOffsets): Uint8Array {
  return encode([...offsets].map(([folder, offset]) => [folder.slice(0, dashIn(folder)), folder.slice(dashIn(folder) + 1), offset]))
}

/** The entries of a checkpoint, and the lines that could not be read, which are left out. */
export interface ReadCheckpoint<T> {
  readonly entries: readonly T[]
  readonly faults: readonly LineFault[]
}

export interface CheckpointEntry {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/**
 * Reads a checkpoint of offsets line by line, so that one that is damaged takes no other with it.
 * Of a partition that comes twice the lower offset counts.
 */
export function readOffsets(bytes: Uint8Array): ReadCheckpoint<CheckpointEntry> {
  const { rows, faults } = linesOf(bytes, ['topic', 'partition', 'offset'])
  const byFolder = new Map<string, CheckpointEntry>()
  for (const { line, fields } of rows) {
    const entry = { topic: fields[0], partition: Number(fields[1]), offset: Number(fields[2]) }
    const folder = `${entry.topic}-${entry.partition}`
    const other = byFolder.get(folder)
    if (other) faults.push({ line, reason: `${folder} is in it a second time` })
    if (!other || other.offset > entry.offset) byFolder.set(folder, entry)
  }
  return { entries: [...byFolder.values()], faults }
}

/** The offsets by the folder of their partition. */
export function offsetsByFolder(entries: Iterable<CheckpointEntry>): Map<string, number> {
  return new Map(Array.from(entries, ({ topic, partition, offset }) => [`${topic}-${partition}`, offset]))
}

export function encodeLeaderEpochs(entries: readonly LeaderEpoch[]): Uint8Array {
  return encode(entries.map(({ epoch, startOffset }) => [epoch, startOffset]))
}

/**
 * Throws CORRUPT_MESSAGE, with the reason and the line, for bytes that are no checkpoint, or whose
 * entries do not ascend: they say less than the log, from which they can be made anew.
 */
export function decodeLeaderEpochs(bytes: Uint8Array): LeaderEpoch[] {
  const { rows, faults } = linesOf(bytes, ['epoch', 'offset'])
  if (faults.length > 0) throw damaged(faults[0])
  const entries: LeaderEpoch[] = []
  for (const { line, fields } of rows) {
    const [epoch, startOffset] = fields.map(Number)
    const before = entries.at(-1)
    if (before && (epoch <= before.epoch || startOffset <= before.startOffset)) {
      const reason = `epoch ${epoch} at offset ${startOffset} cannot follow epoch ${before.epoch} at offset ${before.startOffset}`
      throw damaged({ line, reason })
    }
    entries.push({ epoch, startOffset })
  }
  return entries
}

/** A topic may have dashes in its name; the partition stands after the last one. */
function dashIn(folder: string): number {
  return folder.lastIndexOf('-')
}

/** Entries that could not be read again are never written. */
function encode(rows: readonly (readonly (string | number)[])[]): Uint8Array {
  const lines = rows.map(fields => fields.join(' '))
  for (const [i, fields] of rows.entries()) {
    const isReadable = fields.every(field => (typeof field === 'number' ? isNatural(String(field)) : /^[^\s]+$/.test(field)))
    if (!isReadable) throw new Error(`A checkpoint cannot hold the line '${lines[i]}'`)
  }
  return textBytes(['0', String(lines.length), ...lines, ''].join('\n'))
}

interface Row {
  readonly line: number
  readonly fields: readonly string[]
}

/** The lines that have the fields they should: a name where `topic` is due, else numbers. */
function linesOf(bytes: Uint8Array, names: readonly string[]): { readonly rows: Row[]; readonly faults: LineFault[] } {
  const rows: Row[] = []
  const faults: LineFault[] = []
  const [version, count, ...lines] = readText(bytes, 0, bytes.length).split('\n')
  if (lines.at(-1) === '') lines.pop()
  if (version !== '0') faults.push({ line: 1, reason: `its version is '${version}', not 0` })
  if (count === undefined || !isNatural(count)) faults.push({ line: 2, reason: `'${count ?? ''}' stands where a number should` })
  else if (Number(count) !== lines.length) faults.push({ line: 2, reason: `it says it has ${count} entries and has ${lines.length}` })
  for (const [i, text] of lines.entries()) {
    const fields = text.split(' ')
    const wrong = fields.find((field, k) => (names[k] === 'topic' ? field === '' : !isNatural(field)))
    const line = i + 3
    if (fields.length !== names.length) faults.push({ line, reason: `'${text}' is no entry` })
    else if (wrong !== undefined) faults.push({ line, reason: `'${wrong}' stands where the ${names[fields.indexOf(wrong)]} should` })
    else rows.push({ line, fields })
  }
  return { rows, faults }
}

function isNatural(text: string): boolean {
  return /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))
}

function damaged({ line, reason }: LineFault): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', reason, { line })
}
