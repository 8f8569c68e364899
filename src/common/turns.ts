import type { Clock } from './clock.js'
import { afterLoop, afterPromises, monotonic } from './host.js'

/** The length of a slice while many wait, in milliseconds. */
const shortestSliceMs = 0.25

/**
 * The length of a slice while one waits, in milliseconds: the caches of the processor gain from
 * longer slices.
 */
const longestSliceMs = 2

/** The longest time of consecutive slices before the event loop goes on, in milliseconds. */
const loopMs = 4

/**
 * A slice that has lasted so much too long does not end by itself: others are resumed beside it.
 */
const overdueMs = 1

/**
 * A writer lets those who are behind go first for as long as one that reads so many bytes a
 * millisecond needs for what was written.
 */
const slowestReadPerMs = 1024

/** It does not wait for longer than this, in milliseconds. */
const longestHoldMs = 1000

/** A participant, which is resumed in its turn. */
export interface TurnTaker {
  /** Begins its slice. */
  resume(): void
  /** True if it has something to hand out and much to read of one of these topics. Default: no. */
  isBehind?(topics: readonly string[]): boolean
  /**
   * The topics that it has written since its last slice, if it is a writer: readers behind on these
   * go first.
   */
  readonly written?: Written
}

/** A participant that waits for something outside of the process, and resumes by itself. */
export interface Absentee {
  /** True if it has much to read of one of these topics. */
  isBehind(topics: readonly string[]): boolean
}

export interface Written {
  readonly topics: readonly string[]
  readonly bytes: number
  /** The time at which it began to wait; set by `Turns`. */
  since: number
}

const done = Promise.resolve()

/**
 * Shares the processor between producers, consumers, connections and what the node does by itself.
 * In memory the next answer is always a promise away, and as long as promises resolve, nobody else
 * runs: neither other clients nor timers and sockets.
 *
 * So each of them asks now and then whether its slice of time is over, and then waits in a queue.
 * The first of the queue is resumed when no promise has anything left to do, alone: what it sets in
 * motion belongs to its slice. After a few milliseconds the queue waits until the event loop has
 * gone round.
 *
 * A reader may take longer for a record than a writer does. So a writer lets those go first who are
 * behind with what it writes, for a time that depends on how much that was: who cannot keep up with
 * that is not waited for here.
 */
export class Turns {
  readonly #time: () => number
  readonly #queue: TurnTaker[] = []
  readonly #absent = new Set<Absentee>()
  /** True if a slice has begun and promises have something left to do. */
  #isRunning = false
  #isOverdue = false
  #sliceEnd = 0
  #loopEnd = 0
  #isSettling = false
  #isForcing = false
  #isLooping = false
  /**
   * The end of the time for those whom the event loop has called in this round; 0 when none has
   * asked.
   */
  #roundEnd = 0
  readonly #onRound = () => {
    this.#roundEnd = 0
  }
  readonly #onSettled = () => {
    this.#isSettling = false
    this.#isRunning = false
    if (this.#queue.length > 0) this.#next()
    else this.#loopEnd = 0
  }
  readonly #settle = () => {
    if (this.#isSettling) return
    this.#isSettling = true
    afterPromises(this.#onSettled)
  }
  readonly #force = () => {
    this.#isForcing = false
    if (this.#isOverdue && this.#queue.length > 0) this.#next()
  }
  readonly #onLoop = () => {
    this.#isLooping = false
    this.#loopEnd = 0
    if (this.#queue.length > 0) this.#next()
  }

  constructor(time: () => number = monotonic) {
    this.#time = time
  }

  /** True if no participant waits. */
  get isIdle(): boolean {
    return this.#queue.length === 0
  }

  /** Milliseconds, by which slices are measured. */
  now(): number {
    return this.#time()
  }

  /** True if the caller has to wait for its next turn. */
  isOver(now: number = this.#time()): boolean {
    if (!this.#isRunning) {
      if (this.#queue.length > 0) return true
      this.#begin(now)
      return false
    }
    if (now <= this.#sliceEnd || (this.#queue.length === 0 && now <= this.#loopEnd)) return false
    if (now > this.#sliceEnd + overdueMs) this.#forceLater()
    return true
  }

  /**
   * As `yieldWhenOver`, for those whom the event loop calls, like sockets: it may call many of them
   * in one round, each with much to do.
   */
  yieldWhenCalled(): Promise<void> | undefined {
    const now = this.#time()
    if (this.#roundEnd === 0) {
      this.#roundEnd = now + loopMs
      afterLoop(this.#onRound)
    }
    if (now <= this.#roundEnd) return this.isOver(now) ? this.yield() : undefined
    if (this.#loopEnd === 0 || this.#loopEnd > this.#roundEnd) this.#loopEnd = this.#roundEnd
    return this.yield()
  }

  /** A promise of the next turn when the slice is over, else undefined. */
  yieldWhenOver(): Promise<void> | undefined {
    return this.isOver() ? this.yield() : undefined
  }

  /** A promise of the next turn, for those who would all go on at this moment otherwise. */
  yield(): Promise<void> {
    return new Promise(resolve => this.add({ resume: resolve }))
  }

  /** Resumes `taker` when it is its turn. */
  add(taker: TurnTaker): void {
    this.#queue.push(taker)
    const { written } = taker
    if (written !== undefined) written.since = this.#time()
    if (!this.#isRunning && !this.#isLooping) done.then(this.#settle)
  }

  /**
   * `reader` waits for what it reads next, on a disk perhaps: writers wait for it as for one in the
   * queue.
   */
  left(reader: Absentee): void {
    this.#absent.add(reader)
  }

  /** `reader` has what it waited for. */
  returned(reader: Absentee): void {
    this.#absent.delete(reader)
  }

  #forceLater(): void {
    this.#isOverdue = true
    if (this.#isForcing || this.#queue.length === 0) return
    this.#isForcing = true
    done.then(this.#force)
  }

  #begin(now: number): void {
    this.#isRunning = true
    this.#isOverdue = false
    this.#sliceEnd = now + Math.max(shortestSliceMs, longestSliceMs / Math.max(1, this.#queue.length))
    if (this.#loopEnd === 0) this.#loopEnd = now + loopMs
    // Not at once: what was called by the event loop comes before promises.
    done.then(this.#settle)
  }

  /** Resumes the next, or all wait until the event loop has gone round. */
  #next(): void {
    if (this.#isLooping) return
    const now = this.#time()
    const taker = this.#loopEnd !== 0 && now > this.#loopEnd ? undefined : this.#take(now)
    if (taker === undefined) {
      this.#isLooping = true
      this.#isRunning = false
      afterLoop(this.#onLoop)
      return
    }
    this.#begin(now)
    taker.resume()
  }

  /** Undefined when all are writers that wait for readers outside of the queue. */
  #take(now: number): TurnTaker | undefined {
    const queue = this.#queue
    for (let index = 0; index < queue.length; index++) {
      const { written } = queue[index]
      if (written === undefined || !this.#isHeld(written, now)) return index === 0 ? queue.shift()! : queue.splice(index, 1)[0]
    }
    return undefined
  }

  #isHeld({ topics, bytes, since }: Written, now: number): boolean {
    let behind = 0
    for (const taker of this.#queue) if (taker.isBehind?.(topics)) behind++
    for (const reader of this.#absent) if (reader.isBehind(topics)) behind++
    return behind > 0 && now - since < Math.min((behind * bytes) / slowestReadPerMs, longestHoldMs)
  }
}

const shared = new Turns()
const virtual = new WeakMap<Clock, Turns>()

/**
 * The turns that all users of a clock share. A clock whose time is not real has a measure of its
 * own, so that a seed replays a run.
 */
export function turnsOf(clock: Clock): Turns {
  const { sliceTime } = clock
  if (sliceTime === undefined) return shared
  let turns = virtual.get(clock)
  if (!turns) virtual.set(clock, (turns = new Turns(() => clock.sliceTime!())))
  return turns
}

/** About how long to handle items before the next look at the time, in milliseconds. */
const lookMs = shortestSliceMs / 4
const mostItemsPerLook = 128

/**
 * Tells those who handle one item after the other, each in little time, when to ask whether their
 * slice is over.
 */
export class Pace {
  readonly #turns: Turns
  #left = 1
  #itemsPerLook = 1
  #lookedAt = 0

  constructor(turns: Turns) {
    this.#turns = turns
  }

  /** Counts an item. Returns whether it is time to ask. */
  isDue(): boolean {
    return --this.#left <= 0
  }

  /** True if the slice is over. */
  isOver(): boolean {
    const now = this.#turns.now()
    const spent = now - this.#lookedAt
    this.#lookedAt = now
    this.#itemsPerLook =
      spent > lookMs ? Math.max(1, Math.floor((this.#itemsPerLook * lookMs) / spent)) : Math.min(2 * this.#itemsPerLook, mostItemsPerLook)
    this.#left = this.#itemsPerLook
    return this.#turns.isOver(now)
  }
}

/** The longest time that records are taken in without a pause, in milliseconds. */
const stretchMs = 1
const mostItemsPerStretchLook = 32

/**
 * Tells those who handle many items at once, of which nobody knows how long each takes, when others
 * should have their turn.
 */
export class Stretch {
  readonly #turns: Turns
  #left = 1
  #itemsPerLook = 1
  #lookedAt = -1
  #end = -1

  constructor(turns: Turns) {
    this.#turns = turns
  }

  begin(): void {
    this.#lookedAt = -1
  }

  /** Counts an item. Returns whether it is time to ask. */
  isDue(): boolean {
    return --this.#left <= 0
  }

  /** True if the stretch has lasted long enough. */
  isOver(): boolean {
    const now = this.#turns.now()
    if (this.#lookedAt < 0) this.#end = now + stretchMs
    else if (now - this.#lookedAt > lookMs) this.#itemsPerLook = Math.max(1, this.#itemsPerLook >> 1)
    else this.#itemsPerLook = Math.min(2 * this.#itemsPerLook, mostItemsPerStretchLook)
    this.#lookedAt = now
    this.#left = this.#itemsPerLook
    return now > this.#end
  }
}
