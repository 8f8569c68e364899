import { versionOfEndTxn } from '../../coordinator/transaction/transaction-coordinator.js'
import { errorNumber } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { EndTxn } from '../../protocol/messages/end-txn.js'
import type { Node } from '../node.js'
import type { RequestContext } from '../request-context.js'
import { fencedFor } from '../transaction-errors.js'

/** From this version on clients know PRODUCER_FENCED. */
const fencedVersion = 2

/**
 * Commits or aborts a transaction. The answer has the id and epoch that the producer goes on with,
 * where it speaks version 2 of transactions.
 */
export async function endTxn(
  node: Node,
  { committed, ...asker }: RequestOf<typeof EndTxn>,
  { apiVersion }: RequestContext
): Promise<ResponseOf<typeof EndTxn>> {
  const { error, ...producer } = await node.transactions.endTransaction(asker, committed, versionOfEndTxn(apiVersion))
  return { errorCode: errorNumber(fencedFor(error, apiVersion >= fencedVersion)), ...producer }
}
