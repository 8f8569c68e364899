import { isPromise, type MaybePromise, whenThere } from '../../common/deferred.js'
import { release } from '../../common/lease.js'
import { zeroUuid } from '../../common/uuid.js'
import { errorNumber } from '../../errors.js'
import type { AbortedTransaction } from '../../log/history/transaction-index.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { Fetch } from '../../protocol/messages/fetch.js'
import { nameOf, topicDenied } from '../access/guard.js'
import type { RemoteClient } from '../backlog/remote-readers.js'
import type { WaitOutcome } from '../delayed-fetch.js'
import { epochEnd, leaderEpochError } from '../leader-epoch-check.js'
import type { FetchNode } from '../node.js'
import { backlogOf, type Partition } from '../partition.js'
import type { ClientMeter } from '../quotas/client-meter.js'
import { newestVersion, type RequestContext } from '../request-context.js'
import { eachPartitionOnce, type PartitionsOf } from './each-partition-once.js'

type Request = RequestOf<typeof Fetch>
type Response = ResponseOf<typeof Fetch>
type PartitionResponse = Response['responses'][number]['partitions'][number]
type Wanted = Request['topics'][number]['partitions'][number]

const nothing = new Uint8Array(0)
const unknownSession = errorNumber('FETCH_SESSION_ID_NOT_FOUND')
const wrongEpoch = errorNumber('INVALID_FETCH_SESSION_EPOCH')
const wrongNaming = errorNumber('FETCH_SESSION_TOPIC_ID_ERROR')
const [newSession, noSession] = [0, -1]
const firstVersionWithIds = 13
/** From this version on the answer says who leads instead. */
const firstVersionWithLeader = 16
const readCommitted = 1
const unknownPartition = errorNumber('UNKNOWN_TOPIC_OR_PARTITION')
const unknownId = errorNumber('UNKNOWN_TOPIC_ID')
const offsetOutOfRange = errorNumber('OFFSET_OUT_OF_RANGE')
const notLeader = errorNumber('NOT_LEADER_OR_FOLLOWER')
const fencedEpoch = errorNumber('FENCED_LEADER_EPOCH')

/**
 * Reads from each partition in the order of the request; waits while there is less than `minBytes`,
 * up to `maxWaitMs`. The bytes in the answer are lent by the log. A client that asks for a fetch
 * session (KIP-227) then only tells and is told what has changed.
 */
export function fetch(node: FetchNode, request: Request, context: RequestContext, signal?: AbortSignal): MaybePromise<Response> {
  if (context.meter?.isMetering) return fetchMetered(node, request, context.meter, context, signal)
  return fetchFor(node, request, context, signal)
}

/** Bytes beyond the limit of the client are not read. */
function fetchMetered(
  node: FetchNode,
  request: Request,
  meter: ClientMeter,
  context: RequestContext,
  signal?: AbortSignal
): MaybePromise<Response> {
  const { sessionId = 0, sessionEpoch = noSession, maxBytes = Number.POSITIVE_INFINITY } = request
  const most = Math.min(maxBytes, meter.mostToFetch)
  const bounded = most < maxBytes ? { ...request, maxBytes: most, minBytes: Math.min(request.minBytes, most) } : request
  const answered = fetchFor(node, bounded, context, signal)
  // A session is asked before it takes what is told for known.
  if (sessionEpoch !== noSession || sessionId !== 0) return answered
  return whenThere(answered, response => (mustBeEmpty(response, context) ? emptied(response, 0) : response))
}

function fetchFor(node: FetchNode, request: Request, context: RequestContext, signal?: AbortSignal): MaybePromise<Response> {
  const { sessionId = 0, sessionEpoch = noSession } = request
  if (sessionEpoch === noSession && sessionId === 0) return fetchAll(node, request, context, signal)
  return sessionEpoch === newSession || sessionEpoch === noSession
    ? beginSession(node, request, context, signal)
    : goOnWithSession(node, request, context, signal)
}

const byPartition: PartitionsOf<Request['topics'][number], Wanted> = {
  key: ({ topic = '', topicId = zeroUuid }) => (topicId === zeroUuid ? topic : topicId),
  partitions: ({ partitions }) => partitions,
  index: ({ partition }) => partition,
  withPartitions: (topic, partitions) => ({ ...topic, partitions })
}

function fetchAll(node: FetchNode, asked: Request, context: RequestContext, signal?: AbortSignal): MaybePromise<Response> {
  const topics = eachPartitionOnce(asked.topics, byPartition)
  const request = topics === asked.topics ? asked : { ...asked, topics }
  return whenThere(deniedIn(node, request, context), denied => fetchAllowed(node, request, denied, context, signal))
}

type Denied = ReadonlySet<string> | undefined

/** The names of those topics that the client may not read; undefined where it may read all. */
function deniedIn(node: FetchNode, request: Request, context: RequestContext): MaybePromise<Denied> {
  const access = context.access?.during('Fetch')
  if (!access) return undefined
  const { topics } = request
  const names = topics.flatMap(({ topic: name = '', topicId }) => nameOf(node, name, topicId) ?? [])
  const denied = (allowed: ReadonlySet<string>) => new Set(names.filter(name => !allowed.has(name)))
  // Replicas read what they are told to keep.
  if (isReplica(request)) return whenThere(access.mayCluster('clusterAction'), isBroker => (isBroker ? undefined : new Set(names)))
  return whenThere(access.which('read', 'topic', names), denied)
}

function fetchAllowed(
  node: FetchNode,
  request: Request,
  denied: Denied,
  context: RequestContext,
  signal: AbortSignal | undefined
): MaybePromise<Response> {
  if (context.connection) countAsReader(node, request, denied, context as RemoteClient)
  const round = new FetchRound(node, request, denied, context.apiVersion, signal)
  const { maxWaitMs } = request
  const answer = () => (round.isComplete || maxWaitMs <= 0 ? round.response() : round.wait(node.clock.monotonic() + maxWaitMs))
  const read = round.read()
  return isPromise(read) ? read.then(answer) : answer()
}

/** A request that names all that is wanted ends the session that it has, and may begin another. */
async function beginSession(node: FetchNode, request: Request, context: RequestContext, signal?: AbortSignal): Promise<Response> {
  const { fetchSessions } = node
  const { sessionId = 0, sessionEpoch, topics } = request
  if (sessionId !== 0) fetchSessions.end(sessionId)
  const response = await fetchAll(node, request, context, signal)
  if (mustBeEmpty(response, context)) return emptied(response, 0)
  const session = sessionEpoch === newSession ? fetchSessions.begin(topics, namesById(topics, context)) : undefined
  if (!session) return response
  return { ...response, sessionId: session.id, responses: session.news(response.responses, true) }
}

/**
 * A request of a session: what it says goes over what the session remembers, and the answer has
 * what the client does not know.
 */
async function goOnWithSession(node: FetchNode, request: Request, context: RequestContext, signal?: AbortSignal): Promise<Response> {
  const { fetchSessions } = node
  const { sessionId = 0, sessionEpoch, topics, forgottenTopicsData = [] } = request
  const session = fetchSessions.get(sessionId)
  if (!session) return sessionError(unknownSession)
  if (session.epoch !== sessionEpoch) return sessionError(wrongEpoch)
  // A request in process that names nothing has no way of naming.
  const isMute = context.apiVersion === newestVersion && topics.length + forgottenTopicsData.length === 0
  const usesTopicIds = isMute ? session.usesTopicIds : namesById([...topics, ...forgottenTopicsData], context)
  if (usesTopicIds !== session.usesTopicIds) return sessionError(wrongNaming)
  if (!fetchSessions.goOn(session, topics, forgottenTopicsData)) return sessionError(unknownSession)
  if (session.size === 0) {
    fetchSessions.end(sessionId)
    return { throttleTimeMs: 0, errorCode: 0, sessionId: 0, responses: [] }
  }
  const { epoch } = session
  const response = await fetchAll(node, { ...request, topics: session.topics }, context, signal)
  if (session.epoch === epoch && mustBeEmpty(response, context)) return emptied(response, sessionId)
  if (session.epoch === epoch) return { ...response, sessionId, responses: session.news(response.responses, false) }
  // The client has gone on meanwhile, on another connection.
  releaseAll(response)
  return sessionError(wrongEpoch)
}

/**
 * True if the client has fetched more than its quota, so that it has to wait for what it asked for.
 */
function mustBeEmpty(response: Response, { meter }: RequestContext): boolean {
  return meter?.isMetering === true && meter.mustFetchNothing(sizeOf(response))
}

/** An answer that tells nothing: a session goes on as if it had not been asked. */
function emptied(response: Response, sessionId: number): Response {
  releaseAll(response)
  return { throttleTimeMs: 0, errorCode: 0, sessionId, responses: [] }
}

/** About how many bytes an answer takes. */
function sizeOf({ responses }: Response): number {
  let bytes = bytesOfAnswer
  for (const { partitions } of responses) {
    bytes += bytesOfAnswer
    for (const { records } of partitions) bytes += bytesOfPartition + (records?.length ?? 0)
  }
  return bytes
}

const bytesOfAnswer = 20
const bytesOfPartition = 40

function isReplica({ replicaId = -1, replicaState }: Request): boolean {
  return replicaId >= 0 || (replicaState?.replicaId ?? -1) >= 0
}

function sessionError(errorCode: number): Response {
  return { throttleTimeMs: 0, errorCode, sessionId: 0, responses: [] }
}

/** True if a request names its topics by their ids; in process there is no version that says it. */
function namesById(topics: readonly { readonly topicId?: string }[], { apiVersion }: RequestContext): boolean {
  if (apiVersion !== newestVersion) return apiVersion >= firstVersionWithIds
  return topics.some(({ topicId = zeroUuid }) => topicId !== zeroUuid)
}

function releaseAll({ responses }: Response): void {
  for (const { partitions } of responses) for (const { records } of partitions) if (records) release(records)
}

/**
 * Records that a client over the wire fetches are held for it, and for a while after it fell
 * silent.
 */
function countAsReader(node: FetchNode, { topics, maxWaitMs }: Request, denied: Denied, client: RemoteClient): void {
  const until = node.clock.monotonic() + Math.max(0, maxWaitMs) + node.quietReaderMs
  let hasMoved = false
  for (const { topic: name = '', topicId = zeroUuid, partitions } of topics) {
    const topic = node.findTopic(name, topicId)
    if (!topic || denied?.has(topic.name)) continue
    for (const { partition, fetchOffset } of partitions) {
      const read = topic.partitions[partition]
      if (read && backlogOf(read).fetchedBy(client, fetchOffset, until)) hasMoved = true
    }
  }
  if (hasMoved) node.backlog.readers.moved()
}

/**
 * One partition of a request, how far it was there when it was read, and what was found: undefined
 * while that is nothing.
 */
interface Reading {
  readonly partition: Partition | undefined
  readonly wanted: Wanted
  upTo: number
  answer: PartitionResponse | undefined
}

/** One reading of all partitions of a request. */
class FetchRound {
  readonly #node: FetchNode
  readonly #request: Request
  readonly #denied: Denied
  readonly #apiVersion: number
  readonly #signal: AbortSignal | undefined
  readonly #readings: Reading[] = []
  /** The one that is read next. */
  #next = 0
  /** Something is to be told at once. */
  #isDecided = false
  #bytes = 0

  constructor(node: FetchNode, request: Request, denied: Denied, apiVersion: number, signal: AbortSignal | undefined) {
    this.#node = node
    this.#request = request
    this.#denied = denied
    this.#apiVersion = apiVersion
    this.#signal = signal
    for (const { topic: name = '', topicId = zeroUuid, partitions } of request.topics) {
      const topic = node.findTopic(name, topicId)
      for (const wanted of partitions) {
        const isDenied = denied?.has(topic?.name ?? name) === true
        const partition = isDenied ? undefined : topic?.partitions[wanted.partition]
        const reading: Reading = { partition, wanted, upTo: -1, answer: undefined }
        if (isDenied) this.#refuse(reading, topicDenied)
        else if (!partition)
          this.#refuse(
            reading,
            topic ? unknownPartition : name === '' && apiVersion >= firstVersionWithIds ? unknownId : node.unknownTopicError(topicId)
          )
        this.#readings.push(reading)
      }
    }
  }

  /** True if the answer need not wait. */
  get isComplete(): boolean {
    return this.#isDecided || this.#bytes >= this.#request.minBytes || this.#readings.length === 0
  }

  /**
   * Reads what has not been read, or in vain and has grown since; without waiting as long as the
   * logs do not.
   */
  read(): MaybePromise<void> {
    while (this.#next < this.#readings.length) {
      const reading = this.#readings[this.#next++]
      const { partition } = reading
      const done = partition && this.#isGrown(reading, partition) ? this.#readFrom(reading, partition) : undefined
      if (isPromise(done)) return done.then(() => this.read())
    }
  }

  /** The answer, once there is enough, or the time is over. */
  wait(deadline: number): MaybePromise<Response> {
    const partitions = this.#readings.map(({ partition }) => partition as Partition)
    const hasChanged = this.#readings.some(reading => this.#isGrown(reading, reading.partition as Partition)) || isAnyDeleted(partitions)
    const goOn = (outcome: WaitOutcome): MaybePromise<Response> => {
      const isGrowth = outcome === 'arrived' && this.#bytes === 0 && !isAnyDeleted(partitions)
      const round = isGrowth ? this : this.#again()
      // After a wait the answer goes out even when limits keep it below `minBytes`, but never empty
      // before the time is over.
      const answer = () => (outcome === 'timedOut' || round.isComplete || round.#bytes > 0 ? round.response() : round.wait(deadline))
      round.#next = 0
      const read = round.read()
      return isPromise(read) ? read.then(answer) : answer()
    }
    if (hasChanged) return goOn('arrived')
    const missingBytes = this.#request.minBytes - this.#bytes
    return this.#node.delayedFetches.wait(partitions, this.#isCommittedOnly, missingBytes, deadline, this.#signal, goOn)
  }

  /** A new reading of all, which takes the place of this one; what was read is given back. */
  #again(): FetchRound {
    for (const { answer } of this.#readings) if (answer?.records) release(answer.records)
    return new FetchRound(this.#node, this.#request, this.#denied, this.#apiVersion, this.#signal)
  }

  response(): Response {
    let next = 0
    const responses = this.#request.topics.map(({ topic: name = '', topicId = zeroUuid, partitions }) => {
      const topic = this.#node.findTopic(name, topicId)
      const answers = partitions.map(() => this.#answerOf(this.#readings[next++]))
      return { topic: topic?.name ?? name, topicId: topic?.id ?? topicId, partitions: answers }
    })
    return { throttleTimeMs: 0, errorCode: 0, sessionId: 0, responses }
  }

  #answerOf({ answer, partition }: Reading): PartitionResponse {
    return answer ?? answerWith(partition as Partition, nothing, this.#isCommittedOnly ? [] : null)
  }

  get #isCommittedOnly(): boolean {
    return this.#request.isolationLevel === readCommitted
  }

  #isGrown({ answer, upTo }: Reading, partition: Partition): boolean {
    return answer === undefined && this.#limitOf(partition) > upTo
  }

  #limitOf(partition: Partition): number {
    return this.#isCommittedOnly ? partition.lastStableOffset : partition.highWatermark
  }

  #readFrom(reading: Reading, partition: Partition): MaybePromise<void> {
    const { fetchOffset, currentLeaderEpoch = -1, lastFetchedEpoch = -1, partitionMaxBytes } = reading.wanted
    const epochError = leaderEpochError(partition, Math.max(-1, currentLeaderEpoch))
    if (epochError !== 0) return this.#refuse(reading, epochError)
    if (fetchOffset < partition.logStartOffset) return this.#refuse(reading, offsetOutOfRange)
    if (lastFetchedEpoch >= 0 && this.#hasDiverged(reading, partition, lastFetchedEpoch)) return
    if (fetchOffset > partition.logEndOffset) return this.#refuse(reading, offsetOutOfRange)
    const upTo = this.#limitOf(partition)
    reading.upTo = upTo
    backlogOf(partition).wasRead = true
    const { maxBytes = 2 ** 31 - 1 } = this.#request
    const { maxFetchBytes, fetchedBytes } = this.#node
    const room = Math.max(0, Math.min(maxBytes, maxFetchBytes, fetchedBytes.mostBytes)) - this.#bytes
    if (fetchOffset >= upTo || (room <= 0 && this.#bytes > 0)) return
    try {
      const records = partition.log.read(fetchOffset, Math.max(0, Math.min(room, partitionMaxBytes)), {
        upTo,
        minOneBatch: this.#bytes === 0
      })
      if (!isPromise(records)) return this.#take(reading, partition, records)
      return records.then(
        bytes => this.#take(reading, partition, bytes),
        error => this.#fail(reading, partition, error)
      )
    } catch (error) {
      this.#fail(reading, partition, error)
    }
  }

  /** A client whose last read records were truncated is told the end of its epoch (KIP-595). */
  #hasDiverged(reading: Reading, partition: Partition, lastFetchedEpoch: number): boolean {
    const { epoch, endOffset } = epochEnd(partition, lastFetchedEpoch, partition.logEndOffset)
    if (endOffset < 0) this.#refuse(reading, offsetOutOfRange)
    else if (epoch < lastFetchedEpoch || endOffset < reading.wanted.fetchOffset) {
      this.#isDecided = true
      reading.answer = { ...answerWith(partition, nothing, null), divergingEpoch: { epoch, endOffset } }
    }
    return reading.answer !== undefined
  }

  #take(reading: Reading, partition: Partition, records: Uint8Array): MaybePromise<void> {
    this.#node.fetchedBytes.count(records)
    const answer = (aborted: readonly AbortedTransaction[] | null) => {
      this.#bytes += records.length
      reading.answer = answerWith(partition, records, aborted)
    }
    if (!this.#isCommittedOnly) return answer(null)
    const failed = (error: unknown) => {
      release(records)
      this.#fail(reading, partition, error)
    }
    try {
      const aborted = partition.log.abortedTransactions(reading.wanted.fetchOffset, records)
      return isPromise(aborted) ? aborted.then(answer, failed) : answer(aborted)
    } catch (error) {
      failed(error)
    }
  }

  /**
   * In process the leader is told with every error; over the wire with those with which Kafka tells
   * it.
   */
  #tellsLeader(errorCode: number): boolean {
    if (this.#apiVersion === newestVersion) return true
    return this.#apiVersion >= firstVersionWithLeader && (errorCode === notLeader || errorCode === fencedEpoch)
  }

  #fail(reading: Reading, partition: Partition, error: unknown): void {
    const during = `a read of ${partition.topic}-${partition.partition}`
    this.#refuse(reading, partition.isDeleted ? unknownPartition : this.#node.errorNumberFor(error, during))
  }

  #refuse(reading: Reading, errorCode: number): void {
    const { partition, wanted } = reading
    const isKnown = partition !== undefined && errorCode !== unknownPartition
    const isOutOfRange = errorCode === offsetOutOfRange
    this.#isDecided = true
    reading.answer = {
      partitionIndex: wanted.partition,
      errorCode,
      highWatermark: -1,
      lastStableOffset: -1,
      logStartOffset: isKnown && isOutOfRange ? partition.logStartOffset : -1,
      // Kafka knows of none where it knows no partition, and says nothing about those of another.
      abortedTransactions: isKnown ? null : [],
      records: nothing,
      ...(isKnown &&
        !isOutOfRange &&
        this.#tellsLeader(errorCode) && { currentLeader: { leaderId: partition.leaderId, leaderEpoch: partition.leaderEpoch } })
    }
  }
}

function isAnyDeleted(partitions: readonly Partition[]): boolean {
  return partitions.some(({ isDeleted }) => isDeleted)
}

function answerWith(partition: Partition, records: Uint8Array, aborted: readonly AbortedTransaction[] | null): PartitionResponse {
  return {
    partitionIndex: partition.partition,
    errorCode: 0,
    highWatermark: partition.highWatermark,
    lastStableOffset: partition.lastStableOffset,
    logStartOffset: partition.logStartOffset,
    abortedTransactions: aborted?.map(({ producerId, firstOffset }) => ({ producerId, firstOffset })) ?? null,
    records
  }
}
