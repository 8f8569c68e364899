import type { GroupCoordinator } from '../coordinator/group/group-coordinator.js'

/** What the handlers of groups need of a node; a `LocalBroker` has it. */
export interface GroupNode {
  readonly nodeId: number
  /** Where clients elsewhere find this node. */
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
