import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import type { StoreKind } from '../disk-run.js'
import type { Message } from '../messages.js'
import type { SyncStore } from '../sync-run.js'

const open = (folder: string) =>
  new ClassicLevel<string, Message>(join(folder, 'log.level'), { keyEncoding: 'utf8', valueEncoding: 'json' })
const numbered = (number: number) => String(number).padStart(12, '0')

/** Numbered entries with values as JSON, in batches of a thousand. */
export const classicLevel: StoreKind = {
  async open(folder) {
    const database = open(folder)
    await database.open()
    let number = 0
    return {
      append: messages => database.batch(messages.map(value => ({ type: 'put', key: numbered(number++), value }))),
      close: () => database.close()
    }
  },
  async reopen(folder) {
    const database = open(folder)
    await database.open()
    return {
      async replay(see) {
        const iterator = database.values()
        for (let page: Message[]; (page = await iterator.nextv(1000)).length > 0; ) for (const { key, value } of page) see(key, value)
        await iterator.close()
      },
      close: () => database.close()
    }
  }
}

/** Every put is synced. */
export async function classicLevelSynced(folder: string): Promise<SyncStore> {
  const database = open(folder)
  await database.open()
  let number = 0
  return {
    append: message => database.put(numbered(number++), message, { sync: true }),
    count: async () => (await database.keys().all()).length,
    close: () => database.close()
  }
}
