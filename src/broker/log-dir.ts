import type { Storage } from '../storage/storage.js'

/** The name that the place of all logs has for clients. */
export function logDirOf(storage: Storage): string {
  return storage.durable ? 'disk' : 'memory'
}
