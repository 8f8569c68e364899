import type { Random } from '../common/random.js'
import { reasonOf } from '../common/warnings.js'
import { KafkaError } from '../errors.js'
import type { BrokerConfigs } from '../metadata/broker-configs.js'
import type { ClusterMetadata, MetadataDecision } from '../metadata/cluster-metadata.js'
import type { ControllerContext } from '../metadata/create-topics.js'
import { stateRecord } from '../metadata/metadata-machine.js'
import type { MetadataRecord } from '../metadata/records.js'
import type { Storage } from '../storage/storage.js'
import type { LogDirectory } from './log-directory.js'
import { isOwnRecord, saveOwnConfigs } from './own-topic-configs.js'
import { newestVersion, type RequestContext } from './request-context.js'
import type { StateHost } from './state-host.js'
import type { TopicStore } from './topic-store.js'

interface ControllerParts {
  readonly nodeId: number
  readonly random: Random
  readonly configs: BrokerConfigs
  readonly storage: Storage
  readonly metadata: ClusterMetadata
  readonly metadataHost: StateHost
  readonly directory: LogDirectory
  readonly store: TopicStore
}

/**
 * Changes the metadata of the cluster, one change after the other, and carries each out on this
 * node.
 */
export class Controller {
  readonly #parts: ControllerParts
  #changes: Promise<unknown> = Promise.resolve()

  constructor(parts: ControllerParts) {
    this.#parts = parts
  }

  /** The context of decisions that nobody asked for over the wire. */
  get context(): ControllerContext {
    const { random, nodeId, configs } = this.#parts
    return { random, nodeIds: [nodeId], configs }
  }

  /**
   * The context of a change that a client asks for, which from version `firstStrictVersion` on is
   * refused where its quota is exceeded.
   */
  contextFor({ apiVersion, meter }: RequestContext, firstStrictVersion: number = newestVersion): ControllerContext {
    const isStrict = apiVersion >= firstStrictVersion
    const mutate = meter?.isMetering ? (partitions: number) => meter.mutate(partitions, isStrict) : undefined
    return { ...this.context, isRemote: apiVersion !== newestVersion, ...(mutate && { mutate }) }
  }

  /**
   * Lets the controller decide, writes what it decided, and carries it out. One change at a time;
   * the next one waits for `afterwards` too, which must not make a change of its own.
   */
  change<R>(decide: () => MetadataDecision<R>, afterwards?: (response: R) => Promise<void>): Promise<R> {
    const changed = this.#changes.then(async () => {
      const hindrance = await this.#parts.directory.forgetDeleted().then(() => undefined, storageError)
      const decided = await this.#parts.metadataHost.run(() => {
        const { response, records } = decide()
        if (hindrance && records.some(beginsLogs)) throw hindrance
        const own = records.filter(isOwnRecord)
        const committed = async () => {
          for (const record of own) this.#parts.metadata.replay(record)
          await this.#parts.store.apply(records, this.#parts.metadata)
          if (own.length > 0) await saveOwnConfigs(this.#parts.storage, this.#parts.metadata)
          return response
        }
        return { records: records.filter(record => !isOwnRecord(record)).map(stateRecord), committed }
      })
      await afterwards?.(decided)
      return decided
    })
    this.#changes = changed.catch(() => {})
    return changed
  }

  /** Resolves when the changes under way are carried out. */
  async idle(): Promise<void> {
    await this.#changes
  }
}

function beginsLogs({ type }: MetadataRecord): boolean {
  return type === 'topic' || type === 'partition'
}

function storageError(cause: unknown): KafkaError {
  const message = `Logs that were deleted could not be taken out of the checkpoints: ${reasonOf(cause)}`
  return new KafkaError('KAFKA_STORAGE_ERROR', message, { cause })
}
