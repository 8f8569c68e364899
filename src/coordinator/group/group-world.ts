import type { Clock } from '../../common/clock.js'
import type { Random } from '../../common/random.js'
import type { Run } from '../../common/state-machine.js'
import { errorNumberOf, KafkaError } from '../../errors.js'
import type { GroupEvent } from './group-event.js'
import type { CompleteGroupOptions } from './group-options.js'
import type { GroupStore } from './group-store.js'
import type { GroupTally } from './group-tally.js'

/** What the parts of the coordinator of one partition share. */
export interface GroupWorld {
  readonly clock: Clock
  readonly random: Random
  readonly options: CompleteGroupOptions
  readonly store: GroupStore
  /** What all groups of the coordinator take, those of other partitions included. */
  readonly tally: GroupTally
  /** Carries out what a timeout decides, in its turn. */
  readonly run: Run
  emit(event: GroupEvent): void
  /** Whether a topic keeps its records for ever, so that offsets committed for it do not age. */
  readonly keepsForever?: ((topic: string) => boolean) | undefined
  /** The id of the topic that has a name at present; undefined where there is none. */
  readonly topicIdOf?: ((topic: string) => string | undefined) | undefined
}

/** What the caller of the coordinator is, as far as groups care. */
export interface GroupCaller {
  readonly clientId: string
  readonly clientHost: string
  readonly apiVersion: number
}

const numberOf = (code: ConstructorParameters<typeof KafkaError>[0]) => errorNumberOf(new KafkaError(code))

/** The error number with which a coordinator answers when something failed below it, as Kafka translates it for clients of groups. */
export function coordinatorErrorNumber(error: unknown): number {
  if (!(error instanceof KafkaError)) return numberOf('UNKNOWN_SERVER_ERROR')
  switch (error.code) {
    case 'UNKNOWN_TOPIC_OR_PARTITION':
    case 'NOT_ENOUGH_REPLICAS':
    case 'REQUEST_TIMED_OUT':
      return numberOf('COORDINATOR_NOT_AVAILABLE')
    case 'NOT_LEADER_OR_FOLLOWER':
    case 'KAFKA_STORAGE_ERROR':
    case 'STORAGE_FAILED':
    case 'CLOSED':
      return numberOf('NOT_COORDINATOR')
    case 'MESSAGE_TOO_LARGE':
    case 'RECORD_LIST_TOO_LARGE':
    case 'INVALID_FETCH_SIZE':
      return numberOf('UNKNOWN_SERVER_ERROR')
    default:
      return errorNumberOf(error)
  }
}
