import { isPromise, type MaybePromise } from '../common/deferred.js'
import type { Decision, Run, StateMachine } from '../common/state-machine.js'
import { errorNumber, KafkaError } from '../errors.js'
import { coordinatorErrorNumber } from './coordinator-error.js'
import { partitionOfKey } from './key-partition.js'

/** The storage of the state of one partition. A `StateHost` stands behind it. */
export interface CoordinatorHost {
  readonly run: Run
  close(): Promise<void>
}

/** The machine of one partition of an internal topic. */
export interface CoordinatorMachine extends StateMachine {
  /** Called once, when the log has been replayed. */
  loaded(): Decision<void>
  /** Sends everyone who waits away and stops all clocks. */
  unload(): void
}

export interface RuntimeParts<M extends CoordinatorMachine> {
  readonly partitionCount: number
  createMachine(run: Run, partition: number): M
  /**
   * Binds a machine to a partition, creating it where it is not there yet, and replays what it
   * holds. Called at most once per partition at a time.
   */
  openHost(partition: number, machine: M): MaybePromise<CoordinatorHost>
}

/**
 * Hosts the machines of a coordinator, one for each partition of its internal topic. What a machine
 * is asked for goes by a key, the id of a group or a transactional id, whose hash gives the
 * partition; a partition is opened when something in it is first asked for.
 */
export class CoordinatorRuntime<M extends CoordinatorMachine> {
  readonly #parts: RuntimeParts<M>
  readonly #partitions = new Map<number, MaybePromise<OpenPartition<M>>>()
  #closed = false

  constructor(parts: RuntimeParts<M>) {
    this.#parts = parts
  }

  get isClosed(): boolean {
    return this.#closed
  }

  partitionOf(key: string): number {
    return partitionOfKey(key, this.#parts.partitionCount)
  }

  /**
   * Opens partitions that hold something already. Those whose log is damaged stay closed; returns
   * whether there are none of these.
   */
  async load(partitions: Iterable<number>): Promise<boolean> {
    const openings = await Promise.allSettled(Array.from(partitions, partition => this.#open(partition)))
    const failures = openings.flatMap(opening => (opening.status === 'rejected' ? [opening.reason as unknown] : []))
    for (const reason of failures) if (!isUnavailable(reason)) throw reason
    return failures.length === 0
  }

  /**
   * Lets the machine of a key decide; whatever goes wrong below becomes an error number in the
   * answer. An aborted request rejects.
   */
  ask<T>(
    key: string,
    signal: AbortSignal | undefined,
    decide: (machine: M) => Decision<MaybePromise<T>>,
    failed: (errorCode: number) => T
  ): MaybePromise<T> {
    if (this.#closed) return failed(errorNumber('COORDINATOR_NOT_AVAILABLE'))
    const onError = (error: unknown) => {
      if (signal?.aborted && error === signal.reason) throw error
      return failed(coordinatorErrorNumber(error))
    }
    const decideUnlessAborted = (machine: M) => {
      signal?.throwIfAborted()
      return decide(machine)
    }
    try {
      const answered = this.run(this.partitionOf(key), decideUnlessAborted)
      return isPromise(answered) ? answered.catch(onError) : answered
    } catch (error) {
      return onError(error)
    }
  }

  /** Lets the machine of a partition decide. Raises what goes wrong. */
  run<T>(partition: number, decide: (machine: M) => Decision<MaybePromise<T>>): MaybePromise<T> {
    if (this.#closed) throw new KafkaError('COORDINATOR_NOT_AVAILABLE')
    const decideThere = ({ machine, host }: OpenPartition<M>): MaybePromise<T> => host.run(() => decide(machine))
    const opened = this.#open(partition)
    return isPromise(opened) ? opened.then(decideThere) : decideThere(opened)
  }

  async everywhere<T>(decide: (machine: M) => Decision<T>): Promise<Awaited<T>[]> {
    const answers: Awaited<T>[] = []
    for (const partition of [...this.#partitions.values()]) {
      // One that cannot be opened has told whoever asked for it.
      const opened = await Promise.resolve(partition).catch(() => undefined)
      if (!opened) continue
      const { machine, host } = opened
      answers.push((await host.run(() => decide(machine) as Decision<MaybePromise<T>>)) as Awaited<T>)
    }
    return answers
  }

  /** Decides everywhere, and again as long as somewhere there is more to do. */
  async untilDone(decide: (machine: M) => Decision<boolean>): Promise<void> {
    let more = true
    while (more && !this.#closed) more = (await this.everywhere(decide)).includes(true)
  }

  /**
   * The same, but does not wait for partitions that are being opened: opening one may have to wait
   * for the caller.
   */
  async untilDoneWhereOpen(decide: (machine: M) => Decision<boolean>): Promise<void> {
    const open = [...this.#partitions.values()].filter((partition): partition is OpenPartition<M> => !isPromise(partition))
    for (const { machine, host } of open) {
      let more = true
      while (more && !this.#closed) more = await host.run(() => decide(machine))
    }
  }

  /** The machine of a key, where it is open. */
  machineOf(key: string): M | undefined {
    const opened = this.#partitions.get(this.partitionOf(key))
    return opened === undefined || isPromise(opened) ? undefined : opened.machine
  }

  /** The machines that are open. */
  *machines(): Generator<M> {
    for (const opened of this.#partitions.values()) if (!isPromise(opened)) yield opened.machine
  }

  /**
   * Waits for what is under way, and unloads all machines. From then on everyone is answered with
   * COORDINATOR_NOT_AVAILABLE. Idempotent.
   */
  async close(): Promise<void> {
    this.#closed = true
    const opened = await Promise.allSettled(this.#partitions.values())
    this.#partitions.clear()
    for (const result of opened) {
      if (result.status !== 'fulfilled') continue
      const { machine, host } = result.value
      await host.close()
      machine.unload()
    }
  }

  #open(partition: number): MaybePromise<OpenPartition<M>> {
    const known = this.#partitions.get(partition)
    if (known) return known
    const opening = this.#openPartition(partition).then(
      opened => {
        this.#partitions.set(partition, opened)
        return opened
      },
      error => {
        this.#partitions.delete(partition)
        throw error
      }
    )
    this.#partitions.set(partition, opening)
    return opening
  }

  async #openPartition(partition: number): Promise<OpenPartition<M>> {
    let host: CoordinatorHost | undefined
    const machine = this.#parts.createMachine(decide => {
      if (!host) throw new KafkaError('COORDINATOR_LOAD_IN_PROGRESS')
      return host.run(decide)
    }, partition)
    host = await this.#parts.openHost(partition, machine)
    await host.run(() => machine.loaded())
    return { machine, host }
  }
}

interface OpenPartition<M> {
  readonly machine: M
  readonly host: CoordinatorHost
}

function isUnavailable(error: unknown): boolean {
  return error instanceof KafkaError && error.code === 'COORDINATOR_NOT_AVAILABLE'
}
