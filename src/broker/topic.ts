import type { Partition } from './partition.js'

/** Adds the next partition to a topic; topics only ever grow. For the node alone. */
export let addPartition: (topic: Topic, partition: Partition) => void

/** A topic on the node of this process, with its partitions and their logs in reach. */
export class Topic {
  readonly name: string
  /** 22 characters; another one when a topic of the same name is created again. */
  readonly id: string
  readonly #partitions: Partition[]

  static {
    addPartition = (topic, partition) => void topic.#partitions.push(partition)
  }

  constructor(name: string, id: string, partitions: readonly Partition[]) {
    this.name = name
    this.id = id
    this.#partitions = [...partitions]
  }

  /** By partition number. */
  get partitions(): readonly Partition[] {
    return this.#partitions
  }
}
