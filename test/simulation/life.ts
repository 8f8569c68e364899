import { Cluster } from '../../src/cluster.js'
import { type Random, randomInteger } from '../../src/common/random.js'
import { KafkaError } from '../../src/errors.js'
import type { Producer } from '../../src/producer/producer.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'
import { OffsetFetch } from '../../src/protocol/messages/offset-fetch.js'
import type { Storage } from '../../src/storage/storage.js'
import type { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import type { VirtualClock } from '../../src/testing/virtual-clock.js'
import { checkPartition, readAll } from './check.js'
import { type Model, type Sent, TopicModel, Violation } from './model.js'
import { type Audience, LifeReader } from './readers.js'

export interface LifeParts {
  readonly disk: SimulatedDisk
  readonly random: Random
  readonly model: Model
  readonly audiences: readonly Audience[]
  readonly clock: VirtualClock
  /** Whether what is acknowledged is synced. */
  readonly isDurable: boolean
  readonly note: (line: string) => void
  /** Is told of what happens behind the scenes. */
  readonly count: (what: 'compactions' | 'removals' | 'tornTails') => void
}

const configs = { 'auto.create.topics.enable': false, 'offsets.topic.num.partitions': 3, 'group.initial.rebalance.delay.ms': 0 }
const names = ['orders', 'clicks', 'users', 'a-b.c_d']
/** What an action returns whose success is not worth a line. */
const noNews = Symbol()
const groups = ['analytics', 'billing']

/** A cluster from its opening to its end, and what is done with it. */
export class Life {
  readonly cluster: Cluster
  readonly #parts: LifeParts
  readonly #producers: Producer[]

  private constructor(parts: LifeParts, cluster: Cluster) {
    this.#parts = parts
    this.cluster = cluster
    cluster.on('compacted', () => parts.count('compactions'))
    cluster.on('segmentsRemoved', () => parts.count('removals'))
    cluster.on('tornTail', () => parts.count('tornTails'))
    cluster.on('partitionStopped', ({ topic, partition, error }) => parts.note(`${topic}-${partition} is stopped: ${error.message}`))
    cluster.on('straySetAside', ({ folder }) => parts.note(`${folder} is set aside`))
    cluster.on('error', ({ error, during }) => {
      parts.note(`error during ${during}: ${(error as Error).stack}`)
    })
    const settings = { deliveryTimeoutMs: 3000, requestTimeoutMs: 1000, maxBlockMs: 2000, batchSize: 700, allowAutoTopicCreation: false }
    this.#producers = [
      cluster.producer(settings),
      cluster.producer({ ...settings, acks: 1, compression: 'lz4' }),
      cluster.producer({ ...settings, lingerMs: 5, compression: 'gzip' })
    ]
  }

  static async open(parts: LifeParts, storage: Storage): Promise<Life> {
    // The events of the opening are told a moment after it.
    const opening = Cluster.open({ storage, clock: parts.clock, random: parts.random, configs }).then(cluster => new Life(parts, cluster))
    opening.catch(() => {})
    const isOver = await settled(parts.clock, [opening], () => false)
    if (!isOver) throw new Violation('Opening never ends')
    return opening
  }

  /** Whoever reads in this life. */
  readonly readers: LifeReader[] = []

  /** A member joins a group, and stays until the end of this life, or leaves before. */
  join(audience: Audience): LifeReader {
    const reader = new LifeReader(audience, `reader-${this.readers.length}`, {
      ...this.#parts,
      cluster: this.cluster,
      isOver: () => this.isOver
    })
    this.readers.push(reader)
    return reader
  }

  /** Throws what a reader has found to be wrong. */
  checkReaders(): void {
    for (const { violation } of this.readers) if (violation) throw violation
  }

  async #joinOrLeave(): Promise<void> {
    const { random, audiences } = this.#parts
    if (this.readers.length < 4) this.join(audiences[randomInteger(random, audiences.length)])
    else if (random.next() < 0.3)
      await this.#attempt('a reader leaves', () => this.readers[randomInteger(random, this.readers.length)].close())
  }

  /** Starts something, chosen by chance; its promise never rejects but for a violation. */
  act(): Promise<void> {
    const { random, model } = this.#parts
    const topics = model.presentTopics
    if (random.next() < 0.07) return this.#joinOrLeave()
    const dice = topics.length === 0 ? 0 : random.next() * 100
    const topic = topics[randomInteger(random, topics.length)]
    if (dice < 4) return this.#create()
    if (dice < 70) return this.#send(topic)
    if (dice < 84) return this.#commit(topic)
    if (dice < 88) return this.#check(topic)
    if (dice < 91) return this.#housekeep()
    if (dice < 93) return this.#deleteRecords(topic)
    if (dice < 95) return this.#alter(topic)
    if (dice < 96) return this.#addPartition(topic)
    if (dice < 97.5) return this.#delete(topic)
    return this.#passTime()
  }

  async #send(topic: TopicModel): Promise<void> {
    const { random, model, note } = this.#parts
    const producer = randomInteger(random, this.#producers.length)
    const partition = randomInteger(random, topic.partitions.length)
    const count = 1 + randomInteger(random, random.next() < 0.1 ? 40 : 5)
    const sends: Promise<void>[] = []
    for (let i = 0; i < count; i++) {
      const id = model.sent.size
      const key = `k${randomInteger(random, 6)}`
      const value = topic.isCompacted && random.next() < 0.15 ? null : `${id}:${'value '.repeat(randomInteger(random, 40))}`
      const sent: Sent = { id, topic: topic.name, partition, producer, key, value }
      model.sent.set(id, sent)
      sends.push(this.#sendOne(topic, sent))
    }
    note(`send ${model.sent.size - count} to ${model.sent.size - 1} to ${topic.name}-${partition}`)
    await Promise.all(sends)
  }

  async #sendOne(topic: TopicModel, sent: Sent): Promise<void> {
    const { key, value, partition, id } = sent
    const { isDurable, clock } = this.#parts
    // Not in the order of their times.
    const timestamp = clock.now() - ((id * 7919) % 3000)
    await this.#attempt(
      `send ${id}`,
      async () => {
        const { offset } = await this.#producers[sent.producer].send(topic.name, {
          key,
          value,
          partition,
          timestamp,
          headers: { id: String(id) }
        })
        if (topic.state === 'present') topic.partitions[partition].acknowledge(offset, sent, isDurable)
        return noNews
      },
      () => topic.state !== 'present'
    )
  }

  async #commit(topic: TopicModel): Promise<void> {
    const { random, model, isDurable } = this.#parts
    const group = groups[randomInteger(random, groups.length)]
    const partition = randomInteger(random, topic.partitions.length)
    const commit = model.commit(group, topic, partition)
    const offset = Math.max(-1, ...commit.attempted) + 1 + randomInteger(random, 3)
    commit.attempted.add(offset)
    await this.#attempt(
      `commit ${offset} for ${topic.name}-${partition} of ${group}`,
      async () => {
        const partitions = [{ partitionIndex: partition, committedOffset: offset, committedMetadata: null }]
        const response = await this.#client.request(OffsetCommit, {
          groupId: group,
          memberId: '',
          topics: [{ name: topic.name, partitions }]
        })
        const { errorCode } = response.topics[0].partitions[0]
        if (errorCode !== 0) throw KafkaError.fromNumber(errorCode)
        commit.acked = Math.max(commit.acked, offset)
        if (isDurable) commit.durable = commit.acked
      },
      () => topic.state !== 'present'
    )
  }

  async #create(): Promise<void> {
    const { random, model, isDurable } = this.#parts
    const name = names[randomInteger(random, names.length)]
    const before = model.topics.get(name)
    if (before && before.state !== 'absent') return
    const count = 1 + randomInteger(random, 3)
    const topic = new TopicModel(name, count, topicConfigs(random))
    model.topics.set(name, topic)
    await this.#attempt(`create ${name} with ${count} partitions, ${JSON.stringify(topic.configs)}`, async () => {
      const { id } = await this.#admin.createTopic({ name, partitions: count, configs: topic.configs })
      topic.id = id
      topic.grow(count)
      topic.isDurable = isDurable
      topic.state = 'present'
    })
  }

  async #delete(topic: TopicModel): Promise<void> {
    topic.state = 'unclear'
    await this.#attempt(`delete ${topic.name}`, async () => {
      await this.#admin.deleteTopics([topic.name])
      topic.isDurable = this.#parts.isDurable
      topic.state = 'absent'
    })
  }

  async #addPartition(topic: TopicModel): Promise<void> {
    const count = topic.maxPartitions + 1
    if (count > 5 || topic.maxPartitions > topic.partitions.length) return
    topic.maxPartitions = count
    await this.#attempt(
      `give ${topic.name} ${count} partitions`,
      async () => {
        await this.#admin.createPartitions(topic.name, count)
        topic.grow(count)
        topic.isDurable &&= this.#parts.isDurable
      },
      () => topic.state !== 'present'
    )
  }

  async #alter(topic: TopicModel): Promise<void> {
    const { random } = this.#parts
    if (topic.hasUnclearConfigs) return
    const changes = { 'segment.bytes': String(500 + randomInteger(random, 4000)) }
    topic.hasUnclearConfigs = true
    await this.#attempt(
      `alter ${topic.name} to ${JSON.stringify(changes)}`,
      async () => {
        await this.#admin.alterConfigs({ topic: topic.name }, changes)
        Object.assign(topic.configs, changes)
        topic.hasUnclearConfigs = false
        topic.isDurable &&= this.#parts.isDurable
      },
      () => topic.state !== 'present'
    )
  }

  async #deleteRecords(topic: TopicModel): Promise<void> {
    const { random } = this.#parts
    const partition = randomInteger(random, topic.partitions.length)
    const log = this.cluster.topics.get(topic.name)?.partitions[partition]?.log
    if (!log || topic.configs['cleanup.policy'] === 'compact') return
    const offset = log.logStartOffset + randomInteger(random, log.highWatermark - log.logStartOffset + 1)
    await this.#attempt(
      `delete records of ${topic.name}-${partition} before ${offset}`,
      async () => {
        await this.#admin.deleteRecords([{ topic: topic.name, partition, before: offset }])
      },
      () => topic.state !== 'present'
    )
  }

  async #housekeep(): Promise<void> {
    await this.#attempt('housekeeping', () => this.cluster.housekeeping())
  }

  async #passTime(): Promise<void> {
    const ms = [100, 10_000, 90_000, 600_000][randomInteger(this.#parts.random, 4)]
    this.#parts.note(`${ms} ms pass`)
    const { clock } = this.#parts
    passing.set(clock, (passing.get(clock) ?? 0) + 1)
    await clock.advance(ms)
    passing.set(clock, (passing.get(clock) ?? 0) - 1)
  }

  /** Reads a partition while all goes on: what was acknowledged before must be there. */
  async #check(topic: TopicModel): Promise<void> {
    const { random, model } = this.#parts
    const partition = randomInteger(random, topic.partitions.length)
    const known = topic.partitions[partition]
    const before = new Map(known.acked)
    const log = this.cluster.topics.get(topic.name)?.partitions[partition]?.log
    if (!log) throw new Violation(`${topic.name}-${partition} is not there`)
    await this.#attempt(
      `read ${topic.name}-${partition}`,
      async () => {
        const found = await readAll(log, 1 + randomInteger(random, 3000))
        const start = log.logStartOffset
        const left = { acked: new Map([...before].filter(([offset]) => offset >= start)), startOffset: start }
        const read = found.filter(({ offset }) => offset >= start)
        const end = { logStartOffset: start, logEndOffset: (read.at(-1)?.offset ?? start - 1) + 1 }
        if (topic.state !== 'present') return
        const expected = { onlyDurable: false, isComplete: true, isClean: false }
        checkPartition(`${topic.name}-${partition}`, Object.assign(Object.create(known), left), topic, model.sent, end, read, expected)
      },
      // Retention may be quicker than the reader.
      error => topic.state !== 'present' || error.code === 'OFFSET_OUT_OF_RANGE'
    )
  }

  /** What a group has committed for a partition; -1 for nothing. */
  async committed(group: string, topic: string, partition: number): Promise<number> {
    const wanted = [{ name: topic, partitionIndexes: [partition] }]
    const { groups: found } = await this.#client.request(OffsetFetch, { groups: [{ groupId: group, topics: wanted }] })
    const { errorCode, topics } = (found as NonNullable<typeof found>)[0]
    const number = errorCode || topics[0].partitions[0].errorCode
    if (number !== 0) throw KafkaError.fromNumber(number)
    return topics[0].partitions[0].committedOffset
  }

  /** Does something that may fail only where a fault or the disk's end explains it, or where `mayFail` says so. */
  async #attempt(what: string, act: () => Promise<unknown>, mayFail: (error: KafkaError) => boolean = () => false): Promise<void> {
    const { disk, note } = this.#parts
    const faultsBefore = disk.faultsMet
    try {
      const outcome = await act()
      if (outcome !== noNews) note(`${what}: done`)
    } catch (error) {
      if (error instanceof Violation) throw error
      note(`${what}: ${error}`)
      if (!(error instanceof KafkaError))
        throw new Violation(`${what}: ended with something that is no KafkaError: ${(error as Error).stack}`)
      const isExplained =
        disk.hasStopped || disk.faultsMet > 0 || faultsBefore > 0 || disk.capacityBytes < Number.POSITIVE_INFINITY || mayFail(error)
      if (!isExplained && !this.isOver) throw new Violation(`${what}: failed for no reason: ${error.stack}`)
    }
  }

  /** Set when the life has ended, so that what fails afterwards does not count. */
  isOver = false

  /** Lets time pass until all promises have settled, or the disk has stopped. Returns whether they have. */
  async wait(actions: readonly Promise<unknown>[]): Promise<boolean> {
    return settled(this.#parts.clock, actions, () => this.#parts.disk.hasStopped)
  }

  get #client() {
    return (this.cluster.node as NonNullable<Cluster['node']>).connect({ clientId: 'simulation' })
  }

  get #admin() {
    return this.cluster.admin({ timeoutMs: 2000 })
  }
}

/** How many set a clock forward by more than others wait. */
const passing = new WeakMap<VirtualClock, number>()

export async function settled(clock: VirtualClock, promises: readonly Promise<unknown>[], isCut: () => boolean): Promise<boolean> {
  let open = promises.length
  let violation: unknown
  for (const promise of promises) {
    promise.then(
      () => open--,
      error => {
        open--
        if (error instanceof Violation) violation ??= error
      }
    )
  }
  await clock.advance(0)
  // 35 s: a consumer whose coordinator is gone for good takes the 30 s of `close` to end.
  for (let round = 0; open > 0 && !isCut() && !violation; ) {
    if (!passing.get(clock) && round++ > 700) throw new Violation('Something never ends')
    await clock.advance(50)
  }
  if (violation) throw violation
  return open === 0
}

function topicConfigs(random: Random): Record<string, string> {
  const common = { 'segment.bytes': String(500 + randomInteger(random, 4000)), 'index.interval.bytes': String(randomInteger(random, 500)) }
  const kind = random.next()
  if (kind < 0.4) return { ...common, 'retention.ms': '-1' }
  if (kind < 0.55) return { ...common, 'retention.bytes': String(1000 + randomInteger(random, 5000)) }
  if (kind < 0.7) return { ...common, 'retention.ms': String(1000 + randomInteger(random, 100_000)) }
  const compaction = {
    ...common,
    'cleanup.policy': kind < 0.95 ? 'compact' : 'compact,delete',
    'min.cleanable.dirty.ratio': String(randomInteger(random, 60) / 100),
    'delete.retention.ms': String(randomInteger(random, 20_000))
  }
  return kind < 0.95 ? compaction : { ...compaction, 'retention.ms': '50000' }
}
