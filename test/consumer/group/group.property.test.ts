import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cooperativeStickyAssignor } from '../../../src/assignor/cooperative-sticky.js'
import { rangeAssignor } from '../../../src/assignor/range.js'
import { stickyAssignor } from '../../../src/assignor/sticky.js'
import type { Cluster } from '../../../src/cluster.js'
import type { Consumer } from '../../../src/consumer/consumer.js'
import type { ConsumerRecord } from '../../../src/consumer/consumer-record.js'
import type { TopicSelector } from '../../../src/consumer/source/subscription.js'
import { KafkaError } from '../../../src/errors.js'
import type { Brokers } from '../../../src/protocol/broker.js'
import { VirtualClock } from '../../../src/testing/virtual-clock.js'
import { wrappedBrokers } from '../../wrapped-brokers.js'
import { keepReading, openCluster, settle, textConsumer } from '../helpers.js'

const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g']

type Step =
  | { readonly do: 'send'; readonly key: number; readonly count: number }
  | { readonly do: 'join'; readonly way: 'loop' | 'partition' | 'key' }
  | { readonly do: 'leave' | 'crash' | 'commit'; readonly which: number }
  | { readonly do: 'wait'; readonly ms: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('send' as const), key: fc.nat(keys.length - 1), count: fc.integer({ min: 1, max: 20 }) })
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('join' as const), way: fc.constantFrom('loop', 'partition', 'key') }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('leave', 'crash', 'commit'), which: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(0, 100, 3000, 20_000) }) }
)

/**
 * Orders by key, with a record in hand while later ones of another key are done, when a second
 * member joins.
 */
const gapByKey: Step[] = [
  { do: 'send', key: 2, count: 10 },
  { do: 'send', key: 2, count: 20 },
  { do: 'join', way: 'key' }
]

/** A member of the group: what it was handed, and a way to cut it off from the cluster. */
interface Member {
  readonly id: string
  readonly consumer: Consumer<TopicSelector, string, string>
  readonly reading: Promise<unknown>
  readonly connection: { isCut: boolean }
  readonly way: 'loop' | 'partition' | 'key'
  readonly inHand: Set<number>
}

/** Lets a client's requests through until it is cut off. */
function cuttable(brokers: Brokers, connection: { isCut: boolean }): Brokers {
  return wrappedBrokers(brokers, broker => ({
    async request(api, body, signal) {
      if (connection.isCut) throw new KafkaError('NETWORK_EXCEPTION')
      const response = await broker.request(api, body, signal)
      if (connection.isCut) throw new KafkaError('NETWORK_EXCEPTION')
      return response
    }
  }))
}

class Scene {
  readonly clock = new VirtualClock()
  readonly connections = new Map<string, { isCut: boolean }>()
  readonly members: Member[] = []
  /** Values by key, in the order in which they were sent. */
  readonly sent = new Map<string, number[]>()
  /** What each member was handed, by key, in order. */
  readonly handed = new Map<string, Map<string, number[]>>()
  readonly mayComeAgain = new Set<number>()
  readonly assignors: readonly (typeof rangeAssignor)[]
  cluster!: Cluster
  #crashes = 0
  #next = 0

  constructor(assignors: readonly (typeof rangeAssignor)[]) {
    this.assignors = assignors
  }

  async open(): Promise<void> {
    this.cluster = await openCluster({
      clock: this.clock,
      intercept: (brokers, clientId) => {
        const connection = { isCut: false }
        this.connections.set(clientId, connection)
        return cuttable(brokers, connection)
      }
    })
  }

  get hasCrashed(): boolean {
    return this.#crashes > 0
  }

  async apply(step: Step): Promise<void> {
    if (step.do === 'send') await this.send(keys[step.key], step.count)
    else if (step.do === 'wait') await this.clock.advance(step.ms)
    else if (step.do === 'join') this.join(step.way)
    else if (this.members.length > 0) await this.disturb(step.do, this.members[step.which % this.members.length])
    await settle()
  }

  async send(key: string, count: number): Promise<void> {
    const values = this.sent.get(key) ?? []
    this.sent.set(key, values)
    await using producer = this.cluster.producer()
    const records = Array.from({ length: count }, () => ({ key, value: String(values.push(this.#next++) && values.at(-1)) }))
    await producer.sendBatch('orders', records)
  }

  join(way: 'loop' | 'partition' | 'key'): void {
    if (this.members.length >= 4) return
    const id = `member-${this.handed.size}`
    const consumer = textConsumer(this.cluster, {
      clientId: id,
      groupId: 'g',
      topics: ['orders'],
      assignors: this.assignors,
      maxPartitionFetchBytes: 100
    })
    const byKey = new Map<string, number[]>()
    this.handed.set(id, byKey)
    const inHand = new Set<number>()
    const handle = async ({ key, value }: ConsumerRecord<string, string>) => {
      inHand.add(Number(value))
      if (Number(value) % 3 === 0) await Promise.resolve()
      if (Number(value) % 7 === 0) await new Promise(resolve => setImmediate(resolve))
      byKey.set(key, [...(byKey.get(key) ?? []), Number(value)])
      inHand.delete(Number(value))
    }
    const reading =
      way === 'loop' ? keepReading(consumer, handle) : consumer.run({ eachRecord: handle as never, orderBy: way, concurrency: 3 })
    reading.catch(() => {})
    this.members.push({ id, consumer, reading, way, inHand, connection: this.connections.get(id) as { isCut: boolean } })
  }

  async disturb(how: 'leave' | 'crash' | 'commit', member: Member): Promise<void> {
    if (how === 'commit') {
      void member.consumer.commit().catch(() => {})
      return
    }
    this.members.splice(this.members.indexOf(member), 1)
    // Closing waits for the handlers of `run`, but not for the body of a loop, from which it may
    // have been called.
    if (member.way === 'loop') for (const value of member.inHand) this.mayComeAgain.add(value)
    if (how === 'crash') {
      this.#crashes++
      member.connection.isCut = true
    }
    const closed = member.consumer.close({ timeoutMs: 1000 })
    for (let waited = 0; waited < 30_000; waited += 1000) await this.clock.advance(1000)
    await closed
    await member.reading.catch(() => {})
  }

  /** Everything that was handed to anybody, by key, in order; repetitions left out. */
  received(key: string): Set<number> {
    const values = new Set<number>()
    for (const byKey of this.handed.values()) for (const value of byKey.get(key) ?? []) values.add(value)
    return values
  }

  get isDone(): boolean {
    return [...this.sent].every(([key, values]) => values.every(value => this.received(key).has(value)))
  }
}

describe('a group whose members come, go and crash', () => {
  it.each([
    ['range', [rangeAssignor]],
    ['sticky', [stickyAssignor]],
    ['cooperative-sticky', [cooperativeStickyAssignor]]
  ])('loses no record, doubles none without a crash, and keeps the order of each key: %s', async (_name, assignors) => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), async steps => {
        const scene = new Scene(assignors)
        await scene.open()
        try {
          for (const each of steps) await scene.apply(each)
          await scene.send('a', 1)
          scene.join('loop')
          for (let round = 0; round < 100 && !scene.isDone; round++) {
            await scene.clock.advance(5000)
            await settle()
          }
          for (const [key, values] of scene.sent) expect([...scene.received(key)].sort((a, b) => a - b)).toEqual(values)
          const counts = new Map<number, number>()
          for (const byKey of scene.handed.values()) {
            for (const values of byKey.values()) {
              for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
              // Within a member a key may go back, after its partition came back, but never skips
              // what it has not seen.
              if (!scene.hasCrashed) expect(values).toEqual([...values].sort((a, b) => a - b))
            }
          }
          if (!scene.hasCrashed) expect([...counts].filter(([value, count]) => count > 1 && !scene.mayComeAgain.has(value))).toEqual([])
        } finally {
          for (const { consumer } of scene.members) void consumer.close({ timeoutMs: 100 })
          for (let round = 0; round < 10; round++) await scene.clock.advance(1000)
          await scene.cluster.close()
        }
      }),
      { numRuns: 30, examples: [[gapByKey]] }
    )
  })
})
