import { errorNumber } from '../../errors.js'
import { groupOffsetsTopic } from '../../metadata/topic-name.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { AddOffsetsToTxn } from '../../protocol/messages/add-offsets-to-txn.js'
import type { Node } from '../node.js'
import type { RequestContext } from '../request-context.js'
import { fencedFor } from '../transaction-errors.js'

/** From this version on clients know PRODUCER_FENCED. */
const fencedVersion = 2

/** Lets the partition of `__consumer_offsets` that keeps a group take part in a transaction. */
export async function addOffsetsToTxn(
  node: Node,
  { groupId, ...asker }: RequestOf<typeof AddOffsetsToTxn>,
  { apiVersion }: RequestContext
): Promise<ResponseOf<typeof AddOffsetsToTxn>> {
  const partitions = new Map([[groupOffsetsTopic, new Set([node.groups.partitionOf(groupId)])]])
  const error = await node.transactions.addPartitions(asker, partitions, 0)
  return { errorCode: errorNumber(fencedFor(error, apiVersion >= fencedVersion)) }
}
