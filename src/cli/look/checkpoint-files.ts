import { readText } from '../../common/bytes.js'
import { type CheckpointEntry, decodeLeaderEpochs, type ReadCheckpoint, readOffsets } from '../../log/history/checkpoint.js'
import type { LeaderEpoch } from '../../log/history/leader-epochs.js'

/*
 * The content of the small text files of a data directory. The functions that return no faults
 * throw an `Error` that says what is wrong with the text.
 */

/**
 * `recovery-point-offset-checkpoint` and its like. Kafka makes the files before it has anything to
 * write into them.
 */
export function offsetCheckpoint(bytes: Uint8Array): ReadCheckpoint<CheckpointEntry> {
  return bytes.length === 0 ? { entries: [], faults: [] } : readOffsets(bytes)
}

/** `leader-epoch-checkpoint`, likewise. */
export function leaderEpochCheckpoint(bytes: Uint8Array): LeaderEpoch[] {
  return bytes.length === 0 ? [] : decodeLeaderEpochs(bytes)
}

/** `partition.metadata`: the version and the topic's id. */
export function topicIdIn(bytes: Uint8Array): string {
  const text = readText(bytes, 0, bytes.length)
  const version = /^version: (.*)$/m.exec(text)?.[1]
  if (version !== '0') throw new Error(version === undefined ? 'it names no version' : `its version is ${version}, not 0`)
  const id = /^topic_id: ([A-Za-z0-9_-]{22})$/m.exec(text)?.[1]
  if (id === undefined) throw new Error('it names no topic id')
  return id
}

/** `meta.properties`. */
export function propertiesIn(bytes: Uint8Array): ReadonlyMap<string, string> {
  const lines = readText(bytes, 0, bytes.length)
    .split(/\r?\n/)
    .filter(line => line.includes('=') && !/^\s*[#!]/.test(line))
  const properties = new Map(lines.map(line => [line.slice(0, line.indexOf('=')).trim(), line.slice(line.indexOf('=') + 1).trim()]))
  if (properties.get('version') !== '1') throw new Error(`its version is ${properties.get('version') ?? 'not there'}, not 1`)
  for (const name of ['cluster.id', 'node.id']) if (!properties.get(name)) throw new Error(`it names no ${name}`)
  return properties
}
