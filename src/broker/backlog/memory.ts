import { contained } from '../../common/foreign.js'
import { machineMemoryBytes } from '../../common/machine-memory.js'
import type { MemoryShare, MemoryShares } from '../../common/memory-shares.js'
import type { Storage } from '../../storage/storage.js'
import { backlogOf } from '../partition.js'
import type { Topic } from '../topic.js'
import type { PartitionBacklog, Slowest } from './partition-backlog.js'

const mebibyte = 1024 * 1024
/**
 * An eighth of it is one chunk of a file in memory: by so much a last batch may go beyond what it
 * was given.
 */
export const leastMemoryBytes = 8 * mebibyte

/** A partition with a backlog of less than this does not count when memory is shared out. */
const leastBacklogBytes = 64 * 1024

/** A partition, and what of it could go. */
interface Candidate {
  readonly backlog: PartitionBacklog
  readonly upTo: number
  readonly bytes: number
}

/**
 * The memory that the logs of a node may take, all together. When it runs short, what every live
 * reader has read goes first, the largest partition first; then the logs that nobody reads shrink;
 * then goes what members over the wire have fetched and not committed, and what quotas evict. The
 * last eighth is for partitions with small backlogs: a large one is held before, so that whoever
 * reads it can still pass on what comes of it.
 */
export class Memory {
  /** All that the cluster may hold on behalf of records, as it was given. */
  readonly maxBytes: number
  readonly #records: MemoryShare
  readonly #storage: Storage
  readonly #topics: ReadonlyMap<string, Topic>
  /** The partition whose slowest reader has most to read, as of the last look at all. */
  largest: Slowest | undefined
  /** The number of partitions with a backlog at that time. */
  #backlogs = 1
  /** Until memory has grown to this, or readers have moved on, looking at all again is in vain. */
  #reclaimAgainAt = 0
  #moves = 0

  constructor({ maxBytes, records }: MemoryShares, storage: Storage, topics: ReadonlyMap<string, Topic>) {
    this.maxBytes = maxBytes
    this.#records = records
    this.#storage = storage
    this.#topics = topics
  }

  get #softBytes(): number {
    const { maxBytes } = this.#records
    return maxBytes - maxBytes / 8
  }

  get usedBytes(): number {
    return this.#storage.memoryBytes ?? 0
  }

  /** True if so many more bytes fit without a closer look. */
  hasRoomFor(bytes: number): boolean {
    return this.usedBytes + bytes <= this.#softBytes
  }

  /**
   * True if so many more bytes fit for a partition that has this backlog, once room has been made.
   */
  admits(bytes: number, backlogBytes: number): boolean {
    if (this.hasRoomFor(bytes)) return true
    this.#reclaim()
    if (this.hasRoomFor(bytes)) return true
    const isLarge = backlogBytes > this.#softBytes / (2 * this.#backlogs)
    return !isLarge && this.usedBytes + bytes <= this.#records.maxBytes
  }

  /** Says that a reader has moved on. */
  moved(): void {
    this.#moves++
  }

  /** Lets the next look be at all partitions, whatever has moved. */
  lookAgain(): void {
    this.#reclaimAgainAt = 0
  }

  #reclaim(): void {
    if (this.usedBytes < this.#reclaimAgainAt && this.#moves * movesPerPartition < this.#partitionCount()) return
    this.#moves = 0
    contained('Storage.releaseMemory', () => this.#storage.releaseMemory?.())
    const { read, unread, fetched, evictable } = this.#look()
    this.#remove(read)
    this.#remove(unread)
    this.#remove(fetched)
    this.#remove(evictable)
    this.#reclaimAgainAt = this.usedBytes + this.#records.maxBytes / 64
  }

  #partitionCount(): number {
    let count = 0
    for (const { partitions } of this.#topics.values()) count += partitions.length
    return count
  }

  /**
   * Looks at all partitions for what every live reader has read, for what nobody reads, and for
   * what may go although it has not been read.
   */
  #look(): { read: Candidate[]; unread: Candidate[]; fetched: Candidate[]; evictable: Candidate[] } {
    const read: Candidate[] = []
    const unread: Candidate[] = []
    const fetched: Candidate[] = []
    const evictable: Candidate[] = []
    this.largest = undefined
    this.#backlogs = 1
    let backlogs = 0
    for (const { partitions } of this.#topics.values()) {
      for (const partition of partitions) {
        const { log } = partition
        const backlog = backlogOf(partition)
        const { sizeInBytes } = log
        if (sizeInBytes === 0) continue
        const slowest = backlog.slowest()
        if (slowest && slowest.bytes >= leastBacklogBytes) {
          backlogs++
          slowest.reader.reading?.commitSoon()
        }
        if (slowest && slowest.bytes > (this.largest?.bytes ?? 0)) this.largest = slowest
        if (!backlog.mayShrink) continue
        if (!slowest) unread.push({ backlog, upTo: log.logEndOffset, bytes: sizeInBytes })
        else {
          const upTo = backlog.readUpTo()
          read.push({ backlog, upTo, bytes: sizeInBytes - log.bytesFrom(upTo) })
          const { hardMark } = slowest.reader
          if (hardMark > upTo) fetched.push({ backlog, upTo: hardMark, bytes: log.bytesFrom(upTo) - slowest.bytes })
        }
        if (slowest && backlog.quota.policy === 'consumer_backlog_eviction')
          evictable.push({ backlog, upTo: log.logEndOffset, bytes: slowest.bytes })
      }
    }
    this.#backlogs = Math.max(1, backlogs)
    return { read, unread, fetched, evictable }
  }

  #remove(candidates: Candidate[]): void {
    candidates.sort((a, b) => b.bytes - a.bytes)
    for (const { backlog, upTo } of candidates) {
      const surplus = this.usedBytes - (this.#records.maxBytes / 4) * 3
      if (surplus <= 0) return
      backlog.shrink(upTo, surplus)
    }
  }
}

/**
 * An eighth of what the machine, or the container, gives to the process: at least 64 MiB and at
 * most 1 GiB.
 */
export function defaultMemoryBytes(): number {
  return Math.min(1024 * mebibyte, Math.max(64 * mebibyte, Math.floor(machineMemoryBytes() / 8)))
}

/** Looking at all partitions costs as much as some moves of readers per partition. */
const movesPerPartition = 64
