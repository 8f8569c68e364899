import { readText, textBytes } from '../common/bytes.js'
import { readSmallFile, replaceSmallFile } from '../log/segment/small-file.js'
import { type ClusterMetadata, resourceType } from '../metadata/cluster-metadata.js'
import type { MetadataRecord } from '../metadata/records.js'
import { isOwnConfig } from '../record/backlog-quota.js'
import type { Storage } from '../storage/storage.js'

/*
 * The topic configs that Kafka does not have, by topic id, in a file of their own beside Kafka's:
 * in the records of `__cluster_metadata` they would keep Kafka, once it runs on the directory, from
 * changing any other config of the topic.
 *     file := { "version": 1, "topics": { topicId: { name: value } } }
 */
const file = 'millrace-topic-configs.json'

interface Content {
  readonly version: number
  readonly topics: { readonly [topicId: string]: { readonly [name: string]: string } }
}

/** True if a record says something that Kafka does not know. */
export function isOwnRecord(record: MetadataRecord): boolean {
  return record.type === 'config' && isOwnConfig(record.name)
}

/** Brings back what was kept of topics that still exist. Throws what is wrong with the file. */
export async function replayOwnConfigs(storage: Storage, metadata: ClusterMetadata): Promise<void> {
  if (!storage.durable || !(await storage.list('')).includes(file)) return
  const bytes = await readSmallFile(storage, file)
  const { topics } = JSON.parse(readText(bytes, 0, bytes.length)) as Content
  for (const [id, configs] of Object.entries(topics)) {
    const topic = metadata.topicById(id)
    if (!topic) continue
    for (const [name, value] of Object.entries(configs)) {
      if (isOwnConfig(name)) metadata.replay({ type: 'config', resourceType: resourceType.topic, resourceName: topic.name, name, value })
    }
  }
}

/** Writes down what topics have now. */
export async function saveOwnConfigs(storage: Storage, metadata: ClusterMetadata): Promise<void> {
  if (!storage.durable) return
  const topics: { [topicId: string]: { [name: string]: string } } = {}
  for (const { id, configs } of metadata.topics.values()) {
    const own = [...configs].filter(([name]) => isOwnConfig(name))
    if (own.length > 0) topics[id] = Object.fromEntries(own)
  }
  await replaceSmallFile(storage, file, textBytes(JSON.stringify({ version: 1, topics } satisfies Content)))
}
