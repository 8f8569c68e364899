import { lastOffsetAt } from '../../record/batch-header.js'
import type { Storage } from '../../storage/storage.js'
import { walkBatches } from '../segment/batch-scan.js'
import { pathIn } from '../segment/file-names.js'
import { finishSwap } from './swap.js'

const swapName = /^(\d{20})\.log\.swap$/
const logName = /^(\d{20})\.log$/
/**
 * Left over from what was being removed or made; and indexes that were about to be renamed, by
 * Kafka: they are derived again.
 */
const leftover = /\.(deleted|cleaned)$|^\d{20}\.(index|timeindex|txnindex)\.swap$/

/**
 * Brings a compaction that a crash has interrupted to its end, or undoes it; before anything else
 * looks at the folder.
 */
export async function finishSwaps(storage: Storage, folder: string): Promise<void> {
  const names = await storage.list(folder)
  for (const name of names) if (leftover.test(name)) await storage.remove(`${folder}/${name}`)
  for (const name of names) {
    const match = swapName.exec(name)
    if (!match) continue
    const first = Number(match[1])
    const last = await lastOffsetIn(storage, `${folder}/${name}`, first)
    const sources = names
      .map(other => Number(logName.exec(other)?.[1] ?? Number.NaN))
      .filter(baseOffset => baseOffset >= first && baseOffset <= last)
    await finishSwap(
      storage,
      folder,
      pathIn(folder, first),
      sources.map(baseOffset => pathIn(folder, baseOffset))
    )
  }
}

async function lastOffsetIn(storage: Storage, name: string, baseOffset: number): Promise<number> {
  const file = await storage.open(name)
  try {
    let last = baseOffset
    await walkBatches({ file, name }, 0, file.length, (bytes, position) => {
      last = lastOffsetAt(bytes, position)
      return false
    })
    return last
  } finally {
    await file.close()
  }
}
