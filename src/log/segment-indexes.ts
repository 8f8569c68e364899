import { batchSizeAt, headerBytes, lastOffsetAt } from '../record/batch-header.js'
import type { Storage } from '../storage/storage.js'
import { allDone } from './all-done.js'
import { isLackOfRoom } from './lack-of-room.js'
import { OffsetIndex } from './offset-index.js'
import { readSmallFile, writeSmallFile } from './small-file.js'
import { TimeIndex } from './time-index.js'

/**
 * The two indexes of a segment. They grow with its batches, are written to files, from which they can be read again, and can at any time be made anew from
 * the batches: without the files the log is as good as before.
 */
export class SegmentIndexes {
  readonly offsets: OffsetIndex
  readonly times: TimeIndex
  /** Whether they are in memory; those of old segments stay in their files until they are needed. */
  areLoaded = true
  areOnDisk = false
  /** Whether the entries came from a file, and so may be anything, until they have been seen to fit the batches that they lead to. */
  areGiven = false
  readonly #storage: Storage
  readonly #path: string

  constructor(storage: Storage, path: string, baseOffset: number) {
    this.#storage = storage
    this.#path = path
    this.offsets = new OffsetIndex(baseOffset)
    this.times = new TimeIndex(baseOffset)
  }

  /** Fills them from their files, which must be there. Returns whether that could be done: what a segment of such size and end cannot have is not taken. */
  async read(sizeInBytes: number, nextOffset: number): Promise<boolean> {
    const offsets = await readSmallFile(this.#storage, `${this.#path}.index`)
    const times = await readSmallFile(this.#storage, `${this.#path}.timeindex`)
    this.areLoaded = this.offsets.restore(offsets, sizeInBytes, nextOffset) && this.times.restore(times, nextOffset)
    this.areGiven = this.areLoaded
    if (!this.areLoaded) this.#clear()
    return this.areLoaded
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

  /** Whether what stands at `filePosition` is the batch that the index, if it has an entry for that place, says. */
  fit(view: Uint8Array, at: number, filePosition: number): boolean {
    const lastOffset = this.offsets.offsetAt(filePosition)
    if (lastOffset < 0) return true
    if (at + headerBytes > view.length) return false
    return batchSizeAt(view, at) >= headerBytes && lastOffsetAt(view, at) === lastOffset
  }

  /** Takes the entries of others, which were made from the batches, for all before a position and an offset. */
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

  /** Lets go of their memory where they can be read again. */
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
