import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import type { BusRun } from '../bus-run.js'
import type { Message } from '../messages.js'

/** A stream of objects, written with respect for its back-pressure and read by `for await`. */
export async function passThroughBus({ messages, count, inboxes: [inbox] }: BusRun): Promise<number> {
  const stream = new PassThrough({ objectMode: true, highWaterMark: messages.length })
  const started = performance.now()
  const read = (async () => {
    for await (const { key, value } of stream as AsyncIterable<Message>) inbox.see(key, value)
  })()
  for (let sent = 0; sent < count; sent++) if (!stream.write(messages[sent % messages.length])) await once(stream, 'drain')
  stream.end()
  await read
  return performance.now() - started
}
