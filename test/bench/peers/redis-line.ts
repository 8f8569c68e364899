import type { OpenLine } from '../works/latency.js'
import { startRedis } from './redis-server.js'

/** One connection adds, another waits for what was added. */
export const redisLine: OpenLine = async (onMessage, setting) => {
  const server = await startRedis(setting.folder(), 'everysec')
  const writer = await server.connect()
  const reader = await server.connect()
  let isOpen = true
  let acknowledged: Promise<unknown> = Promise.resolve()
  const read = (async () => {
    let id = '0-0'
    while (isOpen) {
      const streams = (await reader.xRead({ key: 'line', id }, { BLOCK: 100 })) as
        | { messages: { id: string; message: { value: string } }[] }[]
        | null
      for (const entry of streams?.[0]?.messages ?? []) {
        onMessage(entry.message.value)
        id = entry.id
      }
    }
  })()
  return {
    send(value) {
      const added = writer.xAdd('line', '*', { value })
      acknowledged = acknowledged.then(() => added)
    },
    async close() {
      await acknowledged
      isOpen = false
      await read
      await server.stop()
    }
  }
}
