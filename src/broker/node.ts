import type { Clock } from '../common/clock.js'
import type { MaybePromise } from '../common/deferred.js'
import type { Emitter } from '../common/emitter.js'
import type { Random } from '../common/random.js'
import type { TransactionCoordinator } from '../coordinator/transaction/transaction-coordinator.js'
import type { BrokerConfigs } from '../metadata/broker-configs.js'
import type { BrokerLoggers } from '../metadata/broker-loggers.js'
import type { ClusterMetadata } from '../metadata/cluster-metadata.js'
import type { Storage } from '../storage/storage.js'
import type { Backlog } from './backlog/backlog.js'
import type { Controller } from './controller.js'
import type { DelayedFetches } from './delayed-fetch.js'
import type { BrokerEvents } from './events.js'
import type { FetchSessions } from './fetch-sessions.js'
import type { FetchedBytes } from './fetched-bytes.js'
import type { GroupNode } from './group-node.js'
import type { Topic } from './topic.js'
import type { UserMakers } from './user-makers.js'

/** A node as clients hear of it. */
export interface NamedNode {
  readonly clock: Clock
  readonly nodeId: number
  readonly clusterId: string
  /** The address at which clients elsewhere find this node. */
  readonly endpoint: { readonly host: string; readonly port: number }
  /** The leader epoch and the end of the log of the cluster's metadata. */
  readonly quorum: { readonly leaderEpoch: number; readonly logEndOffset: number }
}

/** The topics whose logs are open on a node. */
export interface TopicNode {
  readonly topics: ReadonlyMap<string, Topic>
  readonly storage: Storage
  /** The topic by its id when one is given, else by its name. */
  findTopic(name: string, topicId: string): Topic | undefined
  /** The error for a topic that `findTopic` did not find. */
  unknownTopicError(topicId: string): number
  /**
   * The number to answer with for what was thrown; an unforeseen error is told as an `error` event
   * as well.
   */
  errorNumberFor(error: unknown, during: string): number
}

/** A node that takes records, and holds producers back where a topic asks for it. */
export interface ProduceNode extends TopicNode {
  readonly backlog: Backlog
  /** Gives each producer an id that no other has or had. */
  readonly producerIds: { next(): MaybePromise<number> }
  readonly transactions: TransactionCoordinator
}

/** A node that hands out records. */
export interface FetchNode extends TopicNode {
  readonly clock: Clock
  readonly backlog: Backlog
  readonly delayedFetches: DelayedFetches
  readonly fetchSessions: FetchSessions
  readonly maxFetchBytes: number
  readonly fetchedBytes: FetchedBytes
  /** So long after its last fetch a client over the wire still counts as a reader. */
  readonly quietReaderMs: number
}

/** The decided state of the cluster, and the one way to change it. */
export interface ControllerNode {
  readonly nodeId: number
  readonly clock: Clock
  readonly random: Random
  readonly metadata: ClusterMetadata
  readonly configs: BrokerConfigs
  readonly loggers: BrokerLoggers
  readonly userMakers: UserMakers
  readonly controller: Controller
}

/**
 * All that handlers ask of a node. A handler names the narrowest of these interfaces that it needs.
 */
export interface Node extends NamedNode, ProduceNode, FetchNode, ControllerNode, GroupNode {
  readonly events: Emitter<BrokerEvents>
  findTopic(name: string, topicId: string): Topic | undefined
}
