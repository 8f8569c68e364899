import { consumerOpts, StorageType } from 'nats'
import type { OpenLine } from '../works/latency.js'
import { startNats } from './nats-server.js'

/** A stream on disk, and a subscriber that it pushes to. */
export const natsLine: OpenLine = async (onMessage, setting) => {
  const server = await startNats(setting.folder())
  const [writer, reader] = [await server.connect(), await server.connect()]
  await (await writer.jetstreamManager()).streams.add({ name: 'line', subjects: ['line'], storage: StorageType.File })
  const options = consumerOpts().orderedConsumer()
  const subscription = await reader.jetstream().subscribe('line', options)
  const read = (async () => {
    for await (const message of subscription) onMessage(message.string())
  })()
  const stream = writer.jetstream()
  let acknowledged: Promise<unknown> = Promise.resolve()
  return {
    send(value) {
      const ack = stream.publish('line', value, { timeout: 60_000 })
      acknowledged = acknowledged.then(() => ack)
    },
    async close() {
      await acknowledged
      subscription.unsubscribe()
      await read
      await server.stop()
    }
  }
}
