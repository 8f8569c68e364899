import type { Partition } from './partition.js'

/** A topic on the node of this process, with its partitions and their logs in reach. */
export class Topic {
  readonly name: string
  /** 22 characters; another one when a topic of the same name is created again. */
  readonly id: string
  readonly #partitions: Partition[]

  constructor(name: string, id: string, partitions: readonly Partition[]) {
    this.name = name
    this.id = id
    this.#partitions = [...partitions]
  }

  /** By partition number. */
  get partitions(): readonly Partition[] {
    return this.#partitions
  }

  /** Adds the next partition; topics only ever grow. */
  add(partition: Partition): void {
    this.#partitions.push(partition)
  }
}
