import { join } from 'node:path'
import { open as openLmdb } from 'lmdb'
import type { StoreKind } from '../disk-run.js'
import type { Message } from '../messages.js'
import type { SyncStore } from '../sync-run.js'

/** Numbered entries; puts of one turn are committed together. `noSync` leaves syncing to the operating system. */
export function lmdb(options: { readonly noSync?: boolean }): StoreKind {
  const open = (folder: string) => openLmdb<Message, number>({ path: join(folder, 'log.lmdb'), ...options })
  return {
    open(folder) {
      const database = open(folder)
      let number = 0
      return {
        append(messages) {
          let last: Promise<boolean> | undefined
          for (const { key, value } of messages) last = database.put(number++, { key, value })
          return last
        },
        close: () => database.close()
      }
    },
    reopen(folder) {
      const database = open(folder)
      return {
        replay(see) {
          for (const { value } of database.getRange()) see(value.key, value.value)
        },
        close: () => database.close()
      }
    }
  }
}

/** A put resolves when its transaction, and those of all who wait with it, has been synced. */
export async function lmdbSynced(folder: string): Promise<SyncStore> {
  const database = openLmdb<Message, number>({ path: join(folder, 'log.lmdb'), overlappingSync: false })
  let number = 0
  return {
    append: message => database.put(number++, message),
    count: () => database.getCount(),
    close: () => database.close()
  }
}
