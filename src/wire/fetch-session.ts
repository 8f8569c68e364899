import { zeroUuid } from '../common/uuid.js'
import { errorNumber } from '../errors.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import type { Fetch } from '../protocol/messages/fetch.js'

type Request = RequestOf<typeof Fetch>
type Response = ResponseOf<typeof Fetch>
type Topic = Request['topics'][number]
type Wanted = Topic['partitions'][number]
type AnsweredTopic = Response['responses'][number]
type Answer = AnsweredTopic['partitions'][number]

export const firstVersionWithSessions = 7
const firstVersionWithIds = 13
const [newSession, lastEpoch] = [0, 2 ** 31 - 1]
const unknownSession = errorNumber('FETCH_SESSION_ID_NOT_FOUND')
const sessionErrors: ReadonlySet<number> = new Set([
  unknownSession,
  errorNumber('INVALID_FETCH_SESSION_EPOCH'),
  errorNumber('FETCH_SESSION_TOPIC_ID_ERROR')
])

/** A partition that the broker remembers. */
interface Remembered {
  wanted: Wanted
  /** The number of the last request that wanted it. */
  request: number
  /** The number of the last request whose answer told of it. */
  told: number
  /**
   * The answer that stands for "nothing has changed"; undefined after an error, which the broker
   * tells each time.
   */
  unchanged: Answer | undefined
}

/** A topic of which the broker remembers partitions. */
interface RememberedTopic {
  readonly topic: string | undefined
  readonly topicId: string | undefined
  readonly partitions: Map<number, Remembered>
}

/**
 * The client's side of a fetch session (KIP-227), for the fetches of one client from one broker.
 * The first request names all partitions; the broker remembers them, and later requests name, and
 * answers tell, only what has changed. The fetching code sees nothing of it. Epochs number the
 * requests, so a session has one request under way at a time.
 */
export class FetchSession {
  #id = 0
  #epoch = newSession
  #usesTopicIds = false
  #isBusy = false
  #requests = 0
  readonly #topics = new Map<string, RememberedTopic>()

  /** True if a request of the session is under way. */
  get isBusy(): boolean {
    return this.#isBusy
  }

  /**
   * The request for the same partitions, in the words of the session. Its answer goes to
   * `answered`, or its failure to `failed`.
   */
  begin(request: Request, version: number): Request {
    const usesTopicIds = version >= firstVersionWithIds
    if (usesTopicIds !== this.#usesTopicIds) this.#epoch = newSession
    this.#usesTopicIds = usesTopicIds
    this.#isBusy = true
    const isFirst = this.#epoch === newSession
    if (isFirst) this.#topics.clear()
    const topics = this.#remember(request.topics)
    const named = { ...request, sessionId: this.#id, sessionEpoch: this.#epoch }
    return isFirst ? named : { ...named, topics, forgottenTopicsData: this.#forget() }
  }

  /**
   * The answer for all partitions; undefined if it only says that the session cannot go on: then
   * `begin` gives a request that begins another.
   */
  answered(response: Response): Response | undefined {
    this.#isBusy = false
    const { errorCode = 0, sessionId = 0, responses } = response
    const isIncremental = this.#epoch !== newSession
    if (errorCode === 0) this.#id = sessionId
    else if (errorCode === unknownSession) this.#id = 0
    if (errorCode !== 0 || sessionId === 0) this.#epoch = newSession
    else this.#epoch = this.#epoch === lastEpoch ? 1 : this.#epoch + 1
    if (sessionErrors.has(errorCode)) return undefined
    if (errorCode !== 0) return response
    for (const answered of responses) this.#note(answered)
    return isIncremental ? { ...response, responses: this.#completed(responses) } : response
  }

  /** The broker may have had the request: the next one ends the session, and begins another. */
  failed(): void {
    this.#isBusy = false
    this.#epoch = newSession
  }

  /** Remembers what is wanted. Returns what the broker does not know of it. */
  #remember(topics: readonly Topic[]): Topic[] {
    const request = ++this.#requests
    const news: Topic[] = []
    for (const asked of topics) {
      const { topic, topicId, partitions } = asked
      const known = this.#known(asked)
      let changed: Wanted[] | undefined
      for (const wanted of partitions) {
        const remembered = known.get(wanted.partition)
        if (remembered === undefined) known.set(wanted.partition, { wanted, request, told: 0, unchanged: undefined })
        else {
          remembered.request = request
          if (isSame(remembered.wanted, wanted)) continue
          remembered.wanted = wanted
        }
        if (changed === undefined) news.push({ topic, topicId, partitions: (changed = []) })
        changed.push(wanted)
      }
    }
    return news
  }

  #known(asked: Topic): Map<number, Remembered> {
    const key = this.#keyOf(asked)
    let known = this.#topics.get(key)
    if (!known) this.#topics.set(key, (known = { topic: asked.topic, topicId: asked.topicId, partitions: new Map() }))
    return known.partitions
  }

  /** Drops what the last request did not want. */
  #forget(): NonNullable<Request['forgottenTopicsData']> {
    const forgotten: { topic: string | undefined; topicId: string | undefined; partitions: number[] }[] = []
    for (const [key, { topic, topicId, partitions }] of this.#topics) {
      const dropped: number[] = []
      for (const [partition, { request }] of partitions) {
        if (request === this.#requests) continue
        dropped.push(partition)
        partitions.delete(partition)
      }
      if (dropped.length > 0) forgotten.push({ topic, topicId, partitions: dropped })
      if (partitions.size === 0) this.#topics.delete(key)
    }
    return forgotten
  }

  #note(answered: AnsweredTopic): void {
    const known = this.#topics.get(this.#keyOf(answered))
    for (const answer of answered.partitions) {
      const remembered = known?.partitions.get(answer.partitionIndex)
      if (!remembered) continue
      remembered.told = this.#requests
      const { partitionIndex, errorCode, highWatermark, lastStableOffset, logStartOffset } = answer
      remembered.unchanged =
        errorCode === 0
          ? { partitionIndex, errorCode, highWatermark, lastStableOffset, logStartOffset, abortedTransactions: null, records: null }
          : undefined
    }
  }

  /** The answers, with those partitions added that have no news. */
  #completed(responses: readonly AnsweredTopic[]): AnsweredTopic[] {
    const completed = [...responses]
    const places = new Map(responses.map((response, place) => [this.#keyOf(response), place]))
    for (const [key, { topic, topicId, partitions }] of this.#topics) {
      const unchanged: Answer[] = []
      for (const remembered of partitions.values())
        if (remembered.told !== this.#requests && remembered.unchanged) unchanged.push(remembered.unchanged)
      if (unchanged.length === 0) continue
      const place = places.get(key)
      if (place !== undefined) completed[place] = { ...completed[place], partitions: [...completed[place].partitions, ...unchanged] }
      else completed.push(this.#usesTopicIds ? { topicId, partitions: unchanged } : { topic, partitions: unchanged })
    }
    return completed
  }

  #keyOf({ topic = '', topicId = zeroUuid }: Topic | AnsweredTopic): string {
    return this.#usesTopicIds ? topicId : topic
  }
}

function isSame(a: Wanted, b: Wanted): boolean {
  if (a === b) return true
  return (
    a.fetchOffset === b.fetchOffset &&
    a.currentLeaderEpoch === b.currentLeaderEpoch &&
    a.partitionMaxBytes === b.partitionMaxBytes &&
    a.lastFetchedEpoch === b.lastFetchedEpoch &&
    a.logStartOffset === b.logStartOffset
  )
}
