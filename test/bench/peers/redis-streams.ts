import type { StoreKind } from '../disk-run.js'
import type { SyncStore } from '../sync-run.js'
import { startRedis } from './redis-server.js'

type Entry = { readonly id: string; readonly message: { readonly key: string; readonly value: string } }

/** XADD, a thousand in a pipeline; the append-only file is synced every second at most. The server is started again before reading. */
export const redisStreams: StoreKind = {
  async open(folder) {
    const server = await startRedis(folder, 'no')
    const client = await server.connect()
    return {
      append: messages => Promise.all(messages.map(({ key, value }) => client.xAdd('log', '*', { key, value }))),
      close: () => server.stop()
    }
  },
  async reopen(folder) {
    const server = await startRedis(folder, 'no')
    const client = await server.connect()
    return {
      async replay(see) {
        let from = '-'
        for (let page: Entry[]; (page = (await client.xRange('log', from, '+', { COUNT: 1000 })) as unknown as Entry[]).length > 0; ) {
          for (const { message } of page) see(message.key, message.value)
          from = `(${page.at(-1)!.id}`
        }
      },
      close: () => server.stop()
    }
  }
}

/** The append-only file is synced before each answer. */
export async function redisSynced(folder: string): Promise<SyncStore> {
  const server = await startRedis(folder, 'always')
  const client = await server.connect()
  return {
    append: ({ key, value }) => client.xAdd('log', '*', { key, value }),
    count: () => client.xLen('log'),
    close: () => server.stop()
  }
}
