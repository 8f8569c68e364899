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

/** Throws CORRUPT_MESSAGE for bytes that are no checkpoint. */
export function decodeOffsets(bytes: Uint8Array): Map<string, number> {
  return new Map(decode(bytes, 3).map(([topic, partition, offset]) => [`${topic}-${naturalNumber(partition)}`, naturalNumber(offset)]))
}

export function encodeLeaderEpochs(entries: readonly LeaderEpoch[]): Uint8Array {
  return encode(entries.map(({ epoch, startOffset }) => `${epoch} ${startOffset}`))
}

/** Throws CORRUPT_MESSAGE for bytes that are no checkpoint, or whose entries do not ascend. */
export function decodeLeaderEpochs(bytes: Uint8Array): LeaderEpoch[] {
  const entries = decode(bytes, 2).map(([epoch, startOffset]) => ({ epoch: naturalNumber(epoch), startOffset: naturalNumber(startOffset) }))
  for (let i = 1; i < entries.length; i++) {
    if (entries[i].epoch <= entries[i - 1].epoch || entries[i].startOffset <= entries[i - 1].startOffset) throw damaged()
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

function decode(bytes: Uint8Array, fieldCount: number): string[][] {
  const [version, count, ...lines] = readText(bytes, 0, bytes.length).split('\n')
  if (lines.at(-1) === '') lines.pop()
  if (version !== '0' || naturalNumber(count ?? '') !== lines.length) throw damaged()
  return lines.map(line => {
    const fields = line.split(' ')
    if (fields.length !== fieldCount) throw damaged()
    return fields
  })
}

function naturalNumber(text: string): number {
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(Number(text))) throw damaged()
  return Number(text)
}

function damaged(): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', 'The checkpoint cannot be read')
}
