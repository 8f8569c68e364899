import { wrongAnswer } from '../common/foreign.js'
import { shown } from '../common/options.js'
import { type Random, randomInteger } from '../common/random.js'
import type { Field } from '../record/record.js'
import type { AnyRecord } from './producer-record.js'

/** The context of a partitioner besides the record. */
export interface PartitionerContext {
  readonly topic: string
  /** The key as it will be written; a string stands for its UTF-8 bytes. */
  readonly key: Uint8Array | string | null
  /** Partitions are numbered from 0 to one less than this. */
  readonly partitionCount: number
}

/**
 * Chooses the partition of a record that names none; `undefined` leaves the choice to the default.
 * Must be quick and not wait.
 */
export type Partitioner = (record: AnyRecord, context: PartitionerContext) => number | undefined

/**
 * The partition that a record names, or else the user's partitioner chooses; undefined where
 * neither does.
 */
export function chosenPartition(
  topic: string,
  record: AnyRecord,
  key: Field,
  partitionCount: number,
  partitioner: Partitioner | undefined
): number | undefined {
  const { partition } = record
  if (partition !== undefined) {
    if (Number.isSafeInteger(partition) && partition >= 0) return partition
    throw new TypeError(`Expected the partition of a record for \`${topic}\` to be a non-negative integer, got ${shown(partition)}`)
  }
  if (partitioner === undefined) return undefined
  const chosen = partitioner(record, { topic, key, partitionCount })
  if (chosen === undefined || (Number.isSafeInteger(chosen) && chosen >= 0 && chosen < partitionCount)) return chosen
  throw wrongAnswer(`Expected the partitioner to choose a partition of \`${topic}\` from 0 to ${partitionCount - 1}`, chosen)
}

/** The parts of a topic that the sticky partitioner needs. */
export interface PartitionLoad {
  readonly partitionCount: number
  /** True if the partition has a leader. */
  isAvailable(partition: number): boolean
  /** The number of batches that wait to be sent to the partition. */
  queueLength(partition: number): number
}

/**
 * The partitioner of records without a key (KIP-794): they stay with one partition until
 * `stickyBytes` have gone there and a batch ends, or twice as much has; then to another, at random,
 * the more likely the fewer batches wait for it.
 */
export class StickyPartitioner {
  readonly #random: Random
  readonly #stickyBytes: number
  #partition = -1
  #bytes = 0

  constructor(random: Random, stickyBytes: number) {
    this.#random = random
    this.#stickyBytes = stickyBytes
  }

  /**
   * The partition for the next record. `isBatchEnd` says whether the current one has no batch that
   * the record could join.
   */
  partitionFor(load: PartitionLoad, isBatchEnd: (partition: number) => boolean): number {
    const isKnown = this.#partition >= 0 && this.#partition < load.partitionCount
    const isDue = this.#bytes >= 2 * this.#stickyBytes || (this.#bytes >= this.#stickyBytes && isBatchEnd(this.#partition))
    if (!isKnown || isDue) this.#move(load)
    return this.#partition
  }

  /** Counts what has been appended to the current partition. */
  appended(bytes: number): void {
    this.#bytes += bytes
  }

  /**
   * Says that a full batch of `partition` was closed, although fewer bytes than asked for may have
   * gone there.
   */
  batchFilled(partition: number): void {
    if (partition === this.#partition) this.#bytes = Math.max(this.#bytes, this.#stickyBytes)
  }

  #move(load: PartitionLoad): void {
    this.#partition = nextPartition(load, this.#random)
    this.#bytes = 0
  }
}

function nextPartition(load: PartitionLoad, random: Random): number {
  let candidates: number[] = []
  for (let partition = 0; partition < load.partitionCount; partition++) if (load.isAvailable(partition)) candidates.push(partition)
  if (candidates.length === 0) candidates = Array.from({ length: load.partitionCount }, (_, partition) => partition)
  const lengths = candidates.map(partition => load.queueLength(partition))
  const longest = Math.max(...lengths)
  const weights = lengths.map(length => longest + 1 - length)
  let ticket = randomInteger(
    random,
    weights.reduce((sum, weight) => sum + weight, 0)
  )
  return candidates[weights.findIndex(weight => (ticket -= weight) < 0)]
}
