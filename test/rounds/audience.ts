import type { Line } from './truth.js'

/** What an audience has of one line. */
export class Reading {
  /** Handled at least once. */
  readonly ever = new Set<number>()
  /** Handled, and nothing has happened since that would let it come again. */
  readonly fresh = new Set<number>()
  /** Never to be handled, for a reason that was told or chosen. */
  readonly excused = new Set<number>()
  /** What the coordinator has taken. */
  committed = -1
  /** Whether a user committed that, so that it says nothing about what was handled. */
  isByHand = false
  /** Why the next owner may start before what was handled. */
  mayGoBack: string | undefined

  isDone(offset: number): boolean {
    return this.ever.has(offset) || this.excused.has(offset)
  }

  /** The first offset in a range that is neither handled nor excused. */
  firstGap(from: number, to: number): number | undefined {
    for (let offset = from; offset < to; offset++) if (!this.isDone(offset)) return offset
    return undefined
  }

  excuse(from: number, to: number): void {
    for (let offset = from; offset < to; offset++) this.excused.add(offset)
  }

  /** What lies from here on may be handled again. */
  repeatFrom(offset: number): void {
    for (const each of this.fresh) if (each >= offset) this.fresh.delete(each)
  }
}

/** A group, or a consumer without one: whoever is to get every record once. */
export class Audience {
  readonly name: string
  readonly groupId: string | undefined
  readonly #readings = new Map<Line, Reading>()

  constructor(name: string, groupId: string | undefined) {
    this.name = name
    this.groupId = groupId
  }

  of(line: Line): Reading {
    let reading = this.#readings.get(line)
    if (!reading) this.#readings.set(line, (reading = new Reading()))
    return reading
  }

  /** A member has died, or commits only when its user says so: what is not committed may come again. */
  mayGoBack(why: string): void {
    for (const reading of this.#readings.values()) reading.mayGoBack = why
  }
}
