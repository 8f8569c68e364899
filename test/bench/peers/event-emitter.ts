import { EventEmitter } from 'node:events'
import type { BusRun } from '../bus-run.js'
import type { Message } from '../messages.js'

/** The floor: a function call per message and subscriber, and nothing is kept. */
export async function eventEmitterBus({ messages, count, inboxes }: BusRun): Promise<number> {
  const emitter = new EventEmitter()
  emitter.setMaxListeners(inboxes.length)
  for (const inbox of inboxes) emitter.on('message', ({ key, value }: Message) => inbox.see(key, value))
  const started = performance.now()
  for (let sent = 0; sent < count; sent++) emitter.emit('message', messages[sent % messages.length])
  return performance.now() - started
}
