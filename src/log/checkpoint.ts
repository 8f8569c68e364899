import { readText, textBytes } from '../common/bytes.js'
import { KafkaError } from '../errors.js'
import type { LeaderEpoch } from './leader-epochs.js'

/*
 * Kafka's checkpoint files: text, one entry per line, its fields parted by spaces.
 *     file := "0\n", count "\n", entry*          entry := field (" " field)* "\n"
 * The fields of `leader-epoch-checkpoint` are epoch and start offset; those of the checkpoints of offsets at the top of a directory are topic,
 * partition and offset.
 */

/** Offsets by the folder of a partition: `orders-0`. */
export type PartitionOffsets = ReadonlyMap<string, number>

export function encodeOffsets(offsets: PartitionOffsets): Uint8Array {
  return encode([...offsets].map(([folder, offset]) => `${folder.slice(0, dashIn(folder))} ${folder.slice(dashIn(folder) + 1)} ${offset}`))
}

/** Throws CORRUPT_MESSAGE, with the reason, for bytes that are no checkpoint. */
export function decodeOffsets(bytes: Uint8Array): Map<string, number> {
  return new Map(offsetsIn(bytes).map(({ topic, partition, offset }) => [`${topic}-${partition}`, offset]))
}

export interface PartitionOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** The entries one by one, as `decodeOffsets` takes them. */
export function offsetsIn(bytes: Uint8Array): PartitionOffset[] {
  return decode(bytes, 3, ([topic, partition, offset]) => ({ topic, partition: naturalNumber(partition), offset: naturalNumber(offset) }))
}

export function encodeLeaderEpochs(entries: readonly LeaderEpoch[]): Uint8Array {
  return encode(entries.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`))
}

/** Throws CORRUPT_MESSAGE, with the reason, for bytes that are no checkpoint, or whose entries do not ascend. */
export function decodeLeaderEpochs(bytes: Uint8Array): LeaderEpoch[] {
  const entries = decode(bytes, 2, ([epoch, startOffset]) => ({ epoch: naturalNumber(epoch), startOffset: naturalNumber(startOffset) }))
  for (const [i, { epoch, startOffset }] of entries.entries()) {
    const before = entries[i - 1]
    if (before && (epoch <= before.epoch || startOffset <= before.startOffset))
      throw damaged(`epoch ${epoch} at offset ${startOffset} cannot follow epoch ${before.epoch} at offset ${before.startOffset}`)
  }
  return entries
}

/** A topic may have dashes in its name; the partition stands after the last one. */
function dashIn(folder: string): number {
  return folder.lastIndexOf('-')
}

function encode(lines: readonly string[]): Uint8Array {
  return textBytes(['0', String(lines.length), ...lines, ''].join('\n'))
}

function decode<T>(bytes: Uint8Array, fieldCount: number, entryOf: (fields: string[]) => T): T[] {
  const [version, count = '', ...lines] = readText(bytes, 0, bytes.length).split('\n')
  if (version !== '0') throw damaged(`its version is '${version}', not 0`)
  if (lines.at(-1) === '') lines.pop()
  if (naturalNumber(count) !== lines.length) throw damaged(`it says it has ${count} entries and has ${lines.length}`)
  return lines.map(line => {
    const fields = line.split(' ')
    if (fields.length !== fieldCount) throw damaged(`'${line}' is no entry`)
    return entryOf(fields)
  })
}

function naturalNumber(text: string): number {
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(Number(text))) throw damaged(`'${text}' stands where a number should`)
  return Number(text)
}

function damaged(reason: string): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', reason)
}
