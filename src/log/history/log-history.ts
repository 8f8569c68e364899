import type { KafkaError } from '../../errors.js'
import { attribute, attributesAt, baseOffsetAt, leaderEpochAt } from '../../record/batch-header.js'
import type { Storage } from '../../storage/storage.js'
import type { KeyIndex } from '../keys/key-index.js'
import { Reservations } from '../keys/reservations.js'
import type { LogFolder } from '../recovery/log-folder.js'
import { type DamageReports, damageError } from '../segment/damage.js'
import { leaderEpochFile, pathIn } from '../segment/file-names.js'
import { readSmallFile, renewSmallFile, writeSmallFile } from '../segment/small-file.js'
import { decodeLeaderEpochs, encodeLeaderEpochs } from './checkpoint.js'
import { EpochReplay } from './epoch-replay.js'
import { LeaderEpochs } from './leader-epochs.js'
import type { ProducerRoom } from './producer-room.js'
import { decodeProducerSnapshot, encodeProducerSnapshot } from './producer-snapshot.js'
import { type ProducerEntry, ProducerState } from './producer-state.js'
import { type SegmentRange, TransactionIndex } from './transaction-index.js'

/**
 * The number of snapshots of the producers that are kept: the newest, and one more in case that it
 * cannot be read.
 */
const keptSnapshots = 2

/**
 * The history of a log besides its batches: its leader epochs, its producers, and its aborted
 * transactions. A durable log keeps that in files, so that opening it need not read the batches;
 * where a file is missing or damaged, they are read.
 *
 * Size: it keeps what it knows of all three in step with one log.
 */
export class LogHistory {
  readonly leaderEpochs = new LeaderEpochs()
  readonly producers: ProducerState
  readonly transactions: TransactionIndex
  /** The offsets of the last records of keys, if the log keeps them. */
  keys: KeyIndex | undefined
  /** The keys and offsets that transactions under way rely on. */
  readonly reservations = new Reservations()
  readonly #storage: Storage
  readonly #folder: string
  readonly #damage: DamageReports
  readonly #epochReplay = new EpochReplay(this.leaderEpochs)
  #snapshots: number[] = []
  #knowsEpochs = false
  #epochsChanged = false
  /** The producers where a write found no room: the log is cut there again at every try. */
  #remembered: { readonly offset: number; readonly producers: readonly ProducerEntry[] } | undefined
  /** The producers as they were at an offset. */
  #start = 0
  #hasMissedMarkers = false
  #isAbortedKnown = true

  constructor(storage: Storage, folder: string, damage: DamageReports, producerRoom?: ProducerRoom) {
    this.producers = new ProducerState(producerRoom)
    this.#storage = storage
    this.#folder = folder
    this.#damage = damage
    this.transactions = new TransactionIndex(storage, folder, damage)
  }

  /**
   * Reads what the files have: of `segments`, as the others will be read anyway. Snapshots from
   * beyond `endOffset` are of no use.
   */
  async load(files: LogFolder, segments: readonly SegmentRange[], endOffset = Number.POSITIVE_INFINITY): Promise<void> {
    this.#snapshots = [...files.snapshots]
    if (files.hasLeaderEpochs) {
      const epochs = await this.#read(this.#epochsPath, decodeLeaderEpochs)
      this.#knowsEpochs = epochs !== undefined
      this.leaderEpochs.restore(epochs ?? [])
    }
    this.#isAbortedKnown = await this.transactions.load(files.withAborted, segments)
    await this.#loadProducers(this.#isAbortedKnown ? endOffset : -1)
  }

  /** Goes back to what was known of the producers at `offset`, or before. */
  async goBackTo(offset: number): Promise<void> {
    await this.#loadProducers(offset)
    this.#hasMissedMarkers = false
  }

  async #loadProducers(endOffset: number): Promise<void> {
    this.producers.clear()
    this.#start = 0
    const remembered = this.#remembered && this.#remembered.offset <= endOffset ? this.#remembered : undefined
    for (const offset of this.#snapshots.filter(offset => offset <= endOffset).reverse()) {
      if (remembered && remembered.offset >= offset) break
      const entries = await this.#read(this.#snapshotPath(offset), decodeProducerSnapshot)
      if (!entries) continue
      this.producers.restoreAll(entries)
      this.#start = offset
      return
    }
    if (!remembered) return
    this.producers.restoreAll(remembered.producers)
    this.#start = remembered.offset
  }

  /**
   * Keeps the producers as they are at the end of the log, so that the next cut there need not read
   * the batches again.
   */
  remember(endOffset: number): void {
    const producers = Array.from(this.producers.entries, entry => ({ ...entry, batches: entry.batches.map(batch => ({ ...batch })) }))
    this.#remembered = { offset: endOffset, producers }
  }

  /** The log was cut at another place. */
  forgetRemembered(): void {
    this.#remembered = undefined
  }

  /** The producers were read from a snapshot at this offset. */
  get start(): number {
    return this.#start
  }

  /** True if markers were among the batches that were replayed, but not what came before them. */
  get hasMissedMarkers(): boolean {
    return this.#hasMissedMarkers
  }

  /** From which offset on the batches have to be read to know everything. */
  get missingFrom(): number {
    return this.#knowsEpochs ? this.#start : 0
  }

  /** The batches that stand from `offset` on will be noted again. */
  forgetEpochsFrom(offset: number): void {
    const { length } = this.leaderEpochs.entries
    this.#epochReplay.forgetFrom(offset)
    this.leaderEpochs.truncateFromEnd(offset)
    if (this.leaderEpochs.entries.length !== length) this.#epochsChanged = true
  }

  /** Takes in a batch that is being written at the date `now`. */
  note(bytes: Uint8Array, position: number, now: number): void {
    if (this.leaderEpochs.assign(leaderEpochAt(bytes, position), baseOffsetAt(bytes, position))) this.#epochsChanged = true
    this.#noteProducer(bytes, position, now)
  }

  /**
   * Takes in a batch that was written before; batches come in order, and what is known of them
   * already stays as it is.
   */
  replay(bytes: Uint8Array, position: number): void {
    const baseOffset = baseOffsetAt(bytes, position)
    if (this.#epochReplay.note(leaderEpochAt(bytes, position), baseOffset)) this.#epochsChanged = true
    if (baseOffset >= this.#start) this.#noteProducer(bytes, position)
    else if (attributesAt(bytes, position) & attribute.control) this.#hasMissedMarkers = true
  }

  /** No more batches are replayed for now. */
  settleEpochs(): void {
    if (this.#epochReplay.settle()) this.#epochsChanged = true
  }

  /** Takes these epochs for all before `endOffset`. */
  replaceEpochs({ entries }: LeaderEpochs, endOffset: number): void {
    const later = this.leaderEpochs.entries.filter(({ startOffset }) => startOffset >= endOffset)
    this.leaderEpochs.restore([...entries, ...later])
    this.#epochsChanged = true
  }

  #noteProducer(bytes: Uint8Array, position: number, now?: number): void {
    const aborted = this.producers.note(bytes, position, now)
    if (aborted) this.transactions.add(aborted)
  }

  /** Nothing is missing any more. What was damaged of `segments` is written anew. */
  async complete(segments: readonly SegmentRange[]): Promise<void> {
    this.settleEpochs()
    for (const segment of this.#isAbortedKnown ? [] : segments) await this.transactions.write(segment)
    if (!this.#knowsEpochs && this.leaderEpochs.entries.length > 0) this.#epochsChanged = true
    this.#knowsEpochs = true
  }

  /**
   * The log was cut at `endOffset`, -1 where nothing is kept: goes back to a snapshot before it.
   * Returns from where on the batches have to be noted again.
   */
  async cutAt(endOffset: number): Promise<number> {
    this.forgetEpochsFrom(Math.max(endOffset, 0))
    const beyond = this.#snapshots.filter(offset => offset > endOffset)
    this.#snapshots = this.#snapshots.filter(offset => offset <= endOffset)
    for (const offset of beyond) await this.#storage.remove(this.#snapshotPath(offset))
    await this.#loadProducers(endOffset)
    await this.transactions.cutAt(endOffset)
    return this.#start
  }

  /** Writes the leader epochs where they have changed. The folder is left to the caller to sync. */
  async writeEpochs(): Promise<void> {
    if (!this.#epochsChanged) return
    this.#epochsChanged = false
    try {
      await renewSmallFile(this.#storage, this.#epochsPath, encodeLeaderEpochs(this.leaderEpochs.entries))
    } catch (error) {
      this.#epochsChanged = true
      throw error
    }
  }

  /** The log now starts at `offset`. */
  cutStartAt(offset: number): void {
    this.transactions.forgetBefore(offset)
    const [first] = this.leaderEpochs.entries
    if (!first || first.startOffset >= offset) return
    this.leaderEpochs.truncateFromStart(offset)
    this.#epochsChanged = true
  }

  /** The snapshot of the producers as they are now, to be written by `writeSnapshot`. */
  snapshot(): Uint8Array {
    return encodeProducerSnapshot(this.producers.entries)
  }

  async writeSnapshot(offset: number, snapshot: Uint8Array): Promise<void> {
    if (this.#snapshots.at(-1) !== offset || this.#start !== offset) {
      await writeSmallFile(this.#storage, this.#snapshotPath(offset), snapshot)
      this.#snapshots = [...this.#snapshots.filter(other => other !== offset), offset].sort((a, b) => a - b)
    }
    while (this.#snapshots.length > keptSnapshots) {
      await this.#storage.remove(this.#snapshotPath(this.#snapshots.shift() as number))
    }
  }

  get #epochsPath(): string {
    return `${this.#folder}/${leaderEpochFile}`
  }

  #snapshotPath(offset: number): string {
    return `${pathIn(this.#folder, offset)}.snapshot`
  }

  async #read<T>(path: string, decode: (bytes: Uint8Array) => T): Promise<T | undefined> {
    const bytes = await readSmallFile(this.#storage, path)
    try {
      return decode(bytes)
    } catch (error) {
      const { message, line } = error as KafkaError
      this.#damage.tell(damageError({ file: path, line, reason: `${message}; the log is read instead` }))
      return undefined
    }
  }
}
