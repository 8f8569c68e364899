import type { Api } from '../protocol/message.js'
import { AlterConfigs } from '../protocol/messages/alter-configs.js'
import { CreatePartitions } from '../protocol/messages/create-partitions.js'
import { CreateTopics } from '../protocol/messages/create-topics.js'
import { DeleteRecords } from '../protocol/messages/delete-records.js'
import { DeleteTopics } from '../protocol/messages/delete-topics.js'
import { DescribeCluster } from '../protocol/messages/describe-cluster.js'
import { DescribeConfigs } from '../protocol/messages/describe-configs.js'
import { Fetch } from '../protocol/messages/fetch.js'
import { IncrementalAlterConfigs } from '../protocol/messages/incremental-alter-configs.js'
import { ListOffsets } from '../protocol/messages/list-offsets.js'
import { Metadata } from '../protocol/messages/metadata.js'
import { OffsetForLeaderEpoch } from '../protocol/messages/offset-for-leader-epoch.js'
import { Produce } from '../protocol/messages/produce.js'
import type { Handler } from './handler.js'
import { alterConfigs } from './handlers/alter-configs.js'
import { createPartitions } from './handlers/create-partitions.js'
import { createTopics } from './handlers/create-topics.js'
import { deleteRecords } from './handlers/delete-records.js'
import { deleteTopics } from './handlers/delete-topics.js'
import { describeCluster } from './handlers/describe-cluster.js'
import { describeConfigs } from './handlers/describe-configs.js'
import { fetch } from './handlers/fetch.js'
import { incrementalAlterConfigs } from './handlers/incremental-alter-configs.js'
import { listOffsets } from './handlers/list-offsets.js'
import { metadata } from './handlers/metadata.js'
import { offsetForLeaderEpoch } from './handlers/offset-for-leader-epoch.js'
import { produce } from './handlers/produce.js'

// biome-ignore lint/suspicious/noExplicitAny: the table holds handlers of all kinds; `serve` made sure that each fits its API
const handlers: (Handler<any> | undefined)[] = []
const served: Api[] = []

function serve<A extends Api>(api: A, handler: Handler<A>): void {
  handlers[api.key] = handler
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

/** Who answers an API on a node; undefined for one that it does not serve. */
export function handlerOf<A extends Api>(api: A): Handler<A> | undefined {
  return handlers[api.key]
}

/** What a node serves. */
export const servedApis: readonly Api[] = served
