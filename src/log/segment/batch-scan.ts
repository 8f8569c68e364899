import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { release } from '../../common/lease.js'
import { batchSizeAt, headerBytes } from '../../record/batch-header.js'
import type { StorageFile } from '../../storage/storage.js'
import type { ChainWalk } from './batch-chain.js'
import { damageError } from './damage.js'

const blockBytes = 1024 * 1024

/**
 * Called with each batch: it stands whole in `bytes` at `position`, and in the file at
 * `filePosition`; the bytes stay there until the visit is over. Returning `true` ends the walk.
 */
export type BatchVisitor = (bytes: Uint8Array, position: number, filePosition: number) => MaybePromise<boolean | undefined | void>

/** A file of batches, and what its storage calls it. */
export interface BatchFile {
  readonly name: string
  readonly file: StorageFile
  /** Throws when nobody may read on. */
  expectOpen?(): void
  /** Checks how the batches from a position on follow each other, where that is worth a look. */
  chainFrom?(position: number): ChainWalk | undefined
}

/**
 * Walks the batches of a file from one position to another, both of which must be where batches
 * start or end; waits where the visitor does. Returns whether the visitor ended it.
 */
export async function walkBatches(batchFile: BatchFile, from: number, to: number, visit: BatchVisitor): Promise<boolean> {
  const { file, name } = batchFile
  const chain = batchFile.chainFrom?.(from)
  let filePosition = from
  let wanted = blockBytes
  while (filePosition < to) {
    batchFile.expectOpen?.()
    const view = await file.read(filePosition, Math.min(wanted, to - filePosition))
    try {
      let position = 0
      let size = headerBytes
      while (position + headerBytes <= view.length) {
        size = batchSizeAt(view, position)
        if (size < headerBytes || filePosition + position + size > to) throw damaged(name, filePosition + position)
        if (position + size > view.length) break
        const fault = chain?.faultOf(view, position)
        if (fault !== undefined) throw damageError({ file: name, position: filePosition + position, reason: fault })
        const visited = chain?.isPassed ? false : visit(view, position, filePosition + position)
        if (isPromise(visited) ? await visited : visited) return true
        position += size
      }
      if (position === 0 && size <= wanted) throw damaged(name, filePosition)
      filePosition += position
      wanted = Math.max(blockBytes, size)
    } finally {
      release(view)
    }
  }
  return false
}

function damaged(file: string, position: number): Error {
  return damageError({ file, position, reason: 'a batch is cut short or has an impossible size' })
}
