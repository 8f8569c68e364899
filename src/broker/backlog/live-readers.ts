import { GroupRights } from './group-rights.js'
import { identityOf, type RemoteReading } from './remote-readers.js'

/** A reader: a consumer of this process, by itself or as a member of a group. */
export interface ReaderIdentity {
  readonly clientId: string
  readonly groupId: string | undefined
  /** True if the partition is its share of what the group subscribes to. */
  readonly isMember: boolean
  /** The id of the member that it is at present. */
  memberId(): string
}

/** A partition that a consumer of this process reads. */
export interface ReadPartition {
  readonly topic: string
  readonly partition: number
  /** The offset below which the reader needs nothing any more; -1 while that is not known. */
  mark(): number
  /**
   * The offset below which it has fetched everything, so that it does not need the log for it; -1
   * while that is not known.
   */
  fetched(): number
  /** The mark after that; -1 while it is not known. */
  handled(): number
  /** Makes the mark follow what was handled, where that takes a commit. */
  commitSoon(): void
  /** Calls back whenever the mark may have moved, until it is called with undefined. */
  watch(onMoved: (() => void) | undefined): void
  /** The topic with this id was deleted, and readers could read up to this offset. */
  deleted(topicId: string, highWatermark: number): void
}

/** The position of a reader of a partition. */
export interface LiveReader {
  /** As messages name it. */
  readonly name: string
  readonly groupId: string | undefined
  /** The offset below which it needs nothing any more. */
  readonly mark: number
  /**
   * The offset below which it could do without: a member over the wire that has fetched more than
   * its group has committed would need that again only if it died.
   */
  readonly hardMark: number
  /** The position after a consumer of this process has committed what it has handled. */
  readonly handled: number
  /** The offset below which it has fetched everything. */
  readonly fetched: number
  /** The consumer of this process that decides it; undefined where that is elsewhere. */
  readonly reading: ReadPartition | undefined
}

/** The groups of a node, as far as readers need them. */
export interface GroupProgress {
  /**
   * The topics that the live members of a group subscribe to; undefined for a group without live
   * members.
   */
  liveTopics(groupId: string): ReadonlySet<string> | undefined
  /**
   * The live members of a group, each with the partitions that were assigned to it, as far as they
   * can be read.
   */
  liveMembers(groupId: string): readonly LiveMember[]
  /** The offset that a group has committed; -1 for none. */
  committedOffset(groupId: string, topic: string, partition: number): number
  /** The groups that have committed an offset of a partition, with that offset. */
  committedOffsets(topic: string, partition: number): Iterable<[groupId: string, offset: number]>
}

/** A live member of a group. */
export interface LiveMember {
  readonly memberId: string
  readonly clientId: string
  readonly clientHost: string
  readonly partitions: readonly { readonly topic: string; readonly partition: number }[]
}

/** A member, as its fetches are recognized. */
interface KnownMember {
  readonly groupId: string
  readonly partitions: ReadonlySet<string>
}

/** The members of a live group, as they were when the group changed last. */
interface FollowedMembers {
  readonly identities: readonly string[]
  /** A consumer that its group has expelled, and that has not heard of it, needs nothing. */
  readonly ids: ReadonlySet<string>
}

interface Registered {
  readonly identity: ReaderIdentity
  readonly reading: ReadPartition
}

/**
 * The live readers of the partitions of a node, with the offsets below which they need nothing.
 * They are asked only when a partition is full: nothing here is done for a record. A group counts
 * as long as it has live members that subscribe to the topic, also while a partition of it changes
 * hands.
 */
export class LiveReaders {
  /** Called when a mark may have moved, or a reader is gone. */
  onMoved: () => void = () => {}
  /** Monotonic time in milliseconds. */
  readonly now: () => number
  /** Set by the node, whose groups are opened after its topics. */
  groups: GroupProgress | undefined
  readonly rights: GroupRights = new GroupRights()
  readonly #local = new Map<string, Map<number, Set<Registered>>>()
  /** The topics of the groups that are live, and the other way round. */
  readonly #topicsOf = new Map<string, ReadonlySet<string>>()
  readonly #groupsOf = new Map<string, Set<string>>()
  /** The members of live groups, by what stands for their clients. */
  readonly #members = new Map<string, KnownMember[]>()
  readonly #membersOf = new Map<string, FollowedMembers>()
  /**
   * The positions at which the last reader of a group left partitions, by group, topic and number.
   */
  readonly #lastMarks = new Map<string, Map<string, number>>()

  constructor(now: () => number) {
    this.now = now
  }

  /**
   * Says that a consumer of this process reads a partition; returns what to call when it no longer
   * does.
   */
  reads(identity: ReaderIdentity, reading: ReadPartition): () => void {
    const { topic, partition } = reading
    const entry = { identity, reading }
    let partitions = this.#local.get(topic)
    if (!partitions) this.#local.set(topic, (partitions = new Map()))
    const readers = partitions.get(partition)
    if (readers) readers.add(entry)
    else partitions.set(partition, new Set([entry]))
    return () => this.#gone(entry)
  }

  /** Tells the consumers of this process that read a partition where it ended. */
  deleted(topic: string, partition: number, topicId: string, highWatermark: number): void {
    for (const { reading } of this.#local.get(topic)?.get(partition) ?? []) reading.deleted(topicId, highWatermark)
  }

  /** Says that a mark has moved. */
  moved(): void {
    this.onMoved()
  }

  /** Follows a group that has changed. */
  groupChanged(groupId: string): void {
    const before = this.#topicsOf.get(groupId)
    const subscribed = this.groups?.liveTopics(groupId)
    const topics = subscribed && this.rights.readable(groupId, subscribed)
    this.#followMembers(groupId, topics ? (this.groups?.liveMembers(groupId) ?? []) : [])
    if (before) for (const topic of before) if (!topics?.has(topic)) this.#forget(groupId, topic)
    if (topics) {
      this.#topicsOf.set(groupId, topics)
      for (const topic of topics) {
        const groups = this.#groupsOf.get(topic)
        if (groups) groups.add(groupId)
        else this.#groupsOf.set(topic, new Set([groupId]))
      }
    } else {
      this.#topicsOf.delete(groupId)
      this.#lastMarks.delete(groupId)
      this.rights.forget(groupId)
    }
    this.onMoved()
  }

  /**
   * The live readers of a partition that holds the offsets from `start` to `end`; `remote` is who
   * fetches it over the wire.
   */
  of(topic: string, partition: number, start: number, end: number, remote: readonly RemoteReading[]): LiveReader[] {
    const readers: LiveReader[] = []
    const local = this.#local.get(topic)?.get(partition)
    const groups = this.#groupsOf.get(topic)
    const byMembers = remote.length === 0 ? noMembers : this.#remoteReaders(topic, partition, start, end, remote, readers)
    if (groups) for (const groupId of groups) readers.push(this.#groupReader(groupId, topic, partition, start, end, local, byMembers))
    if (!local) return readers
    for (const { identity, reading } of local) {
      if (identity.isMember) continue
      const { groupId, clientId } = identity
      const name = groupId === undefined ? `the consumer \`${clientId}\`` : `the consumer \`${clientId}\` of the group \`${groupId}\``
      readers.push(localReader(name, groupId, within(reading.mark(), start, end), reading))
    }
    return readers
  }

  /**
   * Adds those who fetch over the wire without a group. Returns how far groups have fetched, where
   * it is certain that it is their member who fetches: its client is known by a name that nobody
   * else on its host has.
   */
  #remoteReaders(
    topic: string,
    partition: number,
    start: number,
    end: number,
    remote: readonly RemoteReading[],
    readers: LiveReader[]
  ): ReadonlyMap<string, number> {
    const byMembers = new Map<string, number>()
    for (const { client, offset } of remote) {
      const identity = identityOf(client)
      const members = this.#members.get(identity)
      const isUnique = members?.length === 1 && remote.filter(other => identityOf(other.client) === identity).length === 1
      const mark = within(offset, start, end)
      if (!isUnique) {
        const name = `the client \`${client.clientId}\` at ${client.clientHost}`
        readers.push({ name, groupId: undefined, mark, hardMark: mark, handled: mark, fetched: mark, reading: undefined })
      } else if (members[0].partitions.has(keyOf(topic, partition))) byMembers.set(members[0].groupId, mark)
    }
    return byMembers
  }

  #followMembers(groupId: string, members: readonly LiveMember[]): void {
    for (const identity of this.#membersOf.get(groupId)?.identities ?? []) {
      const left = this.#members.get(identity)?.filter(member => member.groupId !== groupId) ?? []
      if (left.length > 0) this.#members.set(identity, left)
      else this.#members.delete(identity)
    }
    for (const member of members) {
      const partitions = new Set(member.partitions.map(({ topic, partition }) => keyOf(topic, partition)))
      const identity = identityOf(member)
      const known = this.#members.get(identity)
      if (known) known.push({ groupId, partitions })
      else this.#members.set(identity, [{ groupId, partitions }])
    }
    if (members.length > 0) {
      const ids = new Set(members.map(({ memberId }) => memberId))
      this.#membersOf.set(groupId, { identities: members.map(identityOf), ids })
    } else this.#membersOf.delete(groupId)
  }

  /**
   * Live readers, and groups that have committed offsets, that need records from `from` up to `to`,
   * each with where it is.
   */
  everyoneBehind(
    topic: string,
    partition: number,
    from: number,
    to: number,
    remote: readonly RemoteReading[]
  ): Pick<LiveReader, 'name' | 'groupId' | 'mark'>[] {
    const live = this.of(topic, partition, from, Number.MAX_SAFE_INTEGER, remote)
    const behind = live.filter(({ fetched }) => fetched < to).map(({ name, groupId, fetched }) => ({ name, groupId, mark: fetched }))
    const isLive = (groupId: string) => live.some(reader => reader.groupId === groupId)
    for (const [groupId, offset] of this.groups?.committedOffsets(topic, partition) ?? []) {
      if (offset < to && !isLive(groupId)) behind.push({ name: `the group \`${groupId}\``, groupId, mark: Math.max(offset, from) })
    }
    return behind
  }

  /** True if a live reader, or a group that has committed, has read all before `offset`. */
  isReadUpTo(topic: string, partition: number, start: number, offset: number, remote: readonly RemoteReading[]): boolean {
    for (const [, committed] of this.groups?.committedOffsets(topic, partition) ?? []) if (committed >= offset) return true
    return this.of(topic, partition, start, Number.MAX_SAFE_INTEGER, remote).some(({ mark }) => mark >= offset)
  }

  #groupReader(
    groupId: string,
    topic: string,
    partition: number,
    start: number,
    end: number,
    local: ReadonlySet<Registered> | undefined,
    byMembers: ReadonlyMap<string, number>
  ): LiveReader {
    let mark = Number.POSITIVE_INFINITY
    let owner: ReadPartition | undefined
    if (local) {
      for (const { identity, reading } of local) {
        if (!identity.isMember || identity.groupId !== groupId || !this.#membersOf.get(groupId)?.ids.has(identity.memberId())) continue
        const own = reading.mark()
        if (own < 0 || own > mark) continue
        mark = own
        owner = reading
      }
    }
    const name = `the group \`${groupId}\``
    if (owner) return localReader(name, groupId, within(mark, start, end), owner)
    const committed = this.groups?.committedOffset(groupId, topic, partition) ?? -1
    const fetched = byMembers.get(groupId)
    mark = committed >= 0 ? committed : (this.#lastMarks.get(groupId)?.get(keyOf(topic, partition)) ?? fetched ?? start)
    mark = within(mark, start, end)
    const hardMark = Math.max(mark, fetched ?? mark)
    return { name, groupId, mark, hardMark, handled: hardMark, fetched: hardMark, reading: undefined }
  }

  #gone(entry: Registered): void {
    const { identity, reading } = entry
    const { topic, partition } = reading
    const partitions = this.#local.get(topic)
    const readers = partitions?.get(partition)
    if (!readers?.delete(entry)) return
    if (readers.size === 0) partitions?.delete(partition)
    if (partitions?.size === 0) this.#local.delete(topic)
    const { groupId, isMember } = identity
    const mark = reading.mark()
    if (isMember && groupId !== undefined && mark >= 0 && this.#topicsOf.has(groupId)) {
      const marks = this.#lastMarks.get(groupId)
      if (marks) marks.set(keyOf(topic, partition), mark)
      else this.#lastMarks.set(groupId, new Map([[keyOf(topic, partition), mark]]))
    }
    this.onMoved()
  }

  #forget(groupId: string, topic: string): void {
    const groups = this.#groupsOf.get(topic)
    groups?.delete(groupId)
    if (groups?.size === 0) this.#groupsOf.delete(topic)
  }
}

const noMembers: ReadonlyMap<string, number> = new Map()

function localReader(name: string, groupId: string | undefined, mark: number, reading: ReadPartition): LiveReader {
  const handled = Math.max(mark, reading.handled())
  return { name, groupId, mark, hardMark: mark, handled, fetched: Math.max(mark, reading.fetched()), reading }
}

function keyOf(topic: string, partition: number): string {
  return `${topic}/${partition}`
}

/**
 * A mark that lies outside of what the partition holds says that its reader needs all that is left,
 * or that it belongs to a topic that is gone.
 */
function within(mark: number, start: number, end: number): number {
  return mark < start || mark > end ? start : mark
}
