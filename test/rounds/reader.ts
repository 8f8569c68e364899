import type {
  Brokers,
  Cluster,
  Consumer,
  ConsumerBatch,
  ConsumerRecord,
  KafkaError,
  OffsetReset,
  RecordsMissed,
  TopicPartition
} from '../../src/index.js'
import { cooperativeStickyAssignor, KafkaError as KafkaFailure, rangeAssignor, string } from '../../src/index.js'
import type { RequestOf, ResponseOf, VirtualClock } from '../../src/testing/index.js'
import { OffsetCommit, OffsetFetch } from '../../src/testing/index.js'
import { wrappedBrokers } from '../wrapped-brokers.js'
import type { Audience, Reading } from './audience.js'
import type { Line, Truth } from './truth.js'

export type Kind = 'records' | 'batches' | 'byPartition' | 'byKey' | 'eachBatch'

export interface ReaderOptions {
  readonly kind: Kind
  readonly autoCommit: boolean
  readonly isCooperative: boolean
  readonly concurrency: number
  /** How long a handler takes: 0 for none, below 0 for turns of the event loop, above 0 for milliseconds. */
  readonly pace: number
  readonly attempts: number
  readonly hasDeadLetter: boolean
  readonly maxPartitionFetchBytes: number
  readonly maxPollRecords: number
}

/** What a reader stands in. */
export interface Stage {
  readonly clock: VirtualClock
  readonly truth: Truth
  readonly cluster: () => Cluster
  complain(complaint: string): void
  note(line: string): void
  /** Where the log of a partition starts. */
  startOf(topic: string, partition: number): number
}

/** One time that a reader has a partition, from its being given until it goes. */
class Tenure {
  line: Line | undefined
  /** Where it started, or jumped to last; -1 while unknown. */
  base = -1
  /** What comes after all that was handed out. */
  next = -1
  /** Handled since it started, or jumped. */
  readonly done = new Set<number>()
  readonly inHand = new Map<number, Hand>()
  /** Not handed out yet, and counted as handled by the user all the same. */
  readonly waived = new Set<number>()
  jumps = 0
  jumpedAt = -1
  isPaused = false
  isGone = false
  /** Whether the user has said where to read a topic that was created anew. */
  hasSoughtAnew = false
  /** Whether a seek is under way whose end only the next record tells. */
  isSeeking = false
  /** Up to where a commit from before a jump may go. */
  mayStillCommit = -1
  /** Where a loop that ended had come to. */
  leftAt = -1
  /** The jumps that there were when the last commit was taken. */
  committedJumps = 0
}

/** One record in the hands of a user. */
interface Hand {
  readonly tenure: Tenure
  readonly line: Line
  readonly offset: number
  readonly jumps: number
  isCounted: boolean
}

/** A commit that was begun before a jump is over after so many milliseconds. */
const commitMs = 3000
const restartMs = 300

/** A consumer with somebody who uses it, and who holds it to its word. */
export class Reader {
  readonly name: string
  readonly audience: Audience
  readonly options: ReaderOptions
  readonly consumer: Consumer<string, string | null, string>
  readonly tenures = new Map<string, Tenure>()
  isAlive = true
  isLeaving = false
  /** How many of the next handlers fail. */
  failures = 0
  /** Leaves the loop with the next record, having committed it or not. */
  leavesLoop: 'unhandled' | 'committed' | undefined
  isBehaving = false
  readonly #stage: Stage
  readonly #given = new Set<string>()
  /** The records that were handed out and have not been handled. */
  readonly #held = new Set<Hand>()
  /** What it had last of partitions that it no longer has. */
  readonly #gone = new Map<string, Tenure>()
  readonly #hanging = new Set<(error: unknown) => void>()
  #isBuried = false
  readonly living: Promise<void>

  constructor(
    name: string,
    audience: Audience,
    options: ReaderOptions,
    topics: readonly string[],
    stage: Stage,
    register: (reader: Reader) => void
  ) {
    this.name = name
    this.audience = audience
    this.options = options
    this.#stage = stage
    register(this)
    const { groupId } = audience
    this.consumer = stage.cluster().consumer({
      clientId: name,
      topics: [...topics],
      key: string as never,
      value: string,
      autoOffsetReset: 'earliest',
      maxPartitionFetchBytes: options.maxPartitionFetchBytes,
      maxPollRecords: options.maxPollRecords,
      fetchMaxWaitMs: 1000,
      metadataMaxAgeMs: 5000,
      sessionTimeoutMs: 10_000,
      heartbeatIntervalMs: 1000,
      ...(groupId !== undefined && {
        groupId,
        autoCommit: options.autoCommit,
        autoCommitIntervalMs: 1000,
        assignors: options.isCooperative ? [cooperativeStickyAssignor] : [rangeAssignor]
      }),
      onAssigned: partitions => this.#onAssigned(partitions),
      onRevoked: partitions => this.#onGone(partitions),
      onLost: partitions => {
        this.audience.mayGoBack('a member was taken for dead')
        this.#complain('is taken for dead')
        this.#onGone(partitions)
      }
    }) as never
    this.consumer.on('revoked', ({ partitions }) => this.#onGone(partitions))
    this.consumer.on('offsetReset', reset => this.isAlive && this.#onReset(reset))
    this.consumer.on('recordsMissed', missed => this.isAlive && this.#onMissed(missed))
    this.consumer.on('error', error => this.#onError(error))
    this.living = this.#live()
  }

  // ---- what its user does

  async leave(): Promise<void> {
    this.isLeaving = true
    if (this.#isLoop) this.#leaveHands()
    // A retry that closing cuts short leaves what comes after it to the next owner.
    if (this.options.attempts > 1 || !this.options.autoCommit)
      this.audience.mayGoBack('a member left with retries under way, or without commits')
    await this.consumer.close({ timeoutMs: 60_000 })
    await this.living
  }

  /** Dies without a word: nothing that it asks arrives any more, and no answer reaches it. */
  vanish(): void {
    this.isAlive = false
    this.audience.mayGoBack('a member died')
  }

  async bury(): Promise<void> {
    this.#isBuried = true
    for (const end of this.#hanging) end(new KafkaFailure('NETWORK_EXCEPTION'))
    await this.consumer.close({ timeoutMs: 100 }).catch(() => {})
  }

  /** Stops all mischief. */
  behave(): void {
    this.isBehaving = true
    this.failures = 0
    this.leavesLoop = undefined
    this.resume()
  }

  pause(place: number): void {
    const tenure = this.#pick(place)
    if (!tenure) return
    this.consumer.pause([tenure[0]])
    tenure[1].isPaused = true
    this.#note(`pauses ${nameOf(tenure[0])}`)
  }

  resume(): void {
    for (const [name, tenure] of this.tenures) {
      if (!tenure.isPaused) continue
      tenure.isPaused = false
      this.consumer.resume([partitionOf(name)])
      this.#note(`resumes ${name}`)
    }
  }

  seek(place: number, fraction: number): void {
    const picked = this.#pick(place)
    if (!picked) return
    const [partition, tenure] = picked
    if (tenure.next < 0) return
    const offset = Math.floor((tenure.next + 4) * fraction)
    const end = this.#stage.cluster().topics.get(partition.topic)?.partitions[partition.partition]?.logEndOffset ?? 0
    const wanted = Math.min(offset, end)
    this.#note(`seeks ${wanted} of ${nameOf(partition)}, from ${tenure.next}`)
    this.#jumped(tenure, wanted)
    this.consumer.seek({ ...partition, offset: wanted })
  }

  async seekTo(where: 'beginning' | 'end' | number): Promise<void> {
    this.#note(`seeks to ${where}`)
    const mayHappen = ['CLOSED', 'UNKNOWN_TOPIC_OR_PARTITION']
    try {
      const isIdle = this.options.pace === 0 && !this.#isKeyed && [...this.tenures.values()].every(({ inHand }) => inHand.size === 0)
      if (isIdle) await this.#seekAtOnce(where)
      else await this.#seekByHand(where)
    } catch (error) {
      if (!mayHappen.includes((error as KafkaError).code)) this.#complain(`seeking failed with ${error}`)
    }
  }

  /** While records are in hand, nothing but a seek of one's own tells when it happened. */
  async #seekByHand(where: 'beginning' | 'end' | number): Promise<void> {
    const { consumer } = this
    const before = new Map([...this.tenures].map(([name, tenure]) => [name, tenure.jumps]))
    const ends = await consumer.endOffsets()
    const found =
      where === 'beginning' ? await consumer.beginningOffsets() : where === 'end' ? ends : await consumer.offsetsForTimestamp(where)
    for (const { topic, partition, offset } of found) {
      const tenure = this.tenures.get(`${topic}-${partition}`)
      const end = ends.find(other => other.topic === topic && other.partition === partition)
      if (!tenure || tenure.base < 0 || tenure.jumps !== before.get(`${topic}-${partition}`) || !end) continue
      const wanted = offset >= 0 ? offset : end.offset
      this.#note(`seeks ${wanted} of ${topic}-${partition}, from ${tenure.next}`)
      this.#jumped(tenure, wanted)
      consumer.seek({ topic, partition, offset: wanted })
    }
  }

  async #seekAtOnce(where: 'beginning' | 'end' | number): Promise<void> {
    const { consumer } = this
    const seeking = [...this.tenures].filter(([, { base }]) => base >= 0)
    for (const [, tenure] of seeking) tenure.isSeeking = true
    try {
      await (where === 'beginning' ? consumer.seekToBeginning() : where === 'end' ? consumer.seekToEnd() : consumer.seekToTimestamp(where))
    } finally {
      for (const [name, tenure] of seeking) {
        const position = this.#positionOf(name)
        if (tenure.isSeeking && this.tenures.get(name) === tenure && position !== undefined && position !== tenure.next) {
          this.#note(`is at ${position} of ${name}`)
          this.#jumped(tenure, position)
        }
        // A commit covers what a loop was left at until a seek, also one to where it is.
        if (tenure.isSeeking && position === tenure.next) tenure.leftAt = -1
        tenure.isSeeking = false
      }
    }
  }

  /** Commits all that was handed out, or, with `run`, all that was handled. */
  async commit(): Promise<void> {
    if (!this.audience.groupId) return
    this.#note('commits')
    if (this.#isLoop) {
      for (const tenure of this.tenures.values()) {
        for (const hand of tenure.inHand.values()) this.#count(hand)
        if (tenure.leftAt > tenure.next && tenure.line) {
          for (let offset = tenure.next; offset < tenure.leftAt; offset++) this.#done(tenure, tenure.line, offset)
          tenure.next = tenure.leftAt
        }
        tenure.leftAt = -1
      }
    }
    await this.consumer.commit().catch(error => this.#onCommitError(error))
  }

  async commitGiven(place: number, fraction: number): Promise<void> {
    const picked = this.#pick(place)
    if (!this.audience.groupId || !picked) return
    const [partition, tenure] = picked
    if (tenure.next < 0 || !tenure.line) return
    const offset = Math.floor((tenure.next + 1) * fraction)
    this.#given.add(`${tenure.line.topicId}/${partition.partition}/${offset}`)
    this.#note(`commits ${offset} of ${nameOf(partition)} by hand`)
    this.audience.of(tenure.line).mayGoBack = 'a commit by hand'
    if (offset > tenure.next && offset <= tenure.leftAt) {
      for (let each = tenure.next; each < offset; each++) this.#done(tenure, tenure.line, each)
      tenure.next = offset
      tenure.leftAt = -1
    }
    for (let each = tenure.base; each < Math.min(offset, tenure.next); each++) {
      const hand = tenure.inHand.get(each)
      if (hand) this.#count(hand)
      else if (!tenure.done.has(each)) {
        // `run` has taken it, and has yet to hand it out.
        tenure.waived.add(each)
        tenure.done.add(each)
      }
    }
    await this.consumer.commit([{ ...partition, offset }]).catch(error => this.#onCommitError(error))
  }

  /** What it reads of a topic, and from where on. */
  linesOf(topicId: string): { readonly reader: Reader; readonly line: Line; readonly base: number }[] {
    return [...this.tenures.values()].flatMap(({ line, base }) =>
      line?.topicId === topicId && base >= 0 ? [{ reader: this, line, base }] : []
    )
  }

  // ---- what it stands behind

  /** Stands between the consumer and the cluster. */
  through(brokers: Brokers): Brokers {
    return wrappedBrokers(brokers, broker => ({
      request: async (api, body, signal) => {
        if (!this.isAlive) return this.#nothing(signal)
        const isCommit = (api as unknown) === OffsetCommit
        if (isCommit) this.#onCommit(body as never)
        const response = await broker.request(api, body, signal)
        if (isCommit) this.#onCommitted(body as never, response as never)
        if (!this.isAlive) return this.#nothing(signal)
        if ((api as unknown) === OffsetFetch) this.#onOffsets(response as never)
        return response
      }
    }))
  }

  get #isLoop(): boolean {
    return this.options.kind === 'records' || this.options.kind === 'batches'
  }

  get #isKeyed(): boolean {
    return this.options.kind === 'byKey'
  }

  // ---- its life

  async #live(): Promise<void> {
    while (this.isAlive && !this.isLeaving) {
      try {
        await this.#read()
      } catch (error) {
        if (!this.isAlive) return
        if (!(error instanceof Mischief)) this.#complain(`reading ended with ${(error as Error).stack}`)
      }
      if (!this.isAlive || this.isLeaving) return
      this.#loopEnded()
      await this.#pass(restartMs)
      for (const tenure of this.tenures.values()) tenure.leftAt = -1
    }
  }

  async #read(): Promise<void> {
    const { kind, concurrency, attempts, hasDeadLetter } = this.options
    if (kind === 'records') {
      for await (const record of this.consumer) if (await this.#useInLoop([record])) break
      return
    }
    if (kind === 'batches') {
      for await (const batch of this.consumer.batches()) if (await this.#useInLoop([...batch])) break
      return
    }
    const common = {
      concurrency,
      ...(attempts > 1 && { retry: { attempts, backoffMs: 50 } }),
      ...(hasDeadLetter && { deadLetter: (record: TopicPartition & { readonly offset: number }) => this.#putAway(record) })
    }
    const useBatch = (batch: ConsumerBatch<string | null, string>) => this.#use([...batch])
    const useRecord = (record: ConsumerRecord<string | null, string>) => this.#use([record])
    if (kind === 'eachBatch') await this.consumer.run({ ...common, eachBatch: useBatch })
    else await this.consumer.run({ ...common, eachRecord: useRecord, orderBy: kind === 'byKey' ? 'key' : 'partition' })
  }

  /** Returns whether to leave the loop. */
  async #useInLoop(records: readonly ConsumerRecord<string | null, string>[]): Promise<boolean> {
    const hands = records.map(record => this.#take(record))
    const left = this.leavesLoop
    this.leavesLoop = undefined
    await this.#work().catch(error => {
      this.#leaveGone(hands)
      throw error
    })
    if (left !== undefined) this.#leaveGone(hands)
    if (left === 'committed' && this.audience.groupId) await this.commit()
    if (left !== undefined) {
      this.#note(`leaves its loop at ${records[0].topic}-${records[0].partition}/${records[0].offset}, ${left}`)
      return true
    }
    if (this.isAlive) for (const hand of hands) this.#count(hand)
    else await this.#nothing()
    return false
  }

  readonly #tries = new Map<string, readonly (Hand | undefined)[]>()

  #use(records: readonly ConsumerRecord<string | null, string>[]): Promise<void> | void {
    const { topic, partition, offset, value } = records[0]
    const place = `${topic}-${partition}/${offset}/${value}`
    // A retry is of what is in hand already.
    const hands = this.#tries.get(place) ?? records.map(record => this.#take(record))
    const isLast = () => {
      this.#tries.delete(place)
      for (const hand of hands) this.#count(hand)
    }
    if (this.options.pace === 0 && this.failures === 0) return isLast()
    const tried = this.#tries.has(place)
    this.#tries.set(place, hands)
    return this.#work().then(
      () => {
        if (!this.isAlive) return this.#nothing()
        isLast()
      },
      error => {
        const { attempts, hasDeadLetter } = this.options
        if ((attempts === 1 || tried) && !hasDeadLetter) this.#tries.delete(place)
        this.#leaveGone(hands)
        throw error
      }
    )
  }

  /** All tries at a record, or at its batch, have failed. */
  #putAway({ topic, partition, offset }: TopicPartition & { readonly offset: number }): void {
    this.#note(`puts ${offset} of ${topic}-${partition} away`)
    for (const [place, hands] of this.#tries) {
      const hand = place.startsWith(`${topic}-${partition}/`) ? hands.find(each => each?.offset === offset) : undefined
      if (!hand) continue
      this.#count(hand)
      if (hand === hands.at(-1)) this.#tries.delete(place)
    }
  }

  /** The failure tells of what was in hand when its topic was deleted: it cannot come again. */
  #leaveGone(hands: readonly (Hand | undefined)[]): void {
    for (const hand of hands) if (hand && !hand.line.isCurrent) this.audience.of(hand.line).excused.add(hand.offset)
  }

  async #work(): Promise<void> {
    const { pace } = this.options
    if (pace > 0) await this.#pass(pace)
    for (let turn = pace; turn < 0; turn++) await new Promise(resolve => setImmediate(resolve))
    if (this.failures === 0 || !this.isAlive) return
    this.failures--
    // What was handled beyond it comes again.
    if (this.#isKeyed) this.audience.mayGoBack('a handler failed')
    this.#note('fails')
    throw new Mischief('A handler failed')
  }

  #pass(ms: number): Promise<void> {
    return new Promise(resolve => this.#stage.clock.setTimer(ms, resolve))
  }

  // ---- what it is handed

  #take({ topic, partition, offset, value }: ConsumerRecord<string | null, string>): Hand | undefined {
    const name = `${topic}-${partition}`
    const tenure = this.tenures.get(name)
    if (!this.isAlive) return undefined
    if (!tenure) {
      this.#complain(`is handed ${offset} of ${name}, which it does not have`)
      return undefined
    }
    const line = tenure.line && !tenure.hasSoughtAnew ? tenure.line : this.#stage.truth.lineNow(topic, partition)
    tenure.line = line
    tenure.hasSoughtAnew = false
    const contradiction = line.saw(offset, value)
    if (contradiction) this.#complain(contradiction)
    // One that is given up leaves no gap, paused or not.
    if (tenure.isPaused && offset + 1 >= tenure.next) this.#complain(`is handed ${offset} of ${name}, which is paused`)
    if (tenure.isSeeking && offset !== tenure.next) {
      tenure.isSeeking = false
      this.#note(`goes on at ${offset} of ${name}`)
      this.#jumped(tenure, offset)
    }
    if (this.#isKeyed) this.#expectKeyOrder(tenure, line, offset)
    else if (offset !== tenure.next) this.#complain(`is handed ${offset} of ${name}, where ${tenure.next} comes next`)
    this.#note(`is handed ${offset} of ${name}`)
    tenure.next = Math.max(tenure.next, offset + 1)
    const hand = { tenure, line, offset, jumps: tenure.jumps, isCounted: false }
    tenure.inHand.set(offset, hand)
    this.#held.add(hand)
    return hand
  }

  #expectKeyOrder(tenure: Tenure, line: Line, offset: number): void {
    if (offset < tenure.base || (tenure.done.has(offset) && !tenure.waived.delete(offset)) || tenure.inHand.has(offset))
      this.#complain(`is handed ${offset} of ${line.name} out of place: it started at ${tenure.base}`)
    const key = line.keyAt(offset)
    for (const before of line.seenOffsets) {
      if (before >= offset || before < tenure.base || line.keyAt(before) !== key || key === '-') continue
      if (!tenure.done.has(before))
        this.#complain(`is handed ${offset} of ${line.name} before ${before}, which has the same key, is handled`)
    }
  }

  /** What is in hand has been handled. */
  #count(hand: Hand | undefined): void {
    if (!hand || hand.isCounted) return
    hand.isCounted = true
    this.#held.delete(hand)
    const { tenure, line, offset, jumps } = hand
    if (tenure.inHand.get(offset) === hand) tenure.inHand.delete(offset)
    if (tenure.isGone || jumps !== tenure.jumps) this.audience.of(line).ever.add(offset)
    else this.#done(tenure, line, offset)
  }

  #done(tenure: Tenure, line: Line, offset: number): void {
    const reading = this.audience.of(line)
    if (reading.fresh.has(offset) && !tenure.done.has(offset)) this.#complain(`handles ${offset} of ${line.name} again`)
    tenure.done.add(offset)
    reading.ever.add(offset)
    reading.fresh.add(offset)
  }

  /** Where what is handled without a gap ends. */
  #front(tenure: Tenure): number {
    let front = tenure.base
    while (tenure.done.has(front)) front++
    return front
  }

  /** A loop, or `run`, has ended: what it had in hand comes again. */
  #loopEnded(): void {
    this.#tries.clear()
    this.#held.clear()
    for (const tenure of this.tenures.values()) {
      const front = this.#front(tenure)
      if (tenure.line && this.#isKeyed) this.audience.of(tenure.line).repeatFrom(front)
      if (this.#isKeyed) for (const each of tenure.done) if (each >= front) tenure.done.delete(each)
      tenure.leftAt = this.#isLoop && tenure.inHand.size > 0 ? tenure.next : -1
      tenure.inHand.clear()
      if (tenure.next >= 0) tenure.next = front
      tenure.jumps++
      tenure.jumpedAt = this.#now
      tenure.mayStillCommit = Math.max(tenure.mayStillCommit, front)
    }
  }

  /** Closing does not wait for the body of a loop, so what is in hand comes again. */
  #leaveHands(): void {
    for (const tenure of this.tenures.values()) for (const hand of tenure.inHand.values()) hand.isCounted = true
    this.#held.clear()
  }

  // ---- where it is

  #jumped(tenure: Tenure, offset: number): void {
    const front = this.#front(tenure)
    const { line } = tenure
    if (line && front >= 0) {
      const reading = this.audience.of(line)
      if (offset > front) reading.excuse(front, offset)
      reading.repeatFrom(offset)
      tenure.mayStillCommit = Math.max(tenure.mayStillCommit, front)
      // A seek in a topic that was created anew is of the new one, once the consumer knows of that.
      if (!line.isCurrent) {
        tenure.hasSoughtAnew = true
        this.audience.of(this.#stage.truth.lineNow(line.topic, line.partition)).excuse(0, offset)
      }
    }
    this.#startAt(tenure, offset)
  }

  #startAt(tenure: Tenure, offset: number): void {
    tenure.jumps++
    tenure.jumpedAt = this.#now
    tenure.base = tenure.next = offset
    tenure.leftAt = -1
    tenure.done.clear()
    tenure.waived.clear()
    tenure.inHand.clear()
  }

  #onAssigned(partitions: readonly TopicPartition[]): void {
    if (!this.isAlive) return
    this.#note(`gets ${partitions.map(nameOf).join(' ')}`)
    for (const partition of partitions) this.tenures.set(nameOf(partition), new Tenure())
  }

  #onGone(partitions: readonly TopicPartition[]): void {
    if (!this.isAlive) return
    for (const partition of partitions) {
      const tenure = this.tenures.get(nameOf(partition))
      if (!tenure) continue
      this.#note(`gives up ${nameOf(partition)}`)
      tenure.isGone = true
      this.tenures.delete(nameOf(partition))
      this.#gone.set(nameOf(partition), tenure)
      const { line } = tenure
      if (!line) continue
      const front = this.#front(tenure)
      const reading = this.audience.of(line)
      if (!this.options.autoCommit) reading.mayGoBack = 'a member commits only by hand'
      // Whoever gets it next starts at what was handled without a gap.
      if (this.#isKeyed && reading.mayGoBack) reading.repeatFrom(front)
    }
  }

  #onOffsets({ groups = [] }: ResponseOf<typeof OffsetFetch>): void {
    for (const { topics } of groups) {
      for (const { name, topicId, partitions } of topics) {
        for (const { partitionIndex, committedOffset } of partitions) {
          const topic = name as string
          const tenure = this.tenures.get(`${topic}-${partitionIndex}`)
          if (!tenure || tenure.base >= 0) continue
          const line = isNoId(topicId)
            ? this.#stage.truth.lineNow(topic, partitionIndex)
            : this.#stage.truth.line(topicId as string, topic, partitionIndex)
          tenure.line = line
          const reading = this.audience.of(line)
          if (committedOffset !== reading.committed)
            this.#complain(`is told ${committedOffset} for ${line.name}, where ${reading.committed} was committed`)
          if (committedOffset >= 0) this.#startAtCommitted(tenure, line, reading, committedOffset)
        }
      }
    }
  }

  #startAtCommitted(tenure: Tenure, line: Line, reading: Reading, offset: number): void {
    this.#note(`starts at ${offset} of ${line.name}`)
    if (reading.isByHand) reading.excuse(0, offset)
    const gap = reading.firstGap(0, offset)
    if (gap !== undefined) this.#complain(`starts at ${offset} of ${line.name}, though ${gap} is not handled`)
    if (reading.mayGoBack) reading.repeatFrom(offset)
    reading.mayGoBack = undefined
    this.#startAt(tenure, offset)
  }

  #onReset({ topic, partition, offset, reason }: OffsetReset): void {
    const tenure = this.tenures.get(`${topic}-${partition}`)
    if (!tenure) return this.#complain(`starts at ${offset} of ${topic}-${partition}, which it does not have`)
    this.#note(`starts at ${offset} of ${topic}-${partition}: ${reason}`)
    if (reason === 'noCommittedOffset' || reason === 'topicRecreated') tenure.line = this.#stage.truth.lineNow(topic, partition)
    const line = tenure.line as Line
    const reading = this.audience.of(line)
    if (reason !== 'outOfRange') {
      if (offset > this.#stage.startOf(topic, partition)) this.#complain(`starts at ${offset} of ${line.name}, though more is there`)
      reading.excuse(0, offset)
      if (reading.mayGoBack || reason === 'topicRecreated') reading.repeatFrom(offset)
      reading.mayGoBack = undefined
    } else {
      const gap = reading.firstGap(0, offset)
      if (gap !== undefined) this.#complain(`goes on at ${offset} of ${line.name}, and nobody said that ${gap} is missed`)
      reading.repeatFrom(offset)
    }
    this.#startAt(tenure, offset)
  }

  #onMissed({ topic, partition, from, to, count, reason }: RecordsMissed): void {
    const name = `${topic}-${partition}`
    const tenure = this.tenures.get(name) ?? (reason === 'topicDeleted' ? this.#gone.get(name) : undefined)
    this.#note(`misses ${count} of ${topic}-${partition} from ${from} to ${to}: ${reason}`)
    if (!tenure?.line) return this.#complain(`misses ${from} of ${topic}-${partition}, which it does not have`)
    const reading = this.audience.of(tenure.line)
    if (reason === 'removed') {
      if (count !== to - from) this.#complain(`misses ${count} records from ${from} to ${to}`)
      if (to > this.#stage.startOf(topic, partition)) this.#complain(`misses records up to ${to} of ${tenure.line.name} that are there`)
    }
    if (reason === 'removed') reading.excuse(from, to)
    else this.#excuse(tenure, reading, from, count)
  }

  /** So many are missed; what is in hand, or was handled out of order, is not among them. */
  #excuse(tenure: Tenure, reading: Reading, from: number, count: number): void {
    // A record in hand is still handled when its reader jumps.
    const held = new Set([...this.#held].filter(({ line }) => line === tenure.line).map(({ offset }) => offset))
    for (let offset = from, left = count; left > 0; offset++) {
      if (tenure.inHand.has(offset) || held.has(offset) || reading.isDone(offset)) continue
      reading.excused.add(offset)
      left--
    }
  }

  // ---- what it commits

  #onCommit({ topics }: RequestOf<typeof OffsetCommit>): void {
    for (const { name, topicId, partitions } of topics) {
      for (const { partitionIndex, committedOffset } of partitions) {
        const line = this.#lineOf(name, topicId, partitionIndex)
        this.#note(`asks to commit ${committedOffset} of ${line.name}`)
        if (this.#given.has(`${line.topicId}/${partitionIndex}/${committedOffset}`)) continue
        const reading = this.audience.of(line)
        const gap = reading.firstGap(0, committedOffset)
        if (gap !== undefined) this.#complain(`commits ${committedOffset} of ${line.name}, though ${gap} is not handled`)
        const tenure = this.tenures.get(line.name)
        if (tenure?.line !== line) continue
        const mayCommit =
          this.#now - tenure.jumpedAt <= commitMs ? Math.max(tenure.mayStillCommit, this.#front(tenure)) : this.#front(tenure)
        if (committedOffset > mayCommit)
          this.#complain(`commits ${committedOffset} of ${line.name}, where it has handled ${mayCommit} since it went to ${tenure.base}`)
        if (committedOffset < reading.committed && tenure.committedJumps === tenure.jumps)
          this.#complain(`takes the commit of ${reading.committed} of ${line.name} back to ${committedOffset}`)
      }
    }
  }

  #onCommitted(request: RequestOf<typeof OffsetCommit>, response: ResponseOf<typeof OffsetCommit>): void {
    response.topics.forEach(({ partitions }, t) => {
      const { name, topicId } = request.topics[t]
      partitions.forEach(({ partitionIndex, errorCode }, p) => {
        if (errorCode !== 0) return
        const { committedOffset } = request.topics[t].partitions[p]
        const line = this.#lineOf(name, topicId, partitionIndex)
        const reading = this.audience.of(line)
        reading.committed = committedOffset
        reading.isByHand = this.#given.has(`${line.topicId}/${partitionIndex}/${committedOffset}`)
        const tenure = this.tenures.get(line.name)
        if (tenure) tenure.committedJumps = tenure.jumps
      })
    })
  }

  #lineOf(name: string | undefined, topicId: string | undefined, partition: number): Line {
    const { truth } = this.#stage
    return isNoId(topicId) ? truth.lineNow(name as string, partition) : truth.line(topicId as string, name as string, partition)
  }

  #onCommitError(error: KafkaError): void {
    // The group may have moved on in the meantime; then the record comes again.
    this.audience.mayGoBack(`a commit failed with ${error.code}`)
    const mayHappen = [
      'UNKNOWN_MEMBER_ID',
      'ILLEGAL_GENERATION',
      'REBALANCE_IN_PROGRESS',
      'CLOSED',
      'UNKNOWN_TOPIC_ID',
      'UNKNOWN_TOPIC_OR_PARTITION'
    ]
    if (!mayHappen.includes(error.code)) this.#complain(`commit failed with ${error}`)
  }

  // ---- small things

  #onError(error: unknown): void {
    const { code } = error as KafkaError
    // Topics come and go here.
    if (code === 'UNKNOWN_TOPIC_OR_PARTITION' || code === 'UNKNOWN_TOPIC_ID') return
    this.#complain(`error ${code ?? (error as Error).stack}: ${(error as Error).message}`)
  }

  #positionOf(name: string): number | undefined {
    try {
      return this.consumer.position(partitionOf(name))
    } catch {
      return undefined
    }
  }

  #pick(place: number): [TopicPartition, Tenure] | undefined {
    const all = [...this.tenures]
    if (all.length === 0) return undefined
    const [name, tenure] = all[place % all.length]
    return [partitionOf(name), tenure]
  }

  get #now(): number {
    return this.#stage.clock.monotonic()
  }

  #complain(complaint: string): void {
    if (this.isAlive) this.#stage.complain(`${this.name}: ${complaint}`)
  }

  #note(line: string): void {
    if (this.isAlive) this.#stage.note(`  ${this.name} ${line}`)
  }

  /** Never answers, until the reader is buried or does not wait any more. */
  #nothing(signal?: AbortSignal): Promise<never> {
    return new Promise((_, reject) => {
      if (this.#isBuried) return reject(new KafkaFailure('NETWORK_EXCEPTION'))
      if (signal?.aborted) return reject(signal.reason)
      this.#hanging.add(reject)
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  }
}

/** What a handler throws on purpose. */
class Mischief extends Error {}

function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}

function partitionOf(name: string): TopicPartition {
  const dash = name.lastIndexOf('-')
  return { topic: name.slice(0, dash), partition: Number(name.slice(dash + 1)) }
}

function isNoId(topicId: string | undefined): boolean {
  return topicId === undefined || /^[0-]*$/.test(topicId) || /^A+$/.test(topicId)
}
