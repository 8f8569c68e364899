import type { KafkaError } from '../errors.js'
import { encodeOffsets, offsetsByFolder, type PartitionOffsets, readOffsets } from '../log/history/checkpoint.js'
import type { Log } from '../log/log.js'
import { compacts } from '../log/log-options.js'
import type { LogOpenOptions } from '../log/log-types.js'
import { damagedLines } from '../log/segment/damage.js'
import { cleanerFile, highWatermarkFile, logStartFile, recoveryPointFile } from '../log/segment/file-names.js'
import { readSmallFile, replaceSmallFile } from '../log/segment/small-file.js'
import type { Storage } from '../storage/storage.js'

/**
 * The four checkpoints at the top of a node's storage, in Kafka's formats: for each log, up to
 * where it is safe on the disk, where it starts, what of it is committed and what is compacted.
 */
export class LogCheckpoints {
  readonly #storage: Storage
  readonly #logs: ReadonlyMap<string, Log>
  readonly #onError: (error: KafkaError, during: string) => void
  /** The content of each file, as it was written last. */
  readonly #written = new Map<string, string>()
  #recoveryPoints: Map<string, number> | undefined
  /** True if lines of that checkpoint could not be read. */
  #lacksRecoveryPoints = false
  #startOffsets = new Map<string, number>()
  #dirtyOffsets = new Map<string, number>()
  #highWatermarks = new Map<string, number>()
  #writing: Promise<void> = Promise.resolve()

  constructor(storage: Storage, logs: ReadonlyMap<string, Log>, onError: (error: KafkaError, during: string) => void) {
    this.#storage = storage
    this.#logs = logs
    this.#onError = onError
  }

  /**
   * Reads what the storage has. `names` are the files at its top; `wasClosed` says whether it was
   * closed in order.
   */
  async read(names: ReadonlySet<string>, wasClosed: boolean): Promise<void> {
    const read = async (name: string) => (names.has(name) ? this.#readFile(name, wasClosed) : undefined)
    this.#recoveryPoints = await read(recoveryPointFile)
    this.#startOffsets = (await read(logStartFile)) ?? new Map()
    this.#dirtyOffsets = (await read(cleanerFile)) ?? new Map()
    this.#highWatermarks = (await read(highWatermarkFile)) ?? new Map()
  }

  /** Says that nothing is safe yet. */
  async begin(): Promise<void> {
    await replaceSmallFile(this.#storage, recoveryPointFile, encodeOffsets(new Map()))
    this.#recoveryPoints = new Map()
  }

  /** The offsets that were written down for a log. */
  of(folder: string): Pick<LogOpenOptions, 'recoveryPoint' | 'logStartOffset' | 'firstDirtyOffset' | 'highWatermark'> {
    return {
      recoveryPoint: this.#recoveryPointOf(folder),
      logStartOffset: this.#startOffsets.get(folder),
      firstDirtyOffset: this.#dirtyOffsets.get(folder),
      highWatermark: this.#highWatermarks.get(folder)
    }
  }

  /**
   * Nothing is known to be safe of a log that the checkpoint leaves out, unless the line of that
   * log may be one of those that are damaged.
   */
  #recoveryPointOf(folder: string): number | undefined {
    return this.#recoveryPoints?.get(folder) ?? (this.#recoveryPoints === undefined || this.#lacksRecoveryPoints ? undefined : 0)
  }

  forget(folder: string): void {
    for (const offsets of this.#all()) offsets.delete(folder)
  }

  /** True if they name logs that are not open here. */
  get nameOthers(): boolean {
    return this.#all().some(offsets => [...offsets.keys()].some(folder => !this.#logs.has(folder)))
  }

  #all(): Map<string, number>[] {
    return [this.#recoveryPoints ?? new Map(), this.#startOffsets, this.#dirtyOffsets, this.#highWatermarks]
  }

  /** Writes down what each log would need after a crash. */
  write(): Promise<void> {
    return this.#inTurn(async () => {
      const points = new Map<string, number>()
      const starts = new Map<string, number>()
      const dirty = new Map<string, number>()
      for (const [folder, log] of this.#logs) {
        points.set(folder, log.isStopped ? (this.#recoveryPoints?.get(folder) ?? 0) : log.recoveryPoint)
        const start = log.isStopped ? this.#startOffsets.get(folder) : log.logStartOffset
        if (start !== undefined && start > log.firstSegmentOffset) starts.set(folder, start)
        // One that is no longer compacted still has the gaps.
        const firstDirty = log.isStopped
          ? (this.#dirtyOffsets.get(folder) ?? 0)
          : compacts(log.options)
            ? log.firstDirtyOffset
            : log.gapsEndOffset
        if (firstDirty > 0 || compacts(log.options)) dirty.set(folder, firstDirty)
      }
      // First, so that none of the others is ever beyond it.
      await this.#writeHighWatermarks()
      await this.#writeFile(recoveryPointFile, points)
      await this.#writeFile(logStartFile, starts)
      await this.#writeFile(cleanerFile, dirty)
    })
  }

  writeHighWatermarks(): Promise<void> {
    return this.#inTurn(() => this.#writeHighWatermarks())
  }

  async #readFile(name: string, wasClosed: boolean): Promise<Map<string, number> | undefined> {
    const bytes = await readSmallFile(this.#storage, name)
    // Kafka begins these with nothing in them; the others have something once it was closed.
    if (bytes.length === 0 && (name === cleanerFile || !wasClosed)) return undefined
    const { entries, faults } = readOffsets(bytes)
    if (faults.length === 0) return offsetsByFolder(entries)
    if (name === recoveryPointFile) this.#lacksRecoveryPoints = true
    const rest = entries.length > 0 ? 'whose other lines are used' : 'which will be written anew'
    this.#onError(damagedLines(name, faults), `reading \`${name}\`, ${rest}`)
    return entries.length > 0 ? offsetsByFolder(entries) : undefined
  }

  async #writeHighWatermarks(): Promise<void> {
    const highWatermarks = new Map<string, number>()
    for (const [folder, log] of this.#logs) {
      const offset = log.isStopped ? this.#highWatermarks.get(folder) : log.highWatermark
      if (offset !== undefined) highWatermarks.set(folder, offset)
    }
    await this.#writeFile(highWatermarkFile, highWatermarks)
  }

  async #writeFile(name: string, offsets: PartitionOffsets): Promise<void> {
    const bytes = encodeOffsets(offsets)
    const content = [...offsets].join()
    if (this.#written.get(name) === content) return
    await replaceSmallFile(this.#storage, name, bytes)
    this.#written.set(name, content)
  }

  #inTurn(write: () => Promise<void>): Promise<void> {
    const writing = this.#writing.then(write)
    this.#writing = writing.catch(() => {})
    return writing
  }
}
