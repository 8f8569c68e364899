import type { MetadataCache } from '../client/metadata-cache.js'
import { ensureTopic } from '../client/topic-creation.js'
import { onAbort } from '../common/abort.js'
import type { Clock, Timer } from '../common/clock.js'
import { datesOf } from '../common/dates.js'
import { type Deferred, deferred, isPromise } from '../common/deferred.js'
import type { Stretch, Turns } from '../common/turns.js'
import { KafkaError } from '../errors.js'
import type { Brokers } from '../protocol/broker.js'
import type { Accumulator } from './accumulator.js'
import { codeOfDelay } from './delivery-errors.js'
import { type PendingAppend, topicOf } from './pending-append.js'
import { progress, type TopicWriter } from './topic-writer.js'

/** A partition that has something to deliver. */
export interface StuckPartition {
  readonly topic: string
  readonly partition: number
  /** The error of the last try to deliver. */
  readonly lastError: unknown
}

export interface AdmissionOptions {
  readonly clock: Clock
  readonly turns: Turns
  readonly stretch: Stretch
  readonly brokers: Brokers
  readonly metadata: MetadataCache
  readonly accumulator: Accumulator
  readonly maxBlockMs: number
  readonly allowAutoTopicCreation: boolean
  /**
   * The reason for which a broker in this process holds batches of a partition back, if it does.
   */
  readonly heldBecause?: (topic: string, partition: number) => string | undefined
  /** The partitions that have something to deliver beside the batches of the accumulator. */
  readonly stuckBeside: () => Iterable<StuckPartition>
}

/** An append that has to wait, and what ends its wait. */
interface Waiting {
  readonly append: PendingAppend
  timer: Timer | undefined
  unlisten: (() => void) | undefined
  taken: Deferred<void> | undefined
  /** The number of records that it had in batches when its time last began to run. */
  appendedCount: number
  hasLeft: boolean
}

/**
 * One topic's line of those who wait. Only its head is ever tried, so that records of a topic keep
 * their order.
 */
class Line {
  readonly writer: TopicWriter
  isLookingUp = false
  /** Its head has more to append than one stretch of time allows. */
  isYielding = false
  /** Entries before the head have left; others may have as well. */
  #entries: Waiting[] = []
  #head = 0

  constructor(writer: TopicWriter) {
    this.writer = writer
  }

  get head(): Waiting | undefined {
    while (this.#head < this.#entries.length && this.#entries[this.#head].hasLeft) this.#head++
    if (this.#head > 64 && 2 * this.#head > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head)
      this.#head = 0
    }
    return this.#entries[this.#head]
  }

  push(entry: Waiting): void {
    this.#entries.push(entry)
  }

  entries(): Waiting[] {
    return this.#entries.filter(entry => !entry.hasLeft)
  }
}

/**
 * The door to the accumulator: whoever finds the buffer full, or the topic unknown, waits here.
 * Lines are first come, first served, within a topic and, for memory, between topics.
 */
export class Admission {
  readonly #options: AdmissionOptions
  readonly #lines = new Map<TopicWriter, Line>()
  /** The topics whose head waits for memory, in the order in which they came to. */
  readonly #starved: Line[] = []
  readonly #ending = new AbortController()
  /** Ends the looks for topics that began before closing did. */
  readonly #looking = new AbortController()
  #isClosing = false
  #isHurrying = false

  constructor(options: AdmissionOptions) {
    this.#options = options
  }

  /** True if a topic can be appended to without overtaking anyone. */
  isOpen(writer: TopicWriter): boolean {
    return this.#starved.length === 0 && !this.#lines.has(writer)
  }

  /** Puts an append at the end of its line. */
  enter(writer: TopicWriter, append: PendingAppend): void {
    let line = this.#lines.get(writer)
    if (!line) this.#lines.set(writer, (line = new Line(writer)))
    const { appendedCount } = append
    const entry: Waiting = { append, timer: undefined, unlisten: undefined, taken: undefined, appendedCount, hasLeft: false }
    line.push(entry)
    this.#watch(line, entry)
    if (line.head === entry) this.#tryHead(line)
  }

  /** Says that memory has become free. */
  feed(): void {
    while (this.#starved.length > 0) {
      const line = this.#starved[0]
      if (line.isYielding) return
      const outcome = this.#runHead(line)
      if (outcome === progress.needsMemory) return
      if (outcome === progress.needsTurn) return this.#yield(line)
      this.#starved.shift()
      if (outcome === progress.needsMetadata) this.#lookUp(line)
      else if (line.head) this.#starved.push(line)
      else this.#lines.delete(line.writer)
    }
    this.#setHurry(false)
  }

  /** Resolves when all who wait now have been taken in or turned away. */
  async drained(): Promise<void> {
    const entries = [...this.#lines.values()].flatMap(line => line.entries())
    await Promise.all(entries.map(entry => (entry.taken ??= deferred()).promise))
  }

  /**
   * Looks once more, at once, for the topics that are being looked for, and does not wait for one
   * that is not there.
   */
  lookNow(): void {
    this.#isClosing = true
    this.#looking.abort(new KafkaError('CLOSED'))
  }

  /** Turns everyone away. */
  refuseAll(error: unknown): void {
    this.#ending.abort(error)
    this.#looking.abort(error)
    for (const line of [...this.#lines.values()]) this.#refuseLine(line, error)
    this.#starved.length = 0
    this.#setHurry(false)
  }

  #tryHead(line: Line): void {
    while (line.head) {
      if (line.isYielding) return
      if (this.#starved.length > 0) return this.#starve(line)
      const outcome = this.#runHead(line)
      if (outcome === progress.needsTurn) return this.#yield(line)
      if (outcome === progress.needsMemory) return this.#starve(line)
      if (outcome === progress.needsMetadata) return this.#lookUp(line)
    }
    if (this.#lines.get(line.writer) === line) this.#lines.delete(line.writer)
  }

  /** Others have their turn before a line goes on. */
  #yield(line: Line): void {
    line.isYielding = true
    void this.#options.turns.yield().then(() => {
      line.isYielding = false
      if (this.#starved.includes(line)) this.feed()
      else this.#tryHead(line)
    })
  }

  #starve(line: Line): void {
    if (!this.#starved.includes(line)) this.#starved.push(line)
    this.#setHurry(true)
  }

  /** While someone waits for memory, no batch waits for more records. */
  #setHurry(isNeeded: boolean): void {
    const { accumulator } = this.#options
    if (isNeeded === this.#isHurrying) return
    if (isNeeded) accumulator.hurry()
    else accumulator.relax()
    this.#isHurrying = isNeeded
  }

  /** Lets the head of a line append what it can. */
  #runHead(line: Line): number {
    const entry = line.head
    if (!entry) return progress.appended
    const { clock, metadata } = this.#options
    const { append } = entry
    const known = metadata.topic(line.writer.topic)
    if (!known) return progress.needsMetadata
    try {
      const outcome = append.run(line.writer, known, datesOf(clock).now(), this.#options.stretch)
      if (outcome !== progress.appended) return outcome
      this.#leave(entry)
    } catch (error) {
      this.#leave(entry)
      append.refuse(error)
    }
    return progress.appended
  }

  #lookUp(line: Line): void {
    if (line.isLookingUp || !line.head) return
    line.isLookingUp = true
    const { brokers, metadata, allowAutoTopicCreation, maxBlockMs } = this.#options
    const { append } = line.head
    const { topic } = line.writer
    if (metadata.topic(topic)) {
      metadata.forget(topic)
      append.isFresh = true
    }
    const onFound = () => {
      line.isLookingUp = false
      this.#tryHead(line)
    }
    const isLast = this.#isClosing
    const onMissing = (error: unknown) => {
      line.isLookingUp = false
      if (this.#isClosing && !isLast && !this.#ending.signal.aborted) return this.#lookUp(line)
      // A topic that is known in part will do: the partitions that have a leader can be written.
      if (metadata.topic(topic)) onFound()
      else this.#refuseLine(line, error)
    }
    const found = ensureTopic(append.topic, brokers, metadata, {
      allowAutoTopicCreation,
      timeoutMs: maxBlockMs,
      signal: isLast ? this.#ending.signal : this.#looking.signal,
      ...(isLast && { unknownTopicRetries: 0 })
    })
    if (isPromise(found)) found.then(onFound, onMissing)
    else onFound()
  }

  #refuseLine(line: Line, error: unknown): void {
    this.#lines.delete(line.writer)
    for (const entry of line.entries()) {
      this.#leave(entry)
      entry.append.refuse(error)
    }
  }

  #watch(line: Line, entry: Waiting): void {
    const { append } = entry
    this.#startTimer(line, entry)
    const { signal } = append
    if (signal) entry.unlisten = onAbort(signal, () => this.#turnAway(line, entry, signal.reason))
  }

  #startTimer(line: Line, entry: Waiting): void {
    const { clock, maxBlockMs } = this.#options
    const onTime = () => {
      const { appendedCount } = entry.append
      if (appendedCount === entry.appendedCount) return this.#turnAway(line, entry, this.#timedOut(line, entry))
      entry.appendedCount = appendedCount
      this.#startTimer(line, entry)
    }
    entry.timer = clock.setTimer(maxBlockMs, onTime, { keepAlive: true, givesUp: true })
  }

  #timedOut(line: Line, entry: Waiting): KafkaError {
    const { accumulator, maxBlockMs } = this.#options
    const topic = topicOf(entry.append)
    const reason = line.isLookingUp
      ? `nothing was learnt about \`${topic}\``
      : `the buffer had no room for the records for \`${topic}\` (\`bufferMemory\` is ${accumulator.bufferMemory} bytes)`
    const cause = line.isLookingUp ? undefined : this.#heldBecause(line.writer)
    const why = cause === undefined ? '' : `, since what is in it is not delivered: ${cause instanceof Error ? cause.message : cause}`
    return new KafkaError(codeOfDelay(cause), `Within ${maxBlockMs} ms, ${reason}${why}`, {
      topic,
      ...(cause instanceof Error && { cause })
    })
  }

  /**
   * The reason why what fills the buffer is not delivered, if that is known; of this topic before
   * others.
   */
  #heldBecause(writer: TopicWriter): string | Error | undefined {
    const stuck = [...this.#stuck()]
    const ofTopic = stuck.filter(({ topic }) => topic === writer.topic)
    for (const { topic, partition, lastError } of [...ofTopic, ...stuck]) {
      const reason = this.#options.heldBecause?.(topic, partition)
      if (reason !== undefined) return reason
      if (lastError instanceof Error) return lastError
    }
    return undefined
  }

  *#stuck(): Generator<StuckPartition> {
    for (const queue of this.#options.accumulator.queues()) {
      const { first, topic, partition, lastError } = queue
      if (first) yield { topic, partition, lastError: first.lastError ?? lastError }
    }
    yield* this.#options.stuckBeside()
  }

  #turnAway(line: Line, entry: Waiting, error: unknown): void {
    const wasHead = line.head === entry
    this.#leave(entry)
    entry.append.refuse(error)
    // The next in line may want less, or nothing any more.
    if (this.#starved.includes(line)) this.feed()
    else if (wasHead && !line.isLookingUp) this.#tryHead(line)
  }

  #leave(entry: Waiting): void {
    entry.hasLeft = true
    entry.timer?.cancel()
    entry.unlisten?.()
    entry.taken?.resolve()
  }
}
