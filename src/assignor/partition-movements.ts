/**
 * The moves made so far while an assignment is balanced. When a partition is about to go from A to
 * B although another partition of the topic went from B to A before, it is better to send that one
 * back: two members never swap partitions of one topic.
 */
export class PartitionMovements {
  readonly #topicOf: Int32Array
  /** Partition → the way it has gone. */
  readonly #moves = new Map<number, Move>()
  /** Topic → way → partitions that have gone it, oldest first. */
  readonly #byTopic = new Map<number, Map<string, Set<number>>>()

  constructor(topicOf: Int32Array) {
    this.#topicOf = topicOf
  }

  /**
   * The partition to move when `partition` should go: itself, or one that would thereby come
   * home.
   */
  insteadOf(partition: number, from: number, to: number): number {
    const source = this.#moves.get(partition)?.from ?? from
    const opposite = this.#byTopic.get(this.#topicOf[partition])?.get(wayOf(to, source))
    if (!opposite) return partition
    const [first] = opposite
    return first
  }

  record(partition: number, from: number, to: number): void {
    const earlier = this.#moves.get(partition)
    if (earlier) this.#forget(partition, earlier)
    const source = earlier ? earlier.from : from
    if (source !== to) this.#remember(partition, { from: source, to })
  }

  #remember(partition: number, move: Move): void {
    this.#moves.set(partition, move)
    const topic = this.#topicOf[partition]
    let ways = this.#byTopic.get(topic)
    if (!ways) this.#byTopic.set(topic, (ways = new Map()))
    const way = wayOf(move.from, move.to)
    const partitions = ways.get(way)
    if (partitions) partitions.add(partition)
    else ways.set(way, new Set([partition]))
  }

  #forget(partition: number, move: Move): void {
    this.#moves.delete(partition)
    const ways = this.#byTopic.get(this.#topicOf[partition])!
    const way = wayOf(move.from, move.to)
    const partitions = ways.get(way)!
    partitions.delete(partition)
    if (partitions.size === 0) ways.delete(way)
  }
}

interface Move {
  readonly from: number
  readonly to: number
}

function wayOf(from: number, to: number): string {
  return `${from}>${to}`
}
