import type { Api } from '../protocol/message.js'
import { AddConditionsToTxn } from '../protocol/messages/add-conditions-to-txn.js'
import { AddOffsetsToTxn } from '../protocol/messages/add-offsets-to-txn.js'
import { AddPartitionsToTxn } from '../protocol/messages/add-partitions-to-txn.js'
import { AlterClientQuotas } from '../protocol/messages/alter-client-quotas.js'
import { AlterConfigs } from '../protocol/messages/alter-configs.js'
import { AlterPartitionReassignments } from '../protocol/messages/alter-partition-reassignments.js'
import { AlterReplicaLogDirs } from '../protocol/messages/alter-replica-log-dirs.js'
import { AlterUserScramCredentials } from '../protocol/messages/alter-user-scram-credentials.js'
import { ApiVersions } from '../protocol/messages/api-versions.js'
import { ConditionalAppend } from '../protocol/messages/conditional-append.js'
import { CreateAcls } from '../protocol/messages/create-acls.js'
import { CreatePartitions } from '../protocol/messages/create-partitions.js'
import { CreateTopics } from '../protocol/messages/create-topics.js'
import { DeleteAcls } from '../protocol/messages/delete-acls.js'
import { DeleteGroups } from '../protocol/messages/delete-groups.js'
import { DeleteRecords } from '../protocol/messages/delete-records.js'
import { DeleteTopics } from '../protocol/messages/delete-topics.js'
import { DescribeAcls } from '../protocol/messages/describe-acls.js'
import { DescribeClientQuotas } from '../protocol/messages/describe-client-quotas.js'
import { DescribeCluster } from '../protocol/messages/describe-cluster.js'
import { DescribeConfigs } from '../protocol/messages/describe-configs.js'
import { DescribeGroups } from '../protocol/messages/describe-groups.js'
import { DescribeLogDirs } from '../protocol/messages/describe-log-dirs.js'
import { DescribeProducers } from '../protocol/messages/describe-producers.js'
import { DescribeQuorum } from '../protocol/messages/describe-quorum.js'
import { DescribeTopicPartitions } from '../protocol/messages/describe-topic-partitions.js'
import { DescribeTransactions } from '../protocol/messages/describe-transactions.js'
import { DescribeUserScramCredentials } from '../protocol/messages/describe-user-scram-credentials.js'
import { ElectLeaders } from '../protocol/messages/elect-leaders.js'
import { EndTxn } from '../protocol/messages/end-txn.js'
import { Fetch } from '../protocol/messages/fetch.js'
import { FindCoordinator } from '../protocol/messages/find-coordinator.js'
import { Heartbeat } from '../protocol/messages/heartbeat.js'
import { IncrementalAlterConfigs } from '../protocol/messages/incremental-alter-configs.js'
import { InitProducerId } from '../protocol/messages/init-producer-id.js'
import { JoinGroup } from '../protocol/messages/join-group.js'
import { LeaveGroup } from '../protocol/messages/leave-group.js'
import { ListConfigResources } from '../protocol/messages/list-config-resources.js'
import { ListGroups } from '../protocol/messages/list-groups.js'
import { ListKeyOffsets } from '../protocol/messages/list-key-offsets.js'
import { ListOffsets } from '../protocol/messages/list-offsets.js'
import { ListPartitionReassignments } from '../protocol/messages/list-partition-reassignments.js'
import { ListTransactions } from '../protocol/messages/list-transactions.js'
import { Metadata } from '../protocol/messages/metadata.js'
import { OffsetCommit } from '../protocol/messages/offset-commit.js'
import { OffsetDelete } from '../protocol/messages/offset-delete.js'
import { OffsetFetch } from '../protocol/messages/offset-fetch.js'
import { OffsetForLeaderEpoch } from '../protocol/messages/offset-for-leader-epoch.js'
import { Produce } from '../protocol/messages/produce.js'
import { SyncGroup } from '../protocol/messages/sync-group.js'
import { TxnOffsetCommit } from '../protocol/messages/txn-offset-commit.js'
import { UpdateFeatures } from '../protocol/messages/update-features.js'
import { WriteTxnMarkers } from '../protocol/messages/write-txn-markers.js'
import type { Handler } from './handler.js'
import { addConditionsToTxn } from './handlers/add-conditions-to-txn.js'
import { addOffsetsToTxn } from './handlers/add-offsets-to-txn.js'
import { addPartitionsToTxn } from './handlers/add-partitions-to-txn.js'
import { alterClientQuotas } from './handlers/alter-client-quotas.js'
import { alterConfigs } from './handlers/alter-configs.js'
import { alterPartitionReassignments } from './handlers/alter-partition-reassignments.js'
import { alterReplicaLogDirs } from './handlers/alter-replica-log-dirs.js'
import { alterUserScramCredentials } from './handlers/alter-user-scram-credentials.js'
import { apiVersions } from './handlers/api-versions.js'
import { conditionalAppend } from './handlers/conditional-append.js'
import { createAcls } from './handlers/create-acls.js'
import { createPartitions } from './handlers/create-partitions.js'
import { createTopics } from './handlers/create-topics.js'
import { deleteAcls } from './handlers/delete-acls.js'
import { deleteGroups } from './handlers/delete-groups.js'
import { deleteRecords } from './handlers/delete-records.js'
import { deleteTopics } from './handlers/delete-topics.js'
import { describeAcls } from './handlers/describe-acls.js'
import { describeClientQuotas } from './handlers/describe-client-quotas.js'
import { describeCluster } from './handlers/describe-cluster.js'
import { describeConfigs } from './handlers/describe-configs.js'
import { describeGroups } from './handlers/describe-groups.js'
import { describeLogDirs } from './handlers/describe-log-dirs.js'
import { describeProducers } from './handlers/describe-producers.js'
import { describeQuorum } from './handlers/describe-quorum.js'
import { describeTopicPartitions } from './handlers/describe-topic-partitions.js'
import { describeTransactions } from './handlers/describe-transactions.js'
import { describeUserScramCredentials } from './handlers/describe-user-scram-credentials.js'
import { electLeaders } from './handlers/elect-leaders.js'
import { endTxn } from './handlers/end-txn.js'
import { fetch } from './handlers/fetch.js'
import { findCoordinator } from './handlers/find-coordinator.js'
import { heartbeat } from './handlers/heartbeat.js'
import { incrementalAlterConfigs } from './handlers/incremental-alter-configs.js'
import { initProducerId } from './handlers/init-producer-id.js'
import { joinGroup } from './handlers/join-group.js'
import { leaveGroup } from './handlers/leave-group.js'
import { listConfigResources } from './handlers/list-config-resources.js'
import { listGroups } from './handlers/list-groups.js'
import { listKeyOffsets } from './handlers/list-key-offsets.js'
import { listOffsets } from './handlers/list-offsets.js'
import { listPartitionReassignments } from './handlers/list-partition-reassignments.js'
import { listTransactions } from './handlers/list-transactions.js'
import { metadata } from './handlers/metadata.js'
import { offsetCommit } from './handlers/offset-commit.js'
import { offsetDelete } from './handlers/offset-delete.js'
import { offsetFetch } from './handlers/offset-fetch.js'
import { offsetForLeaderEpoch } from './handlers/offset-for-leader-epoch.js'
import { produce } from './handlers/produce.js'
import { syncGroup } from './handlers/sync-group.js'
import { txnOffsetCommit } from './handlers/txn-offset-commit.js'
import { updateFeatures } from './handlers/update-features.js'
import { writeTxnMarkers } from './handlers/write-txn-markers.js'

// biome-ignore lint/suspicious/noExplicitAny: the table holds handlers of all kinds; `serve` made sure that each fits its API
const handlers: (Handler<any> | undefined)[] = []
/** APIs with numbers beyond Kafka's: in the array above they would make it slow. */
// biome-ignore lint/suspicious/noExplicitAny: as above
const ownHandlers = new Map<number, Handler<any>>()
const served: Api[] = []

const firstOwnKey = 10_000

function serve<A extends Api>(api: A, handler: Handler<A>): void {
  if (api.key < firstOwnKey) handlers[api.key] = handler
  else ownHandlers.set(api.key, handler)
  served.push(api)
}

serve(Produce, produce)
serve(Fetch, fetch)
serve(ListOffsets, listOffsets)
serve(Metadata, metadata)
serve(CreateTopics, createTopics)
serve(DeleteTopics, deleteTopics)
serve(DeleteRecords, deleteRecords)
serve(OffsetForLeaderEpoch, offsetForLeaderEpoch)
serve(DescribeConfigs, describeConfigs)
serve(AlterConfigs, alterConfigs)
serve(CreatePartitions, createPartitions)
serve(IncrementalAlterConfigs, incrementalAlterConfigs)
serve(DescribeCluster, describeCluster)
serve(FindCoordinator, findCoordinator)
serve(JoinGroup, joinGroup)
serve(SyncGroup, syncGroup)
serve(Heartbeat, heartbeat)
serve(LeaveGroup, leaveGroup)
serve(OffsetCommit, offsetCommit)
serve(OffsetFetch, offsetFetch)
serve(OffsetDelete, offsetDelete)
serve(DescribeGroups, describeGroups)
serve(ListGroups, listGroups)
serve(DeleteGroups, deleteGroups)
serve(InitProducerId, initProducerId)
serve(AddPartitionsToTxn, addPartitionsToTxn)
serve(AddOffsetsToTxn, addOffsetsToTxn)
serve(EndTxn, endTxn)
serve(WriteTxnMarkers, writeTxnMarkers)
serve(TxnOffsetCommit, txnOffsetCommit)
serve(DescribeTransactions, describeTransactions)
serve(ListTransactions, listTransactions)
serve(DescribeLogDirs, describeLogDirs)
serve(DescribeTopicPartitions, describeTopicPartitions)
serve(ListConfigResources, listConfigResources)
serve(DescribeUserScramCredentials, describeUserScramCredentials)
serve(AlterUserScramCredentials, alterUserScramCredentials)
serve(DescribeClientQuotas, describeClientQuotas)
serve(AlterClientQuotas, alterClientQuotas)
serve(DescribeAcls, describeAcls)
serve(CreateAcls, createAcls)
serve(DeleteAcls, deleteAcls)
serve(AlterPartitionReassignments, alterPartitionReassignments)
serve(AlterReplicaLogDirs, alterReplicaLogDirs)
serve(DescribeProducers, describeProducers)
serve(DescribeQuorum, describeQuorum)
serve(ElectLeaders, electLeaders)
serve(ListPartitionReassignments, listPartitionReassignments)
serve(UpdateFeatures, updateFeatures)
serve(ConditionalAppend, conditionalAppend)
serve(AddConditionsToTxn, addConditionsToTxn)
serve(ListKeyOffsets, listKeyOffsets)
serve(ApiVersions, apiVersions(served))

/** The handler of an API on a node; undefined for one that it does not serve. */
export function handlerOf<A extends Api>(api: A): Handler<A> | undefined {
  return api.key < firstOwnKey ? handlers[api.key] : ownHandlers.get(api.key)
}

/** The APIs that a node serves. */
export const servedApis: readonly Api[] = served
