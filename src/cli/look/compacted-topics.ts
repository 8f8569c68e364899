import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { clusterMetadataTopic } from '../../metadata/topic-name.js'
import { batchesIn, type RecordBatch } from '../../record/record-batch.js'
import { batchesOf } from './batches-of.js'
import { contentOf } from './data-directory.js'
import { meaningOf } from './internal-records.js'

/**
 * The topics of a data directory whose `cleanup.policy` is, or once was, to compact them, as its
 * metadata says.
 */
export async function compactedTopics(directory: string, signal?: AbortSignal): Promise<ReadonlySet<string>> {
  const topics = new Set<string>()
  const folder = join(directory, `${clusterMetadataTopic}-0`)
  if (!existsSync(folder)) return topics
  try {
    for (const name of readdirSync(folder).filter(name => name.endsWith('.checkpoint')))
      for (const batch of batchesIn(contentOf(join(folder, name)) ?? new Uint8Array(0))) noteCompacted(batch, topics)
    for await (const batch of batchesOf(folder, 0, signal)) noteCompacted(batch, topics)
  } catch {
    // Its own damage is told where it is read by itself.
    signal?.throwIfAborted()
  }
  return topics
}

function noteCompacted(batch: RecordBatch, topics: Set<string>): void {
  if (batch.isControl) return
  for (const record of batch.records()) {
    const { name, resourceName, value } = (meaningOf(clusterMetadataTopic, record, false) ?? {}) as Partial<Record<string, unknown>>
    if (name === 'cleanup.policy' && String(value).includes('compact')) topics.add(String(resourceName))
  }
}
