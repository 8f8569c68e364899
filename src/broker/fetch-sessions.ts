import type { Clock } from '../common/clock.js'
import { type Random, randomInteger } from '../common/random.js'
import { zeroUuid } from '../common/uuid.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import type { Fetch } from '../protocol/messages/fetch.js'

type Topics = RequestOf<typeof Fetch>['topics']
type Wanted = Topics[number]['partitions'][number]
type Forgotten = NonNullable<RequestOf<typeof Fetch>['forgottenTopicsData']>
type Answered = ResponseOf<typeof Fetch>['responses']
type Answer = Answered[number]['partitions'][number]

/**
 * After so long without a fetch a session gives way to any other, and after so long a life to a
 * larger one. As Kafka has it.
 */
const evictionMs = 120_000
/** The most partitions that all sessions remember: about 50 MB. Kafka bounds only the sessions. */
const mostPartitions = 200_000
const largestId = 2 ** 31 - 1

/** A partition of a session: what the client wants of it, and what it was told last. */
interface RememberedPartition {
  readonly topic: string
  readonly topicId: string
  wanted: Wanted
  highWatermark: number
  logStartOffset: number
}

/**
 * The fetch session of one client (KIP-227): it tells what has changed in that since its last
 * request, and is told the partitions that have something new.
 */
export class FetchSession {
  readonly id: number
  /** True if its topics go by id, as they do from version 13 of Fetch on. */
  readonly usesTopicIds: boolean
  readonly createdAt: number
  lastUsedAt: number
  /** The epoch of the next request. */
  #epoch = 1
  /**
   * In the order in which they are read: those that gave records go to the end, so that each has
   * its turn.
   */
  readonly #partitions = new Map<string, RememberedPartition>()

  constructor(id: number, usesTopicIds: boolean, now: number) {
    this.id = id
    this.usesTopicIds = usesTopicIds
    this.createdAt = now
    this.lastUsedAt = now
  }

  get epoch(): number {
    return this.#epoch
  }

  get size(): number {
    return this.#partitions.size
  }

  /** A request has come; the next one has another epoch. */
  proceed(now: number): void {
    this.#epoch = this.#epoch === largestId ? 1 : this.#epoch + 1
    this.lastUsedAt = now
  }

  /** Takes what a request adds or changes, and drops what it forgets. */
  update(topics: Topics, forgotten: Forgotten): void {
    for (const { topic = '', topicId = zeroUuid, partitions } of topics) {
      for (const wanted of partitions) {
        const key = keyOf(topic, topicId, wanted.partition)
        const known = this.#partitions.get(key)
        if (known) known.wanted = wanted
        else this.#partitions.set(key, { topic, topicId, wanted, highWatermark: -1, logStartOffset: -1 })
      }
    }
    for (const { topic = '', topicId = zeroUuid, partitions } of forgotten)
      for (const partition of partitions) this.#partitions.delete(keyOf(topic, topicId, partition))
  }

  /** All that the client wants, as a request without a session would say it. */
  get topics(): Topics {
    const topics: Topics = []
    let last: Topics[number] | undefined
    for (const { topic, topicId, wanted } of this.#partitions.values()) {
      if (last?.topic === topic && last.topicId === topicId) last.partitions.push(wanted)
      else topics.push((last = { topic, topicId, partitions: [wanted] }))
    }
    return topics
  }

  /**
   * Takes note of what the client is told, and leaves out of it the partitions of which it knows
   * all that.
   */
  news(responses: Answered, isFirst: boolean): Answered {
    const changed: Answered = []
    for (const response of responses) {
      const partitions = response.partitions.filter(answer => this.#isNews(response, answer) || isFirst)
      if (partitions.length > 0) changed.push({ ...response, partitions })
    }
    return changed
  }

  #isNews({ topic = '', topicId = zeroUuid }: Answered[number], answer: Answer): boolean {
    const key = this.usesTopicIds ? keyOf('', topicId, answer.partitionIndex) : keyOf(topic, zeroUuid, answer.partitionIndex)
    const known = this.#partitions.get(key)
    if (!known) return true
    const { errorCode, highWatermark, logStartOffset = -1, records, divergingEpoch } = answer
    const hasRecords = records !== null && records.length > 0
    const hasMoved = known.highWatermark !== highWatermark || known.logStartOffset !== logStartOffset
    // After an error, what comes without one is news.
    known.highWatermark = errorCode === 0 ? highWatermark : -1
    known.logStartOffset = logStartOffset
    if (hasRecords) {
      this.#partitions.delete(key)
      this.#partitions.set(key, known)
    }
    return hasRecords || hasMoved || errorCode !== 0 || (divergingEpoch?.endOffset ?? -1) >= 0
  }
}

/**
 * The sessions of a node. When there are as many as there may be, one gives way that is idle, or
 * smaller than the new one and no longer young.
 */
export class FetchSessions {
  readonly #clock: Clock
  readonly #random: Random
  readonly #maxSessions: number
  /** In the order of their last use. */
  readonly #sessions = new Map<number, FetchSession>()
  #partitions = 0

  constructor(clock: Clock, random: Random, maxSessions: number) {
    this.#clock = clock
    this.#random = random
    this.#maxSessions = maxSessions
  }

  get size(): number {
    return this.#sessions.size
  }

  /** The number of partitions that are remembered in all. */
  get partitionCount(): number {
    return this.#partitions
  }

  get(id: number): FetchSession | undefined {
    return this.#sessions.get(id)
  }

  /** Begins a session with these partitions; undefined where there is no room. */
  begin(topics: Topics, usesTopicIds: boolean): FetchSession | undefined {
    const now = this.#clock.monotonic()
    const session = new FetchSession(this.#freeId(), usesTopicIds, now)
    session.update(topics, [])
    while (this.#sessions.size >= this.#maxSessions || this.#partitions + session.size > mostPartitions) {
      const other = this.#givingWayTo(session, now)
      if (!other) return undefined
      this.end(other.id)
    }
    this.#sessions.set(session.id, session)
    this.#partitions += session.size
    return session
  }

  /**
   * Goes on with a session. Returns whether there is room for what it has then; where there is
   * none, it has ended.
   */
  goOn(session: FetchSession, topics: Topics, forgotten: Forgotten): boolean {
    const before = session.size
    session.update(topics, forgotten)
    session.proceed(this.#clock.monotonic())
    this.#partitions += session.size - before
    this.#sessions.delete(session.id)
    this.#sessions.set(session.id, session)
    if (this.#partitions <= mostPartitions) return true
    this.end(session.id)
    return false
  }

  end(id: number): void {
    const session = this.#sessions.get(id)
    if (!session) return
    this.#sessions.delete(id)
    this.#partitions -= session.size
  }

  #givingWayTo(newcomer: FetchSession, now: number): FetchSession | undefined {
    const [idlest] = this.#sessions.values()
    if (!idlest || now - idlest.lastUsedAt > evictionMs) return idlest
    let smallest: FetchSession | undefined
    for (const session of this.#sessions.values()) {
      const isOld = now - session.createdAt > evictionMs
      if (isOld && session.size < newcomer.size && session.size < (smallest?.size ?? Number.POSITIVE_INFINITY)) smallest = session
    }
    return smallest
  }

  #freeId(): number {
    for (;;) {
      const id = 1 + randomInteger(this.#random, largestId - 1)
      if (!this.#sessions.has(id)) return id
    }
  }
}

function keyOf(topic: string, topicId: string, partition: number): string {
  return topicId === zeroUuid ? `${topic} ${partition}` : `${topicId} ${partition}`
}
