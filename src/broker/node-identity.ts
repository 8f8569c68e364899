import { readText, textBytes } from '../common/bytes.js'
import type { Random } from '../common/random.js'
import { randomUuid } from '../common/uuid.js'
import { KafkaError } from '../errors.js'
import { readSmallFile, replaceSmallFile } from '../log/small-file.js'
import type { Storage } from '../storage/storage.js'

const fileName = 'meta.properties'
const version = '1'

/** Whose data a storage holds. */
export interface NodeIdentity {
  /** 22 characters, chosen by chance when the storage was first used. */
  readonly clusterId: string
  readonly nodeId: number
}

/**
 * Reads `meta.properties`, the file that Kafka too keeps at the top of its data, or writes it on the first use of a storage. Raises STORAGE_FAILED
 * when the storage belongs to another node, or was written by a version that this one does not know.
 */
export async function nodeIdentity(storage: Storage, nodeId: number, random: Random): Promise<NodeIdentity> {
  const names = await storage.list('')
  if (!names.includes(fileName)) return newIdentity(storage, nodeId, random)
  const bytes = await readSmallFile(storage, fileName)
  const properties = propertiesIn(readText(bytes, 0, bytes.length))
  const found = properties.get('version')
  if (found !== version) throw refused(found === undefined ? 'it has no `version`' : `its version is ${found}, only ${version} is known`)
  const clusterId = properties.get('cluster.id')
  if (!clusterId) throw refused('it names no `cluster.id`')
  if (properties.get('node.id') !== String(nodeId)) {
    throw refused(`the storage belongs to node ${properties.get('node.id')}, not to node ${nodeId}`)
  }
  return { clusterId, nodeId }
}

async function newIdentity(storage: Storage, nodeId: number, random: Random): Promise<NodeIdentity> {
  if (storage.readOnly) throw new KafkaError('STORAGE_FAILED', `There is no \`${fileName}\`: the storage holds no cluster`)
  const clusterId = randomUuid(random)
  const text = `version=${version}\ncluster.id=${clusterId}\nnode.id=${nodeId}\ndirectory.id=${randomUuid(random)}\n`
  await replaceSmallFile(storage, fileName, textBytes(text))
  return { clusterId, nodeId }
}

function refused(reason: string): KafkaError {
  return new KafkaError('STORAGE_FAILED', `\`${fileName}\` does not fit: ${reason}`)
}

function propertiesIn(text: string): Map<string, string> {
  const lines = text.split(/\r?\n/).filter(line => line.includes('=') && !line.startsWith('#'))
  return new Map(lines.map(line => [line.slice(0, line.indexOf('=')).trim(), line.slice(line.indexOf('=') + 1).trim()]))
}
