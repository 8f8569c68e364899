import { readText, textBytes } from '../common/bytes.js'
import { release } from '../common/lease.js'
import type { Random } from '../common/random.js'
import { randomUuid } from '../common/uuid.js'
import { KafkaError } from '../errors.js'
import type { Storage } from '../storage/storage.js'

const fileName = 'meta.properties'

/** Whose data a storage holds. */
export interface NodeIdentity {
  /** 22 characters, chosen by chance when the storage was first used. */
  readonly clusterId: string
  readonly nodeId: number
}

/**
 * Reads `meta.properties`, the file that Kafka too keeps at the top of its data, or writes it on the first use of a storage. Raises
 * INCONSISTENT_CLUSTER_ID when the storage belongs to another node.
 */
export async function nodeIdentity(storage: Storage, nodeId: number, random: Random): Promise<NodeIdentity> {
  const file = await storage.open(fileName)
  try {
    if (file.length === 0) {
      const clusterId = randomUuid(random)
      await file.append(textBytes(`version=1\ncluster.id=${clusterId}\nnode.id=${nodeId}\ndirectory.id=${randomUuid(random)}\n`))
      await file.sync()
      return { clusterId, nodeId }
    }
    const bytes = await file.read(0, file.length)
    const properties = propertiesIn(readText(bytes, 0, bytes.length))
    release(bytes)
    const clusterId = properties.get('cluster.id')
    if (!clusterId) throw new KafkaError('INCONSISTENT_CLUSTER_ID', `${fileName} names no cluster.id`)
    if (properties.get('node.id') !== String(nodeId))
      throw new KafkaError('INCONSISTENT_CLUSTER_ID', `The storage belongs to node ${properties.get('node.id')}, not to node ${nodeId}`)
    return { clusterId, nodeId }
  } finally {
    await file.close()
  }
}

function propertiesIn(text: string): Map<string, string> {
  const lines = text.split('\n').filter(line => line.includes('=') && !line.startsWith('#'))
  return new Map(lines.map(line => [line.slice(0, line.indexOf('=')).trim(), line.slice(line.indexOf('=') + 1).trim()]))
}
