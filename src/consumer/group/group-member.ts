import { type Assignor, type AssignorMember, compareText, type TopicPartition, type TopicShape } from '../../assignor/assignor.js'
import {
  consumerProtocolType,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription
} from '../../assignor/consumer-protocol.js'
import { isRetriable } from '../../client/retry.js'
import { firstToAbort, onAbort } from '../../common/abort.js'
import { copyBytes } from '../../common/bytes.js'
import { abortable, type Deferred, deferred } from '../../common/deferred.js'
import { wrongAnswer } from '../../common/foreign.js'
import { type Turns, turnsOf } from '../../common/turns.js'
import { errorCodeOf, KafkaError } from '../../errors.js'
import type { ResponseOf } from '../../protocol/message.js'
import { JoinGroup } from '../../protocol/messages/join-group.js'
import { LeaveGroup } from '../../protocol/messages/leave-group.js'
import { SyncGroup } from '../../protocol/messages/sync-group.js'
import type { Committing } from '../offsets/committer.js'
import type { GroupMemberContext, GroupMemberOwner } from './group-member-parts.js'
import { Heartbeats } from './heartbeats.js'

type JoinResponse = ResponseOf<typeof JoinGroup>

const noGeneration = -1

/**
 * After these the member joins again at once; what they say about its identity has been noted by
 * then.
 */
const rejoinAtOnce: ReadonlySet<string> = new Set(['UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'REBALANCE_IN_PROGRESS'])

/**
 * A member of a consumer group, by Kafka's classic protocol: it joins, the leader among the members
 * assigns the partitions, all are told theirs, and heartbeats keep the membership until the group,
 * or this member, wants to rebalance. One loop does all of this in order.
 *
 * With only cooperative assignors (KIP-429) the member goes on reading during a rebalance and gives
 * up just what goes to others; otherwise it gives up everything first.
 *
 * Size: it goes through the states of a membership, each of which any answer can end.
 */
export class GroupMember {
  readonly #context: GroupMemberContext
  readonly #owner: GroupMemberOwner
  readonly #heartbeats: Heartbeats
  readonly #isCooperative: boolean
  readonly #turns: Turns
  readonly #stopping = new AbortController()
  /**
   * Ends the stage that the loop is in: a rebalance that waits for the user, when the user proves
   * stuck.
   */
  #stage = new AbortController()
  #running: Promise<void> | undefined
  #memberId = ''
  #generationId = noGeneration
  #protocol = ''
  /** The membership was lost, so that what is owned belongs to others. */
  #isLost = false
  #isLeader = false
  #rejoin = deferred()
  #isRejoinWanted = false
  /**
   * From the first JoinGroup of a rebalance until its assignment has come: the group may have moved
   * on before this member knows.
   */
  #unsettled: Deferred<void> | undefined
  /**
   * The subscription with which this member joined, and, for the leader, the partition counts of
   * the group's topics at that time.
   */
  #joinedTopics: readonly string[] = []
  #groupTopics = new Map<string, number>()
  #lastAssigned: readonly TopicPartition[] | null = null
  /** The lookup of topics before joining. */
  #lookup: ReturnType<typeof firstToAbort> | undefined

  constructor(context: GroupMemberContext, owner: GroupMemberOwner) {
    this.#context = context
    this.#owner = owner
    this.#turns = turnsOf(context.clock)
    this.#isCooperative = context.settings.assignors.every(({ cooperative }) => cooperative)
    this.#heartbeats = new Heartbeats(context, {
      identity: () => this.committing(),
      onError: (error, sent) => this.noteRefusal(error, sent),
      isStuck: missedMs => owner.isStuck(missedMs),
      onStuck: () => this.#stage.abort(stuck)
    })
  }

  /** Joins, and stays until `stop`. */
  start(): void {
    this.#running ??= this.#run()
  }

  get isJoined(): boolean {
    return this.#generationId !== noGeneration && !this.#isRejoinWanted
  }

  committing(): Committing {
    const { groupInstanceId = null } = this.#context.settings
    return { memberId: this.#memberId, generationId: this.#generationId, groupInstanceId }
  }

  /** Has the member join again as soon as it can. */
  rejoin(): void {
    this.#isRejoinWanted = true
    this.#rejoin.resolve()
  }

  /**
   * Has the member join again for other topics; those that it looks for meanwhile are of no
   * interest any more.
   */
  subscriptionChanged(): void {
    this.rejoin()
    this.#lookup?.abort(otherTopics)
  }

  /**
   * Looks whether what was joined for still holds: the topics that patterns match, and, as the
   * leader, their partitions.
   */
  async checkTopics(signal: AbortSignal): Promise<void> {
    if (this.#generationId === noGeneration) return
    const topics = await this.#owner.topics(signal)
    if (!sameTexts(topics, this.#joinedTopics)) return this.rejoin()
    if (!this.#isLeader) return
    await this.#lookUp([...this.#groupTopics.keys()], signal)
    for (const [topic, count] of this.#groupTopics) if (this.#partitionCount(topic) !== count) return this.rejoin()
  }

  /**
   * Draws the conclusions from an error that the group gave to the one who was `sent`. Returns
   * whether that was because the group has moved on to a generation of which this member is, or may
   * become, a part.
   */
  noteRefusal(error: KafkaError, sent: Committing): boolean {
    const isCurrent = sent.memberId === this.#memberId && sent.generationId === this.#generationId
    const hasMovedOn = this.#unsettled !== undefined || (!isCurrent && this.#generationId !== noGeneration)
    switch (error.code) {
      case 'REBALANCE_IN_PROGRESS':
        if (!hasMovedOn) this.rejoin()
        return this.#generationId !== noGeneration
      case 'UNKNOWN_MEMBER_ID':
      case 'ILLEGAL_GENERATION':
        // The answer to a JoinGroup under way tells whether this member is still counted on.
        if (!hasMovedOn && this.#generationId !== noGeneration) this.#expelled(error)
        return hasMovedOn
      case 'FENCED_INSTANCE_ID':
        if (isCurrent) this.#stopWith(error)
        break
      case 'GROUP_AUTHORIZATION_FAILED':
        this.#stopWith(error)
        break
      default:
        this.#context.coordinator.noteError(error.code)
    }
    return false
  }

  /**
   * Resolves with the generation that follows the one that was `sent`; undefined when the
   * membership is lost.
   */
  async nextGeneration(sent: Committing, signal?: AbortSignal): Promise<Committing | undefined> {
    // A rebalance that was only announced has yet to begin.
    if (sent.generationId === this.#generationId && !this.#stopping.signal.aborted) this.#unsettled ??= deferred()
    if (this.#unsettled !== undefined) await abortable(this.#unsettled.promise, signal)
    return this.#generationId === noGeneration ? undefined : this.committing()
  }

  #expelled(error: KafkaError): void {
    this.#reset(error.code === 'UNKNOWN_MEMBER_ID')
    this.rejoin()
  }

  #settled(): void {
    this.#unsettled?.resolve()
    this.#unsettled = undefined
  }

  /** There is reason to think that the group rebalances: asks at once. */
  hurry(): void {
    this.#heartbeats.hurry()
  }

  /** Ends the loop. The membership stands, so that what was handled can still be committed. */
  async halt(): Promise<void> {
    this.#stopping.abort(closed)
    this.#stage.abort(closed)
    this.#heartbeats.stop()
    this.#settled()
    await this.#running
  }

  /** Leaves the group for good. A static member does not: it may come back. */
  async leave(signal?: AbortSignal): Promise<void> {
    if (this.#context.settings.groupInstanceId === undefined) await this.#leave('the consumer is closing', signal)
    this.#generationId = noGeneration
    this.#memberId = ''
  }

  async #run(): Promise<void> {
    let failures = 0
    for (;;) {
      this.#stage = new AbortController()
      const { signal } = this.#stage
      if (this.#stopping.signal.aborted) return
      try {
        await this.#rebalance(signal)
        failures = 0
        await abortable(this.#rejoin.promise, signal)
      } catch (error) {
        if (this.#stopping.signal.aborted) return
        try {
          if (error === stuck) await this.#giveWay()
          else if (error instanceof KafkaError && rejoinAtOnce.has(error.code)) failures = 0
          else if (isRetriable(error)) {
            if (failures === 0) this.#owner.onTrouble(error)
            await this.#context.backoff.wait(++failures, this.#stopping.signal)
          } else return this.#fail(error)
        } catch (reason) {
          if (this.#stopping.signal.aborted) return
          return this.#fail(reason)
        }
      }
    }
  }

  async #rebalance(signal: AbortSignal): Promise<void> {
    // All members hear at the same moment that the group rebalances.
    await this.#turns.yield()
    await this.#prepare(signal)
    this.#isRejoinWanted = false
    this.#rejoin = deferred()
    this.#isLeader = false
    const topics = await this.#topics(signal)
    this.#heartbeats.pause()
    this.#unsettled ??= deferred()
    const joined = await this.#join(topics, signal)
    const assigned = await this.#sync(joined, signal)
    this.#settled()
    this.#heartbeats.resume()
    this.#joinedTopics = topics
    if (assigned.some(({ topic }) => !this.#owner.isSubscribed(topic))) return this.rejoin()
    await this.#take(assigned, signal)
  }

  async #topics(signal: AbortSignal): Promise<readonly string[]> {
    const lookup = firstToAbort(signal)
    this.#lookup = lookup
    try {
      return await abortable(this.#owner.topics(lookup.signal), lookup.signal)
    } finally {
      this.#lookup = undefined
      lookup.end()
    }
  }

  /** Gives up what must not be held while the group rebalances. */
  async #prepare(signal: AbortSignal): Promise<void> {
    const owned = this.#owner.owned()
    if (!this.#isLost) {
      const given = this.#isCooperative ? owned.filter(({ topic }) => !this.#owner.isSubscribed(topic)) : owned
      if (given.length > 0) await this.#owner.revoke(given, signal)
    }
    // The membership may have been lost in the meantime.
    const left = this.#owner.owned()
    if (this.#isLost && left.length > 0) await this.#owner.lose(left)
    this.#isLost = false
  }

  async #join(topics: readonly string[], signal: AbortSignal): Promise<JoinResponse> {
    const { coordinator, settings } = this.#context
    const sent = this.committing()
    const response = await coordinator.ask(
      JoinGroup,
      {
        groupId: coordinator.groupId,
        sessionTimeoutMs: settings.sessionTimeoutMs,
        rebalanceTimeoutMs: settings.rebalanceTimeoutMs,
        memberId: this.#memberId,
        groupInstanceId: sent.groupInstanceId,
        protocolType: consumerProtocolType,
        protocols: settings.assignors.map(assignor => ({ name: assignor.name, metadata: this.#subscription(assignor, topics) }))
      },
      signal
    )
    const code = errorCodeOf(response.errorCode)
    if (code === 'MEMBER_ID_REQUIRED') {
      this.#memberId = response.memberId
      return this.#join(topics, signal)
    }
    if (code !== 'NONE') throw this.#refused(KafkaError.fromNumber(response.errorCode), sent)
    this.#memberId = response.memberId
    this.#generationId = response.generationId ?? noGeneration
    this.#protocol = response.protocolName ?? ''
    this.#isLeader = response.leader === response.memberId
    return response
  }

  #subscription(assignor: Assignor, topics: readonly string[]): Uint8Array {
    const userData = expectUserData(assignor, assignor.userData?.(this.#lastAssigned, this.#generationId) ?? null)
    const ownedPartitions = this.#isCooperative ? this.#owner.owned() : []
    return encodeSubscription({ topics, userData, ownedPartitions, generationId: this.#generationId })
  }

  async #sync(joined: JoinResponse, signal: AbortSignal): Promise<readonly TopicPartition[]> {
    const { coordinator } = this.#context
    const sent = this.committing()
    const assignments = this.#isLeader ? await this.#assignments(joined, signal) : []
    const response = await coordinator.ask(
      SyncGroup,
      {
        groupId: coordinator.groupId,
        generationId: this.#generationId,
        memberId: this.#memberId,
        groupInstanceId: sent.groupInstanceId,
        protocolType: consumerProtocolType,
        protocolName: this.#protocol,
        assignments
      },
      signal
    )
    if (response.errorCode !== 0) throw this.#refused(KafkaError.fromNumber(response.errorCode), sent)
    return decodeAssignment(response.assignment).partitions
  }

  /** The assignments that the leader decides. */
  async #assignments(joined: JoinResponse, signal: AbortSignal): Promise<{ memberId: string; assignment: Uint8Array }[]> {
    const members: AssignorMember[] = joined.members.map(({ memberId, groupInstanceId = null, metadata }) => ({
      memberId,
      groupInstanceId,
      ...subscriptionOf(metadata)
    }))
    const names = [...new Set(members.flatMap(({ topics }) => topics))]
    await this.#lookUp(names, signal)
    this.#groupTopics = new Map(names.map(name => [name, this.#partitionCount(name)]))
    // A static leader that came back: the assignment stands, but its topics are still watched here.
    if (joined.skipAssignment) return []
    const assignor = this.#context.settings.assignors.find(({ name }) => name === this.#protocol)
    if (!assignor)
      throw new KafkaError('INCONSISTENT_GROUP_PROTOCOL', `The group chose an assignor that this member does not have: ${this.#protocol}`)
    const shapes = new Map<string, TopicShape>()
    for (const [name, partitionCount] of this.#groupTopics) if (partitionCount > 0) shapes.set(name, { partitionCount })
    const assigned = expectAssigned(assignor, assignor.assign(shapes, members))
    return members.map(({ memberId }) => ({ memberId, assignment: encodeAssignment({ partitions: assigned.get(memberId) ?? [] }) }))
  }

  /** Takes on what the group decided. */
  async #take(assigned: readonly TopicPartition[], signal: AbortSignal): Promise<void> {
    this.#lastAssigned = assigned
    this.#owner.onJoined({
      memberId: this.#memberId,
      generationId: this.#generationId,
      protocol: this.#protocol,
      isLeader: this.#isLeader
    })
    const owned = this.#owner.owned()
    const gone = without(owned, assigned)
    if (gone.length > 0) {
      await this.#owner.revoke(gone, signal)
      // Only now may others have them: the next round hands them over.
      this.rejoin()
    }
    const added = without(assigned, this.#owner.owned())
    if (this.#isLost) return
    // Finding out where to start must not hold up another rebalance.
    const settled = new AbortController()
    const onRejoin = () => settled.abort(closed)
    const unlisten = onAbort(signal, onRejoin)
    void this.#rejoin.promise.then(onRejoin)
    try {
      await this.#owner.assign(added, settled.signal)
    } finally {
      unlisten()
    }
  }

  /**
   * The user is busy for so long that others should go on with the partitions. Joins again when he
   * asks for more.
   */
  async #giveWay(): Promise<void> {
    const { signal } = this.#stopping
    const { maxPollIntervalMs } = this.#context.settings
    this.#heartbeats.pause()
    const owned = this.#owner.owned()
    await this.#leave('a record was in hand for too long', signal).catch(error => this.#owner.onTrouble(error))
    this.#reset(true)
    await this.#owner.lose(owned)
    this.#isLost = false
    const reason = `Nothing was asked for during ${maxPollIntervalMs} ms (maxPollIntervalMs), so the group goes on without this member until it is`
    this.#owner.onTrouble(new KafkaError('UNKNOWN_MEMBER_ID', reason))
    await this.#owner.nextPoll(signal)
  }

  async #leave(reason: string, signal?: AbortSignal): Promise<void> {
    if (this.#memberId === '') return
    const { coordinator, settings } = this.#context
    const member = { memberId: this.#memberId, groupInstanceId: settings.groupInstanceId ?? null, reason }
    await coordinator.ask(LeaveGroup, { groupId: coordinator.groupId, memberId: this.#memberId, members: [member] }, signal)
  }

  #refused(error: KafkaError, sent: Committing): KafkaError {
    const isCurrent = sent.memberId === this.#memberId && sent.generationId === this.#generationId
    if (error.code === 'REBALANCE_IN_PROGRESS') this.rejoin()
    else if (error.code !== 'UNKNOWN_MEMBER_ID' && error.code !== 'ILLEGAL_GENERATION') this.#context.coordinator.noteError(error.code)
    else if (this.#generationId === noGeneration) this.#memberId = error.code === 'UNKNOWN_MEMBER_ID' ? '' : this.#memberId
    else if (isCurrent) this.#expelled(error)
    return error
  }

  /** The group no longer counts on this member in this generation. */
  #reset(forgetMemberId: boolean): void {
    if (this.#generationId !== noGeneration) this.#isLost = true
    this.#generationId = noGeneration
    if (forgetMemberId) this.#memberId = ''
    this.#heartbeats.pause()
    this.#settled()
  }

  #stopWith(error: KafkaError): void {
    if (!this.#stage.signal.aborted) this.#stage.abort(error)
  }

  async #fail(error: unknown): Promise<void> {
    this.#heartbeats.stop()
    const owned = this.#owner.owned()
    // An assignor that throws is the user's: the others must not wait for what it was to decide.
    if (!(error instanceof KafkaError))
      await this.#leave('its assignor failed', this.#stopping.signal).catch(reason => this.#owner.onTrouble(reason))
    this.#reset(true)
    await this.#owner.lose(owned).catch(reason => this.#owner.onTrouble(reason))
    this.#owner.onFatal(error)
  }

  /**
   * Brings what is known of topics up to date; those that are not there count as having no
   * partitions.
   */
  async #lookUp(topics: readonly string[], signal: AbortSignal): Promise<void> {
    if (topics.length === 0) return
    const { metadata } = this.#context
    try {
      await metadata.refresh(topics, { signal, allowAutoTopicCreation: false, unknownTopicRetries: 0 })
    } catch (error) {
      if (!(error instanceof KafkaError && (error.code === 'UNKNOWN_TOPIC_OR_PARTITION' || error.code === 'TOPIC_AUTHORIZATION_FAILED')))
        throw error
    }
  }

  #partitionCount(topic: string): number {
    return this.#context.metadata.topic(topic)?.partitions.length ?? 0
  }
}

/** Ends a stage early. */
const stuck = new KafkaError('UNKNOWN_MEMBER_ID', 'The user is stuck')
const closed = new KafkaError('CLOSED')
/** Ends a lookup of topics early: the member begins to join anew. */
const otherTopics = new KafkaError('REBALANCE_IN_PROGRESS', 'Other topics are looked for')

function without(partitions: readonly TopicPartition[], others: readonly TopicPartition[]): TopicPartition[] {
  return partitions.filter(({ topic, partition }) => !others.some(other => other.topic === topic && other.partition === partition))
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && [...a].sort(compareText).join() === [...b].sort(compareText).join()
}

function expectAssigned(assignor: Assignor, given: ReturnType<Assignor['assign']>): typeof given {
  if (typeof given?.get === 'function') return given
  throw wrongAnswer(`Expected \`assign\` of the assignor \`${assignor.name}\` to return a Map of partitions by member id`, given)
}

function expectUserData(assignor: Assignor, given: Uint8Array | null): Uint8Array | null {
  if (given === null || given instanceof Uint8Array) return given
  throw wrongAnswer(`Expected \`userData\` of the assignor \`${assignor.name}\` to return a Uint8Array or null`, given)
}

/**
 * The metadata of a member. The user's assignor may keep the bytes, which are the coordinator's own
 * where it is in this process.
 */
function subscriptionOf(metadata: Uint8Array): ReturnType<typeof decodeSubscription> {
  const subscription = decodeSubscription(metadata)
  return { ...subscription, userData: subscription.userData && copyBytes(subscription.userData) }
}
