import { readText, textBytes } from '../common/bytes.js'
import type { LineFault } from '../log/segment/damage.js'

/*
 * The file `partition.metadata` in the folder of a partition: whose it is, as a topic that is
 * created again has the same name and another id.
 *     version: 0
 *     topic_id: 4L6g3nShT-eMCtK--X86sw
 */

export function partitionMetadata(topicId: string): Uint8Array {
  return textBytes(`version: 0\ntopic_id: ${topicId}`)
}

/**
 * The topic id in it, undefined where there is none, and the lines that are not as they should be.
 */
export function readPartitionMetadata(bytes: Uint8Array): { readonly topicId: string | undefined; readonly faults: readonly LineFault[] } {
  const [version, id = '', ...rest] = readText(bytes, 0, bytes.length).replace(/\s+$/, '').split('\n')
  const topicId = /^topic_id: ([A-Za-z0-9_-]{22})$/.exec(id)?.[1]
  const faults: LineFault[] = []
  if (version !== 'version: 0') faults.push({ line: 1, reason: `expected 'version: 0', got '${version}'` })
  if (topicId === undefined) faults.push({ line: 2, reason: `expected a topic id, got '${id}'` })
  if (rest.length > 0) faults.push({ line: 3, reason: `'${rest[0]}' has no place in it` })
  return { topicId, faults }
}

/**
 * True if a text is another one with a character or two damaged: ids are chosen by chance, so that
 * no two of them come that close.
 */
export function isDamagedCopy(found: string, expected: string): boolean {
  let different = 0
  for (let i = 0; i < expected.length; i++) if (found[i] !== expected[i]) different++
  return different === 1 || different === 2
}
