import { allOperationsOn } from '../authorizer/access.js'

/*
 * Operations that a client may carry out, as Kafka tells them. Without an authorizer, each client
 * may carry out all that a resource has.
 */

export const allTopicOperations = allOperationsOn('topic')
export const allClusterOperations = allOperationsOn('cluster')
export const allGroupOperations = allOperationsOn('group')

/** Stands for operations that the client did not ask for. */
export const operationsNotAsked = -2147483648
