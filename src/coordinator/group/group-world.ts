import type { Clock } from '../../common/clock.js'
import type { Random } from '../../common/random.js'
import type { Run } from '../../common/state-machine.js'
import type { GroupEvent } from './group-event.js'
import type { CompleteGroupOptions } from './group-options.js'
import type { GroupStore } from './group-store.js'
import type { GroupTally } from './group-tally.js'

/** State that the parts of the coordinator of one partition share. */
export interface GroupWorld {
  readonly clock: Clock
  readonly random: Random
  readonly options: CompleteGroupOptions
  readonly store: GroupStore
  /** The counts of all groups of the coordinator, those of other partitions included. */
  readonly tally: GroupTally
  /** Carries out what a timeout decides, in its turn. */
  readonly run: Run
  emit(event: GroupEvent): void
  /** True if a topic keeps its records for ever, so that offsets committed for it do not age. */
  readonly keepsForever?: ((topic: string) => boolean) | undefined
  /** The id of the topic that has a name at present; undefined where there is none. */
  readonly topicIdOf?: ((topic: string) => string | undefined) | undefined
}

/** The caller of the coordinator, as far as groups need it. */
export interface GroupCaller {
  readonly clientId: string
  readonly clientHost: string
  readonly apiVersion: number
}
