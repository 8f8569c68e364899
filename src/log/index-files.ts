import type { Storage } from '../storage/storage.js'
import { allDone } from './all-done.js'
import type { OffsetIndex } from './offset-index.js'
import { readSmallFile, writeSmallFile } from './small-file.js'
import type { TimeIndex } from './time-index.js'

interface Indexed {
  readonly offsetIndex: OffsetIndex
  readonly timeIndex: TimeIndex
  readonly sizeInBytes: number
  readonly nextOffset: number
}

/** Fills the indexes of a segment from its files, which must be there. Returns whether that could be done. */
export async function readIndexFiles(storage: Storage, path: string, segment: Indexed): Promise<boolean> {
  const offsets = await readSmallFile(storage, `${path}.index`)
  const times = await readSmallFile(storage, `${path}.timeindex`)
  const areRestored =
    segment.offsetIndex.restore(offsets, segment.sizeInBytes, segment.nextOffset) && segment.timeIndex.restore(times, segment.nextOffset)
  if (!areRestored) {
    segment.offsetIndex.clear()
    segment.timeIndex.clear()
  }
  return areRestored
}

export async function writeIndexFiles(storage: Storage, path: string, offsetIndex: Uint8Array, timeIndex: Uint8Array): Promise<void> {
  // The views are valid until the next entry, which may come while they are written.
  const [offsets, times] = [offsetIndex.slice(), timeIndex.slice()]
  await allDone([writeSmallFile(storage, `${path}.index`, offsets), writeSmallFile(storage, `${path}.timeindex`, times)])
}

/** What follows from the bytes of a segment: without it the log is as good as before. */
export async function removeIndexFiles(storage: Storage, path: string): Promise<void> {
  for (const suffix of ['.index', '.timeindex']) await storage.remove(path + suffix)
}

/** Removes what stands beside the log of a segment that is gone. */
export async function removeFilesBeside(storage: Storage, path: string): Promise<void> {
  await removeIndexFiles(storage, path)
  await storage.remove(`${path}.txnindex`)
}
