import type { Storage } from '../storage/storage.js'
import { allDone } from './all-done.js'
import type { LogHistory } from './history/log-history.js'
import { writeKeyFile } from './keys/key-checkpoint.js'
import type { KeySnapshot } from './keys/key-index.js'
import { isLackOfRoom } from './lack-of-room.js'
import type { Segment } from './segment/segment.js'
import type { SegmentList } from './segment/segment-list.js'

/** The number of segments that are synced together after a crash. */
const sealedTogether = 64

export interface FlushEvents {
  /** The indexes of a segment are in their files now. */
  readonly onSealed: (segment: Segment) => void
  readonly onFailure: (cause: unknown) => void
  /** Resolves when the files of all removed segments are gone, and to whether they are. */
  readonly removed: () => Promise<boolean>
}

/**
 * Makes a durable log safe on the disk, behind the appends: a segment that has ended is synced with
 * its indexes, and only then does the recovery point, from which on the log is read after a crash,
 * move past it. One step at a time, in order.
 */
export class LogFlusher {
  readonly #storage: Storage
  readonly #folder: string
  readonly #history: LogHistory
  readonly #events: FlushEvents
  #recoveryPoint: number
  #last: Promise<void> | undefined
  /**
   * Up to where the files that are written at the end of a segment, or of the use of the log, have
   * what the log has.
   */
  #closedAt = -1
  #namesSynced: Promise<void> | undefined
  #isNew = true
  #hasFailed = false
  /** Segments that wait to be made safe, and the producers when they ended. */
  #ended: { readonly segment: Segment; readonly baseOffset: number; readonly producers: Uint8Array; readonly keys?: KeySnapshot }[] = []

  constructor(storage: Storage, folder: string, history: LogHistory, recoveryPoint: number, events: FlushEvents) {
    this.#storage = storage
    this.#folder = folder
    this.#history = history
    this.#recoveryPoint = recoveryPoint
    this.#events = events
  }

  /**
   * All before this offset survives a power cut. Where each append is synced, that is the whole
   * log.
   */
  recoveryPoint(logEndOffset: number): number {
    return this.#storage.syncsAppends && !this.#last && !this.#hasFailed ? logEndOffset : Math.min(this.#recoveryPoint, logEndOffset)
  }

  /**
   * While the name of a new file is not yet safe, where an append must wait for that: its bytes
   * would be lost with the name.
   */
  get namesSynced(): Promise<void> | undefined {
    return this.#namesSynced
  }

  /** A file was created. */
  nameIsNew(): void {
    if (!this.#storage.syncsAppends) return
    const syncing = this.#syncNames()
    this.#namesSynced = syncing
    const done = () => {
      if (this.#namesSynced === syncing) this.#namesSynced = undefined
    }
    syncing.then(done, error => {
      this.#events.onFailure(error)
      done()
    })
  }

  async #syncNames(): Promise<void> {
    await this.#storage.syncFolder(this.#folder)
    if (this.#isNew) await this.#storage.syncFolder('')
    this.#isNew = false
  }

  /** The log is empty, so that there is nothing to write about it. */
  isFresh(logEndOffset: number): void {
    this.#closedAt = logEndOffset
  }

  /** The log was closed in order: all of it is on the disk. */
  allIsSafe(logEndOffset: number, isEmpty: boolean): void {
    this.#recoveryPoint = logEndOffset
    this.#closedAt = logEndOffset
    // A log that was never written to was closed without a sync of its names.
    if (isEmpty) this.nameIsNew()
    else this.#isNew = false
  }

  /**
   * These segments were read after a crash. What is in them is shown to readers from now on, so
   * where appends are synced they must be safe before.
   */
  async recovered(segments: readonly Segment[], logEndOffset: number, wasCut: boolean): Promise<void> {
    const sealed = segments.slice(0, -1)
    if (this.#storage.syncsAppends) {
      for (const { file } of segments) await file.sync()
      await this.#syncNames()
    } else if (wasCut) await this.#storage.syncFolder(this.#folder)
    const producers = this.#history.snapshot()
    const point = segments.at(-1)?.baseOffset ?? logEndOffset
    this.#run(async () => {
      for (let i = 0; i < sealed.length; i += sealedTogether) {
        if (!(await this.#sealAll(sealed.slice(i, i + sealedTogether)))) return
      }
      if (!(await this.#writeHistory(logEndOffset, producers))) return
      await this.#syncNames()
      this.#moveTo(point)
    })
  }

  /**
   * A segment has ended; the next one begins at `baseOffset`. Segments that end while others are
   * being made safe are made safe together.
   */
  rolled(ended: Segment, baseOffset: number): void {
    this.#ended.push({ segment: ended, baseOffset, producers: this.#history.snapshot(), keys: this.#history.keys?.snapshot(1) })
    if (this.#ended.length === 1) this.#run(() => this.#sealEnded())
  }

  async #sealEnded(): Promise<void> {
    const ended = this.#ended
    this.#ended = []
    let isWritten = await this.#sealAll(ended.map(({ segment }) => segment))
    for (const { baseOffset, producers } of ended.slice(-2)) isWritten &&= await this.#writeHistory(baseOffset, producers)
    for (const { keys } of ended) {
      if (keys && isWritten) await this.#writeKeys(keys)
      else if (keys) this.#history.keys?.captured(keys, false)
    }
    if (!isWritten) return
    await this.#syncNames()
    this.#moveTo(ended[ended.length - 1].baseOffset)
  }

  /**
   * Returns whether there was room for it. Where there was none, the recovery point stays until
   * there is: appends may find room before.
   */
  async #writeHistory(offset: number, producers: Uint8Array): Promise<boolean> {
    try {
      await this.#history.writeEpochs()
      await this.#history.writeSnapshot(offset, producers)
      return true
    } catch (error) {
      if (!isLackOfRoom(error)) throw error
      return false
    }
  }

  /** Writes the index of keys as it is now, behind the appends. */
  saveKeys(): void {
    const keys = this.#history.keys?.snapshot(1)
    if (keys) this.#run(() => this.#writeKeys(keys))
  }

  async #writeKeys(snapshot: KeySnapshot): Promise<void> {
    const index = this.#history.keys
    try {
      await writeKeyFile(this.#storage, this.#folder, snapshot)
      index?.captured(snapshot, true)
    } catch (error) {
      index?.captured(snapshot, false)
      if (!isLackOfRoom(error)) throw error
    }
  }

  /** The log will be cut at `endOffset`. */
  lower(endOffset: number): void {
    this.#recoveryPoint = Math.min(this.#recoveryPoint, endOffset)
    this.#closedAt = -1
  }

  /** The log was cut: it ends at `endOffset`. */
  async wasCut(endOffset: number): Promise<void> {
    this.lower(endOffset)
    await this.#history.writeEpochs()
    await this.#storage.syncFolder(this.#folder)
  }

  /** Makes all up to `logEndOffset` safe. */
  async sync(segments: readonly Segment[], logEndOffset: number): Promise<void> {
    for (const segment of segments) if (segment.nextOffset > this.#recoveryPoint) await segment.file.sync()
    await this.#history.writeEpochs()
    await this.#syncNames()
    this.#moveTo(logEndOffset)
  }

  /**
   * Makes all safe, and writes what spares the reading of the log when it is opened again. Does
   * nothing to a log that was not written to.
   */
  async close(segments: SegmentList, logEndOffset: number): Promise<void> {
    await this.#history.writeEpochs()
    const keys = this.#storage.readOnly ? undefined : this.#history.keys?.snapshot(0.25)
    if (this.#closedAt === logEndOffset) {
      if (keys) await this.#writeKeys(keys)
      // Kafka reports an error for each log without index files, also where nothing was ever
      // written.
      const { active } = segments
      if (this.#storage.durable && !this.#storage.readOnly && !active.indexes.areOnDisk && active.sizeInBytes === 0)
        await active.indexes.write()
      return
    }
    segments.active.indexer.seal()
    await trim(segments.active)
    const unsafe = segments.all.filter(({ nextOffset }) => nextOffset > this.#recoveryPoint)
    await allDone([
      ...unsafe.map(({ file }) => file.sync()),
      segments.active.indexes.write(),
      ...[...new Set([...unsafe, segments.active])].map(segment => this.#history.transactions.write(segment)),
      this.#history.writeSnapshot(logEndOffset, this.#history.snapshot()),
      keys && this.#writeKeys(keys)
    ])
    await this.#syncNames()
    this.#moveTo(logEndOffset)
    this.#closedAt = logEndOffset
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#last) await this.#last
  }

  /**
   * Returns whether all are safe. One that is removed while it is not must be gone before it counts
   * as such: a power cut may bring it back.
   */
  async #sealAll(segments: readonly Segment[]): Promise<boolean> {
    await allDone(segments.map(segment => this.#seal(segment)))
    return !segments.some(({ lifetime }) => lifetime.isRetired) || this.#events.removed()
  }

  async #seal(segment: Segment): Promise<void> {
    if (segment.lifetime.isRetired) return
    await trim(segment)
    await segment.file.sync()
    if (segment.lifetime.isRetired) return
    await segment.indexes.write()
    await this.#history.transactions.write(segment)
    this.#events.onSealed(segment)
  }

  #moveTo(offset: number): void {
    if (offset > this.#recoveryPoint) this.#recoveryPoint = offset
  }

  #run(step: () => Promise<void>): void {
    const before = this.#last
    const run = async () => {
      await before
      // Segments that could not be synced stay behind the recovery point for good.
      if (this.#hasFailed) return
      try {
        await step()
      } catch (error) {
        this.#hasFailed = true
        this.#events.onFailure(error)
      }
    }
    const last: Promise<void> = run().then(() => {
      if (this.#last === last) this.#last = undefined
    })
    this.#last = last
  }
}

/** A storage may have made room ahead of the end: what is sealed has the size of what is in it. */
async function trim({ file, sizeInBytes }: Segment): Promise<void> {
  await file.truncate(sizeInBytes)
}
