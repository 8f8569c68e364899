import { EventEmitter } from 'node:events'
import { PassThrough } from 'node:stream'
import { Worker } from 'node:worker_threads'
import type { OpenLine } from '../works/latency.js'
import { Cluster, fileModule, memoryStorage, string, topic } from './millrace.js'

export const eventEmitterLine: OpenLine = async onMessage => {
  const emitter = new EventEmitter()
  emitter.on('message', value => onMessage(value))
  return { send: value => emitter.emit('message', value), async close() {} }
}

export const passThroughLine: OpenLine = async onMessage => {
  const stream = new PassThrough({ objectMode: true })
  const read = (async () => {
    for await (const value of stream) onMessage(value)
  })()
  return {
    send: value => stream.write(value),
    async close() {
      stream.end()
      await read
    }
  }
}

export const messageChannelLine: OpenLine = async onMessage => {
  const worker = new Worker(new URL('./line-worker.js', import.meta.url))
  worker.on('message', ([value, at]: [string, number]) => onMessage(value, at))
  await new Promise(resolve => worker.once('online', resolve))
  return { send: value => worker.postMessage(value), close: async () => void (await worker.terminate()) }
}

/** A cluster in memory, or on disk with the given durability. */
export function millraceLine(how: 'for await' | 'run', durability?: 'os' | 'always'): OpenLine {
  return async (onMessage, setting) => {
    const storage = durability ? (await fileModule()).fileStorage(setting.folder(), { durability }) : memoryStorage()
    const cluster = await Cluster.open({ storage })
    const line = topic('line', { key: string, value: string, partitions: 1 })
    await cluster.admin().createTopics([line])
    const producer = cluster.producer()
    const consumer = cluster.consumer({ groupId: 'line', topics: [line], autoOffsetReset: 'earliest' })
    await consumer.start()
    const reading =
      how === 'run'
        ? consumer.run({ eachRecord: ({ value }) => onMessage(value) })
        : (async () => {
            for await (const { value } of consumer) onMessage(value)
          })()
    return {
      send: value => void producer.send(line, { key: 'line', value }),
      async close() {
        await cluster.close()
        await reading
      }
    }
  }
}
