import { readInt32, readInt64 } from '../../common/bytes.js'
import { release } from '../../common/lease.js'
import { batchSizeAt, headerBytes, lastOffsetAt } from '../../record/batch-header.js'
import type { Storage } from '../../storage/storage.js'
import { allDone } from '../all-done.js'
import { isLackOfRoom } from '../lack-of-room.js'
import { OffsetIndex } from './offset-index.js'
import { readSmallFile, writeSmallFile } from './small-file.js'
import { TimeIndex } from './time-index.js'

interface LastIndexEntry {
  readonly offset: number
  readonly position: number
}

interface LastTimeEntry {
  readonly timestamp: number
  readonly offset: number
}

/** Of the name of a file of theirs. */
export type IndexSuffix = 'index' | 'timeindex'

/**
 * The two indexes of a segment. They grow with its batches, are written to files, from which they
 * can be read again, and can at any time be made anew from the batches: without the files the log
 * is as good as before.
 */
export class SegmentIndexes {
  readonly offsets: OffsetIndex
  readonly times: TimeIndex
  /**
   * True if they are in memory; those of old segments stay in their files until they are needed.
   */
  areLoaded = true
  areOnDisk = false
  /**
   * True if the entries came from a file, and so may be anything, until they have been seen to fit
   * the batches that they lead to.
   */
  areGiven = false
  readonly #storage: Storage
  readonly #path: string

  constructor(storage: Storage, path: string, baseOffset: number) {
    this.#storage = storage
    this.#path = path
    this.offsets = new OffsetIndex(baseOffset)
    this.times = new TimeIndex(baseOffset)
  }

  /**
   * Fills them from their files, which must be there. Returns which of them a segment of such size
   * and end cannot have, if any: then none is taken.
   */
  async read(sizeInBytes: number, nextOffset: number): Promise<IndexSuffix | undefined> {
    const offsets = await readSmallFile(this.#storage, `${this.#path}.index`)
    const times = await readSmallFile(this.#storage, `${this.#path}.timeindex`)
    const isRight = this.offsets.restore(offsets, sizeInBytes, nextOffset)
    this.areLoaded = isRight && this.times.restore(times, nextOffset)
    this.areGiven = this.areLoaded
    if (this.areLoaded) return undefined
    this.#clear()
    return isRight ? 'timeindex' : 'index'
  }

  /**
   * The last entry of the index file, which must be there; nothing of the file is kept. An entry of
   * zeros is room for one.
   */
  async lastIndexEntry(): Promise<LastIndexEntry | undefined> {
    const entry = await this.#lastBytes('index', 8)
    const position = entry ? readInt32(entry, 4) : 0
    return entry && position > 0 ? { offset: this.offsets.baseOffset + readInt32(entry, 0), position } : undefined
  }

  /** Likewise. */
  async lastTimeEntry(): Promise<LastTimeEntry | undefined> {
    const entry = await this.#lastBytes('timeindex', 12)
    const timestamp = entry ? readInt64(entry, 0) : 0
    return entry && timestamp > 0 ? { timestamp, offset: this.times.baseOffset + readInt32(entry, 8) } : undefined
  }

  async #lastBytes(suffix: IndexSuffix, entryBytes: number): Promise<Uint8Array | undefined> {
    const file = await this.#storage.open(`${this.#path}.${suffix}`)
    try {
      if (file.length < entryBytes) return undefined
      const view = await file.read(file.length - entryBytes, entryBytes)
      const bytes = view.slice()
      release(view)
      return bytes.length === entryBytes ? bytes : undefined
    } finally {
      await file.close()
    }
  }

  /** The last place in the file of the index that lies before `length`; 0 where there is none. */
  async floorPositionOnDisk(length: number): Promise<number> {
    const bytes = await readSmallFile(this.#storage, `${this.#path}.index`)
    let floor = 0
    for (let at = 0; at + 8 <= bytes.length; at += 8) {
      const position = readInt32(bytes, at + 4)
      if (position <= floor || position >= length) break
      floor = position
    }
    return floor
  }

  async write(): Promise<void> {
    // The views are valid until the next entry, which may come while they are written.
    const [offsets, times] = [this.offsets.bytes.slice(), this.times.bytes.slice()]
    try {
      await allDone([
        writeSmallFile(this.#storage, `${this.#path}.index`, offsets),
        writeSmallFile(this.#storage, `${this.#path}.timeindex`, times)
      ])
      this.areOnDisk = true
    } catch (error) {
      // On a full disk the log itself has precedence: an index is made anew when it is missed.
      if (!isLackOfRoom(error)) throw error
      await this.removeFiles()
    }
  }

  async removeFiles(): Promise<void> {
    await removeIndexFiles(this.#storage, this.#path)
    this.areOnDisk = false
  }

  /**
   * True if what stands at `filePosition` is the batch that the index, if it has an entry for that
   * place, says.
   */
  fit(view: Uint8Array, at: number, filePosition: number): boolean {
    const lastOffset = this.offsets.offsetAt(filePosition)
    if (lastOffset < 0) return true
    if (at + headerBytes > view.length) return false
    return batchSizeAt(view, at) >= headerBytes && lastOffsetAt(view, at) === lastOffset
  }

  /**
   * Takes the entries of others, which were made from the batches, for all before a position and an
   * offset.
   */
  replaceBefore(position: number, offset: number, others: SegmentIndexes): void {
    this.offsets.replaceBefore(position, others.offsets)
    this.times.replaceBefore(offset, others.times)
    this.areGiven = false
    this.areLoaded = true
  }

  /** Forgets all entries, before they are made from the batches. */
  beginAnew(): void {
    this.#clear()
    this.areGiven = false
    this.areLoaded = true
  }

  /** Frees their memory where they can be read again. */
  unload(): void {
    if (!this.areOnDisk) return
    this.#clear()
    this.areLoaded = false
  }

  #clear(): void {
    this.offsets.clear()
    this.times.clear()
  }
}

/** Removes what stands beside the log of a segment that is gone. */
export async function removeFilesBeside(storage: Storage, path: string): Promise<void> {
  await removeIndexFiles(storage, path)
  await storage.remove(`${path}.txnindex`)
}

async function removeIndexFiles(storage: Storage, path: string): Promise<void> {
  for (const suffix of ['.index', '.timeindex']) await storage.remove(path + suffix)
}
