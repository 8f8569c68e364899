import { readInt16 } from '../common/bytes.js'
import type { Log } from '../log/log.js'
import { field, producerIdAt } from '../record/batch-header.js'

/** True if the batch goes on with a transaction that is open in a log. */
export function goesOn(log: Log, batch: Uint8Array): boolean {
  const known = log.producers.get(producerIdAt(batch, 0))
  return known !== undefined && known.transactionStart >= 0 && known.epoch === readInt16(batch, field.producerEpoch)
}
