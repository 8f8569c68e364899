/** What the simulation has found to be wrong. */
export class Violation extends Error {}

/** A record that was handed to a producer; `id` travels in a header and tells it from all others. */
export interface Sent {
  readonly id: number
  readonly topic: string
  readonly partition: number
  readonly producer: number
  readonly key: string
  /** Null for a tombstone. */
  readonly value: string | null
}

/** A record as it was read. */
export interface Found {
  readonly offset: number
  readonly id: number
  readonly key: string | null
  readonly value: string | null
  readonly timestamp: number
}

/** Something that was acknowledged, and whether by then it had to survive a power cut. */
interface Acknowledged<T> {
  readonly what: T
  isDurable: boolean
}

/** What is known of one partition. */
export class PartitionModel {
  readonly acked = new Map<number, Acknowledged<Sent>>()
  /** The furthest that its start was seen to be. */
  startOffset = 0

  acknowledge(offset: number, sent: Sent, isDurable: boolean): void {
    const before = this.acked.get(offset)
    if (before) throw new Violation(`${sent.topic}-${sent.partition}: offset ${offset} was given to ${before.what.id} and to ${sent.id}`)
    this.acked.set(offset, { what: sent, isDurable })
  }

  /** What was found is what there is from now on. */
  rebase(found: readonly Found[], sent: { get(id: number): Sent | undefined }, startOffset: number, isDurable: boolean): void {
    const durable = new Set([...this.acked].filter(([, acked]) => acked.isDurable).map(([offset]) => offset))
    this.acked.clear()
    for (const { offset, id } of found) this.acked.set(offset, { what: sent.get(id) as Sent, isDurable: isDurable || durable.has(offset) })
    this.startOffset = startOffset
  }
}

/** What is known of one topic; a topic of the same name that is created later has a model of its own. */
export class TopicModel {
  readonly name: string
  readonly configs: Record<string, string>
  /** `unclear` while nobody knows how its creation or deletion ended. */
  state: 'unclear' | 'present' | 'absent' = 'unclear'
  isDurable = false
  id: string | undefined
  partitions: PartitionModel[] = []
  /** How many partitions it may have by now. */
  maxPartitions: number
  hasUnclearConfigs = false

  constructor(name: string, partitions: number, configs: Record<string, string>) {
    this.name = name
    this.configs = configs
    this.maxPartitions = partitions
  }

  get isCompacted(): boolean {
    return this.configs['cleanup.policy']?.includes('compact') ?? false
  }

  grow(count: number): void {
    while (this.partitions.length < count) this.partitions.push(new PartitionModel())
    this.maxPartitions = Math.max(this.maxPartitions, count)
  }
}

/** The offsets that a group has committed for a partition: they only grow. */
export interface CommitModel {
  readonly group: string
  readonly topic: TopicModel
  readonly partition: number
  readonly attempted: Set<number>
  acked: number
  durable: number
}

/** All that was done, as far as it was acknowledged. */
export class Model {
  readonly sent = new Map<number, Sent>()
  readonly topics = new Map<string, TopicModel>()
  readonly commits = new Map<string, CommitModel>()

  get presentTopics(): TopicModel[] {
    return [...this.topics.values()].filter(({ state }) => state === 'present')
  }

  commit(group: string, topic: TopicModel, partition: number): CommitModel {
    const key = `${group}/${topic.name}/${partition}`
    const known = this.commits.get(key)
    if (known?.topic === topic) return known
    const commit = { group, topic, partition, attempted: new Set<number>(), acked: -1, durable: -1 }
    this.commits.set(key, commit)
    return commit
  }

  /** All that is acknowledged has been synced. */
  makeDurable(): void {
    for (const topic of this.topics.values()) {
      topic.isDurable = true
      for (const partition of topic.partitions) for (const acked of partition.acked.values()) acked.isDurable = true
    }
    for (const commit of this.commits.values()) commit.durable = commit.acked
  }
}
