import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { release } from '../../common/lease.js'
import { KafkaError } from '../../errors.js'
import { batchSizeAt, headerBytes, lengthPrefixBytes } from '../../record/batch-header.js'
import type { StorageFile } from '../../storage/storage.js'

const blockBytes = 1024 * 1024

/** Called with each batch: it stands whole in `bytes` at `position`, and stays there until the visit is over. Returning `true` ends the walk. */
export type Visit = (bytes: Uint8Array, position: number, size: number) => MaybePromise<true | void>

/** Walks the batches of a file from one position to another, waiting where the visitor does. Returns whether it was ended before. */
export async function visitBatches(file: StorageFile, from: number, to: number, visit: Visit): Promise<boolean> {
  let filePosition = from
  let wanted = blockBytes
  while (filePosition < to) {
    const view = await file.read(filePosition, Math.min(wanted, to - filePosition))
    try {
      let position = 0
      let size = lengthPrefixBytes
      while (position + lengthPrefixBytes <= view.length) {
        size = batchSizeAt(view, position)
        if (size < headerBytes) throw damaged(filePosition + position)
        if (position + size > view.length) break
        const visited = visit(view, position, size)
        if (isPromise(visited) ? await visited : visited) return true
        position += size
      }
      if (position === 0 && size <= wanted) throw damaged(filePosition)
      filePosition += position
      wanted = Math.max(blockBytes, size)
    } finally {
      release(view)
    }
  }
  return false
}

function damaged(position: number): KafkaError {
  return new KafkaError('CORRUPT_MESSAGE', `The batch at position ${position} is cut short or has an impossible size`)
}
