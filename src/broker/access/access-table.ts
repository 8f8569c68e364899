import type { MaybePromise } from '../../common/deferred.js'
import { KafkaError } from '../../errors.js'
import { usersIn } from '../../metadata/scram-credentials.js'
import type { Api, ResponseOf } from '../../protocol/message.js'
import { AddConditionsToTxn } from '../../protocol/messages/add-conditions-to-txn.js'
import { AddOffsetsToTxn } from '../../protocol/messages/add-offsets-to-txn.js'
import { AddPartitionsToTxn } from '../../protocol/messages/add-partitions-to-txn.js'
import { AlterClientQuotas } from '../../protocol/messages/alter-client-quotas.js'
import { AlterConfigs } from '../../protocol/messages/alter-configs.js'
import { AlterPartitionReassignments } from '../../protocol/messages/alter-partition-reassignments.js'
import { AlterReplicaLogDirs } from '../../protocol/messages/alter-replica-log-dirs.js'
import { AlterUserScramCredentials } from '../../protocol/messages/alter-user-scram-credentials.js'
import { ApiVersions } from '../../protocol/messages/api-versions.js'
import { ConditionalAppend } from '../../protocol/messages/conditional-append.js'
import { CreateAcls } from '../../protocol/messages/create-acls.js'
import { CreatePartitions } from '../../protocol/messages/create-partitions.js'
import { CreateTopics } from '../../protocol/messages/create-topics.js'
import { DeleteAcls } from '../../protocol/messages/delete-acls.js'
import { DeleteGroups } from '../../protocol/messages/delete-groups.js'
import { DeleteRecords } from '../../protocol/messages/delete-records.js'
import { DeleteTopics } from '../../protocol/messages/delete-topics.js'
import { DescribeAcls } from '../../protocol/messages/describe-acls.js'
import { DescribeClientQuotas } from '../../protocol/messages/describe-client-quotas.js'
import { DescribeCluster } from '../../protocol/messages/describe-cluster.js'
import { DescribeConfigs } from '../../protocol/messages/describe-configs.js'
import { DescribeGroups } from '../../protocol/messages/describe-groups.js'
import { DescribeLogDirs } from '../../protocol/messages/describe-log-dirs.js'
import { DescribeProducers } from '../../protocol/messages/describe-producers.js'
import { DescribeQuorum } from '../../protocol/messages/describe-quorum.js'
import { DescribeTopicPartitions } from '../../protocol/messages/describe-topic-partitions.js'
import { DescribeTransactions } from '../../protocol/messages/describe-transactions.js'
import { DescribeUserScramCredentials } from '../../protocol/messages/describe-user-scram-credentials.js'
import { ElectLeaders } from '../../protocol/messages/elect-leaders.js'
import { EndTxn } from '../../protocol/messages/end-txn.js'
import { Fetch } from '../../protocol/messages/fetch.js'
import { FindCoordinator } from '../../protocol/messages/find-coordinator.js'
import { Heartbeat } from '../../protocol/messages/heartbeat.js'
import { IncrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.js'
import { InitProducerId } from '../../protocol/messages/init-producer-id.js'
import { JoinGroup } from '../../protocol/messages/join-group.js'
import { LeaveGroup } from '../../protocol/messages/leave-group.js'
import { ListConfigResources } from '../../protocol/messages/list-config-resources.js'
import { ListGroups } from '../../protocol/messages/list-groups.js'
import { ListKeyOffsets } from '../../protocol/messages/list-key-offsets.js'
import { ListOffsets } from '../../protocol/messages/list-offsets.js'
import { ListPartitionReassignments } from '../../protocol/messages/list-partition-reassignments.js'
import { ListTransactions } from '../../protocol/messages/list-transactions.js'
import { Metadata } from '../../protocol/messages/metadata.js'
import { OffsetCommit } from '../../protocol/messages/offset-commit.js'
import { OffsetDelete } from '../../protocol/messages/offset-delete.js'
import { OffsetFetch } from '../../protocol/messages/offset-fetch.js'
import { OffsetForLeaderEpoch } from '../../protocol/messages/offset-for-leader-epoch.js'
import { Produce } from '../../protocol/messages/produce.js'
import { SyncGroup } from '../../protocol/messages/sync-group.js'
import { TxnOffsetCommit } from '../../protocol/messages/txn-offset-commit.js'
import { UpdateFeatures } from '../../protocol/messages/update-features.js'
import { WriteTxnMarkers } from '../../protocol/messages/write-txn-markers.js'
import { alterConfigsGuard, clusterGuard, describeClusterGuard, describeConfigsGuard, initProducerIdGuard } from './cluster-guards.js'
import {
  deleteGroupsGuard,
  describeGroupsGuard,
  findCoordinatorGuard,
  joinGroupGuard,
  listGroupsGuard,
  memberGuard,
  offsetCommitGuard,
  offsetDeleteGuard,
  offsetFetchGuard
} from './group-guards.js'
import { clusterDenied, type Guard, type Guarded, groupDenied } from './guard.js'
import {
  conditionalAppendGuard,
  createPartitionsGuard,
  createTopicsGuard,
  deleteRecordsGuard,
  deleteTopicsGuard,
  describeProducersGuard,
  describeTopicPartitionsGuard,
  listKeyOffsetsGuard,
  listOffsetsGuard,
  metadataGuard,
  offsetForLeaderEpochGuard,
  produceGuard
} from './topic-guards.js'
import {
  addConditionsToTxnGuard,
  addOffsetsToTxnGuard,
  addPartitionsToTxnGuard,
  describeTransactionsGuard,
  endTxnGuard,
  listTransactionsGuard,
  txnOffsetCommitGuard,
  writeTxnMarkersGuard
} from './transaction-guards.js'

/*
 * Kafka's table of rights: what each API takes. `open` stands for APIs that take none, and for
 * Fetch, whose handler asks for each partition that it reads (read on the topic). An API that is
 * missing here is refused to every client that may not do everything.
 *
 *     Produce                       write on the topic; write on the transactional id
 *     ConditionalAppend             write on the topic
 *     AddConditionsToTxn            write on the transactional id, and on the topic
 *     ListKeyOffsets                read or write on the topic
 *     ListOffsets, Metadata,        describe on the topic; Metadata that makes a topic, create on it or the cluster
 *       DescribeTopicPartitions
 *     OffsetForLeaderEpoch          describe on the topic, or clusterAction
 *     CreateTopics                  create on the topic or the cluster; describeConfigs, to be told its configs
 *     CreatePartitions              alter on the topic
 *     DeleteTopics                  delete on the topic or the cluster, describe to be told that it exists
 *     DeleteRecords                 delete on the topic
 *     FindCoordinator               describe on the group or transactional id
 *     JoinGroup, SyncGroup,         read on the group
 *       Heartbeat, LeaveGroup
 *     OffsetCommit                  read on the group, and on the topic
 *     OffsetFetch                   describe on the group, and on the topic
 *     OffsetDelete                  delete on the group, read on the topic
 *     DescribeGroups, ListGroups    describe on the group; ListGroups, or on the cluster
 *     DeleteGroups                  delete on the group
 *     DescribeConfigs               describeConfigs on the topic or group, and on the cluster for a broker
 *     AlterConfigs,                 alterConfigs likewise
 *       IncrementalAlterConfigs
 *     InitProducerId                idempotentWrite on the cluster, or write on any topic; write on the transactional id
 *     AddPartitionsToTxn            write on the transactional id, and on the topic; of brokers, clusterAction
 *     AddOffsetsToTxn               write on the transactional id, read on the group
 *     TxnOffsetCommit               write on the transactional id, read on the group, and on the topic
 *     EndTxn                        write on the transactional id
 *     WriteTxnMarkers               alter or clusterAction on the cluster
 *     DescribeTransactions,         describe on the transactional id; DescribeTransactions, on the topic to be told of it
 *       ListTransactions
 *     DescribeProducers             read on the topic
 *     DescribeAcls, DescribeLogDirs,  describe on the cluster
 *       DescribeUserScramCredentials, DescribeQuorum, ListPartitionReassignments
 *     CreateAcls, DeleteAcls,       alter on the cluster
 *       AlterUserScramCredentials, AlterReplicaLogDirs, AlterPartitionReassignments, ElectLeaders, UpdateFeatures
 *     ListConfigResources, DescribeClientQuotas  describeConfigs on the cluster
 *     AlterClientQuotas             alterConfigs on the cluster
 */

// biome-ignore lint/suspicious/noExplicitAny: the table holds guards of all kinds; `guard` made sure that each fits its API
const guards = new Map<number, Guard<any>>()

function guard<A extends Api>(api: A, by: Guard<A>): void {
  guards.set(api.key, by)
}

function open<A extends Api>({ request, answer }: Guarded<A>): MaybePromise<ResponseOf<A>> {
  return answer(request)
}

const deniedMessage = 'Not authorized for the cluster'

guard(ApiVersions, open)
guard(Fetch, open)
guard(Produce, produceGuard)
guard(ConditionalAppend, conditionalAppendGuard)
guard(AddConditionsToTxn, addConditionsToTxnGuard)
guard(ListKeyOffsets, listKeyOffsetsGuard)
guard(ListOffsets, listOffsetsGuard)
guard(Metadata, metadataGuard)
guard(DescribeTopicPartitions, describeTopicPartitionsGuard)
guard(OffsetForLeaderEpoch, offsetForLeaderEpochGuard)
guard(CreateTopics, createTopicsGuard)
guard(CreatePartitions, createPartitionsGuard)
guard(DeleteTopics, deleteTopicsGuard)
guard(DeleteRecords, deleteRecordsGuard)
guard(FindCoordinator, findCoordinatorGuard)
guard(JoinGroup, joinGroupGuard)
guard(
  SyncGroup,
  memberGuard<typeof SyncGroup>(() => ({ errorCode: groupDenied, assignment: new Uint8Array(0) }))
)
guard(
  Heartbeat,
  memberGuard<typeof Heartbeat>(() => ({ errorCode: groupDenied }))
)
guard(
  LeaveGroup,
  memberGuard<typeof LeaveGroup>(() => ({ errorCode: groupDenied, members: [] }))
)
guard(OffsetCommit, offsetCommitGuard)
guard(OffsetFetch, offsetFetchGuard)
guard(OffsetDelete, offsetDeleteGuard)
guard(DescribeGroups, describeGroupsGuard)
guard(ListGroups, listGroupsGuard)
guard(DeleteGroups, deleteGroupsGuard)
guard(DescribeConfigs, describeConfigsGuard)
guard(AlterConfigs, alterConfigsGuard<typeof AlterConfigs>)
guard(IncrementalAlterConfigs, alterConfigsGuard<typeof IncrementalAlterConfigs>)
guard(InitProducerId, initProducerIdGuard)
guard(DescribeCluster, describeClusterGuard)
guard(AddPartitionsToTxn, addPartitionsToTxnGuard)
guard(AddOffsetsToTxn, addOffsetsToTxnGuard)
guard(EndTxn, endTxnGuard)
guard(WriteTxnMarkers, writeTxnMarkersGuard)
guard(TxnOffsetCommit, txnOffsetCommitGuard)
guard(DescribeTransactions, describeTransactionsGuard)
guard(ListTransactions, listTransactionsGuard)
guard(
  DescribeLogDirs,
  clusterGuard<typeof DescribeLogDirs>('describe', () => ({ errorCode: clusterDenied, results: [] }))
)
guard(
  ListConfigResources,
  clusterGuard<typeof ListConfigResources>('describeConfigs', () => ({ errorCode: clusterDenied, configResources: [] }))
)
guard(
  DescribeUserScramCredentials,
  clusterGuard<typeof DescribeUserScramCredentials>('describe', () => ({
    errorCode: clusterDenied,
    errorMessage: deniedMessage,
    results: []
  }))
)
guard(
  AlterUserScramCredentials,
  clusterGuard<typeof AlterUserScramCredentials>('alter', request => {
    return { results: usersIn(request).map(user => ({ user, errorCode: clusterDenied, errorMessage: deniedMessage })) }
  })
)
guard(
  DescribeAcls,
  clusterGuard<typeof DescribeAcls>('describe', () => ({ errorCode: clusterDenied, errorMessage: deniedMessage, resources: [] }))
)
guard(
  CreateAcls,
  clusterGuard<typeof CreateAcls>('alter', ({ creations }) => {
    return { results: creations.map(() => ({ errorCode: clusterDenied, errorMessage: deniedMessage })) }
  })
)
guard(
  DeleteAcls,
  clusterGuard<typeof DeleteAcls>('alter', ({ filters }) => {
    return { filterResults: filters.map(() => ({ errorCode: clusterDenied, errorMessage: deniedMessage, matchingAcls: [] })) }
  })
)

guard(
  DescribeClientQuotas,
  clusterGuard<typeof DescribeClientQuotas>('describeConfigs', () => {
    return { errorCode: clusterDenied, errorMessage: deniedMessage, entries: null }
  })
)
guard(
  AlterClientQuotas,
  clusterGuard<typeof AlterClientQuotas>('alterConfigs', ({ entries }) => {
    return { entries: entries.map(({ entity }) => ({ errorCode: clusterDenied, errorMessage: deniedMessage, entity })) }
  })
)
guard(DescribeProducers, describeProducersGuard)
guard(
  DescribeQuorum,
  clusterGuard<typeof DescribeQuorum>('describe', () => ({ errorCode: clusterDenied, errorMessage: deniedMessage, topics: [] }))
)
guard(
  ElectLeaders,
  clusterGuard<typeof ElectLeaders>('alter', ({ topicPartitions }) => {
    const error = { errorCode: clusterDenied, errorMessage: deniedMessage }
    const results = (topicPartitions ?? []).map(({ topic, partitions }) => {
      return { topic, partitionResult: partitions.map(partitionId => ({ partitionId, ...error })) }
    })
    return { errorCode: clusterDenied, replicaElectionResults: results }
  })
)
guard(
  AlterReplicaLogDirs,
  clusterGuard<typeof AlterReplicaLogDirs>('alter', ({ dirs }) => {
    const refused = ({ name, partitions }: { name: string; partitions: number[] }) => {
      return { topicName: name, partitions: partitions.map(partitionIndex => ({ partitionIndex, errorCode: clusterDenied })) }
    }
    return { results: dirs.flatMap(({ topics }) => topics.map(refused)) }
  })
)
guard(
  AlterPartitionReassignments,
  clusterGuard<typeof AlterPartitionReassignments>('alter', () => {
    return { errorCode: clusterDenied, errorMessage: deniedMessage, responses: [] }
  })
)
guard(
  ListPartitionReassignments,
  clusterGuard<typeof ListPartitionReassignments>('describe', () => {
    return { errorCode: clusterDenied, errorMessage: deniedMessage, topics: [] }
  })
)
guard(
  UpdateFeatures,
  clusterGuard<typeof UpdateFeatures>('alter', () => ({ errorCode: clusterDenied, errorMessage: deniedMessage }))
)

/** Answers a client that may not do everything: as far as it may, and with errors for the rest. */
export function answerGuarded<A extends Api>(api: A, guarded: Guarded<A>): MaybePromise<ResponseOf<A>> {
  const by: Guard<A> | undefined = guards.get(api.key)
  if (!by) throw new KafkaError('CLUSTER_AUTHORIZATION_FAILED', `${api.name} is for clients that may do everything`)
  return by(guarded)
}

/** The APIs that have an entry in the table. */
export const guardedApis: ReadonlySet<number> = new Set(guards.keys())
