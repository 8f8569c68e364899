import type { TransactionOptions } from '../coordinator/transaction/transaction-coordinator.js'
import type { BrokerConfigs } from '../metadata/broker-configs.js'
import type { Topic } from './topic.js'

/**
 * The options of transactions, from the broker's configs. A topic that exists already decides how
 * many partitions it has.
 */
export function transactionOptionsOf(configs: BrokerConfigs, existing: Topic | undefined): TransactionOptions {
  return {
    partitionCount: existing?.partitions.length ?? configs.number('transaction.state.log.num.partitions'),
    maxTimeoutMs: configs.number('transaction.max.timeout.ms'),
    abortIntervalMs: configs.number('transaction.abort.timed.out.transaction.cleanup.interval.ms'),
    idExpirationMs: configs.number('transactional.id.expiration.ms'),
    expirationIntervalMs: configs.number('transaction.remove.expired.transaction.cleanup.interval.ms'),
    maxTransactionalIds: configs.number('millrace.max.transactional.ids')
  }
}
