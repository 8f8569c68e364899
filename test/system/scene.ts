import { expect } from 'vitest'
import type { Assignor, Brokers, CompressionType, Producer, ProducerRecord, Storage } from '../../src/index.js'
import { Cluster, cooperativeStickyAssignor, KafkaError, memoryStorage, rangeAssignor, seededRandom, string } from '../../src/index.js'
import { Produce, VirtualClock } from '../../src/testing/index.js'
import { DelayedStorage } from '../storage/delayed-storage.js'
import { untilSettled } from '../until-settled.js'
import { wrappedBrokers } from '../wrapped-brokers.js'
import { GroupLedger, type Sent } from './ledger.js'
import { Member, topic } from './member.js'

export type Step =
  | { readonly do: 'send'; readonly producer: number; readonly keys: readonly (number | null)[] }
  | { readonly do: 'sendTo'; readonly producer: number; readonly place: number; readonly count: number }
  | { readonly do: 'join'; readonly group: number; readonly isStatic: boolean; readonly pace: number }
  | { readonly do: 'leave' | 'vanish' | 'commit' | 'pause' | 'resume'; readonly which: number }
  | { readonly do: 'seek'; readonly which: number; readonly fraction: number }
  | { readonly do: 'grow' | 'loseAnswer' | 'flush' }
  | { readonly do: 'wait'; readonly ms: number }

const mostPartitions = 6
const mostMembersOfGroup = 3
const producerOptions: readonly { readonly compression: CompressionType; readonly lingerMs: number; readonly batchSize?: number }[] = [
  { compression: 'none', lingerMs: 0 },
  { compression: 'lz4', lingerMs: 0, batchSize: 100 },
  { compression: 'gzip', lingerMs: 500 }
]

/** A cluster, those who use it, and what they know of each other. */
export class Scene {
  readonly clock = new VirtualClock()
  readonly complaints: string[] = []
  readonly groups: readonly GroupLedger[]
  readonly assignors: readonly (readonly Assignor[])[] = [[rangeAssignor], [cooperativeStickyAssignor]]
  /** In the order in which they were sent, by value. */
  readonly sent = new Map<string, Sent>()
  /** Values whose acknowledgement was lost, so that they may stand in the log twice. */
  readonly mayRepeat = new Set<string>()
  readonly members: Member[] = []
  readonly dead: Member[] = []
  readonly #unacknowledged = new Set<Promise<void>>()
  readonly #numbers = producerOptions.map(() => 0)
  #cluster!: Cluster
  #producers: readonly Producer[] = []
  #partitionCount = 2
  #joined = 0
  #answersToLose = 0

  constructor() {
    this.groups = ['eager', 'cooperative'].map(name => new GroupLedger(name, complaint => this.complain(complaint)))
  }

  async open(isSlow: boolean): Promise<void> {
    const storage: Storage = isSlow ? new DelayedStorage() : memoryStorage()
    const configs = { 'num.partitions': this.#partitionCount, 'offsets.topic.num.partitions': 2 }
    this.#cluster = await Cluster.open({
      storage,
      configs,
      clock: this.clock,
      random: seededRandom(7),
      intercept: (brokers, clientId) => this.#intercept(brokers, clientId)
    })
    this.#cluster.on('error', ({ error }) => this.complain(`the node failed: ${error}`))
    this.#producers = producerOptions.map((options, i) =>
      this.#cluster.producer({ ...options, clientId: `producer-${i}`, metadataMaxAgeMs: 5000 })
    )
    const admin = this.#cluster.admin()
    await this.drive(admin.createTopic({ name: topic, partitions: this.#partitionCount }))
  }

  complain(complaint: string): void {
    this.complaints.push(complaint)
  }

  async apply(step: Step): Promise<void> {
    const member = 'which' in step ? this.members[step.which % Math.max(1, this.members.length)] : undefined
    switch (step.do) {
      case 'send':
        this.send(
          step.producer,
          step.keys.map(key => ({ key: key === null ? null : `${step.producer}-${key}` }))
        )
        break
      case 'sendTo':
        this.send(
          step.producer,
          Array.from({ length: step.count }, () => ({ key: null, partition: step.place % this.#partitionCount }))
        )
        break
      case 'join':
        this.join(step.group, step.isStatic, step.pace)
        break
      case 'leave':
        if (member) await this.leave(member)
        break
      case 'vanish':
        if (member) this.vanish(member)
        break
      case 'commit':
        if (member) member.wantsCommit = true
        break
      case 'pause':
        member?.pause(step.which)
        break
      case 'resume':
        member?.resume()
        break
      case 'seek':
        member?.seek(step.which, step.fraction)
        break
      case 'grow':
        await this.grow()
        break
      case 'loseAnswer':
        this.#answersToLose++
        break
      case 'flush':
        await this.drive(Promise.all(this.#producers.map(producer => producer.flush())))
        break
      case 'wait':
        await this.clock.advance(step.ms)
    }
    await turn()
  }

  send(producer: number, records: readonly { readonly key: string | null; readonly partition?: number }[]): void {
    const values: string[] = []
    const toSend = records.map(({ key, partition }): ProducerRecord => {
      const number = this.#numbers[producer]++
      const value = `${producer}:${number}`
      this.sent.set(value, { producer, number, key, partition })
      values.push(value)
      return { key, value, ...(partition !== undefined && { partition }) }
    })
    // One by one or all together: both ways must keep the order.
    const sends =
      toSend.length % 2 === 0
        ? [this.#producers[producer].sendBatch(topic, toSend).then(() => {})]
        : toSend.map(async (record, i) => {
            const { partition, offset } = await this.#producers[producer].send(topic, record)
            const sent = this.sent.get(values[i]) as Sent
            sent.place = { partition, offset }
          })
    for (const sending of sends) {
      const settled = sending.catch(error => this.complain(`a record was not delivered: ${error}`))
      this.#unacknowledged.add(settled)
      void settled.then(() => this.#unacknowledged.delete(settled))
    }
  }

  join(group: number, isStatic: boolean, pace: number): void {
    if (this.members.filter(member => member.group === this.groups[group]).length >= mostMembersOfGroup) return
    const id = `member-${this.#joined++}`
    const options = { id, group: this.groups[group], assignors: this.assignors[group], pace, ...(isStatic && { groupInstanceId: id }) }
    const member = new Member(options, complaint => this.complain(complaint))
    this.members.push(member)
    member.join(this.#cluster)
  }

  async leave(member: Member): Promise<void> {
    await this.drive(member.leave())
    this.members.splice(this.members.indexOf(member), 1)
    // A member with a lasting name does not leave: to the group it is as if it had died, until its session ends.
    await this.drive(member.reading)
  }

  vanish(member: Member): void {
    member.vanish()
    this.members.splice(this.members.indexOf(member), 1)
    this.dead.push(member)
  }

  async grow(): Promise<void> {
    if (this.#partitionCount === mostPartitions) return
    this.#partitionCount++
    await this.drive(this.#cluster.admin().createPartitions(topic, this.#partitionCount))
  }

  /** Everyone behaves from now on: all comes to rest, with every partition in one hand and nothing left to read. */
  async settle(): Promise<void> {
    this.#answersToLose = 0
    for (const member of this.members) member.resume()
    this.groups.forEach((group, i) => {
      if (!this.members.some(member => member.group === group)) this.join(i, false, 0)
    })
    for (let partition = 0; partition < this.#partitionCount; partition++) this.send(0, [{ key: null, partition }])
    await this.drive(Promise.all(this.#producers.map(producer => producer.flush())))
    await this.drive(Promise.all(this.#unacknowledged))
    const ends = await this.#ends()
    for (let quiet = 0, before = ''; quiet < 100 && !this.#isAtRest(ends); quiet++) {
      await this.clock.advance(1000)
      const now = this.#progress()
      if (now !== before) quiet = 0
      before = now
    }
    expect(this.complaints).toEqual([])
    for (const group of this.groups) {
      expect(this.#ownedIn(group), `partitions owned in ${group.name}`).toEqual([...ends.keys()])
      expect(
        [...this.sent.keys()].filter(value => !group.handled.has(value)),
        `lost in ${group.name}`
      ).toEqual([])
      expect(
        [...ends.keys()].map(partition => group.committed.get(partition)),
        `committed in ${group.name}`
      ).toEqual([...ends.values()])
    }
  }

  /** What the log holds must be what was sent: where it was said to be, in order, and once, unless an acknowledgement was lost. */
  async expectLogToFit(): Promise<void> {
    const ends = await this.#ends()
    const reader = this.#cluster.consumer({ autoOffsetReset: 'earliest', value: string })
    reader.assign([...ends.keys()].map(partition => ({ topic, partition })))
    let left = [...ends.values()].reduce((sum, end) => sum + end, 0)
    const seen = new Map<string, number>()
    const last = new Map<string, number>()
    const next = new Map<number, number>()
    const read = async () => {
      for await (const { partition, offset, value } of reader) {
        expect(offset).toBe(next.get(partition) ?? 0)
        next.set(partition, offset + 1)
        const sent = this.sent.get(value) as Sent
        const count = (seen.get(value) ?? 0) + 1
        seen.set(value, count)
        expect(count === 1 || this.mayRepeat.has(value), `${value} stands in the log ${count} times`).toBe(true)
        if (sent.place && !this.mayRepeat.has(value)) expect({ partition, offset }, value).toEqual(sent.place)
        if (sent.partition !== undefined) expect(partition).toBe(sent.partition)
        if (count === 1) {
          const line = `${sent.key ?? sent.producer} in ${partition}`
          expect(sent.number, `order of ${line}`).toBeGreaterThan(last.get(line) ?? -1)
          last.set(line, sent.number)
        }
        if (--left === 0) break
      }
    }
    await this.drive(read())
    expect([...this.sent.keys()].filter(value => !seen.has(value))).toEqual([])
    await this.drive(reader.close())
  }

  async close(): Promise<void> {
    for (const member of this.dead) {
      member.bury()
      await this.drive(member.consumer.close({ timeoutMs: 100 }).catch(() => {}))
    }
    await this.drive(this.#cluster.close())
  }

  /** Turns the hands of the clock until a promise settles, as others would go on living meanwhile. */
  drive<T>(promise: Promise<T>): Promise<T> {
    return untilSettled(promise, seconds => {
      if (seconds === 900) throw new Error(`Not done after a quarter of an hour; until then: ${this.complaints.join('; ')}`)
      return this.clock.advance(1000)
    })
  }

  #intercept(brokers: Brokers, clientId: string): Brokers {
    const member = this.members.find(({ id }) => id === clientId)
    if (member) return member.through(brokers)
    return clientId.startsWith('producer') ? this.#losingAnswers(brokers) : brokers
  }

  /** Lets a produce request happen and loses its answer, when that is wanted. */
  #losingAnswers(brokers: Brokers): Brokers {
    return wrappedBrokers(brokers, broker => ({
      request: async (api, body, signal) => {
        const response = await broker.request(api, body, signal)
        if ((api as unknown) !== Produce || this.#answersToLose === 0) return response
        this.#answersToLose--
        for (const [value, { place }] of this.sent) if (!place) this.mayRepeat.add(value)
        throw new KafkaError('NETWORK_EXCEPTION', 'The answer was lost')
      }
    }))
  }

  async #ends(): Promise<Map<number, number>> {
    const listed = await this.drive(this.#cluster.admin().listOffsets([topic], 'latest'))
    return new Map(listed.map(({ partition, offset }) => [partition, offset]))
  }

  #ownedIn(group: GroupLedger): number[] {
    const owned = this.members.filter(member => member.group === group).flatMap(({ tenures }) => [...tenures.keys()])
    return owned.sort((a, b) => a - b)
  }

  /** Differs from before when something has happened. */
  #progress(): string {
    return JSON.stringify(this.groups.map(group => [group.handled.size, [...group.committed], this.#ownedIn(group)]))
  }

  #isAtRest(ends: ReadonlyMap<number, number>): boolean {
    return this.groups.every(
      group =>
        this.#ownedIn(group).length === ends.size &&
        [...ends].every(([partition, end]) => group.committed.get(partition) === end) &&
        [...this.sent.keys()].every(value => group.handled.has(value))
    )
  }
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
