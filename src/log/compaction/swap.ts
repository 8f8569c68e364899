import type { Storage } from '../../storage/storage.js'
import type { Segment } from '../segment/segment.js'
import { removeFilesBeside } from '../segment/segment-indexes.js'

/**
 * Gives a cleaned segment the name of the first of those it replaces, such that at every instant
 * the files tell one story:
 *
 *     0…0.log.cleaned   not finished: after a crash it is removed, the sources stand
 *     0…0.log.swap      whole: after a crash its sources are removed and it is renamed (`finishSwaps`)
 *     0…0.log           done; its indexes are written anew
 *
 * The folder is synced between the steps, so that a power cut does not mix them up.
 */
export async function swapIn(storage: Storage, folder: string, cleaned: Segment, sources: readonly Segment[]): Promise<void> {
  const { path } = cleaned
  await storage.rename(`${path}.log.cleaned`, `${path}.log.swap`)
  await storage.syncFolder(folder)
  await finishSwap(
    storage,
    folder,
    path,
    sources.map(source => source.path)
  )
  if (storage.durable) await cleaned.indexes.write()
}

/**
 * The steps from the finished file on, which recovery may take again: removes the sources, of which
 * the first is `path` itself, and renames.
 */
export async function finishSwap(storage: Storage, folder: string, path: string, sources: readonly string[]): Promise<void> {
  await removeFilesBeside(storage, path)
  for (const source of sources) {
    if (source === path) continue
    await storage.remove(`${source}.log`)
    await removeFilesBeside(storage, source)
  }
  await storage.syncFolder(folder)
  await storage.rename(`${path}.log.swap`, `${path}.log`)
  await storage.syncFolder(folder)
}
