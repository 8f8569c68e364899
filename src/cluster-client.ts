import { Admin } from './admin/admin.js'
import type { AdminOptions } from './admin/admin-options.js'
import type { BrokerEvents } from './broker/events.js'
import { CallMark } from './common/call-mark.js'
import type { Clock } from './common/clock.js'
import { type CloseOptions, closeTimeoutMs, Deadline, firstShareMs, lastStep } from './common/closing.js'
import { Emitter } from './common/emitter.js'
import { guardedClock } from './common/guarded-clock.js'
import type { MemoryShare } from './common/memory-shares.js'
import { expectFunctions, expectOptionsObject, expectString } from './common/options.js'
import { guardedRandom, type Random } from './common/random.js'
import { turnsOf } from './common/turns.js'
import { Consumer } from './consumer/consumer.js'
import type { ConsumerOptions } from './consumer/consumer-options.js'
import type { ConsumerParts } from './consumer/consumer-parts.js'
import type { TopicSelector } from './consumer/source/subscription.js'
import { KafkaError } from './errors.js'
import { Pipe } from './pipe/pipe.js'
import type { PipeOptions } from './pipe/pipe-options.js'
import type { ProducerOptions } from './producer/options.js'
import { Producer } from './producer/producer.js'
import type { ProducerParts } from './producer/producer-parts.js'
import type { Brokers } from './protocol/broker.js'
import type { AnyTopic } from './record/topic.js'

/** The most milliseconds of the time to close that clients leave to the node and its storage. */
const nodeShareMs = 5000

/** The parts of a cluster: a way to its brokers, and what they share. */
export interface ClusterParts {
  readonly brokersFor: (clientId: string) => Brokers
  readonly clock: Clock
  readonly random: Random
  /** Called when the cluster has closed all of its clients. */
  readonly close: () => Promise<void>
}

/** The services of a node in this process for the clients of a cluster. @internal */
export interface LocalParts {
  readonly clients: Pick<ConsumerParts, 'news' | 'readers' | 'damageAt'> & Pick<ProducerParts, 'heldBecause'>
  readonly producerMemory: () => MemoryShare
  /**
   * Batches were checked when they were appended, and have not left the memory of this process
   * since.
   */
  readonly isInMemory: boolean
  /** A cluster without automatic creation does not create its typed topics on use either. */
  readonly createsTopics: () => boolean
}

/** The events of a cluster. `closed` comes last. */
export interface ClusterEvents extends BrokerEvents {
  closed: () => void
}

/**
 * Writes to a cluster and reads from it, wherever it is: `connect` of `millrace/wire` makes
 * one for a cluster elsewhere, and a `Cluster` is one for a node in this process. Code that takes a
 * `ClusterClient` runs with both.
 *
 * Closing it closes its consumers, then its producers and admins. A cluster elsewhere emits `error`
 * and `closed` only.
 */
export class ClusterClient extends Emitter<ClusterEvents> implements AsyncDisposable {
  readonly #parts: ClusterParts
  readonly #local: LocalParts | undefined
  /** They close first: the handlers that they wait for may still send. */
  readonly #consumers = new Set<Client>()
  readonly #others = new Set<Client>()
  /** The pipes of this cluster, with their numbers among those of their group. */
  readonly #pipes = new Map<object, { readonly groupId: string; readonly number: number }>()
  #closingNow: readonly Client[] = []
  #deadline: Deadline | undefined
  #closing: Promise<void> | undefined

  /** Use `Cluster.open`, or `connect` of `millrace/wire`. @internal */
  constructor(parts: ClusterParts, local?: LocalParts) {
    super(clusterEvents)
    expectFunctions('parts', parts, ['brokersFor', 'close'], 'what a cluster is made of (`await Cluster.open()` makes one)')
    this.#parts = { ...parts, clock: guardedClock(parts.clock), random: guardedRandom(parts.random) }
    this.#local = local
  }

  /** A producer of this cluster. Throws a `TypeError` for a wrong option. */
  producer(options: ProducerOptions = {}): Producer {
    const producer = this.#newProducer(options)
    producer.once('closed', () => this.#others.delete(producer))
    return this.#keep(producer, this.#others)
  }

  /**
   * A consumer of this cluster; typed by the topics it is given. Throws a `TypeError` for a wrong
   * option.
   */
  consumer<const T extends TopicSelector = string, K = Uint8Array, V = Uint8Array>(
    options: ConsumerOptions<T, K, V> = {}
  ): Consumer<T, K, V> {
    const consumer = this.#newConsumer(options)
    consumer.once('closed', () => this.#consumers.delete(consumer))
    return this.#keep(consumer, this.#consumers)
  }

  /**
   * A pipe: what `from` holds, transformed, into `to`, exactly once. It begins with `pipe.run()`.
   * Throws a `TypeError` for a wrong option.
   *
   * ```ts
   * const pipe = cluster.pipe({
   *   from: orders,
   *   to: invoices,
   *   groupId: 'invoicing',
   *   transform: order => invoiceFor(order)
   * })
   * await pipe.run()
   * ```
   */
  pipe<const F extends TopicSelector, const T extends AnyTopic | string = string, K = Uint8Array, V = Uint8Array>(
    options: PipeOptions<F, T, K, V>
  ): Pipe<F, T, K, V> {
    expectOptionsObject('a pipe', options)
    const { groupId } = options
    const number = this.#local ? this.#freePipeNumber(groupId) : undefined
    const pipe: Pipe<F, T, K, V> = new Pipe(
      {
        clock: this.#parts.clock,
        random: this.#parts.random,
        brokers: this.#clientParts('a pipe', {}).brokers,
        newConsumer: consumerOptions => this.#newConsumer(consumerOptions),
        newProducer: producerOptions => this.#newProducer(producerOptions),
        instanceId: number?.toString(),
        onClosed: () => {
          this.#consumers.delete(pipe)
          this.#pipes.delete(pipe)
        }
      },
      options
    )
    if (number !== undefined) this.#pipes.set(pipe, { groupId, number })
    return this.#keep(pipe, this.#consumers)
  }

  /** The lowest number that no pipe of the group has. */
  #freePipeNumber(groupId: string): number {
    const taken = new Set([...this.#pipes.values()].filter(pipe => pipe.groupId === groupId).map(({ number }) => number))
    let number = 0
    while (taken.has(number)) number++
    return number
  }

  #newProducer(options: ProducerOptions): Producer {
    const parts = this.#clientParts('a producer', options)
    const memory = this.#local?.producerMemory()
    return new Producer({ ...parts, memory }, this.#withTopicCreation(options))
  }

  #newConsumer<const T extends TopicSelector, K, V>(options: ConsumerOptions<T, K, V>): Consumer<T, K, V> {
    const parts = this.#clientParts('a consumer', options)
    return new Consumer<T, K, V>(parts, this.#withTopicCreation({ checkCrcs: !this.#local?.isInMemory, ...options }))
  }

  /** Manages topics, configs, groups and offsets. */
  admin(options: AdminOptions = {}): Admin {
    const admin: Admin = new Admin({ ...this.#clientParts('an admin', options), onClosed: () => this.#others.delete(admin) }, options)
    return this.#keep(admin, this.#others)
  }

  /**
   * Closes the consumers, whose handlers may finish what they have in hand, then producers and
   * admins, then the node and its storage. Idempotent; calling it again may bring the end forward.
   * Rejects with REQUEST_TIMED_OUT when the storage has not closed within `timeoutMs`. Awaited
   * inside of a handler or a listener of one of its consumers, which it waits for, it resolves at
   * once, and closing goes on when the handler has ended.
   */
  close(options: CloseOptions = {}): Promise<void> {
    let timeoutMs: number
    try {
      timeoutMs = closeTimeoutMs(options)
    } catch (error) {
      return Promise.reject(error)
    }
    if (this.#deadline) this.#bringForward(this.#deadline, timeoutMs)
    else this.#deadline = new Deadline(this.#parts.clock, timeoutMs)
    this.#closing ??= this.#close(this.#deadline)
    if (!CallMark.isInside(owner => this.#consumers.has(owner as Client))) return this.#closing
    this.#closing.catch(error => this.tellFailure(error, '`close`'))
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  protected override errorArgs(error: unknown, who: string): Parameters<ClusterEvents['error']> {
    return [{ error, during: who }]
  }

  async #close(deadline: Deadline): Promise<void> {
    const { clock } = this.#parts
    try {
      const ends = [...(await this.#closeAll(this.#consumers, deadline)), ...(await this.#closeAll(this.#others, deadline))]
      this.#closingNow = []
      await lastStep(this.#closeParts(), clock, deadline, 'The cluster')
      const failed = ends.find(end => end.status === 'rejected')
      if (failed) throw failed.reason
    } finally {
      deadline.end()
    }
  }

  #closeAll(clients: ReadonlySet<Client>, deadline: Deadline): Promise<PromiseSettledResult<void>[]> {
    const turns = turnsOf(this.#parts.clock)
    this.#closingNow = [...clients]
    return Promise.allSettled(
      this.#closingNow.map(client => turns.yield().then(() => client.close({ timeoutMs: firstShareMs(deadline.leftMs, nodeShareMs) })))
    )
  }

  async #closeParts(): Promise<void> {
    await this.#parts.close()
    this.emit('closed')
  }

  #bringForward(deadline: Deadline, timeoutMs: number): void {
    deadline.limitTo(timeoutMs)
    // Failures are told by the call that began to close the cluster.
    for (const client of this.#closingNow) client.close({ timeoutMs: firstShareMs(timeoutMs, nodeShareMs) }).catch(() => {})
  }

  /** `what` is the client that these are for. */
  #clientParts(what: string, options: { readonly clientId?: string }) {
    expectOptionsObject(what, options)
    const { clientId = 'millrace' } = options
    expectString('clientId', clientId)
    if (this.#closing) throw new KafkaError('CLOSED', 'The cluster is closed')
    const { brokersFor, clock, random } = this.#parts
    return { brokers: brokersFor(clientId), clock, random, ...this.#local?.clients }
  }

  #withTopicCreation<O extends { readonly allowAutoTopicCreation?: boolean }>(options: O): O {
    return this.#local?.createsTopics() === false ? { allowAutoTopicCreation: false, ...options } : options
  }

  #keep<C extends Client>(client: C, clients: Set<Client>): C {
    clients.add(client)
    return client
  }
}

/** Every event of a cluster, so that a misspelt one is told. */
const clusterEvents = Object.keys({
  group: true,
  topicCreated: true,
  partitionsAdded: true,
  topicConfigured: true,
  topicDeleted: true,
  segmentsRemoved: true,
  recordsLost: true,
  recordsExpiring: true,
  offsetsExpiring: true,
  compacted: true,
  logRecovered: true,
  tornTail: true,
  partitionStopped: true,
  straySetAside: true,
  fenced: true,
  error: true,
  closed: true
} satisfies Record<keyof ClusterEvents, true>)

interface Client {
  close(options: CloseOptions): Promise<void>
}
