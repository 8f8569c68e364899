import { shown } from '../../common/options.js'

/** The position to start at without a committed offset, or when the offset is no longer there. */
export type AutoOffsetReset = 'earliest' | 'latest' | 'none' | `by_duration:${string}`

const prefix = 'by_duration:'
const isoDuration = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,9})?)S)?)?$/

/** Throws a `TypeError` unless the value says where to start. */
export function expectAutoOffsetReset(value: unknown): void {
  if (value === 'earliest' || value === 'latest' || value === 'none') return
  if (typeof value === 'string' && value.startsWith(prefix) && durationMs(value.slice(prefix.length)) !== undefined) return
  throw new TypeError(
    `Expected \`autoOffsetReset\` to be 'earliest', 'latest', 'none', or 'by_duration:' with an ISO 8601 duration such as 'by_duration:PT1H', got ${shown(value)}`
  )
}

/** Milliseconds that a reset goes back from now; undefined when it is not by duration. */
export function resetDurationMs(reset: AutoOffsetReset): number | undefined {
  return reset.startsWith(prefix) ? durationMs(reset.slice(prefix.length)) : undefined
}

/** PnDTnHnMnS in milliseconds. */
function durationMs(text: string): number | undefined {
  const match = isoDuration.exec(text)
  if (!match || /[PT]$/.test(text)) return undefined
  const [days, hours, minutes, seconds] = match.slice(1).map(part => Number(part ?? 0))
  const ms = Math.round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000)
  return Number.isSafeInteger(ms) ? ms : undefined
}
