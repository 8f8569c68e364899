import type { GroupCoordinator } from '../coordinator/group/group-coordinator.js'

/** The parts of a node that the handlers of groups need; a `LocalBroker` has them. */
export interface GroupNode {
  readonly nodeId: number
  /** The address at which clients elsewhere find this node. */
  readonly endpoint: { readonly host: string; readonly port: number }
  readonly groups: GroupCoordinator
  /** The topic by its id when one is given, else by its name. */
  findTopic(
    name: string,
    topicId: string
  ): { readonly name: string; readonly id: string; readonly partitions: readonly unknown[] } | undefined
  /** The error for a topic that `findTopic` did not find. */
  unknownTopicError(topicId: string): number
}
