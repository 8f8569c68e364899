import { errorNumber, errorNumberOf, KafkaError } from '../errors.js'

/**
 * The error number with which a coordinator answers when something failed below it, as Kafka
 * translates it for clients.
 */
export function coordinatorErrorNumber(error: unknown): number {
  if (!(error instanceof KafkaError)) return errorNumber('UNKNOWN_SERVER_ERROR')
  switch (error.code) {
    case 'UNKNOWN_TOPIC_OR_PARTITION':
    case 'NOT_ENOUGH_REPLICAS':
    case 'REQUEST_TIMED_OUT':
      return errorNumber('COORDINATOR_NOT_AVAILABLE')
    case 'NOT_LEADER_OR_FOLLOWER':
    case 'KAFKA_STORAGE_ERROR':
    case 'STORAGE_FAILED':
    case 'CLOSED':
      return errorNumber('NOT_COORDINATOR')
    case 'MESSAGE_TOO_LARGE':
    case 'RECORD_LIST_TOO_LARGE':
    case 'INVALID_FETCH_SIZE':
      return errorNumber('UNKNOWN_SERVER_ERROR')
    default:
      return errorNumberOf(error)
  }
}
