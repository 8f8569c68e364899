/*
 * Operations that a client may carry out, as sums of 2 to the power of Kafka's number of each. Without an
 * authorizer, each client may carry out all that a resource has.
 */

/** Read, write, create, delete, alter, describe, describeConfigs, alterConfigs. */
export const allTopicOperations = 3576
/** Create, alter, describe, clusterAction, describeConfigs, alterConfigs and idempotentWrite. */
export const allClusterOperations = 8096
/** Read, delete, describe, describeConfigs, alterConfigs. */
export const allGroupOperations = 3400

/** Stands for operations that the client did not ask for. */
export const operationsNotAsked = -2147483648
