import { readText, textBytes } from '../common/bytes.js'

/*
 * The file `partition.metadata` in the folder of a partition: whose it is, as a topic that is created again has the same name and another id.
 *     version: 0
 *     topic_id: 4L6g3nShT-eMCtK--X86sw
 */

export function partitionMetadata(topicId: string): Uint8Array {
  return textBytes(`version: 0\ntopic_id: ${topicId}`)
}

/** Undefined for a file that cannot be read. */
export function topicIdIn(bytes: Uint8Array): string | undefined {
  return /^version: 0\ntopic_id: ([A-Za-z0-9_-]{22})\s*$/.exec(readText(bytes, 0, bytes.length))?.[1]
}
