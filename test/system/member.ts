import { decodeAssignment } from '../../src/assignor/consumer-protocol.js'
import type { Assignor, Brokers, Cluster, Consumer, ConsumerRecord, TopicPartition } from '../../src/index.js'
import { KafkaError, string } from '../../src/index.js'
import type { Api, RequestOf, ResponseOf } from '../../src/testing/index.js'
import { OffsetCommit, OffsetFetch, SyncGroup } from '../../src/testing/index.js'
import { wrappedBrokers } from '../wrapped-brokers.js'
import { type GroupLedger, Tenure } from './ledger.js'

export const topic = 'orders'

export interface MemberOptions {
  readonly id: string
  readonly group: GroupLedger
  readonly assignors: readonly Assignor[]
  readonly groupInstanceId?: string
  /** Turns of the event loop that handling a record takes. */
  readonly pace: number
}

/** A consumer with somebody who uses it, and holds it to its word. */
export class Member {
  readonly id: string
  readonly group: GroupLedger
  readonly pace: number
  readonly tenures = new Map<number, Tenure>()
  consumer!: Consumer<string, string | null, string>
  reading: Promise<void> = Promise.resolve()
  /** Whether to commit by hand after the record that is being handled. */
  wantsCommit = false
  isAlive = true
  #isLeaving = false
  #inHand: { readonly partition: number; readonly offset: number } | undefined
  readonly #options: MemberOptions
  readonly #complain: (complaint: string) => void
  /** Ends what waits for an answer that never comes. */
  readonly #hanging = new Set<(error: unknown) => void>()
  #isBuried = false

  constructor(options: MemberOptions, complain: (complaint: string) => void) {
    this.id = options.id
    this.group = options.group
    this.pace = options.pace
    this.#options = options
    this.#complain = complaint => this.isAlive && complain(`${this.id}: ${complaint}`)
  }

  join(cluster: Cluster): void {
    const { assignors, groupInstanceId } = this.#options
    this.consumer = cluster.consumer({
      clientId: this.id,
      groupId: this.group.name,
      topics: [topic],
      key: string as never,
      value: string,
      assignors,
      ...(groupInstanceId !== undefined && { groupInstanceId }),
      autoOffsetReset: 'earliest',
      autoCommitIntervalMs: 2000,
      sessionTimeoutMs: 10_000,
      heartbeatIntervalMs: 1000,
      rebalanceTimeoutMs: 20_000,
      metadataMaxAgeMs: 5000,
      maxPartitionFetchBytes: 200,
      fetchMaxWaitMs: 2000,
      onAssigned: partitions => this.#onAssigned(partitions),
      onRevoked: partitions => this.#onRevoked(partitions),
      onLost: partitions => this.#onLost(partitions)
    })
    this.consumer.on('error', error => this.#complain(`error ${(error as KafkaError).code ?? error}`))
    this.reading = this.#read()
    this.reading.catch(error => this.#complain(`reading ended with ${error}`))
  }

  /** Dies without a word: nothing that it asks arrives any more, and no answer reaches it. */
  vanish(): void {
    this.isAlive = false
    this.group.mayRepeat = true
    this.group.died(this.id)
  }

  async leave(): Promise<void> {
    this.#isLeaving = true
    // Closing does not wait for the body of a loop, so what is in hand then comes again.
    if (this.#inHand) this.group.leftInHand(this.#inHand.partition, this.#inHand.offset)
    await this.consumer.close()
  }

  /** Lets go of what hangs, so that a member that vanished can be cleared away. */
  bury(): void {
    this.#isBuried = true
    for (const end of this.#hanging) end(new KafkaError('NETWORK_EXCEPTION'))
  }

  seek(place: number, fraction: number): void {
    const owned = [...this.tenures].filter(([, tenure]) => tenure.next !== undefined)
    if (owned.length === 0) return
    const [partition, tenure] = owned[place % owned.length]
    const offset = Math.floor((tenure.next as number) * fraction)
    this.consumer.seek({ topic, partition, offset })
    this.group.mayRepeat = true
    tenure.seeks++
    tenure.hasSought = true
    tenure.next = offset
    tenure.mayCommit = Math.max(tenure.mayCommit, offset)
  }

  pause(place: number): void {
    const owned = [...this.tenures]
    if (owned.length === 0) return
    const [partition, tenure] = owned[place % owned.length]
    this.consumer.pause([{ topic, partition }])
    tenure.isPaused = true
  }

  resume(): void {
    const paused = [...this.tenures].filter(([, tenure]) => tenure.isPaused)
    this.consumer.resume(paused.map(([partition]) => ({ topic, partition })))
    for (const [, tenure] of paused) tenure.isPaused = false
  }

  /** Stands between the consumer and the cluster: cuts it off when it is dead, and takes down what it is told and what it commits. */
  through(brokers: Brokers): Brokers {
    return wrappedBrokers(brokers, broker => ({
      request: async (api, body, signal) => {
        if (!this.isAlive) return this.#nothing(signal)
        if (isApi(api, OffsetCommit)) this.#onCommit(body as never)
        const response = await broker.request(api, body, signal)
        if (isApi(api, OffsetCommit)) this.#onCommitted(body as never, response as never)
        if (!this.isAlive) return this.#nothing(signal)
        if (isApi(api, OffsetFetch)) this.#onOffsets(response as never)
        if (isApi(api, SyncGroup)) this.#onSync(body as never, response as never)
        return response
      }
    }))
  }

  async #read(): Promise<void> {
    for await (const record of this.consumer) {
      await this.#handle(record)
      if (!this.isAlive) await this.#nothing()
    }
  }

  async #handle({ partition, offset, value }: ConsumerRecord<string | null, string>): Promise<void> {
    const tenure = this.tenures.get(partition)
    if (!tenure) return this.#complain(`is handed ${offset} of ${partition}, which it does not have`)
    if (tenure.isPaused) this.#complain(`is handed ${offset} of ${partition}, which is paused`)
    if (offset !== tenure.next) this.#complain(`is handed ${offset} of ${partition}, where ${tenure.next} comes next`)
    tenure.next = offset + 1
    const { seeks } = tenure
    this.#inHand = { partition, offset }
    for (let turn = 0; turn < this.pace; turn++) await new Promise(resolve => setImmediate(resolve))
    if (!this.isAlive) return
    this.#inHand = undefined
    this.group.handle(partition, offset, value)
    if (tenure.seeks === seeks) tenure.mayCommit = Math.max(tenure.mayCommit, offset + 1)
    if (!this.wantsCommit) return
    this.wantsCommit = false
    await this.consumer.commit().catch(error => {
      // The group may have moved on in the meantime; then the record comes again.
      if (!['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'REBALANCE_IN_PROGRESS', 'CLOSED'].includes(error.code))
        this.#complain(`commit failed with ${error}`)
    })
  }

  #onAssigned(partitions: readonly TopicPartition[]): void {
    if (!this.isAlive) return
    for (const { partition } of partitions) {
      this.group.taken(partition, this.id)
      this.tenures.set(partition, new Tenure())
    }
  }

  #onRevoked(partitions: readonly TopicPartition[]): void {
    const inHand = this.#inHand
    if (!this.#isLeaving && partitions.some(({ partition }) => partition === inHand?.partition))
      this.#complain(`gives up ${inHand?.partition} while ${inHand?.offset} is in hand`)
    this.#onGone(partitions)
  }

  #onLost(partitions: readonly TopicPartition[]): void {
    this.#complain('is taken for dead')
    this.#onGone(partitions)
  }

  #onGone(partitions: readonly TopicPartition[]): void {
    for (const { partition } of partitions) {
      this.group.givenUp(partition, this.id)
      this.tenures.delete(partition)
    }
  }

  #onCommit({ topics }: RequestOf<typeof OffsetCommit>): void {
    for (const { partitions } of topics) {
      for (const { partitionIndex, committedOffset } of partitions) {
        const tenure = this.tenures.get(partitionIndex)
        if (!tenure) this.#complain(`commits ${committedOffset} of ${partitionIndex}, which it does not have`)
        else if (committedOffset > tenure.mayCommit)
          this.#complain(`commits ${committedOffset} of ${partitionIndex}, where only ${tenure.mayCommit} is handled`)
      }
    }
  }

  #onCommitted(request: RequestOf<typeof OffsetCommit>, response: ResponseOf<typeof OffsetCommit>): void {
    response.topics.forEach(({ partitions }, t) => {
      partitions.forEach(({ partitionIndex, errorCode }, p) => {
        if (errorCode === 0) this.group.committed.set(partitionIndex, request.topics[t].partitions[p].committedOffset)
      })
    })
  }

  #onOffsets({ groups = [] }: ResponseOf<typeof OffsetFetch>): void {
    for (const { partitions } of groups.flatMap(({ topics }) => topics)) {
      for (const { partitionIndex, committedOffset } of partitions) {
        const tenure = this.tenures.get(partitionIndex)
        if (!tenure || tenure.hasSought || tenure.next !== undefined) continue
        this.group.fetched(partitionIndex, committedOffset)
        tenure.next = tenure.mayCommit = Math.max(0, committedOffset)
      }
    }
  }

  #onSync({ generationId, memberId }: RequestOf<typeof SyncGroup>, { errorCode, assignment }: ResponseOf<typeof SyncGroup>): void {
    if (errorCode !== 0 || assignment.length === 0) return
    const { partitions } = decodeAssignment(assignment)
    this.group.assigned(
      generationId,
      partitions.map(({ partition }) => partition),
      this.#options.groupInstanceId ?? memberId
    )
  }

  /** Never answers, until the member is buried or does not wait any more. */
  #nothing(signal?: AbortSignal): Promise<never> {
    return new Promise((_, reject) => {
      if (this.#isBuried) return reject(new KafkaError('NETWORK_EXCEPTION'))
      if (signal?.aborted) return reject(signal.reason)
      this.#hanging.add(reject)
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
  }
}

function isApi(api: Api, wanted: Api): boolean {
  return api === wanted
}
