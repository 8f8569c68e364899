import { reasonOf } from '../common/warnings.js'
import type { BrokerEvents } from './events.js'

type Texts = { readonly [N in keyof BrokerEvents]?: (event: Parameters<BrokerEvents[N]>[0]) => string }

/**
 * Events that must not go unnoticed, in words: for a log, and for the process's warnings where
 * nobody listens.
 */
export const troubleTexts = {
  tornTail: ({ topic, partition, file, position, bytes, reason }) =>
    `A crash had left something unfinished at the end of ${topic}-${partition}; ${bytes} bytes of \`${file}\` from ${position} on were taken away: ${reason}`,
  partitionStopped: ({ topic, partition, error }) => `${topic}-${partition} is stopped: ${error.message}`,
  straySetAside: ({ folder }) => `A folder that belongs to no known partition was set aside as \`${folder}\``,
  fenced: ({ error }) => error.message,
  recordsLost: ({ topic, partition, reader, records, reason }) =>
    `${records} records of ${topic}-${partition} were removed for their ${reason === 'size' ? 'size' : 'age'} before ${reader} had read them; more of \`${topic}\` may follow`,
  recordsExpiring: ({ topic, partition, records, at, retentionMs, isRead }) =>
    `${records} records of ${topic}-${partition} will be removed on ${new Date(at).toISOString()}, ${isRead ? 'as' : 'unread, as'} they are kept for ${retentionMs} ms (retention.ms); \`topic('${topic}', { keep: 'forever' })\` creates a topic that keeps them`,
  offsetsExpiring: ({ groupId, topics, at }) =>
    `The offsets that the group \`${groupId}\` has committed for ${topics.join(', ')} will expire on ${new Date(at).toISOString()}, as nobody uses it (offsets.retention.minutes)`,
  error: ({ error, during }) => `During ${during}: ${reasonOf(error)}`
} satisfies Texts

/** The subject of a warning that is told only once, however the words differ. */
export function subjectOf(event: unknown): string | undefined {
  const { topic, groupId } = event as { topic?: string; groupId?: string }
  return topic ?? groupId
}

/** Warnings of which one per topic, or group, is enough. */
export const oncePerSubject: ReadonlySet<string> = new Set(['recordsLost', 'recordsExpiring', 'offsetsExpiring'])
