import { closeSync, fdatasync as fdatasyncOf, fdatasyncSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { SyncStore } from '../sync-run.js'

const fdatasync = promisify(fdatasyncOf)

/** The floor: lines in a file, which may be extended ahead, one fdatasync for all who wait at the same time. */
export async function rawSynced(folder: string, aheadBytes: number): Promise<SyncStore> {
  const file = openSync(join(folder, 'raw'), 'w')
  ftruncateSync(file, aheadBytes)
  fdatasyncSync(file)
  let position = 0
  let count = 0
  let waiting: (() => void)[] = []
  let isSyncing = false
  return {
    append({ key, value }) {
      position += writeSync(file, `${key} ${value}\n`, position)
      count++
      return new Promise<void>(resolve => {
        waiting.push(resolve)
        if (!isSyncing) void sync()
      })
    },
    count: () => count,
    close: () => closeSync(file)
  }
  async function sync() {
    isSyncing = true
    while (waiting.length > 0) {
      // Those who were answered together come back together: let them all in.
      await new Promise(setImmediate)
      const group = waiting
      waiting = []
      await fdatasync(file)
      for (const resolve of group) resolve()
    }
    isSyncing = false
  }
}
