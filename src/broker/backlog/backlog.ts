import { onAbort } from '../../common/abort.js'
import type { Clock, Timer } from '../../common/clock.js'
import type { MaybePromise } from '../../common/deferred.js'
import { microtask } from '../../common/host.js'
import { KafkaError } from '../../errors.js'
import type { LiveReaders, ReadPartition } from './live-readers.js'
import type { Memory } from './memory.js'
import type { HeldBatch, PartitionBacklog, Slowest } from './partition-backlog.js'

/**
 * Held batches are looked at again after so long, whether or not a reader has said that it moved.
 */
const lookIntervalMs = 50
/** The answer must be on its way before whoever waits for it gives up. */
const mostMarginMs = 2000

/** Even where the quota refuses, a batch waits for so long until what was handled is committed. */
const commitMs = 1000

/** The reason why there is no room, and the readers that could make some. */
interface Shortage {
  readonly reason: string
  readonly slowest: Slowest | undefined
}

/**
 * The door to the partitions of a node: takes a batch when there is room for it, and otherwise does
 * what the topic's backlog quota says. Batches that are held are appended in the order in which
 * they came; one that has been answered is never appended afterwards.
 */
export class Backlog {
  readonly readers: LiveReaders
  readonly memory: Memory
  readonly #clock: Clock
  readonly #holding = new Set<PartitionBacklog>()
  readonly #onProgress = () => this.#moved()
  #timer: Timer | undefined
  #timerAt = Number.POSITIVE_INFINITY
  #isLookDue = false
  /** The readers that hold batches back: each calls when it moves. */
  #watched = new Set<ReadPartition>()

  constructor(clock: Clock, readers: LiveReaders, memory: Memory) {
    this.#clock = clock
    this.readers = readers
    this.memory = memory
    readers.onMoved = () => this.#moved()
  }

  /** True if a batch can be appended without a closer look. */
  hasRoom(backlog: PartitionBacklog, bytes: number): boolean {
    return backlog.hasRoomFor(bytes) && this.memory.hasRoomFor(bytes)
  }

  /** The reason why a batch would have to wait; undefined where it can be appended now. */
  reasonToWait(backlog: PartitionBacklog, bytes: number): string | undefined {
    return this.reasonFor(backlog) ?? this.#shortage(backlog, bytes)?.reason
  }

  /**
   * Calls `append` once there is room, and returns what it gives. Throws, or rejects:
   * POLICY_VIOLATION where the quota refuses, REQUEST_TIMED_OUT when there is none shortly before
   * `timeoutMs` are over, the signal's reason when it aborts.
   */
  admit<T>(
    backlog: PartitionBacklog,
    bytes: number,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    append: () => MaybePromise<T>
  ): MaybePromise<T> {
    const isHeld = backlog.held.length > 0
    const isRefusing = backlog.quota.policy === 'producer_exception'
    const shortage = isRefusing || !isHeld ? this.#shortage(backlog, bytes) : undefined
    if (!shortage && !isHeld) return append()
    if (shortage && isRefusing && !mayWait(shortage, backlog, bytes)) throw refusal(shortage, backlog)
    if (signal?.aborted) return Promise.reject(signal.reason)
    return new Promise<T>((resolve, reject) => {
      const heldAt = this.#clock.monotonic()
      const held: HeldBatch = {
        bytes,
        heldAt,
        deadline: heldAt + Math.min(timeoutMs - Math.min(mostMarginMs, timeoutMs / 4), isRefusing ? commitMs : timeoutMs),
        append: () => {
          unlisten?.()
          try {
            resolve(append())
          } catch (error) {
            reject(error)
          }
        },
        refuse: error => {
          unlisten?.()
          reject(error)
        }
      }
      const giveUp = () => {
        this.#remove(backlog, held)
        reject(signal?.reason)
      }
      const unlisten = signal && onAbort(signal, giveUp)
      this.#hold(backlog, held)
    })
  }

  /** The reason why batches for a partition are held at present; undefined when none are. */
  reasonFor(backlog: PartitionBacklog): string | undefined {
    const [held] = backlog.held
    return held && this.#shortage(backlog, held.bytes)?.reason
  }

  /** Refuses all that is held. */
  close(error: unknown): void {
    this.#timer?.cancel()
    this.#watch(new Set())
    for (const backlog of this.#holding) backlog.refuseHeld(error)
    this.#holding.clear()
  }

  #shortage(backlog: PartitionBacklog, bytes: number): Shortage | undefined {
    const slowest = backlog.shortageFor(bytes)
    if (slowest) {
      const { limitName, limitBytes } = backlog.quota
      const reason = `${nameOf(backlog)} keeps at most ${limitBytes} bytes that have not been read (\`${limitName}\`), and ${behind(slowest)}`
      return { reason, slowest }
    }
    if (this.memory.hasRoomFor(bytes) || this.memory.admits(bytes, backlog.slowest()?.bytes ?? 0)) return undefined
    const { largest, maxBytes } = this.memory
    const who = largest ? `; furthest behind: ${behind(largest)}` : ', by records that their topics are to keep'
    return { reason: `the memory of the cluster, ${maxBytes} bytes (\`maxMemoryBytes\`), is used up${who}`, slowest: largest }
  }

  #hold(backlog: PartitionBacklog, held: HeldBatch): void {
    backlog.held.push(held)
    backlog.lookAgain()
    this.#holding.add(backlog)
    this.#setTimer(Math.min(held.deadline, held.heldAt + lookIntervalMs))
    this.#lookSoon()
  }

  #remove(backlog: PartitionBacklog, held: HeldBatch): void {
    const index = backlog.held.indexOf(held)
    if (index >= 0) backlog.held.splice(index, 1)
    if (backlog.held.length === 0) this.#holding.delete(backlog)
    // Batches behind it may be smaller.
    else this.#lookSoon()
  }

  #moved(): void {
    this.memory.moved()
    if (this.#holding.size > 0) this.#lookSoon()
  }

  #lookSoon(): void {
    if (this.#isLookDue) return
    this.#isLookDue = true
    microtask(() => {
      this.#isLookDue = false
      this.#look()
    })
  }

  /** Appends what there is room for by now, and answers what has waited for too long. */
  #look(): void {
    const slowest = new Set<ReadPartition>()
    for (const backlog of this.#holding) {
      const reading = this.#lookAt(backlog)?.slowest?.reader.reading
      if (reading) slowest.add(reading)
    }
    this.#watch(slowest)
    if (this.#holding.size === 0) return
    const now = this.#clock.monotonic()
    let next = now + lookIntervalMs
    for (const { held } of this.#holding) for (const { deadline } of held) next = Math.min(next, deadline)
    this.#setTimer(next)
  }

  #lookAt(backlog: PartitionBacklog): Shortage | undefined {
    const { held } = backlog
    const now = this.#clock.monotonic()
    let shortage: Shortage | undefined
    while (held.length > 0) {
      shortage = this.#shortage(backlog, held[0].bytes)
      if (shortage) break
      held.shift()?.append()
    }
    if (held.length === 0) {
      this.#holding.delete(backlog)
      return undefined
    }
    backlog.lookAgain()
    const late = held.filter(({ deadline }) => deadline <= now)
    for (const batch of late) {
      this.#remove(backlog, batch)
      if (shortage && backlog.quota.policy === 'producer_exception') {
        batch.refuse(refusal(shortage, backlog))
        continue
      }
      const text = `The batch was held for ${Math.round(now - batch.heldAt)} ms and not appended: ${shortage?.reason}`
      batch.refuse(new KafkaError('REQUEST_TIMED_OUT', text, backlog))
    }
    return shortage
  }

  #watch(readings: Set<ReadPartition>): void {
    for (const reading of this.#watched) if (!readings.has(reading)) reading.watch(undefined)
    for (const reading of readings) if (!this.#watched.has(reading)) reading.watch(this.#onProgress)
    this.#watched = readings
  }

  #setTimer(time: number): void {
    if (time >= this.#timerAt) return
    this.#timer?.cancel()
    this.#timerAt = time
    const onTime = () => {
      this.#timerAt = Number.POSITIVE_INFINITY
      this.memory.lookAgain()
      this.#look()
    }
    // A process whose producer waits must not exit.
    this.#timer = this.#clock.setTimer(Math.max(0, time - this.#clock.monotonic()), onTime, { keepAlive: true, givesUp: true })
  }
}

/** True if all that is missing is a commit of what was handled, which takes a moment. */
function mayWait({ slowest }: Shortage, backlog: PartitionBacklog, bytes: number): boolean {
  return slowest !== undefined && slowest.reader.handled > slowest.reader.hardMark && backlog.fitsOnceCommitted(bytes)
}

function refusal({ reason }: Shortage, backlog: PartitionBacklog): KafkaError {
  return new KafkaError('POLICY_VIOLATION', `The batch was refused: ${reason}`, backlog)
}

function nameOf({ topic, partition }: { readonly topic: string; readonly partition: number }): string {
  return `${topic}-${partition}`
}

function behind(slowest: Slowest): string {
  const { reader, records, bytes } = slowest
  return `${reader.name} is ${records} records, ${bytes} bytes, behind in ${nameOf(slowest)}`
}
