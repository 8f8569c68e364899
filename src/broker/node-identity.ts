import { readText, textBytes } from '../common/bytes.js'
import type { Random } from '../common/random.js'
import { randomUuid } from '../common/uuid.js'
import { KafkaError } from '../errors.js'
import { damagedLines, type LineFault } from '../log/segment/damage.js'
import { readSmallFile, replaceSmallFile } from '../log/segment/small-file.js'
import type { Storage } from '../storage/storage.js'
import { isDamagedCopy } from './partition-metadata.js'

const fileName = 'meta.properties'
const version = '1'

/** Whose data a storage holds. */
export interface NodeIdentity {
  /** 22 characters, chosen by chance when the storage was first used. */
  readonly clusterId: string
  readonly nodeId: number
  /** Of the directory itself; undefined where an older Kafka has written `meta.properties`. */
  readonly directoryId: string | undefined
}

/**
 * Reads `meta.properties`, the file that Kafka too keeps at the top of its data, or writes it on
 * the first use of a storage. Raises STORAGE_FAILED when the storage belongs to another node, or
 * was written by a version that this one does not know. `onDamage` is told of lines that are
 * damaged but not in the way.
 */
export async function nodeIdentity(
  storage: Storage,
  nodeId: number,
  random: Random,
  onDamage: (damage: KafkaError) => void
): Promise<NodeIdentity> {
  const names = await storage.list('')
  if (!names.includes(fileName)) return newIdentity(storage, nodeId, random)
  const bytes = await readSmallFile(storage, fileName)
  const { properties, faults } = propertiesIn(readText(bytes, 0, bytes.length))
  const refused = (reason: string, name: string) => refusal(reason, properties.get(name)?.line, faults)
  const found = properties.get('version')?.value
  if (found !== version)
    throw refused(found === undefined ? 'it has no `version`' : `its version is ${found}, only ${version} is known`, 'version')
  const clusterId = properties.get('cluster.id')?.value
  if (!clusterId) throw refused('it names no `cluster.id`', 'cluster.id')
  const owner = properties.get('node.id')?.value
  if (owner !== String(nodeId)) throw refused(`the storage belongs to node ${owner}, not to node ${nodeId}`, 'node.id')
  if (faults.length > 0) onDamage(damagedLines(fileName, faults))
  return { clusterId, nodeId, directoryId: properties.get('directory.id')?.value }
}

async function newIdentity(storage: Storage, nodeId: number, random: Random): Promise<NodeIdentity> {
  if (storage.readOnly) throw new KafkaError('STORAGE_FAILED', `There is no \`${fileName}\`: the storage holds no cluster`)
  const clusterId = randomUuid(random)
  const directoryId = randomUuid(random)
  const text = `version=${version}\ncluster.id=${clusterId}\nnode.id=${nodeId}\ndirectory.id=${directoryId}\n`
  await replaceSmallFile(storage, fileName, textBytes(text))
  return { clusterId, nodeId, directoryId }
}

function refusal(reason: string, line: number | undefined, faults: readonly LineFault[]): KafkaError {
  const others = faults.map(fault => `; line ${fault.line}: ${fault.reason}`).join('')
  const message = `\`${fileName}\` does not fit: ${reason}${others}`
  return new KafkaError('STORAGE_FAILED', message, { file: fileName, line: line ?? faults[0]?.line })
}

interface Property {
  readonly line: number
  readonly value: string
}

const known = ['version', 'cluster.id', 'node.id', 'directory.id', 'broker.id']

/**
 * The properties, those included whose name is damaged but can be made out, and the lines that are
 * not as they should be.
 */
function propertiesIn(text: string): { readonly properties: ReadonlyMap<string, Property>; readonly faults: LineFault[] } {
  const properties = new Map<string, Property>()
  const doubtful: { readonly line: number; readonly text: string }[] = []
  for (const [i, entry] of text.split(/\r?\n/).entries()) {
    const [name, value] = [entry.slice(0, entry.indexOf('=')).trim(), entry.slice(entry.indexOf('=') + 1).trim()]
    if (entry.trim() === '' || /^\s*[#!]/.test(entry)) continue
    if (entry.includes('=') && !properties.has(name)) properties.set(name, { line: i + 1, value })
    if (!known.includes(name)) doubtful.push({ line: i + 1, text: entry })
  }
  const faults: LineFault[] = []
  for (const { line, text: entry } of doubtful) {
    const name = known.find(key => !properties.has(key) && isDamagedCopy(entry.slice(0, key.length + 1), `${key}=`))
    if (name !== undefined) properties.set(name, { line, value: entry.slice(name.length + 1).trim() })
    // Kafka may have names that are not known here.
    if (name !== undefined || !entry.includes('=')) faults.push({ line, reason: `'${entry}' names no property` })
  }
  return { properties, faults }
}
