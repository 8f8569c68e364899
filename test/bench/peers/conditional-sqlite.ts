import { join } from 'node:path'
import Database from 'better-sqlite3'
import type { ConditionalStoreKind } from '../works/conditional.js'

/** A table of events, and one that tells the last event of each key; each append checks that, and changes both, in a transaction. */
export const sqliteConditional: ConditionalStoreKind = async folder => {
  const database = new Database(folder === undefined ? ':memory:' : join(folder, 'events.sqlite'))
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = NORMAL')
  database.exec('CREATE TABLE events (number INTEGER PRIMARY KEY, key TEXT NOT NULL, value TEXT NOT NULL)')
  database.exec('CREATE TABLE heads (key TEXT PRIMARY KEY, last INTEGER NOT NULL) WITHOUT ROWID')
  const insert = database.prepare('INSERT INTO events (key, value) VALUES (?, ?)')
  const begin = database.prepare('INSERT INTO heads (key, last) VALUES (?, ?) ON CONFLICT DO NOTHING')
  const move = database.prepare('UPDATE heads SET last = ? WHERE key = ? AND last = ?')
  const appendOne = database.transaction((key: string, last: number, value: string) => {
    const number = Number(insert.run(key, value).lastInsertRowid)
    const { changes } = last < 0 ? begin.run(key, number) : move.run(number, key, last)
    if (changes === 0) throw new Error('conflict')
    return number
  })
  return {
    append: (keys, last, values) => keys.map((key, i) => appendOne(key, last[i], values[i])),
    refuses(key, last) {
      try {
        appendOne(key, last, '')
        return false
      } catch (error) {
        return (error as Error).message === 'conflict'
      }
    },
    bytesPerKey: () => 0,
    close: () => database.close()
  }
}
