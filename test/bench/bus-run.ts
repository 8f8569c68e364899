import { Inbox, type Message, messagesOf } from './messages.js'
import type { Setting } from './setting.js'

/** What one who carries messages is given: what to publish, how often, and who wants to see all of it. */
export interface BusRun {
  readonly messages: readonly Message[]
  readonly count: number
  readonly inboxes: readonly Inbox[]
}

/** Carries messages from a publisher to the inboxes; resolves with the milliseconds from the first to the last. */
export type Bus = (run: BusRun) => Promise<number>

/** Millions of records a second that a bus takes to each subscriber. */
export async function busRate(
  bus: Bus,
  setting: Setting,
  { records = 1_000_000, valueBytes = 100, subscribers = 1 } = {}
): Promise<{ rate: number }> {
  const count = setting.count(records)
  const inboxes = Array.from({ length: subscribers }, () => new Inbox(count))
  const elapsed = await bus({ messages: messagesOf(valueBytes), count, inboxes })
  for (const { seen } of inboxes) if (seen !== count) throw new Error(`${seen} of ${count} records came`)
  return { rate: count / elapsed / 1000 }
}
