import { promise as queueOf } from 'fastq'
import type { BusRun } from '../bus-run.js'
import type { Message } from '../messages.js'

/** A queue in memory with an asynchronous worker; a promise per message, awaited a window at a time. */
export async function fastqBus({ messages, count, inboxes: [inbox] }: BusRun): Promise<number> {
  const queue = queueOf<unknown, Message, void>(async ({ key, value }) => inbox.see(key, value), 1)
  const started = performance.now()
  for (let sent = 0; sent < count; sent += messages.length) await Promise.all(messages.map(message => queue.push(message)))
  return performance.now() - started
}
