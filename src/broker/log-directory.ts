import { textBytes } from '../common/bytes.js'
import type { Clock } from '../common/clock.js'
import { unlimited } from '../common/closing.js'
import { type Random, randomInteger } from '../common/random.js'
import { turnsOf } from '../common/turns.js'
import { reasonOf } from '../common/warnings.js'
import { KafkaError } from '../errors.js'
import { Log } from '../log/log.js'
import type { LogOpenOptions } from '../log/log-types.js'
import { damagedLines } from '../log/segment/damage.js'
import { recoveryPointFile } from '../log/segment/file-names.js'
import { readSmallFile, writeSmallFile } from '../log/segment/small-file.js'
import { clusterMetadataTopic } from '../metadata/topic-name.js'
import type { Storage } from '../storage/storage.js'
import { Housekeeping } from './housekeeping.js'
import { LogCheckpoints } from './log-checkpoints.js'
import { isDamagedCopy, partitionMetadata, readPartitionMetadata } from './partition-metadata.js'

const cleanMarker = '.kafka_cleanshutdown'
const partitionMetadataFile = 'partition.metadata'

/** As often as Kafka writes them. */
const checkpointIntervalMs = 60_000
const highWatermarkIntervalMs = 5_000
const metadataFolder = `${clusterMetadataTopic}-0`
const longestName = 255
const partitionFolder = /^(.+)-(\d+)$/
const nothing = new Uint8Array(0)

export interface LogDirectoryParts {
  readonly storage: Storage
  readonly clock: Clock
  readonly random: Random
  /** Is told what failed behind everyone's back, and what the directory was doing. */
  readonly onError: (error: unknown, during: string) => void
}

/**
 * The folders of a node's logs, as Kafka lays them out: opens, creates and deletes logs, and
 * remembers whether the node was closed in order (`.kafka_cleanshutdown`). A storage that is gone
 * with the process has none of that.
 */
export class LogDirectory {
  readonly #parts: LogDirectoryParts
  readonly #storage: Storage
  readonly #logs = new Map<string, Log>()
  readonly #checkpoints: LogCheckpoints
  readonly #removals = new Set<Promise<void>>()
  /** Folders that were set aside, by their new names. */
  readonly #strays: string[] = []
  #names = new Set<string>()
  #isClean = false
  #wasClean = true
  #isStarted = false
  /** True if the checkpoints on the disk may still name logs that were deleted. */
  #nameDeleted = false
  #timers: Housekeeping[] = []

  private constructor(parts: LogDirectoryParts) {
    this.#parts = parts
    this.#storage = parts.storage
    this.#checkpoints = new LogCheckpoints(parts.storage, this.#logs, parts.onError)
  }

  /** True if it was closed in order the last time. */
  get wasClosed(): boolean {
    return this.#wasClean
  }

  static async open(parts: LogDirectoryParts): Promise<LogDirectory> {
    const directory = new LogDirectory(parts)
    if (parts.storage.durable) await directory.#open()
    return directory
  }

  get isReadOnly(): boolean {
    return this.#storage.readOnly ?? false
  }

  async #open(): Promise<void> {
    this.#names = new Set(await this.#storage.list(''))
    this.#isClean = this.#names.has(cleanMarker)
    this.#wasClean = this.#isClean || !this.#storage.durable
    await this.#checkpoints.read(this.#names, this.#isClean)
    if (this.#storage.readOnly) return
    if (this.#isClean) {
      await this.#storage.remove(cleanMarker)
      await this.#storage.syncFolder('')
    }
    // From its first moment on a directory says that nothing in it is safe yet: a crash may then
    // have torn anything.
    if (!this.#names.has(recoveryPointFile) && ![...this.#names].some(name => partitionFolder.test(name))) await this.#checkpoints.begin()
    for (const name of this.#names) if (name.endsWith('-delete')) this.#removeLater(name)
  }

  /** Before all logs are open, the checkpoints would lack some. */
  readonly #save = (): Promise<void> => (this.#isStarted ? this.writeCheckpoints() : Promise.resolve())

  /** Begins to write the checkpoints from time to time. */
  start(): void {
    this.#isStarted = true
    if (!this.#storage.durable || this.#storage.readOnly) return
    const { clock } = this.#parts
    const quietly = (work: () => Promise<void>) => () => work().catch(error => this.#parts.onError(error, 'writing checkpoints'))
    this.#timers = [
      new Housekeeping(
        clock,
        checkpointIntervalMs,
        quietly(() => this.writeCheckpoints())
      ),
      new Housekeeping(
        clock,
        highWatermarkIntervalMs,
        quietly(() => this.#checkpoints.writeHighWatermarks())
      )
    ]
  }

  /**
   * Opens a log that should be there, or begins it. A folder of this name that belongs to another
   * topic is what a crash has left of a topic that was deleted: it is set aside. Where there was no
   * crash, something else has happened to it, and the log is stopped.
   */
  async openLog(folder: string, topicId: string | undefined, options: LogOpenOptions): Promise<Log> {
    if (!this.#storage.durable) return this.#keep(folder, await Log.open(this.#storage, folder, options))
    const foreignId = topicId === undefined ? undefined : await this.#foreignTopicId(folder, topicId)
    if (foreignId !== undefined && this.#isClean) {
      const error = inconsistentTopicId(folder, foreignId, topicId as string)
      return this.#keep(folder, Log.stopped(this.#storage, folder, error, options))
    }
    const isForeign = foreignId !== undefined
    if (isForeign) {
      this.#strays.push(await this.#setAside(folder))
      this.#checkpoints.forget(folder)
    }
    const known = this.#checkpoints.of(folder)
    const log = await this.#openFiles(folder, {
      ...options,
      isClean: this.#isClean && !isForeign,
      ...known,
      recoveryPoint: isForeign ? 0 : known.recoveryPoint,
      saveRecoveryPoint: this.#save
    })
    if (topicId !== undefined) await this.#noteTopicId(folder, topicId)
    return this.#keep(folder, log)
  }

  /** Begins a log; what a deletion that was cut short has left in its place goes. */
  async createLog(folder: string, topicId: string, options: LogOpenOptions): Promise<Log> {
    let log: Log | undefined
    try {
      await this.#storage.remove(folder)
      log = await Log.open(
        this.#storage,
        folder,
        this.#storage.durable ? { ...options, recoveryPoint: 0, saveRecoveryPoint: this.#save } : options
      )
      if (this.#storage.durable) {
        this.#names.add(folder)
        await this.#noteTopicId(folder, topicId)
      }
    } catch (error) {
      // The topic exists by now: a log that is stopped lets it be described, deleted and made anew.
      await log?.close()
      const failure = error instanceof KafkaError ? error : new KafkaError('KAFKA_STORAGE_ERROR', reasonOf(error), { cause: error })
      log = Log.stopped(this.#storage, folder, failure, options)
    }
    return this.#keep(folder, log)
  }

  /** Ends logs and removes their files, which may take until after the call. */
  async deleteLogs(folders: readonly string[]): Promise<void> {
    const left: string[] = []
    const logs = folders.map(folder => this.#logs.get(folder))
    this.#nameDeleted = true
    for (const folder of folders) {
      this.#logs.delete(folder)
      this.#names.delete(folder)
      this.#checkpoints.forget(folder)
    }
    // That a topic is gone must be known for certain before its folders are.
    if (this.#storage.durable) await this.#logs.get(metadataFolder)?.sync()
    const turns = turnsOf(this.#parts.clock)
    for (const log of logs) {
      await turns.yieldWhenOver()
      await log?.close({ timeoutMs: unlimited })
    }
    for (const folder of folders) {
      await turns.yieldWhenOver()
      if (!this.#storage.durable) await this.#storage.remove(folder)
      else if ((await this.#storage.list(folder)).length > 0) {
        const target = this.#nameFor(folder, 'delete')
        await this.#storage.rename(folder, target)
        left.push(target)
      }
    }
    if (!this.#storage.durable) return
    await this.#storage.syncFolder('')
    await this.forgetDeleted()
    for (const folder of left) this.#removeLater(folder)
  }

  /**
   * Takes deleted logs out of the checkpoints on the disk, which must be done before there is
   * another log of their name: they do not tell the two apart.
   */
  async forgetDeleted(): Promise<void> {
    if (!this.#nameDeleted) return
    await this.writeCheckpoints()
    this.#nameDeleted = false
  }

  /**
   * Sets aside the folders of partitions that nobody knows, as Kafka does; called when all that are
   * known are open. Returns their new names.
   */
  async setAsideStrays(): Promise<string[]> {
    const strays = this.#strays
    const hasForeign = strays.length > 0
    if (!this.#storage.durable || this.#storage.readOnly) return strays
    for (const name of this.#names) {
      if (this.#logs.has(name) || !partitionFolder.test(name) || (await this.#storage.list(name)).length === 0) continue
      strays.push(await this.#setAside(name))
    }
    // Checkpoint entries of deleted logs must not apply to new logs of their names.
    if (this.#checkpoints.nameOthers || hasForeign) await this.writeCheckpoints()
    return strays
  }

  /** Writes down what each log would need after a crash. */
  writeCheckpoints(): Promise<void> {
    if (!this.#storage.durable || this.#storage.readOnly) return Promise.resolve()
    return this.#checkpoints.write()
  }

  /**
   * Closes the logs and writes everything; that it was closed in order only when all of it is
   * whole.
   */
  async close(): Promise<void> {
    for (const timer of this.#timers) await timer.close()
    const logs = [...this.#logs.values()]
    await this.abandon()
    if (!this.#storage.durable || this.#storage.readOnly) return
    await this.writeCheckpoints()
    // A log that was stopped when it was opened is as it was.
    if (logs.some(({ failure, isStopped }) => failure !== undefined && !(isStopped && this.#isClean))) return
    await writeSmallFile(this.#storage, cleanMarker, textBytes('{"version":0,"brokerEpoch":-1}'))
    await this.#storage.syncFolder('')
  }

  /**
   * Closes the logs when the node could not be opened, and leaves what is written about them as it
   * was.
   */
  async abandon(): Promise<void> {
    const logs = [...this.#logs.values()]
    const turns = turnsOf(this.#parts.clock)
    for (let i = 0; i < logs.length; i += closedTogether) {
      await turns.yieldWhenOver()
      await Promise.all(logs.slice(i, i + closedTogether).map(log => log.close({ timeoutMs: unlimited })))
    }
    await Promise.all(this.#removals)
  }

  #keep(folder: string, log: Log): Log {
    this.#logs.set(folder, log)
    return log
  }

  /** A log that is damaged is opened as one that is stopped: the others work on. */
  async #openFiles(folder: string, options: LogOpenOptions): Promise<Log> {
    try {
      if ((options.recoveryPoint ?? 0) > 0 && !this.#names.has(folder)) throw missing(folder, options.recoveryPoint as number)
      return await Log.open(this.#storage, folder, options)
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      return this.#openDamaged(folder, error, options)
    }
  }

  /** Records before the damage can be read, if there are any. */
  async #openDamaged(folder: string, damage: KafkaError, options: LogOpenOptions): Promise<Log> {
    try {
      if (damage.code === 'CORRUPT_MESSAGE' && this.#names.has(folder)) return await Log.damaged(this.#storage, folder, damage, options)
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
    }
    return Log.stopped(this.#storage, folder, damage, options)
  }

  /** The id of the topic that a folder belongs to, if it is another one. */
  async #foreignTopicId(folder: string, topicId: string): Promise<string | undefined> {
    if (!this.#names.has(folder) || this.#storage.readOnly) return undefined
    const bytes = await this.#partitionMetadata(folder)
    if (!bytes) return undefined
    const { topicId: found, faults } = readPartitionMetadata(bytes)
    const isDamaged = found !== undefined && isDamagedCopy(found, topicId)
    const damage = isDamaged ? [...faults, { line: 2, reason: `its topic id is ${found} instead of ${topicId}` }] : faults
    // A crash may have come before it was written.
    if (damage.length > 0 && (this.#isClean || bytes.length > 0)) {
      const file = `${folder}/${partitionMetadataFile}`
      this.#parts.onError(damagedLines(file, damage), `reading \`${file}\`, which will be written anew`)
    }
    return found === topicId || isDamaged ? undefined : found
  }

  async #setAside(folder: string): Promise<string> {
    const target = this.#nameFor(folder, 'stray')
    await this.#storage.rename(folder, target)
    await this.#storage.syncFolder('')
    this.#names.delete(folder)
    return target
  }

  async #partitionMetadata(folder: string): Promise<Uint8Array | undefined> {
    if (!(await this.#storage.list(folder)).includes(partitionMetadataFile)) return undefined
    return readSmallFile(this.#storage, `${folder}/${partitionMetadataFile}`)
  }

  async #noteTopicId(folder: string, topicId: string): Promise<void> {
    if (this.#storage.readOnly) return
    const bytes = await this.#partitionMetadata(folder)
    const { topicId: found, faults } = readPartitionMetadata(bytes ?? nothing)
    if (found === topicId && faults.length === 0) return
    await writeSmallFile(this.#storage, `${folder}/${partitionMetadataFile}`, partitionMetadata(topicId))
  }

  /**
   * Kafka's name for the folder of a partition on its way out: the topic's is cut where the whole
   * would become too long.
   */
  #nameFor(folder: string, fate: 'delete' | 'stray'): string {
    const dash = folder.lastIndexOf('-')
    const unique = Array.from({ length: 32 }, () => randomInteger(this.#parts.random, 16).toString(16)).join('')
    const end = `${folder.slice(dash)}.${unique}-${fate}`
    return folder.slice(0, Math.min(dash, longestName - end.length)) + end
  }

  #removeLater(folder: string): void {
    const removal: Promise<void> = Promise.resolve()
      .then(() => this.#storage.remove(folder))
      .catch(error => this.#parts.onError(error, `removing \`${folder}\``))
      .finally(() => this.#removals.delete(removal))
    this.#removals.add(removal)
  }
}

/** The number of logs that are closed at a time: each waits for the disk. */
const closedTogether = 32

function inconsistentTopicId(folder: string, found: string, expected: string): KafkaError {
  const message = `\`${folder}/${partitionMetadataFile}\` names the topic id ${found} instead of ${expected}; nothing was changed`
  return new KafkaError('INCONSISTENT_TOPIC_ID', message)
}

function missing(folder: string, recoveryPoint: number): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', `The folder \`${folder}\` is missing, though offsets up to ${recoveryPoint} were safe in it`)
}
