/** The key of a topic in a request, and its partitions. */
export interface PartitionsOf<T, P> {
  readonly key: (topic: T) => string
  readonly partitions: (topic: T) => readonly P[]
  readonly index: (partition: P) => number
  readonly withPartitions: (topic: T, partitions: P[]) => T
}

/**
 * The topics of a request with each partition once: one that is named again counts as it was named
 * last, as with Kafka. A request that names each once is given back as it is.
 */
export function eachPartitionOnce<T, P>(topics: T[], by: PartitionsOf<T, P>): T[] {
  if (isEachOnce(topics, by)) return topics
  const found = new Map<string, { readonly topic: T; readonly partitions: Map<number, P> }>()
  for (const topic of topics) {
    const key = by.key(topic)
    let entry = found.get(key)
    if (!entry) found.set(key, (entry = { topic, partitions: new Map() }))
    for (const partition of by.partitions(topic)) entry.partitions.set(by.index(partition), partition)
  }
  return [...found.values()].map(({ topic, partitions }) => by.withPartitions(topic, [...partitions.values()]))
}

function isEachOnce<T, P>(topics: readonly T[], by: PartitionsOf<T, P>): boolean {
  if (topics.length > 1 && new Set(topics.map(by.key)).size < topics.length) return false
  for (const topic of topics) {
    const partitions = by.partitions(topic)
    if (!isAscending(partitions, by.index) && new Set(partitions.map(by.index)).size < partitions.length) return false
  }
  return true
}

/** Most clients name partitions in their order, and an order without repetition is quick to see. */
function isAscending<P>(partitions: readonly P[], index: (partition: P) => number): boolean {
  for (let i = 1; i < partitions.length; i++) if (index(partitions[i]) <= index(partitions[i - 1])) return false
  return true
}
