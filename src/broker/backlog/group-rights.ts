/**
 * The topics that groups subscribe to without a member that may read them: such a group is no
 * reader of the topic, so that no producer waits for it. Has an entry for each topic and each group
 * that is joined by clients who may not do everything.
 */
export class GroupRights {
  readonly #mayRead = new Map<string, Map<string, boolean>>()

  /** Notes what a client that joins a group subscribes to, and what of it the client may read. */
  joins(groupId: string, asked: Iterable<string>, readable: ReadonlySet<string>): void {
    for (const topic of asked) {
      let topics = this.#mayRead.get(groupId)
      if (!topics) this.#mayRead.set(groupId, (topics = new Map()))
      topics.set(topic, readable.has(topic) || topics.get(topic) === true)
    }
  }

  /** The topics of a group that a member of it may read. */
  readable(groupId: string, topics: ReadonlySet<string>): ReadonlySet<string> {
    const known = this.#mayRead.get(groupId)
    if (!known) return topics
    return new Set([...topics].filter(topic => known.get(topic) !== false))
  }

  /** Forgets a group that has no members. */
  forget(groupId: string): void {
    this.#mayRead.delete(groupId)
  }
}
