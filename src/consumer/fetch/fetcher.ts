import type { Timer } from '../../common/clock.js'
import { isPromise } from '../../common/deferred.js'
import { release } from '../../common/lease.js'
import { type Absentee, type Turns, turnsOf } from '../../common/turns.js'
import { errorCodeOf, errorNumber, KafkaError } from '../../errors.js'
import { type Broker, tellsFate } from '../../protocol/broker.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import { Fetch } from '../../protocol/messages/fetch.js'
import { type AssignedPartition, isSameTopic } from '../assigned-partition.js'
import { type BrokerFetch, fetchController, newBrokerFetch } from './broker-fetch.js'
import { DamagedBatch, FetchedRecords } from './fetched-records.js'
import type { FetcherContext, FetcherOwner } from './fetcher-parts.js'
import type { Rest } from './rest.js'

type FetchRequest = RequestOf<typeof Fetch>
type FetchResponse = ResponseOf<typeof Fetch>
type PartitionResponse = FetchResponse['responses'][number]['partitions'][number]

/** A reader that has had all in hand for so many milliseconds waits for handlers that take long. */
const idleMs = 5

/** The most abandoned fetches that may be outstanding at a broker elsewhere. */
const mostGivenUp = 2

/** The number of partitions that are handled without a yield: more may take milliseconds. */
const many = 100

const ok = 0
const offsetOutOfRange = errorNumber('OFFSET_OUT_OF_RANGE')

/**
 * A leader that moved, or a broker that does not know yet what another does: ask again who leads,
 * without ado.
 */
const moved: ReadonlySet<string> = new Set([
  'NOT_LEADER_OR_FOLLOWER',
  'REPLICA_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'OFFSET_NOT_AVAILABLE',
  'LEADER_NOT_AVAILABLE'
])

/**
 * Fetches ahead of the reader: one request per broker at a time, for the partitions of which
 * nothing is waiting to be read. Where nothing is new the broker holds the request back, and the
 * append answers it. While a partition is full the others are only looked at in passing: the reader
 * has work, and a request that waited for them would hold up the full one. What is fetched goes to
 * the end of the reader's line anyway, so it is enough to look once the reader is through half of
 * that. A reader whose handlers take long has all that is full in hand and could do something else:
 * then a request waits for the others, and is given up once the reader moves on.
 *
 * Size: it decides about every outcome of a fetch, and all of them change what is asked next.
 */
export class Fetcher implements Absentee {
  readonly #context: FetcherContext
  readonly #owner: FetcherOwner
  readonly #nodes = new Map<number, BrokerFetch>()
  #fetchCount = 0
  readonly #turns: Turns
  #isPumpDue = false
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #refreshing: Promise<void> | undefined
  /** While more partitions than this stand in line, the reader has enough to do. */
  #enough = 0
  /** Something was not fetched because the reader has enough to do. */
  #isHeldBack = false
  /**
   * The time at which it was first seen that the reader has all in hand that was fetched; -1 since
   * it has moved on.
   */
  #idleSince = -1
  readonly #closing = new AbortController()

  constructor(context: FetcherContext, owner: FetcherOwner) {
    this.#context = context
    this.#owner = owner
    this.#turns = turnsOf(context.clock)
    context.assignment.onDrained = () => {
      if (this.#isHeldBack) this.#look()
    }
  }

  /**
   * Something has been read: fetches what there is room for, unless the reader has enough to do.
   */
  wake(): void {
    if (this.#context.assignment.readyCount > this.#enough) {
      this.#isHeldBack = true
      return
    }
    this.#idleSince = -1
    for (const node of this.#nodes.values()) if (node.isFetching && node.isPatient) this.#giveUp(node)
    if (this.#endResting()) this.#pump()
  }

  /**
   * Partitions came, jumped or were resumed: a request that waits without them is given up for one
   * with them.
   */
  restart(): void {
    for (const partition of this.#context.assignment) {
      if (!partition.isFetchable || partition.fetched !== undefined || partition.isBeingFetched) continue
      const node = this.#nodes.get(this.#leaderOf(partition))
      if (node?.isFetching) this.#giveUp(node)
    }
    this.#look()
  }

  #look(): void {
    this.#endResting()
    this.#pump()
  }

  /** Ends all resting. Returns whether there is a broker to which no fetch is under way. */
  #endResting(): boolean {
    this.#isHeldBack = false
    let isFree = false
    for (const node of this.#nodes.values()) {
      node.isResting = false
      node.isStale = true
      if (!node.isFetching) isFree = true
    }
    return isFree
  }

  #giveUp(node: BrokerFetch): void {
    if (node.isBeingTaken) return
    // A node in this process ends a fetch at once, or has answered it already.
    if (node.isAnswered || tellsFate(node.controller.signal)) {
      this.#answered(node)
      node.controller.abort(new KafkaError('CLOSED', 'The fetch was given up for another'))
      node.controller = fetchController()
    } else if (node.leftBehind.size < mostGivenUp) {
      node.leftBehind.add(node.fetch)
      this.#answered(node)
    } else node.isDue = true
  }

  /** A fetch that was given up has been answered, so that another may be. */
  #cameBack(node: BrokerFetch, fetch: number): void {
    if (!node.leftBehind.delete(fetch)) return
    if (!node.isFetching) this.#look()
    else if (node.isDue) this.restart()
  }

  #answered(node: BrokerFetch): void {
    node.isFetching = false
    node.isDue = false
    this.#turns.returned(this)
    for (const partition of node.asked) partition.endFetch(node.fetch)
    node.asked = []
  }

  /** A fetch of what is already there waits for a disk. */
  isBehind(topics: readonly string[]): boolean {
    const { logEndOffset } = this.#context
    let bytes = 0
    for (const { asked } of this.#nodes.values()) {
      for (let i = 0; i < asked.length && i < many; i++) {
        const { topic, partition } = asked[i]
        const end = topics.includes(topic) ? logEndOffset(topic, partition) : undefined
        if (end !== undefined) bytes += asked[i].unfetchedBytes(end)
      }
    }
    return this.#context.lag.isBehind(bytes)
  }

  #leaderOf({ topic, partition }: AssignedPartition): number {
    return this.#context.metadata.partition(topic, partition)?.leaderId ?? -1
  }

  close(): void {
    this.#closing.abort(new KafkaError('CLOSED'))
    this.#timer?.cancel()
    this.#turns.returned(this)
    for (const node of this.#nodes.values()) {
      node.isFetching = false
      node.fetch = ++this.#fetchCount
      node.controller.abort(new KafkaError('CLOSED'))
      node.asked = node.wanted = []
    }
  }

  /**
   * Fetches what there is room for; for thousands of partitions that takes milliseconds, so it may
   * have to wait for its turn.
   */
  #pump(): void {
    if (this.#isPumpDue) return
    const turn = this.#context.assignment.size > many ? this.#turns.yieldWhenOver() : undefined
    if (turn === undefined) return this.#pumpNow()
    this.#isPumpDue = true
    turn.then(() => {
      this.#isPumpDue = false
      this.#pumpNow()
    })
  }

  #pumpNow(): void {
    if (this.#closing.signal.aborted) return
    const { assignment, settings, metadata } = this.#context
    for (const node of this.#nodes.values()) {
      node.wanted = []
      node.hasFull = false
    }
    let room = settings.fetchMaxBytes
    let pausedRoom = settings.fetchMaxBytes
    let unknown: Set<string> | undefined
    for (const partition of assignment) {
      const topicId = metadata.topic(partition.topic)?.id
      if (topicId !== undefined && !isSameTopic(partition.topicId, topicId)) this.#owner.onRecreated(partition, topicId)
      const { bufferedBytes } = partition
      if (partition.isFlowing) room -= bufferedBytes
      else if (bufferedBytes > 0) {
        if (pausedRoom < bufferedBytes && !partition.isRevoking) partition.giveUpFetched()
        pausedRoom -= partition.bufferedBytes
      }
      if (!partition.isFetchable || this.#isResting(partition.rest)) continue
      const leaderId = this.#leaderOf(partition)
      if (leaderId < 0) {
        unknown = (unknown ?? new Set()).add(partition.topic)
        continue
      }
      const node = this.#node(leaderId)
      if (node.isFetching || this.#isResting(node.rest)) continue
      if (partition.fetched !== undefined) node.hasFull = true
      else node.wanted.push(partition)
    }
    if (unknown !== undefined) this.#refresh([...unknown])
    for (const node of this.#nodes.values()) {
      if (node.wanted.length === 0) continue
      if (room > 0 && !(node.hasFull && node.isResting)) this.#fetch(node, node.wanted, room, node.hasFull)
      else if (this.#isReaderIdle()) this.#fetchPatiently(node, room)
      else this.#isHeldBack = true
    }
  }

  /**
   * Fetches for the partitions of which nothing is in hand. Where there is no room at all, one
   * batch comes at a time.
   */
  #fetchPatiently(node: BrokerFetch, room: number): void {
    // It may have to be given up itself, and must not take that from seeks.
    if (node.leftBehind.size > 0) return
    const wanted = room > 0 ? node.wanted : node.wanted.filter(({ bufferedBytes }) => bufferedBytes === 0)
    if (wanted.length === 0) return
    this.#fetch(node, wanted, Math.max(room, 1), false)
    node.isPatient = true
  }

  /** True if the reader has had all that was fetched in hand for a while. */
  #isReaderIdle(): boolean {
    if (this.#context.assignment.readyCount > 0) return false
    const now = this.#context.clock.monotonic()
    if (this.#idleSince < 0) this.#idleSince = now
    if (now >= this.#idleSince + idleMs) return true
    this.#wakeAt(this.#idleSince + idleMs)
    return false
  }

  #isResting({ until }: Rest): boolean {
    if (until === 0 || until <= this.#context.clock.monotonic()) return false
    this.#wakeAt(until)
    return true
  }

  #node(id: number): BrokerFetch {
    let node = this.#nodes.get(id)
    if (!node) {
      node = newBrokerFetch(id)
      this.#nodes.set(id, node)
    }
    return node
  }

  #fetch(node: BrokerFetch, partitions: AssignedPartition[], room: number, isPassing: boolean): void {
    const broker = this.#brokerOf(node)
    if (!broker) return this.#refresh([...new Set(partitions.map(({ topic }) => topic))])
    const fetch = ++this.#fetchCount
    node.fetch = fetch
    node.isFetching = true
    node.isStale = false
    node.isPatient = false
    node.asked = partitions
    this.#turns.left(this)
    // Never answered at once: whoever asks is in the midst of reading.
    this.#ask(node, broker, this.#request(fetch, partitions, room, isPassing)).then(
      response => {
        if (node.fetch !== fetch || !node.isFetching) {
          releaseAll(response)
          return this.#cameBack(node, fetch)
        }
        node.isBeingTaken = true
        this.#take(response, node)
        node.isBeingTaken = false
        this.#answered(node)
        node.rest.succeeded()
        node.isResting = !node.isStale
        this.#enough = this.#context.assignment.readyCount >> 1
        this.#pump()
      },
      error => {
        if (node.fetch !== fetch || !node.isFetching) return this.#cameBack(node, fetch)
        this.#answered(node)
        this.#rest(node.rest)
        this.#owner.onTrouble(error)
        // The broker has lost its storage for good.
        if (error instanceof KafkaError && error.code === 'STORAGE_FAILED') this.#failAll(partitions, error)
        this.#refresh([...new Set(partitions.map(({ topic }) => topic))])
        this.#pump()
      }
    )
  }

  /** Brokers may be code of a user's. */
  #brokerOf(node: BrokerFetch): Broker | undefined {
    try {
      return this.#context.brokers.byId(node.id)
    } catch (error) {
      this.#rest(node.rest)
      this.#owner.onTrouble(error)
      return undefined
    }
  }

  /** An interceptor of the user's may throw. */
  async #ask(node: BrokerFetch, broker: Broker, request: FetchRequest): Promise<FetchResponse> {
    node.isAnswered = false
    const response = broker.request(Fetch, request, node.controller.signal)
    node.isAnswered = !isPromise(response)
    return response
  }

  #request(fetch: number, partitions: AssignedPartition[], room: number, isPassing: boolean): FetchRequest {
    const { metadata, settings } = this.#context
    const topics: FetchRequest['topics'] = []
    let entry: FetchRequest['topics'][number] | undefined
    for (const partition of partitions) {
      const { topic } = partition
      if (entry?.topic !== topic) {
        entry = { topic, topicId: metadata.topic(topic)?.id, partitions: [] }
        topics.push(entry)
      }
      partition.belongTo(entry.topicId)
      const leaderEpoch = metadata.partition(topic, partition.partition)?.leaderEpoch ?? -1
      entry.partitions.push(partition.startFetch(fetch, leaderEpoch, settings.maxPartitionFetchBytes))
    }
    return {
      maxWaitMs: isPassing ? 0 : settings.fetchMaxWaitMs,
      minBytes: settings.fetchMinBytes,
      maxBytes: room,
      isolationLevel: settings.isolationLevel === 'read_committed' ? 1 : 0,
      topics
    }
  }

  #nameOf(topicId: string | undefined, asked: readonly AssignedPartition[]): string {
    if (topicId === undefined) return ''
    return this.#context.metadata.nameOf(topicId) ?? asked.find(partition => partition.topicId === topicId)?.topic ?? ''
  }

  #take(response: FetchResponse, { fetch, asked }: BrokerFetch): void {
    if (response.errorCode) this.#owner.onTrouble(KafkaError.fromNumber(response.errorCode))
    for (const { topic = '', topicId, partitions } of response.responses) {
      const name = topic || this.#nameOf(topicId, asked)
      for (const answer of partitions) {
        const partition = this.#context.assignment.get(name, answer.partitionIndex)
        // Another fetch has taken its place if it jumped, went away, or came back meanwhile.
        if (partition === undefined || !partition.isFetchedBy(fetch)) {
          if (answer.records) release(answer.records)
          continue
        }
        partition.endFetch(fetch)
        if (answer.errorCode !== ok) this.#onError(partition, answer)
        else this.#takePartition(partition, answer)
      }
    }
  }

  #takePartition(partition: AssignedPartition, answer: PartitionResponse): void {
    partition.rest.succeeded()
    const { records, highWatermark, lastStableOffset = -1, logStartOffset = -1 } = answer
    partition.sawEnds({ highWatermark, lastStableOffset, logStartOffset })
    if (records === null || records.length === 0) return
    try {
      const { checkCrcs } = this.#context.settings
      const { fetchOffset, cursor } = partition
      partition.took(new FetchedRecords(records, fetchOffset, cursor, answer.abortedTransactions ?? null, checkCrcs))
    } catch (error) {
      this.#failDamaged(partition, error)
      return
    }
    this.#owner.onFetched(partition)
  }

  #onError(partition: AssignedPartition, answer: PartitionResponse): void {
    const { topic } = partition
    const number = answer.errorCode
    const error = KafkaError.fromNumber(number, undefined, { topic, partition: partition.partition })
    if (number === offsetOutOfRange) {
      // Records fetched before, and those in hand, come first: the next fetch shows whether the
      // error persists.
      if (partition.isReady || partition.isInHand) this.#rest(partition.rest)
      else this.#owner.onOutOfRange(partition, answer.logStartOffset ?? -1)
    } else if ((error.retriable && error.code !== 'CORRUPT_MESSAGE') || errorCodeOf(number) === 'UNKNOWN_SERVER_ERROR') {
      this.#context.metadata.forget(topic)
      if (!moved.has(error.code) && partition.rest.failures === 0) this.#owner.onTrouble(error)
      this.#rest(partition.rest)
      this.#refresh([topic])
    } else if (error.code === 'CORRUPT_MESSAGE') this.#failDamaged(partition, error)
    else this.#fail(partition, error)
  }

  /** Ends the reading of a partition at damage, once it is known where that stands. */
  #failDamaged(partition: AssignedPartition, cause: unknown): void {
    const { jumps, fetchOffset } = partition
    partition.rest.stop()
    void this.#damaged(partition, cause).then(error => {
      const isStill = this.#context.assignment.has(partition) && partition.jumps === jumps && partition.fetchOffset === fetchOffset
      if (!isStill || this.#closing.signal.aborted) return
      partition.rest.restart()
      this.#fail(partition, error)
    })
  }

  async #damaged({ topic, partition, fetchOffset: offset }: AssignedPartition, cause: unknown): Promise<KafkaError> {
    const found = await this.#context.damageAt?.(topic, partition, offset).catch(() => undefined)
    const { file, position, line } = found ?? {}
    const next = cause instanceof DamagedBatch && cause.nextOffset > offset ? cause.nextOffset : offset + 1
    const advice = `To go on after it, \`seek\` beyond the damage, to offset ${next} for instance`
    const message = `${topic}-${partition} is damaged at offset ${offset}: ${found?.message ?? (cause as Error).message}. ${advice}`
    const place = { ...(file !== undefined && { file }), ...(position !== undefined && { position }), ...(line !== undefined && { line }) }
    return new KafkaError('CORRUPT_MESSAGE', message, { topic, partition, offset, ...place, cause: found ?? cause })
  }

  /**
   * Ends the reading of a partition. What was fetched before comes first; asking again afterwards
   * shows whether it is still so.
   */
  #fail(partition: AssignedPartition, error: KafkaError): void {
    if (partition.isReady) return this.#rest(partition.rest)
    this.#owner.onFailed(partition, error)
  }

  #failAll(partitions: readonly AssignedPartition[], error: KafkaError): void {
    for (const partition of partitions) {
      if (this.#context.assignment.get(partition.topic, partition.partition) === partition) this.#fail(partition, error)
    }
  }

  #rest(rest: Rest): void {
    const { clock, backoff } = this.#context
    rest.failed(clock.monotonic(), failures => backoff.delayMs(failures))
    this.#wakeAt(rest.until)
  }

  #wakeAt(time: number): void {
    if (time >= this.#timerAt || time === Number.POSITIVE_INFINITY) return
    this.#timer?.cancel()
    this.#timerAt = time
    const onTime = () => {
      this.#timerAt = Number.POSITIVE_INFINITY
      this.#look()
    }
    this.#timer = this.#context.clock.setTimer(Math.max(0, time - this.#context.clock.monotonic()), onTime, { keepAlive: true })
  }

  /** Asks who leads these topics; one question at a time. */
  #refresh(topics: string[]): void {
    if (this.#refreshing !== undefined) return
    const { signal } = this.#closing
    this.#refreshing = this.#context.metadata
      .refresh(topics, { allowAutoTopicCreation: false, signal })
      .catch(error => {
        if (signal.aborted) return
        this.#owner.onTrouble(error)
        for (const partition of this.#context.assignment) if (topics.includes(partition.topic)) this.#rest(partition.rest)
      })
      .then(() => {
        this.#refreshing = undefined
        this.#look()
      })
  }
}

function releaseAll(response: FetchResponse): void {
  for (const { partitions } of response.responses) for (const { records } of partitions) if (records) release(records)
}
