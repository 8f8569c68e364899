/** What one record is: who sent it, as which of its records, and under which key. */
export interface Sent {
  readonly producer: number
  readonly number: number
  readonly key: string | null
  /** The partition that it was sent to by number, where it was. */
  readonly partition: number | undefined
  /** Where the log has it; known once it was acknowledged. */
  place?: { readonly partition: number; readonly offset: number }
}

/** A group as the model sees it. What must not be is put down in words. */
export class GroupLedger {
  readonly name: string
  readonly handled = new Set<string>()
  /** Places in the log that were handled, by partition and offset. */
  readonly #places = new Set<string>()
  /** Places that were in hand when a member stopped, which says nothing about them. */
  readonly #leftInHand = new Set<string>()
  /** Whether somebody died or went back, so that what was handled may come again. */
  mayRepeat = false
  /** What the coordinator has taken as committed, by partition. */
  readonly committed = new Map<number, number>()
  /** Generation → partition → who got it. */
  readonly #owners = new Map<number, Map<number, string>>()
  /** Who holds a partition now, among those who are alive. */
  readonly #holders = new Map<number, string>()
  readonly #complain: (complaint: string) => void

  constructor(name: string, complain: (complaint: string) => void) {
    this.name = name
    this.#complain = complain
  }

  /** A member was told its part of a generation. */
  assigned(generationId: number, partitions: readonly number[], memberId: string): void {
    const owners = this.#owners.get(generationId) ?? new Map<number, string>()
    this.#owners.set(generationId, owners)
    for (const partition of partitions) {
      const owner = owners.get(partition)
      if (owner !== undefined && owner !== memberId)
        this.#complain(`generation ${generationId} of ${this.name} gives ${partition} to ${owner} and ${memberId}`)
      owners.set(partition, memberId)
    }
  }

  leftInHand(partition: number, offset: number): void {
    this.#leftInHand.add(`${partition}/${offset}`)
  }

  handle(partition: number, offset: number, value: string): void {
    const place = `${partition}/${offset}`
    if (this.#places.has(place) && !this.mayRepeat && !this.#leftInHand.has(place))
      this.#complain(`${this.name} handles ${offset} of ${partition} again, which was handled and committed`)
    this.#places.add(place)
    this.handled.add(value)
  }

  taken(partition: number, who: string): void {
    const holder = this.#holders.get(partition)
    if (holder !== undefined) this.#complain(`${who} takes ${partition} of ${this.name} while ${holder} has it`)
    this.#holders.set(partition, who)
  }

  givenUp(partition: number, who: string): void {
    if (this.#holders.get(partition) === who) this.#holders.delete(partition)
  }

  died(who: string): void {
    for (const [partition, holder] of this.#holders) if (holder === who) this.#holders.delete(partition)
  }

  fetched(partition: number, offset: number): void {
    const committed = this.committed.get(partition) ?? -1
    if (offset !== committed) this.#complain(`${this.name} is told ${offset} for ${partition} where ${committed} was committed`)
  }
}

/** One time that a member has a partition, from its being given until it goes. */
export class Tenure {
  /** The offset that must come next; undefined until it is known where to start. */
  next: number | undefined
  /** Whether the user said where to go on. */
  hasSought = false
  isPaused = false
  /** Up to where the member could truthfully commit, at most, since it has the partition. */
  mayCommit = 0
  seeks = 0
}
