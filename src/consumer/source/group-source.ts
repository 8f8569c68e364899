import type { GroupConnection } from '../../client/group-connection.js'
import { GroupMember } from '../group/group-member.js'
import type { ReaderSlot } from '../loop/reader-slot.js'
import type { PartitionSource, PartitionSourceContext, PartitionSourceEvents } from './partition-source.js'
import { TopicWatch } from './topic-watch.js'

/** The partitions that a group gives to this member. */
export class GroupSource implements PartitionSource {
  readonly member: GroupMember
  readonly #context: PartitionSourceContext
  readonly #events: PartitionSourceEvents
  #watch: TopicWatch | undefined
  #unlisten: (() => void) | undefined

  constructor(context: PartitionSourceContext, events: PartitionSourceEvents, coordinator: GroupConnection, slot: ReaderSlot) {
    const { settings, clock, metadata, backoff, handover, selection } = context
    this.#context = context
    this.#events = events
    this.member = new GroupMember(
      { coordinator, metadata, settings, clock, backoff },
      {
        topics: signal => selection.find(signal),
        isSubscribed: topic => selection.isSubscribed(topic),
        owned: () => handover.owned(),
        revoke: (partitions, signal) => handover.revoke(partitions, signal),
        lose: partitions => handover.lose(partitions),
        assign: (partitions, signal) => handover.take(partitions, signal),
        onJoined: generation => events.onJoined(generation),
        onFatal: error => events.onFatal(error),
        onTrouble: error => events.onTrouble(error),
        isStuck: missedMs => slot.isStuck(clock.monotonic(), missedMs),
        nextPoll: signal => slot.nextPoll(signal)
      }
    )
  }

  start(): void {
    const { clock, news, settings, selection } = this.#context
    this.#unlisten = news?.onGroupRebalancing(groupId => {
      if (groupId === settings.groupId) this.member.hurry()
    })
    this.member.start()
    this.#watch = new TopicWatch(clock, news, { look: signal => this.#look(signal), intervalMs: () => selection.lookIntervalMs })
  }

  subscriptionChanged(): void {
    this.member.subscriptionChanged()
    this.#watch?.lookAnew()
  }

  async stop(timeoutMs: number | undefined, signal: AbortSignal): Promise<void> {
    const { handover } = this.#context
    this.#unlisten?.()
    await this.#watch?.stop()
    // Before the member stops: in the middle of a rebalance nothing can be committed until it is
    // through.
    await handover.holdBackAll(timeoutMs)
    await this.member.halt()
    await handover.revokeAll()
    await this.member.leave(signal).catch(error => this.#events.onTrouble(error))
  }

  async #look(signal: AbortSignal): Promise<void> {
    try {
      await this.member.checkTopics(signal)
    } catch (error) {
      if (!signal.aborted) this.#events.onTrouble(error)
    }
  }
}
