import { copyBytes } from '../../common/bytes.js'
import { release } from '../../common/lease.js'
import type { Storage } from '../../storage/storage.js'

/*
 * Files that are read and written as a whole: checkpoints, snapshots, indexes. Opening a file
 * creates it, so that whoever reads one has to know from a listing that it is there.
 */

/** All bytes of a file that is there. */
export async function readSmallFile(storage: Storage, name: string): Promise<Uint8Array> {
  const file = await storage.open(name)
  try {
    const bytes = new Uint8Array(file.length)
    for (let position = 0; position < bytes.length; ) {
      const view = await file.read(position, bytes.length - position)
      if (view.length === 0) return copyBytes(bytes.subarray(0, position))
      bytes.set(view, position)
      position += view.length
      release(view)
    }
    return bytes
  } finally {
    await file.close()
  }
}

/**
 * Gives a file new content. A crash may leave it with a part of that, so its reader must be able to
 * tell.
 */
export async function writeSmallFile(storage: Storage, name: string, bytes: Uint8Array): Promise<void> {
  const file = await storage.open(name)
  try {
    if (file.length > 0) await file.truncate(0)
    else if (bytes.length === 0) return
    if (bytes.length > 0) await file.append(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/**
 * Gives a file new content, or, where a crash comes in between, leaves it the old one. Its name is
 * left to the caller to sync.
 */
export async function renewSmallFile(storage: Storage, name: string, bytes: Uint8Array): Promise<void> {
  await writeSmallFile(storage, `${name}.tmp`, bytes)
  await storage.rename(`${name}.tmp`, name)
}

/**
 * Gives a file new content for certain, or, where a crash comes in between, leaves it the old one.
 */
export async function replaceSmallFile(storage: Storage, name: string, bytes: Uint8Array): Promise<void> {
  await renewSmallFile(storage, name, bytes)
  await storage.syncFolder(name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : '')
}
