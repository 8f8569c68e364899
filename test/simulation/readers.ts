import type { Cluster } from '../../src/cluster.js'
import { type Random, randomInteger } from '../../src/common/random.js'
import type { Consumer } from '../../src/consumer/consumer.js'
import type { ConsumerRecord } from '../../src/consumer/consumer-record.js'
import { string } from '../../src/record/serde.js'
import type { VirtualClock } from '../../src/testing/virtual-clock.js'
import { type Model, type TopicModel, Violation } from './model.js'

type Kind = 'records' | 'batches' | 'byPartition' | 'byKey' | 'eachBatch'
type SimulatedRecord = ConsumerRecord<string | null, string | null>

/** A group over all lives: what it has handled, and what it need not. */
export class Audience {
  readonly groupId: string
  /** Ids of records that were handled at least once. */
  readonly handled = new Set<number>()
  /** By partition of a topic with its id: before these offsets nothing is promised. */
  readonly #excused = new Map<string, number>()
  readonly #reach = new Map<string, number>()

  constructor(groupId: string) {
    this.groupId = groupId
  }

  /** A power cut has taken what was not synced: the log may end before what was read, and give those offsets to others. */
  lostPower(): void {
    for (const [place, reach] of this.#reach) this.excuse(place, reach)
  }

  /** Everything before this offset was read, or committed. */
  reached(place: string, before: number): void {
    this.#reach.set(place, Math.max(before, this.#reach.get(place) ?? 0))
  }

  /** Nothing before this offset is promised any more. */
  excuse(place: string, before: number): void {
    this.#excused.set(place, Math.max(before, this.#excused.get(place) ?? 0))
  }

  /** An acknowledged record in a range of offsets that was not handled and that nobody said is missed. */
  missing(topic: TopicModel, partition: number, from: number, to: number): number | undefined {
    const start = Math.max(from, this.#excused.get(placeOf(topic.id, partition)) ?? 0)
    for (const [offset, { what }] of topic.partitions[partition]?.acked ?? [])
      if (offset >= start && offset < to && !this.handled.has(what.id)) return offset
    return undefined
  }
}

export interface ReaderParts {
  readonly cluster: Cluster
  readonly clock: VirtualClock
  readonly random: Random
  readonly model: Model
  readonly note: (line: string) => void
  /** Whether the life has ended, so that nothing counts that happens yet. */
  readonly isOver: () => boolean
}

const restartMs = 200

/** A consumer in one life, and what it promises. */
export class LifeReader {
  /** What was wrong, if anything was. */
  violation: Violation | undefined
  readonly #audience: Audience
  readonly #parts: ReaderParts
  readonly #kind: Kind
  readonly #consumer: Consumer<RegExp, string | null, string | null>
  readonly #name: string
  /** By partition: the offset that comes next; none while that is not known. */
  readonly #next = new Map<string, number>()
  #isClosed = false

  constructor(audience: Audience, name: string, parts: ReaderParts) {
    const { cluster, random } = parts
    this.#audience = audience
    this.#name = name
    this.#parts = parts
    this.#kind = (['records', 'batches', 'byPartition', 'byKey', 'eachBatch'] as const)[randomInteger(random, 5)]
    parts.note(`${name} of ${audience.groupId} reads ${this.#kind}`)
    const consumer = cluster.consumer({
      clientId: name,
      groupId: audience.groupId,
      topics: [/^[a-z]/],
      key: string as never,
      value: string as never,
      autoOffsetReset: 'earliest',
      maxPartitionFetchBytes: 1 + randomInteger(random, 3000),
      maxPollRecords: 1 + randomInteger(random, 10),
      autoCommitIntervalMs: 1000,
      fetchMaxWaitMs: 30_000,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 5000,
      heartbeatIntervalMs: 3000
    }) as unknown as Consumer<RegExp, string | null, string | null>
    this.#consumer = consumer
    consumer.on('error', error => parts.note(`${name}: ${error}`))
    const forget = ({ partitions }: { partitions: readonly { topic: string; partition: number }[] }) => {
      for (const { topic, partition } of partitions) this.#next.delete(`${topic}-${partition}`)
    }
    consumer.on('assigned', forget)
    consumer.on('revoked', forget)
    consumer.on('lost', forget)
    consumer.on('offsetReset', ({ topic, partition, offset, reason }) => this.#check(() => this.#reset(topic, partition, offset, reason)))
    consumer.on('recordsMissed', ({ topic, partition, from, count, reason }) => {
      if (reason !== 'removed' || parts.isOver()) return
      parts.note(`${name} misses ${count} of ${topic}-${partition} from ${from}`)
      audience.excuse(this.#placeOf(topic, partition), from + count)
    })
    consumer.on('committed', ({ offsets }) => {
      for (const { topic, partition, offset } of offsets) this.#check(() => this.#committed(topic, partition, offset))
    })
    void this.#live()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#parts.note(`${this.#name} leaves`)
    await this.#consumer.close({ timeoutMs: 5000 })
  }

  /** A dead one is not closed. */
  async #live(): Promise<void> {
    while (!this.#isClosed && !this.#parts.isOver()) {
      try {
        await this.#read()
      } catch (error) {
        this.#parts.note(`${this.#name} stops: ${error}`)
      }
      this.#next.clear()
      await this.#pass(restartMs)
    }
  }

  async #read(): Promise<void> {
    const { random } = this.#parts
    const consumer = this.#consumer
    const concurrency = 1 + randomInteger(random, 3)
    const use = (records: readonly SimulatedRecord[]) => this.#use(records)
    if (this.#kind === 'records') for await (const record of consumer) await use([record as SimulatedRecord])
    else if (this.#kind === 'batches') for await (const batch of consumer.batches()) await use([...batch] as never)
    else if (this.#kind === 'eachBatch') await consumer.run({ concurrency, eachBatch: batch => use([...batch] as never) })
    else {
      const orderBy = this.#kind === 'byKey' ? 'key' : 'partition'
      await consumer.run({ concurrency, orderBy, eachRecord: record => use([record as SimulatedRecord]) })
    }
  }

  async #use(records: readonly SimulatedRecord[]): Promise<void> {
    const { random, isOver } = this.#parts
    for (const record of records) this.#check(() => this.#handedOut(record))
    const dice = random.next()
    if (dice < 0.1) await this.#pass(randomInteger(random, 100))
    if (dice > 0.99) throw new Error('The handler fails')
    if (!isOver()) for (const record of records) this.#audience.handled.add(idOf(record))
  }

  #pass(ms: number): Promise<void> {
    return new Promise(resolve => this.#parts.clock.setTimer(ms, resolve))
  }

  #check(check: () => void): void {
    if (this.#parts.isOver() || this.violation) return
    try {
      check()
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      this.violation = new Violation(`${this.#name} of ${this.#audience.groupId}, ${this.#kind}: ${error.message}`)
    }
  }

  #placeOf(topic: string, partition: number): string {
    return placeOf(this.#parts.cluster.topics.get(topic)?.id, partition)
  }

  /** The topic as it is known, if it is sure that it is the one that is there. */
  #topicOf(name: string): TopicModel | undefined {
    const topic = this.#parts.model.topics.get(name)
    return topic?.state === 'present' && topic.id === this.#parts.cluster.topics.get(name)?.id ? topic : undefined
  }

  #handedOut(record: SimulatedRecord): void {
    const { topic: name, partition, offset, key, value } = record
    const id = idOf(record)
    const place = `${name}-${partition}`
    const sent = this.#parts.model.sent.get(id)
    if (!sent || `${sent.topic}-${sent.partition}` !== place || sent.key !== key || sent.value !== value)
      throw new Violation(`is handed ${id} at ${offset} of ${place}, which was never sent so`)
    this.#audience.reached(this.#placeOf(name, partition), offset + 1)
    const topic = this.#topicOf(name)
    const next = this.#next.get(place)
    this.#next.set(place, Math.max(offset + 1, next ?? 0))
    if (!topic || topic.isCompacted || this.#kind === 'byKey') return
    if (next !== undefined && offset > next) {
      const gap = this.#audience.missing(topic, partition, next, offset)
      if (gap !== undefined) throw new Violation(`is handed ${offset} of ${place} after ${next - 1}, and ${gap} is left out`)
    }
    if (next !== undefined) return
    const gap = this.#audience.missing(topic, partition, 0, offset)
    if (gap !== undefined) throw new Violation(`starts at ${offset} of ${place}, though ${gap} is not handled`)
  }

  #reset(name: string, partition: number, offset: number, reason: string): void {
    this.#next.delete(`${name}-${partition}`)
    const log = this.#parts.cluster.topics.get(name)?.partitions[partition]?.log
    if (reason === 'outOfRange' || !log) return
    if (offset > log.logStartOffset)
      throw new Violation(`starts at ${offset} of ${name}-${partition}, whose log starts at ${log.logStartOffset}`)
    this.#audience.excuse(this.#placeOf(name, partition), offset)
  }

  #committed(name: string, partition: number, offset: number): void {
    this.#audience.reached(this.#placeOf(name, partition), offset)
    const topic = this.#topicOf(name)
    if (!topic || topic.isCompacted) return
    const gap = this.#audience.missing(topic, partition, 0, offset)
    if (gap !== undefined) throw new Violation(`commits ${offset} of ${name}-${partition}, though ${gap} is not handled`)
  }
}

function placeOf(topicId: string | undefined, partition: number): string {
  return `${topicId}/${partition}`
}

function idOf({ headers }: SimulatedRecord): number {
  return Number(new TextDecoder().decode(headers[0]?.value as Uint8Array))
}
