import { AckPolicy, DeliverPolicy, headers, StorageType } from 'nats'
import type { StoreKind } from '../disk-run.js'
import { startNats } from './nats-server.js'

const encoder = new TextEncoder()

/** A stream on disk with the key in a header; publishing is acknowledged, a thousand under way at once. */
export const jetStream: StoreKind = {
  async open(folder) {
    const server = await startNats(folder)
    const connection = await server.connect()
    await (await connection.jetstreamManager()).streams.add({ name: 'log', subjects: ['log'], storage: StorageType.File })
    const stream = connection.jetstream()
    return {
      append: messages =>
        Promise.all(
          messages.map(({ key, value }) => {
            const head = headers()
            head.set('key', key)
            return stream.publish('log', encoder.encode(value), { headers: head, timeout: 60_000 })
          })
        ),
      close: () => server.stop()
    }
  },
  async reopen(folder, count) {
    const server = await startNats(folder)
    const connection = await server.connect()
    return {
      async replay(see) {
        const manager = await connection.jetstreamManager()
        await manager.consumers.add('log', { durable_name: 'reader', ack_policy: AckPolicy.None, deliver_policy: DeliverPolicy.All })
        const consumer = await connection.jetstream().consumers.get('log', 'reader')
        let seen = 0
        for await (const message of await consumer.consume({ max_messages: 1000 })) {
          see(message.headers?.get('key') ?? '', message.string())
          if (++seen === count) break
        }
      },
      close: () => server.stop()
    }
  }
}
