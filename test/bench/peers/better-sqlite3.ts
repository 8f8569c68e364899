import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { StoreKind } from '../disk-run.js'
import type { Message } from '../messages.js'
import type { SyncStore } from '../sync-run.js'

function open(folder: string, synchronous: 'NORMAL' | 'FULL') {
  const database = new Database(join(folder, 'log.sqlite'))
  database.pragma('journal_mode = WAL')
  database.pragma(`synchronous = ${synchronous}`)
  database.exec('CREATE TABLE IF NOT EXISTS log (number INTEGER PRIMARY KEY, key TEXT, value TEXT)')
  const insert = database.prepare('INSERT INTO log (key, value) VALUES (?, ?)')
  const insertAll = database.transaction((messages: readonly Message[]) => {
    for (const { key, value } of messages) insert.run(key, value)
  })
  return { database, insert, insertAll }
}

/** A table with a rowid, a transaction for a thousand rows; the write-ahead log is synced at checkpoints only. */
export const sqlite: StoreKind = {
  open(folder) {
    const { database, insertAll } = open(folder, 'NORMAL')
    return { append: insertAll, close: () => database.close() }
  },
  reopen(folder) {
    const { database } = open(folder, 'NORMAL')
    return {
      replay(see) {
        const rows = database.prepare('SELECT key, value FROM log ORDER BY number').iterate() as IterableIterator<Message>
        for (const { key, value } of rows) see(key, value)
      },
      close: () => database.close()
    }
  }
}

/** Every commit is synced; those who wait at the same time are put into one transaction by hand. */
export async function sqliteSynced(folder: string): Promise<SyncStore> {
  const { database, insertAll } = open(folder, 'FULL')
  let waiting: { message: Message; resolve: () => void }[] = []
  return {
    append(message) {
      return new Promise<void>(resolve => {
        if (waiting.push({ message, resolve }) === 1) setImmediate(commit)
      })
    },
    count: () => (database.prepare('SELECT count(*) AS count FROM log').get() as { count: number }).count,
    close: () => void database.close()
  }
  function commit() {
    const group = waiting
    waiting = []
    insertAll(group.map(({ message }) => message))
    for (const { resolve } of group) resolve()
  }
}
