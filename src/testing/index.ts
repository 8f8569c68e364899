// ---- For tests

export { type Random, seededRandom } from '../common/random.js'
export type { Broker, Brokers } from '../protocol/broker.js'
export type { DiskOperation } from './disk-failure.js'
export { type Hold, InterceptedBroker, type Rule, type RuleBuilder, type SeenRequest } from './intercepted-broker.js'
export type { MountOptions } from './mounted-disk.js'
export { type DiskFault, SimulatedDisk, type SimulatedDiskOptions } from './simulated-disk.js'
export { type ContractCase, type StorageUnderTest, storageContract } from './storage-contract.js'
export { VirtualClock } from './virtual-clock.js'

// ---- The tables that rules of an `InterceptedBroker` name most; `millrace/protocol` has all

export type { Api, RequestOf, ResponseOf } from '../protocol/message.js'
export { CreatePartitions } from '../protocol/messages/create-partitions.js'
export { CreateTopics } from '../protocol/messages/create-topics.js'
export { DeleteRecords } from '../protocol/messages/delete-records.js'
export { DeleteTopics } from '../protocol/messages/delete-topics.js'
export { Fetch } from '../protocol/messages/fetch.js'
export { FindCoordinator } from '../protocol/messages/find-coordinator.js'
export { Heartbeat } from '../protocol/messages/heartbeat.js'
export { JoinGroup } from '../protocol/messages/join-group.js'
export { LeaveGroup } from '../protocol/messages/leave-group.js'
export { ListOffsets } from '../protocol/messages/list-offsets.js'
export { Metadata } from '../protocol/messages/metadata.js'
export { OffsetCommit } from '../protocol/messages/offset-commit.js'
export { OffsetFetch } from '../protocol/messages/offset-fetch.js'
export { Produce } from '../protocol/messages/produce.js'
export { SyncGroup } from '../protocol/messages/sync-group.js'
