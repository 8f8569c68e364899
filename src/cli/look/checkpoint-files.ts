/** What the small text files of a data directory say. The functions throw an `Error` that says what is wrong with the text. */

export interface OffsetCheckpoint {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** `recovery-point-offset-checkpoint` and its like: `0`, the number of entries, then `topic partition offset` per line. */
export function offsetCheckpoints(text: string): OffsetCheckpoint[] {
  return entriesIn(text, /^(\S+) (\d+) (\d+)$/, ([topic, partition, offset]) => {
    return { topic, partition: Number(partition), offset: Number(offset) }
  })
}

/** `leader-epoch-checkpoint`: `0`, the number of entries, then `epoch startOffset` per line, both growing. */
export function leaderEpochCheckpoint(text: string): { readonly epoch: number; readonly startOffset: number }[] {
  const entries = entriesIn(text, /^(\d+) (\d+)$/, ([epoch, startOffset]) => ({ epoch: Number(epoch), startOffset: Number(startOffset) }))
  entries.forEach(({ epoch, startOffset }, i) => {
    const before = entries[i - 1]
    if (before && (epoch <= before.epoch || startOffset <= before.startOffset))
      throw new Error(`epoch ${epoch} at offset ${startOffset} cannot follow epoch ${before.epoch} at offset ${before.startOffset}`)
  })
  return entries
}

/** `partition.metadata`: the version and the topic's id. */
export function topicIdIn(text: string): string {
  const version = /^version: (.*)$/m.exec(text)?.[1]
  if (version !== '0') throw new Error(version === undefined ? 'it names no version' : `its version is ${version}, not 0`)
  const id = /^topic_id: ([A-Za-z0-9_-]{22})$/m.exec(text)?.[1]
  if (id === undefined) throw new Error('it names no topic id')
  return id
}

/** `meta.properties`. */
export function propertiesIn(text: string): ReadonlyMap<string, string> {
  const lines = text.split(/\r?\n/).filter(line => line.includes('=') && !/^\s*[#!]/.test(line))
  const properties = new Map(lines.map(line => [line.slice(0, line.indexOf('=')).trim(), line.slice(line.indexOf('=') + 1).trim()]))
  if (properties.get('version') !== '1') throw new Error(`its version is ${properties.get('version') ?? 'not there'}, not 1`)
  for (const name of ['cluster.id', 'node.id']) if (!properties.get(name)) throw new Error(`it names no ${name}`)
  return properties
}

function entriesIn<T>(text: string, form: RegExp, entryOf: (parts: string[]) => T): T[] {
  // Kafka makes the file before it has anything to write into it.
  if (text === '') return []
  const [version, count, ...rest] = text.split('\n')
  if (version !== '0') throw new Error(`its version is '${version}', not 0`)
  const lines = rest.filter(line => line !== '')
  if (!/^\d+$/.test(count ?? '')) throw new Error('it does not say how many entries it has')
  if (lines.length !== Number(count)) throw new Error(`it says it has ${count} entries and has ${lines.length}`)
  return lines.map(line => {
    const match = form.exec(line)
    if (!match) throw new Error(`'${line}' is no entry`)
    return entryOf(match.slice(1))
  })
}
