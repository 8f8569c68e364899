import { KafkaError } from '../errors.js'

/** What a disk can be asked to do, and to fail at. */
export type DiskOperation = 'open' | 'append' | 'read' | 'truncate' | 'sync' | 'list' | 'remove' | 'rename' | 'syncFolder'

/** What a simulated disk refuses with: the error that a storage makes of an operating system's. */
export class DiskFailure extends KafkaError {
  /** Whether a part of it may have happened. */
  readonly isPartial: boolean

  constructor(message: string, reason: string, isPartial: boolean) {
    super('STORAGE_FAILED', message, { cause: Object.assign(new Error(reason), { code: reason }) })
    this.isPartial = isPartial
  }
}
