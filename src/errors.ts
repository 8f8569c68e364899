/**
 * Kafka's protocol errors: name → number on the wire, whether trying again can help, and what it
 * means. The names and numbers are Kafka's (`org.apache.kafka.common.protocol.Errors`).
 */
const protocolErrors = {
  UNKNOWN_SERVER_ERROR: [-1, false, 'The broker failed in an unexpected way'],
  NONE: [0, false, 'No error'],
  OFFSET_OUT_OF_RANGE: [1, false, 'The offset lies outside the range of offsets that the partition holds'],
  CORRUPT_MESSAGE: [2, true, 'A batch fails its checksum, has an impossible size, or is otherwise damaged'],
  UNKNOWN_TOPIC_OR_PARTITION: [3, true, 'There is no such topic or partition'],
  INVALID_FETCH_SIZE: [4, false, 'The fetch size is invalid'],
  LEADER_NOT_AVAILABLE: [5, true, 'The partition has no leader at the moment'],
  NOT_LEADER_OR_FOLLOWER: [6, true, 'This broker is neither the leader nor a suitable follower of the partition'],
  REQUEST_TIMED_OUT: [7, true, 'The request timed out'],
  BROKER_NOT_AVAILABLE: [8, false, 'The broker is not available'],
  REPLICA_NOT_AVAILABLE: [9, true, 'The replica is not available'],
  MESSAGE_TOO_LARGE: [10, false, 'The batch is larger than the topic accepts (max.message.bytes)'],
  STALE_CONTROLLER_EPOCH: [11, false, 'The controller has moved to another broker'],
  OFFSET_METADATA_TOO_LARGE: [12, false, 'The metadata string of a committed offset is too long'],
  NETWORK_EXCEPTION: [13, true, 'The connection ended before the response arrived'],
  COORDINATOR_LOAD_IN_PROGRESS: [14, true, 'The coordinator is still loading its state'],
  COORDINATOR_NOT_AVAILABLE: [15, true, 'The coordinator is not available'],
  NOT_COORDINATOR: [16, true, 'This broker is not the coordinator asked for'],
  INVALID_TOPIC_EXCEPTION: [17, false, 'The topic name is invalid, or the topic may not be used this way'],
  RECORD_LIST_TOO_LARGE: [18, false, 'The batch is larger than a segment may become (segment.bytes)'],
  NOT_ENOUGH_REPLICAS: [19, true, 'Fewer replicas are in sync than min.insync.replicas asks for'],
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: [20, true, 'The batch was written, but to fewer replicas than min.insync.replicas asks for'],
  INVALID_REQUIRED_ACKS: [21, false, 'acks must be 0, 1 or -1 (all)'],
  ILLEGAL_GENERATION: [22, false, 'The generation is not the current one of the group'],
  INCONSISTENT_GROUP_PROTOCOL: [23, false, "The member's protocol type or protocols do not match those of the group"],
  INVALID_GROUP_ID: [24, false, 'The group id is invalid'],
  UNKNOWN_MEMBER_ID: [25, false, 'The group has no such member'],
  INVALID_SESSION_TIMEOUT: [26, false, 'The session timeout lies outside what the broker allows'],
  REBALANCE_IN_PROGRESS: [27, false, 'The group is rebalancing, so its members must join again'],
  INVALID_COMMIT_OFFSET_SIZE: [28, false, 'The size of the committed offset data is invalid'],
  TOPIC_AUTHORIZATION_FAILED: [29, false, 'Not authorized for the topic'],
  GROUP_AUTHORIZATION_FAILED: [30, false, 'Not authorized for the group'],
  CLUSTER_AUTHORIZATION_FAILED: [31, false, 'Not authorized for the cluster'],
  INVALID_TIMESTAMP: [32, false, 'The timestamp of a record is out of the accepted range'],
  UNSUPPORTED_SASL_MECHANISM: [33, false, 'The broker does not support this SASL mechanism'],
  ILLEGAL_SASL_STATE: [34, false, 'The request does not fit the state of the SASL exchange'],
  UNSUPPORTED_VERSION: [35, false, 'This version of the API is not supported'],
  TOPIC_ALREADY_EXISTS: [36, false, 'A topic of this name exists already'],
  INVALID_PARTITIONS: [37, false, 'The number of partitions is invalid'],
  INVALID_REPLICATION_FACTOR: [38, false, 'The replication factor is below 1 or above the number of brokers'],
  INVALID_REPLICA_ASSIGNMENT: [39, false, 'The replica assignment is invalid'],
  INVALID_CONFIG: [40, false, 'The configuration is invalid'],
  NOT_CONTROLLER: [41, true, 'This broker is not the controller'],
  INVALID_REQUEST: [42, false, 'The request is malformed'],
  UNSUPPORTED_FOR_MESSAGE_FORMAT: [43, false, 'The message format does not support this request'],
  POLICY_VIOLATION: [44, false, 'The request violates a policy'],
  OUT_OF_ORDER_SEQUENCE_NUMBER: [45, false, 'The sequence number does not follow the last one of this producer'],
  DUPLICATE_SEQUENCE_NUMBER: [46, false, 'The sequence number was used before'],
  INVALID_PRODUCER_EPOCH: [47, false, 'The producer epoch is older than the current one'],
  INVALID_TXN_STATE: [48, false, 'The transaction is not in a state that allows this'],
  INVALID_PRODUCER_ID_MAPPING: [49, false, 'The producer id is not the one assigned to the transactional id'],
  INVALID_TRANSACTION_TIMEOUT: [50, false, 'The transaction timeout is larger than the broker allows'],
  CONCURRENT_TRANSACTIONS: [51, true, 'Another operation on the same transaction is still under way'],
  TRANSACTION_COORDINATOR_FENCED: [52, false, 'The transaction coordinator has been replaced'],
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: [53, false, 'Not authorized for the transactional id'],
  SECURITY_DISABLED: [54, false, 'Security features are disabled'],
  OPERATION_NOT_ATTEMPTED: [55, false, 'The operation was not attempted'],
  KAFKA_STORAGE_ERROR: [56, true, 'The storage of the partition failed'],
  LOG_DIR_NOT_FOUND: [57, false, 'There is no such log directory'],
  SASL_AUTHENTICATION_FAILED: [58, false, 'Authentication failed'],
  UNKNOWN_PRODUCER_ID: [59, false, 'The producer id is not known to the partition'],
  REASSIGNMENT_IN_PROGRESS: [60, false, 'A reassignment of partitions is in progress'],
  NON_EMPTY_GROUP: [68, false, 'The group still has members'],
  GROUP_ID_NOT_FOUND: [69, false, 'There is no such group'],
  FETCH_SESSION_ID_NOT_FOUND: [70, true, 'There is no such fetch session'],
  INVALID_FETCH_SESSION_EPOCH: [71, true, 'The fetch session epoch is invalid'],
  LISTENER_NOT_FOUND: [72, true, 'The leader has no listener that matches'],
  TOPIC_DELETION_DISABLED: [73, false, 'Deleting topics is disabled'],
  FENCED_LEADER_EPOCH: [74, true, 'The leader epoch is older than the current one'],
  UNKNOWN_LEADER_EPOCH: [75, true, 'The leader epoch is newer than any that this broker knows'],
  UNSUPPORTED_COMPRESSION_TYPE: [76, false, 'The compression type is not supported'],
  STALE_BROKER_EPOCH: [77, false, 'The broker epoch has changed'],
  OFFSET_NOT_AVAILABLE: [78, true, 'The high watermark has not caught up after an election'],
  MEMBER_ID_REQUIRED: [79, false, 'The member must join again with the member id it was given'],
  PREFERRED_LEADER_NOT_AVAILABLE: [80, true, 'The preferred leader is not available'],
  GROUP_MAX_SIZE_REACHED: [81, false, 'The group has reached its maximum size'],
  FENCED_INSTANCE_ID: [82, false, 'Another member has taken over this group instance id'],
  ELIGIBLE_LEADERS_NOT_AVAILABLE: [83, true, 'No eligible leader is available'],
  ELECTION_NOT_NEEDED: [84, true, 'The partition needs no election'],
  NO_REASSIGNMENT_IN_PROGRESS: [85, false, 'No reassignment is in progress'],
  GROUP_SUBSCRIBED_TO_TOPIC: [86, false, 'The group is subscribed to the topic, so its offsets may not be deleted'],
  INVALID_RECORD: [87, false, 'A record failed validation'],
  UNSTABLE_OFFSET_COMMIT: [88, true, 'Offsets of an open transaction are pending'],
  THROTTLING_QUOTA_EXCEEDED: [89, true, 'A quota is exceeded'],
  PRODUCER_FENCED: [90, false, 'A newer producer with the same transactional id has taken over'],
  RESOURCE_NOT_FOUND: [91, false, 'There is no such resource'],
  DUPLICATE_RESOURCE: [92, false, 'The request names a resource twice'],
  UNACCEPTABLE_CREDENTIAL: [93, false, 'The credential is not acceptable'],
  INVALID_UPDATE_VERSION: [95, false, 'The feature cannot have this level'],
  UNKNOWN_TOPIC_ID: [100, true, 'There is no topic with this id'],
  INCONSISTENT_TOPIC_ID: [103, true, "The topic id does not match the log's"],
  INCONSISTENT_CLUSTER_ID: [104, false, 'The cluster id does not match'],
  TRANSACTIONAL_ID_NOT_FOUND: [105, false, 'There is no such transactional id'],
  FETCH_SESSION_TOPIC_ID_ERROR: [106, true, 'The fetch session names topics by id here and by name there'],
  FENCED_MEMBER_EPOCH: [110, false, 'The member epoch is fenced; the member must join again'],
  UNRELEASED_INSTANCE_ID: [111, false, 'The group instance id is still in use by another member'],
  UNSUPPORTED_ASSIGNOR: [112, false, 'The assignor is not supported by the group'],
  STALE_MEMBER_EPOCH: [113, false, 'The member epoch is stale'],
  MISMATCHED_ENDPOINT_TYPE: [114, false, 'The request went to an endpoint of the wrong type'],
  UNSUPPORTED_ENDPOINT_TYPE: [115, false, 'There is no such type of endpoint'],
  TRANSACTION_ABORTABLE: [120, false, 'The transaction met an error; abort it to go on'],
  INVALID_REGULAR_EXPRESSION: [128, false, 'The regular expression is invalid'],
  REBOOTSTRAP_REQUIRED: [129, false, 'The client must bootstrap again']
} as const satisfies Record<string, readonly [number, boolean, string]>

/** Failures that arise in a client and never travel on the wire. */
const clientErrors = {
  CLOSED: [undefined, false, 'It is closed'],
  CONFLICT: [undefined, false, 'What a conditional append relied on has changed'],
  SERIALIZATION: [undefined, false, 'A key or value could not be serialized'],
  DESERIALIZATION: [undefined, false, 'A key or value could not be decoded, or is not valid'],
  DELIVERY_FAILED: [undefined, false, 'Some of the records could not be delivered'],
  NO_OFFSET_FOR_PARTITION: [undefined, false, 'No offset is committed for the partition, and autoOffsetReset is none'],
  STORAGE_FAILED: [undefined, false, 'The storage failed']
} as const satisfies Record<string, readonly [undefined, boolean, string]>

const errors = { ...protocolErrors, ...clientErrors }

/** The name of an error of Kafka's protocol, as it stands in responses. */
export type ProtocolErrorCode = keyof typeof protocolErrors
/** The codes of a `KafkaError`: Kafka's protocol errors and those that only arise in a client. */
export type ErrorCode = ProtocolErrorCode | keyof typeof clientErrors

const codeByNumber = new Map<number, ProtocolErrorCode>()
for (const code of Object.keys(protocolErrors) as ProtocolErrorCode[]) codeByNumber.set(protocolErrors[code][0], code)

/** The number that stands for an error on the wire. */
export function errorNumber(code: ProtocolErrorCode): number {
  return protocolErrors[code][0]
}

/**
 * The error that a number on the wire stands for; one we do not know reads as
 * `UNKNOWN_SERVER_ERROR`.
 */
export function errorCodeOf(number: number): ProtocolErrorCode {
  return codeByNumber.get(number) ?? 'UNKNOWN_SERVER_ERROR'
}

/** The place and the cause of an error. */
export interface KafkaErrorDetail {
  readonly topic?: string
  readonly partition?: number
  /** The offset at which it happened. */
  readonly offset?: number
  /** The damaged file, by its name in the storage. */
  readonly file?: string
  /** The position in the file, in bytes. */
  readonly position?: number
  /** The line of a text file, from 1. */
  readonly line?: number
  readonly cause?: unknown
}

/**
 * The error for faults of data, groups or the cluster. Branch on `code`, which is Kafka's own name
 * for the error; `retriable` says whether the same call may succeed later. A mistake in a call's
 * arguments is a `TypeError` instead.
 *
 * ```ts
 * try { await producer.send('orders', { value }) }
 * catch (error) { if (error instanceof KafkaError && error.code === 'MESSAGE_TOO_LARGE') … }
 * ```
 */
export class KafkaError extends Error {
  override readonly name = 'KafkaError'
  readonly code: ErrorCode
  readonly retriable: boolean
  readonly topic?: string
  readonly partition?: number
  /** The offset at which it happened, where the error is about one. */
  readonly offset?: number
  /** The damaged file, by its name in the storage, where the error is about one. */
  readonly file?: string
  /** The position in `file` at which the damage begins, in bytes. */
  readonly position?: number
  /** The damaged line of `file`, from 1, where it is a text file. */
  readonly line?: number

  constructor(code: ErrorCode, message?: string, detail: KafkaErrorDetail = {}) {
    if (!Object.hasOwn(errors, code))
      throw new TypeError(`Expected \`code\` to be an error code, 'MESSAGE_TOO_LARGE' for one, got \`${String(code)}\``)
    super(message ?? errors[code][2], detail.cause === undefined ? undefined : { cause: detail.cause })
    this.code = code
    this.retriable = errors[code][1]
    if (detail.topic !== undefined) this.topic = detail.topic
    if (detail.partition !== undefined) this.partition = detail.partition
    if (detail.offset !== undefined) this.offset = detail.offset
    if (detail.file !== undefined) this.file = detail.file
    if (detail.position !== undefined) this.position = detail.position
    if (detail.line !== undefined) this.line = detail.line
  }

  /** The error behind a non-zero error number of a response. */
  static fromNumber(number: number, message?: string | null, detail?: KafkaErrorDetail): KafkaError {
    if (!Number.isInteger(number))
      throw new TypeError(`Expected \`number\` to be an error number of Kafka's, an integer, got \`${String(number)}\``)
    return new KafkaError(errorCodeOf(number), message || undefined, detail)
  }
}

/** A key whose last offset is another one than a conditional append expected. */
export interface KeyConflict {
  /** Its bytes, as the condition gave them. */
  readonly key: Uint8Array
  /** The offset of its last record now; `'none'` where it has none. */
  readonly lastOffset: number | 'none'
}

/**
 * A conditional append was refused, with code `CONFLICT`, and nothing was written: what it relied
 * on has changed.
 */
export class ConflictError extends KafkaError {
  /** The end offset of the partition when the condition was checked. */
  readonly endOffset: number
  /** The keys whose last offsets are others than expected. */
  readonly keys: readonly KeyConflict[]

  constructor(message: string, detail: KafkaErrorDetail & { readonly endOffset: number; readonly keys?: readonly KeyConflict[] }) {
    super('CONFLICT', message, detail)
    this.endOffset = detail.endOffset
    this.keys = detail.keys ?? []
  }

  /**
   * The offset of the last record of the key, now; `'none'` where it has none. Of several keys that
   * of the first; undefined where the condition was on no key.
   */
  get lastOffset(): number | 'none' | undefined {
    return this.keys[0]?.lastOffset
  }
}

/**
 * The number to answer with for whatever a handler threw: its own for a protocol error, else
 * `UNKNOWN_SERVER_ERROR`.
 */
export function errorNumberOf(error: unknown): number {
  if (!(error instanceof KafkaError)) return protocolErrors.UNKNOWN_SERVER_ERROR[0]
  return errors[error.code][0] ?? protocolErrors.UNKNOWN_SERVER_ERROR[0]
}
