import type { ClusterClient } from '../../src/cluster-client.js'
import {
  batchesIn,
  Cluster,
  type ClusterOptions,
  type Consumer,
  KafkaError,
  memoryStorage,
  type Producer,
  type Storage
} from '../../src/index.js'
import { connect, type Listener, type ListenOptions, listen } from '../../src/wire/index.js'

/** What code of a user's may do instead of what it should. */
export const conducts = ['throws', 'rejects', 'hangs', 're-enters', 'closes its owner', 'closes the cluster'] as const
export type Conduct = (typeof conducts)[number]

interface Closeable {
  close(options?: { timeoutMs?: number }): Promise<unknown>
}

/** Memory that stays when its cluster has closed, so that another one can look at what was left. */
function kept(inner: ReturnType<typeof memoryStorage>): Storage {
  return {
    durable: false,
    get memoryBytes() {
      return inner.memoryBytes
    },
    releaseMemory: () => inner.releaseMemory(),
    open: name => inner.open(name),
    list: folder => inner.list(folder),
    remove: name => inner.remove(name),
    rename: (from, to) => inner.rename(from, to),
    syncFolder: () => {},
    close() {}
  }
}

let scenes = 0
/** Fifty partitions for the offsets of one group would take most of the time. */
const configs = { 'offsets.topic.num.partitions': 1 }

/** A cluster with one client of each kind, a callback that misbehaves in it, and all that is told meanwhile. */
export class Scene {
  readonly conduct: Conduct
  /** What the callback throws, or rejects with. */
  readonly failure: Error
  readonly told: unknown[] = []
  /** Faults of the library, as callbacks and clients see them. */
  readonly faults: string[] = []
  calls = 0
  /** Whose callback it is. */
  owner: Closeable | undefined
  cluster!: Cluster
  producer!: Producer
  consumer!: Consumer
  readonly #memory = memoryStorage()
  readonly #owned: Closeable[] = []
  readonly #acknowledged: { topic: string; partition: number; offset: number; value: string }[] = []
  readonly #onWarning = (warning: Error) => this.told.push(`${warning.message} ${(warning as { detail?: string }).detail ?? ''}`)
  readonly #onRejection = (error: unknown) => {
    const told = textOf(error)
    // Scenes run beside each other.
    if (!/in scene \d+$/.test(told) || told.endsWith(this.failure.message)) this.faults.push(`A rejection that nobody handles: ${told}`)
  }
  #isOn = true
  #isOver = false
  #isInside = false

  constructor(conduct: Conduct) {
    this.conduct = conduct
    this.failure = new Error(`the user failed in scene ${++scenes}`)
    process.on('warning', this.#onWarning)
    process.on('unhandledRejection', this.#onRejection)
  }

  /** Storage that outlives the cluster. */
  get storage(): Storage {
    return kept(this.#memory)
  }

  async open(options: ClusterOptions = {}): Promise<void> {
    this.cluster = this.heard(await Cluster.open({ storage: this.storage, configs, ...options }))
    this.owner ??= this.cluster
    this.producer = this.heard(this.cluster.producer({ maxBlockMs: 20_000, requestTimeoutMs: 10_000, deliveryTimeoutMs: 20_000 }))
    this.consumer = this.heard(this.cluster.consumer({ groupId: 'spectators', autoCommit: false }))
    this.consumer.assign([{ topic: 'side', partition: 0 }])
    await this.cluster.admin().createTopics(['side', 'orders'])
  }

  async listen(options: ListenOptions = {}, target: Parameters<typeof listen>[0] = this.cluster): Promise<Listener> {
    const listener = this.heard(await listen(target, options))
    this.#owned.unshift(listener)
    this.owner = listener
    return listener
  }

  async connect(listener: Listener, options: Partial<Parameters<typeof connect>[0]> = {}): Promise<ClusterClient> {
    const remote = this.heard(
      await connect({ brokers: [listener.address], connectTimeoutMs: 10_000, requestTimeoutMs: 10_000, ...options })
    )
    this.#owned.unshift(remote)
    return remote
  }

  /** Listens to the errors of what has events. */
  heard<E>(emitter: E): E {
    const { on } = emitter as { on?: (event: string, listener: (error: unknown) => void) => void }
    on?.call(emitter, 'error', error => this.told.push(error))
    return emitter
  }

  /** The user's code, where it may take its time. `answer` gives what it should. */
  readonly act = <T>(answer?: () => T): T => {
    if (!this.#isOn) return answer?.() as T
    this.calls++
    const misstep = this.#misstep()
    return (misstep === undefined ? answer?.() : misstep.then(() => answer?.())) as T
  }

  /** The user's code, where it has to answer at once. */
  readonly actAtOnce = <T>(answer: () => T): T => {
    if (!this.#isOn) return answer()
    this.calls++
    const misstep = this.#misstep()
    if (this.conduct === 'rejects' || this.conduct === 'hangs') return misstep as T
    void misstep
    return answer()
  }

  /** Waits for a call of the library's and hears how it ends. */
  async attempt(call: Promise<unknown>): Promise<void> {
    try {
      await call
    } catch (error) {
      this.told.push(error)
    }
  }

  /** Waits for a call of the library's, but no longer than until the callback has been called. */
  async use(call: Promise<unknown>): Promise<void> {
    const attempt = this.attempt(call)
    await Promise.race([attempt, this.called()])
  }

  /** Sends something that must still be there at the end. */
  async send(topic: string, value: string, producer: Producer = this.producer): Promise<void> {
    const { partition, offset } = await producer.send(topic, { value })
    this.#acknowledged.push({ topic, partition, offset, value })
  }

  /** Resolves some turns after the callback was called. */
  async called(): Promise<void> {
    while (this.calls === 0 && !this.#isOver) await new Promise(resolve => setImmediate(resolve))
    for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
  }

  get isMisbehaving(): boolean {
    return this.#isOn
  }

  /** From now on the callback does as it should. */
  behave(): void {
    this.#isOn = false
  }

  /** From now on the callback does what the scene is about, as from the beginning. */
  misbehave(): void {
    this.#isOn = true
  }

  /** Closes everything within its time, whatever the callback does. */
  async close(): Promise<void> {
    for (const each of [...this.#owned, this.cluster]) {
      const name = each.constructor.name
      const closing = each.close({ timeoutMs: 200 }).catch(error => {
        if (!(error instanceof KafkaError && error.code === 'REQUEST_TIMED_OUT')) this.told.push(error)
      })
      await this.expectInTime(`${name}.close()`, closing)
    }
    process.off('warning', this.#onWarning)
    process.off('unhandledRejection', this.#onRejection)
  }

  async expectInTime(what: string, call: Promise<unknown>): Promise<void> {
    if ((await within(call, 20_000)) === late) this.faults.push(`${what} did not end within its time`)
  }

  /** Opens what was left, and looks for all that was acknowledged. */
  async check(): Promise<void> {
    this.behave()
    this.#isOver = true
    const after = await Cluster.open({ storage: kept(this.#memory) })
    try {
      for (const { topic, partition, offset, value } of this.#acknowledged) {
        const bytes = await after.topic(topic).partitions[partition].log.read(offset, 1_000_000)
        const found = [...batchesIn(bytes)].flatMap(batch => [...batch.records()]).find(record => record.offset === offset)
        const read = found?.value && new TextDecoder().decode(found.value)
        if (read !== value) this.faults.push(`${topic}-${partition} has \`${read}\` at ${offset}, where \`${value}\` was acknowledged`)
      }
    } finally {
      await after.close()
    }
  }

  /** What the user did wrong has been told, or will be in a moment. */
  async expectTold(): Promise<void> {
    const isTold = () => this.told.some(error => textOf(error).includes(this.failure.message) || /promise/i.test(textOf(error)))
    for (let turn = 0; turn < 400 && !isTold(); turn++) await new Promise(resolve => setTimeout(resolve, 5))
    if (!isTold()) this.faults.push(`Nobody was told; heard was only: ${this.told.map(textOf).join(' | ')}`)
  }

  #misstep(): Promise<void> | undefined {
    if (this.conduct === 'throws') throw this.failure
    if (this.conduct === 'rejects') return Promise.reject(this.failure)
    if (this.conduct === 'hangs') return new Promise(() => {})
    if (this.#isInside || this.calls > 1) return undefined
    this.#isInside = true
    return this.#reenter()
      .catch(error => {
        if (!(error instanceof KafkaError)) this.faults.push(`Inside of the callback: ${textOf(error)}`)
      })
      .finally(() => {
        this.#isInside = false
      })
  }

  async #reenter(): Promise<void> {
    if (this.conduct === 'closes the cluster') return void (await this.cluster.close())
    if (this.conduct === 'closes its owner') return void (await this.owner?.close())
    const sent = this.send('side', 'sent inside')
    sent.catch(() => {})
    this.consumer.pause()
    this.consumer.resume()
    await sent
    await this.consumer.commit([{ topic: 'side', partition: 0, offset: 1 }])
    await this.cluster.admin().listTopics()
  }
}

const late = Symbol('late')

export async function within<T>(promise: Promise<T>, ms: number): Promise<T | typeof late> {
  let timer: NodeJS.Timeout | undefined
  const over = new Promise<typeof late>(resolve => {
    timer = setTimeout(resolve, ms, late)
  })
  return Promise.race([promise, over]).finally(() => clearTimeout(timer))
}

export function isLate(value: unknown): boolean {
  return value === late
}

/** An error with all that caused it. */
function textOf(error: unknown): string {
  if (!(error instanceof Error))
    return typeof error === 'object'
      ? Object.values(error ?? {})
          .map(textOf)
          .join('; ')
      : String(error)
  const failures = (error as { failures?: { error: unknown }[] }).failures ?? []
  return [error.message, ...(error.cause === undefined ? [] : [textOf(error.cause)]), ...failures.map(({ error }) => textOf(error))].join(
    '; '
  )
}
