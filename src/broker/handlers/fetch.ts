import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { release } from '../../common/lease.js'
import { zeroUuid } from '../../common/uuid.js'
import { errorNumber } from '../../errors.js'
import type { AbortedTransaction } from '../../log/transaction-index.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { Fetch } from '../../protocol/messages/fetch.js'
import { leaderEpochError } from '../leader-epoch-check.js'
import type { LocalBroker } from '../local-broker.js'
import type { Partition } from '../partition.js'
import type { RequestContext } from '../request-context.js'

type Request = RequestOf<typeof Fetch>
type Response = ResponseOf<typeof Fetch>
type TopicResponse = Response['responses'][number]
type PartitionResponse = TopicResponse['partitions'][number]
type Wanted = Request['topics'][number]['partitions'][number]

const nothing = new Uint8Array(0)
const readCommitted = 1
const unknownPartition = errorNumber('UNKNOWN_TOPIC_OR_PARTITION')
const offsetOutOfRange = errorNumber('OFFSET_OUT_OF_RANGE')

/**
 * Reads from each partition in the order of the request; waits while there is less than `minBytes`, up to `maxWaitMs`. The bytes in the answer
 * are lent by the log. There are no fetch sessions: every answer has session id 0, which clients take as "none".
 */
export function fetch(node: LocalBroker, request: Request, context: RequestContext, signal?: AbortSignal): MaybePromise<Response> {
  const first = new FetchRound(node, request, context).run()
  return isPromise(first) ? first.then(round => answer(node, request, round, signal)) : answer(node, request, first, signal)
}

function answer(node: LocalBroker, { maxWaitMs }: Request, round: FetchRound, signal: AbortSignal | undefined): MaybePromise<Response> {
  return round.isComplete || maxWaitMs <= 0 ? round.response() : waitAndRead(round, node.clock.now() + maxWaitMs, signal)
}

async function waitAndRead(round: FetchRound, deadline: number, signal: AbortSignal | undefined): Promise<Response> {
  for (;;) {
    const outcome = round.hasGrown ? 'arrived' : await round.wait(deadline, signal)
    const next = outcome === 'arrived' && round.bytes === 0 ? round.readGrown() : round.again().run()
    round = isPromise(next) ? await next : next
    // After a wait the answer goes out even when limits keep it below `minBytes`, but never empty before the time is over.
    if (outcome === 'timedOut' || round.isComplete || round.bytes > 0) return round.response()
  }
}

/** One partition of a request, where its answer goes, and how far it was there when it was read. */
interface Reading {
  readonly partition: Partition
  readonly wanted: Wanted
  readonly answers: PartitionResponse[]
  readonly index: number
  upTo: number
}

/** One reading of all partitions of a request. */
class FetchRound {
  readonly #node: LocalBroker
  readonly #request: Request
  readonly #context: RequestContext
  readonly #responses: TopicResponse[] = []
  readonly #read: Reading[] = []
  #topic = 0
  #partition = 0
  #hasError = false
  bytes = 0

  constructor(node: LocalBroker, request: Request, context: RequestContext) {
    this.#node = node
    this.#request = request
    this.#context = context
  }

  /** A new reading of all, which takes the place of this one. */
  again(): FetchRound {
    this.#discard()
    return new FetchRound(this.#node, this.#request, this.#context)
  }

  /** Whether the answer need not wait. */
  get isComplete(): boolean {
    return this.#hasError || this.bytes >= this.#request.minBytes || this.#read.length === 0
  }

  /** Whether a partition has grown since it was read. */
  get hasGrown(): boolean {
    return this.#read.some(reading => reading.partition.isDeleted || this.#isGrown(reading))
  }

  wait(deadline: number, signal?: AbortSignal) {
    const partitions = this.#read.map(({ partition }) => partition)
    return this.#node.delayedFetches.wait(partitions, this.#request.minBytes - this.bytes, deadline, signal)
  }

  response(): Response {
    return { throttleTimeMs: 0, errorCode: 0, sessionId: 0, responses: this.#responses }
  }

  /** Reads on from where it stands, without waiting as long as the logs do not. */
  run(): MaybePromise<this> {
    const { topics } = this.#request
    for (; this.#topic < topics.length; this.#topic++, this.#partition = 0) {
      const { topic: name = '', topicId = zeroUuid, partitions } = topics[this.#topic]
      const topic = this.#node.findTopic(name, topicId)
      if (this.#partition === 0) this.#responses.push({ topic: topic?.name ?? name, topicId: topic?.id ?? topicId, partitions: [] })
      while (this.#partition < partitions.length) {
        const index = this.#partition++
        const wanted = partitions[index]
        const partition = topic?.partitions[wanted.partition]
        const answers = this.#responses[this.#topic].partitions
        if (!partition) answers[index] = this.#refusal(wanted.partition, topic ? unknownPartition : this.#node.unknownTopicError(topicId))
        else {
          const reading: Reading = { partition, wanted, answers, index, upTo: -1 }
          this.#read.push(reading)
          const done = this.#readFrom(reading)
          if (isPromise(done)) return done.then(() => this.run())
        }
      }
    }
    return this
  }

  /** Reads again what has grown, where nothing had been read so far. */
  readGrown(from = 0): MaybePromise<FetchRound> {
    for (let index = from; index < this.#read.length; index++) {
      const reading = this.#read[index]
      if (reading.partition.isDeleted) return this.again().run()
      const done = this.#isGrown(reading) ? this.#readFrom(reading) : undefined
      if (isPromise(done)) return done.then(() => this.readGrown(index + 1))
    }
    return this
  }

  /** Gives back what was read and will not be sent. */
  #discard(): void {
    for (const { partitions } of this.#responses) for (const { records } of partitions) if (records) release(records)
  }

  #isGrown({ partition, upTo }: Reading): boolean {
    return this.#limitOf(partition) > upTo
  }

  #readFrom(reading: Reading): MaybePromise<void> {
    const { partition, wanted } = reading
    const { fetchOffset, currentLeaderEpoch = -1 } = wanted
    const epochError = leaderEpochError(partition, currentLeaderEpoch)
    if (epochError !== 0) return this.#refuse(reading, epochError)
    if (fetchOffset < partition.logStartOffset || fetchOffset > partition.logEndOffset) return this.#refuse(reading, offsetOutOfRange)
    const upTo = this.#limitOf(partition)
    reading.upTo = upTo
    const { maxBytes = 2 ** 31 - 1 } = this.#request
    const room = Math.min(maxBytes, this.#node.maxFetchBytes) - this.bytes
    if (fetchOffset >= upTo || (room <= 0 && this.bytes > 0)) return this.#take(reading, nothing)
    try {
      const records = partition.log.read(fetchOffset, Math.min(room, wanted.partitionMaxBytes), { upTo, minOneBatch: this.bytes === 0 })
      if (!isPromise(records)) return this.#take(reading, records)
      return records.then(
        bytes => this.#take(reading, bytes),
        error => this.#fail(reading, error)
      )
    } catch (error) {
      this.#fail(reading, error)
    }
  }

  #limitOf(partition: Partition): number {
    return this.#request.isolationLevel === readCommitted ? partition.lastStableOffset : partition.highWatermark
  }

  #take(reading: Reading, records: Uint8Array): MaybePromise<void> {
    if (this.#request.isolationLevel !== readCommitted) return this.#answer(reading, records, null)
    const failed = (error: unknown) => {
      release(records)
      this.#fail(reading, error)
    }
    try {
      const aborted = reading.partition.log.abortedTransactions(reading.wanted.fetchOffset, records)
      if (!isPromise(aborted)) return this.#answer(reading, records, aborted)
      return aborted.then(found => this.#answer(reading, records, found), failed)
    } catch (error) {
      failed(error)
    }
  }

  #answer({ partition, answers, index }: Reading, records: Uint8Array, aborted: readonly AbortedTransaction[] | null): void {
    this.bytes += records.length
    answers[index] = {
      partitionIndex: partition.partition,
      errorCode: 0,
      highWatermark: partition.highWatermark,
      lastStableOffset: partition.lastStableOffset,
      logStartOffset: partition.logStartOffset,
      abortedTransactions: aborted?.map(({ producerId, firstOffset }) => ({ producerId, firstOffset })) ?? null,
      records
    }
  }

  #fail(reading: Reading, error: unknown): void {
    const { partition } = reading
    if (partition.isDeleted) reading.answers[reading.index] = this.#refusal(partition.partition, unknownPartition)
    else this.#refuse(reading, this.#node.errorNumberFor(error, `a read of ${partition.topic}-${partition.partition}`))
  }

  #refuse({ partition, answers, index }: Reading, errorCode: number): void {
    answers[index] = this.#refusal(partition.partition, errorCode, partition)
  }

  #refusal(partitionIndex: number, errorCode: number, partition?: Partition): PartitionResponse {
    this.#hasError = true
    const currentLeader = partition && { leaderId: partition.leaderId, leaderEpoch: partition.leaderEpoch }
    return {
      partitionIndex,
      errorCode,
      highWatermark: -1,
      lastStableOffset: -1,
      logStartOffset: errorCode === offsetOutOfRange && partition ? partition.logStartOffset : -1,
      abortedTransactions: null,
      records: nothing,
      ...(currentLeader && errorCode !== offsetOutOfRange && { currentLeader })
    }
  }
}
