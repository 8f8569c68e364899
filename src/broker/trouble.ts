import type { BrokerEvents } from './events.js'

type Texts = { readonly [N in keyof BrokerEvents]?: (event: Parameters<BrokerEvents[N]>[0]) => string }

/** What must not go unnoticed, in words: for a log, and for the process's warnings where nobody listens. */
export const troubleTexts = {
  tornTail: ({ topic, partition, file, position, bytes, reason }) =>
    `A crash had left something unfinished at the end of ${topic}-${partition}; ${bytes} bytes of \`${file}\` from ${position} on were taken away: ${reason}`,
  partitionStopped: ({ topic, partition, error }) => `${topic}-${partition} is stopped: ${error.message}`,
  straySetAside: ({ folder }) => `A folder that belongs to no known partition was set aside as \`${folder}\``,
  fenced: ({ error }) => error.message,
  error: ({ error, during }) => `During ${during}: ${error instanceof Error ? error.message : String(error)}`
} satisfies Texts
