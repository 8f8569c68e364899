import { takeAnyOrder } from '../../protocol/broker.js'
import type { AssignedPartition } from '../assigned-partition.js'
import { Rest } from './rest.js'

/** One broker, and the one fetch that may be under way to it. */
export interface BrokerFetch {
  readonly id: number
  controller: AbortController
  /** The number of the last fetch; the answer to another counts for nothing. */
  fetch: number
  isFetching: boolean
  /** Its answer came at once, and is about to be taken. */
  isAnswered: boolean
  /**
   * Its answer is being taken: readers may run meanwhile, and there is nothing left to be given up.
   */
  isBeingTaken: boolean
  /**
   * Fetches that were given up and that the broker has yet to answer: elsewhere they hold a
   * connection.
   */
  leftBehind: Set<number>
  /**
   * The fetch under way is to be given up as soon as another that was given up has been answered.
   */
  isDue: boolean
  /** The partitions of the fetch under way. */
  asked: AssignedPartition[]
  /** The partitions of the next fetch. */
  wanted: AssignedPartition[]
  /** True if it leads partitions of which something is waiting to be read. */
  hasFull: boolean
  /** The fetch under way waits for some partitions although others are full. */
  isPatient: boolean
  /** Something changed while a fetch was under way. */
  isStale: boolean
  /**
   * The partitions that have room have just been looked at: while others are full, wait until the
   * reader has moved on.
   */
  isResting: boolean
  readonly rest: Rest
}

export function newBrokerFetch(id: number): BrokerFetch {
  return {
    id,
    controller: fetchController(),
    fetch: 0,
    isFetching: false,
    isAnswered: false,
    isBeingTaken: false,
    leftBehind: new Set(),
    isDue: false,
    asked: [],
    wanted: [],
    hasFull: false,
    isPatient: false,
    isStale: false,
    isResting: false,
    rest: new Rest()
  }
}

/** Aborts fetches. Their readers take partitions in any order. */
export function fetchController(): AbortController {
  const controller = new AbortController()
  takeAnyOrder(controller.signal)
  return controller
}
