import { historyOf, type Log } from '../log/log.js'
import { producerEpochAt, producerIdAt } from '../record/batch-header.js'

/** True if the batch goes on with a transaction that is open in a log. */
export function goesOn(log: Log, batch: Uint8Array): boolean {
  const known = historyOf(log).producers.get(producerIdAt(batch, 0))
  return known !== undefined && known.transactionStart >= 0 && known.epoch === producerEpochAt(batch, 0)
}
