/*
 * The public names of `millrace`, by hand. A heading that is followed by an empty line keeps its
 * names together: the formatter sorts within it.
 */

// ---- The cluster

export { Cluster, type ClusterOptions } from './cluster.js'
export { ClusterClient, type ClusterEvents, type ClusterParts } from './cluster-client.js'
export type { CloseOptions } from './common/closing.js'
export type { MaybePromise } from './common/deferred.js'
export type { Emitter } from './common/emitter.js'
export { release } from './common/lease.js'
export { ConflictError, type ErrorCode, KafkaError, type KafkaErrorDetail, type KeyConflict, type ProtocolErrorCode } from './errors.js'

// ---- Typed topics

export { bytes, float64, int32, int64, json, nullable, type Serde, string, uuid, validated } from './record/serde.js'
export type { StandardSchema } from './record/standard-schema.js'
export {
  type AnyTopic,
  type KeyOf,
  type SendableOf,
  type TopicConfigs,
  type TopicOptions,
  type TypedTopic,
  topic,
  type ValueOf
} from './record/topic.js'

// ---- Producing

export type { SendConditions } from './producer/conditional/conditions.js'
export type { ProducerOptions } from './producer/options.js'
export type { Partitioner, PartitionerContext } from './producer/partitioner.js'
export { Producer, type ProducerCloseOptions } from './producer/producer.js'
export type { DeliveredEvent, FailedEvent, ProducerEvents, RetryEvent } from './producer/producer-events.js'
export type { ProducerParts } from './producer/producer-parts.js'
export type { HeaderValue, ProducerHeaders, ProducerRecord, ProducerRecordOf } from './producer/producer-record.js'
export { type RecordMetadata, SendBatchError, type SendBatchFailure, type SendBatchResult, type SentRange } from './producer/receipt.js'
export type { SendOptions } from './producer/send-options.js'
export { Transaction, type TransactionCallOptions, type TransactionSendOptions } from './producer/transaction.js'

// ---- Consuming

export type { HandedOutBatch, OffsetToCommit, TransactionConsumer } from './client/transactional-offsets.js'
export { Consumer, type ConsumerCloseOptions, type PartitionLag, type PartitionOffset } from './consumer/consumer.js'
export type { BatchCursor, BatchOf, ConsumerBatch } from './consumer/consumer-batch.js'
export type { ConsumerEvents, OffsetReset, RecordsMissed } from './consumer/consumer-events.js'
export type { ConsumerOptions, KeysOf, RecordOf, ValuesOf } from './consumer/consumer-options.js'
export type { ConsumerParts } from './consumer/consumer-parts.js'
export type { ConsumerRecord } from './consumer/consumer-record.js'
export type { GenerationInfo } from './consumer/group/group-member-parts.js'
export type { LoopOptions, RecordIterator } from './consumer/loop/loop-reader.js'
export type { CommittedOffset } from './consumer/offsets/committer.js'
export type { FoundOffset } from './consumer/offsets/offset-lookup.js'
export type { AutoOffsetReset } from './consumer/offsets/offset-reset.js'
export { type RejectedRecord, RejectedRecordError, type Rejection } from './consumer/rejection.js'
export type { DeadLetter, DeadLetterProducer } from './consumer/run/dead-letter.js'
export type { HandlerContext, RetryPolicy, RunOptions } from './consumer/run/run-options.js'
export type { TopicSelector } from './consumer/source/subscription.js'
export type { ClusterNews, TopicNews } from './consumer/source/topic-watch.js'

// ---- Reading, transforming and writing exactly once

export { Pipe, type PipeCommitted, type PipeEvents, type PipeParts, type PipeRetry } from './pipe/pipe.js'
export type { PipeContext, PipeOptions, PipeOutput } from './pipe/pipe-options.js'

// ---- Assignors of consumer groups

export type { Assignor, AssignorMember, TopicPartition, TopicShape } from './assignor/assignor.js'
export { cooperativeStickyAssignor } from './assignor/cooperative-sticky.js'
export { rangeAssignor } from './assignor/range.js'
export { roundRobinAssignor } from './assignor/round-robin.js'
export { stickyAssignor } from './assignor/sticky.js'

// ---- Administering

export type { Acl, AclFilter, AclResource, NewAcl } from './admin/acls.js'
export { Admin, type AdminParts, type ClusterDescription } from './admin/admin.js'
export type { AdminCallOptions, AdminOptions } from './admin/admin-options.js'
export type {
  AlterClientQuotasOptions,
  ClientQuotaAlteration,
  ClientQuotaEntity,
  ClientQuotaFilter,
  ClientQuotas
} from './admin/client-quotas.js'
export type { AlterConfigsOptions, ConfigChanges, ConfigEntry, ConfigResource, ConfigSource } from './admin/configs.js'
export type { GroupOffset, ResetOffsetsOptions } from './admin/group-offsets.js'
export type { GroupDescription, GroupListing, GroupState, ListGroupsOptions, MemberDescription } from './admin/groups.js'
export type { KeyOffset, LastOffsetsOptions } from './admin/key-offsets.js'
export type { TopicPartitions } from './admin/member-assignment.js'
export type { ListedOffset, ListOffsetsOptions, OffsetSpec, RecordsBefore } from './admin/partition-offsets.js'
export type {
  CreatedTopic,
  CreateTopicsOptions,
  ListTopicsOptions,
  NewTopic,
  PartitionDescription,
  TopicDescription,
  TopicListing
} from './admin/topics.js'
export type { GroupEvent } from './coordinator/group/group-event.js'
export type {
  AccessRules,
  AclOperation,
  AclPatternType,
  AclPermission,
  AclResourceType,
  Authorize,
  AuthorizedOperation,
  AuthorizeRequest,
  ClientAccess
} from './protocol/access.js'
export type { ClientQuotaKey } from './protocol/quotas.js'

// ---- The node in this process

export type { BrokerEvents, RecordsLost } from './broker/events.js'
export { LocalBroker } from './broker/local-broker.js'
export type { LocalBrokerOptions } from './broker/local-broker-options.js'
export { Partition } from './broker/partition.js'
export type { ClientIdentity } from './broker/request-entry.js'
export { Topic } from './broker/topic.js'
export type { ConfigValues } from './metadata/broker-configs.js'
export type { ScramCredentialState } from './metadata/scram-state.js'
export type { ConnectionQuotas, MeteredBroker } from './protocol/quotas.js'
export type { BacklogPolicy, BacklogQuota } from './record/backlog-quota.js'

// ---- The log on its own

export { type AppendOrigin, type RecordError, RecordValidationError } from './log/append/batch-validation.js'
export type { CompactionReport, CompactOptions } from './log/compaction/compactor.js'
export type { Dirtiness } from './log/compaction/dirtiness.js'
export { type EpochEnd, type LeaderEpoch, LeaderEpochs } from './log/history/leader-epochs.js'
export type { AbortedTransaction } from './log/history/transaction-index.js'
export type { KeyCondition } from './log/keys/key-index.js'
export { Log } from './log/log.js'
export type { CleanupPolicy, CompleteLogOptions, LogCompression, LogOptions } from './log/log-options.js'
export type {
  AppendCondition,
  AppendInfo,
  AppendOptions,
  LogOpenOptions,
  ReadOptions,
  RemovalReason,
  RemovedSegments
} from './log/log-types.js'
export type { RecoveryReport, TornTail } from './log/recovery/recovery.js'
export type { TimestampedOffset } from './log/segment/timestamp-lookup.js'

// ---- Batches of records, as bytes

export { BatchBuilder, type BatchBuilderOptions, type BatchStamp } from './record/batch-builder.js'
export type { Keep } from './record/keep.js'
export type { Field, HeaderField, LogRecord, RecordFields, RecordHeader } from './record/record.js'
export { batchesIn, RecordBatch, type RecordBatchOptions } from './record/record-batch.js'
export { RecordCursor, type RecordCursorOptions } from './record/record-cursor.js'

// ---- Parts that can be plugged in

export type { Clock, Timer, TimerOptions } from './common/clock.js'
export { type Random, seededRandom, systemRandom } from './common/random.js'
export { systemClock } from './common/system-clock.js'
export type { Broker, Brokers } from './protocol/broker.js'
export type { Codec, CompressionType } from './record/compression/codec.js'
export { registerCodec } from './record/compression/codecs.js'
export { MemoryStorage, type MemoryStorageOptions, memoryStorage } from './storage/memory/memory.js'
export type { Storage, StorageFile } from './storage/storage.js'
