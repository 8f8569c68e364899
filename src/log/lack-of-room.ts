import { KafkaError } from '../errors.js'

/** True if a write failed only because the disk, or a quota, is full: it may succeed later. */
export function isLackOfRoom(error: unknown): boolean {
  const code = (error as { code?: unknown })?.code
  if (code === 'ENOSPC' || code === 'EDQUOT') return true
  return error instanceof KafkaError && error.cause !== undefined && isLackOfRoom(error.cause)
}
