import { LoadOrder } from './load-order.js'
import { PartitionMovements } from './partition-movements.js'
import { type PartitionTable, rackMismatch } from './partition-table.js'
import type { Claims } from './sticky-claims.js'
import type { StickyAssignment } from './sticky-equal.js'

/**
 * The sticky assignment where subscriptions differ. Keeps what is still valid, gives the rest to
 * the least loaded subscribers, scarce topics first, and then moves partitions one by one as long
 * as that evens out the loads. If the moves were no gain, they are undone.
 */
export function assignUnequally(table: PartitionTable, claims: Claims): StickyAssignment {
  return new BalancedShares(table, claims).build()
}

class BalancedShares {
  readonly #table: PartitionTable
  readonly #formerOwners: ReadonlyMap<number, number>
  /**
   * Topic → members that subscribe to it; member → topics, as a set and without those that do not
   * exist.
   */
  readonly #subscribers: readonly number[][]
  readonly #topics: readonly ReadonlySet<number>[]
  #held: Set<number>[]
  #owner: Int32Array
  /** The members that balancing may touch. */
  readonly #order = new LoadOrder(member => this.#held[member].size)
  readonly #movements: PartitionMovements
  /** All partitions, those of topics with few subscribers first. */
  readonly #scarceFirst: number[] = []
  #mustRevoke = false

  constructor(table: PartitionTable, claims: Claims) {
    this.#table = table
    this.#formerOwners = claims.formerOwners
    this.#movements = new PartitionMovements(table.topicOf)
    this.#subscribers = table.topicNames.map(() => [])
    this.#topics = table.members.map((member, index) => {
      const topics = new Set<number>()
      for (const name of member.topics) {
        const topic = table.topicNumber(name)
        if (topic === undefined || topics.has(topic)) continue
        topics.add(topic)
        this.#subscribers[topic].push(index)
      }
      return topics
    })
    const topicOrder = table.topicNames.map((_, topic) => topic)
    topicOrder.sort((a, b) => this.#subscribers[a].length - this.#subscribers[b].length || a - b)
    for (const topic of topicOrder) {
      for (let number = table.starts[topic]; number < table.starts[topic + 1]; number++) this.#scarceFirst.push(number)
    }
    this.#held = claims.owned.map(owned => new Set(owned))
    this.#owner = new Int32Array(table.size).fill(-1)
  }

  build(): StickyAssignment {
    this.#dropInvalid()
    const unassigned = this.#scarceFirst.filter(number => this.#owner[number] < 0)
    for (let member = 0; member < this.#held.length; member++) this.#order.add(member)
    const nobodyHeldAny = this.#held[this.#order.most].size === 0
    this.#assignWhatIsFree(unassigned)
    this.#balance(unassigned, nobodyHeldAny)
    return { partitions: this.#held.map(held => [...held]), transferring: null }
  }

  /** Takes away what a member no longer subscribes to, or cannot read in its rack. */
  #dropInvalid(): void {
    for (let member = 0; member < this.#held.length; member++) {
      for (const number of this.#held[member]) {
        if (this.#topics[member].has(this.#table.topicOf[number]) && !rackMismatch(this.#table.racks, member, number)) {
          this.#owner[number] = member
        } else {
          this.#held[member].delete(number)
          this.#mustRevoke = true
        }
      }
    }
  }

  #assignWhatIsFree(unassigned: readonly number[]): void {
    if (this.#table.racks) for (const number of unassigned) this.#assignToLeastLoaded(number, true)
    for (const number of unassigned) if (this.#owner[number] < 0) this.#assignToLeastLoaded(number, false)
  }

  #assignToLeastLoaded(number: number, withinRack: boolean): void {
    for (const member of this.#order) {
      if (!this.#topics[member].has(this.#table.topicOf[number])) continue
      if (withinRack && rackMismatch(this.#table.racks, member, number)) continue
      this.#order.remove(member)
      this.#held[member].add(number)
      this.#owner[number] = member
      this.#order.add(member)
      return
    }
  }

  #balance(unassigned: readonly number[], nobodyHeldAny: boolean): void {
    const movable = (number: number) => this.#canMove(this.#table.topicOf[number])
    for (let member = 0; member < this.#held.length; member++) if (!this.#canTakePart(member)) this.#order.remove(member)
    if (this.#order.size === 0) return
    const heldBefore = this.#held.map(held => new Set(held))
    const ownerBefore = this.#owner.slice()
    if (!this.#mustRevoke) this.#improve(unassigned.filter(movable))
    const moved = this.#improve(this.#scarceFirst.filter(movable))
    if (!nobodyHeldAny && moved && this.#imbalance(this.#held) >= this.#imbalance(heldBefore)) {
      this.#held = heldBefore
      this.#owner = ownerBefore
    }
  }

  #canMove(topic: number): boolean {
    return this.#subscribers[topic].length >= 2
  }

  #canTakePart(member: number): boolean {
    if (this.#held[member].size < this.#mostPossible(member)) return true
    for (const number of this.#held[member]) if (this.#canMove(this.#table.topicOf[number])) return true
    return false
  }

  /** The number of partitions that the topics of a member have. */
  #mostPossible(member: number): number {
    let count = 0
    for (const topic of this.#topics[member]) count += this.#table.starts[topic + 1] - this.#table.starts[topic]
    return count
  }

  /** Moves partitions until no move helps; says whether any was made. */
  #improve(partitions: readonly number[]): boolean {
    let movedAny = false
    let moved: boolean
    do {
      moved = false
      for (const number of partitions) {
        if (this.#isBalanced()) break
        if (this.#improveOne(number)) moved = true
      }
      if (moved) movedAny = true
    } while (moved)
    return movedAny
  }

  #improveOne(number: number): boolean {
    const topic = this.#table.topicOf[number]
    const owner = this.#owner[number]
    const load = this.#held[owner].size
    const former = this.#formerOwners.get(number)
    // Only a member that still subscribes may get its old partition back.
    if (former !== undefined && this.#topics[former].has(topic) && load > this.#held[former].size + 1) {
      this.#move(number, former)
      return true
    }
    if (!this.#subscribers[topic].some(other => load > this.#held[other].size + 1)) return false
    for (const member of this.#order) {
      if (!this.#topics[member].has(topic)) continue
      this.#move(number, member)
      return true
    }
    return false
  }

  #move(wanted: number, to: number): void {
    const number = this.#movements.insteadOf(wanted, this.#owner[wanted], to)
    const from = this.#owner[number]
    this.#order.remove(from)
    this.#order.remove(to)
    this.#movements.record(number, from, to)
    this.#held[from].delete(number)
    this.#held[to].add(number)
    this.#owner[number] = to
    this.#order.add(to)
    this.#order.add(from)
  }

  /** True if nobody could relieve a member that holds at least two more. */
  #isBalanced(): boolean {
    if (this.#held[this.#order.least].size >= this.#held[this.#order.most].size - 1) return true
    const heaviest = new Int32Array(this.#table.topicNames.length)
    for (const member of this.#order) {
      const load = this.#held[member].size
      for (const number of this.#held[member]) {
        const topic = this.#table.topicOf[number]
        if (load > heaviest[topic]) heaviest[topic] = load
      }
    }
    for (const member of this.#order) {
      for (const topic of this.#topics[member]) if (this.#held[member].size + 1 < heaviest[topic]) return false
    }
    return true
  }

  /** The sum of the differences in load over all pairs of members that take part. */
  #imbalance(held: readonly ReadonlySet<number>[]): number {
    const loads: number[] = []
    for (const member of this.#order) loads.push(held[member].size)
    loads.sort((a, b) => a - b)
    let sum = 0
    let below = 0
    for (let i = 0; i < loads.length; i++) {
      sum += loads[i] * i - below
      below += loads[i]
    }
    return sum
  }
}
