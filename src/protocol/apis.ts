import type { Api } from './message.js'
import { AddConditionsToTxn } from './messages/add-conditions-to-txn.js'
import { AddOffsetsToTxn } from './messages/add-offsets-to-txn.js'
import { AddPartitionsToTxn } from './messages/add-partitions-to-txn.js'
import { AlterClientQuotas } from './messages/alter-client-quotas.js'
import { AlterConfigs } from './messages/alter-configs.js'
import { AlterPartitionReassignments } from './messages/alter-partition-reassignments.js'
import { AlterReplicaLogDirs } from './messages/alter-replica-log-dirs.js'
import { AlterUserScramCredentials } from './messages/alter-user-scram-credentials.js'
import { ApiVersions } from './messages/api-versions.js'
import { ConditionalAppend } from './messages/conditional-append.js'
import { CreateAcls } from './messages/create-acls.js'
import { CreatePartitions } from './messages/create-partitions.js'
import { CreateTopics } from './messages/create-topics.js'
import { DeleteAcls } from './messages/delete-acls.js'
import { DeleteGroups } from './messages/delete-groups.js'
import { DeleteRecords } from './messages/delete-records.js'
import { DeleteTopics } from './messages/delete-topics.js'
import { DescribeAcls } from './messages/describe-acls.js'
import { DescribeClientQuotas } from './messages/describe-client-quotas.js'
import { DescribeCluster } from './messages/describe-cluster.js'
import { DescribeConfigs } from './messages/describe-configs.js'
import { DescribeGroups } from './messages/describe-groups.js'
import { DescribeLogDirs } from './messages/describe-log-dirs.js'
import { DescribeProducers } from './messages/describe-producers.js'
import { DescribeQuorum } from './messages/describe-quorum.js'
import { DescribeTopicPartitions } from './messages/describe-topic-partitions.js'
import { DescribeTransactions } from './messages/describe-transactions.js'
import { DescribeUserScramCredentials } from './messages/describe-user-scram-credentials.js'
import { ElectLeaders } from './messages/elect-leaders.js'
import { EndTxn } from './messages/end-txn.js'
import { Fetch } from './messages/fetch.js'
import { FindCoordinator } from './messages/find-coordinator.js'
import { Heartbeat } from './messages/heartbeat.js'
import { IncrementalAlterConfigs } from './messages/incremental-alter-configs.js'
import { InitProducerId } from './messages/init-producer-id.js'
import { JoinGroup } from './messages/join-group.js'
import { LeaveGroup } from './messages/leave-group.js'
import { ListConfigResources } from './messages/list-config-resources.js'
import { ListGroups } from './messages/list-groups.js'
import { ListKeyOffsets } from './messages/list-key-offsets.js'
import { ListOffsets } from './messages/list-offsets.js'
import { ListPartitionReassignments } from './messages/list-partition-reassignments.js'
import { ListTransactions } from './messages/list-transactions.js'
import { Metadata } from './messages/metadata.js'
import { OffsetCommit } from './messages/offset-commit.js'
import { OffsetDelete } from './messages/offset-delete.js'
import { OffsetFetch } from './messages/offset-fetch.js'
import { OffsetForLeaderEpoch } from './messages/offset-for-leader-epoch.js'
import { Produce } from './messages/produce.js'
import { SaslAuthenticate } from './messages/sasl-authenticate.js'
import { SaslHandshake } from './messages/sasl-handshake.js'
import { SyncGroup } from './messages/sync-group.js'
import { TxnOffsetCommit } from './messages/txn-offset-commit.js'
import { UpdateFeatures } from './messages/update-features.js'
import { WriteTxnMarkers } from './messages/write-txn-markers.js'

/** The APIs of Kafka's that millrace speaks, by their number. */
export const apis: readonly Api[] = [
  Produce,
  Fetch,
  ListOffsets,
  Metadata,
  OffsetCommit,
  OffsetFetch,
  FindCoordinator,
  JoinGroup,
  Heartbeat,
  LeaveGroup,
  SyncGroup,
  DescribeGroups,
  ListGroups,
  SaslHandshake,
  ApiVersions,
  CreateTopics,
  DeleteTopics,
  DeleteRecords,
  InitProducerId,
  OffsetForLeaderEpoch,
  AddPartitionsToTxn,
  AddOffsetsToTxn,
  EndTxn,
  WriteTxnMarkers,
  TxnOffsetCommit,
  DescribeAcls,
  CreateAcls,
  DeleteAcls,
  DescribeConfigs,
  AlterConfigs,
  AlterReplicaLogDirs,
  DescribeLogDirs,
  SaslAuthenticate,
  CreatePartitions,
  DeleteGroups,
  ElectLeaders,
  IncrementalAlterConfigs,
  AlterPartitionReassignments,
  ListPartitionReassignments,
  OffsetDelete,
  DescribeClientQuotas,
  AlterClientQuotas,
  DescribeUserScramCredentials,
  AlterUserScramCredentials,
  DescribeQuorum,
  UpdateFeatures,
  DescribeCluster,
  DescribeProducers,
  DescribeTransactions,
  ListTransactions,
  ListConfigResources,
  DescribeTopicPartitions
]

/**
 * The APIs that only millrace has, with numbers beyond Kafka's. They are told to clients of this
 * library alone.
 */
export const ownApis: readonly Api[] = [ConditionalAppend, ListKeyOffsets, AddConditionsToTxn]

/**
 * The APIs that are about a connection: a listener answers them by itself, also before the client
 * has proved who it is.
 */
export const connectionApis: readonly Api[] = [ApiVersions, SaslHandshake, SaslAuthenticate]
