import { ReplaySubject } from 'rxjs'
import type { BusRun } from '../bus-run.js'
import type { Message } from '../messages.js'

/** A subject that keeps what it was given, for subscribers that come later. */
export async function replaySubjectBus({ messages, count, inboxes }: BusRun): Promise<number> {
  const subject = new ReplaySubject<Message>()
  for (const inbox of inboxes) subject.subscribe(({ key, value }) => inbox.see(key, value))
  const started = performance.now()
  for (let sent = 0; sent < count; sent++) subject.next(messages[sent % messages.length])
  return performance.now() - started
}
