import { isPromise } from '../../common/deferred.js'
import { KafkaError } from '../../errors.js'
import type { Log } from '../../log/log.js'
import { deletesOldSegments } from '../../log/log-options.js'
import type { LiveReader, LiveReaders } from './live-readers.js'
import { exempt, type TopicQuota } from './topic-quota.js'

/** A batch that waits for room. */
export interface HeldBatch {
  readonly bytes: number
  readonly heldAt: number
  readonly deadline: number
  /** Appends it, and answers. */
  append(): void
  /** Answers that it is not appended. */
  refuse(error: unknown): void
}

/** The reader of a partition that is furthest behind, and by how much. */
export interface Slowest {
  readonly topic: string
  readonly partition: number
  readonly reader: LiveReader
  readonly records: number
  readonly bytes: number
}

/** Records that a reader had yet to read when they were removed. */
export interface Loss {
  readonly groupId: string | undefined
  readonly reader: string
  readonly from: number
  readonly to: number
}

/** What of one partition its live readers have yet to read, and the batches that wait until it is less. */
export class PartitionBacklog {
  readonly topic: string
  readonly partition: number
  /** Whether anybody has ever fetched from it. */
  wasRead = false
  /** First come, first served. */
  readonly held: HeldBatch[] = []
  /** How far the log may grow without a closer look, in its `grownBytes`. */
  #roomUpTo = 0
  #quota = exempt
  #log: Log | undefined
  readonly #readers: LiveReaders
  readonly #isDurable: boolean
  #lostRecords = 0

  constructor(topic: string, partition: number, readers: LiveReaders, isDurable: boolean) {
    this.#isDurable = isDurable
    this.topic = topic
    this.partition = partition
    this.#readers = readers
  }

  get log(): Log {
    return this.#log as Log
  }

  set log(log: Log) {
    this.#log = log
  }

  get quota(): TopicQuota {
    return this.#quota
  }

  set quota(quota: TopicQuota) {
    this.#quota = quota
    this.lookAgain()
  }

  /** Whether so many more bytes fit without a closer look. */
  hasRoomFor(bytes: number): boolean {
    return this.log.grownBytes + bytes <= this.#roomUpTo
  }

  /** Lets the next append look closer: somebody waits, or another quota holds. */
  lookAgain(): void {
    this.#roomUpTo = -1
  }

  /** From which offset on nothing is removed for its size. */
  keepFrom(): number {
    if (this.#quota.policy === 'consumer_backlog_eviction') return Number.POSITIVE_INFINITY
    const slowest = this.#slowestReader()
    slowest?.reading?.commitSoon()
    return slowest?.mark ?? Number.POSITIVE_INFINITY
  }

  /** The offset below which no live reader needs anything; infinite where there is none. */
  floor(): number {
    return this.#slowestReader()?.mark ?? Number.POSITIVE_INFINITY
  }

  /** The live reader that is furthest behind; undefined where there is none. */
  slowest(): Slowest | undefined {
    const reader = this.#slowestReader()
    if (!reader) return undefined
    const { log, topic, partition } = this
    return { topic, partition, reader, records: log.logEndOffset - reader.mark, bytes: log.bytesFrom(reader.mark) }
  }

  #slowestReader(): LiveReader | undefined {
    const { logStartOffset, logEndOffset } = this.log
    let slowest: LiveReader | undefined
    for (const reader of this.#readers.of(this.topic, this.partition, logStartOffset, logEndOffset)) {
      if (!slowest || reader.mark < slowest.mark) slowest = reader
    }
    return slowest
  }

  /** How many records were removed before everyone who was to read them had. */
  get lostRecords(): number {
    return this.#lostRecords
  }

  /** Who had yet to read records that were just removed, those from `from` up to `to`. */
  losses(from: number, to: number): Loss[] {
    if (this.#quota.isExempt) return []
    const behind = this.#readers.everyoneBehind(this.topic, this.partition, from, to)
    const losses: Loss[] = behind.map(({ name, groupId, mark }) => ({ groupId, reader: name, from: mark, to }))
    // What is on disk is there to be kept, not just to be passed on.
    if (losses.length === 0 && !this.wasRead && !this.#isDurable) losses.push({ groupId: undefined, reader: 'anybody', from, to })
    this.#lostRecords += losses.reduce((most, loss) => Math.max(most, loss.to - loss.from), 0)
    return losses
  }

  /** Whether somebody has read all before `offset`: a live reader, or a group that has committed. */
  isReadUpTo(offset: number): boolean {
    return this.#readers.isReadUpTo(this.topic, this.partition, this.log.logStartOffset, offset)
  }

  /** Who keeps a batch of this size from being appended, by the quota of the partition. */
  shortageFor(bytes: number): Slowest | undefined {
    const { policy, limitBytes } = this.#quota
    if (policy === 'consumer_backlog_eviction' || limitBytes === Number.POSITIVE_INFINITY) {
      this.#roomUpTo = Number.POSITIVE_INFINITY
      return undefined
    }
    const slowest = this.slowest()
    const unread = slowest?.bytes ?? 0
    if (slowest && unread > 0 && unread + bytes > limitBytes) {
      slowest.reader.reading?.commitSoon()
      return slowest
    }
    this.#roomUpTo = this.log.grownBytes + limitBytes - unread
    return undefined
  }

  /** Refuses all batches that wait. */
  refuseHeld(error: unknown): void {
    for (const batch of this.held.splice(0)) batch.refuse(error)
  }

  /** Removes the oldest records before an offset, until so many bytes are gone. */
  shrink(upTo: number, bytes: number): void {
    try {
      const removed = this.log.removeBefore(upTo, bytes)
      if (isPromise(removed)) removed.catch(ignore)
    } catch (error) {
      ignore(error)
    }
  }

  /** Whether its oldest records may go to make room: not where its topic is to keep them all. */
  get mayShrink(): boolean {
    const { options } = this.log
    return !this.#quota.isExempt && options.retentionBytes >= 0 && deletesOldSegments(options)
  }
}

/** A log that fails has told so itself; one that is closed has nothing to remove. */
function ignore(error: unknown): void {
  if (!(error instanceof KafkaError)) throw error
}
