import type { CompleteGroupOptions } from './group-options.js'

/** The counts of groups, with the options that bound them. */
const limitOf = { groups: 'maxGroups', members: 'maxMembers', offsets: 'maxOffsets', bytes: 'maxBytes' } as const

type Counted = keyof typeof limitOf

/**
 * The resources that all groups of a coordinator take together, which are bounded. Members count
 * from when they were given an id. Bytes are those of all that clients say: ids, subscriptions,
 * assignments, and the topics and metadata of commits; a character of text counts as one.
 */
export class GroupTally {
  readonly #counts = { groups: 0, members: 0, offsets: 0, bytes: 0 }

  add(what: Counted, count: number): void {
    this.#counts[what] += count
  }

  /** True if so much more is allowed. */
  hasRoomFor(what: Counted, count: number, options: CompleteGroupOptions): boolean {
    return count <= 0 || this.#counts[what] + count <= options[limitOf[what]]
  }
}
