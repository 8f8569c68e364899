import type { BacklogPolicy, KafkaError, Producer, Storage } from '../../src/index.js'
import { Cluster, memoryStorage, SendBatchError, seededRandom, string } from '../../src/index.js'
import { VirtualClock } from '../../src/testing/index.js'
import { DelayedStorage } from '../storage/delayed-storage.js'
import { untilSettled } from '../until-settled.js'
import { Audience } from './audience.js'
import type { Plan, Setting, Step } from './plan.js'
import { Reader } from './reader.js'
import { type Line, Truth } from './truth.js'

const topics = ['orders', 'clicks']
const mostPartitions = 4
const mostReadersOfAudience = 3
const mostReaders = 6

/** Plays a plan; returns what was wrong, in words. */
export async function play(plan: Plan, story?: string[]): Promise<string[]> {
  const round = new Round(plan.setting, story)
  try {
    await round.open()
    for (const step of plan.steps) {
      await round.apply(step)
      if (round.complaints.length > 0) break
    }
    if (round.complaints.length === 0) await round.settle()
  } catch (error) {
    round.complain((error as Error).stack ?? String(error))
  } finally {
    await round.close()
  }
  return round.complaints
}

class Round {
  readonly clock = new VirtualClock()
  readonly complaints: string[] = []
  readonly #setting: Setting
  readonly #story: string[] | undefined
  readonly #truth = new Truth()
  readonly #audiences = new Map<string, Audience>()
  readonly #readers: Reader[] = []
  readonly #dead: Reader[] = []
  readonly #wished = new Set<string>()
  readonly #sending = new Set<Promise<void>>()
  readonly #doing = new Set<Promise<unknown>>()
  readonly #sent: number[] = []
  /** Who read what when it was deleted. */
  readonly #deletions: { readonly reader: Reader; readonly line: Line; readonly base: number }[] = []
  #cluster!: Cluster
  #producers: readonly Producer[] = []
  #joined = 0

  constructor(setting: Setting, story: string[] | undefined) {
    this.#setting = setting
    this.#story = story
  }

  complain(complaint: string): void {
    this.note(`!!! ${complaint}`)
    this.complaints.push(complaint)
  }

  note(line: string): void {
    this.#story?.push(`${String(this.clock.monotonic()).padStart(7)} ${line}`)
  }

  // ---- the cluster

  async open(): Promise<void> {
    const { storage, partitions } = this.#setting
    this.note(JSON.stringify(this.#setting))
    const kept: Storage = storage === 'memory' ? memoryStorage() : new DelayedStorage({ durable: storage === 'disk' })
    this.#cluster = await Cluster.open({
      storage: kept,
      configs: { 'num.partitions': partitions, 'offsets.topic.num.partitions': 2, 'group.initial.rebalance.delay.ms': 0 },
      clock: this.clock,
      random: seededRandom(7),
      intercept: (brokers, clientId) => this.#readers.find(({ name }) => name === clientId)?.through(brokers) ?? brokers
    })
    const cluster = this.#cluster
    cluster.on('error', ({ error }) => this.complain(`the node failed: ${(error as Error).stack}`))
    cluster.on('topicCreated', ({ topic, topicId }) => {
      this.#truth.topicCreated(topic, topicId)
      this.note(`${topic} is created`)
      if (!topic.startsWith('__') && !this.#wished.delete(topic)) this.complain(`${topic} was created, and nobody wanted it`)
    })
    cluster.on('topicDeleted', ({ topicId, topic }) => {
      this.note(`${topic} is deleted`)
      for (const reader of this.#readers) this.#deletions.push(...reader.linesOf(topicId))
      this.#truth.topicDeleted(topicId)
    })
    cluster.on('segmentsRemoved', event => this.#onRemoved(event))
    cluster.on('recordsLost', ({ topic, partition, from, to, reader }) =>
      this.note(`${from} to ${to} of ${topic}-${partition} are lost to ${reader}`)
    )
    const common = {
      allowAutoTopicCreation: false,
      metadataMaxAgeMs: 5000,
      deliveryTimeoutMs: 30_000,
      requestTimeoutMs: 5000,
      maxBlockMs: 30_000
    }
    this.#producers = [
      cluster.producer({ ...common, clientId: 'producer-0' }),
      cluster.producer({ ...common, clientId: 'producer-1', batchSize: 200, lingerMs: 20 }),
      cluster.producer({ ...common, clientId: 'producer-2', batchSize: 400, compression: 'gzip', acks: 1 })
    ]
    for (const topic of topics) await this.#create(topic)
  }

  async #create(topic: string): Promise<void> {
    const { policy, limitBytes, retentionBytes, partitions } = this.#setting
    this.#wished.add(topic)
    const backlog = { ...(policy !== undefined && { policy }), ...(limitBytes !== undefined && { limitBytes }) }
    const configs = { 'segment.bytes': 600, ...(retentionBytes !== undefined && { 'retention.bytes': retentionBytes }) }
    await this.#drive(this.#cluster.admin().createTopic({ name: topic, partitions, configs, backlog }))
  }

  /** Nothing that a live reader has yet to read goes for its size, unless the policy says so. */
  #onRemoved({
    topic,
    partition,
    logStartOffset,
    reason
  }: {
    topic: string
    partition: number
    logStartOffset: number
    reason: string
  }): void {
    if (topic.startsWith('__')) return
    this.note(`${topic}-${partition} starts at ${logStartOffset} now: ${reason}`)
    if (reason !== 'size' || this.#evicts) return
    const line = this.#truth.lineNow(topic, partition)
    for (const reader of this.#readers) {
      const tenure = reader.tenures.get(line.name)
      if (tenure?.line !== line || tenure.base < 0 || reader.isLeaving) continue
      const gap = reader.audience.of(line).firstGap(tenure.base, logStartOffset)
      if (gap !== undefined) this.complain(`${reader.name} has yet to read ${gap} of ${line.name}, which was removed for its size`)
    }
  }

  get #evicts(): boolean {
    const { policy, storage } = this.#setting
    return (
      (policy ?? (storage === 'disk' ? 'consumer_backlog_eviction' : 'producer_request_hold')) ===
      ('consumer_backlog_eviction' satisfies BacklogPolicy)
    )
  }

  // ---- the steps

  async apply(step: Step): Promise<void> {
    this.note(JSON.stringify(step))
    const reader = 'which' in step ? this.#readers[step.which % Math.max(1, this.#readers.length)] : undefined
    switch (step.do) {
      case 'send':
        this.#send(step)
        break
      case 'join':
        this.#join(step)
        break
      case 'leave':
        if (reader) await this.#leave(reader)
        break
      case 'vanish':
        if (reader?.audience.groupId !== undefined) this.#vanish(reader)
        break
      case 'commit':
        if (reader) this.#do(reader.commit())
        break
      case 'commitGiven':
        if (reader) this.#do(reader.commitGiven(step.place, step.fraction))
        break
      case 'pause':
        reader?.pause(step.place)
        break
      case 'resume':
        reader?.resume()
        break
      case 'seek':
        reader?.seek(step.place, step.fraction)
        break
      case 'seekTo':
        if (reader) await this.#drive(reader.seekTo(step.where === 'time' ? this.clock.now() - step.ms : step.where))
        break
      case 'fail':
        if (reader) reader.failures += step.times
        break
      case 'leaveLoop':
        if (reader) reader.leavesLoop = step.how
        break
      case 'grow':
        await this.#grow(topics[step.topic])
        break
      case 'recreate':
        await this.#recreate(topics[step.topic], step.ms)
        break
      case 'deleteRecords':
        await this.#deleteRecords(topics[step.topic], step.partition, step.fraction)
        break
      case 'wait':
        await this.clock.advance(step.ms)
    }
    await turn()
  }

  #send({ producer, topic, way, keys, bytes }: Extract<Step, { do: 'send' }>): void {
    const name = topics[topic]
    const values = keys.map(key => {
      const number = (this.#sent[producer] = (this.#sent[producer] ?? 0) + 1)
      return `${key ?? '-'}|${producer}|${number}|${'x'.repeat(bytes)}`
    })
    const records = values.map((value, index) => ({ key: keys[index] === null ? null : String(keys[index]), value }))
    const one = async (index: number) => {
      const { partition, offset } = await this.#producers[producer].send(name, records[index])
      this.#acknowledged(name, partition, offset, values[index])
    }
    const all = async () => {
      if (way === 'each') await Promise.all(records.map((_, index) => one(index)))
      else if (way === 'batch') await this.#producers[producer].sendBatch(name, records)
      else for (const index of records.keys()) await one(index)
    }
    const sending = all()
      .catch(error => this.#onSendError(error))
      .then(() => void this.#sending.delete(sending))
    this.#sending.add(sending)
  }

  #acknowledged(topic: string, partition: number, offset: number, value: string): void {
    const line = this.#truth.lineNow(topic, partition)
    line.acknowledged.add(offset)
    const contradiction = line.saw(offset, value)
    if (contradiction) this.complain(contradiction)
  }

  #onSendError(error: KafkaError): void {
    if (error instanceof SendBatchError) {
      for (const failure of error.failures) this.#onSendError(failure.error as KafkaError)
      return
    }
    this.note(`a send fails: ${error.message}`)
    // A topic may be gone for a while, and with it what was on its way there.
    if (['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID'].includes(error.code) || error.message.includes('no leader')) return
    const isTold = /is \d+ records, \d+ bytes, behind/.test(error.message)
    if (['POLICY_VIOLATION', 'REQUEST_TIMED_OUT'].includes(error.code) && isTold) return
    this.complain(`a record was not delivered: ${error.stack}`)
  }

  #join({ audience: place, options }: Extract<Step, { do: 'join' }>): void {
    if (this.#readers.length >= mostReaders) return
    const name = `reader-${this.#joined++}`
    const groupId = place < 2 ? `group-${place}` : undefined
    const key = groupId ?? name
    let audience = this.#audiences.get(key)
    if (!audience) this.#audiences.set(key, (audience = new Audience(key, groupId)))
    if (this.#readers.filter(reader => reader.audience === audience).length >= mostReadersOfAudience) return
    const isCooperative = groupId === 'group-1'
    this.note(`${name} joins ${key} with ${JSON.stringify(options)}`)
    const stage = {
      clock: this.clock,
      truth: this.#truth,
      cluster: () => this.#cluster,
      complain: (complaint: string) => this.complain(complaint),
      note: (line: string) => this.note(line),
      startOf: (topic: string, partition: number) => this.#cluster.topics.get(topic)?.partitions[partition]?.log.logStartOffset ?? 0
    }
    new Reader(name, audience, { ...options, isCooperative }, topics, stage, reader => this.#readers.push(reader))
  }

  async #leave(reader: Reader): Promise<void> {
    this.note(`  ${reader.name} leaves`)
    await this.#drive(reader.leave())
    this.#gone(reader)
  }

  #gone(reader: Reader): void {
    this.#readers.splice(this.#readers.indexOf(reader), 1)
    if (reader.audience.groupId === undefined) this.#audiences.delete(reader.audience.name)
  }

  #vanish(reader: Reader): void {
    this.note(`  ${reader.name} vanishes`)
    reader.vanish()
    this.#gone(reader)
    this.#dead.push(reader)
  }

  async #grow(topic: string): Promise<void> {
    const count = this.#cluster.topics.get(topic)?.partitions.length ?? 0
    if (count >= mostPartitions) return
    await this.#drive(this.#cluster.admin().createPartitions(topic, count + 1))
  }

  async #recreate(topic: string, ms: number): Promise<void> {
    await this.#drive(this.#cluster.admin().deleteTopics([topic]))
    if (ms > 0) await this.clock.advance(ms)
    await this.#create(topic)
  }

  async #deleteRecords(topic: string, place: number, fraction: number): Promise<void> {
    const partitions = this.#cluster.topics.get(topic)?.partitions ?? []
    const { partition, logStartOffset, logEndOffset } = partitions[place % partitions.length]
    const before = logStartOffset + Math.floor((logEndOffset - logStartOffset) * fraction)
    await this.#drive(this.#cluster.admin().deleteRecords([{ topic, partition, before }]))
  }

  /** Something that goes on beside the next steps. */
  #do(task: Promise<unknown>): void {
    const settled = task.then(() => void this.#doing.delete(settled))
    this.#doing.add(settled)
  }

  // ---- the end

  /** Everyone behaves from now on: all comes to rest, and everybody has got everything. */
  async settle(): Promise<void> {
    this.note('settles')
    for (const reader of this.#readers) reader.behave()
    for (const audience of this.#audiences.values()) {
      // Somebody who commits by itself is there for what nobody else has.
      const isServed = this.#readers.some(reader => reader.audience === audience)
      const options = { kind: 'records' as const, autoCommit: true, concurrency: 1, pace: 0, attempts: 1, hasDeadLetter: false }
      if (!isServed)
        this.#join({
          do: 'join',
          audience: audience.groupId === 'group-0' ? 0 : 1,
          options: { ...options, maxPartitionFetchBytes: 1000, maxPollRecords: 5 }
        })
    }
    await this.#drive(Promise.all([...this.#doing, ...this.#sending]))
    for (let quiet = 0, before = ''; quiet < 30 && this.#openMatters().length > 0; quiet++) {
      await this.clock.advance(1000)
      const now = this.#progress()
      if (now !== before) quiet = 0
      before = now
      if (this.complaints.length > 0) return
    }
    for (const matter of this.#openMatters()) this.complain(matter)
  }

  /** Differs from before when something has happened. */
  #progress(): string {
    return JSON.stringify(
      [...this.#audiences.values()].map(audience =>
        this.#truth.currentLines.map(line => [audience.of(line).ever.size, audience.of(line).committed])
      )
    )
  }

  /** What is not as it must be at the end. */
  #openMatters(): string[] {
    const matters: string[] = []
    for (const { reader, line, base } of this.#deletions) {
      if (!this.#readers.includes(reader)) continue
      const gap = reader.audience.of(line).firstGap(base, Math.max(-1, ...line.acknowledged) + 1)
      if (gap !== undefined) matters.push(`${reader.name} was not told that ${gap} of ${line.name} went with its topic`)
    }
    for (const line of this.#truth.currentLines) {
      const partition = this.#cluster.topics.get(line.topic)?.partitions[line.partition]
      if (!partition || line.topic.startsWith('__')) continue
      const { logEndOffset } = partition
      for (const offset of line.acknowledged)
        if (offset >= logEndOffset) matters.push(`${offset} of ${line.name} was acknowledged, and the log ends at ${logEndOffset}`)
      for (const audience of this.#audiences.values()) {
        const readers = this.#readers.filter(reader => reader.audience === audience)
        if (readers.length === 0) continue
        const reading = audience.of(line)
        const gap = reading.firstGap(0, logEndOffset)
        if (gap !== undefined) matters.push(`${audience.name} has not got ${gap} of ${line.name}, of ${logEndOffset}`)
        const owners = readers.filter(reader => reader.tenures.has(line.name))
        if (owners.length !== 1) matters.push(`${owners.length} readers of ${audience.name} have ${line.name}`)
        const [owner] = owners
        if (
          owner &&
          audience.groupId !== undefined &&
          owner.options.autoCommit &&
          !reading.isByHand &&
          logEndOffset > 0 &&
          reading.committed !== logEndOffset
        )
          matters.push(`${audience.name} has committed ${reading.committed} of ${line.name}, which ends at ${logEndOffset}`)
        const at = owner?.consumer.position({ topic: line.topic, partition: line.partition })
        if (owner && at !== logEndOffset) matters.push(`${owner.name} is at ${at} of ${line.name}, which ends at ${logEndOffset}`)
      }
    }
    return matters
  }

  /** What the logs hold must be what was acknowledged, and each value once. */
  async close(): Promise<void> {
    try {
      if (this.complaints.length === 0) await this.#readLogs()
      for (const reader of this.#readers) reader.isLeaving = true
      for (const reader of this.#dead) await this.#drive(reader.bury())
      await this.#drive(this.#cluster.close({ timeoutMs: 60_000 }))
    } catch (error) {
      this.complain(`closing failed: ${(error as Error).stack}`)
    }
  }

  async #readLogs(): Promise<void> {
    for (const line of this.#truth.currentLines) {
      const log = this.#cluster.topics.get(line.topic)?.partitions[line.partition]?.log
      if (!log || line.topic.startsWith('__')) continue
      const { logStartOffset, logEndOffset } = log
      if (logStartOffset === logEndOffset) continue
      const reader = this.#cluster.consumer({ value: string })
      reader.assign([{ topic: line.topic, partition: line.partition }])
      reader.seek({ topic: line.topic, partition: line.partition, offset: logStartOffset })
      let next = logStartOffset
      const read = async () => {
        for await (const { offset, value } of reader) {
          const contradiction = line.saw(offset, value)
          if (contradiction) this.complain(contradiction)
          if (offset !== next) this.complain(`the log of ${line.name} goes on at ${offset} instead of ${next}`)
          next = offset + 1
          if (next === logEndOffset) return
        }
      }
      await this.#drive(read())
      await this.#drive(reader.close())
    }
  }

  /** Turns the hands of the clock until a promise settles. */
  #drive<T>(promise: Promise<T>): Promise<T> {
    return untilSettled(promise, seconds => {
      if (seconds === 600) throw new Error('Not done after ten minutes')
      return this.clock.advance(seconds < 10 ? 100 : 1000)
    })
  }
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
