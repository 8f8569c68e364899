import type { CompleteGroupOptions } from './group-options.js'

/** What is counted of groups, with the options that bound it. */
const limitOf = { groups: 'maxGroups', members: 'maxMembers', offsets: 'maxOffsets', bytes: 'maxBytes' } as const

type Counted = keyof typeof limitOf

/**
 * What all groups of a coordinator take together, so that it can be bounded. Members count from when they were given an id. Bytes are those of all that
 * clients say: ids, subscriptions, assignments, and the topics and metadata of commits; a character of text counts as one.
 */
export class GroupTally {
  readonly #counts = { groups: 0, members: 0, offsets: 0, bytes: 0 }

  add(what: Counted, count: number): void {
    this.#counts[what] += count
  }

  /** Whether so much more is allowed. */
  hasRoomFor(what: Counted, count: number, options: CompleteGroupOptions): boolean {
    return count <= 0 || this.#counts[what] + count <= options[limitOf[what]]
  }
}
