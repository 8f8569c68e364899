import Emittery from 'emittery'
import type { BusRun } from '../bus-run.js'
import type { Message } from '../messages.js'

/** An emitter that calls listeners in a later turn; each `emit` is awaited. */
export async function emitteryBus({ messages, count, inboxes }: BusRun): Promise<number> {
  const emitter = new Emittery<{ message: Message }>()
  // Since version 2 a listener gets an event, before that the data itself.
  for (const inbox of inboxes)
    emitter.on('message', (event: Message | { data: Message }) => {
      const { key, value } = 'data' in event ? event.data : event
      inbox.see(key, value)
    })
  const started = performance.now()
  for (let sent = 0; sent < count; sent++) await emitter.emit('message', messages[sent % messages.length])
  return performance.now() - started
}
