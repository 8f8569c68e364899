import { isPromise } from '../../common/deferred.js'
import { KafkaError } from '../../errors.js'
import type { Log } from '../../log/log.js'
import { deletesOldSegments } from '../../log/log-options.js'
import type { LiveReader, LiveReaders } from './live-readers.js'
import { type RemoteClient, RemoteReaders, type RemoteReading } from './remote-readers.js'
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

/**
 * The backlog of one partition: the records that its live readers have yet to read, and the batches
 * that wait for room.
 */
export class PartitionBacklog {
  readonly topic: string
  readonly partition: number
  /** True if anybody has ever fetched from it. */
  wasRead = false
  /** First come, first served. */
  readonly held: HeldBatch[] = []
  /** The size up to which the log may grow without a check, in its `grownBytes`. */
  #roomUpTo = 0
  #quota = exempt
  #log: Log | undefined
  readonly #readers: LiveReaders
  readonly #isDurable: boolean
  #remote: RemoteReaders | undefined
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

  /** True if so many more bytes fit without a closer look. */
  hasRoomFor(bytes: number): boolean {
    return this.log.grownBytes + bytes <= this.#roomUpTo
  }

  /** Lets the next append look closer: somebody waits, or another quota holds. */
  lookAgain(): void {
    this.#roomUpTo = -1
  }

  /**
   * Notes that a client over the wire fetches from `offset` on, and counts as a reader until then.
   * Returns whether it has moved.
   */
  fetchedBy(client: RemoteClient, offset: number, until: number): boolean {
    this.#remote ??= new RemoteReaders()
    return this.#remote.fetches(client, offset, until)
  }

  /** From which offset on nothing is removed for its size. */
  keepFrom(): number {
    const { policy, limitBytes } = this.#quota
    if (policy === 'consumer_backlog_eviction') return Number.POSITIVE_INFINITY
    const readers = this.#liveReaders()
    const kept = leastOf(readers, 'mark')
    kept?.reading?.commitSoon()
    if (!kept || this.log.bytesFrom(kept.mark) <= limitBytes) return kept?.mark ?? Number.POSITIVE_INFINITY
    return leastOf(readers, 'hardMark')?.hardMark as number
  }

  /** The offset below which no live reader needs anything; infinite where there is none. */
  readUpTo(): number {
    return leastOf(this.#liveReaders(), 'mark')?.mark ?? Number.POSITIVE_INFINITY
  }

  /** The live reader that is furthest behind; undefined where there is none. */
  slowest(): Slowest | undefined {
    const reader = leastOf(this.#liveReaders(), 'hardMark')
    if (!reader) return undefined
    const { log, topic, partition } = this
    return { topic, partition, reader, records: log.logEndOffset - reader.hardMark, bytes: log.bytesFrom(reader.hardMark) }
  }

  #liveReaders(): LiveReader[] {
    const { logStartOffset, logEndOffset } = this.log
    return this.#readers.of(this.topic, this.partition, logStartOffset, logEndOffset, this.#remoteReadings())
  }

  #remoteReadings(): readonly RemoteReading[] {
    return this.#remote?.current(this.#readers.now()) ?? []
  }

  /** The number of records that were removed unread. */
  get lostRecords(): number {
    return this.#lostRecords
  }

  /**
   * The readers that had yet to read the records from `from` up to `to`, which were just removed.
   */
  losses(from: number, to: number): Loss[] {
    if (this.#quota.isExempt) return []
    const behind = this.#readers.everyoneBehind(this.topic, this.partition, from, to, this.#remoteReadings())
    const losses: Loss[] = behind.map(({ name, groupId, mark }) => ({ groupId, reader: name, from: mark, to }))
    // Records on disk are there to be kept, not just to be passed on.
    if (losses.length === 0 && !this.wasRead && !this.#isDurable) losses.push({ groupId: undefined, reader: 'anybody', from, to })
    this.#lostRecords += losses.reduce((most, loss) => Math.max(most, loss.to - loss.from), 0)
    return losses
  }

  /**
   * True if somebody has read all before `offset`: a live reader, or a group that has committed.
   */
  isReadUpTo(offset: number): boolean {
    return this.#readers.isReadUpTo(this.topic, this.partition, this.log.logStartOffset, offset, this.#remoteReadings())
  }

  /**
   * The reader that keeps a batch of this size from being appended, by the quota of the partition.
   */
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

  /**
   * True if a batch fits behind those that wait, once the consumers of this process have committed
   * what they have handled.
   */
  fitsOnceCommitted(bytes: number): boolean {
    const reader = leastOf(this.#liveReaders(), 'handled')
    const unread = reader ? this.log.bytesFrom(reader.handled) : 0
    const before = this.held.reduce((sum, held) => sum + held.bytes, unread)
    return before === 0 || before + bytes <= this.#quota.limitBytes
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

  /** True if its oldest records may go to make room: not where its topic is to keep them all. */
  get mayShrink(): boolean {
    const { options } = this.log
    return !this.#quota.isExempt && options.retentionBytes >= 0 && deletesOldSegments(options)
  }
}

function leastOf(readers: readonly LiveReader[], what: 'mark' | 'hardMark' | 'handled'): LiveReader | undefined {
  let least: LiveReader | undefined
  for (const reader of readers) if (!least || reader[what] < least[what]) least = reader
  return least
}

/** A log that fails has told so itself; one that is closed has nothing to remove. */
function ignore(error: unknown): void {
  if (!(error instanceof KafkaError)) throw error
}
