import { type PartitionTable, type RackTable, rackMismatch } from './partition-table.js'
import type { Claims } from './sticky-claims.js'

/** A sticky assignment, by number in the `PartitionTable`. */
export interface StickyAssignment {
  readonly partitions: readonly (readonly number[])[]
  /**
   * Partitions that go from one live member to another, with the receiver; `null` when that has to
   * be worked out from the claims.
   */
  readonly transferring: ReadonlyMap<number, number> | null
}

/**
 * The sticky assignment where all members subscribe to the same topics. Everyone ends with
 * `minQuota` or `maxQuota` partitions (the floor and ceiling of partitions per member): members
 * keep what they hold up to that, the rest is dealt out in turn.
 */
export function assignEqually(table: PartitionTable, claims: Claims): StickyAssignment {
  return new EqualShares(table, claims).build()
}

class EqualShares {
  readonly #table: PartitionTable
  readonly #claims: Claims
  readonly #minQuota: number
  readonly #maxQuota: number
  /** The number of members that may still go beyond `minQuota`. */
  #extras: number
  readonly #assigned: number[][]
  readonly #taken: Uint8Array
  /** Members below `minQuota`, and members exactly at it that may get one more. */
  #below: number[] = []
  #atMinimum: number[] = []
  readonly #givenUp = new Map<number, number>()
  readonly #transferring = new Map<number, number>()

  constructor(table: PartitionTable, claims: Claims) {
    const memberCount = table.members.length
    this.#table = table
    this.#claims = claims
    this.#minQuota = Math.floor(table.size / memberCount)
    this.#maxQuota = Math.ceil(table.size / memberCount)
    this.#extras = table.size % memberCount
    this.#assigned = table.members.map(() => [])
    this.#taken = new Uint8Array(table.size)
  }

  build(): StickyAssignment {
    this.#keepOwned()
    let unassigned: number[] = []
    for (let number = 0; number < this.#table.size; number++) if (!this.#taken[number]) unassigned.push(number)
    const racks = this.#table.racks
    if (racks) {
      unassigned.sort((a, b) => racks.readerCounts[a] - racks.readerCounts[b] || a - b)
      unassigned = this.#dealWithinRacks(unassigned, racks)
    }
    this.#deal(unassigned)
    return { partitions: this.#assigned, transferring: this.#transferring }
  }

  #keepOwned(): void {
    for (let member = 0; member < this.#assigned.length; member++) {
      const owned: number[] = []
      for (const number of this.#claims.owned[member]) {
        if (rackMismatch(this.#table.racks, member, number)) this.#givenUp.set(number, member)
        else if (!this.#claims.disputed.has(number)) owned.push(number)
      }
      owned.sort((a, b) => this.#table.partitionOf(a) - this.#table.partitionOf(b) || a - b)
      let keep = owned.length
      if (owned.length < this.#minQuota) this.#below.push(member)
      else if (owned.length >= this.#maxQuota && this.#extras > 0) {
        keep = this.#maxQuota
        this.#useExtra()
      } else {
        keep = this.#minQuota
        if (this.#extras > 0) this.#atMinimum.push(member)
      }
      for (let i = 0; i < owned.length; i++) {
        if (i < keep) {
          this.#assigned[member].push(owned[i])
          this.#taken[owned[i]] = 1
        } else this.#givenUp.set(owned[i], member)
      }
    }
  }

  #useExtra(): void {
    this.#extras--
    if (this.#extras === 0) this.#atMinimum = []
  }

  /** Deals out what a member can read within its rack; returns the rest. */
  #dealWithinRacks(unassigned: readonly number[], racks: RackTable): number[] {
    const rest: number[] = []
    let next = 0
    for (const number of unassigned) {
      const index = nearbyIndex(racks, number, this.#below, next)
      if (index >= 0) {
        const member = this.#below[index]
        const full = this.#assigned[member].length + 1 >= this.#minQuota
        if (full) {
          this.#below.splice(index, 1)
          if (this.#minQuota < this.#maxQuota && this.#extras > 0) this.#atMinimum.push(member)
        }
        next = this.#below.length === 0 ? 0 : (full ? index : index + 1) % this.#below.length
        this.#give(number, member)
        continue
      }
      const atMinimum = nearbyIndex(racks, number, this.#atMinimum, 0)
      if (atMinimum < 0) {
        rest.push(number)
        continue
      }
      const [member] = this.#atMinimum.splice(atMinimum, 1)
      this.#useExtra()
      this.#give(number, member)
    }
    return rest
  }

  #deal(unassigned: readonly number[]): void {
    let next = 0
    for (const number of unassigned) {
      if (this.#below.length === 0) {
        const member = this.#atMinimum.shift()
        if (member === undefined) throw new Error('The shares of a sticky assignment do not add up')
        this.#give(number, member)
        continue
      }
      if (next >= this.#below.length) next = 0
      const member = this.#below[next]
      this.#give(number, member)
      if (this.#assigned[member].length === this.#minQuota) {
        this.#below.splice(next, 1)
        this.#atMinimum.push(member)
      } else next++
    }
  }

  #give(number: number, member: number): void {
    this.#assigned[member].push(number)
    const former = this.#givenUp.get(number)
    if ((former !== undefined && former !== member) || this.#claims.disputed.has(number)) this.#transferring.set(number, member)
  }
}

/**
 * The place in `members`, from `start` around, of the first that shares a rack with the partition;
 * -1 when none does.
 */
function nearbyIndex(racks: RackTable, partition: number, members: readonly number[], start: number): number {
  for (let i = 0; i < members.length; i++) {
    const index = (start + i) % members.length
    const rack = racks.ofMember[members[index]]
    if (rack && racks.ofPartition[partition].has(rack)) return index
  }
  return -1
}
